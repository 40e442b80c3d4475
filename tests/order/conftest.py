"""Exchanges for tests: the real services, one for a module or one for a test.

When an exchange is left, everything must be settled and money conserved, whatever a test was about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from mesh.embedded import Postgres, Valkey
from tests.order.exchange import Exchange, World


@pytest.fixture
def world(migrated_url: str, valkey_url: str, tmp_path: Path) -> World:
    """Give where an exchange can run, and run again."""
    return World(migrated_url, valkey_url, tmp_path)


@pytest.fixture(scope="module")
def shared_world(
    postgres: Postgres,
    _migrated: str,
    valkey: Valkey,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    """Give where the exchange of a module runs."""
    name = request.module.__name__.rpartition(".")[2]
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE {_migrated}")
    yield World(postgres.url(name), valkey.url, tmp_path_factory.mktemp(name))
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(shared_world: World) -> AsyncIterator[Exchange]:
    """Run the exchange of a module; its BTC-USDT trades, and each test has accounts of its own."""
    async with shared_world.run() as running:
        await running.opened()
        yield running
        await running.balanced()


@pytest_asyncio.fixture(loop_scope="module")
async def desk(exchange: Exchange) -> AsyncIterator[Exchange]:
    """Give the module's exchange with an empty book, and leave it so."""
    yield exchange
    await exchange.clear()
