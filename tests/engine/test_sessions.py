"""Instruments and market states: commands like any other, each with its event."""

import pytest

from svc.engine.records import (
    Command,
    CommandKind,
    EventKind,
    Flag,
    MarketState,
    OrderType,
    Reason,
)
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
        ({"account_id": 8, "instrument_id": 0}, []),
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


@pytest.mark.parametrize("perpetual", [0, 1])
def test_an_instrument_stays_what_it_is_spot_or_perpetual(desk: Desk, perpetual: int) -> None:
    desk.instrument(9, perpetual=perpetual, max_quantity_lots=50)
    (event,) = desk.instrument(9, perpetual=1 - perpetual, max_quantity_lots=70)
    assert (event.kind, event.reason) == (EventKind.INSTRUMENT_CHANGED, Reason.INVALID_COMMAND)
    assert (event.flags & 1, event.quantity_lots) == (perpetual, 50)
    (event,) = desk.instrument(9, perpetual=perpetual, max_quantity_lots=70)
    assert (event.reason, event.quantity_lots) == (Reason.NONE, 70)


def test_a_delisted_instrument_takes_no_definition(desk: Desk) -> None:
    desk.instrument(9, max_quantity_lots=50)
    desk.send(desk.of(CommandKind.STATE, side=MarketState.DELISTED, version=9, instrument_id=9))
    (event,) = desk.instrument(9, max_quantity_lots=70)
    assert (event.reason, event.state) == (Reason.DELISTED, MarketState.DELISTED)
    assert event.quantity_lots == 50


@pytest.fixture
def narrowed(desk: Desk) -> Desk:
    """Orders of eight lots, a buy at 50 and a stop of 140, in bounds that have become narrower."""
    desk.new(1, BUY, 50, 8)
    desk.new(2, BUY, 145, 8, order_type=OrderType.STOP_LIMIT, trigger_ticks=140)
    desk.instrument(min_ticks=90, max_ticks=110, max_quantity_lots=4)
    return desk


@pytest.mark.parametrize(
    ("order_id", "fields"),
    [
        (1, {"quantity_lots": 7}),
        (1, {"price_ticks": 95}),
        (1, {"price_ticks": 50, "quantity_lots": 8}),
        (1, {"cap_ticks": 60}),
        (2, {"quantity_lots": 7}),
        (2, {"price_ticks": 100}),
        (2, {"trigger_ticks": 105}),
        (2, {"trigger_ticks": 140, "quantity_lots": 3}),
    ],
)
def test_what_a_change_leaves_as_it_is_is_not_held_against_narrower_bounds(
    narrowed: Desk, order_id: int, fields: dict[str, int]
) -> None:
    (event,) = narrowed.replace(order_id, **fields)
    assert (event.kind, event.reason) == (EventKind.ORDER_REPLACED, Reason.NONE)


@pytest.mark.parametrize(
    ("order_id", "fields", "reason"),
    [
        (1, {"quantity_lots": 9}, Reason.QUANTITY_OUT_OF_RANGE),
        (1, {"price_ticks": 51}, Reason.PRICE_OUT_OF_RANGE),
        (2, {"quantity_lots": 9}, Reason.QUANTITY_OUT_OF_RANGE),
        (2, {"price_ticks": 144}, Reason.PRICE_OUT_OF_RANGE),
        (2, {"trigger_ticks": 139}, Reason.PRICE_OUT_OF_RANGE),
    ],
)
def test_what_a_change_makes_different_is_held_against_the_bounds_of_now(
    narrowed: Desk, order_id: int, fields: dict[str, int], reason: Reason
) -> None:
    (event,) = narrowed.replace(order_id, **fields)
    assert (event.kind, event.reason) == (EventKind.REPLACE_REJECTED, reason)


def test_a_move_to_the_price_an_order_has_is_not_held_against_narrower_bounds(
    narrowed: Desk,
) -> None:
    assert kinds(narrowed.move(1, 50)) == [EventKind.ORDER_REPLACED]
    assert narrowed.move(1, 51)[0].reason == Reason.PRICE_OUT_OF_RANGE


@pytest.mark.parametrize("kind", [0, 13, 200])
def test_a_command_of_an_unknown_kind_is_refused_as_one_on_no_order(desk: Desk, kind: int) -> None:
    command = Command(kind, order_id=5, account_id=7, version=3, instrument_id=1)
    (event,) = desk.send(command)
    assert (event.kind, event.reason) == (EventKind.COMMAND_REJECTED, Reason.INVALID_COMMAND)
    assert (event.order_type, event.order_id, event.account_id, event.version) == (kind, 0, 7, 3)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"side": 3}, Reason.INVALID_COMMAND),
        ({"side": 9, "instrument_id": 77}, Reason.INVALID_COMMAND),
        ({"account_id": -1}, Reason.INVALID_COMMAND),
        ({"instrument_id": 77}, Reason.UNKNOWN_INSTRUMENT),
        ({"instrument_id": 65_536}, Reason.UNKNOWN_INSTRUMENT),
    ],
)
def test_a_mass_cancel_that_makes_no_sense_is_refused(
    desk: Desk, fields: dict[str, int], reason: Reason
) -> None:
    desk.new(1, BUY, 100, 5)
    (event,) = desk.send(desk.of(CommandKind.MASS_CANCEL, **fields))
    assert (event.kind, event.reason) == (EventKind.COMMAND_REJECTED, reason)
    assert event.order_type == CommandKind.MASS_CANCEL
    assert desk.bids == [(100, 5, 1)]


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        (CommandKind.CANCEL, EventKind.CANCEL_REJECTED),
        (CommandKind.REDUCE, EventKind.CANCEL_REJECTED),
        (CommandKind.MOVE, EventKind.REPLACE_REJECTED),
        (CommandKind.REPLACE, EventKind.REPLACE_REJECTED),
    ],
)
def test_a_command_that_names_another_instrument_does_not_find_the_order(
    desk: Desk, kind: CommandKind, refused: EventKind
) -> None:
    desk.instrument(2)
    desk.new(1, BUY, 100, 5)
    wanted = {"order_id": 1, "price_ticks": 99, "quantity_lots": 3, "version": 2}
    for other in (2, 77):
        (event,) = desk.send(desk.of(kind, **{**wanted, "instrument_id": other}))
        assert (event.kind, event.reason) == (refused, Reason.UNKNOWN_ORDER)
    (event,) = desk.send(desk.of(kind, **{**wanted, "instrument_id": 0}))
    assert event.kind != refused
