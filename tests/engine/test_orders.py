"""What becomes of resting orders: cancel, reduce, move, replace, icebergs, expiry."""

import pytest

from svc.engine.records import CommandKind, Event, EventKind, Flag, Reason, TimeInForce
from tests.engine.desk import BUY, SELL, Desk, kinds, trades

GTD = TimeInForce.GTD
REPLACED = EventKind.ORDER_REPLACED


def test_a_cancel_says_what_it_took_off(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 100, 2)
    (event,) = desk.cancel(1, account_id=1_001)
    assert (event.kind, event.reason) == (EventKind.ORDER_CANCELED, Reason.CANCEL_REQUESTED)
    assert (event.quantity_lots, event.remaining_lots, event.cumulative_lots) == (3, 0, 2)
    assert (event.order_id, event.account_id, event.price_ticks) == (1, 1_001, 100)
    assert desk.bids == []


def test_cancel_after_full_fill_is_rejected_as_unknown(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 100, 5)
    (event,) = desk.cancel(1, account_id=1_001)
    assert (event.kind, event.reason) == (EventKind.CANCEL_REJECTED, Reason.UNKNOWN_ORDER)
    assert (event.order_id, event.account_id) == (1, 1_001)


@pytest.mark.parametrize(
    "kind", [CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.MOVE, CommandKind.REPLACE]
)
def test_nobody_touches_another_accounts_order(desk: Desk, kind: CommandKind) -> None:
    desk.new(1, BUY, 100, 5)
    fields = {"version": 2, "price_ticks": 99, "quantity_lots": 1}
    (event,) = desk.send(desk.of(kind, order_id=1, account_id=9, **fields))
    assert event.reason == Reason.NOT_OWNER
    assert desk.bids == [(100, 5, 1)]


def test_reduce_keeps_the_place_in_the_queue(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 100, 5)
    (event,) = desk.reduce(1, 2)
    assert (event.kind, event.reason) == (EventKind.ORDER_REDUCED, Reason.REDUCE_REQUESTED)
    assert (event.quantity_lots, event.remaining_lots) == (2, 3)
    assert trades(desk.new(3, SELL, 100, 4)) == [(1, 100, 3), (2, 100, 1)]


@pytest.mark.parametrize("lots", [5, 6])
def test_reduce_by_all_or_more_cancels(desk: Desk, lots: int) -> None:
    desk.new(1, BUY, 100, 5)
    (event,) = desk.reduce(1, lots)
    assert (event.kind, event.reason) == (EventKind.ORDER_CANCELED, Reason.REDUCE_REQUESTED)
    assert event.quantity_lots == 5
    assert desk.bids == []


