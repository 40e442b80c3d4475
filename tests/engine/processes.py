"""Engines as processes of their own, a relay for them, and what must be true of their logs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc, records_pb2

from svc.engine.folder import Folder
from svc.engine.records import SEMANTIC_VERSION
from svc.kit.client import dial
from svc.kit.database import Target, open_database
from svc.kit.errors import from_rpc
from svc.kit.identity import Identity, create_secrets, load_identity

ROOT = Path(__file__).parents[2]
ORDERS = 300
PAUSE_S = 0.02
"""Between two looks: the engines need the processors."""


@dataclass
class Running:
    """An engine's process and how order calls it."""

    process: asyncio.subprocess.Process
    port: int
    stub: engine_pb2_grpc.EngineServiceAsyncStub
    identity: Identity
    operator: Identity
    log: Path
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
            await asyncio.sleep(PAUSE_S)

    async def has_in_sync(self, *instances: str) -> None:
        """Returns when these standbys are in sync with it, and no others."""
        found: set[str] = set()
        while found != set(instances):
            with suppress(grpc.aio.AioRpcError):
                standbys = (await self.statistics()).standbys
                found = {standby.instance for standby in standbys if standby.in_sync}
            await asyncio.sleep(PAUSE_S)

    async def said(self, event: str) -> None:
        """Returns when that stands in its log."""
        while True:
            if f'"{event}"' in await asyncio.to_thread(self.log.read_text):
                return
            await asyncio.sleep(PAUSE_S)

    async def submit(self, numbers: Sequence[int], *, version_at: int = 0) -> None:
        """Hands over these batches on one stream, and notes what is acknowledged."""
        sent = requests(numbers, version_at=version_at)
        call = self.stub.Submit(sent, metadata=self.identity.metadata())
        async for response in call:
            if response.HasField("done"):
                self.acknowledged.append(response.done.number)
                self.moved.set()

    async def snapshot(self, *, applied: bool = False) -> None:
        """Takes one; before that all that is known may be said to be applied."""
        if applied:
            status = await self.status()
            hello = engine_pb2.Hello(
                market=1, highest_number=status.last_number, applied=status.position
            )
            call = self.stub.Submit(
                iter([engine_pb2.SubmitRequest(hello=hello)]), metadata=self.identity.metadata()
            )
            async for _ in call:
                pass
        await self.stub.TakeSnapshot(
            engine_pb2.TakeSnapshotRequest(market=1), metadata=self.operator.metadata()
        )

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


async def standing_by(engine: Running) -> None:
    """Returns when a standby answers that it is one."""
    while True:
        try:
            await engine.status()
        except grpc.aio.AioRpcError as error:
            if from_rpc(error).reason == "NOT_LEADER":
                return
        await asyncio.sleep(PAUSE_S)


async def lease_epoch_is(url: str, epoch: int) -> None:
    """Returns when the market's lease has this epoch."""
    await _answer_is(url, "SELECT epoch FROM leases WHERE name = 'market-1'", epoch)


async def nobody_leads(url: str) -> None:
    """Returns when the market's lease has expired, or was given back."""
    query = "SELECT expires_at <= clock_timestamp() FROM leases WHERE name = 'market-1'"
    await _answer_is(url, query, expected=True)


async def _answer_is(url: str, query: str, expected: object) -> None:
    database = await open_database(Target(url, "engine"))
    try:
        while True:
            async with database.transaction() as conn:
                if await conn.fetchval(query) == expected:
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


class Engines:
    """Starts engines on one database, each a process and a replica of its own."""

    def __init__(self, url: str, folder: Path, free_port: Callable[[], int]) -> None:
        self._url = url
        self._folder = folder
        self._free_port = free_port
        self._secrets = folder / "secrets"
        create_secrets(self._secrets, ["engine", "order", "marketdata", "metadata", "mesh"])
        self._running: list[Running] = []
        self._channels: list[grpc.aio.Channel] = []

    def folder(self, journal: str = "journal") -> Folder:
        """Where a journal of that name lies."""
        return Folder(self._folder / journal / "market-1")

    async def __call__(self, instance: str, journal: str = "journal", **settings: str) -> Running:
        """Starts one that writes the journal of that name."""
        port = self._free_port()
        (self._folder / journal).mkdir(exist_ok=True)
        environment = {
            **os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/gen", "POSTGRES_URL": self._url,
            "REDIS_URL": "unix:///nowhere", "MESH_SECRETS_DIR": str(self._secrets),
            "MESH_JOURNAL_DIR": str(self._folder / journal), "MESH_INSTANCE": instance,
            "MESH_DRAIN_MS": "0", "MESH_JOURNAL_SEGMENT_BYTES": str(1 << 20),
            # However slow the machine is, who is in sync stays so.
            "MESH_STANDBY_PATIENCE_MS": "30000",
            "ENGINE_GRPC_PORT": str(port), "ENGINE_HTTP_PORT": str(self._free_port()), **settings,
        }  # fmt: skip
        log = self._folder / f"{instance}-{port}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "svc.engine", cwd=ROOT, stdout=output, env=environment
            )
        self._channels.append(dial(f"127.0.0.1:{port}"))
        stub = engine_pb2_grpc.EngineServiceStub(self._channels[-1])
        order, operator = (load_identity(self._secrets, name) for name in ("order", "mesh"))
        self._running.append(Running(process, port, stub, order, operator, log))
        return self._running[-1]

    async def close(self) -> None:
        """Ends all of them."""
        for channel in self._channels:
            await channel.close()
        for engine in self._running:
            if engine.process.returncode is None:
                engine.process.kill()
            await engine.process.wait()
