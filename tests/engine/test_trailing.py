"""Trailing stops: triggers that follow the trades, never back, and a price from which they do."""

import pytest

from svc.engine.records import Event, EventKind, MarketState, OrderType, Reason, Side, TimeInForce
from tests.engine.desk import BUY, SELL, Desk, kinds, trades

ACCEPTED, TRADE, CANCELED = EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.ORDER_CANCELED
TRIGGERED = EventKind.ORDER_TRIGGERED
MARKET = {"order_type": OrderType.STOP_MARKET, "tif": TimeInForce.IOC}
LIMIT = {"order_type": OrderType.STOP_LIMIT}


def print_at(desk: Desk, order_id: int, price: int) -> list[Event]:
    """Makes a trade of one lot at a price between two orders of their own."""
    desk.new(order_id, SELL, price, 1)
    return desk.new(order_id + 1, BUY, price, 1)


def entered(events: list[Event]) -> list[tuple[int, int, int]]:
    """(order id, trigger, price that traded) of the stops that entered, in order."""
    return [(e.order_id, e.maker_order_id, e.trigger_ticks) for e in events if e.kind == TRIGGERED]


@pytest.mark.parametrize(
    ("side", "first", "trail", "path", "trigger"),
    [
        pytest.param(SELL, 95, 5, [103, 101, 110, 106], 105, id="sell, ticks"),
        pytest.param(BUY, 105, 5, [97, 99, 90, 94], 95, id="buy, ticks"),
        pytest.param(SELL, 900, -100, [1_000, 1_005], 995, id="sell, basis points, rounded up"),
        pytest.param(BUY, 1_100, -100, [1_000, 995], 1_004, id="buy, basis points, rounded down"),
        pytest.param(SELL, 90, -1, [100, 101], 100, id="at least a tick below"),
        pytest.param(BUY, 110, -1, [100, 99], 100, id="at least a tick above"),
    ],
)
def test_the_trigger_follows_the_trades_and_never_goes_back(
    desk: Desk, *, side: Side, first: int, trail: int, path: list[int], trigger: int
) -> None:
    print_at(desk, 900, path[0])
    desk.new(1, side, 0, 5, trigger_ticks=first, trail_offset_ticks=trail, **MARKET)
    for at, price in enumerate(path):
        assert entered(print_at(desk, 10 + 2 * at, price)) == []
    beyond = trigger + 1 if side == BUY else trigger - 1
    short = trigger - 1 if side == BUY else trigger + 1
    assert entered(print_at(desk, 50, short)) == []
    assert entered(print_at(desk, 60, beyond)) == [(1, trigger, beyond)]


def test_on_arrival_the_last_trade_counts_already(desk: Desk) -> None:
    print_at(desk, 900, 100)
    (accepted,) = desk.new(1, SELL, 90, 5, trigger_ticks=80, trail_offset_ticks=5, **LIMIT)
    assert (accepted.kind, accepted.trigger_ticks, accepted.trail_or_budget) == (ACCEPTED, 95, 5)
    (accepted,) = desk.new(2, SELL, 90, 5, trigger_ticks=97, trail_offset_ticks=5, **LIMIT)
    assert accepted.trigger_ticks == 97
    (rejected,) = desk.new(3, SELL, 90, 5, trigger_ticks=100, trail_offset_ticks=5, **LIMIT)
    assert rejected.reason == Reason.STOP_WOULD_TRIGGER


def test_it_follows_behind_the_command_and_enters_if_the_last_trade_has_reached_it(
    desk: Desk,
) -> None:
    print_at(desk, 900, 100)
    desk.new(1, SELL, 80, 5, trigger_ticks=95, trail_offset_ticks=5, **LIMIT)
    desk.new(2, BUY, 110, 1)
    desk.new(3, BUY, 104, 1)
    events = desk.new(4, SELL, 104, 2)
    assert kinds(events) == [ACCEPTED, TRADE, TRADE, TRIGGERED]
    assert entered(events) == [(1, 105, 104)]


def test_a_rise_from_below_the_new_trigger_does_not_reach_it(desk: Desk) -> None:
    print_at(desk, 900, 100)
    desk.new(1, SELL, 80, 5, trigger_ticks=95, trail_offset_ticks=5, **LIMIT)
    desk.new(2, SELL, 101, 1)
    desk.new(3, SELL, 110, 1)
    assert kinds(desk.new(4, BUY, 110, 2)) == [ACCEPTED, TRADE, TRADE]
    assert entered(print_at(desk, 20, 105)) == [(1, 105, 105)]


