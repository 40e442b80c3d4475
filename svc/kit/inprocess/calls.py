"""The client's half of a call in process: the objects that generated stubs return.

They behave as those of grpc.aio, as far as callers use them: awaiting, reading and writing,
iterating, cancelling, status and metadata. A stream that is dropped unread is cancelled; a call
with one reply that nobody awaits runs to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from typing import Any

import grpc

from svc.kit.call import MAX_MESSAGE_BYTES
from svc.kit.inprocess.exchange import Exchange, Status, too_large

Serializer = Callable[[Any], bytes]
Parser = Callable[[bytes], Any]
RequestIterator = AsyncIterable[Any] | Iterable[Any]

CANCELLED = Status(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
DROPPED = Status(grpc.StatusCode.CANCELLED, "Cancelled upon garbage collection!")

_FINISHED = "RPC already finished."
_HALF_CLOSED = 'RPC is half closed after calling "done_writing".'
_MIXED = "The iterator and read/write APIs may not be mixed on a single RPC."


class _Call(grpc.aio.Call):
    """What all shapes share: the status, once there is one, and the ways to end the call."""

    def __init__(self, exchange: Exchange, parse: Parser) -> None:
        self._exchange = exchange
        self._parse = parse

    def cancel(self) -> bool:
        """Ends the call and cancels its handler; False if it had ended."""
        return self._exchange.cut(CANCELLED)

    def cancelled(self) -> bool:
        """Whether the call ended as cancelled."""
        status = self._exchange.status
        return status is not None and status.code is grpc.StatusCode.CANCELLED

    def done(self) -> bool:
        """Whether the call has its status."""
        return self._exchange.status is not None

    def time_remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return self._exchange.time_remaining()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Calls back with this call when it has its status; at once if it has."""
        if self._exchange.status is not None:
            callback(self)
        else:
            self._exchange.on_end.append(lambda: callback(self))

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """Waits for what the server sent ahead."""
        return grpc.aio.Metadata(*await self._exchange.initial_metadata())

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """Waits for the status and gives what came with it."""
        return grpc.aio.Metadata(*(await self._exchange.ended()).trailing)

    async def code(self) -> grpc.StatusCode:
        """Waits for the status and gives its code."""
        return (await self._exchange.ended()).code

    async def details(self) -> str:
        """Waits for the status and gives its text."""
        return (await self._exchange.ended()).text

    async def debug_error_string(self) -> str:
        """Waits for the status and gives its text: there is no transport with more to say."""
        return (await self._exchange.ended()).text

    async def wait_for_connection(self) -> None:
        """There is nothing to connect; raises if the call has failed already."""
        self._raise_for_status()

    def _raise_for_status(self) -> None:
        status = self._exchange.status
        if status is CANCELLED or status is DROPPED:
            raise asyncio.CancelledError
        if status is not None and status.code is not grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(
                status.code,
                grpc.aio.Metadata(*(self._exchange.initial or ())),
                grpc.aio.Metadata(*status.trailing),
                details=status.text,
                debug_error_string=status.text,
            )


class _OneReply(_Call):
    def __await__(self) -> Generator[Any, None, Any]:
        return self._reply().__await__()

    async def _reply(self) -> Any:
        try:
            await self._exchange.ended()
        except asyncio.CancelledError:
            self.cancel()
            raise
        self._raise_for_status()
        return self._parse(self._exchange.reply)


class _ManyReplies(_Call):
    _iterates: bool | None = None
    _iterator: AsyncIterator[Any] | None = None

    def __del__(self) -> None:
        if self._exchange.status is None:
            self._exchange.cut(DROPPED)

    def __aiter__(self) -> AsyncIterator[Any]:
        self._choose(iterates=True)
        if self._iterator is None:
            self._iterator = self._replies()
        return self._iterator

    async def read(self) -> Any:
        """The next reply, or grpc.aio.EOF after the last; raises the error it ended with."""
        if self._exchange.status is not None:
            self._raise_for_status()
            return grpc.aio.EOF
        self._choose(iterates=False)
        return await self._read()

    async def _replies(self) -> AsyncIterator[Any]:
        while (reply := await self._read()) is not grpc.aio.EOF:
            yield reply

    async def _read(self) -> Any:
        try:
            message = await self._exchange.receive()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if message is None:
            await self._exchange.ended()
            self._raise_for_status()
            return grpc.aio.EOF
        if len(message) > MAX_MESSAGE_BYTES:
            self._exchange.cut(too_large("CLIENT", message))
            self._raise_for_status()
        return self._parse(message)

    def _choose(self, *, iterates: bool) -> None:
        if self._iterates is None:
            self._iterates = iterates
        elif self._iterates is not iterates:
            raise grpc.aio.UsageError(_MIXED)


class _ManyRequests(_Call):
    def __init__(
        self,
        exchange: Exchange,
        parse: Parser,
        serialize: Serializer,
        requests: RequestIterator | None,
    ) -> None:
        super().__init__(exchange, parse)
        self._serialize = serialize
        self._written = False
        self._sending: asyncio.Task[None] | None = None
        if requests is not None:
            self._sending = asyncio.get_running_loop().create_task(self._send_all(requests))

    def cancel(self) -> bool:
        """Also stops taking from the request iterator."""
        if not super().cancel():
            return False
        if self._sending is not None:
            self._sending.cancel()
        return True

    async def write(self, request: Any) -> None:
        """Sends a request, waiting for room in the window."""
        self._raise_if_iterating()
        await self._write(request)

    async def done_writing(self) -> None:
        """Tells the server that no more requests come. Idempotent."""
        self._raise_if_iterating()
        self._close()

    async def _send_all(self, requests: RequestIterator) -> None:
        try:
            if isinstance(requests, AsyncIterable):
                async for request in requests:
                    await self._write(request)
            else:
                for request in requests:
                    await self._write(request)
            self._close()
        except grpc.aio.AioRpcError:
            return  # the call has failed; whoever awaits the reply is told
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 (whatever the iterator raises)
            self.cancel()  # both halves see a cancelled call, as over a socket

    async def _write(self, request: Any) -> None:
        if self._exchange.status is not None:
            raise asyncio.InvalidStateError(_FINISHED)
        if self._written:
            raise asyncio.InvalidStateError(_HALF_CLOSED)
        try:
            taken = await self._exchange.requests.put(self._serialize(request))
        except asyncio.CancelledError:
            self.cancel()
            raise
        if not taken:
            self._raise_for_status()

    def _close(self) -> None:
        self._written = True
        self._exchange.requests.close()

    def _raise_if_iterating(self) -> None:
        if self._sending is not None:
            raise grpc.aio.UsageError(_MIXED)


class UnaryCall(_OneReply, grpc.aio.UnaryUnaryCall[Any, Any]):
    """One request, one reply."""


class UnaryStreamCall(_ManyReplies, grpc.aio.UnaryStreamCall[Any, Any]):
    """One request, many replies."""


class StreamUnaryCall(_ManyRequests, _OneReply, grpc.aio.StreamUnaryCall[Any, Any]):
    """Many requests, one reply."""


class StreamStreamCall(_ManyRequests, _ManyReplies, grpc.aio.StreamStreamCall[Any, Any]):
    """Many requests, many replies."""
