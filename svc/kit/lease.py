"""One fenced writer: a named lease in the writer's own schema, with an expiry and an epoch.

Who holds the lease writes; each of its transactions calls `fence` first, which locks the epoch's
row FOR SHARE until the commit. A takeover raises the epoch, so it waits for what is in flight, and
whatever the old holder starts afterwards fails. The database's clock decides about expiry, and
idle_in_transaction_session_timeout is shorter than a lease, so that the open transaction of a
holder that hangs cannot hold up its successor.

The epoch has a row of its own (lease_epochs) because renewing must not wait for it: share locks
that overlap would keep a renewal of the same row out for ever. docs/leases.md tells the protocol.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from svc.kit.database import DISCONNECTED, IDLE_IN_TRANSACTION_MS, Database, begin
from svc.kit.log import get_logger
from svc.kit.outbox import Executor

_TABLES = (
    """
    CREATE TABLE leases (
        name text PRIMARY KEY,
        holder text NOT NULL,
        address text NOT NULL,
        epoch bigint NOT NULL CHECK (epoch > 0),
        expires_at timestamptz NOT NULL
    ) WITH (fillfactor = 10)
    """,
    """
    CREATE TABLE lease_epochs (
        name text PRIMARY KEY REFERENCES leases,
        epoch bigint NOT NULL CHECK (epoch > 0)
    ) WITH (fillfactor = 10)
    """,
)

_CLAIMABLE = """
SELECT NOT EXISTS (
    SELECT FROM leases WHERE name = $1 AND holder <> $2 AND expires_at > clock_timestamp()
)
"""
# The expiry is computed where the row is already locked: a takeover may have waited for it.
_CLAIM = """
INSERT INTO leases AS l (name, holder, address, epoch, expires_at)
VALUES ($1, $2, $3, 1, clock_timestamp() + $4 * interval '1 millisecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, address = excluded.address,
    epoch = l.epoch + 1, expires_at = clock_timestamp() + $4 * interval '1 millisecond'
WHERE l.holder = excluded.holder OR l.expires_at <= clock_timestamp()
RETURNING epoch
"""
_RAISE_EPOCH = """
INSERT INTO lease_epochs (name, epoch) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch
"""
_EXTEND = """
UPDATE leases SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'
WHERE name = $1 AND epoch = $2
RETURNING epoch
"""
_RELEASE = """
UPDATE leases SET expires_at = clock_timestamp()
WHERE name = $1 AND epoch = $2 AND expires_at > clock_timestamp()
"""
_FENCE = """
SELECT e.epoch, l.expires_at > clock_timestamp() AS live
FROM lease_epochs AS e JOIN leases AS l USING (name)
WHERE name = $1 FOR SHARE OF e
"""
# A renewal that a crash of the database takes back has cost nothing but time.
_SESSION = """
SELECT set_config('application_name', $1, false), set_config('synchronous_commit', 'off', false)
"""
_LEADER = """
SELECT holder, address, epoch FROM leases WHERE name = $1 AND expires_at > clock_timestamp()
"""

R = TypeVar("R")

_RETRIED: tuple[type[Exception], ...] = (*DISCONNECTED, asyncpg.QueryCanceledError)


class LeaseLost(Exception):
    """The caller is not the writer any more: roll back, drop what is in memory, acquire again."""

    def __init__(self, name: str, epoch: int, cause: str) -> None:
        self.name = name
        self.epoch = epoch
        super().__init__(f"lease {name}, epoch {epoch}, is lost: {cause}")


@dataclass(frozen=True, slots=True)
class Leader:
    """Who holds a lease now, and where it can be called."""

    holder: str
    address: str
    epoch: int


def create_table(op: Executor) -> None:
    """Create the tables of leases; for the migration of a service that has a fenced writer."""
    for statement in _TABLES:
        op.execute(statement)


async def leader(conn: asyncpg.Connection, name: str) -> Leader | None:
    """Who holds the lease now, None where nobody does; a standby names it to its callers."""
    row = await conn.fetchrow(_LEADER, name)
    return None if row is None else Leader(*row)


class Lease:
    """The right to be the one writer of `name`. One task acquires and releases it.

    `holder` names the process: a process that comes back under the same name takes over at once,
    which is safe because the epoch moves; others wait until the lease has expired.
    """

    def __init__(
        self, db: Database, name: str, holder: str, address: str, ttl_ms: int = 2_000
    ) -> None:
        """`address` is what a standby tells callers; `ttl_ms` outlives any idle transaction."""
        if ttl_ms <= IDLE_IN_TRANSACTION_MS:
            raise ValueError(
                f"lease {name}: time to live is {ttl_ms} ms, must be above "
                f"{IDLE_IN_TRANSACTION_MS} ms, the life of an idle transaction"
            )
        self._db = db
        self._log = get_logger(f"{db.service}.lease")
        self._name = name
        self._holder = holder
        self._address = address
        self._ttl_ms = ttl_ms
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self.epoch = 0
        self.lost = asyncio.Event()
        """Set when this holder is no longer the writer; a new acquire clears it."""

    async def acquire(self) -> int:
        """Wait until the lease is ours and return its epoch, higher than any before.

        Waits through other holders' time and through the database being away. What the writer
        keeps in memory is loaded after this returned. Renews by itself until lost or released.
        """
        await self._stop_renewing()
        self.lost.clear()
        told = False
        while True:
            started = asyncio.get_running_loop().time()
            try:
                epoch = await self._connected(self._claim)
            except _RETRIED as error:
                if not told:  # once an outage, not at every try
                    self._log.warning("lease_database_away", lease=self._name, error=repr(error))
                epoch, told = None, True
            if epoch is not None:
                break
            await asyncio.sleep(self._ttl_s / 10)
        self.epoch = epoch
        self._log.info("lease_acquired", lease=self._name, holder=self._holder, epoch=epoch)
        self._renewal = asyncio.create_task(self._renew(started + self._ttl_s))
        return epoch

    async def fence(self, conn: asyncpg.Connection) -> None:
        """Make the rest of conn's transaction safe: no successor can begin before it has ended.

        Call it first in every transaction of the writer. Raises LeaseLost.
        """
        assert conn.is_in_transaction(), "the fence holds to the end of a transaction"
        if self.lost.is_set():
            raise LeaseLost(self._name, self.epoch, "it was found lost before")
        row = await conn.fetchrow(_FENCE, self._name)
        if row is None or row["epoch"] != self.epoch:
            self._lose(f"the epoch is {row['epoch'] if row else 'gone'}")
        elif not row["live"]:
            self._lose("it has expired")
        else:
            return
        raise LeaseLost(self._name, self.epoch, "another holder may write")

    async def renew(self) -> None:
        """Extend the lease by its time to live; done by itself every third of that time.

        Sets `lost` where another holder took it. Raises one of DISCONNECTED.
        """
        if not await self._connected(self._extend):
            self._lose("another holder took it")

    async def release(self) -> None:
        """Give the lease back so that a successor need not wait; after the last commit."""
        await self._stop_renewing()
        if self.epoch and not self.lost.is_set():
            try:
                await self._connected(lambda conn: conn.execute(_RELEASE, self._name, self.epoch))
            except DISCONNECTED as error:
                self._log.warning("lease_not_released", lease=self._name, error=repr(error))
        self.lost.set()
        await self._disconnect()

    @property
    def _ttl_s(self) -> float:
        return self._ttl_ms / 1_000

    async def _claim(self, conn: asyncpg.Connection) -> int | None:
        if not await conn.fetchval(_CLAIMABLE, self._name, self._holder):
            return None
        async with begin(conn):
            # Unlike a renewal, an epoch that somebody has seen must survive a crash.
            await conn.execute("SET LOCAL synchronous_commit TO DEFAULT")
            epoch: int | None = await conn.fetchval(
                _CLAIM, self._name, self._holder, self._address, self._ttl_ms
            )
            if epoch is not None:
                await conn.execute(_RAISE_EPOCH, self._name, epoch)
                await conn.execute(_EXTEND, self._name, epoch, self._ttl_ms)
        return epoch

    async def _renew(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        pause = self._ttl_s / 3
        while not self.lost.is_set():
            await asyncio.sleep(pause)
            started = loop.time()
            try:
                async with asyncio.timeout_at(max(deadline, started + self._ttl_s / 3)):
                    await self.renew()
            except DISCONNECTED as error:
                self._log.warning("lease_not_renewed", lease=self._name, error=repr(error))
                if loop.time() >= deadline:
                    self._lose("it could not be renewed in time")
                pause = self._ttl_s / 20
            except Exception as error:  # noqa: BLE001  whatever it is, nobody renews any more
                self._log.exception("lease_renewal_failed", error, lease=self._name)
                self._lose("renewing it failed")
            else:
                deadline = started + self._ttl_s
                pause = self._ttl_s / 3

    async def _extend(self, conn: asyncpg.Connection) -> bool:
        return await conn.fetchval(_EXTEND, self._name, self.epoch, self._ttl_ms) is not None

    async def _connected(self, action: Callable[[asyncpg.Connection], Awaitable[R]]) -> R:
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._db.connect()
                await self._connection.execute(_SESSION, f"{self._db.service} lease {self._name}")
            try:
                return await action(self._connection)
            except BaseException:
                self._connection.terminate()  # cut off or broken: nothing is known about it
                raise

    def _lose(self, cause: str) -> None:
        if not self.lost.is_set():
            self._log.warning("lease_lost", lease=self._name, epoch=self.epoch, cause=cause)
            self.lost.set()

    async def _stop_renewing(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
            self._renewal = None

    async def _disconnect(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close(timeout=self._ttl_s)
