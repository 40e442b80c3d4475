"""Standbys with journals of their own, as the leader of a market sees them.

Invariant: nothing leaves the leader before every standby that is in sync has it on its disk; a
standby is in sync exactly while its journal is on the roll, and goes out of sync only by being
struck off. What a standby gets is what the leader's journal gets, in the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import Gauge

from svc.engine.frame_index import Place
from svc.engine.market import Market
from svc.engine.status import LogEnd, Position
from svc.kit.clock import Clock
from svc.kit.errors import not_leader, unavailable
from svc.kit.log import get_logger

_LOOK_S = 0.1
_HEARTBEAT_S = 0.3
_PART_BYTES = 1 << 20
_NEAR_BYTES = 64 << 10
"""A standby that has no more than this to read gets it while batches wait."""

_log = get_logger("engine")


class Enrols(Protocol):
    """What of the roll is needed here; see roll.Roll."""

    async def enter(self, journal: str, instance: str) -> None:
        """That journal may lead from here on."""

    async def strike_off(self, journal: str) -> None:
        """That journal may lead no more."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """Frames for a standby. `place`, when not 0, is what it answers once they are on its disk.

    `matched` is where the leader's events ended at `matched_place`, a place told before.
    """

    frames: bytes
    place: int = 0
    matched_place: int = 0
    matched: Position | None = None
    released_sequence: int = 0
    """Nobody asks for events up to this one any more."""


@dataclass(eq=False, slots=True)
class Standby:
    """One that follows the newest commands."""

    journal: str
    instance: str
    sent: int
    """Place of what was sent last."""
    progress_ns: int
    """When it last had nothing to sync, or synced something; monotonic."""
    given: int = 0
    """Place up to which all went into its stream."""
    synced: int = 0
    """Place up to which all is on its disk."""
    is_waited_for: bool = False
    is_in_sync: bool = False
    is_gone: bool = False
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    is_off: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is neither followed nor on the roll any more."""
    shipments: asyncio.Queue[Shipment] = field(default_factory=asyncio.Queue)

    def go(self) -> None:
        """It follows no more."""
        self.is_gone = True
        self.moved.set()
        self.shipments.put_nowait(Shipment(b""))  # wakes who waits for one


