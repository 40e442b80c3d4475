"""One command that cancels an order and enters another: both happen, or neither."""

import pytest

from svc.engine.records import EventKind, Flag, MarketState, OrderType, Reason, TimeInForce
from tests.engine.desk import BUY, SELL, Desk, kinds, trades

ACCEPTED, TRADE, CANCELED = EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.ORDER_CANCELED
REFUSED = [EventKind.CANCEL_REJECTED, EventKind.ORDER_REJECTED]


def test_one_order_goes_and_another_comes_in_one_command(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, display_lots=2)
    desk.new(2, BUY, 101, 1)
    events = desk.swap(1, 3, BUY, 101, 7)
    assert kinds(events) == [CANCELED, ACCEPTED]
    assert (events[0].order_id, events[0].reason) == (1, Reason.CANCEL_REQUESTED)
    assert (events[1].order_id, events[1].version, events[1].quantity_lots) == (3, 1, 7)
    assert [bool(e.flags & Flag.END_OF_COMMAND) for e in events] == [False, True]
    assert desk.bids == [(101, 8, 2)]
    assert trades(desk.new(9, SELL, 101, 2)) == [(2, 101, 1), (3, 101, 1)]


def test_the_new_order_may_trade_at_once_and_its_lots_are_its_own(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(8, SELL, 100, 2)
    desk.new(9, SELL, 103, 2)
    events = desk.swap(1, 2, BUY, 103, 5)
    assert kinds(events) == [CANCELED, ACCEPTED, TRADE]
    assert (events[0].quantity_lots, events[0].cumulative_lots) == (3, 2)
    assert (events[2].remaining_lots, events[2].cumulative_lots) == (3, 2)


def test_what_is_not_live_any_more_is_not_replaced(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(9, SELL, 100, 5)
    events = desk.swap(1, 2, BUY, 99, 5)
    assert kinds(events) == REFUSED
    assert [(e.order_id, e.version, e.reason) for e in events] == [
        (1, 0, Reason.UNKNOWN_ORDER), (2, 1, Reason.UNKNOWN_ORDER),
    ]  # fmt: skip
    assert desk.engine.live_orders == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"account_id": 7}, Reason.NOT_OWNER),
        ({"account_id": 0}, Reason.NOT_OWNER),
        ({"instrument_id": 2}, Reason.INVALID_COMMAND),
        ({"version": 0}, Reason.INVALID_COMMAND),
        ({"lots": 0}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"tif": TimeInForce.GTD, "expire_ns": 1_000}, Reason.EXPIRED),
        ({"flags": Flag.REDUCE_ONLY}, Reason.REDUCE_ONLY),
        ({"price": 110, "flags": Flag.POST_ONLY}, Reason.POST_ONLY_WOULD_TAKE),
        ({"order_type": OrderType.STOP_LIMIT, "trigger_ticks": 0}, Reason.INVALID_COMMAND),
    ],
)
def test_an_order_that_would_be_refused_leaves_the_other_where_it_is(
    desk: Desk, fields: dict[str, int], reason: Reason
) -> None:
    desk.instrument(2)
    desk.new(1, BUY, 100, 5)
    desk.new(9, SELL, 110, 5)
    events = desk.swap(1, 2, BUY, **{"price": 101, "lots": 5, **fields})
    assert kinds(events) == REFUSED
    assert {e.reason for e in events} == {reason}
    assert desk.bids == [(100, 5, 1)]


def test_the_other_side_and_a_live_id_are_refused(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 99, 5)
    assert {e.reason for e in desk.swap(1, 3, SELL, 120, 5)} == {Reason.INVALID_COMMAND}
    for live in (1, 2):
        assert {e.reason for e in desk.swap(1, live, BUY, 98, 5)} == {Reason.DUPLICATE_ORDER_ID}
    assert desk.bids == [(100, 5, 1), (99, 5, 1)]


def test_a_fill_or_kill_that_is_killed_was_entered_all_the_same(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    events = desk.swap(1, 2, BUY, 105, 5, tif=TimeInForce.FOK)
    assert kinds(events) == [CANCELED, ACCEPTED, CANCELED]
    assert events[2].reason == Reason.FOK_NOT_FILLABLE
    assert desk.engine.live_orders == 0


def test_own_lots_of_the_order_that_goes_do_not_count_against_the_one_that_comes(
    desk: Desk,
) -> None:
    desk.new(1, BUY, 100, 5)
    waiting = {"order_type": OrderType.STOP_LIMIT, "trigger_ticks": 105}
    assert kinds(desk.swap(1, 2, BUY, 104, 5, **waiting)) == [CANCELED, ACCEPTED]
    assert (desk.bids, desk.engine.live_orders) == ([], 1)
    assert kinds(desk.swap(2, 3, BUY, 104, 5, account_id=1_001)) == [CANCELED, ACCEPTED]
    assert desk.bids == [(104, 5, 1)]


def test_where_nothing_new_is_let_in_the_old_order_stays(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.state(MarketState.CANCEL_ONLY)
    assert {e.reason for e in desk.swap(1, 2, BUY, 99, 5)} == {Reason.MARKET_STATE}
    assert desk.bids == [(100, 5, 1)]


def test_in_an_auction_it_is_collected_anew(desk: Desk) -> None:
    desk.new(9, SELL, 110, 5)
    desk.new(1, BUY, 100, 5)
    desk.state(MarketState.AUCTION)
    events = desk.swap(1, 2, BUY, 110, 3)
    assert kinds(events) == [CANCELED, ACCEPTED, EventKind.INDICATIVE_PRICE]
