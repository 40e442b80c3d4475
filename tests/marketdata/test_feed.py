"""Readers are woken, told what they missed, and sent away when there is nothing to wait for."""

import asyncio

import pytest

from svc.marketdata.feed import Feed, Signal, SignalClosedError

AT_ONCE = 0.0
LONG = 60.0


async def test_reader_gets_what_was_published_since_its_place() -> None:
    feed: Feed[str] = Feed(3)
    feed.publish("a")
    place = feed.end
    feed.publish("b")
    feed.publish("c")
    assert feed.since(place) == ["b", "c"]
    assert feed.since(feed.end) == []


async def test_reader_that_fell_behind_the_capacity_is_told_so() -> None:
    feed: Feed[int] = Feed(3)
    for number in range(4):
        feed.publish(number)
    assert feed.since(1) == [1, 2, 3]
    assert feed.since(0) is None


async def test_all_waiting_readers_wake_at_one_notice() -> None:
    signal = Signal()
    readers = [asyncio.create_task(signal.passed(0, LONG)) for _ in range(3)]
    await asyncio.sleep(0)
    signal.notify()
    assert await asyncio.gather(*readers) == [True, True, True]


async def test_notice_that_came_before_the_wait_is_not_lost() -> None:
    signal = Signal()
    signal.notify()
    assert await signal.passed(0, LONG)
    assert not await signal.passed(1, AT_ONCE)


async def test_reader_that_goes_away_leaves_nothing_behind() -> None:
    signal = Signal()
    reader = asyncio.create_task(signal.passed(0, LONG))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert not signal._waiting  # noqa: SLF001 (what must not grow)


async def test_end_of_a_feed_reaches_those_who_wait_and_those_who_come() -> None:
    signal = Signal()
    reader = asyncio.create_task(signal.passed(0, LONG))
    await asyncio.sleep(0)
    signal.close()
    with pytest.raises(SignalClosedError):
        await reader
    with pytest.raises(SignalClosedError):
        await signal.passed(0, LONG)
