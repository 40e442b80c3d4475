"""Writes the tape behind the engine's back-pressure: what waits together is committed together.

Keeps: positions are committed in order, each with every trade up to it; what waits is bounded, and
whoever adds more waits. A commit whose outcome is unknown is looked up, never guessed. What was
not committed when the process ends comes again from the engine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED
from svc.kit.log import Logger
from svc.marketdata.market import Market, Position, TapeEntry
from svc.marketdata.store import OtherWriterError, Store

PAUSE_S = 0.1
"""Least time between two commits: few large ones leave the disk to the ledger."""

IDLE_MOVE_NS = 1_000_000_000
"""How long a position without a trade may wait for its commit."""

MOST_WAITING = 100_000
MOST_IN_COMMIT = 5_000
_RETRY_S = 0.5


@dataclass(slots=True)
class _Span:
    """Trades and the position behind the last of them."""

    position: Position
    entries: list[TapeEntry] = field(default_factory=list)


class Recorder:
    """The one writer of a market's tape."""

    def __init__(self, store: Store, market: Market, clock: Clock, log: Logger) -> None:
        """The market stands where the table does."""
        self._store = store
        self._market = market
        self._clock = clock
        self._log = log
        self._stored = market.position
        self._spans: deque[_Span] = deque()
        self._wanted = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._committed_ns = clock.monotonic_ns()
        self.waiting = 0

    async def add(self, position: Position, entries: Sequence[TapeEntry]) -> None:
        """Take trades up to a position; returns when there is room for more."""
        last = self._spans[-1] if self._spans else None
        if last is None or len(last.entries) + len(entries) > MOST_IN_COMMIT:
            self._spans.append(_Span(position, list(entries)))
        else:
            last.position = position
            last.entries += entries
        self.waiting += len(entries)
        if entries or self._clock.monotonic_ns() - self._committed_ns > IDLE_MOVE_NS:
            self._wanted.set()
        if self.waiting > MOST_WAITING:
            self._room.clear()
            await self._room.wait()

    async def run(self) -> None:
        """Commit for ever. Raises OtherWriterError, or what nobody expected."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._spans:
                await self._commit(self._spans.popleft())
                await asyncio.sleep(PAUSE_S)

    async def _commit(self, span: _Span) -> None:
        while True:
            try:
                await self._move(span)
                break
            except DISCONNECTED as error:
                self._log.warning("tape_waiting", market_sequence=span.position.sequence,
                                  cause=repr(error))  # fmt: skip
                await asyncio.sleep(_RETRY_S)
        self._stored = span.position
        self._committed_ns = self._clock.monotonic_ns()
        self.waiting -= len(span.entries)
        if self.waiting <= MOST_WAITING:
            self._room.set()
        if span.entries:
            self._market.stored(span.entries[-1].trade.number)

    async def _move(self, span: _Span) -> None:
        try:
            await self._store.append(self._stored, span.position, span.entries)
        except OtherWriterError:
            # An earlier attempt may have been committed before its connection was lost.
            if await self._store.position() != span.position:
                raise
