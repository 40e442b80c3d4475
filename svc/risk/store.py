"""SQL of schema svc_risk: limits of accounts, and the kill switches that are thrown."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from svc.kit.database import Database
from svc.risk.checks import Limits
from svc.risk.rulebook import Scope, Switch

MAX_SWITCHES = 9_999  # beside the global one, for which there is always room

# Decimals leave as text, as they came: nothing in between may round them.
_LIMITS = """
SELECT account_id, max_notional::text, max_quantity::text, fat_finger_bps
FROM account_limits
"""
_SET_LIMITS = """
INSERT INTO account_limits AS a
    (account_id, max_notional, max_quantity, fat_finger_bps)
VALUES ($1, $2::text::numeric, $3::text::numeric, $4)
ON CONFLICT (account_id) DO UPDATE
SET max_notional = excluded.max_notional, max_quantity = excluded.max_quantity,
    fat_finger_bps = excluded.fat_finger_bps, updated_at = now()
"""

_SWITCHES = "SELECT scope, id, note FROM kill_switches"
_LOCK_SWITCHES = "LOCK TABLE kill_switches IN SHARE ROW EXCLUSIVE MODE"
_THROW = """
INSERT INTO kill_switches (scope, id, note)
SELECT $1, $2, $3 WHERE $1 = 'GLOBAL'
    OR (SELECT count(*) FROM kill_switches WHERE scope <> 'GLOBAL') < $4
    OR EXISTS (SELECT FROM kill_switches WHERE scope = $1 AND id = $2)
ON CONFLICT (scope, id) DO UPDATE SET note = excluded.note
RETURNING id
"""
_RELEASE = "DELETE FROM kill_switches WHERE scope = $1 AND id = $2"


class Store:
    """The rows of risk's schema. Raises one of kit.database.DISCONNECTED when it is away."""

    def __init__(self, database: Callable[[], Awaitable[Database]]) -> None:
        """`database` gives the same one at every call, as Runtime.database does."""
        self._open = database

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        database = await self._open()
        async with database.transaction() as connection:
            yield connection

    async def limits(self) -> dict[int, Limits]:
        """Limits of every account that has its own."""
        async with self._transaction() as connection:
            rows = await connection.fetch(_LIMITS)
        return {row["account_id"]: Limits(*list(row)[1:]) for row in rows}

    async def set_limits(self, account_id: int, limits: Limits) -> None:
        """Gives an account limits of its own, in place of those it had."""
        async with self._transaction() as connection:
            await connection.execute(
                _SET_LIMITS,
                account_id,
                limits.max_notional,
                limits.max_quantity,
                limits.fat_finger_bps,
            )

    async def switches(self) -> list[Switch]:
        """Every switch that is thrown."""
        async with self._transaction() as connection:
            rows = await connection.fetch(_SWITCHES)
        return [Switch(Scope(row["scope"]), row["id"], row["note"]) for row in rows]

    async def throw(self, switch: Switch) -> bool:
        """Throws a switch, or changes its note; False: there are MAX_SWITCHES others."""
        async with self._transaction() as connection:
            await connection.execute(_LOCK_SWITCHES)
            thrown = await connection.fetchval(
                _THROW, switch.scope, switch.id, switch.note, MAX_SWITCHES
            )
        return thrown is not None

    async def release(self, scope: Scope, id_: int) -> None:
        """Releases a switch; nothing happens to one that is not thrown."""
        async with self._transaction() as connection:
            await connection.execute(_RELEASE, scope, id_)
