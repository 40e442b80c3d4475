"""How long an exchange is away after one of its processes is killed.

The clock runs from SIGKILL to the moment when an order that was sent afterwards is in the book
and its account can see that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence

import grpc
from order.v1 import order_pb2, order_pb2_grpc
from trading.v1 import trading_pb2

from mesh.desk import Desk, patiently
from mesh.installation import Installation
from mesh.listing import Seat, list_instrument, seats

PARTS = ("core", "engine", "postgres", "valkey", "edge")
_PAUSE_S = 0.01
_STEADY_S = 11.0
"""Longer than the supervisor takes a part that dies again for one that cannot stay up."""


async def recovery_ms(installation: Installation, parts: Sequence[str]) -> dict[str, int]:
    """Milliseconds by part. Raises OrderRefusedError, grpc.aio.AioRpcError, NotRunningError."""
    listed = await list_instrument(
        installation,
        base="BTC",
        quote="USDT",
        tick="0.01",
        lot="0.001",
        max_quantity="1000",
        suffix="K",
    )
    (seat,) = await seats(installation, 1, {"USDT": "1000000"})
    took_ms = {}
    async with grpc.aio.insecure_channel(installation.running().edge_target) as channel:
        desk = Desk(channel, seat.token)
        await _order_in_book(channel, desk, seat, listed.symbol)
        for part in parts:
            pid = int((installation.part(part) / "pid").read_text().split()[0])
            killed_ns = time.monotonic_ns()
            os.kill(pid, signal.SIGKILL)
            await _order_in_book(channel, desk, seat, listed.symbol)
            took_ms[part] = (time.monotonic_ns() - killed_ns) // 1_000_000
            await asyncio.sleep(_STEADY_S)
    return took_ms


async def _order_in_book(channel: grpc.aio.Channel, desk: Desk, seat: Seat, symbol: str) -> None:
    order = order_pb2.CreateOrderRequest(
        symbol=symbol,
        side=trading_pb2.Side.BUY,
        type=trading_pb2.OrderType.LIMIT,
        price="100",
        quantity="0.001",
    )
    (placed,) = await desk.submit([order_pb2.OrderItem(create=order)])
    stub = order_pb2_grpc.OrderServiceStub(channel)
    request = order_pb2.GetOrderRequest(order_id=placed.order_id)
    metadata = (("authorization", f"Bearer {seat.token}"),)
    while True:
        found = await patiently(lambda: stub.GetOrder(request, metadata=metadata))
        if found.order.status == trading_pb2.OrderStatus.ACCEPTED:
            return
        await asyncio.sleep(_PAUSE_S)
