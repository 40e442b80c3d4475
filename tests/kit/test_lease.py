"""The fenced writer on a real database: expiry is moved by SQL, never waited for.

LONG outlives every test, so that nothing is renewed or expires unless the test says so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from svc.kit import lease
from svc.kit.database import DISCONNECTED, IDLE_IN_TRANSACTION_MS, Database
from svc.kit.lease import Leader, Lease, LeaseLost

LONG = 600_000
SHORT = IDLE_IN_TRANSACTION_MS + 100

MakeLease = Callable[..., Lease]


@pytest.fixture
async def make(alpha: Database) -> AsyncIterator[MakeLease]:
    """Return a maker of leases on one name, which are released in the end."""
    made: list[Lease] = []

    def make_lease(holder: str, ttl_ms: int = LONG) -> Lease:
        made.append(Lease(alpha, "writer", holder, f"{holder}:1", ttl_ms))
        return made[-1]

    yield make_lease
    for one in made:
        await one.release()


async def execute(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(statement)


async def fetchval(database: Database, query: str) -> object:
    async with database.transaction() as connection:
        return await connection.fetchval(query)


async def expire(database: Database) -> None:
    await execute(database, "UPDATE leases SET expires_at = now() - interval '1 second'")


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            pass


async def until_waiting_for_a_lock(database: Database) -> None:
    """Return when a backend waits for a row that another one has locked."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    await until(lambda: fetchval(database, waiting))


async def write(database: Database, holder: Lease, note: int) -> None:
    """Do what a writer does: fence, then write."""
    async with database.transaction() as connection:
        await holder.fence(connection)
        await connection.execute("INSERT INTO notes VALUES ($1, 'x')", note)


async def notes(database: Database) -> object:
    return await fetchval(database, "SELECT array_agg(id ORDER BY id) FROM notes WHERE id > 1")


async def test_the_first_holder_has_epoch_one_and_may_write(
    alpha: Database, make: MakeLease
) -> None:
    first = make("a")
    assert await first.acquire() == first.epoch == 1
    await write(alpha, first, 2)
    async with alpha.transaction() as connection:
        assert await lease.leader(connection, "writer") == Leader("a", "a:1", 1)


async def test_nobody_leads_before_the_first_and_after_the_last(
    alpha: Database, make: MakeLease
) -> None:
    async with alpha.transaction() as connection:
        assert await lease.leader(connection, "writer") is None
    first = make("a")
    await first.acquire()
    await first.release()
    async with alpha.transaction() as connection:
        assert await lease.leader(connection, "writer") is None


async def test_a_holder_that_comes_back_takes_over_at_once_and_fences_its_old_self(
    alpha: Database, make: MakeLease
) -> None:
    before, after = make("a"), make("a")
    await before.acquire()
    assert await after.acquire() == 2
    with pytest.raises(LeaseLost):
        await write(alpha, before, 2)
    assert before.lost.is_set()
    await write(alpha, after, 3)
    assert await notes(alpha) == [3]


async def test_another_holder_waits_for_the_expiry_by_the_databases_clock(
    alpha: Database, make: MakeLease
) -> None:
    first, second = make("a"), make("b", SHORT)
    await first.acquire()
    takeover = asyncio.create_task(second.acquire())
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE $$%holder <> %$$"
    )
    await until(lambda: fetchval(alpha, asked))
    assert not takeover.done()
    await write(alpha, first, 2)
    await expire(alpha)
    assert await takeover == 2
    with pytest.raises(LeaseLost):
        await write(alpha, first, 3)
    await write(alpha, second, 4)
    assert await notes(alpha) == [2, 4]


async def test_a_takeover_waits_for_the_transaction_in_flight_and_sees_its_writes(
    alpha: Database, make: MakeLease
) -> None:
    first, second = make("a"), make("b", SHORT)
    await first.acquire()
    async with alpha.transaction() as connection:
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await first.fence(connection)
        await expire(alpha)
        takeover = asyncio.create_task(second.acquire())
        await until_waiting_for_a_lock(alpha)
        await connection.execute("INSERT INTO notes VALUES (2, 'in flight')")
        assert not takeover.done()
    assert await takeover == 2
    assert await notes(alpha) == [2]


async def test_a_holder_that_hangs_in_a_transaction_loses_it_and_wakes_up_fenced(
    alpha: Database, make: MakeLease
) -> None:
    first, second = make("a"), make("b", SHORT)
    await first.acquire()
    own = await alpha.connect()
    transaction = own.transaction()
    await transaction.start()
    await first.fence(own)
    await own.execute("INSERT INTO notes VALUES (2, 'never')")
    await expire(alpha)
    # From here on the holder hangs; the server counts to a millisecond instead of 1.5 seconds.
    await own.execute("SET LOCAL idle_in_transaction_session_timeout = 1")
    assert await second.acquire() == 2
    await write(alpha, second, 3)
    with pytest.raises((*DISCONNECTED, asyncpg.InterfaceError)):
        await transaction.commit()
    with pytest.raises(LeaseLost):
        await write(alpha, first, 4)
    assert await notes(alpha) == [3]


async def test_a_holder_that_hangs_between_transactions_wakes_up_fenced(
    alpha: Database, make: MakeLease
) -> None:
    first, second = make("a"), make("b", SHORT)
    await first.acquire()
    await expire(alpha)
    await second.acquire()
    with pytest.raises(LeaseLost, match="lease writer, epoch 1, is lost"):
        await write(alpha, first, 2)
    with pytest.raises(LeaseLost):  # and stays so, without asking
        await write(alpha, first, 3)
    assert await notes(alpha) is None


