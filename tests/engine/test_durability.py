"""What was answered survives a power failure; a build that does not sync is found out."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typing_extensions import Buffer

from svc.engine import recovery
from svc.engine.book import Engine
from svc.engine.folder import Folder
from svc.engine.journal import Batch, EventBatch
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market, Taken
from svc.engine.pipeline import Pipeline
from svc.engine.snapshot import NOTHING_COVERED, Covered
from svc.kit.clock import FakeClock
from tests.engine.flows import SECOND_NS, START_NS
from tests.engine.lossy import (
    ForgetfulFolder,
    LossyFolder,
    PowerFailed,
    TrustingFolder,
    a_market,
    flow_batches,
)


def stored_events(market: Market) -> list[EventBatch]:
    return list(market.events_after(0))


@dataclass
class Answers:
    """What a market said before the power failed."""

    events: list[EventBatch] = field(default_factory=list)
    covered: Covered = NOTHING_COVERED
    released: int = 0


def run_until_power_fails(
    folder: LossyFolder, draw: random.Random, batches: list[Batch], answers: Answers, epoch: int,
    *, releases: bool,
) -> None:  # fmt: skip
    """Submits groups of the batches that are missing, with snapshots between them, until then.

    With `releases` what was answered may go behind a snapshot.
    """
    clock = FakeClock(START_NS)
    begun: list[Taken] = []
    try:
        market = a_market(folder, clock, epoch=epoch, segment_bytes=8_000)
        waiting = batches[market.status().last_batch :]
        while waiting:
            size = draw.randint(1, 4)
            group, waiting = waiting[:size], waiting[size:]
            begun.append(market.begin(group))
            if draw.random() < 0.15:
                if releases and answers.events:
                    last = answers.events[-1]
                    answers.released = last.first_sequence + last.count - 1
                    market.release(answers.released)
                answers.covered = market.take_snapshot()
            clock.advance(draw.randint(0, SECOND_NS))
            if draw.random() < 0.3:
                go_on = draw.choice([market.store, market.match])
                go_on(draw.choice(begun))
                continue
            outcomes = [outcome for taken in begun for outcome in market.finish(taken)]
            answers.events += [outcome.events for outcome in outcomes if outcome.events]
            begun.clear()
            timed = market.advance()
            if timed:
                answers.events.append(timed)
    except PowerFailed:
        pass


def assert_survives(
    folder: LossyFolder, target: Path, draw: random.Random, killed: Sequence[int], *, releases: bool
) -> None:
    """`killed` says behind how many syncs processes die before the power fails."""
    answers = Answers()
    batches = list(flow_batches(draw.randint(0, 10**6), count=120))
    for epoch, syncs in enumerate((*killed, draw.randint(1, 90)), start=1):
        folder.restart(syncs)
        run_until_power_fails(folder, draw, batches, answers, epoch, releases=releases)
    folder.lose_power(target, draw)
    market = a_market(Folder(target), epoch=8)
    assert market.status().covered.segment >= answers.covered.segment
    numbers = [events.batch_number for events in answers.events if events.batch_number]
    assert market.status().last_batch >= max(numbers, default=0)
    found = list(market.events_after(answers.released))
    by_sequence = {events.first_sequence: events for events in found}
    for events in answers.events:
        is_kept = events.count and events.first_sequence > answers.released
        assert not is_kept or by_sequence[events.first_sequence] == events
    # From as far back as it reaches: its start, or the snapshot that the oldest segments go on to.
    left, first = Folder(target), Folder(target).numbers()[0]
    oldest = min((number for number in left.snapshots() if number >= first), default=0)
    for number in left.snapshots():
        if first == 1 or number != oldest:
            left.remove_snapshot(number)
    from_the_log = a_market(Folder(target), epoch=9)
    assert list(from_the_log.events_after(answers.released)) == found
    assert from_the_log.state_hash() == market.state_hash()


def assert_survives_seed(
    make: type[LossyFolder], path: Path, seed: int, deaths: int = 0, *, releases: bool = False
) -> None:
    draw = random.Random(seed)
    before, after = path / "before", path / "after"
    before.mkdir(parents=True)
    after.mkdir()
    killed = [draw.randint(3, 25) for _ in range(deaths)]
    assert_survives(make(before, 0), after, draw, killed, releases=releases)


def found_out(make: type[LossyFolder], path: Path, deaths: int = 0) -> int:
    """In how many of thirty runs a planted fault shows."""
    found = 0
    for seed in range(30):
        try:
            assert_survives_seed(make, path / str(seed), seed, deaths)
        except (AssertionError, JournalError):
            found += 1
    return found


@pytest.mark.parametrize("releases", [False, True])
@pytest.mark.parametrize("deaths", [0, 2])
@pytest.mark.parametrize("seed", range(30))
def test_what_was_answered_survives_a_power_failure(
    tmp_path: Path, seed: int, deaths: int, *, releases: bool
) -> None:
    assert_survives_seed(LossyFolder, tmp_path, seed, deaths, releases=releases)


def test_a_journal_that_does_not_sync_is_found_out(tmp_path: Path) -> None:
    assert found_out(ForgetfulFolder, tmp_path) > 20


def test_a_start_that_counts_on_what_a_killed_writer_never_synced_is_found_out(
    tmp_path: Path,
) -> None:
    assert found_out(TrustingFolder, tmp_path, deaths=2) > 20


class Watched(Engine):
    """Looks at the disk whenever a batch is given to it."""

    folder: LossyFolder
    too_early: list[int]

    def __init__(self) -> None:
        super().__init__()
        self._given = 0

    def apply(self, commands: Buffer, time_ns: int) -> memoryview:
        durable = self.folder.durable_commands()
        if durable[self._given : self._given + 1] != [commands]:
            self.too_early.append(self._given)
        self._given += 1
        return super().apply(commands, time_ns)


class MatchingFirst(Pipeline):
    """The planted fault: the order of a build that matches, then syncs, then answers."""

    def store(self, place: int) -> None:
        with self._matching:
            self._match(place)
        super().store(place)


def matched_too_early(folder: LossyFolder, monkeypatch: pytest.MonkeyPatch, seed: int) -> list[int]:
    """Runs a market, disk and engine in turn and at once; which batches were not on the disk."""
    too_early: list[int] = []
    monkeypatch.setattr(Watched, "folder", folder, raising=False)
    monkeypatch.setattr(Watched, "too_early", too_early, raising=False)
    monkeypatch.setattr(recovery, "Engine", Watched)
    draw, clock = random.Random(seed), FakeClock(START_NS)
    market = a_market(folder, clock, segment_bytes=8_000)
    batches = list(flow_batches(seed, count=60))
    with ThreadPoolExecutor(1) as disk:
        while batches:
            taken = [market.begin([batches.pop(0)]) for _ in range(min(5, len(batches)))]
            storing = [disk.submit(market.store, each) for each in taken if draw.random() < 0.7]
            for each in taken:
                market.finish(each)
            for stored in storing:
                stored.result()
            clock.advance(draw.randint(0, SECOND_NS))
            market.advance()
    market.close()
    return too_early


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_is_on_the_disk_before_the_engine_is_given_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    assert matched_too_early(LossyFolder(tmp_path, 10**9), monkeypatch, seed) == []


def test_a_build_that_matches_before_it_syncs_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.engine.market.Pipeline", MatchingFirst)
    assert matched_too_early(LossyFolder(tmp_path, 10**9), monkeypatch, 1) != []


def test_a_build_that_matches_what_was_never_synced_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(matched_too_early(ForgetfulFolder(tmp_path, 10**9), monkeypatch, 1)) > 40


@pytest.mark.parametrize("is_matched", [False, True])
def test_a_writer_that_ends_before_its_events_are_appended_is_made_up_for(
    tmp_path: Path, *, is_matched: bool
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    batches = list(flow_batches(3, count=40))
    expected = a_market(Folder(tmp_path / "b"))
    expected.submit(batches)
    market = a_market(Folder(tmp_path / "a"))
    for epoch, at in enumerate(range(0, len(batches), 10), start=2):
        market.submit(batches[at : at + 3])
        taken = market.begin(batches[at + 3 : at + 10])
        market.store(taken)
        if is_matched:
            market.match(taken)
        found = recovery.recover(Folder(tmp_path / "a"), print)
        assert [frame.batch_number for frame in found.missing_events] == [
            batch.number for batch in batches[at + 3 : at + 10]
        ]
        market = a_market(Folder(tmp_path / "a"), epoch=epoch)
        assert recovery.recover(Folder(tmp_path / "a"), print).missing_events == []
    assert stored_events(market) == stored_events(expected)
    assert market.state_hash() == expected.state_hash()


@pytest.mark.parametrize("killed", range(1, 9))
def test_a_segment_whose_writer_was_killed_is_not_lost_from_under_the_next(
    tmp_path: Path, killed: int
) -> None:
    for fails in range(1, 9):
        before = tmp_path / str(fails)
        before.mkdir()
        folder = LossyFolder(before, 0)
        for epoch, syncs in enumerate((killed, fails), start=1):
            folder.restart(syncs)
            with suppress(PowerFailed):
                a_market(folder, epoch=epoch).submit(list(flow_batches(1, 3)))
        for seed in range(12):
            after = tmp_path / f"{fails}-{seed}"
            after.mkdir()
            folder.lose_power(after, random.Random(seed))
            a_market(Folder(after), epoch=3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 2_000))
def test_what_was_answered_survives_many_power_failures(tmp_path: Path, seed: int) -> None:
    releases = seed % 8 > 3
    assert_survives_seed(LossyFolder, tmp_path, seed, deaths=seed % 4, releases=releases)
