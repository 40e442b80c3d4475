"""One service with handlers that a test writes, reachable over a socket or in process.

Real generated servicers of engine.v1 and order.v1 under the real pipeline; a test gives the
handlers it needs and calls them through generated stubs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc
from order.v1 import order_pb2, order_pb2_grpc
from prometheus_client import CollectorRegistry

from svc.kit.channel import InProcessChannel, InProcessServer
from svc.kit.client import ClientChannel, dial
from svc.kit.health import Health
from svc.kit.identity import create_secrets, load_identities, load_identity
from svc.kit.pipeline import HandlerTable, Phase, Pipeline, takes_bytes
from svc.kit.server import RpcServer
from svc.kit.telemetry import RpcMetrics

SERVICE = "engine"
CALLERS = ("order", "risk", "wallet", "mesh", "edge")
PLACE = "/engine.v1.EngineService/PlaceOrder"
SUBMIT_ORDERS = "/order.v1.OrderService/SubmitOrders"
CANCEL = "/engine.v1.EngineService/CancelOrder"

Behavior = Callable[..., Any]


@dataclass
class Handlers:
    """What the methods do; a test sets those it calls."""

    place: Behavior | None = None
    events: Behavior | None = None
    submit: Behavior | None = None
    create: Behavior | None = None
    items: Behavior | None = None
    item_stream: Behavior | None = None
    collect: Behavior | None = None


class _Engine(engine_pb2_grpc.EngineServiceServicer):
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def PlaceOrder(self, request: Any, context: Any) -> Any:
        assert self._handlers.place is not None
        return await self._handlers.place(request, context)

    async def StreamEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:
        assert self._handlers.events is not None
        async with aclosing(self._handlers.events(request, context)) as replies:
            async for reply in replies:
                yield reply

    async def Submit(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override]
        # A coroutine that writes, where StreamEvents generates: gRPC and kit serve both forms,
        # the generated types know one.
        assert self._handlers.submit is not None
        await self._handlers.submit(request_iterator, context)

    # SnapshotOrders and GetStatus stay those of the generated base: not served.


class _Orders(order_pb2_grpc.OrderServiceServicer):
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def CreateOrder(self, request: Any, context: Any) -> Any:
        assert self._handlers.create is not None
        return await self._handlers.create(request, context)

    @takes_bytes
    async def SubmitOrders(self, request: Any, context: Any) -> Any:
        assert self._handlers.items is not None
        return await self._handlers.items(request, context)

    @takes_bytes
    async def StreamOrders(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        assert self._handlers.item_stream is not None
        async with aclosing(self._handlers.item_stream(request_iterator, context)) as replies:
            async for reply in replies:
                yield reply


@dataclass
class Wire:
    """The service, and a bare channel to it."""

    channel: grpc.aio.Channel
    handlers: Handlers
    pipeline: Pipeline
    table: HandlerTable
    registry: CollectorRegistry
    secrets: Path
    rpc: RpcServer | None = None
    address: tuple[str, int] = ("", 0)

    @property
    def target(self) -> str:
        """Name where the socket listens."""
        return f"{self.address[0]}:{self.address[1]}"

    async def stop(self) -> None:
        """End the service and its socket, before the test is over."""
        await self.pipeline.close(0)
        if self.rpc is not None:
            await self.rpc.stop()

    def identity(self, caller: str) -> Any:
        """Give the metadata by which a caller is known."""
        return load_identity(self.secrets, caller).metadata()

    def client(self, caller: str = "order") -> ClientChannel:
        """Wrap the bare channel as services do."""
        return ClientChannel(self.channel, load_identity(self.secrets, caller))

    def engine(self, caller: str = "order") -> Any:
        """Give a stub of the engine that calls as services do."""
        return engine_pb2_grpc.EngineServiceStub(self.client(caller))

    def orders(self, caller: str = "edge") -> Any:
        """Give a stub of the public order service."""
        return order_pb2_grpc.OrderServiceStub(self.client(caller))

    def collecting(self) -> Any:
        """Give the method that takes many requests and replies once, as order calls it."""
        return self.client().stream_unary(
            CANCEL,
            request_serializer=order_pb2.CreateOrderRequest.SerializeToString,
            response_deserializer=engine_pb2.PlaceOrderResponse.FromString,
        )

    def bare_engine(self) -> Any:
        """Give a stub of the engine to which nothing is added, not even an identity."""
        return engine_pb2_grpc.EngineServiceStub(self.channel)


def _add_collecting(table: HandlerTable, handlers: Handlers) -> None:
    """Serve CancelOrder as many requests to one reply, a shape that no proto of ours has."""

    async def collect(requests: Any, context: Any) -> Any:
        assert handlers.collect is not None
        return await handlers.collect(requests, context)

    handler = grpc.stream_unary_rpc_method_handler(
        collect,
        order_pb2.CreateOrderRequest.FromString,
        engine_pb2.PlaceOrderResponse.SerializeToString,
    )
    table.add_registered_method_handlers("engine.v1.EngineService", {"CancelOrder": handler})


@asynccontextmanager
async def open_wire(kind: str, secrets: Path, phase: Phase = Phase.SERVING) -> AsyncIterator[Wire]:
    """Serve handlers over ``kind``: "socket" or "in process"."""
    create_secrets(secrets, CALLERS)
    registry = CollectorRegistry()
    pipeline = Pipeline(SERVICE, load_identities(secrets), RpcMetrics(registry))
    pipeline.phase = phase
    table = HandlerTable(pipeline)
    handlers = Handlers()
    server = cast("grpc.aio.Server", table)
    engine_pb2_grpc.add_EngineServiceServicer_to_server(
        cast("Callable[[Handlers], _Engine]", _Engine)(handlers), server
    )
    order_pb2_grpc.add_OrderServiceServicer_to_server(
        cast("Callable[[Handlers], _Orders]", _Orders)(handlers), server
    )
    _add_collecting(table, handlers)
    if kind == "in process":
        channel: grpc.aio.Channel = InProcessChannel(InProcessServer(table))
        wire = Wire(channel, handlers, pipeline, table, registry, secrets)
    else:
        rpc = RpcServer(table, Health(pipeline, {}))
        address = ("127.0.0.1", await rpc.start("127.0.0.1", 0))
        channel = dial(f"{address[0]}:{address[1]}")
        wire = Wire(channel, handlers, pipeline, table, registry, secrets, rpc, address)
    yield wire
    await channel.close(None)
    await wire.stop()
