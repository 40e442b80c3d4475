"""What events do to orders, without a database: fits, misfits, fees, and the rows to write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svc.order.applying import Applying, OrderEvent, Row, TradeEvent, UnfitError
from svc.order.lifecycle import Cause, EventType, Status
from svc.order.terms import Side

UNITS = {4: 1_000}
SELL = Row(
    id=1, account_id=10, instrument_id=4, side=Side.SELL, status=Status.ACCEPTED, version=1,
    lots=100, filled_lots=0, remaining_lots=100, filled_tick_lots=0, price_ticks=50, cap_ticks=50,
    maker_fee_ppm=1_500, taker_fee_ppm=2_500, events=2,
)  # fmt: skip
BUY = replace(SELL, id=2, account_id=20, side=Side.BUY, lots=40, remaining_lots=40)
TRADE = TradeEvent(
    sequence=9, time_ns=1_000_000_007, number=3, instrument_id=4, taker_side=Side.BUY,
    price_ticks=50, lots=40,
    taker_order_id=2, taker_version=1, taker_account_id=20, taker_remaining=0, taker_cumulative=40,
    maker_order_id=1, maker_version=1, maker_account_id=10, maker_remaining=60, maker_cumulative=40,
)  # fmt: skip
CANCELED = OrderEvent(10, Cause.CANCELED, 1, 1, 10, 100, 0, "CANCEL_REQUESTED")


def applying(*rows: Row) -> Applying:
    """Rows of their own for each test."""
    return Applying(1, {row.id: replace(row) for row in rows or (SELL, BUY)}, UNITS)


@pytest.mark.spec("exec-4-transition", "exec-6-event", "exec-7-update", "exec-8-filled")
def test_a_trade_fills_both_orders_and_makes_a_row_of_each_side() -> None:
    run = applying()
    run.apply(TRADE)
    buy, sell = run.touched[2], run.touched[1]
    assert (buy.status, buy.filled_lots, buy.remaining_lots, buy.ended) == (
        Status.FILLED,
        40,
        0,
        True,
    )
    assert (sell.status, sell.filled_lots, sell.remaining_lots) == (Status.PARTIALLY_FILLED, 40, 60)
    assert (buy.filled_tick_lots, sell.filled_tick_lots) == (2_000, 2_000)
    assert [(e.order_id, e.number, e.event_type, e.previous, e.status) for e in run.events] == [
        (2, 3, EventType.FILLED, Status.ACCEPTED, Status.FILLED),
        (1, 3, EventType.PARTIALLY_FILLED, Status.ACCEPTED, Status.PARTIALLY_FILLED),
    ]
    assert {e.trade_id for e in run.events} == {1 << 40 | 3}
    # 2,000 tick x lots are 2,000,000 units: 0.25 % taken, 0.15 % made.
    assert [(t.side, t.fee_units, t.maker, t.time_us) for t in run.trades] == [
        (Side.BUY, "5000", False, 1_000_000),
        (Side.SELL, "3000", True, 1_000_000),
    ]
    assert run.last_prices == {4: 50}
    assert run.tally.filled == {"buy": 1}


def test_in_an_auction_both_pay_the_maker_rate() -> None:
    run = applying()
    run.apply(TRADE._replace(taker_side=0))
    assert [(t.fee_units, t.maker) for t in run.trades] == [("3000", True), ("3000", True)]


def test_a_rebate_is_a_negative_fee() -> None:
    run = applying(replace(SELL, maker_fee_ppm=-500), BUY)
    run.apply(TRADE)
    assert [t.fee_units for t in run.trades] == ["5000", "-1000"]


@pytest.mark.parametrize(
    "wrong",
    [
        TRADE._replace(taker_order_id=7),
        TRADE._replace(taker_account_id=10),
        TRADE._replace(taker_side=Side.SELL),
        TRADE._replace(taker_version=2),
        TRADE._replace(taker_cumulative=41),
        TRADE._replace(maker_remaining=61),
        TRADE._replace(lots=41),
        CANCELED._replace(order_id=7),
        CANCELED._replace(account_id=11),
        CANCELED._replace(version=2),
        CANCELED._replace(cumulative=1),
        CANCELED._replace(remaining=99),
        CANCELED._replace(cause=Cause.REJECTED),
        CANCELED._replace(cause=Cause.ACKNOWLEDGED),
        CANCELED._replace(cause=Cause.REPLACED),
        CANCELED._replace(cause=Cause.REDUCED, remaining=100),
        CANCELED._replace(cause=Cause.REDUCED, remaining=0),
    ],
)
def test_an_event_that_does_not_fit_its_order_is_refused_with_its_sequence(
    wrong: TradeEvent | OrderEvent,
) -> None:
    with pytest.raises(UnfitError) as unfit:
        applying().apply(wrong)
    assert unfit.value.sequence == wrong.sequence


@pytest.mark.parametrize(
    ("cause", "status"),
    [(Cause.CANCELED, Status.CANCELED), (Cause.EXPIRED, Status.EXPIRED)],
)
def test_an_end_keeps_what_was_left_and_why(cause: Cause, status: Status) -> None:
    run = applying()
    run.apply(CANCELED._replace(cause=cause))
    row = run.touched[1]
    assert (row.status, row.remaining_lots, row.reason) == (status, 100, "CANCEL_REQUESTED")
    assert row.ended


def test_a_reduction_leaves_less_of_the_order_in_its_state() -> None:
    run = applying()
    run.apply(CANCELED._replace(cause=Cause.REDUCED, remaining=30, reason="SELF_TRADE_DECREMENT"))
    row = run.touched[1]
    assert (row.status, row.remaining_lots, row.ended) == (Status.ACCEPTED, 30, False)
    assert (run.events[0].event_type, run.events[0].reason) == (
        EventType.REDUCED,
        "SELF_TRADE_DECREMENT",
    )


def test_a_replace_gives_the_order_its_new_terms_and_version() -> None:
    run = applying(replace(SELL, status=Status.REPLACE_PENDING, filled_lots=40, remaining_lots=60))
    replaced = OrderEvent(10, Cause.REPLACED, 1, 2, 10, 80, 40, "", 55, 55)
    run.apply(replaced)
    row = run.touched[1]
    assert (row.status, row.version, row.price_ticks) == (Status.PARTIALLY_FILLED, 2, 55)
    assert (row.lots, row.filled_lots, row.remaining_lots, row.repriced) == (120, 40, 80, True)


def test_events_of_one_order_follow_each_other_in_one_run() -> None:
    run = applying(replace(SELL, status=Status.CANCEL_PENDING), BUY)
    run.apply(TRADE)
    assert run.touched[1].status == Status.CANCEL_PENDING
    run.apply(OrderEvent(10, Cause.CANCELED, 1, 1, 10, 60, 40, "CANCEL_REQUESTED"))
    assert [e.number for e in run.events if e.order_id == 1] == [3, 4]
    assert (run.touched[1].status, run.touched[1].sequence) == (Status.CANCELED, 10)


def test_a_cancel_that_came_too_late_changes_nothing_but_the_record() -> None:
    run = applying(replace(SELL, status=Status.FILLED, filled_lots=100, remaining_lots=0))
    run.apply(OrderEvent(10, Cause.CANCEL_REJECTED, 1, 0, 10, 0, 0, "UNKNOWN_ORDER"))
    assert run.touched[1].status == Status.FILLED
    assert run.events[0].event_type == EventType.CANCEL_REJECTED
