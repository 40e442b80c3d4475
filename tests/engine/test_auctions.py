"""Auctions: what they collect, what they would print, and how they end."""

import pytest

from svc.engine.records import (
    CommandKind,
    Event,
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
INDICATIVE, STATE = EventKind.INDICATIVE_PRICE, EventKind.STATE_CHANGED
TRIGGERED = EventKind.ORDER_TRIGGERED
AUCTION, TRADING, HALTED = MarketState.AUCTION, MarketState.TRADING, MarketState.HALTED


def indicated(events: list[Event]) -> list[tuple[int, int, int]]:
    """(price, lots, surplus) of the indicative prices, in order."""
    return [
        (e.price_ticks, e.quantity_lots, e.remaining_lots) for e in events if e.kind == INDICATIVE
    ]


def auction_trades(events: list[Event]) -> list[tuple[int, int, int, int]]:
    """(buyer, seller, price, lots) of the trades; none has an aggressor."""
    found = [e for e in events if e.kind == TRADE]
    assert all(e.side == Side.NONE for e in found)
    return [(e.order_id, e.maker_order_id, e.price_ticks, e.quantity_lots) for e in found]


def print_at(desk: Desk, price: int) -> None:
    """Makes the last price."""
    desk.new(901, SELL, price, 1)
    desk.new(902, BUY, price, 1)


def test_an_auction_collects_and_says_what_it_would_print(desk: Desk) -> None:
    (changed,) = desk.state(AUCTION)
    assert (changed.kind, changed.reason, changed.state) == (STATE, Reason.OPERATOR, AUCTION)
    assert kinds(desk.new(1, BUY, 105, 10)) == [ACCEPTED]
    events = desk.new(2, SELL, 100, 4)
    assert kinds(events) == [ACCEPTED, INDICATIVE]
    assert indicated(events) == [(105, 4, 6)]
    assert [bool(e.flags & Flag.END_OF_COMMAND) for e in events] == [False, True]
    assert indicated(desk.new(3, SELL, 99, 6)) == [(100, 10, 0)]
    assert indicated(desk.new(4, SELL, 120, 6)) == []
    assert indicated(desk.reduce(2, 1)) == [(105, 9, 1)]
    assert indicated(desk.move(1, 98)) == [(0, 0, 0)]
    assert (desk.bids, desk.asks) == ([(98, 10, 1)], [(99, 6, 1), (100, 3, 1), (120, 6, 1)])


# The examples of the Xetra market model, by the rule that decides.
@pytest.mark.parametrize(
    ("bids", "asks", "reference", "expected"),
    [
        pytest.param(
            [(202, 200), (201, 200), (200, 300)], [(198, 200), (199, 200), (200, 300)], 0,
            (200, 700, 0), id="volume",
        ),
        pytest.param(
            [(202, 400), (201, 200)], [(199, 300), (198, 200)], 0, (201, 500, 100), id="surplus",
        ),
        pytest.param(
            [(202, 600)], [(199, 500)], 200, (202, 500, 100), id="pressure of buyers",
        ),
        pytest.param(
            [(202, 500)], [(199, 600)], 200, (199, 500, -100), id="pressure of sellers",
        ),
        pytest.param([(202, 500)], [(198, 500)], 200, (200, 500, 0), id="reference between"),
        pytest.param([(202, 500)], [(198, 500)], 205, (202, 500, 0), id="reference above"),
        pytest.param([(202, 500)], [(198, 500)], 190, (198, 500, 0), id="reference below"),
        pytest.param([(202, 500)], [(198, 500)], 0, (198, 500, 0), id="no reference"),
        pytest.param(
            [(202, 500), (199, 100)], [(198, 500), (201, 100)], 200, (200, 500, 0),
            id="surplus on either side",
        ),
        pytest.param(
            [(202, 500), (199, 90)], [(198, 500), (201, 100)], 0, (199, 500, 90),
            id="smaller surplus inside the range",
        ),
        pytest.param([(199, 500)], [(200, 500)], 200, (0, 0, 0), id="nothing crosses"),
    ],
)  # fmt: skip
def test_the_price_is_that_of_volume_then_surplus_then_pressure_then_reference(
    desk: Desk,
    bids: list[tuple[int, int]],
    asks: list[tuple[int, int]],
    reference: int,
    expected: tuple[int, int, int],
) -> None:
    desk.instrument(reference_price_ticks=reference)
    desk.state(AUCTION)
    commands = [desk.order(10 + at, BUY, *bid) for at, bid in enumerate(bids)]
    commands += [desk.order(20 + at, SELL, *ask) for at, ask in enumerate(asks)]
    said = indicated(desk.send(*commands)) or [(0, 0, 0)]
    assert said[-1] == expected
    printed = auction_trades(desk.state(TRADING))
    assert {price for *_, price, _ in printed} == ({expected[0]} if expected[0] else set())
    assert sum(lots for *_, lots in printed) == expected[1]


def test_the_last_trade_is_the_reference_once_there_is_one(desk: Desk) -> None:
    desk.instrument(reference_price_ticks=150)
    print_at(desk, 110)
    desk.state(AUCTION)
    desk.new(1, BUY, 200, 5)
    assert indicated(desk.new(2, SELL, 100, 5)) == [(110, 5, 0)]


def test_the_uncross_goes_by_price_then_time_and_names_the_buyer_first(desk: Desk) -> None:
    desk.state(AUCTION)
    for order_id, side, price, lots in [
        (1, BUY, 101, 3), (2, BUY, 102, 2), (3, BUY, 101, 3), (4, SELL, 101, 4), (5, SELL, 100, 2),
    ]:  # fmt: skip
        desk.new(order_id, side, price, lots)
    events = desk.state(TRADING)
    assert kinds(events) == [STATE, TRADE, TRADE, TRADE]
    assert auction_trades(events) == [(2, 5, 101, 2), (1, 4, 101, 3), (3, 4, 101, 1)]
    last = events[-1]
    assert (last.remaining_lots, last.cumulative_lots) == (2, 1)
    assert (last.maker_remaining_lots, last.maker_cumulative_lots) == (0, 4)
    assert (desk.bids, desk.asks) == ([(101, 2, 1)], [])


def test_market_orders_go_first_and_what_is_left_of_them_is_canceled(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, BUY, 105, 4)
    desk.market(2, BUY, 3)
    desk.market(3, BUY, 3, cap_ticks=105)
    assert desk.bids == [(105, 4, 1)]
    assert indicated(desk.new(4, SELL, 100, 5)) == [(105, 5, 5)]
    events = desk.state(TRADING)
    assert auction_trades(events) == [(2, 4, 105, 3), (3, 4, 105, 2)]
    assert [(e.order_id, e.reason, e.quantity_lots) for e in events if e.kind == CANCELED] == [
        (3, Reason.NO_LIQUIDITY, 1)
    ]
    assert desk.bids == [(105, 4, 1)]


def test_no_market_order_trades_beyond_its_cap_or_makes_a_price(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, SELL, 100, 5)
    desk.market(2, BUY, 2, cap_ticks=130)
    desk.market(3, BUY, 2, cap_ticks=99)
    events = desk.state(TRADING)
    assert auction_trades(events) == [(2, 1, 100, 2)]
    assert [(e.order_id, e.reason) for e in events if e.kind == CANCELED] == [
        (3, Reason.PRICE_COLLAR)
    ]


def test_a_cap_or_a_floor_that_is_no_price_at_all_keeps_every_order_in_its_place(
    desk: Desk,
) -> None:
    most = 2**63 - 1
    desk.state(AUCTION)
    for order_id, cap in enumerate((most, 2**62, 0, 2**62 - 2, most), start=1):
        desk.market(order_id, BUY, 1, cap_ticks=cap)
        desk.market(10 + order_id, SELL, 1, cap_ticks=cap)
    assert indicated(desk.new(20, SELL, 100, 3)) == [(100, 4, 1)]
    assert auction_trades(desk.state(TRADING)) == [
        (1, 13, 100, 1), (2, 20, 100, 1), (4, 20, 100, 1), (5, 20, 100, 1),
    ]  # fmt: skip
    assert desk.engine.live_orders == 0


@pytest.mark.parametrize(
    ("reference", "cap", "floor", "price"),
    [(100, 0, 0, 100), (100, 95, 0, 95), (100, 0, 103, 103), (0, 0, 103, 103), (0, 95, 0, 95),
     (0, 0, 0, 0)],
)  # fmt: skip
def test_market_orders_among_themselves_trade_at_the_reference_price(
    desk: Desk, reference: int, cap: int, floor: int, price: int
) -> None:
    desk.instrument(reference_price_ticks=reference)
    desk.state(AUCTION)
    desk.market(1, BUY, 5, cap_ticks=cap)
    desk.market(2, SELL, 3, cap_ticks=floor)
    events = desk.state(TRADING)
    assert auction_trades(events) == ([(1, 2, price, 3)] if price else [])
    assert {e.reason for e in events if e.kind == CANCELED} == {Reason.NO_LIQUIDITY}
    assert desk.engine.live_orders == 0


def test_icebergs_count_and_trade_whole_and_keep_their_place(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, BUY, 100, 20, display_lots=5)
    desk.new(2, BUY, 100, 4)
    assert indicated(desk.new(3, SELL, 100, 12)) == [(100, 12, 12)]
    assert auction_trades(desk.state(TRADING)) == [(1, 3, 100, 12)]
    assert desk.bids == [(100, 9, 2)]
    assert trades(desk.new(4, SELL, 100, 5)) == [(1, 100, 5)]


def test_a_peak_that_an_auction_only_touches_stays_smaller(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, SELL, 100, 20, display_lots=5)
    desk.new(2, BUY, 100, 3)
    desk.state(TRADING)
    assert desk.asks == [(100, 2, 1)]


def test_there_is_no_self_trade_prevention_in_the_uncross(desk: Desk) -> None:
    desk.state(AUCTION)
    mode = {"account_id": 7, "stp_mode": SelfTradeMode.CANCEL_BOTH}
    desk.new(1, BUY, 100, 5, **mode)
    desk.new(2, SELL, 100, 5, **mode)
    assert auction_trades(desk.state(TRADING)) == [(1, 2, 100, 5)]


@pytest.mark.parametrize(
    "fields",
    [
        {"tif": TimeInForce.IOC},
        {"tif": TimeInForce.FOK},
        {"tif": TimeInForce.FOK_BUDGET, "budget": 500},
        {"flags": Flag.POST_ONLY},
        {"order_type": OrderType.MARKET, "tif": TimeInForce.FOK},
        {"order_type": OrderType.MARKET, "tif": TimeInForce.IOC, "budget": 500},
    ],
)
def test_what_cannot_wait_for_the_uncross_is_refused(desk: Desk, fields: dict[str, int]) -> None:
    desk.state(AUCTION)
    price = 0 if fields.get("order_type") == OrderType.MARKET else 100
    (event,) = desk.new(1, BUY, price, 5, **fields)
    assert (event.kind, event.reason) == (EventKind.ORDER_REJECTED, Reason.MARKET_STATE)


def test_a_collected_market_order_can_be_reduced_and_canceled_but_not_changed(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, SELL, 100, 9)
    desk.market(2, BUY, 5, cap_ticks=110)
    assert desk.move(2, 105)[0].reason == Reason.INVALID_COMMAND
    assert desk.replace(2, quantity_lots=3)[0].reason == Reason.INVALID_COMMAND
    assert indicated(desk.reduce(2, 1)) == [(100, 4, -5)]
    events = desk.cancel(2)
    assert (events[0].kind, events[0].price_ticks, events[0].quantity_lots) == (CANCELED, 0, 4)
    assert indicated(events) == [(0, 0, 0)]


def test_a_replaced_order_is_collected_anew(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 101, 5)
    events = desk.replace(1, price_ticks=102, quantity_lots=7)
    assert kinds(events) == [EventKind.ORDER_REPLACED, INDICATIVE]
    assert indicated(events) == [(102, 5, 2)]


def test_stops_wait_through_an_auction_and_enter_behind_its_trades(desk: Desk) -> None:
    print_at(desk, 100)
    desk.state(AUCTION)
    (accepted,) = desk.new(1, BUY, 110, 2, order_type=OrderType.STOP_LIMIT, trigger_ticks=104)
    assert accepted.kind == ACCEPTED
    through = desk.new(2, BUY, 110, 2, order_type=OrderType.STOP_LIMIT, trigger_ticks=100)
    assert through[0].reason == Reason.STOP_WOULD_TRIGGER
    desk.new(3, BUY, 105, 4)
    desk.new(4, SELL, 105, 5)
    events = desk.state(TRADING)
    assert kinds(events) == [STATE, TRADE, TRIGGERED, TRADE]
    assert (events[1].side, events[3].side) == (Side.NONE, Side.BUY)
    assert trades(events) == [(4, 105, 4), (4, 105, 1)]


@pytest.mark.parametrize("state", [MarketState.CANCEL_ONLY, MarketState.LIMIT_ONLY])
def test_a_closing_auction_ends_in_a_state_that_is_not_trading(
    desk: Desk, state: MarketState
) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 0, 2, order_type=OrderType.STOP_MARKET, tif=2, trigger_ticks=95)
    desk.state(AUCTION)
    desk.new(3, SELL, 94, 3)
    events = desk.state(state)
    assert kinds(events) == [STATE, TRADE]
    assert desk.bids == [(100, 2, 1)]
    assert desk.engine.live_orders == 2


