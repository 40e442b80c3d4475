"""The replay at the engine's speed finds what a reading frame by frame finds, and nothing else."""

import random
from pathlib import Path

import pytest

from svc.engine import recovery
from svc.engine.book import Engine
from svc.engine.folder import Folder
from svc.engine.frames import HEADER_BYTES, NO_DIGEST
from svc.engine.journal import Batch
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.recovery import recover
from svc.engine.replay import Replay
from svc.kit.clock import FakeClock
from tests.engine.flows import SECOND_NS, START_NS
from tests.engine.lossy import a_market, flow_batches


def write_journal(path: Path, seed: int) -> None:
    """A journal of several writers, with snapshots in some of them."""
    draw, clock = random.Random(seed), FakeClock(START_NS)
    batches = list(flow_batches(seed, 60))
    for epoch in range(1, 4):
        market = a_market(Folder(path), clock, epoch=epoch, segment_bytes=20_000)
        for _ in range(len(batches) // 3):
            submit_in_any_order(market, batches, draw)
            clock.advance(draw.randint(0, SECOND_NS))
            market.advance()
        if draw.random() < 0.5:
            market.take_snapshot()
        market.close()


def submit_in_any_order(market: Market, batches: list[Batch], draw: random.Random) -> None:
    """Takes some of the batches: their events come behind them, or behind those of others."""
    taken = []
    for _ in range(draw.randint(1, 3)):
        taken.append(market.begin([batches.pop(0) for _ in range(draw.randint(1, 2)) if batches]))
        market.store(taken[-1])
        if draw.random() < 0.3:
            market.finish(taken.pop(0))
    for each in taken:
        market.finish(each)


def damage(path: Path, draw: random.Random) -> None:
    """Alters, cuts or empties a part of a file, mostly near the journal's end."""
    files = sorted(path.glob("*.*"))
    file = draw.choice([*files, *[files[-1]] * 4])
    content = bytearray(file.read_bytes())
    at = draw.randrange(len(content))
    match draw.randrange(4):
        case 0:
            content[at] ^= draw.randint(1, 255)
        case 1:
            del content[at:]
        case 2:
            content[at - at % 512 : at - at % 512 + 512] = bytes(512)
        case _:
            content += draw.randbytes(draw.choice([1, 128, 500]))
    file.write_bytes(content)


def outcome(path: Path) -> tuple[object, ...]:
    """What a recovery comes to: a state and what it said, or why it refused."""
    reports: list[str] = []
    try:
        found = recover(Folder(path), reports.append)
    except JournalError as error:
        return (error.reason, str(error), error.file, error.offset, reports)
    return (
        found.engine.state_hash(), found.engine.running_hash, found.engine.sequence,
        found.last_batch, found.last_digest, found.end, found.unfinished, found.covered,
        found.missing_events, reports,
    )  # fmt: skip


def both_ways(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """The outcome, which is the same without the fast way."""
    fast = outcome(path)
    with monkeypatch.context() as patched:
        patched.setattr(
            recovery, "_forward", lambda _replay, _waiting, _segment, offset, _end: offset
        )
        assert outcome(path) == fast
    return fast


def test_both_ways_of_reading_find_the_same_and_refuse_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0
    for seed in range(8):
        path = tmp_path / str(seed)
        path.mkdir()
        write_journal(path, seed)
        assert isinstance(both_ways(path, monkeypatch)[0], int)
        draw = random.Random(seed)
        files = {file: file.read_bytes() for file in path.glob("*.*")}
        for _ in range(8):
            damage(path, draw)
            refused += isinstance(both_ways(path, monkeypatch)[0], str)
            for file, content in files.items():
                file.write_bytes(content)
    assert 8 < refused < 56


@pytest.mark.parametrize("ahead", [0, 1, 7])
def test_a_whole_segment_is_replayed_in_one_go(tmp_path: Path, ahead: int) -> None:
    market = a_market(Folder(tmp_path))
    taken = []
    for batch in flow_batches(3, 40):
        taken.append(market.begin([batch]))
        market.store(taken[-1])
        if len(taken) > ahead:
            market.finish(taken.pop(0))
    market.close()
    (file,) = tmp_path.glob("*.journal")
    segment = file.read_bytes()
    replay = Replay(Engine(), 0, NO_DIGEST)
    assert replay.forward(segment, HEADER_BYTES, len(segment)) == len(segment)
    assert replay.compared == len(segment)
    status = market.status()
    assert (replay.last_batch, replay.last_digest) == (status.last_batch, status.last_digest)
    assert replay.engine.running_hash == status.position.running_hash
    with pytest.raises(ValueError, match="bytes, not"):
        replay.forward(segment, HEADER_BYTES, len(segment) + 1)
