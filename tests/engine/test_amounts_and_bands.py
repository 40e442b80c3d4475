"""Market orders that buy for an amount, and price bands that halt a market."""

import pytest

from svc.engine.records import (
    EventKind,
    Flag,
    MarketState,
    OrderType,
    Reason,
    SelfTradeMode,
    Side,
    TimeInForce,
)
from tests.engine.desk import BUY, SELL, Desk, kinds, trades

ACCEPTED, TRADE, CANCELED = EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.ORDER_CANCELED
CHANGED = EventKind.STATE_CHANGED


def test_a_buy_for_an_amount_takes_what_the_amount_pays_for(desk: Desk) -> None:
    desk.new(1, SELL, 100, 3)
    desk.new(2, SELL, 150, 9)
    events = desk.market(3, BUY, 0, budget=550)
    assert (events[0].trail_or_budget, events[0].quantity_lots) == (550, 5)
    assert trades(events) == [(1, 100, 3), (2, 150, 1)]
    assert (events[-1].kind, events[-1].reason) == (CANCELED, Reason.BUDGET_EXHAUSTED)
    assert (events[-1].quantity_lots, events[-1].cumulative_lots) == (1, 4)
    assert desk.asks == [(150, 8, 1)]


def test_an_amount_that_is_spent_at_the_best_price_fills_its_order(desk: Desk) -> None:
    desk.new(1, SELL, 100, 9)
    events = desk.market(2, BUY, 0, budget=599)
    assert kinds(events) == [ACCEPTED, TRADE]
    assert (events[1].quantity_lots, events[1].remaining_lots) == (5, 0)


@pytest.mark.parametrize("lots", [0, 50])
def test_a_buy_for_an_amount_says_no_more_lots_than_it_could_get(desk: Desk, lots: int) -> None:
    events = desk.market(1, BUY, lots, budget=10**6)
    assert (events[0].quantity_lots, events[1].reason) == (lots or 1, Reason.NO_LIQUIDITY)


DECREMENT = {"account_id": 7, "stp_mode": SelfTradeMode.DECREMENT_AND_CANCEL}


def test_own_lots_come_off_an_amount_as_if_it_had_bought_them(desk: Desk) -> None:
    desk.new(1, SELL, 100, 3, account_id=7)
    desk.new(2, SELL, 110, 9)
    events = desk.market(3, BUY, 0, budget=1_000, **DECREMENT)
    assert kinds(events)[:3] == [ACCEPTED, CANCELED, EventKind.ORDER_REDUCED]
    assert (events[2].quantity_lots, events[2].remaining_lots) == (3, 7)
    assert trades(events) == [(2, 110, 6)]
    assert events[-1].reason == Reason.BUDGET_EXHAUSTED


@pytest.mark.parametrize("lots", [0, 8])
def test_an_amount_that_is_less_than_the_own_order_takes_off_what_it_pays_for(
    desk: Desk, lots: int
) -> None:
    desk.new(1, SELL, 100, 9, account_id=7)
    events = desk.market(2, BUY, lots, budget=550, **DECREMENT)
    assert [(e.kind, e.order_id, e.reason) for e in events[1:]] == [
        (EventKind.ORDER_REDUCED, 1, Reason.SELF_TRADE_DECREMENT),
        (CANCELED, 2, Reason.SELF_TRADE),
    ]
    assert desk.asks == [(100, 4, 1)]


def test_an_amount_that_pays_for_no_lot_takes_nothing_off_an_own_order(desk: Desk) -> None:
    desk.new(1, SELL, 100, 9, account_id=7)
    events = desk.market(2, BUY, 0, budget=99, **DECREMENT)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert events[1].reason == Reason.BUDGET_EXHAUSTED
    assert desk.asks == [(100, 9, 1)]


def test_an_amount_never_buys_more_lots_than_were_asked_for(desk: Desk) -> None:
    desk.new(1, SELL, 100, 30)
    events = desk.market(2, BUY, 4, budget=10**9)
    assert kinds(events) == [ACCEPTED, TRADE]
    assert (events[1].quantity_lots, events[1].remaining_lots) == (4, 0)


