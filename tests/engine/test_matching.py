"""How orders match: price-time priority, times in force, caps and collars."""

import pytest

from svc.engine.records import EventKind, MarketState, OrderType, Reason, Side, TimeInForce
from tests.engine.desk import BUY, SELL, Desk, kinds, trades

ACCEPTED, TRADE, CANCELED = EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.ORDER_CANCELED


def test_a_trade_prints_at_the_makers_price(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5)
    events = desk.new(2, BUY, 110, 3)
    assert kinds(events) == [ACCEPTED, TRADE]
    trade = events[1]
    assert (trade.side, trade.price_ticks, trade.quantity_lots) == (BUY, 100, 3)
    assert (trade.order_id, trade.account_id, trade.version) == (2, 1_002, 1)
    assert (trade.remaining_lots, trade.cumulative_lots) == (0, 3)
    assert (trade.maker_order_id, trade.maker_account_id, trade.maker_version) == (1, 1_001, 1)
    assert (trade.maker_remaining_lots, trade.maker_cumulative_lots) == (2, 3)
    assert trade.trade_number == 1
    assert desk.asks == [(100, 2, 1)]


@pytest.mark.spec("eng-price-time", "eng-type-gtc")
def test_the_best_price_trades_first_and_the_rest_of_the_order_rests(desk: Desk) -> None:
    for order_id, price in [(1, 102), (2, 100), (3, 101)]:
        desk.new(order_id, SELL, price, 2)
    events = desk.new(4, BUY, 101, 7)
    assert trades(events) == [(2, 100, 2), (3, 101, 2)]
    assert desk.bids == [(101, 3, 1)]
    assert desk.asks == [(102, 2, 1)]


@pytest.mark.spec("eng-price-time")
def test_inside_a_price_the_earlier_order_trades_first(desk: Desk) -> None:
    for order_id in (1, 2, 3):
        desk.new(order_id, BUY, 100, 2)
    assert trades(desk.new(4, SELL, 100, 5)) == [(1, 100, 2), (2, 100, 2), (3, 100, 1)]


def test_a_partial_fill_leaves_the_maker_at_the_front(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 100, 5)
    desk.new(3, SELL, 100, 2)
    assert trades(desk.new(4, SELL, 100, 4)) == [(1, 100, 3), (2, 100, 1)]


def test_a_level_that_is_emptied_is_gone(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5)
    desk.new(2, SELL, 101, 5)
    desk.cancel(1)
    assert desk.asks == [(101, 5, 1)]
    assert trades(desk.new(3, BUY, 100, 5)) == []
    assert trades(desk.new(4, BUY, 101, 5)) == [(2, 101, 5)]
    assert desk.asks == []


def test_a_duplicate_of_a_live_id_is_rejected_before_it_matches(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 105, 5)
    events = desk.new(1, BUY, 105, 5)
    assert kinds(events) == [EventKind.ORDER_REJECTED]
    assert events[0].reason == Reason.DUPLICATE_ORDER_ID
    assert desk.asks == [(105, 5, 1)]


