"""How a service calls another: what is repeated, how long, as whom, in which trace, and where.

Every test that needs one channel only runs over a socket and in process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from engine.v1 import engine_pb2_grpc

from svc.kit import log
from svc.kit.call import CURRENT_CALL
from svc.kit.client import DEFAULT_TIMEOUT_S, connect, method_in_bytes
from svc.kit.errors import DomainError, failed_precondition, not_leader, unavailable
from svc.kit.health import Health
from svc.kit.identity import load_identity
from svc.kit.pipeline import Phase
from svc.kit.server import RpcServer
from tests.kit.rpc.messages import EVENTS, event, forever, outcome, place, placed
from tests.kit.rpc.wire import PLACE, Wire, open_wire

StatusCode = grpc.StatusCode


class FailsAtFirst:
    """Answer with an error so many times, then with success."""

    def __init__(self, error: DomainError, times: int) -> None:
        self.error = error
        self.times = times
        self.calls = 0

    async def __call__(self, request: Any, _context: Any) -> Any:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return placed(request.number)


async def test_unavailable_is_repeated_until_it_succeeds(wire: Wire) -> None:
    handler = wire.handlers.place = FailsAtFirst(unavailable("AWAY", "for a moment"), 3)
    call = wire.engine().PlaceOrder(place(4))
    assert await call == placed(4)
    assert handler.calls == 4
    assert (await call.code(), call.done()) == (StatusCode.OK, True)


async def test_a_method_in_bytes_is_called_as_any_other(wire: Wire) -> None:
    wire.handlers.place = FailsAtFirst(unavailable("AWAY", "for a moment"), 1)
    method = method_in_bytes(wire.client(), PLACE)
    assert await method(place(4).SerializeToString(), timeout=5) == placed(4).SerializeToString()


@pytest.mark.parametrize(
    "code",
    [c for c in StatusCode if c not in (StatusCode.OK, StatusCode.UNAVAILABLE)],
    ids=lambda code: code.name,
)
async def test_no_other_code_is_repeated(wire: Wire, code: StatusCode) -> None:
    handler = wire.handlers.place = FailsAtFirst(DomainError(code, "ONCE", "only once"), 1)
    failed = await outcome(wire.engine().PlaceOrder(place(), timeout=5))
    assert (failed.code, failed.reason, handler.calls) == (code, "ONCE", 1)


async def test_repeating_ends_with_the_deadline(wire: Wire) -> None:
    handler = wire.handlers.place = FailsAtFirst(unavailable("AWAY", "for good"), 10**9)
    failed = await outcome(wire.engine().PlaceOrder(place(), timeout=0.3))
    assert failed.code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)
    assert 1 <= handler.calls < 40  # the pauses grow


async def test_a_call_can_be_cancelled_between_two_attempts(wire: Wire) -> None:
    failed_once = asyncio.Event()

    async def handle(_request: Any, _context: Any) -> Any:
        failed_once.set()
        raise unavailable("AWAY", "for good")

    wire.handlers.place = handle
    call = wire.engine().PlaceOrder(place(), timeout=60)
    waiting = asyncio.ensure_future(call)
    await failed_once.wait()
    call.cancel()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_stream_is_not_repeated(wire: Wire) -> None:
    calls = 0

    async def handle(_request: Any, _context: Any) -> Any:
        nonlocal calls
        calls += 1
        yield event()
        raise unavailable("AWAY", "for a moment")

    wire.handlers.events = handle
    stream = wire.engine().StreamEvents(EVENTS)
    await stream.read()
    assert (await outcome(stream.read())).reason == "AWAY"
    assert calls == 1


async def test_a_call_without_a_timeout_has_the_default_one(wire: Wire) -> None:
    left: list[float] = []

    async def handle(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return placed(1)

    wire.handlers.place = handle
    await wire.engine().PlaceOrder(place())
    assert DEFAULT_TIMEOUT_S - 5 < left[0] <= DEFAULT_TIMEOUT_S


async def test_a_deadline_shrinks_at_every_hop(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svc.kit.call.DEADLINE_SHAVE_S", 1.0)  # gRPC rounds up to tenths
    left: list[float] = []

    async def handle(request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        if request.number:
            await wire.engine().PlaceOrder(place(request.number - 1))
        return placed(request.number)

    wire.handlers.place = handle
    await wire.engine().PlaceOrder(place(3), timeout=60)
    shaves = [before - after for before, after in pairwise(left)]
    assert len(shaves) == 3
    assert min(shaves) > 0.5


async def test_a_callee_that_is_late_leaves_time_to_say_so(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.kit.call.DEADLINE_SHAVE_S", 10.0)

    async def handle(request: Any, _context: Any) -> Any:
        if request.number == 0:
            await forever()
        await wire.engine().PlaceOrder(place(0))

    wire.handlers.place = handle
    failed = await outcome(wire.engine().PlaceOrder(place(1), timeout=10.1))
    assert (failed.code, failed.reason) == (StatusCode.DEADLINE_EXCEEDED, "CALLEE_TOO_SLOW")


async def test_a_call_that_could_not_answer_in_time_is_not_made(wire: Wire) -> None:
    reached: list[int] = []

    async def handle(request: Any, _context: Any) -> Any:
        reached.append(request.number)
        call = CURRENT_CALL.get()
        assert call is not None
        assert call.deadline is not None
        call.deadline -= 60  # as if this handler had taken so long
        await wire.engine().PlaceOrder(place(0))

    wire.handlers.place = handle
    failed = await outcome(wire.engine().PlaceOrder(place(1), timeout=60))
    assert (failed.code, failed.reason) == (StatusCode.DEADLINE_EXCEEDED, "CALLEE_TOO_SLOW")
    assert reached == [1]


async def test_a_task_that_outlives_its_call_is_not_bound_by_its_deadline(wire: Wire) -> None:
    left: list[float] = []
    answered = asyncio.Event()
    behind: list[asyncio.Task[Any]] = []

    async def call_later() -> Any:
        await answered.wait()
        return await wire.engine().PlaceOrder(place(0))

    async def handle(request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        if request.number:
            behind.append(asyncio.create_task(call_later()))
        return placed(request.number)

    wire.handlers.place = handle
    await wire.engine().PlaceOrder(place(1), timeout=5)
    await wire.engine().PlaceOrder(place(0), timeout=5)  # by now the first one's books are closed
    answered.set()
    await behind[0]
    assert left[2] > 5


async def test_the_trace_goes_on_with_the_calls_that_a_call_makes(wire: Wire) -> None:
    seen: list[tuple[str, str]] = []
    parent = f"00-{'c' * 32}-{'d' * 16}-01"

    async def handle(request: Any, context: Any) -> Any:
        headers = dict(context.invocation_metadata())
        seen.append((log.trace_id.get(), str(headers.get("traceparent", ""))))
        if request.number:
            await wire.engine().PlaceOrder(place(0))
        return placed(1)

    wire.handlers.place = handle
    await wire.engine().PlaceOrder(place(1), metadata=(("traceparent", parent),))
    await wire.engine().PlaceOrder(place(1), metadata=(("x-request-id", "r-7"),))
    assert seen == [("c" * 32, parent)] * 2 + [("r-7", "")] * 2


async def test_calls_to_a_standby_go_to_the_leader_it_names(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        standby = await stack.enter_async_context(open_wire("socket", tmp_path / "secrets"))
        leader = await stack.enter_async_context(open_wire("socket", tmp_path / "secrets"))
        asked = FailsAtFirst(not_leader(leader.target), 10**9)
        standby.handlers.place = asked
        leader.handlers.place = FailsAtFirst(unavailable("WARMING_UP", "soon"), 1)
        client = connect(standby.target, load_identity(tmp_path / "secrets", "order"))
        stub = engine_pb2_grpc.EngineServiceStub(client)
        assert await stub.PlaceOrder(place(1)) == placed(1)
        assert await stub.PlaceOrder(place(2)) == placed(2)
        assert asked.calls == 1  # it moved once, and an unwell leader is still the leader
        await client.close()


async def test_not_leader_is_followed_also_as_a_failed_precondition(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        standby = await stack.enter_async_context(open_wire("in process", tmp_path / "secrets"))
        leader = await stack.enter_async_context(open_wire("socket", tmp_path / "secrets"))
        error = failed_precondition("NOT_LEADER", "a standby", leader=leader.target)
        standby.handlers.place = FailsAtFirst(error, 10**9)
        leader.handlers.place = FailsAtFirst(error, 0)
        client = standby.client()
        assert await engine_pb2_grpc.EngineServiceStub(client).PlaceOrder(place(1)) == placed(1)
        await client.close()


async def test_a_stream_to_a_standby_fails_and_the_next_one_goes_to_the_leader(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        standby = await stack.enter_async_context(open_wire("in process", tmp_path / "secrets"))
        leader = await stack.enter_async_context(open_wire("socket", tmp_path / "secrets"))

        async def refuse(_request: Any, _context: Any) -> Any:
            for _ in ():
                yield
            raise not_leader(leader.target)

        async def serve(_request: Any, _context: Any) -> Any:
            yield event(number=8)

        standby.handlers.events = refuse
        leader.handlers.events = serve
        client = standby.client()
        stub = engine_pb2_grpc.EngineServiceStub(client)
        failed = await outcome(stub.StreamEvents(EVENTS).read())
        assert failed.metadata == {"leader": leader.target}
        numbers = [e.heartbeat.position.sequence async for e in stub.StreamEvents(EVENTS)]
        assert numbers == [8]
        await client.close()


async def test_a_leader_that_is_gone_sends_calls_back_to_where_they_began(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(open_wire("in process", tmp_path / "secrets"))
        gone = await stack.enter_async_context(open_wire("socket", tmp_path / "secrets"))
        target = gone.target
        home.handlers.place = FailsAtFirst(not_leader(target), 1)
        gone.handlers.place = FailsAtFirst(not_leader(""), 0)
        client = home.client()
        stub = engine_pb2_grpc.EngineServiceStub(client)
        assert await stub.PlaceOrder(place(1)) == placed(1)
        await gone.stop()
        assert await stub.PlaceOrder(place(2)) == placed(2)
        assert home.handlers.place.calls == 2
        await client.close()


class Way:
    """A way to a server that may hang: it takes connections and bytes, and passes nothing on."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._opens = asyncio.Event()
        self._opens.set()

    def hang(self) -> None:
        self._opens.clear()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[str]:
        """Gives where it begins."""
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = listening.sockets[0].getsockname()
        yield f"{host}:{port}"
        listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._server)
        for way in (self._pass(reader, back), self._pass(there, writer)):
            self._tasks.add(asyncio.create_task(way))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1 << 16):
                await self._opens.wait()
                writer.write(chunk)
                await writer.drain()
        finally:
            writer.close()


