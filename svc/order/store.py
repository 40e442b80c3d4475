"""SQL of what a market's tasks share: position, stops, conditions, commands of the market.

Keeps: the position moves only from where it was read, so an event is applied once whoever applies
it; a command of the market stands in the outbox once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg

from svc.order.instrument import Condition, MarketState
from svc.order.market import Position, Stop, StopKind

_POSITION = """
SELECT log_id, sequence, running_hash, batch_number FROM progress WHERE market = $1
"""
_BEGIN = """
INSERT INTO progress (market, log_id, sequence, running_hash, batch_number)
VALUES ($1, '', 0, 0, 0) ON CONFLICT DO NOTHING
"""
_MOVE = """
UPDATE progress SET log_id = $3, sequence = $4, running_hash = $5::text::numeric, batch_number = $6
WHERE market = $1 AND sequence = $2 RETURNING market
"""
_STOPS = """
SELECT kind::text, reason, message, (extract(epoch FROM since) * 1000000)::bigint * 1000
FROM stops WHERE market = $1
"""
_STOP = """
INSERT INTO stops (market, kind, reason, message) VALUES ($1, $2::text::stop_kind, $3, $4)
ON CONFLICT (market, kind) DO UPDATE SET reason = excluded.reason, message = excluded.message
RETURNING (extract(epoch FROM since) * 1000000)::bigint * 1000
"""
_RESOLVE = "DELETE FROM stops WHERE market = $1 AND kind = $2::text::stop_kind"
_CONDITIONS = """
SELECT instrument_id, state, min_price_ticks, max_price_ticks, last_price_ticks
FROM conditions WHERE market = $1
"""
_SAVE_CONDITIONS = """
INSERT INTO conditions
    (market, instrument_id, state, min_price_ticks, max_price_ticks, last_price_ticks)
SELECT $1, * FROM unnest($2::int[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (instrument_id) DO UPDATE SET state = excluded.state,
    min_price_ticks = excluded.min_price_ticks, max_price_ticks = excluded.max_price_ticks,
    last_price_ticks = excluded.last_price_ticks
"""
_UNSETTLED = "SELECT number, count FROM outbox WHERE market = $1 AND number > $2 ORDER BY number"
_ADD_COMMANDS = """
INSERT INTO market_commands (market, kind, id, version)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::int[])
ON CONFLICT DO NOTHING RETURNING kind, id, version
"""
_HIGHEST_COMMAND = """
SELECT coalesce(max(version), 0) FROM market_commands WHERE market = $1 AND kind = $2
"""
_HIGHEST_MARKET = "SELECT coalesce(max(market), 0) FROM outbox_counter"
_HIGHEST_ORDER = "SELECT coalesce(max(id), 0) FROM orders"


class PositionMovedError(Exception):
    """Somebody else applied events meanwhile: drop what was prepared, and load anew."""

    def __init__(self, market: int, expected: int) -> None:
        super().__init__(f"market {market} does not stand at sequence {expected} any more")


@dataclass(frozen=True, slots=True)
class CommandKey:
    """What makes a command of the market the same as another."""

    kind: str
    id: int
    version: int


@dataclass(frozen=True, slots=True)
class View:
    """What the rows of a market say."""

    position: Position
    conditions: dict[int, Condition]
    stops: dict[StopKind, Stop]
    outbox_number: int


async def position(conn: asyncpg.Connection, market: int) -> Position:
    """How far the market's events are applied."""
    row = await conn.fetchrow(_POSITION, market)
    return Position() if row is None else Position(row[0], row[1], int(row[2]), row[3])


async def move(conn: asyncpg.Connection, market: int, before: Position, to: Position) -> None:
    """Moves the position in the caller's transaction. Raises PositionMovedError."""
    if not before.sequence and not before.batch_number:
        await conn.execute(_BEGIN, market)
    moved = await conn.fetchval(
        _MOVE,
        market,
        before.sequence,
        to.log_id,
        to.sequence,
        str(to.running_hash),
        to.batch_number,
    )
    if moved is None:
        raise PositionMovedError(market, before.sequence)


async def view(conn: asyncpg.Connection, market: int) -> View:
    """Everything, the position first: nothing else is of a moment before it."""
    at = await position(conn, market)
    conditions = await conn.fetch(_CONDITIONS, market)
    stops = await conn.fetch(_STOPS, market)
    last = await conn.fetchval("SELECT last FROM outbox_counter WHERE market = $1", market)
    return View(
        position=at,
        conditions={
            row[0]: Condition(MarketState(row[1]), row[2], row[3], row[4]) for row in conditions
        },
        stops={
            StopKind[row[0].upper()]: Stop(StopKind[row[0].upper()], row[1], row[2], row[3])
            for row in stops
        },
        outbox_number=last or 0,
    )


async def save_conditions(
    conn: asyncpg.Connection, market: int, conditions: Sequence[tuple[int, Condition]]
) -> None:
    """Writes what the log has said of instruments, by instrument id."""
    await conn.execute(
        _SAVE_CONDITIONS,
        market,
        [instrument_id for instrument_id, _ in conditions],
        [condition.state for _, condition in conditions],
        [condition.min_price_ticks for _, condition in conditions],
        [condition.max_price_ticks for _, condition in conditions],
        [condition.last_price_ticks for _, condition in conditions],
    )


async def unsettled(
    conn: asyncpg.Connection, market: int, after_number: int
) -> list[tuple[int, int]]:
    """Batches of the outbox behind a number, with their commands."""
    return [(row[0], row[1]) for row in await conn.fetch(_UNSETTLED, market, after_number)]


async def stop(
    conn: asyncpg.Connection, market: int, kind: StopKind, reason: str, message: str
) -> Stop:
    """Stops the market; a stop of the kind that is in force keeps its time."""
    since = await conn.fetchval(_STOP, market, kind.name.lower(), reason, message)
    return Stop(kind, reason, message, since)


async def resolve(conn: asyncpg.Connection, market: int, kind: StopKind) -> None:
    """Takes a stop away, if there is one."""
    await conn.execute(_RESOLVE, market, kind.name.lower())


async def add_commands(
    conn: asyncpg.Connection, market: int, keys: Iterable[CommandKey]
) -> set[CommandKey]:
    """Notes commands of the market; those that were not there."""
    keys = list(keys)
    rows = await conn.fetch(
        _ADD_COMMANDS,
        market,
        [key.kind for key in keys],
        [key.id for key in keys],
        [key.version for key in keys],
    )
    return {CommandKey(row[0], row[1], row[2]) for row in rows}


async def highest_command(conn: asyncpg.Connection, market: int, kind: str) -> int:
    """The highest version among the market's commands of a kind; 0: there are none."""
    highest: int = await conn.fetchval(_HIGHEST_COMMAND, market, kind)
    return highest


async def highest_market(conn: asyncpg.Connection) -> int:
    """The highest market that ever had a batch; 0 without batches."""
    highest: int = await conn.fetchval(_HIGHEST_MARKET)
    return highest


async def highest_order(conn: asyncpg.Connection) -> int:
    """The highest order id; 0 without orders."""
    highest: int = await conn.fetchval(_HIGHEST_ORDER)
    return highest
