"""What every call passes through, over a socket and in process: one wrapper around each handler.

From the outside in: trace, figures, errors, is the service open, identity and access, validation.
The order matters: figures see the final status, and a refusal is an error like any other.
Wrapping happens once, when a service registers its handlers, so both channels run the same code.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Self, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message

from svc.kit.access import MethodAccess, service_access
from svc.kit.call import (
    CURRENT_CALL,
    REQUEST_ID_KEY,
    TRACEPARENT_KEY,
    Call,
    Context,
    trace_of,
)
from svc.kit.database import is_away
from svc.kit.errors import (
    INTERNAL_TEXT,
    NOT_LEADER,
    STATUS_DETAILS_KEY,
    DomainError,
    from_rpc,
    invalid,
    unauthenticated,
    unavailable,
)
from svc.kit.identity import CALLER_KEY, SECRET_KEY, Identities
from svc.kit.log import get_logger, trace_id
from svc.kit.telemetry import RpcMetrics
from svc.kit.validation import prepare, validate

AWAY_TEXT = "A part of the exchange is away; try again."
"""All that a caller learns of a database that is away."""

MOST_CALLS_IN_FLIGHT = 4096
"""Calls of one service that may be open at once, streams included; more are RESOURCE_EXHAUSTED."""

_TOO_LATE_S = 0.002
"""Time a call must have left when it arrives. A socket rounds what is left up to milliseconds, so
one whose time was up before it was sent may arrive with nearly two."""

_READ_KEYS = frozenset((CALLER_KEY, SECRET_KEY, REQUEST_ID_KEY, TRACEPARENT_KEY))

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behavior = TypeVar("Behavior", bound=Callable[..., Any])
M = TypeVar("M", bound=Message)


def takes_bytes(behavior: Behavior) -> Behavior:
    """Marks a servicer's method that reads its requests itself: it gets bytes, one or a stream.

    Nothing has been checked of them: they may be no message, or break its rules; `message_of` is
    what other methods get. It may answer with bytes, too.
    """
    behavior.takes_bytes = True  # type: ignore[attr-defined]  # functions take attributes
    return behavior


def message_of(message_type: type[M], payload: bytes) -> M:
    """The message in the bytes, its rules checked. Raises MALFORMED_MESSAGE, INVALID_FIELD."""
    return _read(message_type.FromString, payload)


class HandlerShapeError(Exception):
    """A servicer's method is written in a form that cannot be served."""


class Phase(enum.Enum):
    """Where a service is in its life. Calls are served in SERVING only."""

    STARTING = "SERVICE_STARTING"
    SERVING = "SERVING"
    STOPPED = "SERVICE_STOPPED"


