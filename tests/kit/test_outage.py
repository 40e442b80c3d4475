"""A database that is killed and comes back, under a server of this test's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mesh.embedded import Postgres
from svc.kit.database import (
    DISCONNECTED,
    IDLE_IN_TRANSACTION_MS,
    Database,
    Target,
    begin,
    open_database,
)
from svc.kit.lease import Lease
from svc.kit.migrate import migrate

LONG = 600_000
SHORT = IDLE_IN_TRANSACTION_MS + 100


@pytest.fixture(scope="module")
def server(servers_folder: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL that tests may kill."""
    server = Postgres(servers_folder / "outage")
    server.start()
    yield server
    server.stop()
    server.erase()


@pytest.fixture
async def survivor(server: Postgres, services: Path) -> AsyncIterator[Database]:
    """Open alpha's schema on that server; it runs again afterwards."""
    await migrate(server.url(), folder=services)
    database = await open_database(Target(server.url(), "alpha", folder=services))
    yield database
    if not server.running:
        server.start()
    await database.close()


async def retry(call: Callable[[], Awaitable[object]]) -> object:
    """Do what every caller does: connections from before the outage say once that they are lost."""
    for _ in range(20):
        with suppress(*DISCONNECTED):
            return await call()
    return await call()


async def test_a_lease_that_did_not_expire_outlives_the_database(
    server: Postgres, survivor: Database
) -> None:
    lease = Lease(survivor, "kept", "a", "a:1", LONG)
    epoch = await lease.acquire()
    server.kill()
    with pytest.raises(DISCONNECTED):
        await lease.renew()
    with pytest.raises(DISCONNECTED):
        await survivor.check()
    assert not lease.lost.is_set()
    server.start()
    await retry(lease.renew)

    async def write() -> None:
        async with survivor.transaction() as connection:
            await lease.fence(connection)

    await retry(write)
    assert lease.epoch == epoch
    await lease.release()


async def test_a_lease_that_cannot_be_renewed_in_time_is_lost_and_can_be_had_again(
    server: Postgres, survivor: Database
) -> None:
    lease = Lease(survivor, "lost", "a", "a:1", SHORT)
    epoch = await lease.acquire()
    server.kill()
    async with asyncio.timeout(30):
        await lease.lost.wait()
    again = asyncio.create_task(lease.acquire())  # waits for the database too
    await asyncio.to_thread(server.start)
    assert await again == epoch + 1
    await lease.release()


async def test_what_was_committed_survives_and_what_was_not_does_not(
    server: Postgres, survivor: Database
) -> None:
    async with survivor.transaction() as connection:
        await connection.execute("INSERT INTO notes VALUES (10, 'acknowledged')")
    own = await survivor.connect()
    with pytest.raises(DISCONNECTED):
        async with begin(own):
            await own.execute("INSERT INTO notes VALUES (11, 'not')")
            server.kill()
            while True:
                await own.execute("SELECT 1")
    server.start()

    async def found() -> object:
        async with survivor.transaction() as connection:
            return await connection.fetchval("SELECT array_agg(id) FROM notes WHERE id > 9")

    assert await retry(found) == [10]
