"""A wallet's schema for each test, and writers on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from svc.kit.clock import SystemClock
from svc.kit.database import Database, Target, open_database
from svc.kit.errors import NOT_LEADER, DomainError
from svc.kit.lease import Lease
from svc.wallet.metrics import WalletMetrics
from svc.wallet.operations import ReadPosition
from svc.wallet.writer import LEASE, Writer
from tests.wallet.worlds import MARKET, small_catalog

PATIENCE_S = 30
"""How long a test waits for what must come."""


async def refresh_nothing() -> None:
    """The catalog of a small world is complete."""


@asynccontextmanager
async def writing(url: str, holder: str = "one", ttl_ms: int = 2_000) -> AsyncIterator[Writer]:
    """A writer of ledger 1 that has begun; whether it leads is another matter."""
    database = await open_database(Target(url, "wallet"))

    async def open_again() -> Database:
        return database

    def lease(opened: Database) -> Lease:
        return Lease(opened, LEASE.format(1), holder, f"{holder}:1", ttl_ms)

    writer = Writer(
        ledger=1,
        database=open_again,
        lease=lease,
        catalog=small_catalog(),
        refresh=refresh_nothing,
        clock=SystemClock(),
        metrics=WalletMetrics(CollectorRegistry()),
    )
    try:
        await writer.start()
        yield writer
    finally:
        await writer.stop()
        await database.close()


async def leads(writer: Writer) -> None:
    """Returns when the writer answers. Raises TimeoutError when it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await writer.submit(ReadPosition(MARKET))
            except DomainError as error:
                if error.reason not in (NOT_LEADER, "LEDGER_UNCERTAIN"):
                    raise
                await asyncio.sleep(0)  # lets the writer's own task get on
            else:
                return
