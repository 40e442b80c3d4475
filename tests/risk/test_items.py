"""Items read from wire bytes are those of the message, or are left to it."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from risk.v1 import risk_pb2

from svc.risk import items
from svc.risk.checks import Order

INT64 = st.one_of(st.integers(0, 300), st.integers(-(2**63), 2**63 - 1))
ITEMS = st.lists(
    st.builds(
        risk_pb2.CheckItem,
        account_id=INT64,
        instrument_id=st.integers(0, 2**32 - 1),
        side=st.integers(0, 2),
        type=st.integers(0, 4),
        price_ticks=INT64,
        lots=INT64,
        reference_ticks=INT64,
        notional=st.text("0123456789", max_size=38),
        leverage=st.integers(0, 100),
    ),
    max_size=4,
)
REQUESTS = st.builds(lambda found: risk_pb2.PreTradeCheckRequest(items=found), ITEMS)


def fields(order: Order) -> tuple[object, ...]:
    """What the checks look at."""
    ids = (order.account_id, order.instrument_id, order.type)
    return (*ids, order.price_ticks, order.lots, order.reference_ticks, order.notional)


@given(REQUESTS)
def test_items_are_those_of_the_message(request: risk_pb2.PreTradeCheckRequest) -> None:
    found = items.read(request.SerializeToString())
    assert found is not None
    assert [fields(item) for item in found] == [fields(item) for item in request.items]


def test_what_callers_do_not_write_is_left_to_the_message() -> None:
    whole = risk_pb2.PreTradeCheckRequest(items=[risk_pb2.CheckItem(lots=1)])
    assert items.read(b"") == []
    for item in (
        risk_pb2.CheckItem(type=-1),  # type: ignore[arg-type]  # no number of the contract
        risk_pb2.CheckItem(notional="-1"),
        risk_pb2.CheckItem(notional="1e3"),
        risk_pb2.CheckItem(notional="\u0661"),
    ):
        request = risk_pb2.PreTradeCheckRequest(items=[item])
        assert items.read(request.SerializeToString()) is None
    for unknown in (
        b"\x10\x01",
        b"\x0a",
        b"\x0a\x02\x50\x01",
        b"\x0a\x02\x2a\x00",
        b"\x0a\x01\x28",
    ):
        assert items.read(whole.SerializeToString() + unknown) is None
    too_wide = b"\x0a\x06\x10\x80\x80\x80\x80\x10"  # an instrument of 33 bits
    assert items.read(too_wide) is None


@settings(max_examples=500)
@given(REQUESTS, st.data())
def test_a_request_that_was_damaged_is_read_as_its_message_or_not_at_all(
    request: risk_pb2.PreTradeCheckRequest, data: st.DataObject
) -> None:
    payload = bytearray(request.SerializeToString())
    if not payload:
        return
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not payload:
            return
    found = items.read(bytes(payload))
    try:
        message = risk_pb2.PreTradeCheckRequest.FromString(bytes(payload))
    except DecodeError:
        assert found is None
        return
    if found is not None:
        assert [fields(item) for item in found] == [fields(item) for item in message.items]
