"""The one way to fail: a typed domain error and its form on the wire.

A domain error travels as ``google.rpc.Status`` with exactly one ``google.rpc.ErrorInfo`` (AIP-193)
in the trailing metadata, over a socket and in process alike. What is not a domain error leaves
as INTERNAL with a fixed text, so that nothing of the inside reaches a caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "quantamesh"
"""``ErrorInfo.domain`` of every error of this system."""

STATUS_DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata key of the serialised ``google.rpc.Status``, fixed by gRPC."""

INTERNAL_TEXT = "Internal error."
"""All that a caller learns of an unexpected failure."""

NOT_LEADER = "NOT_LEADER"
"""Reason of a standby's answer; metadata ``leader`` holds the leader's address, or nothing."""

NO_REASON = ""
"""Reason of an error that came without ErrorInfo: made by gRPC itself, or by a foreign server."""


class DomainError(Exception):
    """A failure that the caller may understand and act on.

    ``reason`` is UPPER_SNAKE and stable: programs branch on it. ``message`` is for people and
    names the value, the rule and what would be right. ``metadata`` repeats the variables of the
    message by name; it may itself have a key ``reason``, ``message`` or ``code``.
    """

    def __init__(
        self, code: grpc.StatusCode, reason: str, message: str, /, **metadata: str
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = metadata

    def __str__(self) -> str:
        return f"{self.code.name} {self.reason}: {self.message}"

    def status_details(self) -> bytes:
        """The serialised ``google.rpc.Status`` with its one ErrorInfo."""
        number: int = self.code.value[0]
        status = status_pb2.Status(code=number, message=self.message)
        status.details.add().Pack(
            error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        )
        return status.SerializeToString()


def invalid(reason: str, message: str, /, **metadata: str) -> DomainError:
    """The request is wrong whatever the state of the system is: INVALID_ARGUMENT."""
    return DomainError(grpc.StatusCode.INVALID_ARGUMENT, reason, message, **metadata)


def not_found(reason: str, message: str, /, **metadata: str) -> DomainError:
    """What the request names does not exist, or not for this caller: NOT_FOUND."""
    return DomainError(grpc.StatusCode.NOT_FOUND, reason, message, **metadata)


def failed_precondition(reason: str, message: str, /, **metadata: str) -> DomainError:
    """The state must change before the same request can succeed: FAILED_PRECONDITION."""
    return DomainError(grpc.StatusCode.FAILED_PRECONDITION, reason, message, **metadata)


def out_of_range(reason: str, message: str, /, **metadata: str) -> DomainError:
    """What the request points at lies outside of what is there: OUT_OF_RANGE."""
    return DomainError(grpc.StatusCode.OUT_OF_RANGE, reason, message, **metadata)


def unavailable(reason: str, message: str, /, **metadata: str) -> DomainError:
    """The same request may succeed in a moment, and callers in kit repeat it: UNAVAILABLE."""
    return DomainError(grpc.StatusCode.UNAVAILABLE, reason, message, **metadata)


def already_exists(reason: str, message: str, /, **metadata: str) -> DomainError:
    """The key of the request is taken by something else: ALREADY_EXISTS."""
    return DomainError(grpc.StatusCode.ALREADY_EXISTS, reason, message, **metadata)


def permission_denied(reason: str, message: str, /, **metadata: str) -> DomainError:
    """The caller is known and may not do this: PERMISSION_DENIED."""
    return DomainError(grpc.StatusCode.PERMISSION_DENIED, reason, message, **metadata)


def unauthenticated(reason: str, message: str, /, **metadata: str) -> DomainError:
    """Who calls is not known: UNAUTHENTICATED."""
    return DomainError(grpc.StatusCode.UNAUTHENTICATED, reason, message, **metadata)


def not_leader(leader: str) -> DomainError:
    """The answer of a standby: kit's client repeats the call at ``leader`` (``host:port``).

    An empty ``leader`` means that none is known; the client then asks here again.
    """
    known = f"the leader is {leader}" if leader else "no leader is known yet"
    return unavailable(NOT_LEADER, f"This instance is a standby; {known}.", leader=leader)


def from_rpc(error: grpc.aio.AioRpcError) -> DomainError:
    """The domain error that the callee raised, from what the caller got.

    Without readable ErrorInfo of this system the reason is empty and the metadata has no entry.
    """
    code, text = error.code(), error.details() or ""
    trailing = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in trailing:
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            found = _error_info(value)
            if found is not None:
                return DomainError(code, found.reason, text, **found.metadata)
    return DomainError(code, NO_REASON, text)


def _error_info(details: bytes) -> error_details_pb2.ErrorInfo | None:
    try:
        status = status_pb2.Status.FromString(details)
        for detail in status.details:
            found = error_details_pb2.ErrorInfo()
            if detail.Unpack(found) and found.domain == DOMAIN:
                return found
    except DecodeError:
        return None  # bytes of a foreign server: an error without a reason, as documented
    return None