@pytest.mark.parametrize(
    ("side", "trigger", "activation", "before", "wakes", "falls"),
    [(SELL, 95, 120, 119, 121, 116), (BUY, 105, 80, 81, 79, 84)],
)
def test_it_sleeps_until_its_activation_price_trades(
    desk: Desk, *, side: Side, trigger: int, activation: int, before: int, wakes: int, falls: int
) -> None:
    print_at(desk, 900, 100)
    trailing = {"trigger_ticks": trigger, "trail_offset_ticks": 5, **MARKET}
    (accepted,) = desk.new(1, side, 0, 1, activation_ticks=activation, **trailing)
    assert (accepted.activation_ticks, accepted.trigger_ticks) == (activation, trigger)
    assert entered(print_at(desk, 10, trigger)) == []
    assert entered(print_at(desk, 20, before)) == []
    assert entered(print_at(desk, 30, 100)) == []
    assert entered(print_at(desk, 40, wakes)) == []
    assert [order_id for order_id, *_ in entered(print_at(desk, 50, falls))] == [1]


def test_an_activation_price_that_has_traded_already_does_not_let_it_sleep(desk: Desk) -> None:
    print_at(desk, 900, 120)
    (accepted,) = desk.new(
        1, SELL, 0, 1, trigger_ticks=95, trail_offset_ticks=5, activation_ticks=110, **MARKET
    )
    assert (accepted.activation_ticks, accepted.trigger_ticks) == (0, 115)


def test_no_fill_goes_beyond_the_cap_that_was_fixed_with_the_first_trigger(desk: Desk) -> None:
    desk.instrument(collar_bps=1_000)
    print_at(desk, 900, 100)
    desk.new(1, BUY, 0, 5, trigger_ticks=105, cap_ticks=108, trail_offset_ticks=5, **MARKET)
    for order_id, price in [(2, 106), (3, 108), (4, 109)]:
        desk.new(order_id, SELL, price, 1)
    events = desk.new(5, BUY, 106, 1)
    assert trades(events) == [(2, 106, 1), (3, 108, 1)]
    assert (events[-1].kind, events[-1].reason) == (CANCELED, Reason.PRICE_COLLAR)


def test_a_plain_stop_enters_before_one_that_trails_at_the_same_trigger(desk: Desk) -> None:
    print_at(desk, 900, 100)
    desk.new(1, SELL, 90, 1, trigger_ticks=95, trail_offset_ticks=5, **LIMIT)
    desk.new(2, SELL, 90, 1, trigger_ticks=95, **LIMIT)
    desk.new(3, SELL, 90, 1, trigger_ticks=97, trail_offset_ticks=3, **LIMIT)
    assert [order_id for order_id, *_ in entered(print_at(desk, 10, 94))] == [3, 2, 1]


def test_it_follows_where_stops_do_not_enter(desk: Desk) -> None:
    print_at(desk, 900, 100)
    desk.new(1, SELL, 90, 1, trigger_ticks=95, trail_offset_ticks=5, **LIMIT)
    desk.state(MarketState.LIMIT_ONLY)
    print_at(desk, 10, 110)
    print_at(desk, 20, 101)
    assert entered(desk.state(MarketState.TRADING)) == [(1, 105, 101)]


def test_its_quantity_may_be_replaced_but_not_its_trigger(desk: Desk) -> None:
    print_at(desk, 900, 100)
    desk.new(1, SELL, 90, 5, trigger_ticks=95, trail_offset_ticks=5, **LIMIT)
    assert desk.replace(1, trigger_ticks=96)[0].reason == Reason.INVALID_COMMAND
    assert kinds(desk.replace(1, quantity_lots=7)) == [EventKind.ORDER_REPLACED]
    assert entered(print_at(desk, 10, 95)) == [(1, 95, 95)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trail_offset_ticks": 10**15 + 1}, Reason.INVALID_COMMAND),
        ({"trail_offset_ticks": -10_000}, Reason.INVALID_COMMAND),
        ({"trail_offset_ticks": 0, "activation_ticks": 120}, Reason.INVALID_COMMAND),
        ({"activation_ticks": -1}, Reason.INVALID_COMMAND),
        ({"activation_ticks": 95}, Reason.INVALID_COMMAND),
        ({"activation_ticks": 10**15 + 1}, Reason.PRICE_OUT_OF_RANGE),
        ({"order_type": OrderType.LIMIT, "trigger_ticks": 0}, Reason.INVALID_COMMAND),
        ({"trigger_ticks": 0}, Reason.INVALID_COMMAND),
    ],
)
def test_fields_that_do_not_make_a_trailing_stop_are_refused(
    desk: Desk, fields: dict[str, int], reason: Reason
) -> None:
    trailing = {"trigger_ticks": 95, "trail_offset_ticks": 5, **LIMIT, **fields}
    assert desk.new(1, SELL, 90, 5, **trailing)[0].reason == reason
