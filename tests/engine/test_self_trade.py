"""Self-trade prevention: the incoming order's mode counts."""

import pytest

from svc.engine.records import CommandKind, EventKind, Reason, SelfTradeMode, TimeInForce
from tests.engine.desk import BUY, SELL, Desk, kinds, trades

ACCEPTED, TRADE, CANCELED, REDUCED = (
    EventKind.ORDER_ACCEPTED,
    EventKind.TRADE,
    EventKind.ORDER_CANCELED,
    EventKind.ORDER_REDUCED,
)
OWN = {"account_id": 7}


def own(mode: SelfTradeMode) -> dict[str, int]:
    return {"account_id": 7, "stp_mode": mode}


@pytest.mark.spec("eng-stp-none")
def test_without_prevention_a_self_trade_executes(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5, **own(SelfTradeMode.CANCEL_BOTH))
    assert trades(desk.new(2, BUY, 100, 5, **own(SelfTradeMode.NONE))) == [(1, 100, 5)]


@pytest.mark.spec("eng-stp-cancel-resting")
def test_cancel_resting_takes_own_orders_away_and_goes_on(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5, **OWN)
    desk.new(2, SELL, 100, 3)
    events = desk.new(3, BUY, 100, 3, **own(SelfTradeMode.CANCEL_RESTING))
    assert kinds(events) == [ACCEPTED, CANCELED, TRADE]
    assert (events[1].order_id, events[1].reason) == (1, Reason.SELF_TRADE)
    assert desk.asks == []


@pytest.mark.spec("eng-stp-cancel-incoming")
def test_cancel_incoming_keeps_earlier_fills_and_rests_nothing(desk: Desk) -> None:
    desk.new(1, SELL, 99, 2)
    desk.new(2, SELL, 100, 5, **OWN)
    events = desk.new(3, BUY, 100, 6, **own(SelfTradeMode.CANCEL_INCOMING))
    assert kinds(events) == [ACCEPTED, TRADE, CANCELED]
    assert (events[2].order_id, events[2].reason) == (3, Reason.SELF_TRADE)
    assert (events[2].quantity_lots, events[2].cumulative_lots) == (4, 2)
    assert (desk.bids, desk.asks) == ([], [(100, 5, 1)])


@pytest.mark.spec("eng-stp-cancel-both")
def test_cancel_both_cancels_that_pair_alone(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5, **OWN)
    desk.new(2, SELL, 100, 4, **OWN)
    events = desk.new(3, BUY, 100, 6, **own(SelfTradeMode.CANCEL_BOTH))
    assert kinds(events) == [ACCEPTED, CANCELED, CANCELED]
    assert [event.order_id for event in events] == [3, 1, 3]
    assert desk.asks == [(100, 4, 1)]


@pytest.mark.spec("eng-stp-decrement")
def test_decrement_cancels_the_smaller_resting_order_and_the_larger_goes_on(desk: Desk) -> None:
    desk.new(1, SELL, 100, 2, **OWN)
    desk.new(2, SELL, 100, 9)
    events = desk.new(3, BUY, 100, 5, **own(SelfTradeMode.DECREMENT_AND_CANCEL))
    assert kinds(events) == [ACCEPTED, CANCELED, REDUCED, TRADE]
    assert (events[1].order_id, events[2].order_id) == (1, 3)
    assert (events[2].quantity_lots, events[2].remaining_lots) == (2, 3)
    assert events[2].reason == Reason.SELF_TRADE_DECREMENT
    assert trades(events) == [(2, 100, 3)]


@pytest.mark.spec("eng-stp-decrement")
def test_decrement_reduces_the_larger_resting_order_which_keeps_its_place(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5, **OWN)
    desk.new(2, SELL, 100, 5)
    events = desk.new(3, BUY, 100, 2, **own(SelfTradeMode.DECREMENT_AND_CANCEL))
    assert kinds(events) == [ACCEPTED, REDUCED, CANCELED]
    assert (events[1].order_id, events[1].remaining_lots) == (1, 3)
    assert (events[2].order_id, events[2].quantity_lots) == (3, 2)
    assert trades(desk.new(4, BUY, 100, 4)) == [(1, 100, 3), (2, 100, 1)]


@pytest.mark.spec("eng-stp-decrement")
def test_decrement_of_equals_cancels_both(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5, **OWN)
    events = desk.new(2, BUY, 100, 5, **own(SelfTradeMode.DECREMENT_AND_CANCEL))
    assert [event.order_id for event in events if event.kind == CANCELED] == [1, 2]
    assert (desk.bids, desk.asks) == ([], [])


def test_no_book_stays_crossed_behind_own_orders(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5, **OWN)
    desk.new(2, BUY, 101, 5, **own(SelfTradeMode.CANCEL_RESTING))
    assert (desk.bids, desk.asks) == ([(101, 5, 1)], [])


