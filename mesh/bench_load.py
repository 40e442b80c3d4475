"""The loads of `mesh bench orders`: closed loops that count what came back.

Every loop ends by itself when its time is over. Latencies are from call to answer; nothing is
retried, a refusal is counted under its reason.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import grpc
import orjson
from google.protobuf.json_format import MessageToDict
from order.v1 import order_pb2, order_pb2_grpc

from mesh.order_flow import OrderFlow
from mesh.rest import RestConnection
from svc.kit.errors import from_rpc

LIST_ITEMS = 64
_LISTS_IN_FLIGHT = 32
_UNARY_IN_FLIGHT = 64
_STREAM_IN_FLIGHT = 64


@dataclass(slots=True)
class Tally:
    """What a load has got so far."""

    accepted: int = 0
    cancels: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    latencies_ns: list[int] = field(default_factory=list)

    def count(self, item: order_pb2.OrderItem, result: order_pb2.OrderItemResult) -> bool:
        """Count one answered item; whether it is an order that was accepted."""
        if result.HasField("error"):
            self.refused[result.error.reason] += 1
        elif item.HasField("cancel"):
            self.cancels += 1
        else:
            self.accepted += 1
            return True
        return False

    def count_order(self, reason: str) -> None:
        """Count one answered order; an empty reason means that it was accepted."""
        if reason:
            self.refused[reason] += 1
        else:
            self.accepted += 1


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the load: its token and its flow of orders."""

    token: str
    flow: OrderFlow

    @property
    def metadata(self) -> tuple[tuple[str, str]]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the load goes."""

    channel: grpc.aio.Channel
    host: str
    port: int


Load = Callable[[Edge, Sequence[Account], int, Tally], Awaitable[None]]
"""A load: edge, accounts, end of its time (time.monotonic_ns), what it counts in."""


async def lists(edge: Edge, accounts: Sequence[Account], end_ns: int, tally: Tally) -> None:
    """SubmitOrders with lists of 64, 32 in flight, each of one account."""
    stub = order_pb2_grpc.OrderServiceStub(edge.channel)

    async def one(mine: Sequence[Account]) -> None:
        turn = 0
        while time.monotonic_ns() < end_ns:
            account = mine[turn % len(mine)]
            turn += 1
            items = account.flow.items(LIST_ITEMS)
            started_ns = time.monotonic_ns()
            answer = await stub.SubmitOrders(
                order_pb2.SubmitOrdersRequest(items=items), metadata=account.metadata
            )
            tally.latencies_ns.append(time.monotonic_ns() - started_ns)
            for item, result in zip(items, answer.results, strict=True):
                if tally.count(item, result):
                    account.flow.accepted(result.order_id)

    await asyncio.gather(*(one(accounts[at::_LISTS_IN_FLIGHT]) for at in range(_LISTS_IN_FLIGHT)))


async def stream(edge: Edge, accounts: Sequence[Account], end_ns: int, tally: Tally) -> None:
    """StreamOrders: 8 streams of single orders, 64 in flight on each."""
    stub = order_pb2_grpc.OrderServiceStub(edge.channel)
    await asyncio.gather(*(_one_stream(stub, a, end_ns, tally) for a in accounts[:8]))


async def _one_stream(
    stub: order_pb2_grpc.OrderServiceAsyncStub, account: Account, end_ns: int, tally: Tally
) -> None:
    sent: asyncio.Queue[tuple[order_pb2.OrderItem, int]] = asyncio.Queue(_STREAM_IN_FLIGHT)

    async def requests() -> AsyncIterator[order_pb2.StreamOrdersRequest]:
        while time.monotonic_ns() < end_ns:
            item = account.flow.items(1)[0]
            await sent.put((item, time.monotonic_ns()))
            yield order_pb2.StreamOrdersRequest(item=item)

    async for answer in stub.StreamOrders(requests(), metadata=account.metadata):
        item, started_ns = sent.get_nowait()
        tally.latencies_ns.append(time.monotonic_ns() - started_ns)
        if tally.count(item, answer.result):
            account.flow.accepted(answer.result.order_id)


async def unary(edge: Edge, accounts: Sequence[Account], end_ns: int, tally: Tally) -> None:
    """CreateOrder over gRPC, 64 in flight."""
    stub = order_pb2_grpc.OrderServiceStub(edge.channel)

    async def send(account: Account, order: order_pb2.CreateOrderRequest) -> str:
        try:
            await stub.CreateOrder(order, metadata=account.metadata)
        except grpc.aio.AioRpcError as error:
            return from_rpc(error).reason or error.code().name
        return ""

    await asyncio.gather(
        *(_singles(accounts[at::64], end_ns, tally, send) for at in range(_UNARY_IN_FLIGHT))
    )


async def rest(edge: Edge, accounts: Sequence[Account], end_ns: int, tally: Tally) -> None:
    """POST /v1/orders over 32 connections."""

    async def one(mine: Sequence[Account]) -> None:
        connection = await RestConnection.open(edge.host, edge.port)

        async def send(account: Account, order: order_pb2.CreateOrderRequest) -> str:
            headers = (
                f"authorization: Bearer {account.token}\r\ncontent-type: application/json\r\n"
            ).encode()
            reply = await connection.post("/v1/orders", headers, orjson.dumps(MessageToDict(order)))
            if reply.status == 202:  # noqa: PLR2004 (what an accepted order answers)
                return ""
            reason: str = orjson.loads(reply.body)["details"][0]["reason"]
            return reason

        await _singles(mine, end_ns, tally, send)
        await connection.close()

    await asyncio.gather(*(one(accounts[at::32]) for at in range(32)))


async def _singles(
    accounts: Sequence[Account],
    end_ns: int,
    tally: Tally,
    send: Callable[[Account, order_pb2.CreateOrderRequest], Awaitable[str]],
) -> None:
    turn = 0
    while time.monotonic_ns() < end_ns:
        account = accounts[turn % len(accounts)]
        turn += 1
        order = account.flow.create()
        started_ns = time.monotonic_ns()
        reason = await send(account, order)
        tally.latencies_ns.append(time.monotonic_ns() - started_ns)
        tally.count_order(reason)


LOADS: dict[str, Load] = {"lists": lists, "stream": stream, "unary": unary, "rest": rest}