def test_a_halt_ends_an_auction_without_trades_and_keeps_what_it_collected(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, BUY, 105, 5)
    desk.new(2, SELL, 100, 5)
    desk.market(3, SELL, 2)
    assert kinds(desk.state(HALTED)) == [STATE]
    assert kinds(desk.reduce(1, 1)) == [EventKind.ORDER_REDUCED]
    assert desk.new(4, BUY, 100, 1)[0].reason == Reason.MARKET_STATE
    events = desk.state(AUCTION)
    assert indicated(events) == [(100, 4, -3)]
    desk.state(HALTED)
    assert auction_trades(desk.state(TRADING)) == [(1, 3, 100, 2), (1, 2, 100, 2)]


def test_an_instrument_may_open_with_an_auction(desk: Desk) -> None:
    (event,) = desk.instrument(2, state=AUCTION)
    assert event.state == AUCTION
    desk.new(1, BUY, 105, 5, instrument_id=2)
    assert indicated(desk.new(2, SELL, 105, 5, instrument_id=2)) == [(105, 5, 0)]


def test_a_trade_beyond_the_band_opens_an_auction_that_the_order_takes_part_in(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000, band_auction=1)
    desk.new(1, SELL, 1_010, 2)
    desk.new(2, SELL, 1_011, 2)
    events = desk.new(3, BUY, 1_011, 3)
    assert kinds(events) == [ACCEPTED, TRADE, STATE, INDICATIVE]
    assert (events[2].reason, events[2].version) == (Reason.PRICE_BAND, 0)
    assert (events[2].previous_state, events[2].state) == (TRADING, AUCTION)
    assert indicated(events) == [(1_011, 1, -1)]
    assert auction_trades(desk.state(TRADING)) == [(3, 2, 1_011, 1)]