def test_reduce_by_nothing_is_refused(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    assert desk.reduce(1, 0)[0].reason == Reason.INVALID_COMMAND
    assert desk.reduce(2, 1)[0].reason == Reason.UNKNOWN_ORDER


def test_a_move_goes_to_the_back_of_its_new_price_also_when_that_is_its_old(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, cap_ticks=110)
    desk.new(2, BUY, 100, 5)
    (event,) = desk.move(1, 100)
    assert event.kind == REPLACED
    assert event.flags & Flag.KEPT_PRIORITY == 0
    assert (event.old_price_ticks, event.old_remaining_lots, event.version) == (100, 5, 1)
    assert trades(desk.new(3, SELL, 100, 6)) == [(2, 100, 5), (1, 100, 1)]


def test_a_move_that_crosses_trades(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, cap_ticks=110)
    desk.new(2, SELL, 105, 3)
    events = desk.move(1, 106)
    assert kinds(events) == [REPLACED, EventKind.TRADE]
    assert (events[1].price_ticks, events[1].side, events[1].order_id) == (105, BUY, 1)
    assert desk.bids == [(106, 2, 1)]


@pytest.mark.parametrize(("side", "price"), [(BUY, 111), (SELL, 89)])
def test_a_move_beyond_the_cap_or_floor_changes_nothing(desk: Desk, side: int, price: int) -> None:
    bound = 110 if side == BUY else 90
    desk.new(1, BUY if side == BUY else SELL, 100, 5, cap_ticks=bound)
    (event,) = desk.move(1, price)
    assert (event.kind, event.reason) == (EventKind.REPLACE_REJECTED, Reason.PRICE_COLLAR)
    assert desk.bids + desk.asks == [(100, 5, 1)]
    assert desk.move(1, bound)[0].kind == REPLACED


def test_a_limit_order_without_a_cap_is_capped_at_its_price(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    assert desk.move(1, 101)[0].reason == Reason.PRICE_COLLAR
    assert desk.move(1, 99)[0].kind == REPLACED
    assert desk.move(1, 100)[0].kind == REPLACED


def test_a_post_only_order_is_not_moved_into_a_trade(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, flags=Flag.POST_ONLY, cap_ticks=200)
    desk.new(2, SELL, 105, 3)
    assert desk.move(1, 105)[0].reason == Reason.POST_ONLY_WOULD_TAKE
    assert desk.move(1, 104)[0].kind == REPLACED


@pytest.mark.parametrize("total", [5, 3])
def test_replace_at_the_same_price_with_no_more_lots_keeps_priority(desk: Desk, total: int) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 100, 5)
    (event,) = desk.replace(1, quantity_lots=total, price_ticks=100)
    assert event.kind == REPLACED
    assert event.flags & Flag.KEPT_PRIORITY
    assert (event.version, event.quantity_lots, event.remaining_lots) == (2, total, total)
    assert trades(desk.new(3, SELL, 100, 1)) == [(1, 100, 1)]


@pytest.mark.parametrize("change", [{"quantity_lots": 6}, {"price_ticks": 99}])
def test_replace_with_more_lots_or_another_price_goes_to_the_back(
    desk: Desk, change: dict[str, int]
) -> None:
    price = change.get("price_ticks", 100)
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, price, 5)
    (event,) = desk.replace(1, **change)
    assert event.flags & Flag.KEPT_PRIORITY == 0
    assert trades(desk.new(3, SELL, price, 6))[0] == (2, price, 5)


def test_replace_counts_what_was_executed_into_the_total(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 100, 2)
    (event,) = desk.replace(1, quantity_lots=4)
    assert (event.quantity_lots, event.remaining_lots, event.cumulative_lots) == (4, 2, 2)
    assert event.old_remaining_lots == 3


@pytest.mark.parametrize("total", [2, 1])
def test_replace_to_what_is_executed_or_less_cancels_the_rest(desk: Desk, total: int) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 100, 2)
    (event,) = desk.replace(1, quantity_lots=total)
    assert (event.kind, event.reason) == (EventKind.ORDER_CANCELED, Reason.BELOW_EXECUTED)
    assert (event.quantity_lots, event.version) == (3, 2)
    assert desk.bids == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 1}, Reason.STALE_VERSION),
        ({"price_ticks": -1}, Reason.INVALID_COMMAND),
        ({"quantity_lots": -1}, Reason.INVALID_COMMAND),
        ({"expire_ns": 9_999}, Reason.INVALID_COMMAND),
        ({"trigger_ticks": 9}, Reason.INVALID_COMMAND),
        ({"price_ticks": 101, "cap_ticks": 100}, Reason.INVALID_COMMAND),
        ({"quantity_lots": 10**15 + 1}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"price_ticks": 10**15 + 1}, Reason.PRICE_OUT_OF_RANGE),
        ({"order_id": 5}, Reason.UNKNOWN_ORDER),
    ],
)
def test_a_refused_replace_changes_nothing(
    desk: Desk, change: dict[str, int], reason: Reason
) -> None:
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 100, 5)
    (event,) = desk.replace(**{"order_id": 1, **change})
    assert (event.kind, event.reason) == (EventKind.REPLACE_REJECTED, reason)
    assert trades(desk.new(3, SELL, 100, 1)) == [(1, 100, 1)]
    assert desk.replace(1)[0].version == 2


