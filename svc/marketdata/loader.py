"""Puts a market together from its three sources: the table, metadata, the engine's live orders.

Keeps: what comes out stands at the table's position P with books of the engine's position S >= P
of the same log; anything else is a contradiction and no market. An empty table is moved to S where
the engine does not retain the events before.
"""

from __future__ import annotations

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from trading.v1 import trading_pb2

from svc.kit.clock import Clock
from svc.kit.errors import from_rpc
from svc.kit.log import Logger
from svc.marketdata.candles import MINUTE_MS
from svc.marketdata.instruments import Directory, Instrument, instrument_of
from svc.marketdata.market import Market, Position, View
from svc.marketdata.store import Store
from svc.marketdata.tape import Tape
from svc.marketdata.ticker import WINDOW_MINUTES, RollingDay

METADATA_TIMEOUT_S = 1.0
"""How long metadata is waited for; what is stored of instruments is enough to go on."""


class LogContradictionError(Exception):
    """The engine's log is not the one the table was written from, or ends before it."""


class EventsGoneError(Exception):
    """The engine does not retain the events behind the table's position any more."""

    def __init__(self, position: Position, told: str) -> None:
        """`told` is what the engine said of it."""
        super().__init__(
            f"the tape ends at event {position.sequence} and the engine has deleted events behind "
            f"it ({told}): their trades are missing here, and svc/marketdata/README.md says what "
            "an operator does"
        )
        self.is_tape_empty = not position.log_id


class NotListedError(Exception):
    """The engine trades an instrument that metadata does not list (yet)."""


class Loader:
    """Loads one market; tells the directory of its instruments from the first load on."""

    def __init__(
        self,
        *,
        number: int,
        directory: Directory,
        store: Store,
        engine: engine_pb2_grpc.EngineServiceAsyncStub,
        metadata: metadata_pb2_grpc.MetadataServiceAsyncStub,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._directory = directory
        self._number = number
        self._store = store
        self._engine = engine
        self._metadata = metadata
        self._clock = clock
        self._log = log

    async def load(self, *, begin_at_snapshot: bool = False) -> Market:
        """The market at the table's position, its books as the engine has them now.

        `begin_at_snapshot` moves a table that is empty to where those books stand. Raises
        OtherWriterError, LogContradictionError, NotListedError, AioRpcError or one of DISCONNECTED.
        """
        self._directory.add(await self._store.instruments())
        await self._learn_listed()
        market = Market(await self._store.position(), await self._stored_views())
        snapshot = await self._restore_books(market)
        if begin_at_snapshot and not market.position.log_id:
            await self._store.append(market.position, snapshot, [])
            market.position = snapshot
            self._log.warning(
                "tape_begins_at_snapshot", market=self._number, sequence=snapshot.sequence
            )
        return market

    async def learn(self, market: Market, needed: set[int]) -> None:
        """Add what metadata lists by now. Raises AioRpcError, NotListedError for what is needed."""
        for instrument in await self._ask_metadata():
            market.add(View(instrument, Tape(0), RollingDay()))
        missing = needed - market.views.keys()
        if missing:
            raise NotListedError(f"metadata does not list instruments {sorted(missing)}")

    async def _learn_listed(self) -> None:
        try:
            await self._ask_metadata()
        except grpc.aio.AioRpcError as error:
            if self._directory.empty:
                raise
            self._log.warning("metadata_away", cause=str(from_rpc(error)))

    async def _ask_metadata(self) -> list[Instrument]:
        """The instruments that were not known; stored, for trades refer to them."""
        listed = await self._metadata.ListInstruments(
            metadata_pb2.ListInstrumentsRequest(), timeout=METADATA_TIMEOUT_S
        )
        new = [
            instrument_of(message)
            for message in listed.instruments
            if message.market == self._number and message.id not in self._directory
        ]
        await self._store.add_instruments(new)
        self._directory.add(new)
        return new

    async def _stored_views(self) -> list[View]:
        last_trades = await self._store.last_trades()
        now_ms = self._clock.unix_ns() // 1_000_000
        since_ms = now_ms - WINDOW_MINUTES * MINUTE_MS
        views = []
        for instrument in self._directory.of(self._number):
            last = last_trades.get(instrument.id)
            if last is None:
                views.append(View(instrument, Tape(0), RollingDay()))
                continue
            minutes = await self._store.candles_from(
                instrument.id, "1m", since_ms, now_ms + MINUTE_MS, WINDOW_MINUTES + 2
            )
            view = View(instrument, Tape(last.number), RollingDay(minutes, last.price_ticks))
            view.time_ms = last.time_ms
            views.append(view)
        return views

    async def _restore_books(self, market: Market) -> Position:
        """Where the books stand now."""
        request = engine_pb2.SnapshotOrdersRequest(market=self._number)
        snapshot = Position()
        async for part in self._engine.SnapshotOrders(request):
            if not snapshot.log_id:
                _check_same_log(market.position, part.position)
                at = part.position
                snapshot = Position(at.log_id, at.sequence, at.running_hash)
            unknown = {order.instrument_id for order in part.orders} - market.views.keys()
            if unknown:
                await self.learn(market, unknown)
            market.restore(snapshot.sequence, part.orders)
        return snapshot


def _check_same_log(table: Position, engine: trading_pb2.LogPosition) -> None:
    if table.log_id not in ("", engine.log_id):
        raise LogContradictionError(
            f"the tape was written from log {table.log_id}, the engine has log {engine.log_id}"
        )
    if table.sequence > engine.sequence:
        raise LogContradictionError(
            f"the tape stands at event {table.sequence}, the engine's log ends at "
            f"{engine.sequence}: a log that lost events must be restored"
        )
