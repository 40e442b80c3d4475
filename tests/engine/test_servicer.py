"""The engine's streams: what a follower of instruments is told, and what a lost lease silences."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from engine.v1 import engine_pb2, records_pb2
from prometheus_client import CollectorRegistry
from trading.v1 import trading_pb2

from svc.engine.folder import Folder
from svc.engine.journal import Batch
from svc.engine.records import (
    Command,
    CommandKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    pack_commands,
)
from svc.engine.servicer import HEARTBEAT_NS, EngineServicer
from svc.engine.snapshot_keeper import SnapshotKeeper
from svc.engine.standbys import Enrols
from svc.engine.status import Position
from svc.engine.writer import Figures, MarketWriter
from svc.kit.clock import FakeClock
from svc.kit.errors import DomainError
from tests.engine.flows import START_NS
from tests.engine.lossy import a_market, flow_batches, numbered

Events = AsyncIterator[engine_pb2.StreamEventsResponse]


PATIENCE_NS = 1_000_000_000


class NobodyElse:
    """The roll of a market without standbys: nothing is asked of it."""

    async def enter(self, journal: str, instance: str) -> None:
        raise AssertionError(instance)

    async def strike_off(self, journal: str) -> None:
        raise AssertionError(journal)


class Led:
    """A market with its writer and servicer."""

    def __init__(
        self,
        folder: Path,
        snapshot_commands: int = 1_000_000,
        roll: Enrols | None = None,
        standbys_required: int = 0,
        retention_ns: int = 0,
    ) -> None:
        self.clock = FakeClock(START_NS)
        self.lost = asyncio.Event()
        self.failures: list[BaseException] = []
        self.registry = CollectorRegistry()
        self.market = a_market(Folder(folder), self.clock)
        self.writer = MarketWriter(
            self.market,
            self.clock,
            Figures(self.registry),
            self.failures.append,
            lost=self.lost,
            snapshots=SnapshotKeeper(self.market, snapshot_commands),
            roll=roll or NobodyElse(),
            standbys_required=standbys_required,
            standby_patience_ns=PATIENCE_NS,
            retention_ns=retention_ns,
        )
        self.servicer = EngineServicer(lambda _market: self.writer, self.clock)

    async def close(self) -> None:
        """As the service stops."""
        await self.writer.drain()
        await self.writer.close(take_last=not self.lost.is_set())

    def follow(self, **fields: Any) -> Events:
        """The stream of a call without a context, which the method does not use."""
        request = engine_pb2.StreamEventsRequest(market=1, **fields)
        return self.servicer.StreamEvents(request, cast("Any", None))

    async def submit(self, *batches: Batch) -> None:
        """All of them, one after the other."""
        for batch in batches:
            await self.writer.submit(batch)


@pytest.fixture
async def led(tmp_path: Path) -> AsyncIterator[Led]:
    market = Led(tmp_path)
    yield market
    await market.close()


def definition(number: int) -> Batch:
    """A batch that adds one instrument."""
    command = InstrumentCommand(100 + number, 1, MarketState.TRADING, 1_000)
    return numbered(pack_commands([command]), number)


def order(number: int) -> Batch:
    """A batch with one order that rests."""
    command = Command(
        CommandKind.NEW, side=Side.BUY, order_type=OrderType.LIMIT, tif=TimeInForce.GTC,
        stp_mode=SelfTradeMode.NONE, instrument_id=1, version=1, order_id=number, account_id=1,
        price_ticks=900, quantity_lots=1,
    )  # fmt: skip
    return numbered(command.pack(), number)


async def test_a_follower_of_instruments_learns_how_far_it_has_come_while_others_trade(
    led: Led,
) -> None:
    await led.submit(next(flow_batches(3, 30)))
    stream = led.follow(instruments_only=True)
    assert (await anext(stream)).batch.events[0].HasField("instrument_changed")
    await led.submit(*(order(number) for number in range(2, 12)))
    led.clock.advance(HEARTBEAT_NS)
    assert (await anext(stream)).heartbeat.position.sequence == 2
    led.clock.advance(HEARTBEAT_NS)
    told = await anext(stream)
    assert told.heartbeat.position == led.writer.position()
    assert told.heartbeat.position.sequence > 2
    resumed = led.follow(instruments_only=True, after=told.heartbeat.position)
    await led.submit(definition(12))
    assert (await anext(resumed)).batch.events[0].instrument_id == 112


async def test_the_heartbeat_of_a_follower_that_stands_behind_names_where_it_stands(
    led: Led, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.engine.writer._PAGE", 1)
    monkeypatch.setattr("svc.engine.feed.KEPT_EVENTS", 1)
    await led.submit(*flow_batches(3, 30))
    stream = led.follow(instruments_only=True)
    assert (await anext(stream)).HasField("batch")
    led.clock.advance(HEARTBEAT_NS)
    told = (await anext(stream)).heartbeat.position
    assert 2 <= told.sequence < led.writer.feed.sequence
    assert (await anext(led.follow(after=told))).batch.previous_hash == told.running_hash


async def test_a_quiet_stream_tells_where_it_stands(led: Led) -> None:
    await led.submit(definition(1))
    stream = led.follow()
    assert (await anext(stream)).HasField("batch")
    led.clock.advance(HEARTBEAT_NS)
    assert (await anext(stream)).heartbeat.position == led.writer.position()


async def test_nothing_is_answered_or_published_once_the_lease_is_lost(led: Led) -> None:
    first, second, *_ = list(flow_batches(3, 30))
    await led.submit(first)
    before = led.writer.position()
    answer = asyncio.create_task(led.writer.submit(second))
    led.lost.set()  # while the batch is on its way to the disk
    with pytest.raises(DomainError) as refused:
        await answer
    assert refused.value.reason == "NOT_LEADER"
    assert led.writer.position() == before
    for ask in (led.writer.status, led.writer.snapshot, lambda: led.writer.stored_after(0)):
        with pytest.raises(DomainError, match="standby"):
            await ask()


async def test_a_snapshot_is_taken_whenever_enough_commands_have_come(tmp_path: Path) -> None:
    market = Led(tmp_path, snapshot_commands=20)
    keeping = asyncio.create_task(market.writer.snapshots.keep())
    batches = list(flow_batches(3, 30))
    await market.submit(*batches[:15])
    async with asyncio.timeout(30):
        while (await market.writer.status()).covered.segment == 0:
            pass
    covered = (await market.writer.status()).covered
    assert 0 < covered.last_batch <= 15
    await market.submit(*batches[15:])
    keeping.cancel()
    await market.close()
    again = a_market(Folder(tmp_path), epoch=2)
    assert again.status().covered.last_batch == len(batches)
    assert again.status().unsaved_commands == 0


async def test_an_operator_takes_a_snapshot_and_sees_what_it_covers(led: Led) -> None:
    await led.submit(*flow_batches(3, 30))
    context = cast("Any", None)
    request = engine_pb2.TakeSnapshotRequest(market=1)
    before = await led.servicer.GetStatistics(engine_pb2.GetStatisticsRequest(market=1), context)
    assert (before.covered.segment, before.unsaved_commands) == (0, before.commands)
    taken = await led.servicer.TakeSnapshot(request, context)
    assert taken.covered.position == led.writer.position()
    found = await led.servicer.GetStatistics(engine_pb2.GetStatisticsRequest(market=1), context)
    assert found.covered == taken.covered
    assert (found.segments, found.unsaved_commands) == (2, 0)
    assert found.last_number == found.covered.last_number
    assert found.memory_bytes > 0 < found.live_orders


async def test_a_writer_that_has_lost_its_lease_takes_no_snapshot(tmp_path: Path) -> None:
    market = Led(tmp_path)
    await market.submit(*flow_batches(3, 10))
    market.lost.set()
    with pytest.raises(DomainError, match="standby"):
        await market.writer.snapshots.take()
    await market.close()
    assert Folder(tmp_path).snapshots() == []


async def test_an_answer_says_up_to_where_a_snapshot_covers_the_log(led: Led) -> None:
    first, second, third, *_ = list(flow_batches(3, 30))
    await led.submit(first, second)
    assert led.writer.covered_number == 0
    await led.writer.snapshots.take()
    await led.submit(third)
    assert led.writer.covered_number == second.number


async def test_a_list_of_one_places_replaces_and_cancels_and_is_known_again(led: Led) -> None:
    """Each under an outbox number of its own, with the digest that tells a repeat from a clash."""
    context = cast("Any", None)
    await led.submit(definition(1))
    named: dict[str, Any] = {"order_id": 7, "account_id": 3, "instrument_id": 101}
    place = engine_pb2.PlaceOrderRequest(
        market=1, number=2, digest=bytes(16),
        order=records_pb2.NewOrder(
            **named, version=1, side="BUY", type="LIMIT", time_in_force="GTC",
            self_trade_mode="NONE", price_ticks=900, quantity_lots=5,
        ),
    )  # fmt: skip
    assert (await led.servicer.PlaceOrder(place, context)).done.number == 2
    replacing = engine_pb2.ReplaceOrderRequest(
        market=1, number=3, digest=bytes(range(16)),
        replace=records_pb2.ReplaceOrder(**named, version=2, price_ticks=901, quantity_lots=4),
    )  # fmt: skip
    done = (await led.servicer.ReplaceOrder(replacing, context)).done
    assert (done.number, done.duplicate) == (3, False)
    again = (await led.servicer.ReplaceOrder(replacing, context)).done
    assert (again.number, again.duplicate, again.sequence) == (3, True, done.sequence)
    replacing.digest = bytes(16)
    with pytest.raises(DomainError) as refused:
        await led.servicer.ReplaceOrder(replacing, context)
    assert refused.value.reason == "DIGEST_MISMATCH"
    replacing.number = 5
    with pytest.raises(DomainError) as refused:
        await led.servicer.ReplaceOrder(replacing, context)
    assert refused.value.reason == "BATCH_GAP"
    stream = led.servicer.SnapshotOrders(engine_pb2.SnapshotOrdersRequest(market=1), context)
    (live,) = (await anext(cast("Any", stream))).orders
    assert (live.version, live.price_ticks, live.remaining_lots) == (2, 901, 4)
    cancel = engine_pb2.CancelOrderRequest(
        market=1, number=4, digest=bytes(16), cancel=records_pb2.CancelOrder(**named)
    )
    assert (await led.servicer.CancelOrder(cancel, context)).done.number == 4


async def test_a_relay_tells_what_is_applied_on_its_way_and_old_events_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.engine.feed.KEPT_EVENTS", 1)
    led = Led(tmp_path)
    first, *batches = list(flow_batches(3, 30))
    await led.submit(first)
    for batch in batches[:3]:
        await led.writer.snapshots.take()
        await led.submit(batch)
    applied = led.writer.position()

    async def said(*positions: trading_pb2.LogPosition) -> list[engine_pb2.SubmitResponse]:
        async def requests() -> AsyncIterator[engine_pb2.SubmitRequest]:
            yield engine_pb2.SubmitRequest(hello=engine_pb2.Hello(market=1, highest_number=99))
            for position in positions:
                yield engine_pb2.SubmitRequest(applied=position)

        return [each async for each in led.servicer.Submit(requests(), cast("Any", None))]

    (welcome,) = await said(applied)
    assert welcome.HasField("welcome")
    assert led.market.released_sequence > 0
    assert Folder(tmp_path).numbers()[0] == 1
    await led.writer.snapshots.take()
    assert Folder(tmp_path).numbers()[0] == Folder(tmp_path).snapshots()[0] > 1
    with pytest.raises(DomainError) as refused:
        await anext(led.follow())
    assert (refused.value.code, refused.value.reason) == (
        grpc.StatusCode.OUT_OF_RANGE, "EVENTS_NOT_RETAINED",
    )  # fmt: skip
    await led.submit(batches[3])
    assert (await anext(led.follow(after=applied))).batch.previous_hash == applied.running_hash
    applied.running_hash ^= 1
    with pytest.raises(DomainError, match="HASH_MISMATCH"):
        await said(applied)
    await led.close()


@pytest.mark.parametrize("age_ns", [0, 10])
async def test_what_is_applied_stays_until_it_is_old(tmp_path: Path, age_ns: int) -> None:
    led = Led(tmp_path, retention_ns=10)
    await led.submit(*list(flow_batches(3, 30))[:5])
    await led.writer.snapshots.take()
    end = led.writer.position()
    led.clock.advance(age_ns)
    await led.writer.release(Position(bytes.fromhex(end.log_id), end.sequence, end.running_hash))
    assert led.market.released_sequence == (end.sequence if age_ns else 0)
    await led.close()


async def test_a_snapshot_leaves_in_parts_as_it_lies_on_the_disk(
    led: Led, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.engine.servicer._SNAPSHOT_PART_BYTES", 300)
    await led.submit(*flow_batches(3, 30))
    request = engine_pb2.FetchSnapshotRequest(market=1)
    with pytest.raises(DomainError, match="NO_SNAPSHOT"):
        await anext(led.servicer.FetchSnapshot(request, cast("Any", None)))
    await led.writer.snapshots.take()
    (number,) = Folder(tmp_path).snapshots()
    fetched = [each.part async for each in led.servicer.FetchSnapshot(request, cast("Any", None))]
    assert len(fetched) > 1
    with Folder(tmp_path).open_snapshot(number) as file:
        assert b"".join(fetched) == file.read()


async def test_the_hash_of_the_state_is_said_with_its_position_and_only_when_asked(
    led: Led,
) -> None:
    await led.submit(*flow_batches(3, 30))
    request = engine_pb2.GetStatusRequest(market=1)
    status = await led.servicer.GetStatus(request, cast("Any", None))
    assert (status.position, status.state_hash) == (led.writer.position(), 0)
    request.with_state_hash = True
    status = await led.servicer.GetStatus(request, cast("Any", None))
    position, state_hash = led.market.state_hash()
    assert status.state_hash == state_hash != 0
    assert status.position.running_hash == position.running_hash
