"""Numbered batches that leave a service in the order in which they were committed.

The next number comes from a counter row that the transaction keeps locked to its end, so numbers
are contiguous, commit order is number order, and a transaction that fails burns none. Whoever has
nothing to send does not append. `market` partitions: each market has numbers of its own from 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import asyncpg

_TABLES = (
    """
    CREATE TABLE outbox (
        market int NOT NULL CHECK (market > 0),
        number bigint NOT NULL CHECK (number > 0),
        payload bytea NOT NULL,
        digest bytea NOT NULL,
        count int NOT NULL CHECK (count > 0),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (market, number)
    )
    """,
    # Batches are packed protobuf: compressing them again costs more than it saves.
    "ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL",
    """
    CREATE TABLE outbox_counter (
        market int PRIMARY KEY,
        last bigint NOT NULL CHECK (last >= 0)
    ) WITH (fillfactor = 10)
    """,
)


def appending(market: str, payload: str, digest: str, count: str, when: str) -> str:
    """CTEs for a statement that appends a batch together with the effects of its own CTEs.

    `appended` has the batch's number, or no row where `when` is false. Parameters are SQL, such as
    "$1"; `when` asks for all that has effects, for the counter must come last.
    """
    return f"""counter AS (
    INSERT INTO outbox_counter AS c (market, last) SELECT {market}::int, 1
    WHERE {when}
    ON CONFLICT (market) DO UPDATE SET last = c.last + 1
    RETURNING last
), appended AS (
    INSERT INTO outbox (market, number, payload, digest, count)
    SELECT {market}, last, {payload}::bytea, {digest}::bytea, {count}::int FROM counter
    RETURNING number
)"""  # noqa: S608 - made of constants


_APPEND = f"""
WITH {appending("$1", "$2", "$3", "$4", "true")} SELECT number FROM appended
"""  # noqa: S608 - made of constants

# The first row comes whatever its size: a batch larger than the bound must not stop the relay.
_READ = """
SELECT number, payload, digest, count, created_ns FROM (
    SELECT number, payload, digest, count,
        (extract(epoch FROM created_at) * 1000000)::bigint * 1000 AS created_ns,
        sum(octet_length(payload)) OVER (ORDER BY number) AS bytes
    FROM outbox WHERE market = $1 AND number > $2 ORDER BY number LIMIT $3
) AS rows
WHERE bytes <= $4 OR bytes = octet_length(payload)
ORDER BY number
"""


# What a transaction with an unknown outcome may still be looked for by its digest stays.
_FORGET = """
DELETE FROM outbox WHERE market = $1 AND number <= $2 AND number IN (
    SELECT number FROM outbox WHERE market = $1 ORDER BY number LIMIT $3
) AND created_at < clock_timestamp() - $4 * interval '1 second'
"""

KEPT_S = 600
"""Batches stay at least so long, whatever holds them."""


class OutboxGapError(Exception):
    """A number that must be there is not: it was deleted, or the reader is not of this outbox."""

    def __init__(self, market: int, expected: int, found: int) -> None:
        """`found` is the number that stands where `expected` should."""
        self.market = market
        self.expected = expected
        self.found = found
        super().__init__(
            f"outbox of market {market}: number {expected} is missing, the next one is {found}"
        )


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One batch: its number in its market, its bytes, their digest, how many commands it holds."""

    number: int
    payload: bytes
    digest: bytes
    count: int
    created_ns: int
    """Unix nanoseconds at which the row was written, of the database's clock (microseconds)."""


class Executor(Protocol):
    """What a migration runs SQL with: alembic's `op`."""

    def execute(self, sqltext: str, /) -> None:
        """Run one statement."""


def create_tables(op: Executor) -> None:
    """Create outbox and outbox_counter; for the migration of a service that sends batches."""
    for statement in _TABLES:
        op.execute(statement)


async def append(
    conn: asyncpg.Connection, market: int, payload: bytes, digest: bytes, count: int
) -> int:
    """Write the market's next batch in the caller's transaction and return its number.

    From here to the end of the transaction no other append of this market gets a number: call it
    last. `count` > 0 is the number of commands in the payload.
    """
    assert conn.is_in_transaction(), "the number must be taken in the transaction of its effects"
    number: int = await conn.fetchval(_APPEND, market, payload, digest, count)
    return number


async def read_after(
    conn: asyncpg.Connection, market: int, number: int, limit_rows: int, limit_bytes: int
) -> list[OutboxRow]:
    """Committed batches after `number`, in order and without a gap; empty where there is none.

    At most `limit_rows`, and as many as fit into `limit_bytes` of payload but at least one.
    Raises OutboxGapError.
    """
    rows: Sequence[asyncpg.Record] = await conn.fetch(
        _READ, market, number, limit_rows, limit_bytes
    )
    batches = [OutboxRow(*row) for row in rows]
    for expected, batch in enumerate(batches, number + 1):
        if batch.number != expected:
            raise OutboxGapError(market, expected, batch.number)
    return batches


async def forget(conn: asyncpg.Connection, market: int, up_to: int, most_rows: int) -> int:
    """Delete the oldest batches, none above `up_to`, which nobody will read any more.

    At most `most_rows`; returns how many they were. Numbers are not given again.
    """
    status: str = await conn.execute(_FORGET, market, up_to, most_rows, KEPT_S)
    return int(status.rsplit(" ", 1)[1])


async def highest(conn: asyncpg.Connection, market: int) -> int:
    """The number of the newest committed batch, 0 where there was none yet."""
    last: int | None = await conn.fetchval(
        "SELECT last FROM outbox_counter WHERE market = $1", market
    )
    return last or 0
