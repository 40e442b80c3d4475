"""Messages and outcomes that the tests of calls share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
from engine.v1 import engine_pb2
from google.rpc import error_details_pb2, status_pb2
from order.v1 import order_pb2
from trading.v1 import trading_pb2

EVENTS = engine_pb2.StreamEventsRequest(market=1)
"""Ask for all events of the market."""


def place(number: int = 1) -> Any:
    """Ask for the batch of that number."""
    return engine_pb2.PlaceOrderRequest(market=1, number=number)


def placed(number: int) -> Any:
    """Answer that the batch is done."""
    return engine_pb2.PlaceOrderResponse(done=engine_pb2.BatchDone(number=number))


def submit(number: int) -> Any:
    """Make a message of the Submit stream that carries a number."""
    return engine_pb2.SubmitRequest(hello=engine_pb2.Hello(market=1, highest_number=number))


def done(number: int) -> Any:
    """Make an answer of the Submit stream that carries a number."""
    return engine_pb2.SubmitResponse(done=engine_pb2.BatchDone(number=number))


def order(symbol: str = "BTC-USDT") -> Any:
    """Make an order that breaks no rule, but for the symbol perhaps."""
    return order_pb2.CreateOrderRequest(
        symbol=symbol,
        side=trading_pb2.Side.BUY,
        type=trading_pb2.OrderType.LIMIT,
        quantity="1",
        price="1",
    )


def event(size: int = 0, number: int = 0) -> Any:
    """Make a message of the StreamEvents stream, with so many bytes of ballast."""
    reply = engine_pb2.StreamEventsResponse()
    reply.heartbeat.position.log_id = "x" * size
    reply.heartbeat.position.sequence = number
    return reply


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


@dataclass(frozen=True)
class Outcome:
    """All that a caller sees of a failed call."""

    code: grpc.StatusCode
    text: str
    infos: tuple[error_details_pb2.ErrorInfo, ...]

    @property
    def reason(self) -> str:
        """The reason of the only ErrorInfo."""
        (info,) = self.infos
        return info.reason

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the only ErrorInfo."""
        (info,) = self.infos
        return dict(info.metadata)


async def outcome(call: Awaitable[Any]) -> Outcome:
    """Await a call that must fail, and give all that the caller sees of it."""
    try:
        reply = await call
    except grpc.aio.AioRpcError as error:
        return seen(error)
    raise AssertionError(f"the call succeeded: {reply!r}")


def seen(error: grpc.aio.AioRpcError) -> Outcome:
    """Give all that a caller sees of an error."""
    infos = []
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                assert detail.Unpack(info)
                infos.append(info)
    return Outcome(error.code(), error.details() or "", tuple(infos))
