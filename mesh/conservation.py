"""Whether money is conserved, asked of the databases of an exchange at rest.

Inside the wallet its own `audit` view says so. Across schemas this compares what order and wallet
must agree on at equal sequences: every live order has its hold, every hold a live order, and both
have the same trades. With orders under way the answer is that the positions differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

_PARTS = (
    "SELECT fault, found FROM svc_wallet.audit",
    """
    SELECT 'order and wallet stand at different sequences',
           format('market %s: order %s, wallet %s', market, o.sequence, w.sequence)
    FROM svc_order.progress AS o
    LEFT JOIN svc_wallet.progress AS w USING (market)
    WHERE (o.log_id, o.sequence, o.running_hash)
          IS DISTINCT FROM (w.log_id, w.sequence, w.running_hash) AND o.sequence > 0
    """,
    """
    SELECT 'a live order and its hold differ',
           format('order %s, version %s: %s lots, hold of %s', coalesce(o.id, h.order_id),
                  coalesce(o.version, h.version), o.remaining_lots, h.remaining_lots)
    FROM (SELECT id, version, remaining_lots FROM svc_order.orders
          WHERE status NOT IN ('filled', 'canceled', 'rejected', 'expired')) AS o
    FULL JOIN svc_wallet.open_holds AS h ON h.order_id = o.id AND h.version = o.version
    WHERE o.remaining_lots IS DISTINCT FROM h.remaining_lots
    """,
    """
    SELECT 'a trade of the ledger is not that of the orders',
           format('market %s, trade %s: %s rows of orders, fees %s, of the ledger %s', market,
                  trade_number, o.rows, o.fees, w.buyer_fee + w.seller_fee)
    FROM (SELECT (trade_id >> 40)::int AS market,
                 trade_id & ((1::bigint << 40) - 1) AS trade_number,
                 count(*) AS rows, sum(fee_units) AS fees
          FROM svc_order.trades GROUP BY 1, 2) AS o
    FULL JOIN svc_wallet.settlements AS w USING (market, trade_number)
    WHERE o.rows IS DISTINCT FROM 2 OR o.fees IS DISTINCT FROM w.buyer_fee + w.seller_fee
    """,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that does not hold, and where."""

    rule: str
    found: str


async def faults(database_url: str) -> list[Fault]:
    """Every fault, at most a hundred a rule. `database_url` is the owner's.

    Raises OSError or asyncpg.PostgresError where the database cannot be asked.
    """
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [
                Fault(*row)
                for part in _PARTS
                for row in await connection.fetch(f"SELECT * FROM ({part}) AS f LIMIT 100")  # noqa: S608
            ]
    finally:
        await connection.close()
