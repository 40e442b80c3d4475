"""Follows a market's events: settles them in the wallet, then applies them to orders.

Keeps: what orders show is settled; each event is applied once, for the position moves in the same
transaction; an event that cannot be applied stops the market instead of being skipped. One leased
holder at a time. The wallet may be ahead of orders, never behind.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc
from google.protobuf.message import DecodeError

from svc.kit import ids
from svc.kit.client import BytesMethod, parsing
from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED
from svc.kit.errors import from_rpc
from svc.kit.lease import Lease, LeaseLost
from svc.kit.log import get_logger
from svc.kit.market_events import EventBatch, parse_response
from svc.kit.patience import Patience
from svc.order import apply_store, events, store
from svc.order.applied import EventRow, UnfitError
from svc.order.applying import Applying, Row
from svc.order.averages import average_price
from svc.order.catalog import Catalog
from svc.order.events import LogBreakError, Piece
from svc.order.instrument import Condition
from svc.order.lifecycle import EventType, Status
from svc.order.market import Market, Position, StopKind
from svc.order.metrics import Metrics
from svc.order.session import PASSING, Session
from svc.order.stopping import see
from svc.order.stops import StoppedError, stop_or_same

MOST_EVENTS = 2_000
"""Events applied in one transaction, unless a single batch has more."""
MOST_BATCHES_AHEAD = 256
"""Batches read and not yet applied."""

_SETTLE_TIMEOUT_S = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What a piece of the log can do wrong: it stops the market, and must not end the process, which
# would only begin it again.
_UNAPPLICABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, AssertionError, LookupError)

_log = get_logger("order.applier")


class Applier:
    """Applies one market's events; `run` does so until it is cancelled."""

    def __init__(
        self,
        *,
        market: Market,
        lease: Lease,
        session: Session,
        catalog: Catalog,
        engine: engine_pb2_grpc.EngineServiceAsyncStub,
        settle_trade: BytesMethod,
        clock: Clock,
        metrics: Metrics,
        log_orders: bool,
    ) -> None:
        """`log_orders`: each change of an order is logged."""
        self._market = market
        self._lease = lease
        self._session = session
        self._catalog = catalog
        self._stream_events = parsing(engine.StreamEvents, parse_response)
        self._settle_trade = settle_trade
        self._clock = clock
        self._metrics = metrics
        self._log_orders = log_orders
        self._patience = Patience(_log, "applier", market.id)

    async def run(self) -> None:
        """Holds the lease and applies, until cancelled."""
        while True:
            await self._lease.acquire()
            try:
                while True:
                    await self._lead()
            except LeaseLost as error:
                _log.warning("applier_lost", market=self._market.id, error=str(error))

    async def close(self) -> None:
        """Gives the lease back; after `run` has ended."""
        await self._lease.release()
        await self._session.close()

    async def _lead(self) -> None:
        """Follows from the committed position until something is in the way, and deals with it."""
        try:
            position = await self._begin()
            await self._market.until_resolved(StopKind.EVENT, StopKind.LOG)
            await self._follow(position)
            await asyncio.sleep(self._patience.failed("the engine ended the stream"))
        except StoppedError as error:
            await self._stop(error)
        except (UnfitError, LogBreakError, DecodeError) as error:
            await self._stop(StoppedError(StopKind.EVENT, "EVENT_NOT_APPLICABLE", str(error)))
        except grpc.aio.AioRpcError as error:
            await asyncio.sleep(self._patience.failed(str(from_rpc(error))))
        except DISCONNECTED as error:
            await asyncio.sleep(self._patience.failed(repr(error)))
        except PASSING as error:
            await asyncio.sleep(self._patience.failed(repr(error)))
        except store.PositionMovedError as error:
            await asyncio.sleep(self._patience.failed(str(error)))

    async def _begin(self) -> Position:
        as_of = self._market.stop_changes
        async with self._session.transaction() as conn:
            await self._lease.fence(conn)
            view = await store.view(conn, self._market.id)
        see(self._market, view, as_of)
        return view.position

    async def _follow(self, position: Position) -> None:
        """Reads, settles and applies at the same time, each a bounded way ahead of the next."""
        arrived = asyncio.Queue[EventBatch](MOST_BATCHES_AHEAD)
        settled = asyncio.Queue[tuple[Piece, int]](1)
        stages = (
            self._read(position, arrived),
            self._settle(position, arrived, settled),
            self._apply(settled),
            self._watch_lease(),
        )
        self._market.fresh.begin()
        tasks = [asyncio.create_task(stage) for stage in stages]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._market.fresh.end()

    async def _watch_lease(self) -> None:
        await self._lease.lost.wait()
        raise LeaseLost(f"applier-{self._market.id}", self._lease.epoch, "another holder applies")

    async def _read(self, position: Position, arrived: asyncio.Queue[EventBatch]) -> None:
        after = events.position_message(position)
        request = engine_pb2.StreamEventsRequest(market=self._market.id, after=after)
        try:
            async for response in self._stream_events(request):
                if isinstance(response, EventBatch):
                    await arrived.put(response)
                elif response.heartbeat.position.sequence == self._market.applied.sequence:
                    self._patience.worked()
        except grpc.aio.AioRpcError as error:
            raise stop_or_same(error) from error

    async def _settle(
        self,
        position: Position,
        arrived: asyncio.Queue[EventBatch],
        settled: asyncio.Queue[tuple[Piece, int]],
    ) -> None:
        while True:
            batches = [await arrived.get()]
            started_ns = self._clock.monotonic_ns()
            count = len(batches[0].events)
            while count < MOST_EVENTS and not arrived.empty():
                batches.append(arrived.get_nowait())
                count += len(batches[-1].events)
            piece = events.read(batches, position, self._market.id, self._catalog.is_perpetual)
            await self._catalog.learn(piece.states)
            with self._metrics.stage("settle"):
                await self._settle_piece(piece)
            await settled.put((piece, started_ns))
            position = piece.to

    async def _settle_piece(self, piece: Piece) -> None:
        try:
            await self._settle_trade(piece.settling, timeout=_SETTLE_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise stop_or_same(error) from error

    async def _apply(self, settled: asyncio.Queue[tuple[Piece, int]]) -> None:
        while True:
            piece, started_ns = await settled.get()
            with self._metrics.stage("apply"):
                try:
                    await self._apply_piece(piece)
                except _UNAPPLICABLE as error:
                    if isinstance(error, (*DISCONNECTED, *PASSING)):
                        raise
                    _log.exception("event_not_applied", error, market=self._market.id)
                    raise UnfitError(piece.to.sequence, f"up to it: {error!r}") from error
            self._patience.worked()
            self._metrics.took("process_fill", self._clock.monotonic_ns() - started_ns)

    async def _apply_piece(self, piece: Piece) -> None:
        try:
            fresh = self._market.fresh.take(piece.order_ids)
            await self._write_piece(piece, fresh, lock=False)
        except apply_store.StaleRowsError as error:
            _log.warning("rows_were_stale", market=self._market.id, cause=str(error))
            await self._write_piece(piece, {}, lock=True)

    async def _write_piece(self, piece: Piece, fresh: dict[int, Row], *, lock: bool) -> None:
        """One transaction for all. Raises StaleRowsError, unless every row is read under a lock.

        Some rows locked and others not would wait for a batch of cancels in a circle.
        """
        now = _EPOCH + timedelta(microseconds=self._clock.unix_ns() // 1_000)
        async with self._session.transaction() as conn:
            await self._lease.fence(conn)
            stored = piece.order_ids - fresh.keys()
            loaded = await apply_store.load(conn, stored, lock=lock) if stored else {}
            applying = Applying(self._market.id, fresh | loaded, self._catalog.quote_units)
            for event in piece.events:
                applying.apply(event)
            touched = [row for _, row in sorted(applying.touched.items())]
            if touched:
                averages = [self._average(row) for row in touched]
                await apply_store.update(conn, touched, averages, now)
                await apply_store.insert_events(conn, applying.events, now)
            if applying.trades:
                await apply_store.insert_trades(conn, applying.trades)
            conditions = self._conditions(piece, applying.last_prices)
            if conditions:
                await store.save_conditions(conn, self._market.id, sorted(conditions.items()))
            await store.move(conn, self._market.id, piece.after, piece.to)
        self._market.conditions |= conditions
        self._market.moved(piece.to)
        tally = applying.tally
        self._metrics.ended(tally.filled, tally.rejected, tally.canceled)
        if self._log_orders:
            for change in applying.events:
                _log_change(change)

    def _average(self, row: Row) -> str | None:
        instrument = self._catalog.get(row.instrument_id)
        assert instrument is not None, "an order was made of its instrument"
        return average_price(row.filled_tick_lots, row.filled_lots, instrument.tick)

    def _conditions(self, piece: Piece, last_prices: dict[int, int]) -> dict[int, Condition]:
        changed: dict[int, Condition] = {}
        for instrument_id in {*piece.states, *piece.price_ranges, *last_prices}:
            known = self._market.condition(instrument_id)
            low, high = piece.price_ranges.get(
                instrument_id, (known.min_price_ticks, known.max_price_ticks)
            )
            changed[instrument_id] = Condition(
                piece.states.get(instrument_id, known.state),
                low,
                high,
                last_prices.get(instrument_id, known.last_price_ticks),
            )
        return changed

    async def _stop(self, error: StoppedError) -> None:
        """Stops the market. What settled already stays; nothing settles past it."""
        _log.error("market_stopped", market=self._market.id, reason=error.reason, cause=str(error))
        try:
            async with self._session.transaction() as conn:
                await self._lease.fence(conn)
                stop = await store.stop(conn, self._market.id, error.kind, error.reason, str(error))
        except DISCONNECTED as away:
            await asyncio.sleep(self._patience.failed(repr(away)))
        else:
            self._market.stopped(stop)


def _log_change(change: EventRow) -> None:
    _log.debug(
        "order_changed",
        order_id=ids.to_uuid(change.order_id),
        account_id=ids.to_uuid(change.account_id),
        instrument_id=change.instrument_id,
        change=EventType(change.event_type).name,
        status=Status(change.status).name,
        price_ticks=change.price_ticks,
        quantity_lots=change.lots,
        reason=change.reason,
        sequence=change.sequence,
    )
