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
from svc.order.asks import Answer, Create, Result
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


def check_item(create: Create) -> risk_pb2.CheckItem:
    """What risk weighs of an order."""
    terms = create.terms
    notional = admission.notional_units(terms, create.cap_ticks, create.reference_ticks)
    return risk_pb2.CheckItem(
        account_id=create.account_id,
        instrument_id=terms.instrument.id,
        side=terms.side,  # type: ignore[arg-type]  # the numbers are the contract's
        type=terms.type,  # type: ignore[arg-type]
        price_ticks=terms.price_ticks,
        lots=terms.lots or create.budget_tick_lots // max(create.reference_ticks, 1),
        reference_ticks=create.reference_ticks,
        notional=str(notional),
        leverage=terms.leverage,
    )


def lock_item(create: Create) -> wallet_pb2.LockItem:
    """What an order can cost at most."""
    terms = create.terms
    item = wallet_pb2.LockItem(
        order_id=create.order_id,
        version=1,
        account_id=create.account_id,
        instrument_id=terms.instrument.id,
        side=terms.side,  # type: ignore[arg-type]
        maker_fee_ppm=terms.instrument.maker_fee_ppm,
        taker_fee_ppm=terms.instrument.taker_fee_ppm,
    )
    if terms.instrument.perpetual:
        margin = item.perpetual
        margin.price_ticks, margin.lots = create.cap_ticks, terms.lots
        margin.leverage, margin.reduce_only = terms.leverage, terms.reduce_only
        return item
    hold = item.spot
    hold.lots = terms.lots
    if terms.side == _BUY:
        hold.cap_ticks = create.cap_ticks
        if terms.quote_units:
            hold.quote_amount = str(terms.quote_units)
    return item


def new_order(create: Create) -> records_pb2.Command:
    """The command that brings an order to its market."""
    terms = create.terms
    return records_pb2.Command(
        new_order=records_pb2.NewOrder(
            order_id=create.order_id,
            version=1,
            account_id=create.account_id,
            instrument_id=terms.instrument.id,
            side=terms.side,  # type: ignore[arg-type]
            type=terms.type,  # type: ignore[arg-type]
            time_in_force=terms.time_in_force,  # type: ignore[arg-type]
            self_trade_mode=terms.self_trade_mode,  # type: ignore[arg-type]
            post_only=terms.post_only,
            reduce_only=terms.reduce_only,
            price_ticks=terms.price_ticks,
            cap_ticks=0 if terms.price_ticks else create.cap_ticks,
            quantity_lots=terms.lots,
            budget_tick_lots=create.budget_tick_lots,
            expires_at_unix_ns=terms.expires_at_unix_ns,
        )
    )


def cancel_order(order_id: int, account_id: int, instrument_id: int) -> records_pb2.Command:
    """The command that cancels an order."""
    return records_pb2.Command(
        cancel_order=records_pb2.CancelOrder(
            order_id=order_id, account_id=account_id, instrument_id=instrument_id
        )
    )


def item_result(result: Result) -> order_pb2.OrderItemResult:
    """The result of one item of a list or stream."""
    if isinstance(result, Answer):
        return order_pb2.OrderItemResult(
            order_id=ids.to_uuid(result.order_id),
            status=result.status,  # type: ignore[arg-type]
        )
    return order_pb2.OrderItemResult(
        order_id=result.metadata.get(ORDER_ID, ""),
        status=result.metadata.get(STATUS),
        error=item_error(result),
    )


def item_error(error: DomainError) -> order_pb2.ItemError:
    """An error as a list carries it."""
    number: int = error.code.value[0]
    return order_pb2.ItemError(
        code=number, reason=error.reason, message=error.message, metadata=error.metadata
    )
