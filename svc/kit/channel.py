"""A channel between services of one process: generated stubs work on it, no socket is involved.

Calls run the same pipeline as calls over a socket, and messages pass as bytes, so neither side
can reach into the other's objects. What grpc.aio promises a caller holds here: codes, details,
metadata, deadlines, cancellation both ways, and a bounded window on streams. The contract suite
(tests/kit/test_channel_contract.py) runs over both channels.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import grpc

from svc.kit.call import MAX_MESSAGE_BYTES
from svc.kit.inprocess.calls import (
    Parser,
    RequestIterator,
    Serializer,
    StreamStreamCall,
    StreamUnaryCall,
    UnaryCall,
    UnaryStreamCall,
)
from svc.kit.inprocess.exchange import Exchange, Metadata, Status, checked_metadata, too_large
from svc.kit.inprocess.serving import serve
from svc.kit.pipeline import HandlerTable


class InProcessServer:
    """Serves one service's methods to channels of its process.

    Exists before the service does: until the service opens, the pipeline refuses calls.
    """

    def __init__(self, table: HandlerTable) -> None:
        self._table = table
        self._serving: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly

    def open(
        self, path: str, metadata: Metadata, timeout: float | None, request: bytes | None
    ) -> Exchange:
        """Begins a call; ``request`` is None when the requests are a stream."""
        exchange = Exchange(metadata, timeout)
        if exchange.status is not None:
            return exchange
        method = self._table.methods.get(path)
        if method is None:
            exchange.decide(Status(grpc.StatusCode.UNIMPLEMENTED, "Method not found!"))
        elif request is not None and len(request) > MAX_MESSAGE_BYTES:
            exchange.decide(too_large("SERVER", request))
        else:
            task = exchange.start(serve(exchange, method, request))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return exchange


class InProcessChannel(grpc.aio.Channel):
    """Calls one service. Many channels may share a server."""

    def __init__(self, server: InProcessServer) -> None:
        self._server = server
        self._closing = asyncio.Event()

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See grpc.aio.Channel."""
        return _OneRequest(self, method, request_serializer, response_deserializer, UnaryCall)

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See grpc.aio.Channel."""
        return _OneRequest(self, method, request_serializer, response_deserializer, UnaryStreamCall)

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See grpc.aio.Channel."""
        return _ManyRequests(
            self, method, request_serializer, response_deserializer, StreamUnaryCall
        )

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See grpc.aio.Channel."""
        return _ManyRequests(
            self, method, request_serializer, response_deserializer, StreamStreamCall
        )

    def open(
        self, path: str, metadata: Any, timeout: float | None, request: bytes | None
    ) -> Exchange:
        """Begins a call; ``request`` is None when the requests are a stream."""
        if self._closing.is_set():
            raise grpc.aio.UsageError("Channel is closed.")
        return self._server.open(path, checked_metadata(metadata), timeout, request)

    async def close(self, grace: float | None = None) -> None:
        """Refuses new calls; those that are open go on to their own end."""
        self._closing.set()

    def get_state(
        self,
        try_to_connect: bool = False,  # noqa: FBT001, FBT002 (grpc.aio.Channel's own)
    ) -> grpc.ChannelConnectivity:
        """READY until it is closed: there is nothing to connect."""
        if self._closing.is_set():
            return grpc.ChannelConnectivity.SHUTDOWN
        return grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state is another one; it only changes by close()."""
        while self.get_state() is last_observed_state:
            await self._closing.wait()

    async def channel_ready(self) -> None:
        """Returns at once: there is nothing to connect."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


class _OneRequest:
    """A method that takes one request, ready to be called."""

    def __init__(
        self,
        channel: InProcessChannel,
        path: str,
        serialize: Serializer,
        parse: Parser,
        call: type[UnaryCall | UnaryStreamCall],
    ) -> None:
        self._channel = channel
        self._path = path
        self._serialize = serialize
        self._parse = parse
        self._call = call

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> UnaryCall | UnaryStreamCall:
        payload = self._serialize(request)
        exchange = self._channel.open(self._path, metadata, timeout, payload)
        return self._call(exchange, self._parse)


class _ManyRequests:
    """A method that takes a stream of requests, ready to be called."""

    def __init__(
        self,
        channel: InProcessChannel,
        path: str,
        serialize: Serializer,
        parse: Parser,
        call: type[StreamUnaryCall | StreamStreamCall],
    ) -> None:
        self._channel = channel
        self._path = path
        self._serialize = serialize
        self._parse = parse
        self._call = call

    def __call__(
        self,
        request_iterator: RequestIterator | None = None,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> StreamUnaryCall | StreamStreamCall:
        exchange = self._channel.open(self._path, metadata, timeout, None)
        return self._call(exchange, self._parse, self._serialize, request_iterator)
