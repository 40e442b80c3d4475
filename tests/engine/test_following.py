"""A market follows another's commands into a journal of its own, and comes to the same."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.engine.folder import Folder
from svc.engine.journal import Batch
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.status import LogEnd, Position
from svc.kit.clock import FakeClock
from svc.kit.errors import DomainError
from tests.engine.flows import SECOND_NS, START_NS
from tests.engine.lossy import a_market, digest_of, flow_batches, numbered
from tests.engine.test_market import gtd_order, opening

NO_LOG = LogEnd(0, b"", 0, Position(b"", 0, 0))


def folder_in(parent: Path, name: str) -> Folder:
    path = parent / name
    path.mkdir()
    return Folder(path)


def follow(market: Market, leader: Market, most_bytes: int, pages: int) -> bool:
    """Takes so many pages of what is missing; says whether there may be more."""
    place = leader.place_behind(market.log_end())
    for _ in range(pages):
        frames, place = leader.commands_from(place, most_bytes)
        if not frames:
            return False
        market.finish(market.follow(frames))
    return True


def assert_same(leader: Market, *followers: Market) -> None:
    for market in followers:
        assert market.log_end() == leader.log_end()
        assert market.state_hash() == leader.state_hash()
        assert list(market.events_after(0)) == list(leader.events_after(0))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1_000),
    segment_bytes=st.integers(2_000, 60_000),
    most_bytes=st.integers(1, 20_000),
    pages=st.integers(1, 5),
)
def test_a_follower_comes_to_the_same_however_it_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    segment_bytes: int,
    most_bytes: int,
    pages: int,
) -> None:
    parent = tmp_path_factory.mktemp("following")
    draw = random.Random(seed)
    clock = FakeClock(START_NS)
    leader = a_market(folder_in(parent, "leader"), clock, segment_bytes=segment_bytes)
    mine = folder_in(parent, "follower")
    follower = a_market(mine, FakeClock(5), segment_bytes=3_000)
    for batch in flow_batches(seed, 60):
        leader.submit([batch])
        clock.advance(draw.choice((0, 1, SECOND_NS // 7, SECOND_NS)))
        if draw.random() < 0.3:
            leader.advance()
        if draw.random() < 0.1:
            follow(follower, leader, most_bytes, pages)
        if draw.random() < 0.05:
            follower.close()
            follower = a_market(mine, FakeClock(5), segment_bytes=3_000)
        if draw.random() < 0.05:
            leader.take_snapshot()
    while follow(follower, leader, most_bytes, pages):
        pass
    assert_same(leader, follower)
    leader.close()
    follower.begin_epoch(2)
    assert follower.status().epoch == 2
    assert follower.advance() is None
    last = follower.status().last_batch
    follower.submit([numbered(gtd_order(1 << 50, 1), last + 1)])
    follower.close()
    again = a_market(mine, epoch=3)
    assert again.status().last_batch == last + 1


def test_time_that_passed_without_a_batch_is_followed_too(tmp_path: Path) -> None:
    clock = FakeClock(START_NS)
    leader = a_market(folder_in(tmp_path, "leader"), clock)
    follower = a_market(folder_in(tmp_path, "follower"))
    expiries = [START_NS + SECOND_NS * number for number in range(1, 4)]
    leader.submit([opening()])
    for number, expire_ns in enumerate(expiries, start=2):
        leader.submit([numbered(gtd_order(number, expire_ns), number)])
    for _ in expiries:
        follow(follower, leader, 1, 1)
        clock.advance(SECOND_NS)
        assert leader.advance() is not None
    ends = [follower.log_end()]
    while follow(follower, leader, 1, 1):
        ends.append(follower.log_end())
    assert ends[-1].last_batch == ends[-2].last_batch == 4
    assert ends[-1].time_ns > ends[-2].time_ns
    assert_same(leader, follower)


def diverged(leader: Market, other: Market) -> str:
    with pytest.raises(DomainError) as refused:
        leader.place_behind(other.log_end())
    return refused.value.reason


def test_a_journal_that_went_another_way_is_refused(tmp_path: Path) -> None:
    clock = FakeClock(START_NS)
    leader = a_market(folder_in(tmp_path, "leader"), clock)
    other = a_market(folder_in(tmp_path, "other"), clock)
    for market in (leader, other):
        market.submit([opening(), numbered(gtd_order(2, START_NS + SECOND_NS), 2)])
    leader.place_behind(other.log_end())
    clock.advance(1)
    # The same batch at another time.
    leader.submit([numbered(gtd_order(3, START_NS + SECOND_NS), 3)])
    clock.advance(1)
    other.submit([numbered(gtd_order(3, START_NS + SECOND_NS), 3)])
    assert diverged(leader, other) == "HASH_MISMATCH"
    # The same events of another batch.
    forged = gtd_order(3, START_NS + SECOND_NS)
    start = FakeClock(START_NS)
    third = a_market(folder_in(tmp_path, "third"), start)
    third.submit([opening(), numbered(gtd_order(2, START_NS + SECOND_NS), 2)])
    start.advance(1)
    third.submit([Batch(3, digest_of(b"another"), forged)])
    assert diverged(leader, third) == "JOURNAL_DIVERGED"
    # One batch more than the leader has; its events are beyond the leader's.
    other.submit([numbered(gtd_order(4, START_NS + SECOND_NS), 4)])
    assert diverged(leader, other) == "LOG_BEHIND_CONSUMER"
    # Time that passed there and not here.
    clock.advance(2 * SECOND_NS)
    expired = a_market(folder_in(tmp_path, "expired"), FakeClock(START_NS))
    follow(expired, leader, 1 << 20, 1)
    leader.advance()
    later = FakeClock(START_NS + 9 * SECOND_NS)
    expired.close()
    expired = a_market(Folder(tmp_path / "expired"), later)
    expired.advance()
    assert diverged(leader, expired) == "HASH_MISMATCH"
    # Time that has not passed here at all.
    nobody = a_market(folder_in(tmp_path, "nobody"), FakeClock(START_NS))
    end = replace(nobody.log_end(), time_ns=START_NS)
    with pytest.raises(DomainError, match="no batch 0"):
        leader.place_behind(end)


def test_a_journal_of_another_log_is_refused(tmp_path: Path) -> None:
    leader = a_market(folder_in(tmp_path, "leader"))
    leader.submit([opening()])
    with pytest.raises(DomainError) as refused:
        leader.place_behind(LogEnd(1, b"", START_NS, Position(b"x" * 16, 1, 7)))
    assert refused.value.reason == "LOG_FOREIGN"
    leader.place_behind(NO_LOG)


@pytest.mark.parametrize("damage", ["gap", "again", "cut", "flipped"])
def test_frames_that_do_not_go_on_where_the_journal_ends_change_nothing(
    tmp_path: Path, damage: str
) -> None:
    leader = a_market(folder_in(tmp_path, "leader"))
    follower = a_market(folder_in(tmp_path, "follower"))
    leader.submit(list(flow_batches(3, 10)))
    place = leader.place_behind(NO_LOG)
    first, behind = leader.commands_from(place, 1)
    second, _ = leader.commands_from(behind, 1)
    if damage != "gap":
        follower.finish(follower.follow(first))
    frames = {
        "gap": second,
        "again": first,
        "cut": second[:-128],
        "flipped": second[:-100] + bytes([second[-100] ^ 1]) + second[-99:],
    }[damage]
    before = follower.log_end()
    with pytest.raises(JournalError, match="JOURNAL_CORRUPT"):
        follower.follow(frames)
    assert follower.log_end() == before
