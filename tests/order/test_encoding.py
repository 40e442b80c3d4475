"""The bytes that intake sends are those that protobuf would write of the same messages."""

from __future__ import annotations

from dataclasses import replace
from struct import pack

import grpc
import pytest
from engine.v1 import records_pb2
from hypothesis import given
from hypothesis import strategies as st
from order.v1 import order_pb2
from risk.v1 import risk_pb2
from wallet.v1 import wallet_pb2

from svc.kit import ids
from svc.kit.errors import DomainError
from svc.order import encoding
from svc.order.asks import Answer, Ask, Caller, Cancel, Create, Key, Result, Terms
from svc.order.wire import error_result
from tests.order.instruments import BTC_PERPETUAL, BTC_USDT
from tests.order.plain_wire import add_check, add_lock, add_new_order

MOST = 2**63 - 1
POSITIVE = st.integers(1, MOST)
NOT_NEGATIVE = st.one_of(st.just(0), st.integers(0, 200), st.integers(0, MOST))


@st.composite
def any_create(draw: st.DrawFn) -> Create:
    """An order with numbers of every length, also such as no admission lets through."""
    fees = st.integers(-(2**31), 2**31 - 1)
    instrument = replace(
        draw(st.sampled_from([BTC_USDT, BTC_PERPETUAL])),
        maker_fee_ppm=draw(fees),
        taker_fee_ppm=draw(fees),
        quote_units_per_tick_lot=draw(st.integers(1, 10**30)),
    )
    terms = Terms(
        instrument=instrument,
        side=draw(st.integers(1, 2)),
        type=draw(st.integers(1, 4)),
        time_in_force=draw(st.integers(1, 5)),
        self_trade_mode=draw(st.integers(1, 5)),
        price_ticks=draw(NOT_NEGATIVE),
        lots=draw(NOT_NEGATIVE),
        quote_units=draw(st.one_of(st.just(0), st.integers(0, 10**38 - 1))),
        expires_at_unix_ns=draw(NOT_NEGATIVE),
        leverage=draw(st.integers(1, 100)),
        post_only=draw(st.booleans()),
        reduce_only=draw(st.booleans()),
        stop_ticks=draw(NOT_NEGATIVE),
        display_lots=draw(NOT_NEGATIVE),
        by_amount=draw(st.booleans()),
        trail=draw(st.one_of(st.just(0), st.integers(-9_999, MOST))),
        activation_ticks=draw(NOT_NEGATIVE),
    )
    caller = Caller(draw(POSITIVE), draw(POSITIVE), "api", "trace", None)
    create = Create(caller, terms, "", None)
    create.order_id = draw(POSITIVE)
    create.reference_ticks = draw(NOT_NEGATIVE)
    create.cap_ticks = draw(NOT_NEGATIVE)
    create.budget_tick_lots = draw(NOT_NEGATIVE)
    return create


@given(st.lists(any_create(), max_size=5))
def test_risk_is_asked_as_its_contract_says(creates: list[Create]) -> None:
    request = risk_pb2.PreTradeCheckRequest()
    for create in creates:
        add_check(request, create)
    assert encoding.checks(creates) == request.SerializeToString()


@given(st.lists(any_create(), max_size=5))
def test_the_wallet_is_asked_as_its_contract_says(creates: list[Create]) -> None:
    request = wallet_pb2.LockFundsRequest()
    for create in creates:
        add_lock(request, create)
    assert encoding.locks(creates) == request.SerializeToString()


@given(st.lists(st.one_of(any_create(), st.tuples(POSITIVE, POSITIVE, st.integers(1, 2**31)))))
def test_commands_are_those_of_the_engines_contract_in_their_order(
    commands: list[Create | tuple[int, int, int]],
) -> None:
    batch, expected = encoding.CommandBatch(), records_pb2.CommandBatch()
    for command in commands:
        if isinstance(command, Create):
            batch.add_new_order(command)
            add_new_order(expected, command)
        else:
            batch.add_cancel(*command)
            order_id, account_id, instrument_id = command
            expected.commands.add().cancel_order.MergeFrom(
                records_pb2.CancelOrder(
                    order_id=order_id, account_id=account_id, instrument_id=instrument_id
                )
            )
    assert batch.payload() == expected.SerializeToString()
    assert batch.count == len(commands)


