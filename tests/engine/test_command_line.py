"""`mesh engine`, and what `mesh bench engine` measures: the same commands, every time."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mesh.__main__ import main
from mesh.bench_engine import measure
from mesh.bench_engine_mixes import MIXES, record
from svc.engine.book import Engine
from svc.engine.records import EventKind, pack_commands, unpack_events
from tests.engine.flows import Flow

REFUSED = (EventKind.ORDER_REJECTED, EventKind.CANCEL_REJECTED, EventKind.REPLACE_REJECTED)
SMALL = [name for name in MIXES if name not in {"exchange-core-1m", "hundred-symbols"}]

# What exchange-core's own generator made in three million commands.
THEIR_SHARES = {"GTC": 12.8, "IOC": 1.8, "CANCEL": 7.3, "MOVE": 70.8, "REDUCE": 7.3}
THEIR_TRADES_A_COMMAND = 122_704 / 3_000_000


def test_engine_run_writes_the_events_in_both_formats(tmp_path: Path) -> None:
    flow = Flow(3)
    commands = pack_commands([*flow.opening(), *(flow.command() for _ in range(200))])
    (tmp_path / "commands.bin").write_bytes(commands)
    expected = Engine().apply(commands, 0)
    for name in ("events.bin", "events.jsonl"):
        arguments = ["engine", "run", str(tmp_path / "commands.bin"), "--json", "--batch", "7"]
        ran = CliRunner().invoke(main, [*arguments, "--events", str(tmp_path / name)])
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.output)["commands"] == 202
    assert (tmp_path / "events.bin").read_bytes() == bytes(expected)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == len(unpack_events(expected))


def test_engine_run_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "commands.jsonl").write_text("nonsense")
    ran = CliRunner().invoke(main, ["engine", "run", str(tmp_path / "commands.jsonl")])
    assert ran.exit_code == 1
    assert "line 1" in ran.output


@pytest.mark.parametrize("mix", SMALL)
def test_a_mix_is_the_same_every_time_and_the_engine_refuses_nothing_of_it(mix: str) -> None:
    made = record(mix, 3_000)
    assert made == record(mix, 3_000)
    assert sum(made.counts.values()) == len(made.commands) // 128 == 3_000
    events = unpack_events(Engine().apply(made.prefill + made.commands, 1))
    assert not [event for event in events if event.kind in REFUSED]


def test_the_exchange_core_mix_has_the_shares_and_the_trades_of_its_generator() -> None:
    made, count = record("exchange-core", 120_000), 120_000
    engine = Engine()
    engine.apply(made.prefill, 1)
    before = engine.trades
    engine.apply(made.commands, 1)
    shares = {kind: 100 * number / count for kind, number in made.counts.items()}
    assert shares.pop("FOK_BUDGET") == pytest.approx(0.06, abs=0.02)
    assert shares == pytest.approx(THEIR_SHARES, abs=0.3)
    assert (engine.trades - before) / count == pytest.approx(THEIR_TRADES_A_COMMAND, rel=0.1)


def test_every_measurement_of_a_mix_sees_the_same_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = record("exchange-core", 5_000)
    engine = Engine()
    engine.apply(made.prefill + made.commands, 1)
    result = measure("exchange-core", made, [1_000_000])
    assert result.running_hash == f"{engine.running_hash:016x}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "status", "says"),
    [("1", 2, "not in the range x>=2"), ("two", 2, "not a valid integer"), ("2", 1, "make up")],
)
def test_begin_version_asks_nobody_for_what_cannot_be(
    tmp_path: Path, version: str, status: int, says: str
) -> None:
    arguments = ["engine", "begin-version", version, "--yes", "--home", str(tmp_path)]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == status
    assert says in refused.output