class Pipeline:
    """The checks that all methods of one service share, and the switch that opens the service."""

    def __init__(self, service: str, identities: Identities, metrics: RpcMetrics) -> None:
        self.service = service
        self.phase = Phase.STARTING
        self._identities = identities
        self._metrics = metrics
        self._open: dict[asyncio.Task[Any], Call] = {}
        self._log = get_logger(f"{service}.rpc")

    def begin(self, method: str, context: Context) -> tuple[Call, Mapping[str, str]]:
        """Opens the books of a call: trace, deadline, figures. Whoever begins must end."""
        headers = _headers(context)
        trace, traceparent = trace_of(
            headers.get(TRACEPARENT_KEY, ""), headers.get(REQUEST_ID_KEY, "")
        )
        now = time.monotonic()
        left: float | None = context.time_remaining()
        deadline = None if left is None else now + left
        task = asyncio.current_task()
        assert task is not None, "a call is served in a task"
        call = Call(context, method, task, now, deadline, traceparent=traceparent)
        CURRENT_CALL.set(call)
        trace_id.set(trace)
        self._open[call.task] = call
        self._metrics.begin(method)
        return call, headers

    def end(self, call: Call) -> None:
        """Closes the books of a call."""
        call.finished = True
        del self._open[call.task]
        self._metrics.end(call.method, call.status, time.monotonic() - call.started)

    def admit(self, call: Call, access: MethodAccess, headers: Mapping[str, str]) -> None:
        """Raises unless the service is open, there is room and time, and the caller may call."""
        if self.phase is not Phase.SERVING:
            raise self.not_open()
        if len(self._open) > MOST_CALLS_IN_FLIGHT:
            raise DomainError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_CALLS",
                f"Service {self.service} has {MOST_CALLS_IN_FLIGHT} calls open; try again later.",
            )
        if call.deadline is not None and call.deadline - call.started < _TOO_LATE_S:
            raise DomainError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED", "The call came too late."
            )
        caller = headers.get(CALLER_KEY, "")
        if not self._identities.verify(caller, headers.get(SECRET_KEY, "")):
            raise unauthenticated(
                "CALLER_UNKNOWN",
                f"{call.method} needs a caller with a secret that fits; got {caller!r}.",
                caller=caller,
            )
        if caller not in access.callers:
            raise access.refusal(caller)
        call.caller = caller

    async def fail(self, call: Call, error: BaseException) -> None:
        """Ends the call with the status that belongs to the error, by raising AbortError.

        Returns when the error must go on as it is: an abort that has happened, a cancellation by
        the caller, the end of the process.
        """
        if isinstance(error, grpc.aio.AbortError):
            call.status = call.context.code().name
            return
        if isinstance(error, asyncio.CancelledError) and call.task.cancelling() and not call.cut:
            late = call.deadline is not None and call.deadline <= time.monotonic()
            call.status = "DEADLINE_EXCEEDED" if late else "CANCELLED"
            return
        if not isinstance(error, Exception | asyncio.CancelledError):
            return
        domain = self._to_domain(call, error)
        call.status = domain.code.name
        trailing = (*(call.context.trailing_metadata() or ()),)
        await call.context.abort(
            domain.code, domain.message, (*trailing, (STATUS_DETAILS_KEY, domain.status_details()))
        )

    async def close(self, grace_s: float) -> None:
        """Lets no more calls in and returns when all that were open have ended.

        Streams of requests are read no further, so that their handlers answer what they have and
        end; streams of replies to one request, which nobody else would end, are cut off now; what
        is left after ``grace_s`` seconds is cut off then. Their callers get UNAVAILABLE,
        SERVICE_STOPPED.
        """
        self.phase = Phase.STOPPED
        for call in self._open.values():
            if call.stop_reading is not None:
                call.stop_reading()
        for call in tuple(self._open.values()):
            if call.endless and not call.writing:
                self._cut(call)
        if self._open:
            await asyncio.wait(self._open, timeout=grace_s)
        for call in tuple(self._open.values()):
            self._cut(call)
        if self._open:
            await asyncio.wait(self._open)

    def _cut(self, call: Call) -> None:
        # One that is being cancelled already cleans up; a second blow would stop that.
        if not call.task.cancelling():
            call.cut = True
            call.task.cancel()

    def not_open(self) -> DomainError:
        """The error of a call outside the time between start and stop."""
        return unavailable(self.phase.value, f"Service {self.service} is not open; try again.")

    def _to_domain(self, call: Call, error: BaseException) -> DomainError:
        if isinstance(error, DomainError):
            return error
        if call.cut:
            return self.not_open()
        if isinstance(error, grpc.aio.AioRpcError):
            known = _from_callee(error)
            if known is not None:
                cause = f"{error.code().name}: {error.details()}"
                self._log.warning("callee_failed", method=call.method, cause=cause)
                return known
        if is_away(error):
            self._log.warning("dependency_away", method=call.method, error=repr(error))
            return unavailable("DEPENDENCY_UNAVAILABLE", AWAY_TEXT)
        # A cancellation nobody asked for ends here too: without an answer the caller would wait
        # until its deadline.
        self._log.exception("call_failed", error, method=call.method, caller=call.caller)
        return DomainError(grpc.StatusCode.INTERNAL, "INTERNAL", INTERNAL_TEXT)


class Requests:
    """A handler's stream of requests, each checked as it is taken.

    Its end is no proof that the caller wanted no more: over a socket gRPC shows a caller that went
    away as one that is done, a moment before it cancels the handler.
    """

    def __init__(self, requests: AsyncIterator[Message | bytes], pipeline: Pipeline) -> None:
        self._requests = requests
        self._pipeline = pipeline
        self._stopped = asyncio.Event()
        self._reader: asyncio.Task[Any] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message | bytes:
        if self._stopped.is_set():
            raise self._pipeline.not_open()
        self._reader = reader = asyncio.current_task()
        try:
            request = await anext(self._requests)
        except asyncio.CancelledError:
            # Ours, if stop() asked for it and nobody else has cancelled the task beside.
            if reader is not None and self._stopped.is_set() and not reader.uncancel():
                raise self._pipeline.not_open() from None
            raise
        except DecodeError:
            raise _malformed() from None
        finally:
            self._reader = None
        if not isinstance(request, bytes):
            validate(request)
        return request

    def stop(self) -> None:
        """Ends the stream with the service's refusal, for the handler that waits or comes next."""
        self._stopped.set()
        if self._reader is not None:
            self._reader.cancel()


