"""The caller's side: identity, deadline, retries and trace on every call, over either channel.

A deadline shrinks at each hop, so a callee never works for a caller that has given up. Unary calls
are repeated on UNAVAILABLE and NOT_LEADER alone, with backoff and jitter, until the deadline: every
internal method is idempotent. Streams are not repeated; who follows one knows where to resume.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

import grpc

from svc.kit.call import (
    CURRENT_CALL,
    MAX_MESSAGE_BYTES,
    PING_MS,
    PING_PATIENCE_MS,
    REQUEST_ID_KEY,
    TRACEPARENT_KEY,
    remaining_s,
)
from svc.kit.errors import NOT_LEADER, from_rpc
from svc.kit.identity import Identity
from svc.kit.log import trace_id

DEFAULT_TIMEOUT_S = 10.0
"""Deadline of a unary call that was given none and serves no call that has one."""

_FIRST_PAUSE_S = 0.010
_LONGEST_PAUSE_S = 0.500
_CLOSE_GRACE_S = DEFAULT_TIMEOUT_S  # for calls that are open when the channel goes elsewhere

_MAYBE_REPEATED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION)

Q = TypeVar("Q")
R = TypeVar("R")

_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A callee that hangs keeps its connections: only what it does not answer tells that it is
    # gone. Connecting to it hangs as well, and is given up for the next address.
    ("grpc.keepalive_time_ms", PING_MS),
    ("grpc.keepalive_timeout_ms", PING_PATIENCE_MS),
    # The one that gRPC heeds; a minute unless said.
    ("grpc.http2.ping_timeout_ms", PING_PATIENCE_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Repeating is this module's part. A callee that comes back is found within a second.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def dial(target: str) -> grpc.aio.Channel:
    """A bare channel over a socket to ``host:port``, connected on first use."""
    return grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)


def connect(target: str, identity: Identity) -> ClientChannel:
    """A channel to ``host:port`` for generated stubs, calling as ``identity``."""
    return ClientChannel(dial(target), identity)


class BytesMethod(Protocol):
    """A method with one request and one reply, both as wire bytes."""

    def __call__(self, request: bytes, /, *, timeout: float) -> Awaitable[bytes]:
        """The reply. Raises AioRpcError."""


def method_in_bytes(channel: grpc.aio.Channel, path: str) -> BytesMethod:
    """`path` ("/risk.v1.RiskService/PreTradeCheck") for who writes and reads messages himself."""
    method: BytesMethod = channel.unary_unary(
        path, request_serializer=bytes, response_deserializer=bytes
    )
    return method


def parsing(
    method: grpc.aio.UnaryStreamMultiCallable[Q, Any], parse: Callable[[bytes], R]
) -> grpc.aio.UnaryStreamMultiCallable[Q, R]:
    """A method of a stub on a ClientChannel, its replies read by ``parse`` from their bytes.

    What ``parse`` raises its reader gets, and the call is over.
    """
    made: object = method
    assert isinstance(made, _Streaming), "a stub's own method over a ClientChannel"
    made = _Streaming(made.channel, made.attempts.replying_bytes(), parse)
    return cast("grpc.aio.UnaryStreamMultiCallable[Q, R]", made)


class ClientChannel(grpc.aio.Channel):
    """Wraps a bare channel, to a socket or in process, which it then owns.

    A standby's NOT_LEADER moves it to the leader's address; when that one becomes unavailable it
    returns to where it started.
    """

    def __init__(self, home: grpc.aio.Channel, identity: Identity) -> None:
        self._home = home
        self._identity = identity.metadata()
        self._leader = ""
        self.transport = home
        self._closing: set[asyncio.Task[None]] = set()

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See grpc.aio.Channel. Calls are repeated as the module says."""
        attempts = _Attempts(self, "unary_unary", method, request_serializer, response_deserializer)
        return _Repeating(self, attempts)

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See grpc.aio.Channel. Without a timeout of its own or of the call served: no deadline."""
        attempts = _Attempts(
            self, "unary_stream", method, request_serializer, response_deserializer
        )
        return _Streaming(self, attempts)

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See unary_stream."""
        attempts = _Attempts(
            self, "stream_unary", method, request_serializer, response_deserializer
        )
        return _Streaming(self, attempts)

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *,
        _registered_method: bool = False,
    ) -> Any:
        """See unary_stream."""
        attempts = _Attempts(
            self, "stream_stream", method, request_serializer, response_deserializer
        )
        return _Streaming(self, attempts)

    def outgoing(self, metadata: Any) -> tuple[tuple[str, str | bytes], ...]:
        """The metadata of a call: identity, trace, and what the caller gave."""
        trace = trace_id.get()
        added: tuple[tuple[str, str | bytes], ...] = self._identity
        if trace:
            added = (*added, (REQUEST_ID_KEY, trace))
        call = CURRENT_CALL.get()
        if call is not None and call.traceparent:
            added = (*added, (TRACEPARENT_KEY, call.traceparent))
        return (*added, *metadata) if metadata else added

    def learn(self, error: grpc.aio.AioRpcError, used: grpc.aio.Channel) -> bool | None:
        """Moves to where the error of a call over ``used`` points.

        None: the call must not be repeated. True: it goes elsewhere now. False: to the same place.
        """
        if error.code() not in _MAYBE_REPEATED:
            return None
        known = from_rpc(error)
        if known.reason == NOT_LEADER:
            target = known.metadata.get("leader", "") or self._leader
        elif error.code() is grpc.StatusCode.UNAVAILABLE:
            # A reason of ours comes from a server that lives: it is unwell, but it is the one.
            target = self._leader if known.reason else ""
        else:
            return None
        if used is self.transport and target != self._leader:
            self._move(target)
        return used is not self.transport

    def _move(self, leader: str) -> None:
        left = self.transport
        self._leader = leader
        self.transport = dial(leader) if leader else self._home
        if left is not self._home:
            closing = asyncio.get_running_loop().create_task(left.close(_CLOSE_GRACE_S))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self, grace: float | None = None) -> None:
        """Closes every connection; calls that are open have ``grace`` seconds to end."""
        if self.transport is not self._home:
            await self.transport.close(grace)
        await self._home.close(grace)
        for closing in tuple(self._closing):
            closing.cancel()

    def get_state(
        self,
        try_to_connect: bool = False,  # noqa: FBT001, FBT002 (grpc.aio.Channel's own)
    ) -> grpc.ChannelConnectivity:
        """State of the connection in use."""
        return self.transport.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the connection in use has another state."""
        await self.transport.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when the connection in use is ready."""
        await self.transport.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