def test_an_order_that_may_not_rest_is_canceled_when_it_meets_the_band(desk: Desk) -> None:
    desk.instrument(band_bps=100, reference_price_ticks=1_000, band_auction=1)
    desk.new(1, SELL, 1_011, 2)
    events = desk.market(2, BUY, 3)
    assert kinds(events) == [ACCEPTED, CANCELED, STATE]
    assert (events[1].reason, events[2].state) == (Reason.PRICE_BAND, AUCTION)


def test_reduce_only_orders_are_trimmed_to_what_their_account_holds_together(desk: Desk) -> None:
    desk.perpetual()
    desk.new(1, SELL, 100, 5)
    desk.new(2, BUY, 100, 5, account_id=7)
    reduce_only = {"account_id": 7, "flags": Flag.REDUCE_ONLY}
    desk.state(AUCTION)
    desk.new(3, SELL, 100, 4, **reduce_only)
    desk.new(4, SELL, 100, 4, **reduce_only)
    desk.new(5, SELL, 101, 4, **reduce_only)
    desk.new(6, SELL, 120, 4, **reduce_only)
    assert desk.new(7, BUY, 105, 4, **reduce_only)[-1].reason == Reason.REDUCE_ONLY
    desk.new(8, BUY, 110, 9)
    events = desk.state(TRADING)
    assert kinds(events)[1:3] == [EventKind.ORDER_REDUCED, CANCELED]
    assert [(e.order_id, e.reason, e.quantity_lots) for e in events[1:3]] == [
        (4, Reason.REDUCE_ONLY, 3), (5, Reason.REDUCE_ONLY, 4),
    ]  # fmt: skip
    assert auction_trades(events) == [(8, 3, 110, 4), (8, 4, 110, 1)]
    assert (desk.bids, desk.asks) == ([(110, 4, 1)], [(120, 4, 1)])