def test_a_replace_sets_the_cap_for_later_moves(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5)
    assert desk.replace(1, price_ticks=100, cap_ticks=120)[0].cap_ticks == 120
    assert desk.move(1, 120)[0].kind == REPLACED


def test_an_iceberg_shows_its_peak_and_refreshes_it_to_the_back_inside_one_sweep(
    desk: Desk,
) -> None:
    desk.new(1, SELL, 100, 7, display_lots=3)
    desk.new(2, SELL, 100, 2)
    assert desk.asks == [(100, 5, 2)]
    events = desk.new(3, BUY, 100, 7)
    assert trades(events) == [(1, 100, 3), (2, 100, 2), (1, 100, 2)]
    assert [e.maker_remaining_lots for e in events if e.kind == EventKind.TRADE] == [4, 0, 2]
    assert desk.asks == [(100, 1, 1)]
    assert trades(desk.new(4, BUY, 100, 9)) == [(1, 100, 1), (1, 100, 1)]


def test_an_iceberg_that_takes_uses_its_full_size(desk: Desk) -> None:
    desk.new(1, SELL, 100, 5)
    assert trades(desk.new(2, BUY, 100, 7, display_lots=1)) == [(1, 100, 5)]
    assert desk.bids == [(100, 1, 1)]


def test_fok_counts_what_icebergs_hide(desk: Desk) -> None:
    desk.new(1, SELL, 100, 7, display_lots=1)
    assert len(trades(desk.new(2, BUY, 100, 7, tif=TimeInForce.FOK))) == 7


def test_a_reduced_iceberg_loses_hidden_lots_first(desk: Desk) -> None:
    desk.new(1, SELL, 100, 7, display_lots=3)
    desk.reduce(1, 4)
    assert desk.asks == [(100, 3, 1)]
    desk.reduce(1, 1)
    assert desk.asks == [(100, 2, 1)]


def expiries(events: list[Event]) -> list[int]:
    return [event.order_id for event in events if event.kind == EventKind.ORDER_EXPIRED]


def test_an_order_expires_at_its_expiry_not_before(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, tif=GTD, expire_ns=2_000)
    assert desk.engine.next_deadline_ns == 2_000
    assert desk.wait_until(1_999) == []
    (event,) = desk.wait_until(2_000)
    assert (event.kind, event.reason) == (EventKind.ORDER_EXPIRED, Reason.EXPIRED)
    assert (event.quantity_lots, event.remaining_lots, event.time_ns) == (5, 0, 2_000)
    assert desk.engine.next_deadline_ns is None


def test_an_order_that_is_due_does_not_meet_the_command_of_that_time(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, tif=GTD, expire_ns=2_000)
    desk.time_ns = 2_000
    events = desk.new(2, SELL, 100, 5)
    assert kinds(events) == [EventKind.ORDER_EXPIRED, EventKind.ORDER_ACCEPTED]


def test_orders_expire_in_the_order_of_expiry_then_id(desk: Desk) -> None:
    for order_id, expire_ns in [(5, 3_000), (4, 2_000), (3, 3_000), (9, 1_500), (1, 2_000)]:
        desk.new(order_id, BUY, 100, 5, tif=GTD, expire_ns=expire_ns)
    desk.cancel(9)
    assert expiries(desk.wait_until(3_000)) == [1, 4, 3, 5]


def test_a_replace_sets_another_expiry(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, tif=GTD, expire_ns=2_000)
    assert desk.replace(1, expire_ns=3_000)[0].expire_ns == 3_000
    assert desk.replace(1, version=3, expire_ns=1_000)[0].reason == Reason.EXPIRED
    assert desk.wait_until(2_999) == []
    assert expiries(desk.wait_until(3_000)) == [1]


def test_an_order_that_is_filled_does_not_expire(desk: Desk) -> None:
    desk.new(1, BUY, 100, 5, tif=GTD, expire_ns=2_000)
    desk.new(2, SELL, 100, 5)
    assert desk.engine.next_deadline_ns is None
    assert desk.wait_until(5_000) == []