async def test_a_fence_begun_during_a_takeover_waits_for_it_and_fails(
    alpha: Database, make: MakeLease
) -> None:
    first = make("a")
    await first.acquire()
    async with alpha.transaction() as takeover:  # as far as a takeover has come before its commit
        await takeover.execute("UPDATE leases SET epoch = 2, holder = 'b'")
        await takeover.execute("UPDATE lease_epochs SET epoch = 2")
        late = asyncio.create_task(write(alpha, first, 2))
        await until_waiting_for_a_lock(alpha)
    with pytest.raises(LeaseLost):
        await late
    assert await notes(alpha) is None


async def test_an_expired_lease_that_nobody_took_is_fenced_too(
    alpha: Database, make: MakeLease
) -> None:
    first = make("a")
    await first.acquire()
    await expire(alpha)
    with pytest.raises(LeaseLost):
        await write(alpha, first, 2)
    assert first.lost.is_set()
    assert await first.acquire() == 2
    assert not first.lost.is_set()
    await write(alpha, first, 3)
    assert await notes(alpha) == [3]


async def test_a_lease_is_renewed_by_itself(alpha: Database, make: MakeLease) -> None:
    await make("a", SHORT).acquire()
    expiry = "SELECT expires_at FROM leases"
    before = await fetchval(alpha, expiry)

    async def renewed() -> bool:
        return bool(await fetchval(alpha, expiry) != before)

    await until(renewed)


async def test_renewing_does_not_wait_for_the_holders_transactions(
    alpha: Database, make: MakeLease
) -> None:
    first = make("a")
    await first.acquire()
    await execute(alpha, "UPDATE leases SET expires_at = now() + interval '1 minute'")
    async with alpha.transaction() as connection:
        await first.fence(connection)
        async with asyncio.timeout(30):
            await first.renew()
        left = await fetchval(alpha, "SELECT expires_at > now() + interval '2 minutes' FROM leases")
        assert left


async def test_a_renewal_that_finds_another_epoch_tells_the_holder(make: MakeLease) -> None:
    before, after = make("a"), make("a")
    await before.acquire()
    await after.acquire()
    await before.renew()
    assert before.lost.is_set()
    await after.renew()
    assert not after.lost.is_set()


async def test_the_holder_is_told_without_asking(make: MakeLease) -> None:
    before, after = make("a", SHORT), make("a")
    await before.acquire()
    await after.acquire()
    async with asyncio.timeout(30):
        await before.lost.wait()


async def test_a_renewal_whose_connection_broke_goes_on_over_another(
    alpha: Database, make: MakeLease
) -> None:
    first = make("a")
    await first.acquire()
    await execute(
        alpha,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'alpha lease writer'",
    )

    async def renewed() -> bool:
        try:
            await first.renew()
        except DISCONNECTED:
            return False
        return True

    await until(renewed)
    await write(alpha, first, 2)
    assert first.epoch == 1


async def test_a_released_lease_is_taken_without_waiting(alpha: Database, make: MakeLease) -> None:
    first, second = make("a"), make("b")
    await first.acquire()
    await first.release()
    async with asyncio.timeout(30):
        assert await second.acquire() == 2
    with pytest.raises(LeaseLost):
        await write(alpha, first, 2)


async def test_releasing_late_takes_nothing_from_the_successor(
    alpha: Database, make: MakeLease
) -> None:
    first, second = make("a"), make("b", SHORT)
    await first.acquire()
    await expire(alpha)
    await second.acquire()
    await first.release()
    await write(alpha, second, 2)
    assert await notes(alpha) == [2]


async def test_leases_of_different_names_do_not_meet(alpha: Database, make: MakeLease) -> None:
    first = make("a")
    other = Lease(alpha, "relay", "b", "b:1", LONG)
    assert [await first.acquire(), await other.acquire()] == [1, 1]
    await write(alpha, first, 2)
    await write(alpha, other, 3)
    await other.release()


async def test_contending_holders_never_write_under_an_older_epoch_than_the_last(
    alpha: Database, make: MakeLease
) -> None:
    await execute(alpha, "CREATE TABLE written (number bigserial PRIMARY KEY, epoch bigint)")

    async def contend(holder: str) -> None:
        mine = make(holder, SHORT)
        for _ in range(3):
            epoch = await mine.acquire()
            for _ in range(5):
                async with alpha.transaction() as connection:
                    await mine.fence(connection)
                    await connection.execute(
                        "INSERT INTO written (number, epoch) "
                        "SELECT coalesce(max(number), 0) + 1, $1 FROM written",
                        epoch,
                    )
            await mine.release()

    await asyncio.gather(*(contend(f"h{number}") for number in range(4)))
    async with alpha.transaction() as connection:
        epochs = [
            row["epoch"]
            for row in await connection.fetch("SELECT epoch FROM written ORDER BY number")
        ]
    assert epochs == sorted(epochs)
    assert len(epochs) == 4 * 3 * 5
    assert len(set(epochs)) == 12


async def test_a_lease_shorter_than_an_idle_transaction_is_refused(alpha: Database) -> None:
    with pytest.raises(ValueError, match="must be above 1500 ms"):
        Lease(alpha, "writer", "a", "a:1", IDLE_IN_TRANSACTION_MS)


async def test_a_fence_outside_a_transaction_is_a_programmers_error(
    alpha: Database, make: MakeLease
) -> None:
    first = make("a")
    await first.acquire()
    connection = await alpha.connect()
    with pytest.raises(AssertionError, match="to the end of a transaction"):
        await first.fence(connection)
    await connection.close()