def test_own_quantity_does_not_make_a_fok_order_fillable(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5, **OWN)
    desk.new(2, SELL, 101, 2)
    wanted = {"tif": TimeInForce.FOK, **own(SelfTradeMode.CANCEL_RESTING)}
    events = desk.new(3, BUY, 101, 3, **wanted)
    assert kinds(events) == [ACCEPTED, CANCELED]
    assert events[1].reason == Reason.FOK_NOT_FILLABLE
    assert desk.asks == [(100, 5, 1), (101, 2, 1)]
    assert trades(desk.new(4, BUY, 101, 2, **wanted)) == [(2, 101, 2)]


@pytest.mark.parametrize("mode", [3, 4, 5])
def test_a_fok_order_that_would_be_canceled_at_its_own_order_touches_nothing(
    desk: Desk, mode: int
) -> None:
    desk.new(1, SELL, 100, 2, display_lots=1)
    desk.new(2, SELL, 100, 5, **OWN)
    wanted = {"tif": TimeInForce.FOK, "account_id": 7, "stp_mode": mode}
    assert desk.new(3, BUY, 100, 2, **wanted)[-1].reason == Reason.FOK_NOT_FILLABLE
    assert desk.asks == [(100, 6, 2)]
    assert trades(desk.new(4, BUY, 100, 1, **wanted)) == [(1, 100, 1)]


def test_an_iceberg_is_stopped_when_its_own_peak_reaches_the_front(desk: Desk) -> None:
    desk.new(1, SELL, 100, 6, display_lots=2, **OWN)
    desk.new(2, SELL, 100, 3)
    events = desk.new(3, BUY, 100, 5, **own(SelfTradeMode.CANCEL_RESTING))
    assert kinds(events) == [ACCEPTED, CANCELED, TRADE]
    assert events[1].quantity_lots == 6


def test_a_moved_order_keeps_its_self_trade_mode(desk: Desk) -> None:
    desk.new(1, BUY, 90, 5, cap_ticks=200, **own(SelfTradeMode.CANCEL_RESTING))
    desk.new(2, SELL, 100, 5, **own(SelfTradeMode.NONE))
    events = desk.move(1, 100)
    assert kinds(events) == [EventKind.ORDER_REPLACED, CANCELED]
    assert desk.bids == [(100, 5, 1)]


def test_accounts_of_a_group_are_one_to_self_trade_prevention(desk: Desk) -> None:
    for account in (7, 8):
        assert desk.send(desk.of(CommandKind.GROUP, account_id=account, stp_group=3)) == []
    desk.new(1, SELL, 100, 5, account_id=8)
    desk.new(2, SELL, 100, 5, account_id=9)
    events = desk.new(3, BUY, 100, 5, **own(SelfTradeMode.CANCEL_RESTING))
    assert kinds(events) == [ACCEPTED, CANCELED, TRADE]
    assert trades(events) == [(2, 100, 5)]


def test_a_group_that_was_left_counts_no_more(desk: Desk) -> None:
    desk.send(*(desk.of(CommandKind.GROUP, account_id=a, stp_group=3) for a in (7, 8)))
    desk.new(1, SELL, 100, 5, account_id=8)
    desk.send(desk.of(CommandKind.GROUP, account_id=8))
    assert trades(desk.new(2, BUY, 100, 5, **own(SelfTradeMode.CANCEL_INCOMING))) == [(1, 100, 5)]


def test_a_fok_order_does_not_count_what_its_group_offers(desk: Desk) -> None:
    desk.send(*(desk.of(CommandKind.GROUP, account_id=a, stp_group=3) for a in (7, 8)))
    desk.new(1, SELL, 100, 5, account_id=8)
    wanted = {"tif": TimeInForce.FOK, **own(SelfTradeMode.CANCEL_RESTING)}
    assert desk.new(2, BUY, 100, 5, **wanted)[-1].reason == Reason.FOK_NOT_FILLABLE


def test_many_accounts_find_their_group_again(desk: Desk) -> None:
    desk.send(
        *(desk.of(CommandKind.GROUP, account_id=a, stp_group=1 + a % 7) for a in range(1, 999))
    )
    for account in range(10, 500, 13):
        desk.new(account, SELL, 100, 5, account_id=account)
        own_group, other = account + 7, account + 8
        wanted = {"stp_mode": SelfTradeMode.CANCEL_INCOMING, "tif": TimeInForce.IOC}
        assert desk.new(5_000, BUY, 100, 5, account_id=own_group, **wanted)[-1].kind == CANCELED
        assert kinds(desk.new(5_000, BUY, 100, 5, account_id=other, **wanted))[-1] == TRADE


@pytest.mark.parametrize("fields", [{"account_id": 0}, {"account_id": 7, "stp_group": -1}])
def test_a_group_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, int]) -> None:
    (event,) = desk.send(desk.of(CommandKind.GROUP, **{"stp_group": 1, **fields}))
    assert (event.kind, event.reason) == (EventKind.COMMAND_REJECTED, Reason.INVALID_COMMAND)
