"""Brings one market's engine and the catalog to the same definitions and states.

Wishes go out through order's outbox, again and again until the engine's events confirm them;
the events come back and are the truth, or the engine's snapshot where they are not retained.
Keeps: nothing is taken as confirmed that the engine has not said, and while order or engine is
away metadata goes on serving what it knows.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc, records_pb2
from order.v1 import order_pb2, order_pb2_grpc

from svc.kit.database import DISCONNECTED
from svc.kit.errors import from_rpc
from svc.kit.log import Logger
from svc.kit.patience import Patience
from svc.metadata import wire
from svc.metadata.catalog import Position
from svc.metadata.current import CurrentCatalog
from svc.metadata.store import Store

RESEND_S = 5.0
MOST_COMMANDS = 500  # definitions a call, and states; together what order takes

_NOT_RETAINED = "EVENTS_NOT_RETAINED"
_AWAY: tuple[type[Exception], ...] = (grpc.aio.AioRpcError, *DISCONNECTED)


def _cause(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return str(from_rpc(error))
    return repr(error)


class MarketLink:
    """The two conversations about one market; `run` holds both until it is cancelled."""

    def __init__(
        self,
        *,
        market: int,
        store: Store,
        current: CurrentCatalog,
        orders: order_pb2_grpc.MarketCommandServiceAsyncStub,
        engine: engine_pb2_grpc.EngineServiceAsyncStub,
        log: Logger,
    ) -> None:
        self._market = market
        self._store = store
        self._current = current
        self._orders = orders
        self._engine = engine
        self._log = log
        self._wishes = asyncio.Event()

    def wake(self) -> None:
        """There may be a wish that was not sent."""
        self._wishes.set()

    async def run(self) -> None:
        """Sends and follows for ever; raises only what nobody expected."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_wishes())
            tasks.create_task(self._follow_events())

    async def _send_wishes(self) -> None:
        patience = Patience(self._log, "wishes", self._market)
        while True:
            self._wishes.clear()
            try:
                pause_s = RESEND_S if await self._send_unconfirmed() else None
                patience.worked()
            except _AWAY as error:
                pause_s = patience.failed(_cause(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wishes.wait(), pause_s)

    async def _send_unconfirmed(self) -> int:
        """How many wishes wait for the engine, all of them durable at order when this returns."""
        definitions, states = await self._store.unconfirmed(self._market, MOST_COMMANDS)
        commands = wire.command_messages(definitions, states, self._current.catalog)
        if commands:
            await self._orders.SubmitMarketCommands(
                order_pb2.SubmitMarketCommandsRequest(market=self._market, commands=commands)
            )
        return len(commands)

    async def _follow_events(self) -> None:
        patience = Patience(self._log, "engine", self._market)
        while True:
            try:
                await self._follow_retained(patience)
                cause = "the engine ended the stream"
            except _AWAY as error:
                cause = _cause(error)
            await asyncio.sleep(patience.failed(cause))

    async def _follow_retained(self, patience: Patience) -> None:
        position = await self._store.position(self._market)
        try:
            await self._follow(position, patience)
        except grpc.aio.AioRpcError as error:
            told = from_rpc(error)
            if told.reason != _NOT_RETAINED:
                raise
        else:
            return
        await self._follow(await self._begin_with_snapshot(str(told)), patience)

    async def _begin_with_snapshot(self, cause: str) -> Position:
        parts = self._engine.SnapshotOrders(engine_pb2.SnapshotOrdersRequest(market=self._market))
        first = await anext(aiter(parts))
        parts.cancel()  # behind the first there are only orders
        reached = wire.position_of(first.position)
        await self._store.begin(self._market, reached, wire.known_in(first))
        await self._current.reload()
        self._log.warning(
            "began_with_snapshot", market=self._market, sequence=reached.sequence, cause=cause
        )
        return reached

    async def _follow(self, position: Position, patience: Patience) -> None:
        stream = self._engine.StreamEvents(
            engine_pb2.StreamEventsRequest(
                market=self._market, after=wire.position_message(position), instruments_only=True
            )
        )
        async for response in stream:
            patience.worked()
            if response.HasField("batch"):
                await self._learn(response.batch)
            else:
                position = await self._move(position, response.heartbeat)

    async def _learn(self, batch: records_pb2.EventBatch) -> None:
        for refused in wire.refusals(batch):
            self._log.error("engine_refused_command", market=self._market, command=refused)
        await self._store.learn(list(wire.news(batch)))
        await self._current.reload()

    async def _move(self, position: Position, heartbeat: engine_pb2.Heartbeat) -> Position:
        # Batches come without their other events, so only a heartbeat has a whole position.
        reached = wire.position_of(heartbeat.position)
        if reached != position:
            await self._store.move(self._market, reached)
        return reached
