"""Command files: both formats make the same records, and a bad line says where it is."""

from pathlib import Path

import pytest

from svc.engine.book import Engine
from svc.engine.command_file import (
    BadCommandFile,
    batches,
    command_lines,
    event_lines,
    read_commands,
)
from svc.engine.records import Command, CommandKind, pack_commands, split_records, unpack_commands
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
