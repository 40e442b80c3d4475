"""Follows one engine market: takes its batches, keeps books and tape, waits for what is away.

Keeps: books serve only while they and the tape stand at one sequence of the log that the table
was written from. What contradicts that log ends the following for good, with the reason shown, as
does a tape whose next events the engine has deleted; only an empty one begins behind them. What is
merely away is asked again, less and less often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc
from google.protobuf.message import DecodeError
from trading.v1 import trading_pb2

from svc.kit.client import parsing
from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED
from svc.kit.errors import DomainError, from_rpc, unavailable
from svc.kit.log import Logger
from svc.kit.market_events import EventBatch, parse_response
from svc.kit.patience import Patience
from svc.marketdata.figures import Figures
from svc.marketdata.loader import (
    EventsGoneError,
    Loader,
    LogContradictionError,
    NotListedError,
)
from svc.marketdata.market import BrokenChainError, Market, Position
from svc.marketdata.recorder import Recorder
from svc.marketdata.store import OtherWriterError, Store

_CONTRADICTIONS = frozenset(("LOG_FOREIGN", "HASH_MISMATCH", "LOG_BEHIND_CONSUMER"))
_AWAY: tuple[type[Exception], ...] = (
    grpc.aio.AioRpcError,
    NotListedError,
    OtherWriterError,
    *DISCONNECTED,
)


FAULT_PAUSE_S = 5.0
"""How long a market rests after what nobody expected: each try loads all its books again."""


class Follower:
    """The following of one market."""

    def __init__(
        self,
        *,
        number: int,
        loader: Loader,
        store: Store,
        engine: engine_pb2_grpc.EngineServiceAsyncStub,
        clock: Clock,
        figures: Figures,
        log: Logger,
    ) -> None:
        self._number = number
        self._loader = loader
        self._store = store
        self._stream_events = parsing(engine.StreamEvents, parse_response)
        self._clock = clock
        self._figures = figures
        self._log = log
        self._market: Market | None = None
        self._trouble = "books and tape are being loaded"

    @property
    def trouble(self) -> str:
        """Why books cannot be shown; empty when they can."""
        if self._market is None:
            return self._trouble
        return "" if self._market.ready else "the tape is catching up with the books"

    @property
    def market(self) -> Market:
        """The market, once its books serve. Raises UNAVAILABLE, BOOK_NOT_READY before."""
        if self._market is None or not self._market.ready:
            raise not_ready(self.trouble)
        return self._market

    async def run(self) -> None:
        """Follow until the log contradicts the table. A fault of this market is its own alone."""
        patience = Patience(self._log, "following", self._number)
        begin_at_snapshot = False
        while True:
            try:
                await self._follow(patience, begin_at_snapshot=begin_at_snapshot)
            except LogContradictionError as error:
                self._trouble = str(error)
                self._log.error("log_contradicts_tape", cause=self._trouble)
                return
            except EventsGoneError as error:
                self._trouble = str(error)
                if not error.is_tape_empty:
                    self._log.error("tape_events_not_retained", cause=self._trouble)
                    return
                begin_at_snapshot = True
                self._trouble = "an empty tape begins with the engine's snapshot of orders"
            except _AWAY as error:
                self._trouble = _cause(error)
            except Exception as error:  # noqa: BLE001 (the other markets go on)
                self._trouble = repr(error)
                self._log.exception("following_failed", error, market=self._number)
                self._drop_market()
                await asyncio.sleep(FAULT_PAUSE_S)
            finally:
                self._drop_market()
            await asyncio.sleep(patience.failed(self._trouble))

    async def _follow(self, patience: Patience, *, begin_at_snapshot: bool) -> None:
        """Load and keep up until database or log fail; the engine may come and go meanwhile."""
        market = await self._loader.load(begin_at_snapshot=begin_at_snapshot)
        self._market = market
        recorder = Recorder(self._store, market, self._clock, self._log)
        self._figures.show(self._number, market, recorder)
        self._log.info("following", market=self._number, sequence=market.position.sequence)
        await _first_end(recorder.run(), self._keep_up(market, recorder, patience))

    async def _keep_up(self, market: Market, recorder: Recorder, patience: Patience) -> None:
        while True:
            try:
                await self._read_stream(market, recorder, patience)
                cause = "the engine ended the stream"
            except (grpc.aio.AioRpcError, NotListedError) as error:
                cause = _cause(error)
            await asyncio.sleep(patience.failed(cause))

    async def _read_stream(self, market: Market, recorder: Recorder, patience: Patience) -> None:
        request = engine_pb2.StreamEventsRequest(
            market=self._number, after=_message(market.position)
        )
        try:
            async for response in self._stream_events(request):
                patience.worked()
                if isinstance(response, EventBatch):
                    await self._take(response, market, recorder)
        except grpc.aio.AioRpcError as error:
            told = from_rpc(error)
            if told.reason == "EVENTS_NOT_RETAINED":
                raise EventsGoneError(market.position, told.message) from error
            raise
        except DecodeError as error:
            raise LogContradictionError(str(error)) from error

    async def _take(self, batch: EventBatch, market: Market, recorder: Recorder) -> None:
        if not batch.events:
            return
        unknown = market.unknown(batch)
        if unknown:
            needed = {instrument_id for instrument_id, needed in unknown.items() if needed}
            await self._loader.learn(market, needed)
        try:
            entries = market.apply(batch)
        except BrokenChainError as error:
            raise LogContradictionError(str(error)) from error
        age_ns = self._clock.unix_ns() - batch.events[-1].time_unix_ns
        self._figures.applied(self._number, len(batch.events), len(entries), age_ns)
        await recorder.add(market.position, entries)

    def _drop_market(self) -> None:
        if self._market is not None:
            self._market.close()
            self._market = None


def not_ready(trouble: str) -> DomainError:
    """Refuses a call that needs the books."""
    return unavailable("BOOK_NOT_READY", f"books cannot be shown now: {trouble}", cause=trouble)


def _cause(error: Exception) -> str:
    """What is wrong, in words. Raises LogContradictionError if that is what it is."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return str(error) or repr(error)
    told = from_rpc(error)
    if told.reason in _CONTRADICTIONS:
        raise LogContradictionError(f"{told.reason}: {told.message}") from error
    return str(told)


def _message(position: Position) -> trading_pb2.LogPosition:
    return trading_pb2.LogPosition(
        log_id=position.log_id, sequence=position.sequence, running_hash=position.running_hash
    )


async def _first_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run them together until the first ends; cancel the others and raise what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
