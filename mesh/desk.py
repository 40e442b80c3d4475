"""A trader's seat at the edge: sends lists of orders for one account and keeps the time.

Every item has an idempotency key, so a list whose fate is unknown is sent again as it was and
nothing happens twice. Whatever is refused here is an error of the program that sits on the seat,
so it raises.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
from google.rpc import code_pb2
from order.v1 import order_pb2, order_pb2_grpc

MAX_ITEMS = 256
"""Items of one SubmitOrders call, as the contract bounds them."""


_PATIENCE_NS = 60_000_000_000
_PAUSE_S = 0.1
_FATE_UNKNOWN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# The same, of an item: it left no order and no answer.
_NOTHING_LEFT = (code_pb2.UNAVAILABLE, code_pb2.DEADLINE_EXCEEDED)

T = TypeVar("T")


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The answer of a call that may be repeated, for as long as an outage may take (60 s).

    Raises grpc.aio.AioRpcError for every other failure, and for an outage that is longer.
    """
    deadline_ns = time.monotonic_ns() + _PATIENCE_NS
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() not in _FATE_UNKNOWN or time.monotonic_ns() > deadline_ns:
                raise
        await asyncio.sleep(_PAUSE_S)


class OrderRefusedError(Exception):
    """The exchange refused an item that should have been taken."""


class Desk:
    """One account at the edge.

    `latencies_ns` has the time from call to answer of every list, in the order they were sent.
    """

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub = order_pb2_grpc.OrderServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._run = secrets.token_hex(8)
        self.latencies_ns: list[int] = []
        self.items = 0
        self.last_order_id = ""
        """Order of the last item that was answered."""

    async def submit(self, items: Sequence[order_pb2.OrderItem]) -> list[order_pb2.OrderItemResult]:
        """Results of the items, in order. Long lists go in parts, one after the other.

        Raises OrderRefusedError with the first item that was refused, grpc.aio.AioRpcError when
        the call itself failed.
        """
        results: list[order_pb2.OrderItemResult] = []
        for first in range(0, len(items), MAX_ITEMS):
            part = items[first : first + MAX_ITEMS]
            for item in part:
                self.items += 1
                named = item.create if item.HasField("create") else item.cancel
                named.idempotency_key = f"{self._run}-{self.items}"
            results.extend(await self._send(part))
            self.last_order_id = results[-1].order_id
        return results

    async def _send(
        self, part: Sequence[order_pb2.OrderItem]
    ) -> Sequence[order_pb2.OrderItemResult]:
        started_ns = time.monotonic_ns()
        request = order_pb2.SubmitOrdersRequest(items=part)
        while True:
            answer = await patiently(
                lambda: self._stub.SubmitOrders(request, metadata=self._metadata)
            )
            outage = any(result.error.code in _NOTHING_LEFT for result in answer.results)
            if not outage or time.monotonic_ns() > started_ns + _PATIENCE_NS:
                break
            await asyncio.sleep(_PAUSE_S)
        self.latencies_ns.append(time.monotonic_ns() - started_ns)
        for item, result in zip(part, answer.results, strict=True):
            if result.HasField("error"):
                raise OrderRefusedError(f"{result.error.reason}: {result.error.message} {item}")
        return answer.results
