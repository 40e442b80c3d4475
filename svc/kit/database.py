"""A service's own PostgreSQL schema: a pool for its writes, an engine for its reads.

Each service connects as a role of its own, named like its schema (`svc_order`), which owns that
schema and may not read any other; so unqualified table names are always its own. `mesh migrate`
makes roles and schemas; a service whose schema is not at the version it knows does not start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from svc.kit.rows import RowsEncoder
from svc.kit.schema import SERVICES, VERSION_TABLE, head_of, schema_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

IDLE_IN_TRANSACTION_MS = 1_500
"""An idle transaction dies after this; must stay below every lease's time to live."""

STATEMENT_TIMEOUT_MS = 10_000
"""No statement of a running service takes longer; one that would is cancelled."""

CONNECT_TIMEOUT_S = 5
ACQUIRE_TIMEOUT_S = 5
CLOSE_TIMEOUT_S = 5
READ_CONNECTIONS = 4

DISCONNECTED: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # an idle connection was told its end and has not noticed yet
)
"""The database is away or dropped us: the outcome of what was in flight is unknown, retry later."""

_ROW_LISTS = """
SELECT list.oid, list.typname, row.oid, array_agg(field.attname::text ORDER BY field.attnum),
    array_agg(field.atttypid ORDER BY field.attnum)
FROM pg_type list
JOIN pg_type rows ON rows.oid = list.typbasetype
JOIN pg_type row ON row.oid = rows.typelem AND row.typtype = 'c'
JOIN pg_attribute field ON field.attrelid = row.typrelid AND field.attnum > 0
WHERE list.typnamespace = to_regnamespace($1) AND list.typtype = 'd' AND NOT field.attisdropped
GROUP BY list.oid, list.typname, row.oid
"""


class SchemaVersionError(Exception):
    """The schema is not at the version this program was written for; names both."""

    def __init__(self, schema: str, found: str | None, expected: str) -> None:
        """`found` is None where the schema was never migrated."""
        self.schema = schema
        self.found = found
        self.expected = expected
        super().__init__(
            f"schema {schema} is at version {found or 'none'}, this program needs {expected}: "
            "run `mesh migrate` of the same release"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Where a service's schema is: the operator's POSTGRES_URL, the service, its password file.

    The URL names host and database; its user and password are the owner's and serve `mesh migrate`
    alone. `password` is empty where the server trusts the (private, Unix) socket. `folder` holds
    the services' packages and with them the migrations.
    """

    url: str
    service: str
    password: str = ""
    folder: Path = SERVICES

    @property
    def schema(self) -> str:
        """The service's schema, which is also its role."""
        return schema_of(self.service)

    async def connect(self, application: str = "") -> asyncpg.Connection:
        """Open a connection as the service's role with the session settings of every service."""
        connection = await asyncpg.connect(
            self.url,
            user=self.schema,
            password=self.password or None,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={
                "application_name": application or self.service,
                "search_path": self.schema,
                "timezone": "UTC",
                "jit": "off",
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            },
        )
        try:
            await _learn_row_lists(connection, self.schema)
        except BaseException:  # cancelled as well: nobody else would end the connection
            connection.terminate()
            raise
        return connection


async def _learn_row_lists(connection: asyncpg.Connection, schema: str) -> None:
    """Lets parameters of the schema's domains over arrays of rows be lists of tuples."""
    codecs = cast("Any", connection)._protocol.get_settings()  # noqa: SLF001 (see below)
    for number, name, row_type, names, types in await connection.fetch(_ROW_LISTS, schema):
        encode = RowsEncoder(row_type, tuple(zip(names, types, strict=True)))
        # Connection.set_type_codec refuses domains because results do not name them; parameters do.
        codecs.add_python_codec(number, name, schema, [], "scalar", encode, bytes, "binary")


def password_of(service: str, secrets: Path) -> str:
    """The password of a service's role, from the secrets folder; "" where there is no file."""
    path = secrets / f"postgres_{schema_of(service)}"
    return path.read_text().strip() if path.exists() else ""


def is_away(error: BaseException) -> bool:
    """Whether an error is one of DISCONNECTED, or was raised from one, as SQLAlchemy's are."""
    at: BaseException | None = error
    while at is not None and not isinstance(at, DISCONNECTED):
        at = at.__cause__
    return at is not None


class Database:
    """Connections of one service to its schema. Made by `open_database`."""

    def __init__(self, target: Target, pool: asyncpg.Pool) -> None:
        self._target = target
        self.pool = pool
        self.service = target.service
        self.schema = target.schema

    @cached_property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy over at most READ_CONNECTIONS of its own, for queries that only read."""
        # Loaded by who uses it: most of a restart after a crash would be this import.
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda *_, **__: self._target.connect(f"{self.service} reads"),
            pool_size=READ_CONNECTIONS,
            max_overflow=0,
            pool_timeout=ACQUIRE_TIMEOUT_S,
            pool_pre_ping=True,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a pooled connection inside READ COMMITTED; commits at the end, else rolls back.

        Raises one of DISCONNECTED where the database is away, or was since the connection was used
        last; at commit that means that the outcome is unknown.
        """
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as lent:
            connection = cast("asyncpg.Connection", lent)  # the pool's proxy does all of it
            async with begin(connection):
                yield connection

    async def connect(self) -> asyncpg.Connection:
        """Open a connection of the caller's own, for a writer's loop; the caller closes it."""
        return await self._target.connect()

    async def check(self) -> None:
        """Return when the database answers, raise what is wrong otherwise; for readiness."""
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            await connection.execute("SELECT 1")

    async def close(self) -> None:
        """Close every pooled connection; what was lent is given five seconds to come back."""
        if "engine" in self.__dict__:
            await self.engine.dispose()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()


@asynccontextmanager
async def begin(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Run a transaction on a connection of the caller's own; as Database.transaction otherwise."""
    try:
        async with connection.transaction():
            yield
    except asyncpg.InternalClientError:
        connection.terminate()
        raise
    except asyncpg.InterfaceError as error:
        if _is_lost(connection):  # found by the rollback, whatever went wrong before it
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost") from error
        raise


def _is_lost(connection: asyncpg.Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken its broken connection back already
        return True


async def open_database(target: Target, max_connections: int = 8) -> Database:
    """Connect to a service's schema. Raises SchemaVersionError, or one of DISCONNECTED.

    The pool holds at most `max_connections`.
    """
    await _require_head(target)
    pool = await asyncpg.create_pool(
        min_size=0,  # keeping a floor would log a traceback for every try during an outage
        max_size=max_connections,
        connect=lambda *_, **__: target.connect(),
    )
    return Database(target, pool)


async def _require_head(target: Target) -> None:
    expected = head_of(target.service, target.folder)
    try:
        connection = await target.connect()
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        if isinstance(error, asyncpg.InvalidPasswordError):
            raise
        raise SchemaVersionError(target.schema, None, expected) from error  # no such role
    try:
        found = await connection.fetchval(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    except asyncpg.UndefinedTableError:
        found = None
    finally:
        await connection.close()
    if found != expected:
        raise SchemaVersionError(target.schema, found, expected)