KEYS = st.builds(Key, st.text(min_size=1, max_size=5), st.binary(min_size=16, max_size=16))
CALLERS = st.builds(Caller, POSITIVE, POSITIVE, st.just("api"), st.just("trace"), st.none())


def numbered(create: Create, order_id: int) -> Create:
    """The order with its id."""
    create.order_id = order_id
    return create


CLAIMING = st.one_of(
    st.builds(Cancel, CALLERS, st.one_of(st.just(0), POSITIVE), st.just("x"), KEYS),
    st.builds(
        lambda made, caller, key, order_id: numbered(Create(caller, made.terms, "", key), order_id),
        any_create(),
        CALLERS,
        KEYS,
        POSITIVE,
    ),
)


@given(st.lists(CLAIMING, max_size=4))
def test_a_key_is_claimed_for_its_account_with_order_id_and_digest(asks: list[Ask]) -> None:
    named = [f"order:idem:{ask.account_id}:{ask.key.text}" for ask in asks if ask.key]
    values = [pack(">q16s", ask.order_id, ask.key.digest) for ask in asks if ask.key]
    assert encoding.claims(asks) == (named, b"".join(values))


REFUSED = st.builds(
    lambda code, text, named, order_id: DomainError(
        code, "REASON", text, **named, orderId=order_id, status="REJECTED"
    ),
    st.sampled_from([code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]),
    st.text(max_size=300),
    st.dictionaries(st.sampled_from(["field", "value"]), st.text(max_size=5)),
    st.text(max_size=40),
)


@given(st.lists(st.one_of(st.builds(Answer, POSITIVE, st.integers(1, 9)), REFUSED), max_size=8))
def test_results_are_those_of_the_contract_one_by_one_and_in_a_list(results: list[Result]) -> None:
    expected = [
        error_result(result)
        if isinstance(result, DomainError)
        else order_pb2.OrderItemResult(
            order_id=ids.to_uuid(result.order_id),
            status=result.status,  # type: ignore[arg-type]  # the numbers are the contract's
        )
        for result in results
    ]
    whole = order_pb2.SubmitOrdersResponse.FromString(encoding.results(results))
    assert list(whole.results) == expected
    for result, message in zip(results, expected, strict=True):
        one = order_pb2.StreamOrdersResponse.FromString(encoding.stream_result(result))
        assert one.result == message


def held(*amounts: str) -> bytes:
    results = [wallet_pb2.LockResult(amount=amount) for amount in amounts]
    return wallet_pb2.LockFundsResponse(results=results).SerializeToString()


def test_a_reply_without_a_refusal_holds_everything() -> None:
    assert encoding.all_held(held("5", "1" * 38), 2)
    assert encoding.all_held(b"", 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_reply_of_another_length_is_left_to_the_message(count: int) -> None:
    assert not encoding.all_held(held("5", "6"), count)


def test_a_reply_with_a_refusal_or_anything_unknown_is_left_to_the_message() -> None:
    refused = wallet_pb2.LockResult(refusal=wallet_pb2.Refusal(reason="HOLD_CLOSED"))
    reply = wallet_pb2.LockFundsResponse(results=[wallet_pb2.LockResult(amount="1"), refused])
    assert not encoding.all_held(reply.SerializeToString(), 2)
    both = wallet_pb2.LockResult(amount="1", refusal=refused.refusal)
    reply = wallet_pb2.LockFundsResponse(results=[both])
    assert not encoding.all_held(reply.SerializeToString(), 1)
    assert not encoding.all_held(held("5") + b"\x18\x01", 1)
    assert not encoding.all_held(held(""), 1)


@given(st.binary(max_size=20), st.integers(0, 3))
def test_no_bytes_are_held_that_are_no_such_reply(reply: bytes, count: int) -> None:
    if encoding.all_held(reply, count):
        message = wallet_pb2.LockFundsResponse.FromString(reply)
        assert [found.HasField("refusal") for found in message.results] == [False] * count


@given(st.data())
def test_a_reply_that_is_cut_short_is_not_held(data: st.DataObject) -> None:
    reply = held("123", "45", "6")
    end = data.draw(st.integers(0, len(reply) - 1))
    assert not encoding.all_held(reply[:end], 3)
