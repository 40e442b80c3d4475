"""Re-enacts a captured session at the edge with two accounts.

Owns the conversation: rounds planned by `mirror` become lists of orders, in the order the plan
needs (the maker's list is durable before the taker's is sent). What the market made of it is not
looked at here, except that at chosen moments the caller is asked to look (`on_moment`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from order.v1 import order_pb2
from trading.v1 import trading_pb2

from mesh.capture import Diff, Event, Snapshot, Survey, Trade
from mesh.desk import Desk
from mesh.mirror import Mirror, Place, Remove, Round, Take, VenueBook
from svc.kit.decimals import format_units

_BUY = trading_pb2.Side.BUY
_SELL = trading_pb2.Side.SELL
_LIMIT = trading_pb2.OrderType.LIMIT
_IOC = trading_pb2.TimeInForce.IOC
_GTC = trading_pb2.TimeInForce.GTC


@dataclass(slots=True)
class Progress:
    """How far the re-enactment is."""

    trades: int = 0
    books: int = 0
    rounds: int = 0


@dataclass(slots=True)
class Reenactment:
    """Two desks, one instrument, one session.

    `moments` are the numbers of book changes (1 is the snapshot) after which `on_moment` is
    awaited with that number and nothing in flight.
    """

    survey: Survey
    symbol: str
    maker: Desk
    taker: Desk
    recorded_speed: bool
    moments: frozenset[int]
    on_moment: Callable[[int], Awaitable[None]]
    on_progress: Callable[[Progress], None]
    progress: Progress = field(default_factory=Progress)
    _mirror: Mirror = field(default_factory=Mirror)
    _venue: VenueBook = field(default_factory=VenueBook)
    _order_ids: dict[int, str] = field(default_factory=dict)

    async def run(self, session: Iterable[Event]) -> None:
        """Play the session to its end. Raises OrderRefusedError or grpc.aio.AioRpcError."""
        started_ns = time.monotonic_ns()
        for event in session:
            if self.recorded_speed:
                await self._wait_for(event, started_ns)
            await (self._trade(event) if isinstance(event, Trade) else self._book(event))
            self.on_progress(self.progress)
        await self._play(self._mirror.close())

    @property
    def resting(self) -> tuple[dict[int, int], dict[int, int]]:
        """Lots by price of the maker's bids and asks."""
        return self._mirror.resting

    async def clear(self) -> None:
        """Cancel everything that rests."""
        for planned in self._mirror.restore({}, {}):
            await self._play(planned)
        await self._play(self._mirror.close())

    async def _wait_for(self, event: Event, started_ns: int) -> None:
        due_ns = event.received_unix_ns - self.survey.first_received_unix_ns
        if (ahead_ns := due_ns - (time.monotonic_ns() - started_ns)) > 0:
            await self._play(self._mirror.close())
            await asyncio.sleep(ahead_ns / 1_000_000_000)

    async def _trade(self, trade: Trade) -> None:
        for planned in self._mirror.trade(
            is_buy=not trade.buyer_is_maker,
            price_ticks=trade.price_ticks,
            lots=trade.quantity_lots,
        ):
            await self._play(planned)
        self.progress.trades += 1

    async def _book(self, change: Snapshot | Diff) -> None:
        if isinstance(change, Snapshot):
            self._venue.reset(change.bids, change.asks)
        else:
            self._venue.apply(change.bids, change.asks)
        for planned in self._mirror.restore(*self._venue.best()):
            await self._play(planned)
        self.progress.books += 1
        if self.progress.books in self.moments:
            await self._play(self._mirror.close())
            await self.on_moment(self.progress.books)

    async def _play(self, planned: Round) -> None:
        if not planned:
            return
        self.progress.rounds += 1
        if planned.maker:
            results = await self.maker.submit([self._maker_item(step) for step in planned.maker])
            for step, result in zip(planned.maker, results, strict=True):
                if isinstance(step, Place):
                    self._order_ids[step.slot] = result.order_id
        if planned.taker:
            await self.taker.submit([self._taker_item(take) for take in planned.taker])

    def _maker_item(self, step: Place | Remove) -> order_pb2.OrderItem:
        if isinstance(step, Remove):
            order_id = self._order_ids.pop(step.slot)
            return order_pb2.OrderItem(cancel=order_pb2.CancelOrderRequest(order_id=order_id))
        return order_pb2.OrderItem(create=self._order(step, _GTC))

    def _taker_item(self, take: Take) -> order_pb2.OrderItem:
        return order_pb2.OrderItem(create=self._order(take, _IOC))

    def _order(
        self, order: Place | Take, time_in_force: trading_pb2.TimeInForce.Value
    ) -> order_pb2.CreateOrderRequest:
        return order_pb2.CreateOrderRequest(
            symbol=self.symbol,
            side=_BUY if order.is_buy else _SELL,
            type=_LIMIT,
            time_in_force=time_in_force,
            price=format_units(order.price_ticks, self.survey.price_scale),
            quantity=format_units(order.lots, self.survey.quantity_scale),
        )