def test_delisting_in_an_auction_cancels_everything_it_collected(desk: Desk) -> None:
    desk.new(5, SELL, 130, 1, order_type=OrderType.STOP_LIMIT, trigger_ticks=90)
    desk.state(AUCTION)
    desk.new(4, BUY, 105, 5)
    desk.new(3, SELL, 100, 5)
    desk.market(2, BUY, 2)
    events = desk.state(MarketState.DELISTED)
    assert kinds(events) == [STATE] + [CANCELED] * 4
    assert [e.order_id for e in events[1:]] == [2, 3, 4, 5]
    assert {e.reason for e in events[1:]} == {Reason.DELISTED}
    assert desk.engine.live_orders == 0


def test_a_mass_cancel_and_an_expiry_say_once_what_the_auction_would_print_now(desk: Desk) -> None:
    desk.state(AUCTION)
    desk.new(1, BUY, 105, 5, account_id=7)
    desk.new(2, BUY, 104, 5, account_id=7)
    desk.new(3, SELL, 100, 5)
    desk.new(4, SELL, 99, 1, tif=TimeInForce.GTD, expire_ns=2_000)
    assert indicated(desk.wait_until(2_000)) == [(105, 5, 0)]
    events = desk.send(desk.of(CommandKind.MASS_CANCEL, account_id=7))
    assert kinds(events) == [CANCELED, CANCELED, INDICATIVE]
    assert indicated(events) == [(0, 0, 0)]


