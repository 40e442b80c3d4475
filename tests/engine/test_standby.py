"""Two engines on one journal: the standby takes over without losing or doubling anything."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from engine.v1 import engine_pb2, engine_pb2_grpc, records_pb2

from svc.engine.folder import Folder
from svc.engine.journal_reader import JournalError
from svc.engine.records import SEMANTIC_VERSION
from svc.engine.recovery import recover
from svc.kit.client import dial
from svc.kit.database import Target, open_database
from svc.kit.errors import from_rpc
from svc.kit.identity import Identity, create_secrets, load_identity

ROOT = Path(__file__).parents[2]
ORDERS = 300
Start = Callable[[str], Awaitable["Running"]]


@dataclass
class Running:
    """An engine's process and how order calls it."""

    process: asyncio.subprocess.Process
    stub: engine_pb2_grpc.EngineServiceAsyncStub
    identity: Identity
    operator: Identity
    acknowledged: list[int] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def status(self) -> engine_pb2.GetStatusResponse:
        """Where its log stands; AioRpcError from a standby."""
        return await self.stub.GetStatus(
            engine_pb2.GetStatusRequest(market=1), metadata=self.identity.metadata()
        )

    async def statistics(self) -> engine_pb2.GetStatisticsResponse:
        """What an operator sees."""
        return await self.stub.GetStatistics(
            engine_pb2.GetStatisticsRequest(market=1), metadata=self.operator.metadata()
        )

    async def led(self) -> engine_pb2.GetStatusResponse:
        """The same, once it leads."""
        while True:
            with suppress(grpc.aio.AioRpcError):
                return await self.status()
            await asyncio.sleep(0)

    async def submit(self, numbers: Sequence[int], *, version_at: int = 0) -> None:
        """Hands over these batches on one stream, and notes what is acknowledged."""
        sent = requests(numbers, version_at=version_at)
        call = self.stub.Submit(sent, metadata=self.identity.metadata())
        async for response in call:
            if response.HasField("done"):
                self.acknowledged.append(response.done.number)
                self.moved.set()

    async def events(self) -> list[engine_pb2.StreamEventsResponse]:
        """Every batch of events from the log's start to where it stands now."""
        end = (await self.status()).position.sequence
        call = self.stub.StreamEvents(
            engine_pb2.StreamEventsRequest(market=1), metadata=self.identity.metadata()
        )
        found = []
        async for response in call:
            if response.HasField("batch"):
                found.append(response)
                if response.batch.events[-1].sequence == end:
                    return found
        raise AssertionError("the stream has ended")


async def requests(
    numbers: Sequence[int], *, version_at: int = 0
) -> AsyncIterator[engine_pb2.SubmitRequest]:
    """A relay's messages; the applier knows nothing yet. A later version may begin on the way."""
    yield engine_pb2.SubmitRequest(hello=engine_pb2.Hello(market=1, highest_number=ORDERS))
    for number in numbers:
        command = instrument() if number == 1 else order(number)
        if number == version_at:
            begin = records_pb2.BeginVersion(semantic_version=SEMANTIC_VERSION + 1)
            command = records_pb2.Command(begin_version=begin)
        digest = hashlib.blake2b(command.SerializeToString(), digest_size=16).digest()
        batch = records_pb2.CommandBatch(market=1, number=number, digest=digest, commands=[command])
        yield engine_pb2.SubmitRequest(batch=batch)


def instrument() -> records_pb2.Command:
    """What the first batch makes known."""
    return records_pb2.Command(
        set_instrument=records_pb2.SetInstrument(
            instrument_id=1, version=1, kind="SPOT", min_price_ticks=1, max_price_ticks=1_000,
            max_quantity_lots=1_000, state="TRADING",
        )
    )  # fmt: skip


def order(number: int) -> records_pb2.Command:
    """An order that rests, so that every batch makes one event."""
    return records_pb2.Command(
        new_order=records_pb2.NewOrder(
            order_id=number, version=1, account_id=1, instrument_id=1, side="BUY", type="LIMIT",
            time_in_force="GTC", self_trade_mode="NONE", price_ticks=10, quantity_lots=1,
        )
    )  # fmt: skip


@pytest.fixture
async def start(
    migrated_url: str, tmp_path: Path, free_port: Callable[[], int]
) -> AsyncIterator[Start]:
    """Starts engines on one journal and one database, each a process and a replica of its own."""
    secrets, journal = tmp_path / "secrets", tmp_path / "journal"
    journal.mkdir()
    create_secrets(secrets, ["engine", "order", "marketdata", "metadata", "mesh"])
    running: list[Running] = []
    channels: list[grpc.aio.Channel] = []

    async def started(instance: str) -> Running:
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "svc.engine", cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            env={
                **os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/gen", "POSTGRES_URL": migrated_url,
                "REDIS_URL": "unix:///nowhere", "MESH_SECRETS_DIR": str(secrets),
                "MESH_JOURNAL_DIR": str(journal), "MESH_INSTANCE": instance,
                "MESH_DRAIN_MS": "0", "MESH_JOURNAL_SEGMENT_BYTES": str(1 << 20),
                "ENGINE_GRPC_PORT": str(port), "ENGINE_HTTP_PORT": str(free_port()),
            },
        )  # fmt: skip
        channels.append(dial(f"127.0.0.1:{port}"))
        stub = engine_pb2_grpc.EngineServiceStub(channels[-1])
        order, operator = (load_identity(secrets, name) for name in ("order", "mesh"))
        running.append(Running(process, stub, order, operator))
        return running[-1]

    yield started
    for channel in channels:
        await channel.close()
    for engine in running:
        if engine.process.returncode is None:
            engine.process.kill()
        await engine.process.wait()


