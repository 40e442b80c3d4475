"""What snapshots stand for and nobody needs goes; everything else stays, and is found."""

from __future__ import annotations

import errno
import random
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import Buffer

from svc.engine.folder import Folder
from svc.engine.frames import SegmentHeader
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.recovery import recover
from svc.engine.retention import first_to_keep, released_sequence, superfluous
from svc.engine.snapshot import receive
from svc.engine.status import Position
from svc.kit.clock import FakeClock
from svc.kit.errors import DomainError
from tests.engine.flows import SECOND_NS, START_NS
from tests.engine.lossy import LOG_ID, LossyFolder, PowerFailed, a_market, flow_batches
from tests.engine.test_following import folder_in

HOUR_NS = 3_600 * SECOND_NS


def run(folder: Folder, clock: FakeClock, seed: int = 1, snapshots: int = 5) -> Market:
    """Sixty batches, a second apart, in small segments, with so many snapshots among them."""
    market = a_market(folder, clock, segment_bytes=4_000)
    batches = list(flow_batches(seed, 60))
    for number, batch in enumerate(batches, start=1):
        market.submit([batch])
        clock.advance(SECOND_NS)
        if number % (len(batches) // snapshots) == 0:
            market.take_snapshot()
    return market


def position_at(market: Market, sequence: int) -> Position:
    """Where a consumer stands that has applied events up to there."""
    batch = next(iter(market.events_after(sequence)))
    return Position(market.status().position.log_id, sequence, batch.previous_hash)


def refused(market: Market, sequence: int) -> str:
    with pytest.raises(DomainError) as error:
        list(market.events_after(sequence))
    return error.value.reason


@settings(max_examples=30)
@given(seed=st.integers(0, 1_000))
def test_every_event_behind_what_was_released_stays_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    draw = random.Random(seed)
    parent, clock = tmp_path_factory.mktemp("retention"), FakeClock(START_NS)
    folder, whole = folder_in(parent, "kept"), a_market(folder_in(parent, "whole"), clock)
    market = a_market(folder, clock, segment_bytes=4_000)
    released = 0
    for batch in flow_batches(seed, 60):
        assert market.submit([batch]) == whole.submit([batch])
        clock.advance(draw.choice((0, SECOND_NS)))
        if draw.random() < 0.2:
            released = draw.randint(released, market.status().position.sequence)
            market.release(released)
        if draw.random() < 0.2:
            market.take_snapshot()
        if draw.random() < 0.1:
            market.close()
            market = a_market(folder, clock, segment_bytes=4_000)
        assert list(market.events_after(released)) == list(whole.events_after(released))
    first = min(folder.numbers())
    assert first == 1 or first <= folder.snapshots()[0]
    market.close()
    again = a_market(folder, clock, epoch=2)
    assert again.state_hash() == whole.state_hash()
    assert list(again.events_after(released)) == list(whole.events_after(released))


def test_what_is_released_and_in_three_snapshots_goes(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, "a")
    market = run(folder, FakeClock(START_NS))
    end = market.status().position.sequence
    assert folder.numbers()[0] == 1
    market.release(end)
    market.take_snapshot()
    snapshots = folder.snapshots()
    assert len(snapshots) == 3
    assert folder.numbers() == list(range(snapshots[0], snapshots[2] + 1))
    assert market.statistics().segments == len(folder.numbers())
    first = recover(folder, print).headers[0].sequence
    assert 0 < first < end
    assert refused(market, 0) == refused(market, first - 1) == "EVENTS_NOT_RETAINED"
    with pytest.raises(DomainError, match=f"the first that is has sequence {first + 1}"):
        market.check_position(Position(LOG_ID, 1, 1))
    (behind, *_) = market.events_after(first)
    assert behind.first_sequence == first + 1
    market.check_position(position_at(market, first))
    with pytest.raises(DomainError, match="HASH_MISMATCH"):
        market.check_position(replace(position_at(market, first), running_hash=1))


def test_nothing_goes_before_there_are_three_snapshots(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, "a")
    market = a_market(folder, segment_bytes=4_000)
    market.submit(list(flow_batches(1, 60)))
    market.release(1 << 60)
    for _ in range(2):
        market.take_snapshot()
        assert folder.numbers()[0] == 1
    market.take_snapshot()
    assert folder.numbers()[0] == folder.snapshots()[0]


def test_a_batch_whose_digest_is_gone_is_not_called_a_duplicate(tmp_path: Path) -> None:
    market = run(folder_in(tmp_path, "a"), FakeClock(START_NS))
    batches = list(flow_batches(1, 60))
    market.release(market.status().position.sequence)
    market.take_snapshot()
    assert market.submit([batches[-1]])[0].is_duplicate
    with pytest.raises(DomainError, match="EVENTS_NOT_RETAINED: batch 1 is not retained"):
        market.submit([batches[0]])


def kept_alone(folder: Folder) -> Market:
    """A market whose log begins with the oldest of three snapshots."""
    market = run(folder, FakeClock(START_NS))
    market.release(market.status().position.sequence)
    market.take_snapshot()
    return market


def damage(folder: Folder, number: int) -> None:
    file = folder.path / folder.snapshot_name(number)
    file.write_bytes(file.read_bytes()[:-1])


def test_a_start_goes_back_to_the_oldest_snapshot_and_no_further(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, "a")
    expected = kept_alone(folder).state_hash()
    oldest, *newer = folder.snapshots()
    for number in newer:
        damage(folder, number)
    reports: list[str] = []
    found = recover(folder, reports.append)
    assert (found.covered.segment, len(reports)) == (oldest, 2)
    assert found.engine.state_hash() == expected[1]
    damage(folder, oldest)
    with pytest.raises(JournalError) as error:
        recover(folder, reports.append)
    assert (error.value.reason, error.value.file) == ("JOURNAL_CORRUPT", folder.file_name(oldest))
    assert "no snapshot that can be read stands for what was before" in str(error.value)


def test_a_snapshot_from_before_the_log_is_refused(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, "a")
    kept_alone(folder)
    first = folder.numbers()[0]
    (folder.path / folder.file_name(first)).unlink()
    for number in folder.snapshots()[1:]:
        folder.remove_snapshot(number)
    with pytest.raises(JournalError, match="SNAPSHOT_DIVERGED"):
        recover(folder, print)


class DyingFolder(Folder):
    """Its process dies when it has removed so many segments."""

    def __init__(self, path: Path, removals: int) -> None:
        super().__init__(path)
        self._removals = removals

    def remove(self, number: int) -> None:
        if self._removals == 0:
            raise KeyboardInterrupt
        self._removals -= 1
        super().remove(number)


@pytest.mark.parametrize("removals", range(6))
def test_a_log_of_which_only_a_part_is_gone_is_a_log(tmp_path: Path, removals: int) -> None:
    folder = folder_in(tmp_path, "a")
    market = run(folder, FakeClock(START_NS))
    expected, end = market.state_hash(), market.status().position.sequence
    market.close()
    dying = a_market(DyingFolder(folder.path, removals), epoch=2, segment_bytes=4_000)
    dying.release(end)
    with pytest.raises(KeyboardInterrupt):
        dying.take_snapshot()
    assert folder.numbers()[0] == removals + 1
    again = a_market(folder, epoch=3)
    assert again.state_hash() == expected
    again.release(end)
    again.take_snapshot()
    assert folder.numbers()[0] == folder.snapshots()[0]


@pytest.mark.parametrize("syncs", range(1, 16))
def test_the_power_may_fail_while_segments_go(tmp_path: Path, syncs: int) -> None:
    before = tmp_path / "before"
    before.mkdir()
    lossy = LossyFolder(before, 1 << 30)
    market = run(lossy, FakeClock(START_NS))
    expected = market.state_hash()
    market.release(expected[0].sequence)
    lossy.restart(syncs)
    with suppress(PowerFailed):
        market.take_snapshot()
    for seed in range(8):
        after = tmp_path / str(seed)
        after.mkdir()
        lossy.lose_power(after, random.Random(seed))
        assert a_market(Folder(after), epoch=2).state_hash() == expected


def test_who_reads_while_segments_go_is_told_so(tmp_path: Path) -> None:
    market = run(folder_in(tmp_path, "a"), FakeClock(START_NS))
    reading = market.events_after(0)
    next(reading)
    place = market.place_behind(replace(market.log_end(), last_batch=0, time_ns=0))
    market.release(market.status().position.sequence)
    market.take_snapshot()
    for late in (lambda: list(reading), lambda: market.commands_from(place, 1)):
        with pytest.raises(DomainError) as error:
            late()
        assert error.value.reason == "EVENTS_NOT_RETAINED"


def heads(*ends: tuple[int, int]) -> Sequence[SegmentHeader]:
    """Segments from number 5 on, each of a sequence and a time in hours before it."""
    return [
        SegmentHeader(LOG_ID, 1, 1, number, 0, 0, bytes(16), sequence, 0, hours * HOUR_NS)
        for number, (sequence, hours) in enumerate(ends, start=5)
    ]


@pytest.mark.parametrize(
    ("applied", "before_hours", "expected"),
    [(1_000, 9, 300), (1_000, 3, 300), (1_000, 2, 200), (150, 9, 150), (1_000, 0, 0)],
)
def test_what_is_young_or_not_applied_is_not_released(
    applied: int, before_hours: int, expected: int
) -> None:
    segments = heads((100, 1), (200, 2), (300, 3))
    assert released_sequence(segments, applied, before_hours * HOUR_NS) == expected


@pytest.mark.parametrize(
    ("snapshots", "released", "expected"),
    [
        ((6, 7, 8), 1_000, 6),
        ((7, 8, 9), 1_000, 7),
        ((6, 7, 8, 9), 1_000, 7),
        ((6, 7, 8, 9), 299, 6),
        ((7, 8, 9), 299, 5),
        ((6, 7, 8, 9), 199, 5),
        ((7, 8, 9), 0, 5),
        ((8, 9), 1_000, 5),
        ((9,), 1_000, 5),
        ((), 1_000, 5),
    ],
)
def test_what_stays_begins_with_a_snapshot_that_two_stand_behind_and_is_not_released(
    snapshots: tuple[int, ...], released: int, expected: int
) -> None:
    segments = heads((100, 1), (200, 2), (300, 3), (400, 4), (500, 5))
    assert first_to_keep(segments, snapshots, released) == expected


def test_snapshots_are_kept_at_both_ends_and_spread_between() -> None:
    kept: list[int] = []
    for number in range(2, 500):
        kept.append(number)
        gone = superfluous(kept, 1)
        kept = [each for each in kept if each not in gone]
    assert len(kept) == 11
    assert kept[0] == 2
    assert kept[-3:] == [497, 498, 499]
    gaps = [after - before for before, after in pairwise(kept[:-2])]
    assert max(gaps) <= 4 * min(gap for gap in gaps if gap > 1)
    assert superfluous(kept, kept[4]) == kept[:4]


@pytest.mark.parametrize("count", range(4))
def test_few_snapshots_all_stay(count: int) -> None:
    assert not superfluous(range(5, 5 + count), 1)


def parts_of(market: Market) -> list[bytes]:
    with market.open_snapshot() as file:
        return list(iter(lambda: file.read(1_000), b""))


def test_a_journal_begins_with_the_snapshot_of_a_log_whose_start_is_gone(tmp_path: Path) -> None:
    at = folder_in(tmp_path, "leader")
    leader = kept_alone(at)
    folder = folder_in(tmp_path, "follower")
    empty = a_market(folder_in(tmp_path, "empty"))
    with pytest.raises(DomainError, match="EVENTS_NOT_RETAINED"):
        leader.place_behind(empty.log_end())
    receive(folder, parts_of(leader))
    follower = a_market(folder, epoch=1)
    since = follower.log_end().position.sequence
    assert since == recover(at, print).headers[0].sequence
    later = [
        replace(batch, number=batch.number + leader.status().last_batch)
        for batch in flow_batches(2, 20)
    ]
    leader.submit(later)
    frames, _ = leader.commands_from(leader.place_behind(follower.log_end()), 1 << 30)
    follower.finish(follower.follow(frames))
    assert follower.state_hash() == leader.state_hash()
    assert list(follower.events_after(since)) == list(leader.events_after(since))
    follower.close()
    assert a_market(folder, epoch=2).state_hash() == leader.state_hash()


def test_a_follower_that_ends_where_the_log_begins_goes_on(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, "leader")
    leader = kept_alone(folder)
    first = recover(folder, print).headers[0]
    end = replace(
        leader.log_end(),
        last_batch=first.last_batch,
        last_digest=first.last_digest,
        time_ns=first.time_ns,
        position=Position(LOG_ID, first.sequence, first.running_hash),
    )
    place = leader.place_behind(end)
    assert (place.segment, place.offset) == (first.number, 128)
    for other, reason in (
        (replace(end, last_digest=bytes(16)), "JOURNAL_DIVERGED"),
        (replace(end, time_ns=first.time_ns - 1), "EVENTS_NOT_RETAINED"),
        (replace(end, time_ns=first.time_ns + 1), "JOURNAL_DIVERGED"),
        (replace(end, last_batch=first.last_batch - 1), "EVENTS_NOT_RETAINED"),
    ):
        with pytest.raises(DomainError) as error:
            leader.place_behind(other)
        assert error.value.reason == reason


@pytest.mark.parametrize("cut", [0, 100, 128, 3_000])
def test_a_snapshot_that_came_in_part_begins_no_journal(tmp_path: Path, cut: int) -> None:
    leader = kept_alone(folder_in(tmp_path, "leader"))
    whole = b"".join(parts_of(leader))
    assert cut < len(whole)
    folder = folder_in(tmp_path, "follower")
    with pytest.raises(JournalError, match="SNAPSHOT_CORRUPT"):
        receive(folder, [whole[:cut]])
    assert folder.numbers() == []


def test_a_market_without_a_snapshot_says_so(tmp_path: Path) -> None:
    market = a_market(folder_in(tmp_path, "a"))
    with pytest.raises(DomainError, match="NO_SNAPSHOT"):
        market.open_snapshot()


def test_a_released_log_without_its_snapshots_is_refused(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, "a")
    kept_alone(folder)
    bare = tmp_path / "bare"
    shutil.copytree(folder.path, bare, ignore=shutil.ignore_patterns("*.snapshot"))
    with pytest.raises(JournalError, match="JOURNAL_CORRUPT"):
        recover(Folder(bare), print)


class FailingFolder(Folder):
    """Once, a segment cannot be removed; snapshots go bad on the disk while it is told so."""

    fails = False
    rots = False

    def remove(self, number: int) -> None:
        if self.fails:
            self.fails = False
            raise OSError(errno.EIO, "removing failed")
        super().remove(number)

    def save_snapshot(self, number: int, parts: Sequence[Buffer]) -> None:
        super().save_snapshot(number, parts)
        if self.rots:
            damage(self, number)


def test_a_segment_that_could_not_be_removed_goes_with_the_next(tmp_path: Path) -> None:
    folder = FailingFolder(folder_in(tmp_path, "a").path)
    market = run(folder, FakeClock(START_NS))
    expected = market.state_hash()
    market.release(expected[0].sequence)
    folder.fails = True
    with pytest.raises(OSError, match="removing failed"):
        market.take_snapshot()
    assert folder.numbers()[0] == 1
    market.take_snapshot()
    assert folder.numbers()[0] == folder.snapshots()[0] > 1
    assert a_market(Folder(folder.path), epoch=2).state_hash() == expected


def test_a_snapshot_that_could_not_be_verified_does_not_count(tmp_path: Path) -> None:
    folder = FailingFolder(folder_in(tmp_path, "a").path)
    market = run(folder, FakeClock(START_NS))
    before = folder.snapshots()
    folder.rots = True
    for _ in range(3):
        with pytest.raises(JournalError, match="SNAPSHOT_CORRUPT"):
            market.take_snapshot()
    assert folder.snapshots() == before
    with pytest.raises(JournalError, match="SNAPSHOT_CORRUPT"):
        receive(FailingFolder(folder_in(tmp_path, "b").path), [b"".join(parts_of(market))[:-1]])
    assert not list((tmp_path / "b").glob("*.snapshot"))


def test_what_is_left_when_a_journal_is_set_aside_in_part_can_be_read_or_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_in(tmp_path, "a")
    kept_alone(folder).close()
    renamed = Folder._rename  # noqa: SLF001
    left: list[tuple[list[int], list[int]]] = []

    def rename(at: Folder, name: str, to: str) -> None:
        renamed(at, name, to)
        left.append((at.numbers(), at.snapshots()))
        if at.numbers():
            recover(at, print)

    monkeypatch.setattr(Folder, "_rename", rename)
    for number in reversed(folder.numbers()):
        folder.set_aside(number)
    assert ([], folder.snapshots()) in left
    assert left[-1] == ([], [])
