"""A domain error on the wire and back, and what comes of errors that are not ours."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from svc.kit.errors import (
    DomainError,
    already_exists,
    failed_precondition,
    from_rpc,
    invalid,
    not_found,
    not_leader,
    permission_denied,
    unauthenticated,
    unavailable,
)

KEY = "grpc-status-details-bin"


def received(code: grpc.StatusCode, text: str, details: bytes | None) -> grpc.aio.AioRpcError:
    """Make the error that a caller gets."""
    trailing = grpc.aio.Metadata() if details is None else grpc.aio.Metadata((KEY, details))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, text, None)


def test_an_error_comes_back_as_it_was_raised() -> None:
    raised = invalid("PRICE_NOT_ON_TICK", "0.015 is not on the tick 0.01.", value="0.015", code="x")
    found = from_rpc(received(raised.code, raised.message, raised.status_details()))
    assert (found.code, found.reason, found.message) == (raised.code, raised.reason, raised.message)
    assert found.metadata == {"value": "0.015", "code": "x"}
    assert str(found) == "INVALID_ARGUMENT PRICE_NOT_ON_TICK: 0.015 is not on the tick 0.01."


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (invalid, grpc.StatusCode.INVALID_ARGUMENT),
        (not_found, grpc.StatusCode.NOT_FOUND),
        (failed_precondition, grpc.StatusCode.FAILED_PRECONDITION),
        (unavailable, grpc.StatusCode.UNAVAILABLE),
        (already_exists, grpc.StatusCode.ALREADY_EXISTS),
        (permission_denied, grpc.StatusCode.PERMISSION_DENIED),
        (unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    ],
)
def test_each_kind_of_error_has_its_code(
    make: Callable[..., DomainError], code: grpc.StatusCode
) -> None:
    assert make("R", "text", a="b").code is code


def test_a_standby_names_its_leader_or_that_there_is_none() -> None:
    assert not_leader("10.0.0.7:50061").metadata == {"leader": "10.0.0.7:50061"}
    assert "no leader is known" in not_leader("").message


def foreign() -> bytes:
    """Make details with an ErrorInfo of another system."""
    status = status_pb2.Status(code=9)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="THEIRS", domain="example.com"))
    return status.SerializeToString()


@pytest.mark.parametrize("details", [None, b"", b"\xff\xff garbage", foreign()])
def test_an_error_that_is_not_ours_has_no_reason(details: bytes | None) -> None:
    found = from_rpc(received(grpc.StatusCode.UNAVAILABLE, "connection refused", details))
    assert (found.code, found.reason, found.metadata) == (grpc.StatusCode.UNAVAILABLE, "", {})
    assert found.message == "connection refused"
