"""Why a market must stop, as the engine and the wallet tell it."""

from __future__ import annotations

import grpc

from svc.kit.errors import from_rpc
from svc.order.market import StopKind

# What is refused for good: only an operator can do something about it.
_KINDS = {
    "LOG_FOREIGN": StopKind.LOG,
    "LOG_BEHIND_CONSUMER": StopKind.LOG,
    "LOG_AHEAD_OF_OUTBOX": StopKind.LOG,
    "HASH_MISMATCH": StopKind.LOG,
    "DIGEST_MISMATCH": StopKind.LOG,
    "BATCH_GAP": StopKind.LOG,
    "INVALID_BATCH": StopKind.LOG,
    "EVENTS_NOT_RETAINED": StopKind.LOG,
    "EFFECT_NOT_APPLICABLE": StopKind.EVENT,
    "SEQUENCE_GAP": StopKind.EVENT,
    "RANGE_INVALID": StopKind.EVENT,
}


class StoppedError(Exception):
    """The market must stop; `kind`, `reason` and the text are those of the stop."""

    def __init__(self, kind: StopKind, reason: str, message: str) -> None:
        self.kind = kind
        self.reason = reason
        super().__init__(message)


def stop_or_same(error: grpc.aio.AioRpcError) -> Exception:
    """The stop that a refusal means, or the error itself where trying again may help."""
    found = from_rpc(error)
    kind = _KINDS.get(found.reason)
    return error if kind is None else StoppedError(kind, found.reason, found.message)
