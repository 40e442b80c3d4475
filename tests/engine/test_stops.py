"""Stop orders: they wait for a trade, enter in order, and are changed like any other."""

import pytest

from svc.engine.records import (
    CommandKind,
    Event,
    EventKind,
    Flag,
    MarketState,
    Reason,
    Side,
    TimeInForce,
)
from svc.engine.records import OrderType as Type
from tests.engine.desk import BUY, SELL, Desk, kinds, trades

ACCEPTED, TRADE, CANCELED = EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.ORDER_CANCELED
TRIGGERED, REPLACED = EventKind.ORDER_TRIGGERED, EventKind.ORDER_REPLACED
MARKET = {"order_type": Type.STOP_MARKET, "tif": TimeInForce.IOC}
LIMIT = {"order_type": Type.STOP_LIMIT}


def print_at(desk: Desk, order_id: int, price: int) -> list[Event]:
    """Makes a trade of one lot at a price between two orders of their own."""
    desk.new(order_id, SELL, price, 1)
    return desk.new(order_id + 1, BUY, price, 1)


def triggered(events: list[Event]) -> list[tuple[int, int]]:
    """(order id, price that traded) of the stops that entered, in order."""
    return [(e.order_id, e.trigger_ticks) for e in events if e.kind == TRIGGERED]


@pytest.mark.spec("eng-type-stop-limit")
def test_a_stop_waits_unseen_and_enters_when_its_trigger_trades(desk: Desk) -> None:
    desk.new(1, SELL, 105, 9)
    (accepted,) = desk.new(2, BUY, 104, 3, trigger_ticks=102, **LIMIT)
    assert (accepted.kind, accepted.trigger_ticks, accepted.price_ticks) == (ACCEPTED, 102, 104)
    assert (desk.bids, desk.engine.live_orders) == ([], 2)
    assert triggered(print_at(desk, 10, 101)) == []
    events = print_at(desk, 20, 103)
    assert kinds(events) == [ACCEPTED, TRADE, TRIGGERED]
    assert (events[2].order_id, events[2].trigger_ticks, events[2].price_ticks) == (2, 103, 104)
    assert events[2].flags & Flag.TRIGGERED
    assert events[2].flags & Flag.END_OF_COMMAND
    assert desk.bids == [(104, 3, 1)]


@pytest.mark.spec("eng-type-stop-market")
def test_a_stop_market_order_sweeps_up_to_its_collar_from_the_trigger(desk: Desk) -> None:
    desk.instrument(collar_bps=100)
    for order_id, price in [(1, 1_000), (2, 1_010), (3, 1_011)]:
        desk.new(order_id, SELL, price, 1)
    desk.new(4, BUY, 0, 9, trigger_ticks=1_000, **MARKET)
    events = desk.new(5, BUY, 1_000, 1)
    assert trades(events) == [(1, 1_000, 1), (2, 1_010, 1)]
    assert (events[-1].kind, events[-1].reason) == (CANCELED, Reason.PRICE_COLLAR)
    assert (events[-1].order_id, events[-1].quantity_lots) == (4, 8)


def test_a_stop_market_order_that_meets_nobody_is_canceled(desk: Desk) -> None:
    desk.new(1, SELL, 0, 5, trigger_ticks=100, **MARKET)
    events = print_at(desk, 10, 99)
    assert kinds(events) == [ACCEPTED, TRADE, TRIGGERED, CANCELED]
    assert events[-1].reason == Reason.NO_LIQUIDITY


@pytest.mark.parametrize(("side", "through"), [(BUY, 99), (BUY, 100), (SELL, 101), (SELL, 100)])
def test_a_stop_that_is_through_already_is_rejected(desk: Desk, side: Side, through: int) -> None:
    print_at(desk, 10, 100)
    (rejected,) = desk.send(desk.order(1, side, 0, 5, trigger_ticks=through, **MARKET))
    assert (rejected.kind, rejected.reason) == (
        EventKind.ORDER_REJECTED, Reason.STOP_WOULD_TRIGGER,
    )  # fmt: skip


def test_quotes_alone_trigger_nothing(desk: Desk) -> None:
    desk.new(1, BUY, 0, 5, trigger_ticks=100, **MARKET)
    desk.new(2, BUY, 120, 5)
    desk.new(3, SELL, 130, 5)
    assert desk.engine.live_orders == 3


