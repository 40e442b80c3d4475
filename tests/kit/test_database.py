"""Connections of a service: their session settings, their transactions, their loss."""

import asyncpg
import pytest
from sqlalchemy import BigInteger, Text, column, select, table, text

from svc.kit.database import DISCONNECTED, IDLE_IN_TRANSACTION_MS, Database, begin

NOTES = table("notes", column("id", BigInteger), column("text", Text))

_SETTINGS = {
    "jit": "off",
    "timezone": "UTC",
    "search_path": "svc_alpha",
    "session_authorization": "svc_alpha",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_MS}ms",
    "statement_timeout": "10s",
    "synchronous_commit": "on",
    "enable_hashjoin": "on",  # who needs it otherwise says so on his own connection
    "enable_mergejoin": "on",
}


async def cut(database: Database, connection: asyncpg.Connection) -> None:
    """End the backend of `connection` from another one, and wait until its client has noticed."""
    async with database.transaction() as other:
        await other.execute("SELECT pg_terminate_backend($1, 5000)", connection.get_server_pid())
    while not connection.is_closed():
        async with database.transaction() as other:
            await other.execute("SELECT 1")


@pytest.mark.parametrize("name", _SETTINGS)
async def test_every_kind_of_connection_has_the_session_settings(
    alpha: Database, name: str
) -> None:
    query = f"SHOW {name}"
    async with alpha.transaction() as pooled:
        found = [await pooled.fetchval(query)]
    own = await alpha.connect()
    found.append(await own.fetchval(query))
    await own.close()
    async with alpha.engine.connect() as reading:
        found.append(await reading.scalar(text(query)))
    assert found == [_SETTINGS[name]] * 3


@pytest.mark.parametrize(
    "name",
    ["jit", "timezone", "search_path", "statement_timeout", "idle_in_transaction_session_timeout"],
)
async def test_no_server_setting_shows_through_those_a_service_relies_on(
    alpha: Database, name: str
) -> None:
    async with alpha.transaction() as connection:
        source = await connection.fetchval(
            "SELECT source FROM pg_settings WHERE lower(name) = $1", name
        )
    assert source == "client"


async def test_connections_bear_the_name_of_their_service(alpha: Database) -> None:
    async with alpha.transaction() as connection, alpha.engine.connect() as reading:
        assert await connection.fetchval("SHOW application_name") == "alpha"
        assert await reading.scalar(text("SHOW application_name")) == "alpha reads"


async def test_the_engine_reads_what_a_transaction_committed(alpha: Database) -> None:
    async with alpha.transaction() as connection:
        await connection.execute("INSERT INTO notes VALUES (2, 'two')")
    async with alpha.engine.connect() as reading:
        rows = await reading.execute(select(NOTES.c.text).order_by(NOTES.c.id))
        assert list(rows.scalars()) == ["a;b", "two"]


async def test_an_exception_rolls_the_transaction_back(alpha: Database) -> None:
    with pytest.raises(KeyError):
        async with alpha.transaction() as connection:
            await connection.execute("INSERT INTO notes VALUES (2, 'two')")
            raise KeyError
    async with alpha.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 1


async def test_a_connection_lost_in_a_transaction_is_told_and_the_next_one_works(
    alpha: Database,
) -> None:
    with pytest.raises(DISCONNECTED):
        async with alpha.transaction() as connection:
            await connection.execute("INSERT INTO notes VALUES (2, 'two')")
            await cut(alpha, connection)
    async with alpha.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 1


async def test_a_connection_lost_under_another_error_is_told_as_lost(alpha: Database) -> None:
    own = await alpha.connect()
    with pytest.raises(DISCONNECTED) as lost:
        async with begin(own):
            await cut(alpha, own)
            raise KeyError
    assert isinstance(lost.value.__cause__, asyncpg.InterfaceError)


async def test_an_idle_transaction_is_ended_by_the_database(alpha: Database) -> None:
    own = await alpha.connect()
    with pytest.raises(DISCONNECTED):
        async with begin(own):
            await own.execute("INSERT INTO notes VALUES (2, 'two')")
            await own.execute("SET LOCAL idle_in_transaction_session_timeout = 1")
            while not own.is_closed():
                async with alpha.transaction() as other:
                    await other.execute("SELECT 1")
            await own.execute("SELECT 1")
    async with alpha.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 1


async def test_a_programmers_error_is_not_taken_for_a_lost_connection(alpha: Database) -> None:
    with pytest.raises(asyncpg.DataError) as error:
        async with alpha.transaction() as connection:
            await connection.execute("INSERT INTO notes VALUES ($1, 'x')", "not a number")
    assert not isinstance(error.value, DISCONNECTED)


async def test_checking_a_database_that_answers_returns(alpha: Database) -> None:
    await alpha.check()
