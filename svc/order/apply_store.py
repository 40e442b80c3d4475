"""SQL of applying events: orders loaded, then everything written set by set.

Keeps: rows are locked in one pass, by their ids, so that this and intake's cancels do not wait for
each other in a circle; what was not locked is changed only if it is as it was found.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg

from svc.order.applied import EventRow, TradeRow
from svc.order.applying import Row
from svc.order.lifecycle import status_of

_READ = """
SELECT id, account_id, instrument_id, (side = 'sell')::int + 1, status::text, version, lots,
    filled_lots, remaining_lots, filled_tick_lots::text, price_ticks, cap_ticks, maker_fee_ppm,
    taker_fee_ppm, events, reason, sequence, type = 'market' AND budget_tick_lots > 0
FROM orders WHERE id = ANY($1::bigint[]) AND side IS NOT NULL
"""
_LOCK = _READ + "ORDER BY id FOR UPDATE"

_UPDATE = """
UPDATE orders o SET status = status_of(a.status), filled_lots = a.filled_lots,
    remaining_lots = a.remaining_lots, filled_tick_lots = a.filled_tick_lots::numeric,
    filled_qty = a.filled_lots * i.lot_size, remaining_qty = a.remaining_lots * i.lot_size,
    avg_fill_price = a.average::numeric, reason = a.reason, sequence = a.sequence,
    events = a.events, updated_at = $1
FROM unnest($2::change_rows) AS a JOIN instruments i ON i.id = a.instrument_id
WHERE o.id = a.id AND o.events = a.found
"""

_REPRICE = """
UPDATE orders o SET version = a.version, price_ticks = a.price_ticks, cap_ticks = a.cap_ticks,
    lots = a.lots, price = nullif(a.price_ticks, 0) * i.tick_size, quantity = a.lots * i.lot_size,
    stop_price = CASE WHEN a.trigger_ticks > 0 AND o.trail_offset IS NULL AND o.trail_bps IS NULL
        THEN a.trigger_ticks * i.tick_size ELSE o.stop_price END
FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[],
    $7::bigint[]) AS a (id, instrument_id, version, price_ticks, cap_ticks, lots, trigger_ticks)
JOIN instruments i ON i.id = a.instrument_id
WHERE o.id = a.id
"""

_REFUSE = """
UPDATE orders o SET replace_reason = a.reason
FROM unnest($1::bigint[], $2::text[]) AS a (id, reason)
WHERE o.id = a.id
"""

_TRIGGER = """
UPDATE orders o SET triggered_at = 'epoch'::timestamptz + a.time_us * interval '1 microsecond'
FROM unnest($1::bigint[], $2::bigint[]) AS a (id, time_us)
WHERE o.id = a.id
"""

_INSERT_EVENTS = """
INSERT INTO order_events (order_id, number, account_id, event_type, prev_status, new_status,
    filled_qty, fill_price, trade_id, reason, sequence, created_at)
SELECT a.order_id, a.number, a.account_id, event_type_of(a.event_type), status_of(a.previous),
    status_of(a.status), CASE WHEN a.lots > 0 THEN a.lots * i.lot_size END,
    CASE WHEN a.lots > 0 THEN a.price_ticks * i.tick_size END, nullif(a.trade_id, 0), a.reason,
    a.sequence, $1
FROM unnest($2::event_rows) AS a JOIN instruments i ON i.id = a.instrument_id
"""

_INSERT_TRADES = """
INSERT INTO trades (account_id, executed_at, trade_id, side, order_id, instrument_id, price,
    quantity, fee_units, maker, sequence)
SELECT a.account_id, 'epoch'::timestamptz + a.time_us * interval '1 microsecond', a.trade_id,
    side_of(a.side), a.order_id, a.instrument_id, a.price_ticks * i.tick_size, a.lots * i.lot_size,
    a.fee_units::numeric, a.maker, a.sequence
FROM unnest($1::trade_rows) AS a JOIN instruments i ON i.id = a.instrument_id
"""

_CLOSE = """
DELETE FROM open_orders o USING unnest($1::bigint[], $2::bigint[]) AS a (account_id, order_id)
WHERE o.account_id = a.account_id AND o.order_id = a.order_id
"""


class StaleRowsError(LookupError):
    """Rows that were not locked are no longer what they were taken for."""


async def load(
    conn: asyncpg.Connection, order_ids: Collection[int], *, lock: bool
) -> dict[int, Row]:
    """The orders of these ids that exist; locked in the order of their ids, if they are to be."""
    rows = await conn.fetch(_LOCK if lock else _READ, sorted(order_ids))
    return {
        row[0]: Row(
            row[0], row[1], row[2], row[3], status_of(row[4]), row[5], row[6], row[7], row[8],
            int(row[9]), row[10], row[11], row[12], row[13], row[14], row[15], row[16],
            row[17],
        )
        for row in rows
    }  # fmt: skip


async def update(
    conn: asyncpg.Connection, rows: Sequence[Row], averages: Sequence[str | None], now: datetime
) -> None:
    """Orders as they are now, each with its average price; those that ended are no longer open.

    Raises StaleRowsError when one of them was changed by somebody else, and changes nothing more.
    """
    changes = [row.change(average) for row, average in zip(rows, averages, strict=True)]
    updated = await conn.execute(_UPDATE, now, changes)
    if updated != f"UPDATE {len(rows)}":
        raise StaleRowsError(f"{len(rows)} rows were to change: {updated}")
    ended = [row for row in rows if row.ended]
    if ended:
        await conn.execute(_CLOSE, [row.account_id for row in ended], [row.id for row in ended])
    seldom = [row for row in rows if row.seldom]
    if seldom:
        await _update_seldom(conn, seldom)


async def insert_events(
    conn: asyncpg.Connection, events: Sequence[EventRow], now: datetime
) -> None:
    """What happened to orders."""
    await conn.execute(_INSERT_EVENTS, now, events)


async def insert_trades(conn: asyncpg.Connection, trades: Sequence[TradeRow]) -> None:
    """Both sides of trades."""
    await conn.execute(_INSERT_TRADES, trades)


async def _update_seldom(conn: asyncpg.Connection, rows: Sequence[Row]) -> None:
    repriced = [row for row in rows if row.repriced]
    if repriced:
        await _reprice(conn, repriced)
    triggered = [row for row in rows if row.triggered_us]
    if triggered:
        times_us = [row.triggered_us for row in triggered]
        await conn.execute(_TRIGGER, [row.id for row in triggered], times_us)
    refused = [row for row in rows if row.replace_reason is not None]
    if refused:
        reasons = [row.replace_reason for row in refused]
        await conn.execute(_REFUSE, [row.id for row in refused], reasons)


async def _reprice(conn: asyncpg.Connection, rows: Sequence[Row]) -> None:
    await conn.execute(
        _REPRICE,
        [row.id for row in rows],
        [row.instrument_id for row in rows],
        [row.version for row in rows],
        [row.price_ticks for row in rows],
        [row.cap_ticks for row in rows],
        [row.lots for row in rows],
        [row.trigger_ticks for row in rows],
    )
