"""Requests of the public contract as asks of intake: checked, resolved, in ticks and lots.

Keeps: what comes out is well-formed; what is not leaves nothing. Runs in the caller's own task, so
that a batch never waits for the reading of a request.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from order.v1 import order_pb2

from svc.kit import ids
from svc.kit.errors import DomainError, invalid
from svc.kit.identity import Principal
from svc.kit.validation import validate
from svc.order import terms, wire
from svc.order.asks import Ask, Caller, Cancel, Create, Key
from svc.order.catalog import Catalog
from svc.order.changes import Replace, Swap, Wanted

SOURCES = ("api", "web", "mobile", "broker", "market_maker")
"""Where a request may come from; anything else counts as the first."""

_MICROSECOND_NS = 1_000

_CLIENT_ID = re.compile(r"[A-Za-z0-9._:/-]{0,64}")
_LONGEST_SYMBOL, _LONGEST_DECIMAL, _LONGEST_KEY = 32, 40, 128
_LAST_SIDE, _LAST_TYPE, _LAST_TIME_IN_FORCE, _LAST_MODE = 2, 4, 5, 5
_HIGHEST_LEVERAGE = 100
_HIGHEST_TRAIL_BPS = 9_999


def caller_of(principal: Principal, trace_id: str, deadline_s: float | None) -> Caller:
    """The caller of a request that came through the edge."""
    source = principal.source.lower()
    known = source if source in SOURCES else SOURCES[0]
    return Caller(principal.account_id, principal.user_id, known, trace_id, deadline_s)


def create(
    request: order_pb2.CreateOrderRequest, caller: Caller, catalog: Catalog, header_key: str = ""
) -> Create:
    """A new order. Raises what `terms.read` raises, UNKNOWN_SYMBOL, and the errors of `_key`.

    Takes the request: its idempotency key is moved out of it, but for an unknown symbol. An expiry
    counts in microseconds.
    """
    if not _plainly_valid(request):
        validate(request)
    instrument = catalog.find(request.symbol)
    key = _key(request, header_key)
    expires_ns = 0
    if request.HasField("expires_at"):
        expires_ns = request.expires_at.ToNanoseconds()
        expires_ns -= expires_ns % _MICROSECOND_NS
    asked = terms.read(request, instrument, expires_ns)
    return Create(caller, asked, request.client_order_id, key)


def cancel(
    request: order_pb2.CancelOrderRequest,
    caller: Caller,
    header_key: str = "",
    order_id: int | None = None,
) -> Cancel:
    """A cancel. Raises INVALID_ORDER_ID, INVALID_FIELD, and the errors of `_key`.

    `order_id`: of an order that the request names by the caller's own id.
    """
    validate(request)
    key = _key(request, header_key)
    name = request.order_id
    if order_id is None:
        order_id = order_id_of(name)
    return Cancel(caller, order_id, name, key)


def replace(
    request: order_pb2.ReplaceOrderRequest,
    caller: Caller,
    header_key: str = "",
    order_id: int | None = None,
) -> Replace:
    """A replace; `order_id` and errors as of `cancel`."""
    validate(request)
    key = _key(request, header_key)
    name = request.order_id
    if order_id is None:
        order_id = order_id_of(name)
    wanted = Wanted(request.price, request.quantity, request.stop_price, request.expected_version)
    return Replace(caller, order_id, name, wanted, key)


def swap(
    request: order_pb2.CancelReplaceOrderRequest,
    caller: Caller,
    catalog: Catalog,
    header_key: str = "",
    order_id: int | None = None,
) -> Swap:
    """A cancel-replace; `order_id` as of `cancel`, errors of both orders.

    Takes the request: the idempotency key is moved out of the new order.
    """
    text = _key_text(request.order.idempotency_key, header_key)
    request.order.ClearField("idempotency_key")
    key = Key(text, wire.request_digest(request)) if text else None
    name = request.order_id
    if order_id is None:
        order_id = order_id_of(name)
    return Swap(caller, order_id, name, create(request.order, caller, catalog), key)


def item(request: order_pb2.OrderItem, caller: Caller, catalog: Catalog) -> Ask:
    """An item of a list or stream: what `create`, `cancel` or `replace` make of it."""
    kind = request.WhichOneof("kind")
    if kind == "create":
        return create(request.create, caller, catalog)
    if kind == "cancel":
        return cancel(request.cancel, caller)
    if kind == "replace":
        return replace(request.replace, caller)
    raise invalid(
        "INVALID_FIELD",
        "An item is a create, a replace or a cancel; this one is none.",
        field="kind",
        value="",
        rule="oneof.required",
    )


def order_id_of(text: str) -> int:
    """The id behind a UUID. Raises INVALID_ORDER_ID."""
    try:
        return ids.from_uuid(text)
    except ValueError as error:
        raise _bad_order_id(text, error) from None


def datetime_of(time: Timestamp) -> datetime:
    """A time of a request, as tables have it."""
    return time.ToDatetime(UTC)


def _bad_order_id(text: str, error: ValueError) -> DomainError:
    rule = "a UUID that this exchange gave out"
    return invalid("INVALID_ORDER_ID", f"{error}.", field="order_id", value=text, rule=rule)


def _key(
    request: order_pb2.CreateOrderRequest
    | order_pb2.CancelOrderRequest
    | order_pb2.ReplaceOrderRequest,
    header: str,
) -> Key | None:
    """The idempotency key from field or header. Raises what `_key_text` raises."""
    text = _key_text(request.idempotency_key, header)
    if not text:
        return None
    request.ClearField("idempotency_key")  # the digest is of all else
    return Key(text, wire.request_digest(request))


def _key_text(text: str, header: str) -> str:
    """The idempotency key that field or header say; empty without one.

    Raises IDEMPOTENCY_KEYS_DIFFER for two that are not equal, INVALID_FIELD for one too long.
    """
    if text and header and text != header:
        raise invalid(
            "IDEMPOTENCY_KEYS_DIFFER",
            f"The header x-idempotency-key is {header!r}, the field is {text!r}: must be equal.",
            field="idempotency_key",
            value=text,
            rule="equal to the header x-idempotency-key",
        )
    text = text or header
    if len(text) > _LONGEST_KEY or not text.isprintable():
        rule = f"at most {_LONGEST_KEY} printable characters"
        raise invalid(
            "INVALID_FIELD",
            f"The idempotency key must be {rule}; it has {len(text)}.",
            field="idempotency_key",
            value=text[:100],
            rule=rule,
        )
    return text


def _plainly_valid(request: order_pb2.CreateOrderRequest) -> bool:
    """Whether the contract's own rules hold, at a tenth of the cost of asking them.

    False decides nothing. A test compares it with them.
    """
    return (
        0 < len(request.symbol) <= _LONGEST_SYMBOL
        and 0 < request.side <= _LAST_SIDE
        and 0 < request.type <= _LAST_TYPE
        and 0 <= request.time_in_force <= _LAST_TIME_IN_FORCE
        and 0 <= request.self_trade_mode <= _LAST_MODE
        and len(request.quantity) <= _LONGEST_DECIMAL
        and len(request.price) <= _LONGEST_DECIMAL
        and len(request.stop_price) <= _LONGEST_DECIMAL
        and len(request.quote_amount) <= _LONGEST_DECIMAL
        and len(request.display_quantity) <= _LONGEST_DECIMAL
        and len(request.trail_offset) <= _LONGEST_DECIMAL
        and len(request.activation_price) <= _LONGEST_DECIMAL
        and request.trail_bps <= _HIGHEST_TRAIL_BPS
        and len(request.idempotency_key) <= _LONGEST_KEY
        and request.leverage <= _HIGHEST_LEVERAGE
        and _CLIENT_ID.fullmatch(request.client_order_id) is not None
    )
