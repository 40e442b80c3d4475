"""An exchange for a test: the real services on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.order.exchange import Exchange, World


@pytest.fixture
def world(migrated_url: str, valkey_url: str, tmp_path: Path) -> World:
    """Give where an exchange can run, and run again."""
    return World(migrated_url, valkey_url, tmp_path)


@pytest.fixture
async def exchange(world: World) -> AsyncIterator[Exchange]:
    """Run an exchange whose BTC-USDT trades."""
    async with world.run() as running:
        await running.opened()
        yield running