REDUCE_SEVEN = {"account_id": 7, "flags": Flag.REDUCE_ONLY}


@pytest.fixture
def long_seven(desk: Desk) -> Desk:
    """A perpetual in an auction; account 7 is five lots long."""
    desk.perpetual()
    desk.new(901, SELL, 100, 5)
    desk.new(902, BUY, 100, 5, account_id=7)
    desk.state(AUCTION)
    return desk


def test_a_reduce_only_order_leaves_the_position_to_better_orders_of_its_account(
    long_seven: Desk,
) -> None:
    long_seven.new(1, SELL, 99, 3, account_id=7)
    long_seven.new(2, SELL, 100, 5, **REDUCE_SEVEN)
    assert indicated(long_seven.new(3, BUY, 100, 10)) == [(100, 5, 5)]
    events = long_seven.state(TRADING)
    assert kinds(events) == [STATE, EventKind.ORDER_REDUCED, TRADE, TRADE]
    assert auction_trades(events) == [(3, 1, 100, 3), (3, 2, 100, 2)]
    late = long_seven.new(4, SELL, 100, 5, **REDUCE_SEVEN)
    assert late[-1].reason == Reason.REDUCE_ONLY


def test_no_reduce_only_order_turns_a_position_round_in_an_auction(long_seven: Desk) -> None:
    long_seven.new(1, SELL, 99, 5, account_id=7)
    long_seven.new(2, SELL, 100, 5, **REDUCE_SEVEN)
    assert indicated(long_seven.new(3, BUY, 100, 10)) == [(100, 5, 5)]
    events = long_seven.state(TRADING)
    assert auction_trades(events) == [(3, 1, 100, 5)]
    assert [(e.order_id, e.reason) for e in events if e.kind == CANCELED] == [
        (2, Reason.REDUCE_ONLY)
    ]


