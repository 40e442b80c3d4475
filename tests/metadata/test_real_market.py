"""Metadata beside the real order service and the real engine, in one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from pydantic import SecretStr
from trading.v1 import trading_pb2

from svc.kit.host import Host
from svc.kit.identity import OPERATOR, create_secrets
from svc.kit.settings import Settings, load_endpoints
from svc.topology import SERVICES
from tests.metadata.asking import Client, states, until_state

STATE = trading_pb2.MarketState
STARTED = ("metadata", "wallet", "risk", "order", "engine")


@asynccontextmanager
async def exchange(settings: Settings) -> AsyncIterator[Client]:
    """Runs everything that an instrument passes through."""
    ports = {f"{name.upper()}_{kind}_PORT": "0" for name in SERVICES for kind in ("GRPC", "HTTP")}
    host = Host(STARTED, settings, load_endpoints(ports))
    try:
        await host.start()
        yield metadata_pb2_grpc.MetadataServiceStub(host.channel(OPERATOR, "metadata"))
    finally:
        await host.stop()


async def test_definitions_and_states_reach_the_engine_and_come_back_also_after_a_restart(
    migrated_url: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_secrets(tmp_path / "secrets", [*SERVICES, OPERATOR])
    (tmp_path / "journal").mkdir()
    monkeypatch.setenv("MESH_JOURNAL_DIR", str(tmp_path / "journal"))
    settings = Settings(
        postgres_url=SecretStr(migrated_url),
        redis_url=SecretStr(valkey_url),
        secrets_dir=tmp_path / "secrets",
        drain_ms=0,
    )
    halt = metadata_pb2.SetMarketStateRequest(symbol="BTC-USDT", state=STATE.HALTED)
    resume = metadata_pb2.SetMarketStateRequest(symbol="BTC-USDT", state=STATE.TRADING)
    async with exchange(settings) as client, asyncio.timeout(60):
        await until_state(client, "BTCUSDT-PERP", STATE.HALTED)
        found = await states(client)
        assert {symbol for symbol, state in found.items() if state != STATE.TRADING} == {
            "BTCUSDT-PERP"
        }
        await client.SetMarketState(halt)
        await until_state(client, "BTC-USDT", STATE.HALTED)
    async with exchange(settings) as client, asyncio.timeout(60):
        assert (await states(client))["BTC-USDT"] == STATE.HALTED
        await client.SetMarketState(resume)
        await until_state(client, "BTC-USDT", STATE.TRADING)