def test_the_nearest_trigger_enters_first_and_then_the_earlier_order(desk: Desk) -> None:
    desk.new(1, BUY, 90, 1, trigger_ticks=103, **LIMIT)
    desk.new(2, BUY, 90, 1, trigger_ticks=101, **LIMIT)
    desk.new(3, BUY, 90, 1, trigger_ticks=101, **LIMIT)
    desk.new(4, SELL, 200, 1, trigger_ticks=100, **LIMIT)
    assert triggered(print_at(desk, 10, 103)) == [(2, 103), (3, 103), (1, 103)]
    desk.new(5, SELL, 200, 1, trigger_ticks=102, **LIMIT)
    assert triggered(print_at(desk, 20, 99)) == [(5, 99), (4, 99)]


def test_every_price_of_a_sweep_counts_not_the_last_alone(desk: Desk) -> None:
    print_at(desk, 10, 100)
    desk.new(1, BUY, 50, 1, trigger_ticks=105, **LIMIT)
    desk.new(2, BUY, 106, 1)
    desk.new(3, BUY, 101, 1)
    events = desk.new(4, SELL, 101, 2)
    assert trades(events) == [(2, 106, 1), (3, 101, 1)]
    assert triggered(events) == [(1, 106)]


def test_a_cascade_ends_inside_the_command_that_began_it(desk: Desk) -> None:
    for order_id, price in [(1, 101), (2, 102), (3, 103), (4, 104)]:
        desk.new(order_id, SELL, price, 1)
    for order_id, trigger in [(11, 101), (12, 102), (13, 103)]:
        desk.new(order_id, BUY, 0, 1, trigger_ticks=trigger, **MARKET)
    events = desk.new(20, BUY, 101, 1)
    assert kinds(events) == [ACCEPTED, TRADE] + [TRIGGERED, TRADE] * 3
    assert triggered(events) == [(11, 101), (12, 102), (13, 103)]
    assert trades(events) == [(1, 101, 1), (2, 102, 1), (3, 103, 1), (4, 104, 1)]
    assert [bool(e.flags & Flag.END_OF_COMMAND) for e in events] == [False] * 7 + [True]


def test_the_incoming_order_finishes_before_the_first_stop_enters(desk: Desk) -> None:
    for order_id, price in [(1, 101), (2, 102), (3, 103)]:
        desk.new(order_id, SELL, price, 1)
    desk.new(11, BUY, 0, 1, trigger_ticks=101, **MARKET)
    events = desk.new(20, BUY, 102, 2)
    assert kinds(events) == [ACCEPTED, TRADE, TRADE, TRIGGERED, TRADE]
    assert trades(events)[-1] == (3, 103, 1)


def test_a_stop_can_be_canceled_reduced_and_expires_while_it_waits(desk: Desk) -> None:
    desk.new(1, BUY, 110, 5, trigger_ticks=105, **LIMIT)
    (reduced,) = desk.reduce(1, 2)
    assert (reduced.price_ticks, reduced.remaining_lots) == (110, 3)
    (canceled,) = desk.cancel(1)
    assert (canceled.price_ticks, canceled.quantity_lots) == (110, 3)
    desk.new(
        2, BUY, 110, 5, trigger_ticks=105, order_type=Type.STOP_LIMIT, tif=TimeInForce.GTD,
        expire_ns=2_000,
    )  # fmt: skip
    assert kinds(desk.wait_until(2_000)) == [EventKind.ORDER_EXPIRED]
    assert desk.engine.live_orders == 0


def test_a_waiting_stop_takes_a_new_trigger_at_the_back_of_it(desk: Desk) -> None:
    desk.new(1, BUY, 90, 5, trigger_ticks=105, **LIMIT)
    desk.new(2, BUY, 90, 5, trigger_ticks=106, **LIMIT)
    (event,) = desk.replace(1, trigger_ticks=106, price_ticks=91)
    assert (event.kind, event.price_ticks, event.old_price_ticks) == (REPLACED, 91, 90)
    assert (event.trail_or_budget, event.flags & Flag.KEPT_PRIORITY) == (106, 0)
    (event,) = desk.replace(2, quantity_lots=4)
    assert event.flags & Flag.KEPT_PRIORITY
    assert triggered(print_at(desk, 10, 106)) == [(2, 106), (1, 106)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trigger_ticks": 100}, Reason.STOP_WOULD_TRIGGER),
        ({"trigger_ticks": -1}, Reason.INVALID_COMMAND),
        ({"trigger_ticks": 10**15 + 1}, Reason.PRICE_OUT_OF_RANGE),
        ({"price_ticks": 110}, Reason.INVALID_COMMAND),
        ({"version": 1, "trigger_ticks": 120}, Reason.STALE_VERSION),
    ],
)
def test_a_wrong_change_of_a_waiting_stop_is_refused(
    desk: Desk, fields: dict[str, int], reason: Reason
) -> None:
    print_at(desk, 10, 100)
    desk.new(1, BUY, 0, 5, trigger_ticks=105, **MARKET)
    (event,) = desk.replace(1, **fields)
    assert (event.kind, event.reason) == (EventKind.REPLACE_REJECTED, reason)