def test_orders_behind_a_reduce_only_order_take_nothing_from_it(long_seven: Desk) -> None:
    long_seven.new(1, SELL, 99, 5, **REDUCE_SEVEN)
    long_seven.new(2, SELL, 100, 5, account_id=7)
    long_seven.new(3, BUY, 100, 10)
    assert auction_trades(long_seven.state(TRADING)) == [(3, 1, 100, 5), (3, 2, 100, 5)]


def test_a_short_position_counts_the_buys_of_its_account(desk: Desk) -> None:
    desk.perpetual()
    desk.new(901, BUY, 100, 5)
    desk.new(902, SELL, 100, 5, account_id=7)
    desk.state(AUCTION)
    desk.new(1, BUY, 101, 4, account_id=7)
    desk.new(2, BUY, 100, 4, **REDUCE_SEVEN)
    desk.new(3, SELL, 101, 1, account_id=7)
    desk.new(4, SELL, 100, 9)
    events = desk.state(TRADING)
    assert [trade[:2] + trade[3:] for trade in auction_trades(events)] == [(1, 4, 4), (2, 4, 1)]


def test_what_is_indicated_is_what_is_printed_of_reduce_only_orders(desk: Desk) -> None:
    desk.perpetual()
    desk.new(901, SELL, 100, 6)
    desk.new(902, BUY, 100, 6, account_id=7)
    desk.state(AUCTION)
    desk.new(1, SELL, 90, 50, **REDUCE_SEVEN)
    assert indicated(desk.new(2, BUY, 110, 20)) == [(110, 6, 14)]
    assert indicated(desk.new(3, BUY, 95, 30)) == []
    events = desk.state(TRADING)
    assert auction_trades(events) == [(2, 1, 110, 6)]


def test_an_order_with_nothing_to_reduce_has_no_say_in_the_price(long_seven: Desk) -> None:
    long_seven.new(1, SELL, 95, 5, account_id=7)
    long_seven.new(2, SELL, 104, 5, **REDUCE_SEVEN)
    assert indicated(long_seven.new(3, BUY, 105, 5)) == [(100, 5, 0)]
    assert auction_trades(long_seven.state(TRADING)) == [(3, 1, 100, 5)]


def test_a_post_only_order_may_be_changed_in_an_auction_for_nobody_takes(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, flags=Flag.POST_ONLY)
    desk.state(AUCTION)
    desk.new(2, SELL, 99, 5)
    assert kinds(desk.replace(1, quantity_lots=3)) == [EventKind.ORDER_REPLACED, INDICATIVE]
    assert kinds(desk.replace(1, 3, price_ticks=101)) == [EventKind.ORDER_REPLACED]
    assert auction_trades(desk.state(TRADING)) == [(1, 2, 99, 3)]
