"""The call being served in this task: who made it, until when it matters, which trace it is of.

One context variable, set by the server around each handler and read by whatever runs in the
handler's task: outgoing calls shorten their deadline by it, logs carry its trace. A task that
outlives the call sees it as finished and is bound by nothing of it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
"""What a handler gets beside the request, whatever its message types."""

REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"

DEADLINE_SHAVE_S = 0.020
"""Kept back at each hop from the deadline of a call, to answer in when a callee is late.

More than gRPC adds by rounding a timeout below 10 s up, so that a deadline only ever shrinks.
"""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The largest message either side of a call takes, over a socket and in process."""

PING_MS = 1_000
"""A caller asks a connection on which nothing comes so often whether the callee lives."""

PING_PATIENCE_MS = 3_000
"""A callee that says nothing for so long after that is left: its process hangs, or its machine is
gone. Longer than a lease, so that there is another by then."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}")


@dataclass(slots=True)
class Call:
    """One call being served. ``started`` and ``deadline`` are seconds of time.monotonic."""

    context: Context
    method: str
    task: asyncio.Task[Any]
    started: float
    deadline: float | None
    caller: str = ""
    """Verified name of the caller; empty until it is verified."""
    traceparent: str = ""
    """The W3C header as it came, to be passed on; empty when none came."""
    status: str = "OK"
    """Name of the status code it ended with, once it is known."""
    endless: bool = False
    """Whether only the server can end it: a stream of replies to a single request."""
    stop_reading: Callable[[], None] | None = None
    """Ends its stream of requests early; None where it has none."""
    writing: bool = False
    """Whether a reply of its stream is being handed to the transport."""
    cut: bool = False
    """Whether the server cancelled it, because it stops."""
    finished: bool = False


CURRENT_CALL: ContextVar[Call | None] = ContextVar("current_call", default=None)
"""The call being served in this task. Set by the server alone."""


def remaining_s() -> float | None:
    """Seconds an outgoing call may take so that the call being served can still answer.

    Not positive when it is too late already; None outside a call, or in one without a deadline.
    """
    call = CURRENT_CALL.get()
    if call is None or call.finished or call.deadline is None:
        return None
    return call.deadline - DEADLINE_SHAVE_S - time.monotonic()


def trace_of(traceparent: str, request_id: str) -> tuple[str, str]:
    """The trace id and the traceparent to go on with, from the headers of a call; empty if absent.

    A valid traceparent decides, else a sane request id, else a new id is made.
    """
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is not None:
        return match[1], traceparent
    if _REQUEST_ID.fullmatch(request_id):
        return request_id, ""
    return secrets.token_hex(16), ""


HTTP_STATUS_KEY = "x-http-status"


async def answer_http_status(context: Context, status: int) -> None:
    """Lets the edge answer a successful call with this HTTP status instead of 200.

    Goes out as initial metadata at once, so call it when the call's success is certain.
    """
    await context.send_initial_metadata(((HTTP_STATUS_KEY, str(status)),))
