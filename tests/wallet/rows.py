"""Reads the wallet's schema as an auditor does: by SQL of its own, past all code."""

from __future__ import annotations

import asyncio

import asyncpg

_PATIENCE_S = 30

_TABLES = ("balances", "holds", "open_holds", "unlocks", "settlements", "transfers", "progress")


class Auditor:
    """A connection to a test's database as its owner."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    @classmethod
    async def connect(cls, url: str) -> Auditor:
        """Connects past the wallet's own role."""
        connection = await asyncpg.connect(url, server_settings={"search_path": "svc_wallet"})
        return cls(connection)

    async def faults(self) -> list[str]:
        """What the ledger's audit finds; nothing when it holds."""
        rows = await self.connection.fetch("SELECT fault, found FROM audit")
        return [f"{row['fault']}: {row['found']}" for row in rows]

    async def balances(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Total and locked by (account, asset)."""
        rows = await self.connection.fetch(
            "SELECT account_id, asset_id, balance::text, locked::text FROM balances"
        )
        return {(row[0], row[1]): (int(row[2]), int(row[3])) for row in rows}

    async def open_holds(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Amount and remaining lots by (order, version)."""
        rows = await self.connection.fetch(
            "SELECT order_id, version, amount::text, remaining_lots FROM open_holds"
        )
        return {(row[0], row[1]): (int(row[2]), row[3]) for row in rows}

    async def count(self, table: str) -> int:
        """Rows of a table."""
        assert table in _TABLES
        return int(await self.connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608

    async def empty(self) -> None:
        """Forgets everything but who leads."""
        await self.connection.execute(f"TRUNCATE {', '.join(_TABLES)}")

    async def kill_writers(self) -> int:
        """Cuts every connection of the wallet that is in a transaction or waits; how many."""
        return int(
            await self.connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE usename = 'svc_wallet' AND wait_event_type = 'Lock' "
                "AND datname = current_database()"
            )
        )

    async def writer_waits(self) -> None:
        """Returns when a transaction of the wallet waits for a lock of ours."""
        async with asyncio.timeout(_PATIENCE_S):
            while not await self.connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'svc_wallet' "
                "AND wait_event_type = 'Lock' AND datname = current_database()"
            ):
                pass

    async def close(self) -> None:
        """Closes the connection."""
        await self.connection.close()
