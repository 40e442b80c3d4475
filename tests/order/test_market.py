"""What a process knows of a market moves forward only, whoever tells it in which order."""

from __future__ import annotations

import asyncio

from svc.order.instrument import Condition, MarketState
from svc.order.market import Market, Position, Stop, StopKind
from svc.order.unsettled import Unsettled

EVENT = Stop(StopKind.EVENT, "EVENT_NOT_APPLICABLE", "event 9", 1)
LOG = Stop(StopKind.LOG, "LOG_FOREIGN", "another log", 2)
OLD, NEW = Position("ab", 5, 55, 2), Position("ab", 9, 99, 4)


def market() -> Market:
    """One of which nothing is known."""
    return Market(1, Unsettled(10))


def test_rows_read_before_a_stop_was_made_do_not_take_it_back() -> None:
    seen = market()
    as_of = seen.stop_changes
    seen.stopped(EVENT)
    seen.see(Position(), {}, {}, 0, as_of)
    assert seen.stops == {StopKind.EVENT: EVENT}
    seen.see(Position(), {}, {}, 0, seen.stop_changes)
    assert seen.stops == {}


def test_rows_read_before_a_stop_was_resolved_do_not_bring_it_back() -> None:
    seen = market()
    seen.stopped(LOG)
    as_of = seen.stop_changes
    seen.resolved(StopKind.LOG)
    seen.see(Position(), {}, {StopKind.LOG: LOG}, 0, as_of)
    assert seen.stops == {}


def test_a_stop_of_another_process_is_seen_and_refuses_new_orders() -> None:
    seen = market()
    assert seen.refusal() is None
    seen.see(Position(), {}, {StopKind.LOG: LOG}, 0, seen.stop_changes)
    refused = seen.refusal()
    assert refused is not None
    assert (refused.reason, refused.metadata["cause"]) == ("MARKET_STOPPED", "LOG_FOREIGN")
    seen.stopped(EVENT)
    refused = seen.refusal()
    assert refused is not None
    assert refused.metadata["cause"] == "EVENT_NOT_APPLICABLE"


async def test_who_waits_for_a_stop_goes_on_when_it_is_resolved() -> None:
    seen = market()
    seen.stopped(EVENT)
    seen.stopped(LOG)
    waiting = asyncio.create_task(seen.until_resolved(StopKind.EVENT, StopKind.LOG))
    await asyncio.sleep(0)
    seen.resolved(StopKind.EVENT)
    await asyncio.sleep(0)
    assert not waiting.done()
    seen.resolved(StopKind.LOG)
    await waiting


def test_an_older_moment_changes_neither_position_nor_conditions() -> None:
    seen = market()
    trading, halted = Condition(MarketState.TRADING), Condition(MarketState.HALTED)
    seen.see(NEW, {4: trading}, {}, 7, 0)
    seen.see(OLD, {4: halted}, {}, 6, 0)
    assert (seen.applied, seen.outbox_number) == (NEW, 7)
    assert seen.condition(4) is trading
    assert seen.condition(5).state == MarketState.UNKNOWN


async def test_a_batch_that_made_no_event_is_settled_behind_all_events() -> None:
    seen = market()
    await seen.unsettled.take(3, 0)
    seen.committed(4, 2)
    seen.committed(5, 1)
    seen.handed_over(5, NEW.sequence)
    assert seen.settled_number == 0
    seen.moved(NEW)
    assert (seen.settled_number, seen.unsettled.taken) == (5, 0)


def test_an_append_wakes_the_relay() -> None:
    seen = market()
    seen.appended.clear()
    seen.committed(1, 0)
    assert seen.appended.is_set()
    seen.appended.clear()
    seen.see(Position(), {}, {}, 1, 0)
    assert not seen.appended.is_set()
    seen.see(Position(), {}, {}, 2, 0)
    assert seen.appended.is_set()


def test_what_waits_in_the_outbox_is_counted_from_whatever_is_known_last() -> None:
    seen = market()
    seen.see(OLD, {}, {}, 7, 0)
    assert seen.pending == 5
    seen.handed_over(6, 20)
    assert seen.pending == 1
    seen.handed_over(8, 30)
    assert seen.pending == 0
