"""A trader's seat at the edge: sends lists of orders for one account and keeps the time.

Shared by replay and bench. Whatever is refused here is an error of the program that sits on the
seat, so it raises.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import grpc
from order.v1 import order_pb2, order_pb2_grpc

MAX_ITEMS = 256
"""Items of one SubmitOrders call, as the contract bounds them."""


class OrderRefusedError(Exception):
    """The exchange refused an item that should have been taken."""


class Desk:
    """One account at the edge.

    `latencies_ns` has the time from call to answer of every list, in the order they were sent.
    """

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub = order_pb2_grpc.OrderServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
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
            started_ns = time.monotonic_ns()
            answer = await self._stub.SubmitOrders(
                order_pb2.SubmitOrdersRequest(items=part), metadata=self._metadata
            )
            self.latencies_ns.append(time.monotonic_ns() - started_ns)
            self.items += len(part)
            for item, result in zip(part, answer.results, strict=True):
                if result.HasField("error"):
                    raise OrderRefusedError(f"{result.error.reason}: {result.error.message} {item}")
            results.extend(answer.results)
            self.last_order_id = answer.results[-1].order_id
        return results