def test_without_lots_the_largest_quantity_of_the_instrument_is_the_bound(desk: Desk) -> None:
    desk.instrument(max_quantity_lots=10)
    for order_id in (1, 2):
        desk.new(order_id, SELL, 1, 9)
    events = desk.market(3, BUY, 0, budget=10**15)
    assert events[0].quantity_lots == 10
    assert sum(lots for _, _, lots in trades(events)) == 10


def test_an_amount_that_pays_for_no_lot_buys_nothing(desk: Desk) -> None:
    desk.new(1, SELL, 100, 3)
    events = desk.market(2, BUY, 0, budget=99)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert events[1].reason == Reason.BUDGET_EXHAUSTED


@pytest.mark.parametrize(
    ("side", "lots", "fields", "reason"),
    [
        (SELL, 0, {"budget": 500}, Reason.QUANTITY_OUT_OF_RANGE),
        (BUY, 0, {"budget": 500, "tif": TimeInForce.FOK}, Reason.QUANTITY_OUT_OF_RANGE),
        (BUY, 0, {"budget": -1}, Reason.QUANTITY_OUT_OF_RANGE),
        (BUY, 0, {"budget": 0}, Reason.QUANTITY_OUT_OF_RANGE),
        (BUY, 5, {"budget": -1}, Reason.INVALID_COMMAND),
        (SELL, 5, {"budget": 500}, Reason.INVALID_COMMAND),
    ],
)
def test_only_an_immediate_buy_has_an_amount(
    desk: Desk, side: Side, lots: int, fields: dict[str, int], reason: Reason
) -> None:
    (event,) = desk.market(1, side, lots, **fields)
    assert (event.kind, event.reason) == (EventKind.ORDER_REJECTED, reason)


def test_a_trade_beyond_the_band_halts_the_market_instead(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_010, 2)
    desk.new(2, SELL, 1_011, 2)
    desk.new(3, BUY, 900, 1)
    events = desk.new(4, BUY, 1_020, 3)
    assert kinds(events) == [ACCEPTED, TRADE, CANCELED, CHANGED]
    assert trades(events) == [(1, 1_010, 2)]
    assert (events[2].reason, events[2].quantity_lots) == (Reason.PRICE_BAND, 1)
    halted = events[3]
    assert (halted.previous_state, halted.state) == (MarketState.TRADING, MarketState.HALTED)
    assert (halted.reason, halted.version) == (Reason.PRICE_BAND, 0)
    assert desk.new(5, BUY, 900, 1)[0].reason == Reason.MARKET_STATE
    assert desk.asks == [(1_011, 2, 1)]


def test_the_band_counts_from_the_last_trade_before_the_command(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_010, 1)
    desk.new(2, BUY, 1_010, 1)
    desk.new(3, SELL, 1_020, 1)
    assert trades(desk.new(4, BUY, 1_020, 1)) == [(3, 1_020, 1)]
    desk.new(5, BUY, 1_009, 1)
    assert desk.new(6, SELL, 1_009, 1)[-1].reason == Reason.PRICE_BAND


def test_an_order_that_rests_far_away_halts_nothing(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, BUY, 500, 1)
    assert kinds(desk.new(2, SELL, 5_000, 1)) == [ACCEPTED]


def test_a_fok_order_beyond_the_band_is_killed_and_halts_nothing(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_011, 2)
    events = desk.new(2, BUY, 1_011, 2, tif=TimeInForce.FOK)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert events[1].reason == Reason.FOK_NOT_FILLABLE