class Standbys:
    """Those of one market that is led here. For one event loop."""

    def __init__(
        self,
        market: Market,
        roll: Enrols,
        clock: Clock,
        *,
        required: int,
        patience_ns: int,
        in_sync: Gauge,
        turn: asyncio.Lock,
        blocking: Callable[..., Awaitable[Any]],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Nothing leaves the leader while fewer than `required` are in sync.

        A standby is given up that syncs nothing for `patience_ns` while something waits for it.
        `turn` is held while the market's thread works, `blocking` runs a function there, `fail`
        ends the process.
        """
        self._market = market
        self._roll = roll
        self._clock = clock
        self._required = required
        self._patience_ns = patience_ns
        self._in_sync = in_sync
        self._turn = turn
        self._blocking = blocking
        self._fail = fail
        self._attached: list[Standby] = []
        self._keeping: set[asyncio.Task[None]] = set()
        self._matched_place, self._matched = _place(0), market.status().position
        self._is_leaving = False
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        market.ship_to(self._ship)

    def attached(self) -> Sequence[Standby]:
        """Those that follow now, in sync or not yet."""
        return tuple(self._attached)

    @property
    def is_short(self) -> bool:
        """Whether fewer are in sync than are required."""
        return sum(standby.is_in_sync for standby in self._attached) < self._required

    async def hold(self, put_batches: int) -> None:
        """Returns when what so many batches made may leave.

        Raises NOT_LEADER when that will never be.
        """
        while not self._may_leave(_place(put_batches)):
            if self._is_leaving:
                raise not_leader("")
            self._changed.clear()
            await self._changed.wait()

    def note_matched(self, put_batches: int, position: Position) -> None:
        """The events of so many batches end there: standbys compare that with their own."""
        self._matched_place, self._matched = _place(put_batches), position

    async def serve(
        self, journal: str, instance: str, end: LogEnd, synced: AsyncIterator[int]
    ) -> AsyncGenerator[Shipment, None]:
        """What a standby gets whose journal ends so, for as long as it stays.

        `synced` says the places it answers. Raises what Market.place_behind does, and UNAVAILABLE
        STANDBY_GONE.
        """
        place = await self._blocking(self._market.place_behind, end)
        _log.info("standby_came", market=self._market.market, instance=instance, journal=journal)
        frames, place = await self._read(place)
        while len(frames) > _NEAR_BYTES:
            yield Shipment(frames)
            frames, place = await self._read(place)
        async with self._turn:
            # What is begun from here on is shipped; what was begun before has to be read, even
            # where nothing was left a moment ago.
            rest = []
            while True:
                if frames:
                    rest.append(Shipment(frames))
                frames, place = await self._read(place)
                if not frames:
                    break
            standby = self._attach(journal, instance, rest)
        reading = asyncio.create_task(self._read_synced(standby, synced))
        try:
            while not standby.is_gone:
                yield await self._next(standby)
        finally:
            standby.go()
            reading.cancel()
            await asyncio.wait([reading])
        why = f"the standby {instance} synced nothing for too long, or has come again"
        raise unavailable("STANDBY_GONE", why)

    def leave(self) -> None:
        """The process stops: the standbys in sync stay on the roll, so that one may take over.

        From here on nothing leaves that one of them may lack.
        """
        self._is_leaving = True
        self._changed.set()

    async def close(self) -> None:
        """Lets the standbys go. Those in sync stay on the roll: nothing leaves any more."""
        self.leave()
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for standby in self._attached:
            standby.go()

    def _may_leave(self, place: int) -> bool:
        if self._attached or self._required:
            waited_for = (s.synced >= place for s in self._attached if s.is_waited_for)
            return all(waited_for) and not self.is_short
        return True

    async def _read(self, place: Place) -> tuple[bytes, Place]:
        frames, behind = await self._blocking(self._market.commands_from, place, _PART_BYTES)
        return frames, behind

    def _attach(self, journal: str, instance: str, rest: Sequence[Shipment]) -> Standby:
        standby = Standby(
            journal, instance, _place(self._market.put_batches), self._clock.monotonic_ns()
        )
        for shipment in (*rest, self._telling(b"", standby.sent)):
            standby.shipments.put_nowait(shipment)
        self._attached.append(standby)
        task = asyncio.create_task(self._keep(standby))
        self._keeping.add(task)
        task.add_done_callback(self._kept)
        return standby

    async def _keep(self, standby: Standby) -> None:
        # Takes it in when it has caught up, strikes it off when it is gone. Where that fails it is
        # waited for to the end.
        for before in self.attached():
            if before.journal == standby.journal and before is not standby:
                before.go()  # its stream broke, and that has not been noticed
                await before.is_off.wait()
        if await self._has_synced(standby, standby.sent):
            standby.is_waited_for = True
            # What may have left before that.
            if await self._has_synced(standby, standby.sent):
                await self._roll.enter(standby.journal, standby.instance)
                self._set_in_sync(standby, is_in_sync=True)
                while await self._has_synced(standby, standby.sent + 1):
                    pass
                if self._is_leaving:
                    return
                self._set_in_sync(standby, is_in_sync=False)
                await self._roll.strike_off(standby.journal)
        standby.go()
        standby.is_off.set()
        self._attached.remove(standby)
        self._changed.set()

    async def _has_synced(self, standby: Standby, place: int) -> bool:
        # False as soon as it is gone or has been given up.
        while standby.synced < place:
            waited_ns = self._clock.monotonic_ns() - standby.progress_ns
            is_late = standby.synced < standby.sent and waited_ns > self._patience_ns
            if standby.is_gone or is_late:
                return False
            standby.moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await standby.moved.wait()
        return not standby.is_gone

    def _set_in_sync(self, standby: Standby, *, is_in_sync: bool) -> None:
        standby.is_in_sync = is_in_sync
        self._in_sync.set(sum(each.is_in_sync for each in self._attached))
        self._changed.set()
        _log.info(
            "standby_in_sync" if is_in_sync else "standby_lost",
            market=self._market.market,
            instance=standby.instance,
            journal=standby.journal,
        )

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._keeping.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    async def _read_synced(self, standby: Standby, synced: AsyncIterator[int]) -> None:
        try:
            async for place in synced:
                standby.synced = max(standby.synced, min(place, standby.given))
                standby.progress_ns = self._clock.monotonic_ns()
                standby.moved.set()
                self._changed.set()
        finally:
            standby.go()

    async def _next(self, standby: Standby) -> Shipment:
        shipment = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT_S):
                shipment = await standby.shipments.get()
        if shipment is None:
            # One may have come just when the time was over, and what a sign of life asks for must
            # not be ahead of what was given.
            return self._telling(b"", standby.given)
        standby.given = max(standby.given, shipment.place)
        return shipment

    def _telling(self, frames: bytes, place: int) -> Shipment:
        released = self._market.released_sequence
        return Shipment(frames, place, self._matched_place, self._matched, released)

    def _ship(self, frames: memoryview, lengths: Sequence[int], put_batches: int) -> None:
        # In the market's thread.
        if self._attached:
            parts = list(_parts(bytes(frames), lengths))
            self._loop.call_soon_threadsafe(self._send, parts, _place(put_batches))

    def _send(self, parts: list[bytes], place: int) -> None:
        shipments = [Shipment(part) for part in parts[:-1]] + [self._telling(parts[-1], place)]
        for standby in self._attached:
            if standby.is_gone:
                continue
            if standby.synced >= standby.sent:
                standby.progress_ns = self._clock.monotonic_ns()
            standby.sent = place
            for shipment in shipments:
                standby.shipments.put_nowait(shipment)


def _place(put_batches: int) -> int:
    """The place behind so many batches since the market was opened; 0 is none."""
    return put_batches + 1


def _parts(frames: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
    """Whole frames in parts of about _PART_BYTES."""
    start = end = 0
    for length in lengths:
        end += length
        if end - start >= _PART_BYTES:
            yield frames[start:end]
            start = end
    if end > start:
        yield frames[start:end]