class _Attempts:
    """Begins calls of one method over whatever connection the channel uses at the moment."""

    def __init__(
        self, channel: ClientChannel, shape: str, path: str, serialize: Any, parse: Any
    ) -> None:
        self._channel = channel
        self._shape = shape
        self._path = path
        self._serialize = serialize
        self._parse = parse
        self._transport: grpc.aio.Channel | None = None
        self._method: Any = None

    def replying_bytes(self) -> _Attempts:
        """The same method, its replies as they are on the wire."""
        return _Attempts(self._channel, self._shape, self._path, self._serialize, bytes)

    def begin(self, request: Any, options: Mapping[str, Any]) -> tuple[Any, grpc.aio.Channel]:
        """The call, and the connection it goes over."""
        transport = self._channel.transport
        if transport is not self._transport:
            self._transport = transport
            self._method = getattr(transport, self._shape)(
                self._path,
                request_serializer=self._serialize,
                response_deserializer=self._parse,
                _registered_method=True,
            )
        return self._method(request, **options), transport


class _Streaming:
    """A method with a stream on either side, ready to be called.

    A parser that is not the transport's runs here: gRPC logs what one raises and goes on.
    """

    def __init__(
        self,
        channel: ClientChannel,
        attempts: _Attempts,
        parse: Callable[[bytes], Any] | None = None,
    ) -> None:
        self.channel = channel
        self.attempts = attempts
        self._parse = parse

    def __call__(
        self,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        **options: Any,
    ) -> _StreamCall:
        left = remaining_s()
        if left is not None:
            timeout = left if timeout is None else min(timeout, left)
        options |= {"timeout": timeout, "metadata": self.channel.outgoing(metadata)}
        return _StreamCall(self.channel, *self.attempts.begin(request, options), self._parse)