class Method:
    """One method of a servicer with everything around it."""

    def __init__(self, pipeline: Pipeline, access: MethodAccess, handler: Handler) -> None:
        self._pipeline = pipeline
        self._access = access
        self._behavior = _behavior(access.method, handler)
        self._generates = inspect.isasyncgenfunction(self._behavior)
        self.streams_in = handler.request_streaming
        self.streams_out = handler.response_streaming
        self._takes_bytes = getattr(self._behavior, "takes_bytes", False)
        parse = cast("Callable[[bytes], Message]", handler.request_deserializer)
        serialize = cast("Callable[[Message], bytes]", handler.response_serializer)
        prepare(parse(b""))
        self.parse: Callable[[bytes], Any] = bytes if self._takes_bytes else parse
        self.serialize: Callable[[Any], bytes] = serialize
        if self._takes_bytes:
            self.serialize = lambda reply: reply if type(reply) is bytes else serialize(reply)

    async def serve(
        self, incoming: bytes | AsyncIterator[Message | bytes], context: Context
    ) -> bytes | None:
        """Serves one call; what gRPC and the in-process channel run.

        A single request and a single reply pass as bytes: parsing and serialising happen in here,
        where a failure of either becomes an error like any other.
        """
        call, headers = self._pipeline.begin(self._access.method, context)
        try:
            self._pipeline.admit(call, self._access, headers)
            call.endless = self.streams_out and not self.streams_in
            reply = await self._behave(call, self._argument(incoming, call), context)
            given: grpc.StatusCode | None = context.code()
            call.status = "OK" if given is None else given.name
        except BaseException as error:
            await self._pipeline.fail(call, error)
            raise
        else:
            return reply
        finally:
            self._pipeline.end(call)

    async def _behave(
        self, call: Call, argument: Message | bytes | Requests, context: Context
    ) -> bytes | None:
        if not self.streams_out:
            return self.serialize(await self._behavior(argument, context))
        if not self._generates:
            await self._behavior(argument, context)
            return None
        # Closed here and now, not when it is collected: its `finally` may release something.
        async with aclosing(self._behavior(argument, context)) as replies:
            async for reply in replies:
                # gRPC loses the status of a call that is cancelled in its first write, so a
                # service that stops lets a write end and is told here.
                call.writing = True
                await context.write(reply)
                call.writing = False
                if call.endless and self._pipeline.phase is Phase.STOPPED:
                    raise self._pipeline.not_open()
        return None

    def _argument(
        self, incoming: bytes | AsyncIterator[Message | bytes], call: Call
    ) -> Message | bytes | Requests:
        if not isinstance(incoming, bytes):
            requests = Requests(incoming, self._pipeline)
            call.stop_reading = requests.stop
            return requests
        return incoming if self._takes_bytes else _read(self.parse, incoming)

    def wrapped(self) -> Handler:
        """The handler to register: its single messages are bytes, its streams are messages."""
        if self.streams_in and self.streams_out:
            return grpc.stream_stream_rpc_method_handler(self.serve, self.parse, self.serialize)
        if self.streams_in:
            return grpc.stream_unary_rpc_method_handler(self.serve, self.parse, None)
        if self.streams_out:
            return grpc.unary_stream_rpc_method_handler(self.serve, None, self.serialize)
        return grpc.unary_unary_rpc_method_handler(self.serve, None, None)


class HandlerTable:
    """The methods of one service: by full path in ``methods``, by proto service for a server.

    Stands in for the server that generated ``add_XServicer_to_server`` functions expect.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.methods: dict[str, Method] = {}
        self.services: dict[str, dict[str, Handler]] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[object]) -> None:
        """Generated code announces the same handlers twice; the registered form is enough."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """Wraps and keeps the handlers of one proto service.

        Raises AccessOptionError or HandlerShapeError for a method that may not be served.
        """
        access = service_access(service_name)
        methods = {
            name: Method(self.pipeline, access[name], handler)
            for name, handler in method_handlers.items()
        }
        self.methods.update({access[name].method: methods[name] for name in methods})
        handlers = self.services.setdefault(service_name, {})
        handlers.update({name: methods[name].wrapped() for name in methods})


def _headers(context: Context) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if key in _READ_KEYS:
            # Given twice is worth as much as not given: no rule says which of the two counts.
            found[key] = "" if key in found else str(value)
    return found


def _read(parse: Callable[[bytes], M], payload: bytes) -> M:
    try:
        request = parse(payload)
    except DecodeError:
        raise _malformed() from None
    validate(request)
    return request


def _malformed() -> DomainError:
    return invalid("MALFORMED_MESSAGE", "The bytes are not a message of the method's type.")


def _behavior(path: str, handler: Handler) -> Callable[..., Any]:
    behavior: Any = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    if inspect.iscoroutinefunction(behavior) or (
        handler.response_streaming and inspect.isasyncgenfunction(behavior)
    ):
        return cast("Callable[..., Any]", behavior)
    if str(behavior.__module__).endswith("_pb2_grpc"):
        return _not_served(path)
    raise HandlerShapeError(f"The handler of {path} must be written with `async def`.")


def _not_served(path: str) -> Callable[..., Any]:
    async def refuse(_request: object, _context: Context) -> None:
        raise DomainError(
            grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED", f"{path} is not served here."
        )

    return refuse


def _from_callee(error: grpc.aio.AioRpcError) -> DomainError | None:
    """What a failed call to another service, let through by a handler, means for our caller."""
    code = error.code()
    if code is grpc.StatusCode.UNAVAILABLE or from_rpc(error).reason == NOT_LEADER:
        return unavailable(
            "CALLEE_UNAVAILABLE", "A service that this call needs is not available; try again."
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DomainError(code, "CALLEE_TOO_SLOW", "A service that this call needs was too slow.")
    return None
