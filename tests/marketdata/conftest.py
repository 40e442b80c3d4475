"""Market data served beside the real metadata and engine, and what hands commands to the engine."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest
from engine.v1 import engine_pb2, engine_pb2_grpc, records_pb2
from marketdata.v1 import marketdata_pb2_grpc
from metadata.v1 import metadata_pb2_grpc
from pydantic import SecretStr

from svc.engine.config import EngineSettings
from svc.kit.client import connect
from svc.kit.database import Database, Target, open_database
from svc.kit.host import Host
from svc.kit.identity import Identity, create_secrets, load_identity
from svc.kit.settings import load_endpoints, ports_of
from svc.marketdata.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from marketdata.v1.marketdata_pb2_grpc import MarketDataServiceAsyncStub
    from metadata.v1.metadata_pb2_grpc import MetadataServiceAsyncStub

ALL = ("metadata", "engine", "marketdata")
BTC_USDT = 4
"""Id of BTC-USDT in the instruments that metadata ships: tick 0.01, lot 0.00001."""

WAIT_S = 20
_T = TypeVar("_T")


async def until(asked: Callable[[], Awaitable[_T]], holds: Callable[[_T], bool]) -> _T:
    """Ask again and again until the answer holds; every question lets the others work."""
    async with asyncio.timeout(WAIT_S):
        while not holds(answer := await asked()):
            pass
        return answer


class Relay:
    """Hands batches to the engine as order's relay does, one stream a call."""

    def __init__(
        self, engine: engine_pb2_grpc.EngineServiceAsyncStub, number: int = 0, market: int = 1
    ) -> None:
        self._engine = engine
        self._market = market
        self.number = number
        self.sequence = 0
        self._order_id = number * 1_000_000

    async def submit(self, *commands: records_pb2.Command) -> int:
        """One batch; the sequence of the last event after it."""
        self.number += 1
        digest = hashlib.blake2b(
            b"".join(command.SerializeToString() for command in commands), digest_size=16
        ).digest()
        batch = records_pb2.CommandBatch(
            market=self._market, number=self.number, digest=digest, commands=commands
        )
        hello = engine_pb2.Hello(market=self._market, highest_number=self.number)
        requests = [
            engine_pb2.SubmitRequest(hello=hello),
            engine_pb2.SubmitRequest(batch=batch),
        ]
        async for response in self._engine.Submit(_each(requests)):
            if response.HasField("done"):
                self.sequence = response.done.sequence
        return self.sequence

    async def know(self, instrument_id: int = BTC_USDT) -> int:
        """Make the engine know an instrument."""
        return await self.submit(
            records_pb2.Command(
                set_instrument=records_pb2.SetInstrument(
                    instrument_id=instrument_id,
                    version=1,
                    kind="SPOT",
                    min_price_ticks=1,
                    max_price_ticks=10**12,
                    max_quantity_lots=10**12,
                    state="TRADING",
                )
            )
        )

    def limit(self, side: str, price_ticks: int, lots: int) -> records_pb2.Command:
        """A new limit order of one of two accounts, by side."""
        self._order_id += 1
        order = records_pb2.NewOrder(
            order_id=self._order_id,
            version=1,
            account_id=1 if side == "BUY" else 2,
            instrument_id=BTC_USDT,
            type="LIMIT",
            time_in_force="GTC",
            self_trade_mode="NONE",
            price_ticks=price_ticks,
            quantity_lots=lots,
        )
        order.side = records_pb2.NewOrder(side="BUY" if side == "BUY" else "SELL").side
        return records_pb2.Command(new_order=order)

    async def trade(self, price_ticks: int, lots: int) -> int:
        """One trade; the aggressor buys."""
        return await self.submit(
            self.limit("SELL", price_ticks, lots), self.limit("BUY", price_ticks, lots)
        )


async def _each(
    requests: Iterable[engine_pb2.SubmitRequest],
) -> AsyncIterator[engine_pb2.SubmitRequest]:
    for request in requests:
        yield request


@dataclass(frozen=True, slots=True)
class Served:
    """Services of one process, as the edge, order and operators see them."""

    host: Host
    relay: Relay
    edge: Identity

    @property
    def public(self) -> MarketDataServiceAsyncStub:
        """Market data in process, as the edge calls it."""
        return marketdata_pb2_grpc.MarketDataServiceStub(self.host.channel("edge", "marketdata"))

    @property
    def metadata(self) -> MetadataServiceAsyncStub:
        """Metadata, as operators call it."""
        return metadata_pb2_grpc.MetadataServiceStub(self.host.channel("mesh", "metadata"))

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[MarketDataServiceAsyncStub]:
        """Market data over its port, as the edge calls it."""
        port, _ = self.host.ports("marketdata")
        async with connect(f"127.0.0.1:{port}", self.edge) as channel:
            yield marketdata_pb2_grpc.MarketDataServiceStub(channel)


class Serve(Protocol):
    """Serves services on one database and one journal; again what was stopped."""

    def __call__(
        self,
        services: Sequence[str] = ALL,
        journal: str = "journal",
        number: int = 0,
        markets: int = 1,
    ) -> AbstractAsyncContextManager[Served]:
        """They are up inside the context; `number` is the engine's last batch."""


@pytest.fixture
def serve(migrated_url: str, tmp_path: Path, free_port: Callable[[], int]) -> Serve:
    """Return what serves market data; see Serve."""
    secrets = tmp_path / "secrets"
    create_secrets(secrets, [*ALL, "order", "mesh", "edge"])
    environ = {f"{name.upper()}_{kind}_PORT": "0" for name in ALL for kind in ("GRPC", "HTTP")}
    environ |= {f"{name.upper()}_GRPC_PORT": str(free_port()) for name in ALL}
    environ |= {"ORDER_SERVICE_GRPC_URL": "unix:/nowhere/order"}

    @asynccontextmanager
    async def serve(
        services: Sequence[str] = ALL,
        journal: str = "journal",
        number: int = 0,
        markets: int = 1,
    ) -> AsyncIterator[Served]:
        folder = tmp_path / journal
        folder.mkdir(exist_ok=True)
        settings = EngineSettings(
            postgres_url=SecretStr(migrated_url),
            redis_url=SecretStr("unix:///nowhere"),
            secrets_dir=secrets,
            journal_dir=folder,
            drain_ms=0,
            markets=markets,
        )
        moved = environ | {port: str(free_port()) for port in ports_of("engine-2")}
        endpoints = load_endpoints(moved | {"MESH_MARKETS": str(markets)})
        host = Host(services, settings, endpoints)
        try:
            await host.start()
            engine = engine_pb2_grpc.EngineServiceStub(host.channel("order", "engine"))
            if "engine" in services:  # repeated until it leads
                await engine.GetStatus(engine_pb2.GetStatusRequest(market=1))
            yield Served(host, Relay(engine, number), load_identity(secrets, "edge"))
        finally:
            await host.stop()

    return serve


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """Give market data's own schema, empty."""
    opened = await open_database(Target(migrated_url, "marketdata"))
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database) -> Store:
    """Give a store on that schema."""

    async def opened() -> Database:
        return database

    return Store(opened, 1)
