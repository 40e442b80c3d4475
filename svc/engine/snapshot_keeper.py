"""When snapshots of a market are taken: after enough commands, when asked, and at a clean stop.

Invariant: one at a time; batches wait while one is begun, never while it is written. A snapshot
that fails stops nothing: the log holds everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from svc.engine.frames import SegmentHeader
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.snapshot import Covered
from svc.kit.errors import DomainError, failed_precondition
from svc.kit.log import get_logger

Begin = Callable[[], Awaitable[SegmentHeader]]

log = get_logger("engine")


class SnapshotKeeper:
    """Takes the snapshots of one market. Made in the event loop."""

    def __init__(self, market: Market, commands: int) -> None:
        """One is due `commands` after the last."""
        self._market = market
        self._commands = commands
        self._begin: Begin = partial(asyncio.to_thread, market.begin_snapshot)
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"snapshot-{market.market}")

    def begin_by(self, begin: Begin) -> None:
        """From here on `begin` is what begins them: Market.begin_snapshot where its batches are.

        What is being written goes on.
        """
        self._begin = begin

    def note(self, unsaved_commands: int) -> None:
        """Says how many commands have come since the last snapshot."""
        if unsaved_commands >= self._commands:
            self._due.set()

    async def keep(self) -> None:
        """Take a snapshot whenever one is due. Runs until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self._try()

    async def take(self) -> Covered:
        """Return when a snapshot of now, or of a moment later, is verified.

        Raises DomainError SNAPSHOT_FAILED when the disk does not take it or gives back another.
        """
        async with self._turn:
            head = await self._begin()
            loop = asyncio.get_running_loop()
            try:
                return await loop.run_in_executor(self._executor, self._finish, head)
            except (JournalError, OSError) as error:
                why = f"nothing is lost, for the log has everything: {error}"
                raise failed_precondition("SNAPSHOT_FAILED", why) from error

    async def close(self, *, take_last: bool) -> None:
        """Finish what is being written; take a last one if it spares the next start anything."""
        if take_last and self._market.status().unsaved_commands:
            await self._try()
        await asyncio.to_thread(self._executor.shutdown)

    def _finish(self, head: SegmentHeader) -> Covered:
        # In a thread of its own, one after the other: nobody may wait for it any more.
        covered = self._market.finish_snapshot(head)
        log.info(
            "snapshot_taken",
            market=self._market.market,
            segment=covered.segment,
            last_batch=covered.last_batch,
            sequence=covered.sequence,
        )
        return covered

    async def _try(self) -> None:
        try:
            await self.take()
        except (DomainError, JournalError, OSError) as error:
            log.warning("snapshot_failed", market=self._market.market, detail=str(error))
