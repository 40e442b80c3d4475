"""The leader waits for its standbys, takes them in, and goes on without them when it must."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from svc.engine.frame_index import Place
from svc.engine.journal import stamped_of
from svc.engine.standbys import Shipment
from svc.engine.status import LogEnd, Position
from svc.kit.errors import DomainError
from tests.engine.lossy import flow_batches
from tests.engine.test_servicer import PATIENCE_NS, Led

JOURNAL = "ab" * 16
NO_LOG = LogEnd(0, b"", 0, Position(b"", 0, 0))


@dataclass
class WrittenRoll:
    """A roll that the test reads and may hold up."""

    journals: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False

    async def enter(self, journal: str, instance: str) -> None:
        async with self._asked():
            self.journals.append(journal)

    async def strike_off(self, journal: str) -> None:
        async with self._asked():
            self.journals.remove(journal)

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[None]:
        assert not self.busy, "which of two comes first is not known"
        self.busy = True
        self.asked.set()
        await self.open.wait()
        yield
        self.busy = False


class FakeStandby:
    """Follows a led market as a standby's stream does, and syncs when the test says so."""

    def __init__(self, led: Led, journal: str = JOURNAL) -> None:
        self._led = led
        self._journal = journal
        self._answers: asyncio.Queue[int | None] = asyncio.Queue()
        self._arrived = asyncio.Event()
        self.shipments: list[Shipment] = []
        self.ended: BaseException | None = None
        self.task = asyncio.create_task(self._follow())

    @property
    def numbers(self) -> list[int]:
        """Of the batches that came."""
        frames = b"".join(shipment.frames for shipment in self.shipments)
        return [stamped.batch.number for stamped in stamped_of(frames)]

    async def came(self, number: int) -> None:
        """Returns when this batch has come."""
        while number not in self.numbers:
            await self._next()

    async def attached(self) -> None:
        """Returns when something has come."""
        while not self.shipments:
            await self._next()

    def sync(self, place: int | None = None) -> None:
        """All that came is on its disk, or what came up to `place`."""
        if place is None:
            place = max(shipment.place for shipment in self.shipments)
        self._answers.put_nowait(place)

    async def in_sync(self) -> None:
        """Syncs whatever comes until it is the one that the leader has taken in."""
        while not self._is_in_sync():
            await self._next()
            self.sync()

    def _is_in_sync(self) -> bool:
        attached = self._led.writer.standbys.attached()
        return bool(self.shipments) and [each.is_in_sync for each in attached] == [True]

    def go(self) -> None:
        """Its stream ends."""
        self._answers.put_nowait(None)

    async def _next(self) -> None:
        self._arrived.clear()
        async with asyncio.timeout(60):
            await self._arrived.wait()

    async def _follow(self) -> None:
        standbys = self._led.writer.standbys
        serving = standbys.serve(self._journal, "b", NO_LOG, self._synced())
        try:
            async with aclosing(serving) as shipments:
                async for shipment in shipments:
                    self.shipments.append(shipment)
                    self._arrived.set()
        except DomainError as error:
            self.ended = error

    async def _synced(self) -> AsyncIterator[int]:
        while (place := await self._answers.get()) is not None:
            yield place


@pytest.fixture
def roll() -> WrittenRoll:
    made = WrittenRoll()
    made.open.set()
    return made


@pytest.fixture
async def led(tmp_path: Path, roll: WrittenRoll) -> AsyncIterator[Led]:
    market = Led(tmp_path, roll=roll)
    yield market
    market.lost.set()  # nobody is waited for
    await market.close()