def test_an_id_may_be_used_again_once_its_order_is_gone(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.cancel(1)
    assert kinds(desk.new(1, BUY, 100, 5)) == [ACCEPTED]


@pytest.mark.spec("eng-type-ioc")
def test_the_rest_of_an_ioc_order_is_canceled(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2)
    events = desk.new(2, BUY, 100, 5, tif=TimeInForce.IOC)
    assert kinds(events) == [ACCEPTED, TRADE, CANCELED]
    last = events[-1]
    assert (last.reason, last.quantity_lots) == (Reason.IOC_REMAINDER, 3)
    assert (last.remaining_lots, last.cumulative_lots) == (0, 2)
    assert desk.bids == []


@pytest.mark.spec("eng-type-fok")
def test_fok_counts_every_level_up_to_its_limit(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2)
    desk.new(2, SELL, 101, 2)
    desk.new(3, SELL, 102, 2)
    events = desk.new(4, BUY, 101, 4, tif=TimeInForce.FOK)
    assert trades(events) == [(1, 100, 2), (2, 101, 2)]


@pytest.mark.spec("eng-type-fok")
def test_a_fok_order_that_cannot_fill_whole_touches_nothing(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2)
    desk.new(2, SELL, 102, 9)
    events = desk.new(3, BUY, 101, 3, tif=TimeInForce.FOK)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert (events[1].reason, events[1].quantity_lots) == (Reason.FOK_NOT_FILLABLE, 3)
    assert desk.asks == [(100, 2, 1), (102, 9, 1)]


def test_fok_trades_at_the_makers_prices_not_its_own(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2)
    assert trades(desk.new(2, BUY, 110, 2, tif=TimeInForce.FOK)) == [(1, 100, 2)]


@pytest.mark.spec("eng-type-fok-budget")
@pytest.mark.parametrize(("budget", "reason"), [(304, 0), (303, Reason.BUDGET_EXHAUSTED)])
def test_a_buy_within_a_budget_costs_at_most_that(desk: Desk, budget: int, reason: int) -> None:
    desk.new(1, SELL, 100, 1)
    desk.new(2, SELL, 102, 5)
    events = desk.new(3, BUY, 0, 3, tif=TimeInForce.FOK_BUDGET, budget=budget)
    assert events[-1].reason == reason
    assert bool(trades(events)) == (reason == 0)


@pytest.mark.spec("eng-type-fok-budget")
@pytest.mark.parametrize(("budget", "reason"), [(298, 0), (299, Reason.BUDGET_EXHAUSTED)])
def test_a_sell_within_a_budget_yields_at_least_that(desk: Desk, budget: int, reason: int) -> None:
    desk.new(1, BUY, 100, 2)
    desk.new(2, BUY, 98, 5)
    events = desk.new(3, SELL, 0, 3, tif=TimeInForce.FOK_BUDGET, budget=budget)
    assert events[-1].reason == reason
    assert bool(trades(events)) == (reason == 0)


def test_a_budget_is_compared_in_more_than_64_bits(desk: Desk) -> None:
    desk.new(1, SELL, 10**15, 10**15)
    events = desk.new(2, BUY, 0, 10**15, tif=TimeInForce.FOK_BUDGET, budget=2**63 - 1)
    assert events[-1].reason == Reason.BUDGET_EXHAUSTED


def test_a_budget_order_takes_no_price_beyond_its_cap(desk: Desk) -> None:
    desk.new(1, SELL, 100, 1)
    desk.new(2, SELL, 102, 5)
    wanted = {"tif": TimeInForce.FOK_BUDGET, "budget": 10**6, "cap_ticks": 101}
    assert desk.new(3, BUY, 0, 2, **wanted)[-1].reason == Reason.FOK_NOT_FILLABLE


def test_a_market_order_on_an_empty_book_is_accepted_then_canceled(desk: Desk) -> None:
    events = desk.market(1, BUY, 5)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert events[1].reason == Reason.NO_LIQUIDITY


@pytest.mark.spec("eng-type-market")
def test_a_market_order_that_empties_the_book_is_canceled_for_want_of_liquidity(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2)
    events = desk.market(2, BUY, 5)
    assert trades(events) == [(1, 100, 2)]
    assert events[-1].reason == Reason.NO_LIQUIDITY


@pytest.mark.parametrize(("side", "inside", "outside"), [(BUY, 1_050, 1_051), (SELL, 951, 950)])
def test_a_market_order_goes_no_further_than_the_collar(
    desk: Desk, side: Side, inside: int, outside: int
) -> None:
    # 500 bps from the best price, rounded towards it: 1001 * 1.05 = 1051.05, 1000 * 1.05 = 1050.
    desk.instrument(collar_bps=500)
    other = SELL if side == BUY else BUY
    desk.new(1, other, 1_000 if side == BUY else 1_001, 1)
    desk.new(2, other, inside, 1)
    desk.new(3, other, outside, 1)
    events = desk.market(4, side, 5)
    assert [maker for maker, _, _ in trades(events)] == [1, 2]
    assert (events[-1].kind, events[-1].reason) == (CANCELED, Reason.PRICE_COLLAR)


@pytest.mark.parametrize(("side", "cap"), [(BUY, 101), (SELL, 99)])
def test_a_market_order_fills_up_to_its_cap_or_floor(desk: Desk, side: Side, cap: int) -> None:
    other, step = (SELL, 1) if side == BUY else (BUY, -1)
    for order_id in (1, 2, 3):
        desk.new(order_id, other, 100 + (order_id - 1) * step, 1)
    events = desk.market(4, side, 3, cap_ticks=cap)
    assert [maker for maker, _, _ in trades(events)] == [1, 2]
    assert events[-1].reason == Reason.PRICE_COLLAR


def test_a_market_order_fills_whole_or_not_at_all_when_it_is_fok(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2)
    assert desk.market(2, BUY, 3, tif=TimeInForce.FOK)[-1].reason == Reason.FOK_NOT_FILLABLE
    assert trades(desk.market(3, BUY, 2, tif=TimeInForce.FOK)) == [(1, 100, 2)]


def test_a_post_only_order_that_would_take_is_rejected_whole(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2, account_id=7)
    events = desk.new(2, BUY, 100, 5, flags=1, account_id=7, stp_mode=2)
    assert kinds(events) == [EventKind.ORDER_REJECTED]
    assert events[0].reason == Reason.POST_ONLY_WOULD_TAKE
    assert desk.asks == [(100, 2, 1)]
    assert kinds(desk.new(3, BUY, 99, 5, flags=1)) == [ACCEPTED]


def test_sequences_and_trade_numbers_have_no_gaps(desk: Desk) -> None:
    events = desk.new(1, SELL, 100, 5) + desk.new(2, BUY, 100, 2) + desk.new(3, BUY, 100, 2)
    sequences = [event.sequence for event in events]
    assert sequences == list(range(2, 2 + len(events)))
    assert [e.trade_number for e in events if e.kind == TRADE] == [1, 2]


def test_the_last_event_of_a_command_says_so(desk: Desk) -> None:
    desk.new(1, SELL, 100, 1)
    desk.new(2, SELL, 100, 1)
    events = desk.send(desk.order(3, BUY, 100, 2), desk.order(4, BUY, 100, 2))
    assert [event.flags & 128 for event in events] == [0, 0, 128, 128]


@pytest.mark.spec("eng-risk-pretrade", "eng-risk-max-size")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity_lots": 0}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"quantity_lots": -5}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"quantity_lots": 101}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"price_ticks": 0}, Reason.INVALID_COMMAND),
        ({"price_ticks": 9}, Reason.PRICE_OUT_OF_RANGE),
        ({"price_ticks": 1_001}, Reason.PRICE_OUT_OF_RANGE),
        ({"price_ticks": -100}, Reason.INVALID_COMMAND),
        ({"instrument_id": 2}, Reason.UNKNOWN_INSTRUMENT),
        ({"instrument_id": 2**32 - 1}, Reason.UNKNOWN_INSTRUMENT),
        ({"side": 0}, Reason.INVALID_COMMAND),
        ({"side": 3}, Reason.INVALID_COMMAND),
        ({"order_type": 9}, Reason.INVALID_COMMAND),
        ({"order_type": OrderType.MARKET}, Reason.INVALID_COMMAND),
        ({"tif": 0}, Reason.INVALID_COMMAND),
        ({"tif": TimeInForce.GTD}, Reason.INVALID_COMMAND),
        ({"tif": TimeInForce.GTD, "expire_ns": 1_000}, Reason.EXPIRED),
        ({"expire_ns": 5_000}, Reason.INVALID_COMMAND),
        ({"stp_mode": 0}, Reason.INVALID_COMMAND),
        ({"flags": 4}, Reason.INVALID_COMMAND),
        ({"flags": 1, "tif": TimeInForce.IOC}, Reason.INVALID_COMMAND),
        ({"order_id": 0}, Reason.INVALID_COMMAND),
        ({"account_id": 0}, Reason.INVALID_COMMAND),
        ({"version": 0}, Reason.INVALID_COMMAND),
        ({"cap_ticks": 99}, Reason.INVALID_COMMAND),
        ({"cap_ticks": -1}, Reason.INVALID_COMMAND),
        ({"display_lots": 11}, Reason.INVALID_COMMAND),
        ({"display_lots": -1}, Reason.INVALID_COMMAND),
        ({"budget": 5}, Reason.INVALID_COMMAND),
        ({"stp_group": 5}, Reason.INVALID_COMMAND),
    ],
)
def test_what_makes_no_sense_is_rejected_with_its_reason(
    desk: Desk, fields: dict[str, int], reason: Reason
) -> None:
    desk.instrument(max_quantity_lots=100, min_ticks=10, max_ticks=1_000)
    command = desk.order(1, BUY, 100, 10)
    spoiled = {name: getattr(command, name) for name in command.__slots__} | fields
    events = desk.send(type(command)(**spoiled))
    assert kinds(events) == [EventKind.ORDER_REJECTED]
    assert events[0].reason == reason
    assert desk.engine.live_orders == 0


