"""Command files: both formats make the same records, and a bad line says where it is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from svc.engine.book import Engine
from svc.engine.command_file import (
    BadCommandFile,
    batches,
    read_commands,
    read_events,
)
from svc.engine.json_lines import command_lines, event_lines
from svc.engine.records import (
    Command,
    CommandKind,
    Event,
    EventKind,
    InstrumentCommand,
    OrderType,
    pack_commands,
    split_records,
    unpack_commands,
    unpack_events,
)
from tests.engine.flows import Flow


def written(folder: Path, text: str) -> Path:
    path = folder / "commands.jsonl"
    path.write_text(text)
    return path


def test_both_formats_give_the_same_records(tmp_path: Path) -> None:
    flow = Flow(5)
    commands = [*flow.opening(), *(flow.new() for _ in range(50)), flow.cancel(), flow.replace()]
    commands.append(Command(CommandKind.STATE, side=3, instrument_id=1, version=9))
    (tmp_path / "commands.bin").write_bytes(pack_commands(commands))
    lines = written(tmp_path, "".join(command_lines(commands)))
    assert read_commands(lines) == read_commands(tmp_path / "commands.bin")


def test_names_stand_for_numbers(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"kind": "INSTRUMENT", "instrument_id": 1, "max_quantity_lots": 100}\n\n'
        '{"kind": "NEW", "side": "BUY", "order_type": "LIMIT", "tif": "GTC", "stp_mode": "NONE",'
        ' "flags": "POST_ONLY", "instrument_id": 1, "version": 1, "order_id": 1, "account_id": 7,'
        ' "price_ticks": 100, "quantity_lots": 5}\n'
        '{"kind": "STATE", "instrument_id": 1, "version": 1, "state": "HALTED"}\n',
    )
    events = Engine().apply(read_commands(path), 0)
    lines = list(event_lines(events))
    assert '"kind": "INSTRUMENT_CHANGED"' in lines[0]
    assert '"side": "BUY"' in lines[1]
    assert '"state": "HALTED"' in lines[2]


def test_kinds_and_enumerations_may_be_numbers(tmp_path: Path) -> None:
    line = '{"kind": 1, "side": 1, "order_type": 1, "tif": 1, "flags": 1, "order_id": 5}\n'
    expected = Command(1, side=1, order_type=1, tif=1, flags=1, order_id=5)
    assert read_commands(written(tmp_path, line)) == expected.pack()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_written_as_lines_is_read_back_to_the_same_records(
    tmp_path: Path, seed: int
) -> None:
    flow = Flow(seed, markets=100, auctions=30)
    commands = [*flow.opening(), *(flow.command() for _ in range(40))]
    commands += [InstrumentCommand(1, 0, 0, 100), InstrumentCommand(0, 1, 7, 0, min_ticks=0)]
    commands += [Command(kind) for kind in (0, *CommandKind, 255) if kind != CommandKind.INSTRUMENT]
    records = pack_commands(commands)
    lines = "".join(command_lines(unpack_commands(records)))
    assert read_commands(written(tmp_path, lines)) == records


def test_events_are_read_back_from_lines_to_the_same_records(tmp_path: Path) -> None:
    flow, engine, events = Flow(4, markets=30, auctions=30), Engine(), b""
    for commands, time_ns in flow.batches(1_500, 3):
        records = pack_commands(commands if engine.sequence else flow.opening())
        events += engine.apply(records, time_ns)
    assert {event.kind for event in unpack_events(events)} == set(EventKind)
    path = tmp_path / "events.jsonl"
    path.write_text("".join(event_lines(events)))
    assert read_events(path) == events
    others = [line for line in path.read_text().splitlines() if '"TRADE"' not in line]
    assert "maker" not in "".join(others)


def test_a_line_calls_a_field_what_it_holds_in_an_event_of_its_kind() -> None:
    limit = Event(1, 0, EventKind.ORDER_ACCEPTED, maker_order_id=90, trade_number=7)
    trailing = replace(limit, order_type=OrderType.STOP_LIMIT, trade_number=-50)
    triggered = Event(2, 0, EventKind.ORDER_TRIGGERED, maker_order_id=90, maker_account_id=91)
    halted = Event(3, 0, EventKind.STATE_CHANGED, stp_mode=1, state=6)
    records = b"".join(event.pack() for event in (limit, trailing, triggered, halted))
    shown = [json.loads(line) for line in event_lines(records)]
    assert shown[0] == {"kind": "ORDER_ACCEPTED", "sequence": 1, "cap_ticks": 90, "budget": 7}
    assert shown[1]["trail_offset_ticks"] == -50
    assert (shown[2]["trigger_ticks"], shown[2]["traded_ticks"]) == (90, 91)
    assert (shown[3]["previous_state"], shown[3]["state"]) == ("TRADING", "HALTED")


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "7",
        '{"kind": "BUY"}',
        '{"kind": "NEW", "price": 5}',
        '{"kind": "NEW", "price_ticks": 1.5}',
        '{"kind": "NEW", "side": "LONG"}',
        '{"kind": "NEW", "side": 999}',
    ],
)
def test_a_bad_line_says_where_it_is(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadCommandFile, match="line 2"):
        read_commands(written(tmp_path, '{"kind": "ADVANCE_TIME"}\n' + line + "\n"))


def test_a_cut_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "commands.bin"
    path.write_bytes(bytes(130))
    with pytest.raises(BadCommandFile, match="130 bytes"):
        read_commands(path)


def test_batches_are_cut_by_size_and_where_time_advances() -> None:
    cancel = Command(CommandKind.CANCEL)
    later = Command(CommandKind.ADVANCE_TIME, expire_ns=9)
    records = pack_commands([cancel, cancel, cancel, later, cancel, later])
    cut = [(len(part) // 128, time_ns) for part, time_ns in batches(records, 2)]
    assert cut == [(2, 0), (1, 0), (2, 9), (1, 9)]
    assert b"".join(bytes(part) for part, _ in batches(records, 2)) == records


def test_the_engine_makes_the_same_of_a_file_however_it_is_cut() -> None:
    flow = Flow(8)
    made = split_records(pack_commands([*flow.opening(), *(flow.command() for _ in range(500))]))
    # A version begins only where its command stands alone.
    commands = b"".join(record for record in made if record[0] != CommandKind.VERSION)
    hashes = set()
    for size in (1, 7, 1_000):
        engine = Engine()
        for part, time_ns in batches(commands, size):
            engine.apply(part, time_ns)
        hashes.add(engine.running_hash)
    assert len(hashes) == 1
    assert len(unpack_commands(commands)) == len(list(split_records(commands)))