async def everything_else() -> None:
    """Lets every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def struck_off(led: Led) -> None:
    """Returns when nobody follows; time passes for as long as that takes."""
    while led.writer.standbys.attached():
        led.clock.advance(PATIENCE_NS // 4)
        await asyncio.sleep(0)


async def test_nothing_is_answered_or_seen_before_the_standby_has_synced_it(
    led: Led, roll: WrittenRoll
) -> None:
    first, second, *_ = flow_batches(3, 10)
    await led.writer.submit(first)
    standby = FakeStandby(led)
    await standby.in_sync()
    assert standby.numbers == [1]
    assert roll.journals == [JOURNAL]
    before = led.writer.position()
    answer = asyncio.create_task(led.writer.submit(second))
    await standby.came(2)
    status = asyncio.create_task(led.writer.status())
    stored = asyncio.create_task(led.writer.stored_after(0))
    await led.writer._blocking(int)  # noqa: SLF001 - the market's thread has done all of it
    await everything_else()
    assert not any(task.done() for task in (answer, status, stored))
    assert led.writer.position() == before
    standby.sync()
    assert (await answer).number == 2
    assert (await status).last_batch == 2
    assert (await stored)[-1].batch.batch_number == 2
    standby.go()


async def test_a_standby_that_syncs_nothing_is_struck_off_before_anything_leaves_without_it(
    led: Led, roll: WrittenRoll
) -> None:
    first, *_ = flow_batches(3, 10)
    standby = FakeStandby(led)
    await standby.in_sync()
    answer = asyncio.create_task(led.writer.submit(first))
    await standby.came(1)
    roll.open.clear()
    roll.asked.clear()
    while not roll.asked.is_set():
        led.clock.advance(PATIENCE_NS // 4)
        await asyncio.sleep(0)
    await everything_else()
    assert not answer.done()
    assert roll.journals == [JOURNAL]
    roll.open.set()
    assert (await answer).number == 1
    assert roll.journals == []
    await standby.task
    assert isinstance(standby.ended, DomainError)
    assert standby.ended.reason == "STANDBY_GONE"


async def test_a_standby_is_in_sync_only_when_it_has_all_that_left(
    led: Led, roll: WrittenRoll
) -> None:
    batches = list(flow_batches(3, 10))
    await led.writer.submit(batches[0])
    standby = FakeStandby(led)
    await standby.came(1)
    for batch in batches[1:4]:
        await led.writer.submit(batch)  # nobody is waited for yet
    await standby.came(4)
    (seen,) = led.writer.standbys.attached()
    standby.sync(next(shipment.place for shipment in standby.shipments if shipment.place))
    while not seen.is_waited_for:
        await seen.moved.wait()
        await asyncio.sleep(0)
    await everything_else()
    assert not roll.asked.is_set()
    assert roll.journals == []
    await standby.in_sync()
    assert roll.journals == [JOURNAL]
    assert standby.numbers == [1, 2, 3, 4]
    standby.go()
    await struck_off(led)
    assert roll.journals == []


async def test_a_standby_that_comes_again_is_not_struck_off_behind_its_own_back(
    led: Led, roll: WrittenRoll
) -> None:
    standby = FakeStandby(led)
    await standby.in_sync()
    roll.open.clear()
    again = FakeStandby(led)
    await standby.task
    await again.attached()
    again.sync()
    await everything_else()
    roll.open.set()
    await again.in_sync()
    assert [each.is_gone for each in led.writer.standbys.attached()] == [False]
    assert roll.journals == [JOURNAL]
    again.go()


async def test_a_stop_leaves_the_standby_on_the_roll(led: Led, roll: WrittenRoll) -> None:
    first, *_ = flow_batches(3, 10)
    standby = FakeStandby(led)
    await standby.in_sync()
    answer = asyncio.create_task(led.writer.submit(first))
    await standby.came(1)
    led.writer.standbys.leave()
    standby.go()
    with pytest.raises(DomainError) as refused:
        await answer
    assert refused.value.reason == "NOT_LEADER"
    assert roll.journals == [JOURNAL]


async def test_events_are_told_to_the_standby_with_the_place_they_belong_to(led: Led) -> None:
    batches = list(flow_batches(3, 10))
    standby = FakeStandby(led)
    await standby.in_sync()
    for batch in batches[:3]:
        answer = asyncio.create_task(led.writer.submit(batch))
        await standby.came(batch.number)
        standby.sync()
        await answer
    place = standby.shipments[-1].place
    while standby.shipments[-1].matched_place != place:
        await standby.in_sync()
        await asyncio.sleep(0)
    status = await led.writer.status()
    assert standby.shipments[-1].matched == status.position
    standby.go()


async def test_a_standby_that_has_everything_gets_the_group_that_is_on_its_way(
    led: Led, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = flow_batches(3, 10)
    read = led.market.commands_from
    answers: list[asyncio.Task[object]] = []
    loop = asyncio.get_running_loop()

    def begin() -> None:
        answers.append(asyncio.create_task(led.writer.submit(first)))

    def read_and_begin(place: Place, most_bytes: int) -> tuple[bytes, Place]:
        found = read(place, most_bytes)
        if not answers:
            loop.call_soon_threadsafe(begin)
            while not (answers and led.writer._working.locked()):  # noqa: SLF001 - not in the loop
                time.sleep(0.001)
        return found

    monkeypatch.setattr(led.market, "commands_from", read_and_begin)
    standby = FakeStandby(led)
    await standby.in_sync()
    await asyncio.gather(*answers)
    await standby.in_sync()
    assert standby.numbers == [1]
    standby.go()


async def test_a_sign_of_life_asks_for_nothing_that_was_not_given(
    led: Led, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = list(flow_batches(3, 30))
    standby = FakeStandby(led)
    await standby.in_sync()
    monkeypatch.setattr("svc.engine.standbys._HEARTBEAT_S", 0.0)
    for batch in batches[:20]:
        answer = asyncio.create_task(led.writer.submit(batch))
        await standby.came(batch.number)
        standby.sync()
        await answer
    frames = b""
    for shipment in standby.shipments:
        frames += shipment.frames
        if shipment.place:
            # The first place is that of no batch.
            assert shipment.place <= 1 + len(list(stamped_of(frames)))
    standby.go()


async def test_a_market_that_waits_for_a_standby_takes_in_the_one_that_comes(
    tmp_path: Path, roll: WrittenRoll
) -> None:
    first, *_ = flow_batches(3, 10)
    market = Led(tmp_path, roll=roll, standbys_required=1)
    standby = FakeStandby(market)
    await standby.in_sync()
    answer = asyncio.create_task(market.writer.submit(first))
    await standby.came(1)
    standby.go()  # before it has answered
    await struck_off(market)
    assert not answer.done()
    assert (await market.writer.statistics()).status.last_batch == 1
    again = FakeStandby(market)
    await again.came(1)
    again.sync()
    assert (await answer).number == 1
    again.go()
    await struck_off(market)
    await market.close()