async def standing_by(engine: Running) -> None:
    """Returns when a standby answers that it is one."""
    while True:
        try:
            await engine.status()
        except grpc.aio.AioRpcError as error:
            if from_rpc(error).reason == "NOT_LEADER":
                return
        await asyncio.sleep(0)


async def lease_epoch_is(url: str, epoch: int) -> None:
    """Returns when the market's lease has this epoch."""
    database = await open_database(Target(url, "engine"))
    try:
        query = "SELECT epoch FROM leases WHERE name = 'market-1'"
        while True:
            async with database.transaction() as conn:
                if await conn.fetchval(query) == epoch:
                    return
    finally:
        await database.close()


def assert_gapless(batches: Sequence[engine_pb2.StreamEventsResponse]) -> None:
    """Every batch once and in order, every sequence once, hashes chained."""
    assert [response.batch.batch_number for response in batches] == list(range(1, ORDERS + 1))
    events = [event for response in batches for event in response.batch.events]
    assert [event.sequence for event in events] == list(range(1, ORDERS + 1))
    assert [event.order_accepted.order_id for event in events[1:]] == list(range(2, ORDERS + 1))
    running_hash = 0
    for response in batches:
        assert response.batch.previous_hash == running_hash
        running_hash = response.batch.running_hash


async def acknowledged(engine: Running, count: int) -> None:
    """Returns when so many batches are."""
    while len(engine.acknowledged) < count:
        engine.moved.clear()
        await engine.moved.wait()


async def go_on(engine: Running, before: Running) -> None:
    """Hands over what is missing to the engine that leads now; nothing acknowledged is missing."""
    status = await engine.led()
    assert status.epoch == 2
    assert status.last_number >= max(before.acknowledged)
    await engine.submit(range(max(1, status.last_number - 5), ORDERS + 1))
    assert_gapless(await engine.events())


@pytest.mark.parametrize("after", [1, 100])
async def test_a_standby_takes_over_when_the_primary_is_killed(start: Start, after: int) -> None:
    async with asyncio.timeout(90):
        primary = await start("a")
        await primary.led()
        standby = await start("b")
        await standing_by(standby)
        submitting = asyncio.create_task(primary.submit(range(1, ORDERS + 1)))
        await acknowledged(primary, after)
        primary.process.kill()
        with suppress(grpc.aio.AioRpcError):
            await submitting
        await go_on(standby, primary)


async def test_a_writer_that_was_paused_appends_nothing_that_its_successor_does_not_have(
    start: Start, migrated_url: str
) -> None:
    async with asyncio.timeout(90):
        primary = await start("a")
        await primary.led()
        standby = await start("b")
        await standing_by(standby)
        submitting = asyncio.create_task(primary.submit(range(1, ORDERS + 1)))
        await acknowledged(primary, 100)
        primary.process.send_signal(signal.SIGSTOP)
        await lease_epoch_is(migrated_url, 2)
        await standing_by(standby)
        primary.process.send_signal(signal.SIGCONT)
        with suppress(grpc.aio.AioRpcError):
            await submitting
        assert await primary.process.wait() != 0
        await go_on(standby, primary)


async def test_a_clean_stop_leaves_a_snapshot_and_the_next_start_begins_with_it(
    start: Start, tmp_path: Path
) -> None:
    async with asyncio.timeout(90):
        first = await start("a")
        await first.led()
        await first.submit(range(1, 101))
        first.process.terminate()
        assert await first.process.wait() == 0
        assert len(Folder(tmp_path / "journal" / "market-1").snapshots()) == 1
        second = await start("b")
        assert (await second.led()).last_number == 100
        found = await second.statistics()
        assert (found.commands, found.live_orders) == (0, 99)
        assert found.covered.last_number == 100
        await second.submit(range(95, ORDERS + 1))
        assert_gapless(await second.events())


async def test_an_engine_ends_behind_a_later_version_and_leaves_the_snapshot_it_begins_with(
    start: Start, tmp_path: Path
) -> None:
    async with asyncio.timeout(90):
        engine = await start("a")
        holds = (await engine.led()).last_number
        assert (await engine.statistics()).semantic_version == SEMANTIC_VERSION
        with pytest.raises(grpc.aio.AioRpcError):
            await engine.submit(range(1, ORDERS + 1), version_at=101)
        assert holds < max(engine.acknowledged, default=1) <= 100
        assert await engine.process.wait() != 0
        folder = Folder(tmp_path / "journal" / "market-1")
        assert folder.snapshots() == folder.numbers()[-1:]
        with pytest.raises(JournalError, match=f"is of semantic version {SEMANTIC_VERSION + 1}"):
            recover(folder, print)
        again = await start("b")
        assert await again.process.wait() != 0
