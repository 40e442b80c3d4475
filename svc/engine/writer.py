"""The one writer of a market: takes batches from the network to the disk and events back.

Invariant: batches reach the market in number order, one group at a time, and their events are
published in the order of their sequences. The disk is waited for in a thread, never in the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BufferedIOBase
from typing import TypeVar

from engine.v1 import engine_pb2
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from trading.v1 import trading_pb2

from svc.engine.feed import Feed, to_message
from svc.engine.frames import SegmentHeader
from svc.engine.journal import Batch, EventBatch
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market, Outcome
from svc.engine.snapshot_keeper import SnapshotKeeper
from svc.engine.standbys import Enrols, Standbys
from svc.engine.status import BookLevels, BookSnapshot, Position, Statistics, Status
from svc.kit.batcher import Batcher
from svc.kit.clock import Clock
from svc.kit.errors import DomainError, not_leader

T = TypeVar("T")
_Message = engine_pb2.StreamEventsResponse

_MOST_BATCHES = 64
_MOST_WAITING = 256
_LONGEST_WAIT_NS = 1_000_000_000
_PAGE = 64


class Figures:
    """What a market tells Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter("engine_events_total", "Events made", registry=registry)
        self.standbys = Gauge(
            "engine_standbys_in_sync",
            "Journals besides the leader's that hold all that has left it",
            registry=registry,
        )
        self.group_batches = Histogram(
            "engine_group_batches",
            "Batches that shared one fdatasync",
            registry=registry,
            buckets=(1, 2, 4, 8, 16, 32, 64),
        )
        self.waiting = Gauge(
            "engine_batches_waiting",
            "Batches that have come and are in no group yet",
            registry=registry,
        )


