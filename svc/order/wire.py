"""What messages of order's contracts carry beside orders: digests, and errors with their words."""

from __future__ import annotations

from hashlib import blake2b

from google.protobuf.message import Message
from order.v1 import order_pb2

from svc.kit.errors import DomainError

DIGEST_BYTES = 16

ORDER_ID = "orderId"
"""Metadata of an error: the order it speaks of, UUID."""
STATUS = "status"
"""Metadata of an error: the state of that order."""


def digest(payload: bytes) -> bytes:
    """BLAKE2b, 16 bytes."""
    return blake2b(payload, digest_size=DIGEST_BYTES).digest()


def request_digest(request: Message) -> bytes:
    """What identifies a request under an idempotency key: its type and all its fields."""
    body = request.SerializeToString(deterministic=True)
    return digest(request.DESCRIPTOR.name.encode() + b"\0" + body)


def error_result(error: DomainError) -> order_pb2.OrderItemResult:
    """The result of an item that was refused."""
    return order_pb2.OrderItemResult(
        order_id=error.metadata.get(ORDER_ID, ""),
        status=error.metadata.get(STATUS),
        error=item_error(error),
    )


def item_error(error: DomainError) -> order_pb2.ItemError:
    """An error as a list carries it."""
    number: int = error.code.value[0]
    return order_pb2.ItemError(
        code=number, reason=error.reason, message=error.message, metadata=error.metadata
    )
