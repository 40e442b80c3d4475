"""SQL of closing orders that were never committed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from wallet.v1 import wallet_pb2

ABANDONED = "ABANDONED"
"""Reason of an order whose call died between hold and commit. It is shown to nobody."""

_CLOSE_UNBORN = """
WITH closed AS (
    INSERT INTO orders (id, version, market, account_id, user_id, instrument_id, status,
        filled_qty, remaining_qty, price_ticks, cap_ticks, lots, filled_lots, remaining_lots,
        filled_tick_lots, budget_tick_lots, quote_units, maker_fee_ppm, taker_fee_ppm, leverage,
        self_trade_mode, post_only, reduce_only, source, fee_currency, reason, created_at,
        updated_at, events, sequence)
    SELECT a.id, 1, i.market, a.account_id, 0, a.instrument_id, 'rejected', 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 1, 1, false, false, 'api', '', $4, $5, $5, 1, 0
    FROM unnest($1::bigint[], $2::bigint[], $3::int[]) AS a (id, account_id, instrument_id)
    JOIN instruments AS i ON i.id = a.instrument_id
    ORDER BY a.id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, account_id
)
INSERT INTO order_events (order_id, number, account_id, event_type, new_status, reason, sequence,
    created_at)
SELECT id, 1, account_id, 'rejected', 'rejected', $4, 0, $5 FROM closed
RETURNING order_id
"""

# Those that a market has rejected have a sequence, and the market has ended their holds.
_REJECTED = """
SELECT id FROM orders WHERE id = ANY($1::bigint[]) AND status = 'rejected' AND sequence = 0
"""


async def close_unborn(
    conn: asyncpg.Connection, holds: Sequence[wallet_pb2.Hold], now: datetime
) -> list[int]:
    """Makes a rejected order of each hold whose order has no row; their ids."""
    rows = await conn.fetch(
        _CLOSE_UNBORN,
        [hold.key.order_id for hold in holds],
        [hold.account_id for hold in holds],
        [hold.instrument_id for hold in holds],
        ABANDONED,
        now,
    )
    return [row[0] for row in rows]


async def rejected(conn: asyncpg.Connection, order_ids: Sequence[int]) -> set[int]:
    """Which of these orders were rejected before they could reach a market."""
    return {row[0] for row in await conn.fetch(_REJECTED, order_ids)}
