"""SQL of changing orders that live: found, their versions used up once, the request put down.

Keeps: a version of an order is used once, by the transaction that has its command or by the one
that gives it up; both lock the order first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg

from svc.order.amending import Standing
from svc.order.changes import Change, Replace
from svc.order.lifecycle import status_of
from svc.order.terms import OrderType

Version = tuple[int, int]
"""An order and a version of it."""

_STANDING = """
SELECT o.id, o.account_id, o.instrument_id, (o.side = 'sell')::int + 1, o.type::text,
    o.status::text, o.version,
    greatest(o.version, (SELECT max(version) FROM replaces r WHERE r.order_id = o.id)) + 1,
    o.filled_lots, o.remaining_lots, o.price_ticks, o.cap_ticks,
    coalesce(o.stop_price / i.tick_size, 0)::bigint,
    coalesce(o.display_qty / i.lot_size, 0)::bigint, o.leverage,
    o.trail_offset IS NOT NULL OR o.trail_bps IS NOT NULL, o.triggered_at IS NOT NULL,
    o.budget_tick_lots > 0, o.maker_fee_ppm, o.taker_fee_ppm
FROM orders o JOIN instruments i ON i.id = o.instrument_id
WHERE o.id = ANY($1::bigint[]) AND o.side IS NOT NULL
"""

_REQUEST = """
WITH moved AS (
    UPDATE orders o SET status = 'replace_pending', updated_at = $1, events = o.events + 1,
        replace_reason = NULL
    FROM unnest($2::bigint[], $3::smallint[], $4::text[]) AS a (id, previous, trace_id)
    WHERE o.id = a.id
    RETURNING o.id, o.events, o.account_id, o.status, o.sequence, a.previous, a.trace_id
)
INSERT INTO order_events (order_id, number, account_id, event_type, prev_status, new_status,
    trace_id, sequence, created_at)
SELECT id, events, account_id, 'replace_requested', status_of(previous), status, trace_id,
    sequence, $1
FROM moved
"""

_USED = """
SELECT r.order_id, r.version FROM unnest($1::bigint[], $2::int[]) AS a (order_id, version)
JOIN replaces r USING (order_id, version)
"""

_USE = """
INSERT INTO replaces (order_id, version, accepted, created_at)
SELECT a.order_id, a.version, $3, $4 FROM unnest($1::bigint[], $2::int[]) AS a (order_id, version)
ON CONFLICT DO NOTHING
RETURNING order_id, version
"""

_GIVE_UP = """
WITH named AS (
    SELECT o.id, a.version FROM unnest($1::bigint[], $2::int[]) AS a (order_id, version)
    JOIN orders o ON o.id = a.order_id
    ORDER BY o.id FOR UPDATE OF o
)
INSERT INTO replaces (order_id, version, accepted, created_at)
SELECT id, version, false, $3 FROM named
ON CONFLICT DO NOTHING
RETURNING order_id, version
"""

_GIVEN_UP = _USED + "WHERE NOT r.accepted"


async def standing(conn: asyncpg.Connection, order_ids: Collection[int]) -> dict[int, Standing]:
    """The orders that exist of these ids, as they stand; nothing is locked."""
    rows = await conn.fetch(_STANDING, sorted(order_ids))
    return {row[0]: _standing(row) for row in rows}


async def request(
    conn: asyncpg.Connection, changes: Sequence[tuple[Change, int]], now: datetime
) -> None:
    """Moves orders that are locked and live from these states to REPLACE_PENDING."""
    await conn.execute(
        _REQUEST,
        now,
        [change.named_id for change, _ in changes],
        [previous for _, previous in changes],
        [change.trace_id or None for change, _ in changes],
    )


async def used(conn: asyncpg.Connection, replaces: Sequence[Replace]) -> set[Version]:
    """Which of their versions somebody has used, or given up. The orders are locked."""
    return await _versions(conn, _USED, [_version(replace) for replace in replaces])


async def use(
    conn: asyncpg.Connection, replaces: Sequence[Replace], now: datetime, *, accepted: bool
) -> set[Version]:
    """Uses up the versions; those that were new."""
    pairs = [_version(replace) for replace in replaces]
    return await _versions(conn, _USE, pairs, accepted, now)


async def give_up(
    conn: asyncpg.Connection, versions: Sequence[Version], now: datetime
) -> set[Version]:
    """Uses up the versions that nobody has; which those were."""
    return await _versions(conn, _GIVE_UP, versions, now)


async def given_up(conn: asyncpg.Connection, versions: Sequence[Version]) -> set[Version]:
    """Which of these will never be a version of an order."""
    return await _versions(conn, _GIVEN_UP, versions)


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        order_id=row[0],
        account_id=row[1],
        instrument_id=row[2],
        side=row[3],
        type=OrderType[row[4].upper()],
        status=status_of(row[5]),
        version=row[6],
        next_version=row[7],
        filled_lots=row[8],
        remaining_lots=row[9],
        price_ticks=row[10],
        cap_ticks=row[11],
        stop_ticks=row[12],
        display_lots=row[13],
        leverage=row[14],
        is_trailing=row[15],
        is_triggered=row[16],
        has_amount=row[17],
        maker_fee_ppm=row[18],
        taker_fee_ppm=row[19],
    )


async def _versions(
    conn: asyncpg.Connection, statement: str, versions: Sequence[Version], *more: object
) -> set[Version]:
    rows = await conn.fetch(
        statement, [order_id for order_id, _ in versions], [v for _, v in versions], *more
    )
    return {(row[0], row[1]) for row in rows}


def _version(replace: Replace) -> Version:
    assert replace.amended is not None, "it was decided before it is committed"
    return replace.order_id, replace.amended.version