class MarketWriter:
    """A market that is led here. Made in the event loop after recovery."""

    def __init__(
        self,
        market: Market,
        clock: Clock,
        figures: Figures,
        fail: Callable[[BaseException], None],
        *,
        lost: asyncio.Event,
        snapshots: SnapshotKeeper,
        roll: Enrols,
        standbys_required: int,
        standby_patience_ns: int,
        retention_ns: int,
    ) -> None:
        """Nothing is answered or published once `lost` is set: another engine may lead.

        `fail` ends the process: a journal that could not be written is opened anew. `snapshots` is
        closed with this. Nothing is answered or published either before `standbys_required`
        journals besides this one hold it, and every one that is on the `roll`. Events are deleted
        when they are `retention_ns` old, applied, and in snapshots.
        """
        self._fail = fail
        self._lost = lost
        self.number = market.market
        self._market = market
        self._clock = clock
        self._retention_ns = retention_ns
        self._figures = figures
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"market-{market.market}")
        self._turn = asyncio.Lock()
        self._working = asyncio.Lock()
        self._is_drained = False
        self.standbys = Standbys(
            market,
            roll,
            clock,
            required=standbys_required,
            patience_ns=standby_patience_ns,
            in_sync=figures.standbys,
            turn=self._working,
            blocking=self._blocking,
            fail=fail,
        )
        self._moved = asyncio.Event()
        status = market.status()
        self.log_id = status.position.log_id.hex()
        self.epoch = status.epoch
        self._deadline_ns, self._unsaved_commands = status.next_deadline_ns, status.unsaved_commands
        self.covered_number = status.covered.last_batch
        """Batches up to this number are in a verified snapshot."""
        self.snapshots = snapshots
        snapshots.begin_by(self._begin_snapshot)
        snapshots.note(status.unsaved_commands)
        self.feed = Feed(status.position.sequence, status.position.running_hash)
        self._batches: Batcher[Batch, Outcome] = Batcher(
            self._submit, max_items=_MOST_BATCHES, max_waiting=_MOST_WAITING
        )
        figures.waiting.set_function(lambda: self._batches.waiting)

    async def submit(self, batch: Batch) -> Outcome:
        """Durable and matched when it returns. Raises what Market.submit raises, and NOT_LEADER."""
        self._must_lead()
        return await self._batches.submit(batch)

    async def check_relay(self, highest_number: int, applied: Position) -> None:
        """See Market.check_relay."""
        await self._run(self._market.check_relay, highest_number, applied)

    async def check_position(self, position: Position) -> None:
        """See Market.check_position."""
        await self._run(self._market.check_position, position)

    async def release(self, applied: Position) -> None:
        """See Market.release_applied; what is younger than the engine keeps events stays."""
        before_ns = self._clock.unix_ns() - self._retention_ns
        await self._run(self._market.release_applied, applied, before_ns)

    async def open_snapshot(self) -> BufferedIOBase:
        """See Market.open_snapshot. Waits for no standby: one may need it to become one."""
        self._must_lead()
        return await self._blocking(self._market.open_snapshot)

    async def stored_after(self, sequence: int) -> list[engine_pb2.StreamEventsResponse]:
        """The next batches behind `sequence` from the journal, at most a page of them."""
        return await self._run(self._read_page, sequence)

    async def status(self) -> Status:
        """See Market.status."""
        return await self._run(self._market.status)

    async def hashed_status(self) -> tuple[Status, int]:
        """The same with the hash of the state there, for which batches wait."""
        return await self._run(lambda: (self._market.status(), self._market.state_hash()[1]))

    async def levels(self, instrument_id: int, depth: int) -> BookLevels:
        """See Market.levels."""
        return await self._run(self._market.levels, instrument_id, depth)

    async def snapshot(self) -> BookSnapshot:
        """See Market.snapshot."""
        return await self._run(self._market.snapshot)

    async def statistics(self) -> Statistics:
        """See Market.statistics."""
        # An operator sees a market that waits for its standbys too.
        return await self._blocking(self._market.statistics)

    async def keep_time(self) -> None:
        """Let time pass in the market whenever something is due. Runs until cancelled."""
        while True:
            self._moved.clear()
            wait_ns = _LONGEST_WAIT_NS
            if self._deadline_ns is not None:
                wait_ns = min(wait_ns, self._deadline_ns - self._clock.unix_ns())
            if wait_ns > 0:
                await _first_of(self._moved.wait(), wait_ns)
                continue
            async with self._turn:
                try:
                    self._publish(await self._run(self._advance))
                except DomainError:
                    return  # another engine leads from here on

    async def drain(self) -> None:
        """Finish what is in flight; nothing leaves afterwards, and another engine may lead."""
        if self._lost.is_set() or self.standbys.is_short:
            await self.standbys.close()  # nothing leaves any more: who waits for that is told
        await self._batches.close()
        await self.standbys.close()
        self._is_drained = True

    async def close(self, *, take_last: bool) -> None:
        """Close the journal behind `drain`, with a snapshot for the next start if asked."""
        await self.snapshots.close(take_last=take_last)
        await self._blocking(self._market.close)
        self._executor.shutdown()

    def position(self) -> trading_pb2.LogPosition:
        """The end of the event log."""
        return trading_pb2.LogPosition(
            log_id=self.log_id,
            sequence=self.feed.sequence,
            running_hash=self.feed.running_hash,
        )

    async def _submit(self, batches: list[Batch]) -> Sequence[Outcome]:
        async with self._turn:
            outcomes, messages = await self._run(self._take, batches)
            self._publish(messages)
        self._figures.group_batches.observe(len(batches))
        return outcomes

    def _take(self, batches: list[Batch]) -> tuple[list[Outcome], list[_Message]]:
        try:
            outcomes = self._market.submit(batches)
        except (JournalError, OSError) as error:
            self._fail(error)
            raise
        return outcomes, self._messages([o.events for o in outcomes if o.events is not None])

    def _advance(self) -> list[_Message]:
        events = self._market.advance()
        return [] if events is None else self._messages([events])

    async def _begin_snapshot(self) -> SegmentHeader:
        try:
            head = await self._blocking(self._market.begin_snapshot)
        except (JournalError, OSError) as error:
            self._fail(error)
            raise
        if not self._is_drained:
            self._must_lead()
        return head

    def _messages(self, batches: Sequence[EventBatch]) -> list[_Message]:
        status = self._market.status()
        self._deadline_ns, self._unsaved_commands = status.next_deadline_ns, status.unsaved_commands
        self.covered_number = status.covered.last_batch
        return [to_message(self.number, self.log_id, batch) for batch in batches if batch.count]

    def _publish(self, messages: Sequence[_Message]) -> None:
        for message in messages:
            self.feed.publish(message)
            self._figures.events.inc(len(message.batch.events))
        end = Position(self._market.log_id, self.feed.sequence, self.feed.running_hash)
        self.standbys.note_matched(self._market.put_batches, end)
        self._moved.set()
        self.snapshots.note(self._unsaved_commands)

    def _read_page(self, sequence: int) -> list[_Message]:
        page: list[_Message] = []
        for batch in self._market.events_after(sequence):
            if batch.count:
                page.append(to_message(self.number, self.log_id, batch))
            if len(page) == _PAGE:
                break
        return page

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        # What was found or written may be what a later leader does not have: while a standby has
        # not synced it, and where the lease was lost meanwhile.
        def counted() -> tuple[T, int]:
            return work(*arguments), self._market.put_batches

        async with self._working:
            result, put_batches = await self._blocking(counted)
        await self.standbys.hold(put_batches)
        self._must_lead()
        return result

    def _must_lead(self) -> None:
        if self._lost.is_set():
            raise not_leader("")

    async def _blocking(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(work, *arguments))


async def _first_of(awaited: Awaitable[object], wait_ns: int) -> None:
    try:
        async with asyncio.timeout(wait_ns / 1_000_000_000):
            await awaited
    except TimeoutError:
        return
