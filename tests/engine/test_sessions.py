"""Instruments and market states: commands like any other, each with its event."""

import pytest

from svc.engine.records import CommandKind, EventKind, Flag, MarketState, OrderType, Reason
from tests.engine.desk import BUY, SELL, Desk, kinds

NEW_REFUSED = (EventKind.ORDER_REJECTED, Reason.MARKET_STATE)


def test_an_instrument_says_what_it_is_from_here_on(desk: Desk) -> None:
    (event,) = desk.instrument(
        9,
        state=MarketState.POST_ONLY,
        max_quantity_lots=50,
        min_ticks=3,
        max_ticks=700,
        reference_price_ticks=80,
        collar_bps=25,
        band_bps=900,
        perpetual=1,
    )
    assert (event.kind, event.reason, event.instrument_id) == (EventKind.INSTRUMENT_CHANGED, 0, 9)
    assert (event.state, event.flags & 1) == (MarketState.POST_ONLY, 1)
    assert (event.quantity_lots, event.remaining_lots, event.cumulative_lots) == (50, 3, 700)
    assert (event.price_ticks, event.maker_order_id, event.maker_account_id) == (80, 25, 900)


def test_a_definition_at_or_below_the_known_version_makes_no_event(desk: Desk) -> None:
    desk.version = 0
    assert desk.instrument(max_quantity_lots=1) == []
    assert kinds(desk.new(1, BUY, 100, 5)) == [EventKind.ORDER_ACCEPTED]


def test_a_changed_definition_counts_for_the_next_order(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.instrument(max_quantity_lots=4, state=MarketState.HALTED)
    assert desk.new(2, BUY, 100, 5)[0].reason == Reason.QUANTITY_OUT_OF_RANGE
    assert kinds(desk.new(3, BUY, 100, 4)) == [EventKind.ORDER_ACCEPTED]
    assert desk.bids == [(100, 9, 2)]


def test_a_new_instrument_without_a_state_is_halted(desk: Desk) -> None:
    (event,) = desk.instrument(2, state=0)
    assert event.state == MarketState.HALTED


@pytest.mark.parametrize(
    "fields",
    [
        {"instrument_id": 0},
        {"instrument_id": 65_536},
        {"max_quantity_lots": 0},
        {"max_quantity_lots": 10**15 + 1},
        {"min_ticks": 0},
        {"min_ticks": 9, "max_ticks": 8},
        {"max_ticks": 10**15 + 1},
        {"reference_price_ticks": -1},
        {"collar_bps": 10_001},
        {"band_bps": 10_001},
        {"perpetual": 2},
        {"state": 8},
    ],
)
def test_a_definition_that_makes_no_sense_changes_nothing(
    desk: Desk, fields: dict[str, int]
) -> None:
    (event,) = desk.instrument(**{"instrument_id": 5, **fields})
    assert (event.kind, event.reason) == (EventKind.INSTRUMENT_CHANGED, Reason.INVALID_COMMAND)
    assert desk.new(1, BUY, 100, 5, instrument_id=5)[0].reason == Reason.UNKNOWN_INSTRUMENT


def test_a_change_of_state_says_from_which_to_which(desk: Desk) -> None:
    (event,) = desk.state(MarketState.HALTED)
    assert (event.kind, event.reason) == (EventKind.STATE_CHANGED, Reason.OPERATOR)
    assert (event.previous_state, event.state) == (MarketState.TRADING, MarketState.HALTED)
    assert event.version == desk.version


def test_a_state_of_a_known_version_makes_no_event(desk: Desk) -> None:
    desk.state(MarketState.HALTED)
    desk.version -= 1
    assert desk.state(MarketState.TRADING) == []
    assert kinds(desk.new(1, BUY, 100, 5)) == [EventKind.ORDER_REJECTED]


@pytest.mark.parametrize("state", [0, 8, 200])
def test_an_unknown_state_changes_nothing(desk: Desk, state: int) -> None:
    (event,) = desk.send(desk.of(CommandKind.STATE, side=state, version=99))
    assert (event.reason, event.state) == (Reason.INVALID_COMMAND, MarketState.TRADING)


def test_a_state_of_an_unknown_instrument_is_refused(desk: Desk) -> None:
    command = desk.of(CommandKind.STATE, instrument_id=7, side=MarketState.TRADING, version=1)
    assert desk.send(command)[0].reason == Reason.UNKNOWN_INSTRUMENT


@pytest.mark.parametrize(
    ("state", "limit", "post_only", "market"),
    [
        (MarketState.TRADING, True, True, True),
        (MarketState.POST_ONLY, False, True, False),
        (MarketState.LIMIT_ONLY, True, True, False),
        (MarketState.CANCEL_ONLY, False, False, False),
        (MarketState.HALTED, False, False, False),
    ],
)
def test_a_state_lets_through_what_it_is_named_after(
    desk: Desk, state: MarketState, *, limit: bool, post_only: bool, market: bool
) -> None:
    desk.new(1, SELL, 110, 5)
    desk.state(state)
    orders = [
        (desk.order(2, BUY, 100, 5), limit),
        (desk.order(3, BUY, 100, 5, flags=Flag.POST_ONLY), post_only),
        (desk.order(4, BUY, 0, 1, order_type=OrderType.MARKET, tif=2), market),
    ]
    for command, is_let_through in orders:
        event = desk.send(command)[0]
        assert ((event.kind, event.reason) == NEW_REFUSED) != is_let_through


@pytest.mark.parametrize("state", [MarketState.CANCEL_ONLY, MarketState.HALTED])
def test_orders_can_always_be_taken_back_but_not_changed(desk: Desk, state: MarketState) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 100, 5)
    desk.state(state)
    assert desk.move(1, 99)[0].reason == Reason.MARKET_STATE
    assert desk.replace(1, price_ticks=99)[0].reason == Reason.MARKET_STATE
    assert kinds(desk.reduce(1, 1)) == [EventKind.ORDER_REDUCED]
    assert kinds(desk.cancel(2)) == [EventKind.ORDER_CANCELED]


