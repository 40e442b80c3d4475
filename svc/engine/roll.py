"""The roll of a market: the journals that hold all that anybody was ever told.

Only who writes one of them may lead. Invariant: the leader alone changes the roll, under its lease;
a journal is on it only while nothing leaves the leader that is not on that journal's disk, and the
leader goes on without it only when it has been struck off. An empty roll is that of a market that
nobody has led yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from svc.kit.database import DISCONNECTED, Database
from svc.kit.lease import Lease
from svc.kit.log import get_logger
from svc.kit.patience import Patience

_MAY_LEAD = """
SELECT NOT EXISTS (SELECT FROM journals WHERE market = $1)
    OR EXISTS (SELECT FROM journals WHERE market = $1 AND journal = $2)
"""
_ALONE = "DELETE FROM journals WHERE market = $1 AND journal <> $2"
_LEAD = """
INSERT INTO journals (market, journal, instance, epoch, log_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (market, journal) DO UPDATE
SET instance = excluded.instance, epoch = excluded.epoch, log_id = excluded.log_id
"""
_ENTER = """
INSERT INTO journals (market, journal, instance) VALUES ($1, $2, $3)
ON CONFLICT (market, journal) DO UPDATE SET instance = excluded.instance
"""
_STRIKE_OFF = "DELETE FROM journals WHERE market = $1 AND journal = $2"
_LEADING = """
SELECT l.holder, l.address, l.epoch, j.journal, j.log_id
FROM leases AS l LEFT JOIN journals AS j ON j.market = $1 AND j.epoch = l.epoch
WHERE l.name = $2 AND l.expires_at > clock_timestamp()
"""

R = TypeVar("R")

REPEATED: tuple[type[Exception], ...] = (*DISCONNECTED, asyncpg.QueryCanceledError)
"""Behind these the same is tried again."""

_NOT_IN_SYNC = (
    "other journals hold what this one may lack, so it must follow first: docs/standby.md, The roll"
)

_log = get_logger("engine.roll")


@dataclass(frozen=True, slots=True)
class Leading:
    """Who holds the market's lease. `journal` is None while it does not lead yet."""

    holder: str
    address: str
    epoch: int
    journal: str | None
    log_id: bytes | None


class Roll:
    """One market's, as the writer of one of its journals sees it."""

    def __init__(
        self, database: Database, lease: Lease, lease_name: str, market: int, journal: str
    ) -> None:
        """`journal` is the writer's own; the lease, named so, is the market's."""
        self._database = database
        self._lease = lease
        self._lease_name = lease_name
        self._market = market
        self.journal = journal

    async def until_it_may_lead(self) -> None:
        """Returns when our journal is on the roll, or nobody's is."""
        patience = Patience(_log, "journal_not_in_sync", self._market)
        while True:
            if await self.may_lead():
                patience.worked()
                return
            await asyncio.sleep(patience.failed(_NOT_IN_SYNC))

    async def may_lead(self) -> bool:
        """Whether our journal is on the roll, or nobody's is."""

        async def ask(conn: asyncpg.Connection) -> bool:
            return bool(await conn.fetchval(_MAY_LEAD, self._market, self.journal))

        return await self._repeated(ask)

    async def leading(self) -> Leading | None:
        """Who holds the lease now; None where nobody does. Raises one of DISCONNECTED."""
        async with self._database.transaction() as conn:
            row = await conn.fetchrow(_LEADING, self._market, self._lease_name)
        return None if row is None else Leading(*row)

    async def lead(self, instance: str, log_id: bytes) -> None:
        """Our journal is the only one on the roll, and leads under the lease's epoch.

        To be called when it is read and nothing has left it yet. Raises LeaseLost.
        """

        async def begin(conn: asyncpg.Connection) -> None:
            await self._lease.fence(conn)
            await conn.execute(_ALONE, self._market, self.journal)
            await conn.execute(
                _LEAD, self._market, self.journal, instance, self._lease.epoch, log_id
            )

        await self._repeated(begin)

    async def enter(self, journal: str, instance: str) -> None:
        """That journal may lead from here on. Raises LeaseLost."""

        async def enter(conn: asyncpg.Connection) -> None:
            await self._lease.fence(conn)
            await conn.execute(_ENTER, self._market, journal, instance)

        await self._repeated(enter)

    async def strike_off(self, journal: str) -> None:
        """That journal may lead no more; from here on it may lack something. Raises LeaseLost."""

        async def strike_off(conn: asyncpg.Connection) -> None:
            await self._lease.fence(conn)
            await conn.execute(_STRIKE_OFF, self._market, journal)

        await self._repeated(strike_off)

    async def _repeated(self, work: Callable[[asyncpg.Connection], Awaitable[R]]) -> R:
        # Every one of them may be done twice, so an unknown outcome is tried again.
        patience = Patience(_log, "roll", self._market)
        while True:
            try:
                async with self._database.transaction() as conn:
                    done = await work(conn)
            except REPEATED as error:
                await asyncio.sleep(patience.failed(f"database away: {error!r}"))
            else:
                patience.worked()
                return done