def test_what_waits_has_no_place_to_move_and_what_rests_has_no_trigger(desk: Desk) -> None:
    desk.new(1, BUY, 90, 5, trigger_ticks=105, **LIMIT)
    desk.new(2, BUY, 90, 5)
    assert desk.move(1, 91)[0].reason == Reason.INVALID_COMMAND
    assert desk.replace(2, trigger_ticks=105)[0].reason == Reason.INVALID_COMMAND


def test_stops_wait_while_the_market_is_not_trading_and_are_looked_at_when_it_is(
    desk: Desk,
) -> None:
    desk.new(1, BUY, 90, 5, trigger_ticks=105, **LIMIT)
    desk.state(MarketState.LIMIT_ONLY)
    assert triggered(print_at(desk, 10, 107)) == []
    events = desk.state(MarketState.TRADING)
    assert kinds(events) == [EventKind.STATE_CHANGED, TRIGGERED]
    assert triggered(events) == [(1, 107)]


@pytest.mark.parametrize(
    "fields",
    [
        {"order_type": Type.STOP_LIMIT, "trigger_ticks": 0},
        {"order_type": Type.STOP_LIMIT, "trigger_ticks": 105, "flags": Flag.POST_ONLY},
        {"order_type": Type.STOP_LIMIT, "trigger_ticks": -5},
        {"order_type": Type.LIMIT, "trigger_ticks": 105},
        {"order_type": Type.STOP_MARKET, "trigger_ticks": 105},
        {"order_type": Type.STOP_LIMIT, "trigger_ticks": 105, "tif": TimeInForce.FOK_BUDGET,
         "budget": 9},
    ],
)  # fmt: skip
def test_fields_that_do_not_make_a_stop_are_refused(desk: Desk, fields: dict[str, int]) -> None:
    (event,) = desk.new(1, BUY, 100, 5, **fields)
    assert event.reason == Reason.INVALID_COMMAND


def test_a_triggered_iceberg_shows_its_peak_and_its_fok_sibling_fills_whole_or_not(
    desk: Desk,
) -> None:
    desk.new(1, BUY, 100, 9, trigger_ticks=100, display_lots=2, **LIMIT)
    fok = {"order_type": Type.STOP_LIMIT, "tif": TimeInForce.FOK}
    desk.new(2, SELL, 99, 20, trigger_ticks=100, **fok)
    events = print_at(desk, 10, 100)
    assert triggered(events) == [(1, 100), (2, 100)]
    assert (events[-1].kind, events[-1].reason) == (CANCELED, Reason.FOK_NOT_FILLABLE)
    assert desk.bids == [(100, 2, 1)]


def test_a_mass_cancel_takes_waiting_stops_too(desk: Desk) -> None:
    desk.new(1, BUY, 90, 5, trigger_ticks=105, account_id=7, **LIMIT)
    command = desk.of(CommandKind.MASS_CANCEL, account_id=7)
    assert [(e.order_id, e.reason) for e in desk.send(command)] == [(1, Reason.MASS_CANCEL)]


@pytest.mark.parametrize("trail", [0, 2])
def test_a_replace_that_names_no_cap_leaves_a_stop_market_order_its_own(
    desk: Desk, trail: int
) -> None:
    desk.new(1, BUY, 0, 5, trigger_ticks=105, cap_ticks=108, trail_offset_ticks=trail, **MARKET)
    (event,) = desk.replace(1, quantity_lots=4)
    assert (event.kind, event.cap_ticks) == (REPLACED, 108)
    desk.new(2, SELL, 107, 1)
    desk.new(3, SELL, 500, 9)
    events = print_at(desk, 10, 105)
    assert trades(events)[1:] == [(2, 107, 1)]
    assert (events[-1].kind, events[-1].reason) == (CANCELED, Reason.PRICE_COLLAR)


def test_a_replace_may_give_a_stop_market_order_another_cap(desk: Desk) -> None:
    desk.new(1, BUY, 0, 5, trigger_ticks=105, cap_ticks=108, **MARKET)
    (event,) = desk.replace(1, cap_ticks=110)
    assert event.cap_ticks == 110
