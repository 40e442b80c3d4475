"""Requests as asks: the contract's rules, keys, symbols, ids."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from order.v1 import order_pb2

from svc.kit import ids
from svc.kit.errors import DomainError
from svc.kit.identity import Principal
from svc.kit.symbols import SymbolIndex
from svc.kit.validation import validate
from svc.order import reading
from svc.order.asks import Caller, Create
from svc.order.catalog import Catalog
from tests.order.instruments import BTC_USDT

CALLER = Caller(7, 8, "api", "trace", None)

ANY_REQUEST = st.builds(
    order_pb2.CreateOrderRequest,
    symbol=st.one_of(st.text(max_size=3), st.text("B", min_size=31, max_size=34)),
    side=st.integers(-1, 3),
    type=st.integers(-1, 5),
    time_in_force=st.integers(-1, 6),
    quantity=st.text("1", max_size=42),
    price=st.text("1", min_size=39, max_size=41),
    stop_price=st.text("1", min_size=39, max_size=41),
    quote_amount=st.text("1", min_size=39, max_size=41),
    display_quantity=st.text("1", min_size=39, max_size=41),
    trail_offset=st.text("1", min_size=39, max_size=41),
    activation_price=st.text("1", min_size=39, max_size=41),
    trail_bps=st.sampled_from([0, 1, 9_999, 10_000]),
    client_order_id=st.one_of(st.text(max_size=4), st.text("x", min_size=63, max_size=66)),
    idempotency_key=st.one_of(st.text(max_size=4), st.text("ä", min_size=127, max_size=130)),
    leverage=st.sampled_from([0, 1, 100, 101]),
    self_trade_mode=st.integers(-1, 6),
)


class Known(Catalog):
    """A catalog that has read its instruments already."""

    def __init__(self) -> None:
        self.listed = {BTC_USDT.symbol: BTC_USDT}
        self._by_id = {BTC_USDT.id: BTC_USDT}
        self._index = SymbolIndex([BTC_USDT.symbol])


def limit(**fields: object) -> order_pb2.CreateOrderRequest:
    good = {"symbol": "BTC-USDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "1000"}
    return order_pb2.CreateOrderRequest(**(good | fields))  # type: ignore[arg-type]


def create(request: order_pb2.CreateOrderRequest, header_key: str = "") -> Create:
    return reading.create(request, CALLER, Known(), header_key)


@settings(max_examples=500)
@given(ANY_REQUEST)
def test_what_is_plainly_valid_breaks_no_rule_of_the_contract(
    request: order_pb2.CreateOrderRequest,
) -> None:
    if reading._plainly_valid(request):  # noqa: SLF001  it must agree with the contract
        validate(request)


def test_ordinary_requests_are_plainly_valid() -> None:
    ordinary = limit(client_order_id="a.b:c/d-1", idempotency_key="k", leverage=1)
    assert reading._plainly_valid(ordinary)  # noqa: SLF001


@pytest.mark.spec("hdr-idempotency", "dto-fields")
def test_a_key_comes_from_the_field_or_the_header_and_is_no_part_of_the_digest() -> None:
    by_field, by_header = create(limit(idempotency_key="k")), create(limit(), "k")
    both = create(limit(idempotency_key="k"), "k")
    assert by_field.key is not None
    for same in (by_header.key, both.key):
        assert same is not None
        assert (same.text, same.digest) == ("k", by_field.key.digest)
    other = create(limit(quantity="2", idempotency_key="k")).key
    assert other is not None
    assert other.digest != by_field.key.digest
    assert create(limit()).key is None


def test_two_keys_that_differ_are_refused() -> None:
    with pytest.raises(DomainError) as refused:
        create(limit(idempotency_key="a"), "b")
    assert refused.value.reason == "IDEMPOTENCY_KEYS_DIFFER"


@pytest.mark.parametrize("key", ["x" * 129, "a\0", "a\n"])
def test_a_key_is_printable_and_not_too_long(key: str) -> None:
    for request, header in ((limit(), key), (limit(idempotency_key=key), "")):
        with pytest.raises(DomainError) as refused:
            create(request, header)
        assert (refused.value.reason, refused.value.metadata["field"]) == (
            "INVALID_FIELD",
            "idempotency_key",
        )


def test_a_cancel_and_an_order_under_one_key_are_different_requests() -> None:
    order_id = ids.to_uuid(5)
    cancel = reading.cancel(order_pb2.CancelOrderRequest(order_id=order_id), CALLER, "k")
    assert cancel.order_id == 5
    placed = create(limit(), "k")
    assert cancel.key is not None
    assert placed.key is not None
    assert cancel.key.digest != placed.key.digest


def test_an_item_is_a_create_or_a_cancel() -> None:
    with pytest.raises(DomainError, match="this one is none"):
        reading.item(order_pb2.OrderItem(), CALLER, Known())


def test_a_symbol_may_be_written_in_any_case_and_without_its_hyphen() -> None:
    for text in ("BTC-USDT", "btc-usdt", "BTCUSDT", "btcusdt"):
        assert create(limit(symbol=text)).terms.instrument is BTC_USDT
    with pytest.raises(DomainError, match="no market"):
        create(limit(symbol="BTC"))


@pytest.mark.spec("hdr-source")
def test_a_source_that_is_not_known_counts_as_api() -> None:
    for given_source, kept in (("", "api"), ("WEB", "web"), ("telnet", "api")):
        assert reading.caller_of(Principal(1, 2, given_source), "", None).source == kept


def test_an_expiry_counts_in_microseconds() -> None:
    asked = limit(time_in_force="GTD")
    asked.expires_at.FromNanoseconds(1_767_225_600_000_001_999)
    assert create(asked).terms.expires_at_unix_ns == 1_767_225_600_000_001_000
