"""A semantic version begins with a command, a segment and a snapshot; no replay crosses that."""

import struct
from pathlib import Path

import pytest

from svc.engine.book import chain
from svc.engine.crc32c import crc32c
from svc.engine.folder import Folder
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.records import SEMANTIC_VERSION, Command, CommandKind, EventKind, Reason
from svc.engine.recovery import recover
from svc.engine.snapshot import receive
from svc.engine.status import LogEnd, Position
from svc.kit.errors import DomainError
from tests.engine.desk import Desk, kinds
from tests.engine.lossy import a_market, flow_batches, numbered

NEXT = SEMANTIC_VERSION + 1
COUNT = 30


def version(number: int) -> Command:
    return Command(CommandKind.VERSION, version=number)


def ended(path: Path) -> Market:
    """A market whose log the next version has begun in: batch 31, refused with the batch behind."""
    market = a_market(Folder(path), segment_bytes=20_000)
    batches = list(flow_batches(5, COUNT))
    market.submit(batches)
    last = len(batches)
    begins = numbered(version(NEXT).pack(), last + 1)
    behind = numbered(version(NEXT).pack(), last + 2)
    with pytest.raises(JournalError, match="JOURNAL_VERSION") as refused:
        market.submit([begins, behind])
    assert f"semantic version {NEXT}, this engine knows {SEMANTIC_VERSION}" in str(refused.value)
    return market


def relabel(path: Path) -> None:
    """Takes one off every version in the files: this engine is then the one the log waits for."""
    for file in path.glob("*.*"):
        content = bytearray(file.read_bytes())
        (known,) = struct.unpack_from("<I", content, 12)
        struct.pack_into("<I", content, 12, known - 1)
        if file.suffix == ".snapshot":
            struct.pack_into("<I", content, 128 + 8, known - 1)
            struct.pack_into("<I", content, 36, crc32c(content[128:]))
            struct.pack_into("<Q", content, 112, chain(0, content[128:]))
        struct.pack_into("<I", content, 124, crc32c(content[:124]))
        file.write_bytes(content)


def refusal(path: Path) -> JournalError:
    with pytest.raises(JournalError) as refused:
        a_market(Folder(path), epoch=9)
    return refused.value


def test_the_version_that_holds_changes_nothing_and_an_earlier_one_is_refused(desk: Desk) -> None:
    before = desk.engine.state_hash()
    assert desk.send(version(SEMANTIC_VERSION)) == []
    assert desk.engine.state_hash() == before
    for number in (0, -1, SEMANTIC_VERSION - 1):
        (event,) = desk.send(version(number))
        assert (event.kind, event.reason) == (EventKind.COMMAND_REJECTED, Reason.INVALID_COMMAND)


def test_a_later_version_stands_alone_in_its_batch_and_changes_the_state(desk: Desk) -> None:
    before = desk.engine.state_hash()
    assert kinds(desk.send(version(NEXT), version(NEXT))) == [EventKind.COMMAND_REJECTED] * 2
    before = desk.engine.state_hash()
    assert desk.send(version(NEXT)) == []
    assert desk.engine.state_hash() != before
    assert kinds(desk.send(version(SEMANTIC_VERSION))) == [EventKind.COMMAND_REJECTED]


def test_a_version_begins_with_a_segment_and_a_snapshot_and_takes_nothing_more(
    tmp_path: Path,
) -> None:
    market = ended(tmp_path)
    with pytest.raises(JournalError):
        market.submit(list(flow_batches(5, COUNT)))
    *_, last = sorted(tmp_path.glob("*.journal"))
    assert [file.stem for file in tmp_path.glob("*.snapshot")] == [last.stem]
    error = refusal(tmp_path)
    assert (error.reason, error.file) == ("JOURNAL_VERSION", last.name)
    assert last.stat().st_size == 128


def test_the_engine_of_that_version_goes_on_from_the_snapshot_and_replays_nothing_before(
    tmp_path: Path,
) -> None:
    ended(tmp_path)
    relabel(tmp_path)
    market = a_market(Folder(tmp_path), epoch=2)
    assert recover(Folder(tmp_path), print).engine.commands == 0
    last = market.status().last_batch
    assert last == len(list(flow_batches(5, COUNT))) + 1
    assert market.status().covered.last_batch == last
    (outcome,) = market.submit([numbered(version(SEMANTIC_VERSION).pack(), last + 1)])
    assert not outcome.is_duplicate
    market.close()
    assert a_market(Folder(tmp_path), epoch=3).status().last_batch == last + 1


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_without_that_snapshot_it_refuses_and_the_engine_before_makes_it_again(
    tmp_path: Path, damage: str
) -> None:
    ended(tmp_path)
    (snapshot,) = tmp_path.glob("*.snapshot")
    whole = snapshot.read_bytes()
    if damage == "gone":
        snapshot.unlink()
    else:
        snapshot.write_bytes(whole[:-1] + b"\x7f")
    relabelled = {file: file.read_bytes() for file in tmp_path.glob("*.*")}
    relabel(tmp_path)
    error = refusal(tmp_path)
    assert error.reason == "JOURNAL_VERSION"
    assert f"version {SEMANTIC_VERSION - 1}, this engine knows {SEMANTIC_VERSION}" in str(error)
    for file, content in relabelled.items():
        file.write_bytes(content)
    assert refusal(tmp_path).reason == "JOURNAL_VERSION"
    assert snapshot.read_bytes() == whole


def test_a_writer_that_ends_before_the_segment_of_a_version_is_made_up_for(tmp_path: Path) -> None:
    ended(tmp_path)
    *_, last = sorted(tmp_path.glob("*.journal"))
    (snapshot,) = tmp_path.glob("*.snapshot")
    last.unlink()
    snapshot.unlink()
    assert refusal(tmp_path).reason == "JOURNAL_VERSION"
    relabel(tmp_path)
    market = a_market(Folder(tmp_path), epoch=10)
    assert market.status().last_batch == len(list(flow_batches(5, COUNT))) + 1


def test_a_journal_that_ends_before_the_version_goes_on_with_a_snapshot_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    ended(tmp_path / "a")
    relabel(tmp_path / "a")
    leader = a_market(Folder(tmp_path / "a"), epoch=2)
    with pytest.raises(DomainError) as refused:
        leader.place_behind(LogEnd(0, b"", 0, Position(b"", 0, 0)))
    assert refused.value.reason == "SEMANTIC_VERSION_PASSED"
    (tmp_path / "b").mkdir()
    with leader.open_snapshot() as file:
        receive(Folder(tmp_path / "b"), [file.read()])
    follower = a_market(Folder(tmp_path / "b"), epoch=2)
    last = leader.status().last_batch
    leader.submit([numbered(version(SEMANTIC_VERSION).pack(), last + 1)])
    frames, _ = leader.commands_from(leader.place_behind(follower.log_end()), 1 << 20)
    follower.finish(follower.follow(frames))
    assert follower.log_end() == leader.log_end()
    assert follower.state_hash() == leader.state_hash()
