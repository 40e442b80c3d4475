"""Rows of orders and answers hold what their asks say, field by field."""

from __future__ import annotations

import json

import grpc
from hypothesis import given
from hypothesis import strategies as st

from svc.kit.errors import DomainError
from svc.order import intake_rows
from svc.order.asks import Answer, Ask, Caller, Cancel, Create, Key, Result
from svc.order.lifecycle import Status
from tests.order.test_encoding import POSITIVE, any_create

REFUSAL = DomainError(
    grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_BALANCE", "Too little ä.", asset="USDT"
)
KEYS = st.builds(Key, st.text(min_size=1, max_size=5), st.binary(min_size=16, max_size=16))
CALLERS = st.builds(
    Caller, POSITIVE, POSITIVE, st.sampled_from(["api", "web"]), st.text(max_size=4), st.none()
)


@st.composite
def any_order(draw: st.DrawFn) -> Create:
    """An order with or without a key, an id of the caller's own, a refusal."""
    made = draw(any_create())
    key, named = draw(st.one_of(st.none(), KEYS)), draw(st.text(max_size=3))
    create = Create(draw(CALLERS), made.terms, named, key)
    create.order_id, create.cap_ticks = made.order_id, made.cap_ticks
    create.budget_tick_lots = made.budget_tick_lots
    create.refusal = draw(st.sampled_from([None, REFUSAL]))
    return create


def plain_order_row(create: Create) -> dict[str, object]:
    """Name the fields of `order_row` as the migrations do, in their order."""
    terms, refusal, key = create.terms, create.refusal, create.key
    return {
        "id": create.order_id,
        "account_id": create.account_id,
        "user_id": create.user_id,
        "instrument_id": terms.instrument.id,
        "side": terms.side,
        "type": terms.type,
        "time_in_force": terms.time_in_force,
        "status": Status.REJECTED if refusal else Status.NEW,
        "price_ticks": terms.price_ticks,
        "cap_ticks": create.cap_ticks,
        "lots": terms.lots,
        "budget_tick_lots": create.budget_tick_lots,
        "quote_units": str(terms.quote_units),
        "maker_fee_ppm": terms.instrument.maker_fee_ppm,
        "taker_fee_ppm": terms.instrument.taker_fee_ppm,
        "leverage": terms.leverage,
        "self_trade_mode": terms.self_trade_mode,
        "post_only": terms.post_only,
        "reduce_only": terms.reduce_only,
        "client_order_id": create.client_order_id or None,
        "idempotency_key": key.text if key else None,
        "source": create.source,
        "reason": refusal.reason if refusal else None,
        "expires_us": terms.expires_at_unix_ns // 1_000,
        "trace_id": create.trace_id or None,
        "stop_ticks": terms.stop_ticks or None,
        "display_lots": terms.display_lots or None,
        "trail": terms.trail or None,
        "activation_ticks": terms.activation_ticks or None,
    }


def plain_answer_row(ask: Ask, result: Result) -> tuple[object, ...]:
    """Write the fields of `answer_row`."""
    assert ask.key is not None
    error: tuple[object, ...] = (0, "", "", "{}")
    if isinstance(result, DomainError):
        number: int = result.code.value[0]
        error = (number, result.reason, result.message, json.dumps(result.metadata))
    return (ask.account_id, ask.key.text, ask.key.digest, ask.order_id, *error)


@given(st.lists(any_order(), max_size=4))
def test_a_row_of_an_order_holds_what_was_asked_and_decided(creates: list[Create]) -> None:
    expected = [tuple(plain_order_row(create).values()) for create in creates]
    assert intake_rows.order_rows(creates) == expected
    flags = [type(value) for row in intake_rows.order_rows(creates) for value in row[17:19]]
    assert flags == [bool] * len(flags)


ASKS = st.one_of(
    any_order().filter(lambda create: create.key is not None),
    st.builds(Cancel, CALLERS, POSITIVE, st.text(max_size=3), KEYS),
)
RESULTS = st.one_of(st.just(REFUSAL), st.builds(Answer, POSITIVE, st.just(1)))


@given(st.lists(st.tuples(ASKS, RESULTS), max_size=4))
def test_a_row_of_an_answer_holds_what_was_answered(answered: list[tuple[Ask, Result]]) -> None:
    expected = [plain_answer_row(ask, result) for ask, result in answered]
    assert intake_rows.answer_rows(answered) == expected
