"""Metadata beside the real order service and the real engine, in one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from engine.v1 import engine_pb2, engine_pb2_grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from pydantic import SecretStr
from trading.v1 import trading_pb2

from svc.kit.database import Database, Target, open_database
from svc.kit.host import Host
from svc.kit.identity import OPERATOR, create_secrets
from svc.kit.settings import Settings, load_endpoints
from svc.metadata.store import Store
from svc.topology import SERVICES
from tests.metadata.asking import Client, states, until_state
from tests.retained import forget_events

STATE = trading_pb2.MarketState
STARTED = ("metadata", "wallet", "risk", "order", "engine")
HALT = metadata_pb2.SetMarketStateRequest(symbol="BTC-USDT", state=STATE.HALTED)
RESUME = metadata_pb2.SetMarketStateRequest(symbol="BTC-USDT", state=STATE.TRADING)

ALL_OF_THE_LOG = "DELETE FROM known_instruments; DELETE FROM log_positions"
ALL_BUT_ITS_START = """
UPDATE known_instruments SET state = 'TRADING', state_version = 1, sequence = 1;
UPDATE log_positions SET sequence = 1, running_hash = 1
"""


@asynccontextmanager
async def exchange(settings: Settings) -> AsyncIterator[Host]:
    """Runs everything that an instrument passes through."""
    ports = {f"{name.upper()}_{kind}_PORT": "0" for name in SERVICES for kind in ("GRPC", "HTTP")}
    host = Host(STARTED, settings, load_endpoints(ports))
    try:
        await host.start()
        yield host
    finally:
        await host.stop()


def asked(host: Host) -> Client:
    """Metadata, as operators call it."""
    return metadata_pb2_grpc.MetadataServiceStub(host.channel(OPERATOR, "metadata"))


@pytest.fixture
def settings(
    migrated_url: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Return those of an exchange on an empty database and an empty journal."""
    create_secrets(tmp_path / "secrets", [*SERVICES, OPERATOR])
    (tmp_path / "journal").mkdir()
    monkeypatch.setenv("MESH_JOURNAL_DIR", str(tmp_path / "journal"))
    return Settings(
        postgres_url=SecretStr(migrated_url),
        redis_url=SecretStr(valkey_url),
        secrets_dir=tmp_path / "secrets",
        drain_ms=0,
    )


async def test_definitions_and_states_reach_the_engine_and_come_back_also_after_a_restart(
    settings: Settings,
) -> None:
    async with exchange(settings) as host, asyncio.timeout(60):
        client = asked(host)
        await until_state(client, "BTCUSDT-PERP", STATE.HALTED)
        found = await states(client)
        assert {symbol for symbol, state in found.items() if state != STATE.TRADING} == {
            "BTCUSDT-PERP"
        }
        await client.SetMarketState(HALT)
        await until_state(client, "BTC-USDT", STATE.HALTED)
    async with exchange(settings) as host, asyncio.timeout(60):
        client = asked(host)
        assert (await states(client))["BTC-USDT"] == STATE.HALTED
        await client.SetMarketState(RESUME)
        await until_state(client, "BTC-USDT", STATE.TRADING)


async def until_applied(host: Host, database: Database) -> None:
    """Waits until order has no use for the events that there are."""
    engine = engine_pb2_grpc.EngineServiceStub(host.channel(OPERATOR, "engine"))
    end = (await engine.GetStatus(engine_pb2.GetStatusRequest(market=1))).position.sequence
    applied = "SELECT coalesce(max(sequence), 0) FROM progress WHERE market = 1"
    while await database.pool.fetchval(applied) < end:
        pass


@pytest.mark.parametrize("lost", [ALL_OF_THE_LOG, ALL_BUT_ITS_START], ids=["all", "most"])
async def test_what_events_that_are_not_retained_said_is_learnt_from_the_engines_snapshot(
    settings: Settings,
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lost: str,
) -> None:
    async with AsyncExitStack() as opened, asyncio.timeout(120):
        url = settings.postgres_url.get_secret_value()
        order = await open_database(Target(url, "order"))
        opened.push_async_callback(order.close)
        metadata = await open_database(Target(url, "metadata"))
        opened.push_async_callback(metadata.close)
        async with exchange(settings) as host:
            await asked(host).SetMarketState(HALT)
            await until_state(asked(host), "BTC-USDT", STATE.HALTED)
            await until_applied(host, order)
        end = forget_events(tmp_path / "journal")
        await metadata.pool.execute(lost)
        async with exchange(settings) as host:
            await until_state(asked(host), "BTC-USDT", STATE.HALTED)
            assert (await store.position(1)).sequence == end
            assert await store.unconfirmed(1, 100) == ([], [])
            assert set((await states(asked(host))).values()) == {STATE.TRADING, STATE.HALTED}
            await asked(host).SetMarketState(RESUME)
            await until_state(asked(host), "BTC-USDT", STATE.TRADING)
    assert capsys.readouterr().out.count("began_with_snapshot") == 1
