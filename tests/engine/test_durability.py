"""What was answered survives a power failure; a build that does not sync is found out."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from svc.engine.folder import Folder
from svc.engine.journal import EventBatch
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market, Taken
from svc.engine.snapshot import NOTHING_COVERED, Covered
from svc.kit.clock import FakeClock
from tests.engine.flows import SECOND_NS, START_NS
from tests.engine.lossy import ForgetfulFolder, LossyFolder, PowerFailed, a_market, flow_batches


def stored_events(market: Market) -> list[EventBatch]:
    return list(market.events_after(0))


@dataclass
class Answers:
    """What a market said before the power failed."""

    events: list[EventBatch] = field(default_factory=list)
    covered: Covered = NOTHING_COVERED


def run_until_power_fails(folder: LossyFolder, draw: random.Random) -> Answers:
    """Submits groups of batches, with snapshots between them, until the power fails."""
    clock = FakeClock(START_NS)
    answers = Answers()
    begun: list[Taken] = []
    waiting = list(flow_batches(draw.randint(0, 10**6), count=120))
    try:
        market = a_market(folder, clock, segment_bytes=8_000)
        while waiting:
            size = draw.randint(1, 4)
            group, waiting = waiting[:size], waiting[size:]
            begun.append(market.begin(group))
            if draw.random() < 0.15:
                answers.covered = market.take_snapshot()
            clock.advance(draw.randint(0, SECOND_NS))
            if draw.random() < 0.3:
                continue
            outcomes = [outcome for taken in begun for outcome in market.finish(taken)]
            answers.events += [outcome.events for outcome in outcomes if outcome.events]
            begun.clear()
            timed = market.advance()
            if timed:
                answers.events.append(timed)
    except PowerFailed:
        pass
    return answers


def assert_survives(folder: LossyFolder, target: Path, draw: random.Random) -> None:
    answers = run_until_power_fails(folder, draw)
    folder.lose_power(target, draw)
    market = a_market(Folder(target), epoch=2)
    assert market.status().covered.segment >= answers.covered.segment
    numbers = [events.batch_number for events in answers.events if events.batch_number]
    assert market.status().last_batch >= max(numbers, default=0)
    found = stored_events(market)
    with_events = [events for events in answers.events if events.count]
    assert found[: len(with_events)] == with_events
    for snapshot in target.glob("*.snapshot"):
        snapshot.unlink()
    from_the_log = a_market(Folder(target), epoch=3)
    assert stored_events(from_the_log) == found
    assert from_the_log.state_hash() == market.state_hash()


def assert_survives_seed(make: type[LossyFolder], path: Path, seed: int) -> None:
    draw = random.Random(seed)
    before, after = path / "before", path / "after"
    before.mkdir(parents=True)
    after.mkdir()
    assert_survives(make(before, draw.randint(1, 90)), after, draw)


@pytest.mark.parametrize("seed", range(30))
def test_what_was_answered_survives_a_power_failure(tmp_path: Path, seed: int) -> None:
    assert_survives_seed(LossyFolder, tmp_path, seed)


def test_a_journal_that_does_not_sync_is_found_out(tmp_path: Path) -> None:
    found_out = 0
    for seed in range(30):
        try:
            assert_survives_seed(ForgetfulFolder, tmp_path / str(seed), seed)
        except (AssertionError, JournalError):
            found_out += 1
    assert found_out > 20


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 2_000))
def test_what_was_answered_survives_many_power_failures(tmp_path: Path, seed: int) -> None:
    assert_survives_seed(LossyFolder, tmp_path, seed)
