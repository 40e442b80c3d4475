"""Reduce-only orders in perpetuals: they never make a position larger, or turn it round."""

from collections.abc import Callable

import pytest

from svc.engine.book import Engine
from svc.engine.records import EventKind, Flag, OrderType, Reason, Side, TimeInForce
from svc.engine.reference_records import position_record
from svc.engine.reference_restore import RestoredEngine
from tests.engine.desk import BUY, INSTRUMENT, SELL, Desk, kinds, trades

ACCEPTED, TRADE, CANCELED = EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.ORDER_CANCELED
REDUCE = {"flags": Flag.REDUCE_ONLY, "account_id": 7}


@pytest.fixture
def long_seven(desk: Desk) -> Desk:
    """A perpetual in which account 7 has bought five lots."""
    desk.perpetual()
    desk.new(901, SELL, 100, 5)
    desk.new(902, BUY, 100, 5, account_id=7)
    return desk


def test_a_reduce_only_order_trades_no_more_than_the_position(long_seven: Desk) -> None:
    long_seven.new(1, BUY, 99, 3)
    long_seven.new(2, BUY, 98, 9)
    events = long_seven.new(3, SELL, 90, 8, **REDUCE)
    assert kinds(events) == [ACCEPTED, TRADE, TRADE, CANCELED]
    assert trades(events) == [(1, 99, 3), (2, 98, 2)]
    assert (events[-1].reason, events[-1].quantity_lots) == (Reason.REDUCE_ONLY, 3)


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.MARKET])
def test_what_has_nothing_to_reduce_is_canceled_at_once(
    long_seven: Desk, order_type: OrderType
) -> None:
    long_seven.new(1, SELL, 100, 5)
    limit = {"order_type": order_type, "tif": TimeInForce.IOC, **REDUCE}
    price = 100 if order_type == OrderType.LIMIT else 0
    events = long_seven.new(2, BUY, price, 5, **limit)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert events[1].reason == Reason.REDUCE_ONLY


def test_a_resting_order_is_trimmed_when_it_is_matched(long_seven: Desk) -> None:
    long_seven.new(1, SELL, 110, 5, **REDUCE)
    long_seven.new(2, SELL, 110, 4)
    long_seven.new(3, BUY, 95, 3)
    assert trades(long_seven.new(4, SELL, 95, 3, account_id=7)) == [(3, 95, 3)]
    events = long_seven.new(5, BUY, 110, 5)
    assert kinds(events) == [ACCEPTED, TRADE, CANCELED, TRADE]
    assert trades(events) == [(1, 110, 2), (2, 110, 3)]
    assert (events[2].order_id, events[2].quantity_lots) == (1, 3)
    assert events[2].reason == Reason.REDUCE_ONLY


def test_a_short_position_is_reduced_by_buying(long_seven: Desk) -> None:
    long_seven.new(1, BUY, 90, 8)
    long_seven.new(2, SELL, 90, 8, account_id=8)
    long_seven.new(3, SELL, 95, 20)
    short = {"flags": Flag.REDUCE_ONLY, "account_id": 8}
    events = long_seven.new(4, BUY, 95, 20, **short)
    assert trades(events) == [(3, 95, 8)]
    assert events[-1].reason == Reason.REDUCE_ONLY


def test_a_reduce_only_stop_is_judged_when_it_enters(long_seven: Desk) -> None:
    stop = {"order_type": OrderType.STOP_MARKET, "tif": TimeInForce.IOC, "trigger_ticks": 95}
    long_seven.new(1, SELL, 0, 9, **stop, **REDUCE)
    long_seven.new(2, BUY, 94, 50)
    events = long_seven.new(3, SELL, 94, 1)
    assert kinds(events) == [ACCEPTED, TRADE, EventKind.ORDER_TRIGGERED, TRADE, CANCELED]
    assert trades(events) == [(2, 94, 1), (2, 94, 5)]


def test_a_fok_order_does_not_count_on_orders_that_may_have_nothing_to_reduce(
    long_seven: Desk,
) -> None:
    long_seven.new(1, SELL, 110, 5, **REDUCE)
    long_seven.new(2, SELL, 111, 4)
    fok = {"tif": TimeInForce.FOK}
    assert long_seven.new(3, BUY, 111, 5, **fok)[-1].reason == Reason.FOK_NOT_FILLABLE
    assert trades(long_seven.new(4, BUY, 111, 4, **fok)) == [(1, 110, 4)]


def test_spot_has_no_positions_to_reduce(desk: Desk) -> None:
    (event,) = desk.new(1, BUY, 100, 5, **REDUCE)
    assert (event.kind, event.reason) == (EventKind.ORDER_REJECTED, Reason.REDUCE_ONLY)


@pytest.mark.parametrize("tif", [TimeInForce.FOK, TimeInForce.FOK_BUDGET])
def test_fill_or_kill_and_reduce_only_contradict_each_other(
    long_seven: Desk, tif: TimeInForce
) -> None:
    budget = 500 if tif == TimeInForce.FOK_BUDGET else 0
    (event,) = long_seven.new(1, SELL, 100, 5, tif=tif, budget=budget, **REDUCE)
    assert event.reason == Reason.INVALID_COMMAND


def test_many_positions_are_found_again(desk: Desk) -> None:
    desk.perpetual()
    for number in range(1, 300):
        desk.new(2 * number, SELL, 100, number, account_id=5_000)
        desk.new(2 * number + 1, BUY, 100, number, account_id=number)
    desk.new(1_000, BUY, 90, 10**9)
    for number in range(1, 300, 17):
        order = {"account_id": number, "flags": Flag.REDUCE_ONLY, "tif": TimeInForce.IOC}
        assert trades(desk.new(2_000, SELL, 90, 10**6, **order)) == [(1_000, 90, number)]


@pytest.mark.parametrize("restored", [Engine.restored, RestoredEngine], ids=["engine", "reference"])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_position_is_held_within_the_bound_of_a_level(
    restored: Callable[[bytes], Engine | RestoredEngine], side: Side
) -> None:
    most, sign = 1 << 62, 1 if side == BUY else -1
    known, market = Desk(Engine()), Engine()
    known.engine = market
    known.instrument(perpetual=1)
    known.new(1, side, 100, 1, account_id=7)
    known.new(2, Side(3 - side), 100, 1)
    at_edge = position_record(INSTRUMENT, 7, sign * (most - 10**15))
    records = market.state_records().replace(position_record(INSTRUMENT, 7, sign), at_edge)
    engine = restored(records)
    for order_id in (3, 5):
        for command in (
            known.order(order_id, side, 100, 10**15, account_id=7),
            known.order(order_id + 1, Side(3 - side), 100, 10**15),
        ):
            engine.apply(command.pack(), 1_000)
    assert position_record(INSTRUMENT, 7, sign * most) in engine.state_records()