class _StreamCall:
    """The call object of grpc.aio, watched for NOT_LEADER so that the next call goes elsewhere."""

    def __init__(
        self,
        channel: ClientChannel,
        call: Any,
        used: grpc.aio.Channel,
        parse: Callable[[bytes], Any] | None,
    ) -> None:
        self._channel = channel
        self._call = call
        self._used = used
        self._parse = parse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._replies()

    async def read(self) -> Any:
        """See grpc.aio.UnaryStreamCall."""
        try:
            reply = await self._call.read()
        except grpc.aio.AioRpcError as error:
            self._channel.learn(error, self._used)
            raise
        if self._parse is None or reply is grpc.aio.EOF:
            return reply
        try:
            return self._parse(reply)
        except Exception:
            self._call.cancel()
            raise

    def __await__(self) -> Generator[Any, None, Any]:
        return self._reply().__await__()

    async def _reply(self) -> Any:
        try:
            return await self._call
        except grpc.aio.AioRpcError as error:
            self._channel.learn(error, self._used)
            raise

    async def _replies(self) -> AsyncIterator[Any]:
        try:
            parse = self._parse
            async for reply in self._call:
                yield reply if parse is None else parse(reply)
        except grpc.aio.AioRpcError as error:
            self._channel.learn(error, self._used)
            raise
        finally:
            # A reader that leaves early ends the call now, not when somebody collects garbage.
            self._call.cancel()


class _Repeating:
    """A method with one request and one reply, ready to be called."""

    def __init__(self, channel: ClientChannel, attempts: _Attempts) -> None:
        self._channel = channel
        self._attempts = attempts

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        **options: Any,
    ) -> _UnaryCall:
        left = remaining_s()
        if timeout is None:
            timeout = DEFAULT_TIMEOUT_S
        if left is not None:
            timeout = min(timeout, left)
        options["metadata"] = self._channel.outgoing(metadata)
        return _UnaryCall(self._channel, self._attempts, request, timeout, options)


class _UnaryCall(grpc.aio.UnaryUnaryCall[Any, Any]):
    """A call that is repeated while it is awaited; status and metadata are the last attempt's."""

    def __init__(
        self,
        channel: ClientChannel,
        attempts: _Attempts,
        request: Any,
        timeout_s: float,
        options: Mapping[str, Any],
    ) -> None:
        self._channel = channel
        self._attempts = attempts
        self._request = request
        self._options = options
        self._deadline = time.monotonic() + timeout_s
        self._pause: asyncio.Future[None] | None = None
        self._begin(timeout_s)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._reply().__await__()

    async def _reply(self) -> Any:
        attempt = 0
        while True:
            try:
                return await self._call
            except grpc.aio.AioRpcError as error:
                moved = self._channel.learn(error, self._used)
                pause_s = 0.0 if moved and not attempt else _pause_s(attempt)
                if moved is None or time.monotonic() + pause_s >= self._deadline:
                    raise
            await self._rest(pause_s)
            attempt += 1
            self._begin(self._deadline - time.monotonic())

    def _begin(self, timeout_s: float) -> None:
        options = {**self._options, "timeout": timeout_s}
        self._call, self._used = self._attempts.begin(self._request, options)

    async def _rest(self, pause_s: float) -> None:
        self._pause = asyncio.ensure_future(asyncio.sleep(pause_s))
        try:
            await self._pause
        finally:
            self._pause = None

    def cancel(self) -> bool:
        """See grpc.aio.Call; also ends the pause between two attempts."""
        if self._pause is not None:
            return self._pause.cancel()
        return bool(self._call.cancel())

    def cancelled(self) -> bool:
        """See grpc.aio.Call."""
        return bool(self._call.cancelled())

    def done(self) -> bool:
        """See grpc.aio.Call; not between two attempts."""
        return self._pause is None and bool(self._call.done())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """See grpc.aio.Call; called at the end of the attempt that runs."""
        self._call.add_done_callback(callback)

    def time_remaining(self) -> float | None:
        """See grpc.aio.Call; of all attempts together."""
        return max(self._deadline - time.monotonic(), 0)

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """See grpc.aio.Call."""
        return cast("grpc.aio.Metadata", await self._call.initial_metadata())

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """See grpc.aio.Call."""
        return cast("grpc.aio.Metadata", await self._call.trailing_metadata())

    async def code(self) -> grpc.StatusCode:
        """See grpc.aio.Call."""
        return cast("grpc.StatusCode", await self._call.code())

    async def details(self) -> str:
        """See grpc.aio.Call."""
        return str(await self._call.details())

    async def wait_for_connection(self) -> None:
        """See grpc.aio.Call."""
        await self._call.wait_for_connection()


def _pause_s(attempt: int) -> float:
    # Half of it is jitter, so that callers that failed together do not come back together.
    longest = min(_FIRST_PAUSE_S * 2.0**attempt, _LONGEST_PAUSE_S)
    return random.uniform(longest / 2, longest)  # noqa: S311 (nothing secret about a pause)