async def test_callers_leave_a_server_that_hangs_for_one_that_answers(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_wire("socket", tmp_path / "secrets"))
        second = await stack.enter_async_context(open_wire("socket", tmp_path / "secrets"))
        way = Way(first.address)
        begins = await stack.enter_async_context(way.run())

        async def events(_request: Any, _context: Any) -> Any:
            yield event()
            await forever()

        asked = [FailsAtFirst(unavailable("", ""), 0) for _ in range(2)]
        for wire, handler in zip((first, second), asked, strict=True):
            wire.handlers.place = handler
            wire.handlers.events = events
        identity = load_identity(tmp_path / "secrets", "order")
        client = connect(f"ipv4:{begins},{second.target}", identity)
        stub = engine_pb2_grpc.EngineServiceStub(client)
        assert await stub.PlaceOrder(place(1), timeout=60) == placed(1)
        stream = stub.StreamEvents(EVENTS)
        await stream.read()
        assert [handler.calls for handler in asked] == [1, 0]
        way.hang()
        # It is found out within seconds; a minute is what gRPC would take.
        assert await stub.PlaceOrder(place(2), timeout=40) == placed(2)
        assert [handler.calls for handler in asked] == [1, 1]
        assert (await outcome(stream.read())).code is StatusCode.UNAVAILABLE
        await stub.StreamEvents(EVENTS).read()
        await client.close()


async def test_a_server_that_comes_back_on_its_port_is_found_again(tmp_path: Path) -> None:
    async with open_wire("socket", tmp_path / "secrets") as wire:
        wire.handlers.place = FailsAtFirst(unavailable("", ""), 0)
        client = connect(wire.target, load_identity(tmp_path / "secrets", "order"))
        stub = engine_pb2_grpc.EngineServiceStub(client)
        assert await stub.PlaceOrder(place(1)) == placed(1)
        await wire.stop()
        waiting = asyncio.ensure_future(stub.PlaceOrder(place(2), timeout=60))
        wire.pipeline.phase = Phase.SERVING
        again = RpcServer(wire.table, Health(wire.pipeline, {}))
        await again.start(*wire.address)
        assert await waiting == placed(2)
        await client.close()
        await again.stop()
