"""A connection that one loop keeps for itself, opened again when it was lost.

A pooled connection is reset each time it comes back, which costs a round trip a batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from svc.kit.database import DISCONNECTED, Database, begin

PASSING: tuple[type[Exception], ...] = (asyncpg.DeadlockDetectedError, asyncpg.QueryCanceledError)
"""Faults of a transaction that the next try may not meet."""


class Session:
    """One task's connection. Not for two at a time."""

    def __init__(self, database: Callable[[], Awaitable[Database]]) -> None:
        """`database` gives the same one at every call."""
        self._database = database
        self._connection: asyncpg.Connection | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend the connection for statements of their own. Raises one of DISCONNECTED."""
        connection = await self._connected()
        try:
            yield connection
        except DISCONNECTED:
            connection.terminate()
            raise
        except asyncpg.InterfaceError as error:
            if connection.is_closed():
                raise asyncpg.ConnectionDoesNotExistError("the connection was lost") from error
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend the connection inside READ COMMITTED; commits at the end, else rolls back.

        Raises one of DISCONNECTED; at the end that means that the outcome is unknown.
        """
        async with self.reading() as connection, begin(connection):
            yield connection

    async def close(self) -> None:
        """Close it, if it is open."""
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close(timeout=1)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await (await self._database()).connect()
        return self._connection
