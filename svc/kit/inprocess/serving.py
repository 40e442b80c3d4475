"""The server's half of a call in process: what the handler sees of it.

Behaves as the context that grpc.aio gives to a handler, as far as handlers use it, including what
it refuses: anything after an abort, initial metadata sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, NoReturn, cast

import grpc
from google.protobuf.message import Message

from svc.kit.call import MAX_MESSAGE_BYTES, Context
from svc.kit.inprocess.exchange import (
    Exchange,
    Metadata,
    Status,
    checked_metadata,
    too_large,
)
from svc.kit.pipeline import Method

_FINISHED = "RPC already finished."


async def serve(exchange: Exchange, method: Method, request: bytes | None) -> None:
    """Runs a method for a call; ``request`` is None when the requests are a stream."""
    context = InProcessContext(exchange, method)
    incoming = context.requests() if request is None else request
    try:
        reply = await method.serve(incoming, cast("Context", context))
    except grpc.aio.BaseError:
        pass  # abort() has decided the status, also when something was raised after it
    except asyncio.CancelledError:
        exchange.decide(Status(grpc.StatusCode.CANCELLED, "The server cancelled the call."))
    else:
        if reply is not None and len(reply) > MAX_MESSAGE_BYTES:
            exchange.decide(too_large("CLIENT", reply))
        exchange.decide(context.outcome(), reply or b"")
    finally:
        context.finish()


class InProcessContext(grpc.aio.ServicerContext[Any, Any]):
    """What a handler gets beside the request when its caller is in the same process."""

    def __init__(self, exchange: Exchange, method: Method) -> None:
        self._exchange = exchange
        self._method = method
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailing: Metadata = ()
        self._aborted: grpc.aio.AbortError | None = None
        self._callbacks: list[Callable[[Any], None]] = []

    async def requests(self) -> AsyncIterator[Message]:
        """The request stream as handlers take it."""
        while (request := await self.read()) is not grpc.aio.EOF:
            yield request

    async def read(self) -> Any:
        """The next request of a stream, or grpc.aio.EOF."""
        self._raise_if_over()
        payload = await self._exchange.requests.get()
        self._raise_if_over()
        return grpc.aio.EOF if payload is None else self._method.parse(payload)

    async def write(self, message: Message) -> None:
        """Sends a reply of a stream, waiting for room in its window."""
        self._raise_if_over()
        self._exchange.send_initial(())
        await self._exchange.replies.put(self._method.serialize(message))

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Sends the initial metadata; once, and before any reply."""
        self._raise_if_over()
        if self._exchange.initial is not None:
            raise grpc.aio.UsageError("Send initial metadata failed: already sent")
        self._exchange.send_initial(checked_metadata(initial_metadata))

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()
    ) -> NoReturn:
        """Ends the call with an error; raises AbortError, which the handler must let through."""
        if self._aborted is not None:
            raise grpc.aio.UsageError("Abort already called!")
        self._code = code
        self._details = details or self._details
        self._trailing = checked_metadata(trailing_metadata) or self._trailing
        self._aborted = grpc.aio.AbortError("Locally aborted.")
        self._exchange.decide(self.outcome())
        raise self._aborted

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """As abort, from a status object."""
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def outcome(self) -> Status:
        """The status as set so far."""
        return Status(self._code or grpc.StatusCode.OK, self._details, self._trailing)

    def finish(self) -> None:
        """Runs the callbacks; the handler has returned."""
        for callback in self._callbacks:
            callback(self)

    def invocation_metadata(self) -> Any:
        """What the caller sent."""
        return self._exchange.metadata

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Decides what goes out with the status."""
        self._trailing = checked_metadata(trailing_metadata)

    def trailing_metadata(self) -> Any:
        """What goes out with the status, as decided so far."""
        return self._trailing

    def set_code(self, code: grpc.StatusCode) -> None:
        """Decides the status code; not OK discards a reply."""
        self._code = code

    def code(self) -> Any:
        """The status code as decided so far; None when it is not."""
        return self._code

    def set_details(self, details: str) -> None:
        """Decides the text of the status."""
        self._details = details

    def details(self) -> str:
        """The text of the status as decided so far."""
        return self._details

    def time_remaining(self) -> Any:
        """Seconds until the caller's deadline; None without one."""
        return self._exchange.time_remaining()

    def add_done_callback(self, callback: Any) -> None:
        """Calls back with this context when the handler has returned."""
        self._callbacks.append(callback)

    def done(self) -> bool:
        """Whether the status is decided."""
        return self._exchange.status is not None

    def cancelled(self) -> bool:
        """Whether the call ended as cancelled."""
        status = self._exchange.status
        return status is not None and status.code is grpc.StatusCode.CANCELLED

    def peer(self) -> str:
        """Where the caller is."""
        return "inprocess:"

    def peer_identities(self) -> Iterable[bytes] | None:
        """Nothing: identity is in the metadata."""
        return None

    def peer_identity_key(self) -> str | None:
        """Nothing: identity is in the metadata."""
        return None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Nothing: identity is in the metadata."""
        return {}

    def set_compression(self, compression: grpc.Compression) -> None:
        """Nothing is compressed in process."""

    def disable_next_message_compression(self) -> None:
        """Nothing is compressed in process."""

    def _raise_if_over(self) -> None:
        if self._aborted is not None:
            raise self._aborted
        if self._exchange.status is not None:
            raise grpc.aio.UsageError(_FINISHED)