def test_in_post_only_no_move_takes(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, cap_ticks=200)
    desk.new(2, SELL, 110, 5)
    desk.state(MarketState.POST_ONLY)
    assert desk.move(1, 110)[0].reason == Reason.POST_ONLY_WOULD_TAKE
    assert kinds(desk.move(1, 109)) == [EventKind.ORDER_REPLACED]


def test_a_delisted_instrument_loses_its_orders_and_never_comes_back(desk: Desk) -> None:
    desk.new(3, BUY, 100, 5)
    desk.new(1, SELL, 110, 5)
    desk.new(2, BUY, 90, 5)
    events = desk.state(MarketState.DELISTED)
    assert events[0].kind == EventKind.STATE_CHANGED
    assert [event.order_id for event in events[1:]] == [1, 2, 3]
    assert {event.reason for event in events[1:]} == {Reason.DELISTED}
    assert desk.state(MarketState.TRADING)[0].reason == Reason.INVALID_COMMAND
    assert desk.new(9, BUY, 100, 5)[0].reason == Reason.MARKET_STATE


@pytest.mark.parametrize(
    ("fields", "canceled"),
    [
        ({"account_id": 7, "instrument_id": 0}, [1, 2, 4]),
        ({"account_id": 0, "instrument_id": 1}, [1, 2, 3]),
        ({"account_id": 7, "instrument_id": 1}, [1, 2]),
        ({"account_id": 7, "instrument_id": 0, "side": SELL}, [2]),
        ({"account_id": 0, "instrument_id": 0}, [1, 2, 3, 4]),
        ({"account_id": 0, "instrument_id": 77}, []),
    ],
)
def test_a_mass_cancel_takes_what_it_names_in_the_order_of_ids(
    desk: Desk, fields: dict[str, int], canceled: list[int]
) -> None:
    desk.instrument(2)
    desk.new(3, SELL, 110, 5)
    desk.new(1, BUY, 100, 5, account_id=7)
    desk.new(4, BUY, 100, 5, account_id=7, instrument_id=2)
    desk.new(2, SELL, 120, 5, account_id=7)
    events = desk.send(desk.of(CommandKind.MASS_CANCEL, **fields))
    assert [event.order_id for event in events] == canceled
    assert all(event.reason == Reason.MASS_CANCEL for event in events)