def test_prices_from_one_tick_to_the_highest_live_in_one_book(desk: Desk) -> None:
    for order_id in range(1, 200):
        desk.new(order_id, BUY, order_id**5, 1)
    for order_id in range(200, 400):
        desk.new(order_id, SELL, 10**15 - order_id**4, 1)
    assert [price for price, _, _ in desk.bids] == [n**5 for n in range(199, 99, -1)]
    assert [price for price, _, _ in desk.asks] == [10**15 - n**4 for n in range(399, 299, -1)]


def test_a_level_takes_no_more_lots_than_fit(desk: Desk) -> None:
    commands = [desk.order(n, BUY, 100, 10**15) for n in range(1, 4_613)]
    events = desk.send(*commands)
    assert events[-1].reason == Reason.BOOK_FULL
    assert desk.bids == [(100, 4_611 * 10**15, 4_611)]


def test_a_fok_budget_order_without_a_limit_is_a_market_order(desk: Desk) -> None:
    desk.instrument(collar_bps=100)
    desk.new(1, SELL, 100, 1)
    desk.new(2, SELL, 900, 1)
    within = {"tif": TimeInForce.FOK_BUDGET, "budget": 10**6}
    assert desk.new(3, BUY, 0, 2, **within)[-1].reason == Reason.FOK_NOT_FILLABLE
    assert trades(desk.new(4, BUY, 900, 2, **within)) == [(1, 100, 1), (2, 900, 1)]
    assert desk.new(5, BUY, 0, 2, **within)[-1].reason == Reason.FOK_NOT_FILLABLE
    desk.state(MarketState.LIMIT_ONLY)
    assert desk.new(6, BUY, 0, 2, **within)[0].reason == Reason.MARKET_STATE
    assert desk.new(7, BUY, 900, 2, **within)[0].reason == Reason.NONE
