"""Orders in the words of the contracts they travel in: commands, checks, holds, results."""

from __future__ import annotations

from hashlib import blake2b

from engine.v1 import records_pb2
from google.protobuf.message import Message
from order.v1 import order_pb2
from risk.v1 import risk_pb2
from wallet.v1 import wallet_pb2

from svc.kit import ids
from svc.kit.errors import DomainError
from svc.order import admission
from svc.order.asks import Create, Result
from svc.order.terms import Side

DIGEST_BYTES = 16

ORDER_ID = "orderId"
"""Metadata of an error: the order it speaks of, UUID."""
STATUS = "status"
"""Metadata of an error: the state of that order."""

_BUY = int(Side.BUY)


def digest(payload: bytes) -> bytes:
    """BLAKE2b, 16 bytes."""
    return blake2b(payload, digest_size=DIGEST_BYTES).digest()


def request_digest(request: Message) -> bytes:
    """What identifies a request under an idempotency key: its type and all its fields."""
    body = request.SerializeToString(deterministic=True)
    return digest(request.DESCRIPTOR.name.encode() + b"\0" + body)


# Messages are filled where they stand: building them apart and copying them in costs twice as much.


def add_check(request: risk_pb2.PreTradeCheckRequest, create: Create) -> None:
    """What risk weighs of an order."""
    terms = create.terms
    reference = create.reference_ticks
    item = request.items.add()
    item.account_id = create.account_id
    item.instrument_id = terms.instrument.id
    item.side = terms.side  # type: ignore[assignment]  # the numbers are the contract's
    item.type = terms.type  # type: ignore[assignment]
    item.price_ticks = terms.price_ticks
    item.lots = terms.lots or create.budget_tick_lots // max(reference, 1)
    item.reference_ticks = reference
    item.notional = str(admission.notional_units(terms, create.cap_ticks, reference))
    item.leverage = terms.leverage


def add_lock(request: wallet_pb2.LockFundsRequest, create: Create) -> None:
    """What an order can cost at most."""
    terms = create.terms
    instrument = terms.instrument
    item = request.items.add()
    item.order_id = create.order_id
    item.version = 1
    item.account_id = create.account_id
    item.instrument_id = instrument.id
    item.side = terms.side  # type: ignore[assignment]
    item.maker_fee_ppm = instrument.maker_fee_ppm
    item.taker_fee_ppm = instrument.taker_fee_ppm
    if instrument.perpetual:
        margin = item.perpetual
        margin.price_ticks, margin.lots = create.cap_ticks, terms.lots
        margin.leverage, margin.reduce_only = terms.leverage, terms.reduce_only
        return
    hold = item.spot
    hold.lots = terms.lots
    if terms.side == _BUY:
        hold.cap_ticks = create.cap_ticks
        if terms.quote_units:
            hold.quote_amount = str(terms.quote_units)


def add_new_order(batch: records_pb2.CommandBatch, create: Create) -> None:
    """The command that brings an order to its market."""
    terms = create.terms
    order = batch.commands.add().new_order
    order.order_id = create.order_id
    order.version = 1
    order.account_id = create.account_id
    order.instrument_id = terms.instrument.id
    order.side = terms.side  # type: ignore[assignment]
    order.type = terms.type  # type: ignore[assignment]
    order.time_in_force = terms.time_in_force  # type: ignore[assignment]
    order.self_trade_mode = terms.self_trade_mode  # type: ignore[assignment]
    order.quantity_lots = terms.lots
    if terms.price_ticks:
        order.price_ticks = terms.price_ticks
        order.post_only = terms.post_only
        order.expires_at_unix_ns = terms.expires_at_unix_ns
    else:
        order.cap_ticks = create.cap_ticks
    order.reduce_only = terms.reduce_only
    order.budget_tick_lots = create.budget_tick_lots


def add_cancel(
    batch: records_pb2.CommandBatch, order_id: int, account_id: int, instrument_id: int
) -> None:
    """The command that cancels an order."""
    order = batch.commands.add().cancel_order
    order.order_id = order_id
    order.account_id = account_id
    order.instrument_id = instrument_id


def add_result(response: order_pb2.SubmitOrdersResponse, result: Result) -> None:
    """Adds the result of one item."""
    if isinstance(result, DomainError):
        refused = order_pb2.OrderItemResult(
            order_id=result.metadata.get(ORDER_ID, ""),
            status=result.metadata.get(STATUS),
            error=item_error(result),
        )
        response.results.append(refused)
    else:
        item = response.results.add()
        item.order_id = ids.to_uuid(result.order_id)
        item.status = result.status  # type: ignore[assignment]


def item_error(error: DomainError) -> order_pb2.ItemError:
    """An error as a list carries it."""
    number: int = error.code.value[0]
    return order_pb2.ItemError(
        code=number, reason=error.reason, message=error.message, metadata=error.metadata
    )
