"""What events do to orders, without a database: fits, misfits, fees, and the rows to write."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from engine.v1 import records_pb2

from svc.kit.market_events import Event, parse_batch
from svc.order.applied import UnfitError
from svc.order.applying import Applying, Row
from svc.order.lifecycle import Cause, EventType, NotApplicableError, Status
from svc.order.terms import Side
from tests.order import reference_applying as reference

UNITS = {4: 1_000}
SELL = {
    "order_id": 1, "account_id": 10, "instrument_id": 4, "side": Side.SELL,
    "status": Status.ACCEPTED, "version": 1, "lots": 100, "filled_lots": 0, "remaining_lots": 100,
    "filled_tick_lots": 0, "price_ticks": 50, "cap_ticks": 50, "maker_fee_ppm": 1_500,
    "taker_fee_ppm": 2_500, "events": 2,
}  # fmt: skip
BUY = SELL | {
    "order_id": 2, "account_id": 20, "side": Side.BUY, "lots": 40, "remaining_lots": 40,
}  # fmt: skip
TRADE = {
    "trade_number": 3, "side": Side.BUY, "price_ticks": 50, "quantity_lots": 40,
    "taker_order_id": 2, "taker_version": 1, "taker_account_id": 20, "taker_remaining_lots": 0,
    "taker_cumulative_lots": 40, "maker_order_id": 1, "maker_version": 1, "maker_account_id": 10,
    "maker_remaining_lots": 60, "maker_cumulative_lots": 40,
}  # fmt: skip
ENDED = {
    "order_id": 1, "version": 1, "account_id": 10, "remaining_lots": 100,
    "reason": records_pb2.Reason.CANCEL_REQUESTED,
}  # fmt: skip


def event(kind: str, fields: dict[str, Any], sequence: int = 9) -> Event:
    """An event as the engine would send it."""
    made = records_pb2.Event(sequence=sequence, time_unix_ns=1_000_000_007, instrument_id=4)
    inner = getattr(made, kind)
    inner.SetInParent()
    for name, value in fields.items():
        setattr(inner, name, value)
    (read,) = parse_batch(records_pb2.EventBatch(events=[made]).SerializeToString()).events
    return read


def trade(**changes: int) -> Event:
    return event("trade", TRADE | changes)


def ended(kind: str = "order_canceled", **changes: int) -> Event:
    return event(kind, ENDED | changes, sequence=10)


def of_order(kind: str, **fields: int) -> Event:
    return event(kind, {"order_id": 1, "version": 1, "account_id": 10} | fields, sequence=10)


def applying(*rows: dict[str, Any]) -> Applying:
    """Rows of their own for each test."""
    return Applying(1, {row["order_id"]: Row(**row) for row in rows or (SELL, BUY)}, UNITS)


@pytest.mark.spec("exec-4-transition", "exec-6-event", "exec-7-update", "exec-8-filled")
def test_a_trade_fills_both_orders_and_makes_a_row_of_each_side() -> None:
    run = applying()
    run.apply(trade())
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
    run.apply(trade(side=0))
    assert [(t.fee_units, t.maker) for t in run.trades] == [("3000", True), ("3000", True)]


def test_a_rebate_is_a_negative_fee() -> None:
    run = applying(SELL | {"maker_fee_ppm": -500}, BUY)
    run.apply(trade())
    assert [t.fee_units for t in run.trades] == ["5000", "-1000"]


@pytest.mark.parametrize(
    "wrong",
    [
        trade(taker_order_id=7),
        trade(taker_account_id=10),
        trade(side=Side.SELL),
        trade(taker_version=2),
        trade(taker_cumulative_lots=41),
        trade(maker_remaining_lots=61),
        trade(quantity_lots=41),
        trade(quantity_lots=-(2**63)),
        ended(order_id=7),
        ended(account_id=11),
        ended(version=2),
        ended(cumulative_lots=1),
        ended(remaining_lots=99),
        ended("order_rejected"),
        of_order("order_accepted", quantity_lots=100),
        of_order("order_replaced", remaining_lots=100),
        of_order("order_replaced", version=2, remaining_lots=100),
        of_order("order_reduced", remaining_lots=100),
        of_order("order_reduced", remaining_lots=0),
    ],
)
def test_an_event_that_does_not_fit_its_order_is_refused_with_its_sequence(
    wrong: Event,
) -> None:
    with pytest.raises(UnfitError) as unfit:
        applying().apply(wrong)
    assert unfit.value.sequence == wrong.sequence


@pytest.mark.parametrize(
    ("kind", "status"),
    [("order_canceled", Status.CANCELED), ("order_expired", Status.EXPIRED)],
)
def test_an_end_keeps_what_was_left_and_why(kind: str, status: Status) -> None:
    run = applying()
    run.apply(ended(kind))
    row = run.touched[1]
    assert (row.status, row.remaining_lots, row.reason) == (status, 100, "CANCEL_REQUESTED")
    assert row.ended


def test_a_reduction_leaves_less_of_the_order_in_its_state() -> None:
    run = applying()
    reason = records_pb2.Reason.SELF_TRADE_DECREMENT
    run.apply(of_order("order_reduced", remaining_lots=30, reason=reason))
    row = run.touched[1]
    assert (row.status, row.remaining_lots, row.ended) == (Status.ACCEPTED, 30, False)
    assert (run.events[0].event_type, run.events[0].reason) == (
        EventType.REDUCED,
        "SELF_TRADE_DECREMENT",
    )


def test_a_replace_gives_the_order_its_new_terms_and_version() -> None:
    run = applying(
        SELL | {"status": Status.REPLACE_PENDING, "filled_lots": 40, "remaining_lots": 60}
    )
    run.apply(
        of_order(
            "order_replaced",
            version=2,
            remaining_lots=80,
            cumulative_lots=40,
            price_ticks=55,
            cap_ticks=55,
        )
    )
    row = run.touched[1]
    assert (row.status, row.version, row.price_ticks) == (Status.PARTIALLY_FILLED, 2, 55)
    assert (row.lots, row.filled_lots, row.remaining_lots, row.repriced) == (120, 40, 80, True)


def test_a_replace_to_no_more_than_is_filled_ends_the_version_that_stood() -> None:
    terms = {"status": Status.REPLACE_PENDING, "filled_lots": 40, "remaining_lots": 60}
    told = {
        "remaining_lots": 60,
        "cumulative_lots": 40,
        "reason": records_pb2.Reason.BELOW_EXECUTED,
    }
    run = applying(SELL | terms)
    run.apply(of_order("order_canceled", version=2, **told))
    row = run.touched[1]
    assert (row.status, row.reason, row.version) == (Status.CANCELED, "BELOW_EXECUTED", 1)
    with pytest.raises(UnfitError):  # any other end is of the version that stands
        applying(SELL | terms).apply(
            of_order("order_canceled", version=2, **(told | {"reason": 1}))
        )


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("replace_rejected", Status.REPLACE_PENDING, "MARKET_STATE"),
        ("replace_rejected", Status.FILLED, "MARKET_STATE"),
        ("cancel_rejected", Status.REPLACE_PENDING, "MARKET_STATE"),  # of a cancel-replace
        ("cancel_rejected", Status.CANCEL_PENDING, None),
    ],
)
def test_why_a_replace_was_refused_is_kept(kind: str, status: Status, said: str | None) -> None:
    run = applying(SELL | {"status": status})
    run.apply(of_order(kind, version=2, reason=records_pb2.Reason.MARKET_STATE))
    assert run.touched[1].replace_reason == said


def test_a_stop_whose_trigger_trades_keeps_its_state_and_the_time() -> None:
    run = applying(SELL)
    run.apply(of_order("order_triggered", quantity_lots=100, trigger_ticks=50, reached_ticks=49))
    row = run.touched[1]
    assert (row.status, row.remaining_lots, row.triggered_us) == (Status.ACCEPTED, 100, 1_000_000)
    assert (run.events[0].event_type, run.events[0].status) == (
        EventType.TRIGGERED,
        Status.ACCEPTED,
    )


def test_a_buy_by_amount_is_filled_when_what_is_left_pays_for_no_lot() -> None:
    for by_amount, filled, status in (
        (True, 5, Status.FILLED), (True, 0, Status.CANCELED), (False, 5, Status.CANCELED),
    ):  # fmt: skip
        run = applying(BUY | {"by_amount": by_amount, "filled_lots": filled, "remaining_lots": 35})
        run.apply(
            ended(
                order_id=2,
                account_id=20,
                remaining_lots=35,
                cumulative_lots=filled,
                reason=records_pb2.Reason.BUDGET_EXHAUSTED,
            )
        )
        row, (event,) = run.touched[2], run.events
        assert (row.status, event.status, row.ended) == (status, status, True)
        assert event.event_type == EventType[status.name]
        whole = status == Status.FILLED
        assert (run.tally.filled["buy"], run.tally.canceled) == (whole, not whole)


def test_events_of_one_order_follow_each_other_in_one_run() -> None:
    run = applying(SELL | {"status": Status.CANCEL_PENDING}, BUY)
    run.apply(trade())
    assert run.touched[1].status == Status.CANCEL_PENDING
    run.apply(ended(remaining_lots=60, cumulative_lots=40))
    assert [e.number for e in run.events if e.order_id == 1] == [3, 4]
    assert (run.touched[1].status, run.touched[1].sequence) == (Status.CANCELED, 10)


def test_a_cancel_that_came_too_late_changes_nothing_but_the_record() -> None:
    run = applying(SELL | {"status": Status.FILLED, "filled_lots": 100, "remaining_lots": 0})
    run.apply(of_order("cancel_rejected", version=0, reason=12))
    assert run.touched[1].status == Status.FILLED
    assert run.events[0].event_type == EventType.CANCEL_REJECTED


CAUSES = {
    "order_accepted": Cause.ACKNOWLEDGED,
    "order_canceled": Cause.CANCELED,
    "order_rejected": Cause.REJECTED,
    "order_expired": Cause.EXPIRED,
    "order_replaced": Cause.REPLACED,
    "order_triggered": Cause.TRIGGERED,
    "order_reduced": Cause.REDUCED,
    "cancel_rejected": Cause.CANCEL_REJECTED,
    "replace_rejected": Cause.REPLACE_REJECTED,
}


def plain(kind: str, read: Event) -> reference.TradeEvent | reference.OrderEvent:
    """The same event as the plain rules take it."""
    if kind == "trade":
        return reference.TradeEvent(
            read.sequence, read.time_unix_ns, read.trade_number, read.instrument_id, read.side,
            read.price_ticks, read.quantity_lots, read.taker_order_id, read.taker_version,
            read.taker_account_id, read.taker_remaining_lots, read.taker_cumulative_lots,
            read.maker_order_id, read.maker_version, read.maker_account_id,
            read.maker_remaining_lots, read.maker_cumulative_lots,
        )  # fmt: skip
    entering = kind in ("order_accepted", "order_triggered")
    return reference.OrderEvent(
        read.sequence, CAUSES[kind], read.order_id, read.version, read.account_id,
        read.quantity_lots if entering else read.remaining_lots, read.cumulative_lots,
        records_pb2.Reason.Value.Name(read.reason) if read.reason else "",
        read.price_ticks, read.cap_ticks, read.time_unix_ns,
    )  # fmt: skip


def random_event(draw: random.Random, kind: str, rows: dict[int, Row], sequence: int) -> Event:
    """Mostly what fits the rows as they are, sometimes not."""

    def near(right: int) -> int:
        return right if draw.random() < 0.98 else right + draw.choice([-1, 1, 7])

    one, other = draw.sample(list(rows.values()), 2)
    if kind == "trade":
        lots = near(draw.randint(1, max(1, min(one.remaining_lots, other.remaining_lots))))
        fields = {"trade_number": sequence, "quantity_lots": lots, "price_ticks": 2**62 - sequence}
        fields["side"] = draw.choice([one.side, one.side, one.side, 0, other.side])
        for role, row in (("taker", one), ("maker", other)):
            fields[f"{role}_order_id"], fields[f"{role}_version"] = near(row.id), near(row.version)
            fields[f"{role}_account_id"] = near(row.account_id)
            fields[f"{role}_remaining_lots"] = near(row.remaining_lots - lots)
            fields[f"{role}_cumulative_lots"] = near(row.filled_lots + lots)
    else:
        fields = {"order_id": near(one.id), "account_id": near(one.account_id)}
        reasons = [draw.randint(0, 27), records_pb2.Reason.BUDGET_EXHAUSTED]
        reason = draw.choice(reasons)
        rises = kind == "order_replaced" or reason == records_pb2.Reason.BELOW_EXECUTED
        fields["version"] = near(one.version + rises)
        left = one.remaining_lots - (kind == "order_reduced")
        shown = {"remaining_lots": left, "quantity_lots": left, "cumulative_lots": one.filled_lots}
        shown |= {"price_ticks": 9, "cap_ticks": 8}
        known = getattr(records_pb2.Event(), kind).DESCRIPTOR.fields_by_name
        fields |= {name: near(value) for name, value in shown.items() if name in known}
        fields |= {"reason": reason} if "reason" in known else {}
    return event(kind, fields, sequence)


def unfit_for(apply: Callable[[], None]) -> str:
    """Why it was refused; empty if it was not."""
    try:
        apply()
    except UnfitError as unfit:
        return str(unfit)
    return ""


ROW_FIELDS = (
    "id", "account_id", "instrument_id", "side", "status", "version", "lots", "filled_lots",
    "remaining_lots", "filled_tick_lots", "price_ticks", "cap_ticks", "events", "reason",
    "sequence", "ended", "repriced", "triggered_us", "replace_reason",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_random_events_do_to_random_orders_what_the_plain_rules_say(seed: int) -> None:
    draw = random.Random(seed)
    terms = [
        SELL
        | {
            "order_id": number, "account_id": number % 3 + 1, "side": draw.choice([1, 2]),
            "status": draw.choice(list(Status)), "version": draw.randint(1, 3),
            "filled_lots": draw.choice([0, 5]), "remaining_lots": draw.randint(1, 40),
            "filled_tick_lots": 2 ** draw.randint(0, 90), "maker_fee_ppm": draw.randint(-900, 900),
            "by_amount": draw.random() < 0.5,
        }
        for number in range(1, 120)
    ]  # fmt: skip
    units = {4: 10 ** draw.randint(0, 18)}
    rows = {one["order_id"]: Row(**one) for one in terms}
    expected_rows = {
        one["order_id"]: reference.Row(id=one["order_id"], **_without(one, "order_id"))
        for one in terms
    }
    run, expected = Applying(1, rows, units), reference.Applying(1, expected_rows, units)
    kinds, done = ["trade", "trade", "trade", *CAUSES], 0
    for sequence in range(1, 800):
        kind = draw.choice(kinds)
        read = random_event(draw, kind, rows, sequence)
        wanted = unfit_for(lambda: expected.apply(plain(kind, read)))  # noqa: B023 (called at once)
        assert unfit_for(lambda: run.apply(read)) == wanted  # noqa: B023 (called at once)
        done += not wanted
    assert done > 60, "most do not fit"
    assert (run.events, run.trades) == (expected.events, expected.trades)
    assert (run.last_prices, run.tally) == (expected.last_prices, expected.tally)
    assert list(run.touched) == list(expected.touched)
    for number, row in rows.items():
        for name in ROW_FIELDS:
            assert getattr(row, name) == getattr(expected_rows[number], name), name


def _without(terms: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in terms.items() if key != name}


def test_what_is_written_of_an_order_is_what_it_has_become() -> None:
    run = applying()
    run.apply(trade())
    assert run.touched[1].change("50") == (
        1, 4, Status.PARTIALLY_FILLED, 40, 60, "2000", "50", None, 9, 3, 2,
    )  # fmt: skip


def test_a_state_that_no_event_of_the_kind_can_meet_is_named() -> None:
    with pytest.raises(UnfitError, match=r"ACKNOWLEDGED does not apply .* ACCEPTED") as unfit:
        applying().apply(of_order("order_accepted", quantity_lots=100))
    assert isinstance(unfit.value.__cause__, NotApplicableError)
