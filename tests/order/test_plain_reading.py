"""What is read straight from wire bytes is exactly what the messages would have been read as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from order.v1 import order_pb2

from svc.kit import ids
from svc.kit.errors import DomainError
from svc.kit.pipeline import message_of
from svc.order import reading
from svc.order.asks import Ask, Caller, Create, Terms
from svc.order.plain_reading import PlainReader
from tests.bad_requests import BAD_REQUESTS
from tests.order.instruments import BTC_PERPETUAL, BTC_USDT
from tests.order.test_reading import ANY_REQUEST, Known

CALLER = Caller(7, 8, "api", "trace", 5.5)
TERMS = [name for name in dir(Terms) if not name.startswith("_")]
ORDER_ID = ids.to_uuid(123_456_789)


class Both(Known):
    """Knows a perpetual, too."""

    def __init__(self) -> None:
        super().__init__()
        self.listed[BTC_PERPETUAL.symbol] = BTC_PERPETUAL


CATALOG = Both()
READER = PlainReader(CATALOG)


def fields(ask: Ask) -> dict[str, object]:
    """All that there is to an ask."""
    found: dict[str, object] = {"kind": type(ask)}
    names = ["account_id", "trace_id", "deadline_s", "result", "order_id"]
    if isinstance(ask, Create):
        found |= {name: getattr(ask.terms, name) for name in TERMS}
        names += ["user_id", "source", "client_order_id", "taken", "winner_id", "held"]
        names += ["committed", "refusal", "reference_ticks", "cap_ticks", "budget_tick_lots"]
    else:
        names.append("name")
    found |= {name: getattr(ask, name) for name in names}
    if ask.key is not None:
        found |= {"key": (ask.key.text, ask.key.digest, ask.key.first, ask.key.claimed)}
    return found


def read_plainly(request: order_pb2.CreateOrderRequest, key: str = "") -> Create | None:
    return READER.create(request.SerializeToString(), CALLER, key)


def limit(**more: Any) -> order_pb2.CreateOrderRequest:
    good = {"symbol": "BTC-USDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "1000"}
    return order_pb2.CreateOrderRequest(**(good | more))


def market(**more: Any) -> order_pb2.CreateOrderRequest:
    return limit(**({"type": "MARKET", "price": ""} | more))


def perpetual(**more: Any) -> order_pb2.CreateOrderRequest:
    return limit(**({"symbol": "BTCUSDT-PERP"} | more))


def check_against_messages(request: order_pb2.CreateOrderRequest, key: str = "") -> bool:
    """Compare the two ways; whether the request was plain."""
    plain = read_plainly(request, key)
    if plain is None:
        return False
    assert fields(plain) == fields(reading.create(request, CALLER, CATALOG, key))
    return True


PLAIN = [
    limit(),
    limit(side="SELL", quantity="0.00001", price="600000", leverage=1),
    limit(quantity="1.00000", price="1000.00"),
    limit(quantity="1.500000000", price="1000.010000"),
    limit(quantity="999.99999", price="0.01", client_order_id="a.b:c/d-1_Z"),
    limit(quantity="1000", price="461168601.84"),
    limit(idempotency_key="k" * 128, client_order_id="x" * 64, self_trade_mode=5),
    limit(idempotency_key=" ~", time_in_force="GTC", post_only=True),
    limit(time_in_force="IOC"),
    limit(time_in_force="FOK"),
    market(),
    market(side="SELL", time_in_force="FOK", idempotency_key="k"),
    market(time_in_force="IOC", quantity="0.00001"),
    perpetual(leverage=10, reduce_only=True, quantity="1", price="60000.1"),
]


@pytest.mark.parametrize("request_", PLAIN, ids=lambda r: str(r).replace("\n", " "))
def test_ordinary_orders_are_plain(request_: order_pb2.CreateOrderRequest) -> None:
    assert check_against_messages(request_)


NOT_PLAIN = [
    limit(symbol="btc-usdt"),
    limit(symbol="BTCUSDT"),
    limit(symbol="ETH-USDT"),
    limit(symbol=""),
    limit(price="1000.001"),
    limit(price="0"),
    limit(price="01000"),
    limit(price="1000."),
    limit(price=".5"),
    limit(price="1e3"),
    limit(price="+1000"),
    limit(price="1,000"),
    limit(price="1.0.0"),
    limit(price="9" * 19),
    limit(price="1" + "0" * 37),
    limit(price="1000.0" + "0" * 35),
    limit(price="461168601.85"),
    limit(price="\u0661\u0660\u0660\u0660"),
    limit(price=""),
    limit(quantity="1000.00001"),
    limit(quantity=""),
    limit(quantity="0.00001", price="0.01"),
    limit(stop_price="1"),
    limit(quote_amount="1"),
    limit(display_quantity="1"),
    limit(client_order_id="a b"),
    limit(client_order_id="x" * 65),
    limit(client_order_id="ä"),
    limit(idempotency_key="k" * 129),
    limit(idempotency_key="ä"),
    limit(idempotency_key="\x7f"),
    limit(leverage=2),
    limit(reduce_only=True),
    limit(side=0),
    limit(side=3),
    limit(type=0),
    limit(type="STOP_LIMIT"),
    limit(time_in_force=-1),
    limit(time_in_force="GTD", expires_at=Timestamp(seconds=2_000_000_000)),
    limit(time_in_force="GTD"),
    limit(expires_at=Timestamp()),
    limit(time_in_force="IOC", post_only=True),
    limit(self_trade_mode=6),
    market(price="1"),
    market(time_in_force="GTC"),
    market(post_only=True),
    perpetual(leverage=11),
]


@pytest.mark.parametrize("request_", NOT_PLAIN, ids=lambda r: str(r).replace("\n", " "))
def test_what_is_out_of_the_ordinary_is_left_to_the_message(
    request_: order_pb2.CreateOrderRequest,
) -> None:
    assert read_plainly(request_) is None


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: bad.name)
def test_no_bad_request_is_plain(bad: Any) -> None:
    asked = order_pb2.CreateOrderRequest()
    try:
        json_format.ParseDict(dict(bad.body), asked)
    except json_format.ParseError:
        return
    plain = read_plainly(asked)
    if plain is not None:  # bad at the moment, or for the market: nothing of the request itself
        assert fields(plain) == fields(reading.create(asked, CALLER, CATALOG))


NUMBERS = st.one_of(
    st.sampled_from(["", "0", "1", "1000", "0.01", "0.00001", "60000.10", "5e3", "1.", "00.1"]),
    st.decimals(0, 10**6, allow_nan=False, places=5).map(lambda number: f"{number:f}"),
    st.decimals(0, 10**6, allow_nan=False, places=2).map(lambda number: f"{number:f}"),
    st.text("0123456789.", max_size=41),
)
LIKELY = st.builds(
    order_pb2.CreateOrderRequest,
    symbol=st.sampled_from(["BTC-USDT", "BTC-USDT", "BTCUSDT-PERP", "BTCUSDT", "", "X"]),
    side=st.integers(0, 3),
    type=st.integers(0, 3),
    time_in_force=st.integers(-1, 5),
    quantity=NUMBERS,
    price=NUMBERS,
    client_order_id=st.text("aZ09._:/-;", max_size=3),
    idempotency_key=st.text(max_size=3),
    leverage=st.sampled_from([0, 1, 10, 11]),
    post_only=st.booleans(),
    reduce_only=st.booleans(),
    self_trade_mode=st.integers(0, 6),
)


@settings(max_examples=1_000)
@given(st.one_of(LIKELY, ANY_REQUEST), st.one_of(st.just(""), st.text(max_size=3)))
def test_a_plain_order_is_what_its_message_says(
    request: order_pb2.CreateOrderRequest, key: str
) -> None:
    check_against_messages(request, key)


@given(st.sampled_from(PLAIN), NUMBERS, NUMBERS)
def test_a_plain_decimal_is_as_many_steps_as_its_message_says(
    request: order_pb2.CreateOrderRequest, price: str, quantity: str
) -> None:
    asked = order_pb2.CreateOrderRequest()
    asked.CopyFrom(request)
    asked.price, asked.quantity = price, quantity
    check_against_messages(asked)


@pytest.mark.parametrize(("field", "header"), [("", "k"), ("k", "k"), ("", "ä"), ("", "x" * 128)])
def test_a_header_s_key_counts_as_it_does_for_messages(field: str, header: str) -> None:
    create = limit(idempotency_key=field)
    assert check_against_messages(create, header) == header.isascii()
    cancel = order_pb2.CancelOrderRequest(order_id=ORDER_ID, idempotency_key=field)
    plain = READER.cancel(cancel.SerializeToString(), CALLER, header)
    if plain is not None:
        assert fields(plain) == fields(reading.cancel(cancel, CALLER, header))


def test_two_keys_that_differ_are_not_plain() -> None:
    assert read_plainly(limit(idempotency_key="a"), "b") is None
    cancel = order_pb2.CancelOrderRequest(order_id=ORDER_ID, idempotency_key="a")
    assert READER.cancel(cancel.SerializeToString(), CALLER, "b") is None


@pytest.mark.parametrize("text", [ORDER_ID, ORDER_ID.upper(), "client:x", "", ORDER_ID + "0", "7"])
@pytest.mark.parametrize("key", ["", "k", "ä", "x" * 129])
def test_a_plain_cancel_is_what_its_message_says(text: str, key: str) -> None:
    request = order_pb2.CancelOrderRequest(order_id=text, idempotency_key=key)
    plain = READER.cancel(request.SerializeToString(), CALLER, "")
    ordinary = text.upper() == ORDER_ID.upper() and len(key) <= 128 and key.isascii()
    assert (plain is not None) == ordinary
    if plain is not None:
        assert fields(plain) == fields(reading.cancel(request, CALLER))


def items_by_message(request: bytes) -> Sequence[Ask]:
    message = message_of(order_pb2.SubmitOrdersRequest, request)
    return [reading.item(item, CALLER, CATALOG) for item in message.items]


CREATE_ITEM = order_pb2.OrderItem(create=limit(idempotency_key="k", client_order_id="c"))
CANCEL_ITEM = order_pb2.OrderItem(cancel=order_pb2.CancelOrderRequest(order_id=ORDER_ID))
LIST = order_pb2.SubmitOrdersRequest(
    items=[CREATE_ITEM, CANCEL_ITEM, order_pb2.OrderItem(create=market())]
).SerializeToString()


def test_a_list_is_read_item_by_item() -> None:
    found = READER.items(LIST, CALLER)
    assert found is not None
    assert [fields(ask) for ask in found if ask] == [fields(ask) for ask in items_by_message(LIST)]


def test_an_item_that_is_not_plain_leaves_the_others_as_they_are() -> None:
    odd = order_pb2.OrderItem(create=limit(symbol="btcusdt"))
    for items in ([odd, CANCEL_ITEM], [order_pb2.OrderItem(), CREATE_ITEM]):
        request = order_pb2.SubmitOrdersRequest(items=items)
        found = READER.items(request.SerializeToString(), CALLER)
        assert found is not None
        assert [ask is None for ask in found] == [True, False]


@pytest.mark.parametrize("count", [0, 1, 256, 257])
def test_a_list_of_another_length_than_the_contract_has_is_left_to_it(count: int) -> None:
    request = order_pb2.SubmitOrdersRequest(items=[CANCEL_ITEM] * count).SerializeToString()
    found = READER.items(request, CALLER)
    assert (found is None) == (count in (0, 257))


@settings(max_examples=500)
@given(st.data())
def test_a_list_that_was_damaged_is_read_as_its_message_or_not_at_all(data: st.DataObject) -> None:
    request = bytearray(LIST)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(request) - 1))
        change = data.draw(st.sampled_from(["cut", "put", "set", "repeat"]))
        if change == "cut":
            del request[at : at + data.draw(st.integers(1, 4))]
        elif change == "put":
            request[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        elif change == "repeat":
            request += request[at:]
        else:
            request[at] = data.draw(st.integers(0, 255))
        if not request:
            break
    found = READER.items(bytes(request), CALLER)
    if found is None or None in found:
        return
    assert [fields(ask) for ask in found if ask] == [
        fields(ask) for ask in items_by_message(bytes(request))
    ]


def test_bytes_cut_anywhere_and_fields_nobody_knows_are_not_plain() -> None:
    whole = limit(idempotency_key="k", leverage=1).SerializeToString()
    for end in range(len(whole)):
        plain = READER.create(whole[:end], CALLER, "")
        if plain is not None:  # cut between two fields
            message = order_pb2.CreateOrderRequest.FromString(whole[:end])
            assert fields(plain) == fields(reading.create(message, CALLER, CATALOG))
    for unknown in (b"\x88\x01\x01", b"\x92\x06\x00", b"\x2d1234", b"\x0b\x0c"):
        assert READER.create(whole + unknown, CALLER, "") is None
    again = order_pb2.CreateOrderRequest(symbol="BTC-USDT").SerializeToString()
    assert READER.create(whole + again, CALLER, "") is None


def test_a_stream_s_item_is_read_as_one_of_a_list() -> None:
    for item in (CREATE_ITEM, CANCEL_ITEM):
        request = order_pb2.StreamOrdersRequest(item=item).SerializeToString()
        plain = READER.stream_item(request, CALLER)
        assert plain is not None
        assert fields(plain) == fields(reading.item(item, CALLER, CATALOG))
        assert READER.stream_item(request + b"\x10\x01", CALLER) is None
        assert READER.stream_item(request + request, CALLER) is None
    assert READER.stream_item(b"", CALLER) is None
    empty = order_pb2.StreamOrdersRequest(item=order_pb2.OrderItem()).SerializeToString()
    assert READER.stream_item(empty, CALLER) is None


def test_an_instrument_that_changed_is_measured_anew() -> None:
    catalog = Known()
    reader = PlainReader(catalog)
    request = limit(quantity="1000").SerializeToString()
    assert reader.create(request, CALLER, "") is not None
    catalog.listed["BTC-USDT"] = replace(BTC_USDT, version=2, max_quantity_lots=1)
    assert reader.create(request, CALLER, "") is None
    with pytest.raises(DomainError, match="at most"):
        reading.create(limit(quantity="1000"), CALLER, catalog)