def test_a_cascade_that_leaves_the_band_ends_with_the_halt(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    for order_id, price in [(1, 1_005), (2, 1_011)]:
        desk.new(order_id, SELL, price, 1)
    stop = {"order_type": OrderType.STOP_MARKET, "tif": TimeInForce.IOC, "trigger_ticks": 1_005}
    desk.new(3, BUY, 0, 1, **stop)
    desk.new(4, BUY, 0, 1, **stop)
    events = desk.new(5, BUY, 1_005, 1)
    assert kinds(events) == [ACCEPTED, TRADE, EventKind.ORDER_TRIGGERED, CANCELED, CHANGED]
    assert desk.engine.live_orders == 2


def test_without_a_reference_or_a_trade_there_is_no_band(desk: Desk) -> None:
    desk.instrument(band_bps=100)
    desk.new(1, SELL, 7_000, 1)
    assert trades(desk.new(2, BUY, 7_000, 1)) == [(1, 7_000, 1)]


def test_self_trade_prevention_beyond_the_band_halts_nothing(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_100, 1, account_id=7)
    events = desk.new(
        2, BUY, 1_100, 1, account_id=7, tif=TimeInForce.IOC, stp_mode=SelfTradeMode.CANCEL_RESTING
    )
    assert kinds(events) == [ACCEPTED, CANCELED, CANCELED]
    assert [event.reason for event in events[1:]] == [Reason.SELF_TRADE, Reason.IOC_REMAINDER]


@pytest.mark.parametrize("mode", [SelfTradeMode.CANCEL_INCOMING, SelfTradeMode.CANCEL_BOTH])
def test_an_order_that_self_trade_prevention_ends_never_leaves_the_band(
    desk: Desk, mode: SelfTradeMode
) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_100, 1, account_id=7)
    events = desk.new(2, BUY, 1_100, 1, account_id=7, stp_mode=mode)
    assert {event.reason for event in events[1:]} == {Reason.SELF_TRADE}


def test_a_position_that_is_used_up_ends_a_reduce_only_order_inside_the_band(desk: Desk) -> None:
    desk.perpetual(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_000, 5)
    desk.new(2, BUY, 1_000, 5, account_id=7)
    for order_id, price in [(3, 1_000), (4, 900)]:
        desk.new(order_id, BUY, price, 5)
    events = desk.new(5, SELL, 900, 8, account_id=7, flags=Flag.REDUCE_ONLY)
    assert kinds(events) == [ACCEPTED, TRADE, CANCELED]
    assert events[-1].reason == Reason.REDUCE_ONLY


def test_a_reduce_only_order_beyond_the_band_with_nothing_to_reduce_halts_nothing(
    desk: Desk,
) -> None:
    desk.perpetual(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_000, 5)
    desk.new(2, BUY, 1_000, 5, account_id=7)
    desk.new(3, SELL, 1_100, 5, account_id=7, flags=Flag.REDUCE_ONLY)
    desk.new(4, BUY, 1_000, 5)
    desk.new(5, SELL, 1_000, 5, account_id=7)
    events = desk.new(6, BUY, 1_100, 1)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert (events[1].order_id, events[1].reason) == (3, Reason.REDUCE_ONLY)


def test_an_amount_that_is_used_up_ends_its_order_inside_the_band(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    for order_id, price in [(1, 1_000), (2, 1_100)]:
        desk.new(order_id, SELL, price, 1)
    events = desk.market(3, BUY, 2, budget=1_000)
    assert kinds(events) == [ACCEPTED, TRADE, CANCELED]
    assert events[-1].reason == Reason.BUDGET_EXHAUSTED


def test_a_trade_beyond_the_band_halts_behind_what_self_trade_prevention_took_away(
    desk: Desk,
) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000)
    desk.new(1, SELL, 1_100, 1, account_id=7)
    desk.new(2, SELL, 1_101, 1)
    events = desk.new(3, BUY, 1_101, 1, account_id=7, stp_mode=SelfTradeMode.CANCEL_RESTING)
    assert kinds(events) == [ACCEPTED, CANCELED, CANCELED, CHANGED]
    assert [event.reason for event in events[1:3]] == [Reason.SELF_TRADE, Reason.PRICE_BAND]
