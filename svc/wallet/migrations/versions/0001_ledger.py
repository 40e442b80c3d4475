"""The ledger: what was asked and what happened as facts that never change, the state beside them.

Facts: holds, unlocks, settlements, transfers. State: balances, open_holds, progress. No index
stands on a column that changes, so that every update of the state stays within its page.
"""

from alembic import op

from svc.kit import lease

revision = "0001"
down_revision = None

_TABLES = (
    # Accounts below zero are the ledger's own: -1 the world outside, -2 fees, clearing accounts.
    """
    CREATE TABLE balances (
        ledger smallint NOT NULL CHECK (ledger > 0),
        account_id bigint NOT NULL,
        asset_id integer NOT NULL,
        balance numeric(38, 0) NOT NULL CHECK (account_id < 0 OR balance >= 0),
        locked numeric(38, 0) NOT NULL CHECK (locked >= 0),
        PRIMARY KEY (ledger, account_id, asset_id),
        CHECK (CASE WHEN account_id < 0 THEN locked = 0 ELSE locked <= balance END)
    ) WITH (fillfactor = 40)
    """,
    # A hold as it was asked for, and the amount that was locked then.
    """
    CREATE TABLE holds (
        ledger smallint NOT NULL CHECK (ledger > 0),
        order_id bigint NOT NULL CHECK (order_id > 0),
        version integer NOT NULL CHECK (version > 0),
        account_id bigint NOT NULL CHECK (account_id > 0),
        instrument_id integer NOT NULL,
        side smallint NOT NULL CHECK (side IN (1, 2)),
        cap_ticks bigint NOT NULL,
        lots bigint NOT NULL,
        quote_amount numeric(38, 0) NOT NULL,
        maker_ppm integer NOT NULL,
        taker_ppm integer NOT NULL,
        asset_id integer NOT NULL,
        held numeric(38, 0) NOT NULL CHECK (held >= 0),
        created_at_unix_ns bigint NOT NULL,
        PRIMARY KEY (order_id, version)
    )
    """,
    # What is still locked: 1 held, 2 added for a replace under way, 3 in a market. A hold without
    # a row here is closed. Apart from holds because it stays small and is what a start loads.
    """
    CREATE TABLE open_holds (
        ledger smallint NOT NULL,
        order_id bigint NOT NULL,
        version integer NOT NULL,
        remaining_lots bigint NOT NULL CHECK (remaining_lots >= 0),
        amount numeric(38, 0) NOT NULL CHECK (amount >= 0),
        state smallint NOT NULL CHECK (state IN (1, 2, 3)),
        PRIMARY KEY (order_id, version)
    ) WITH (fillfactor = 50)
    """,
    # Holds released before they reached a market, and keys closed before a hold was born.
    """
    CREATE TABLE unlocks (
        ledger smallint NOT NULL,
        order_id bigint NOT NULL,
        version integer NOT NULL,
        unlocked_at_unix_ns bigint NOT NULL,
        PRIMARY KEY (order_id, version)
    )
    """,
    # A trade, settled. An account of another ledger is replaced by the market's clearing account.
    """
    CREATE TABLE settlements (
        ledger smallint NOT NULL CHECK (ledger > 0),
        market integer NOT NULL CHECK (market > 0),
        trade_number bigint NOT NULL CHECK (trade_number > 0),
        instrument_id integer NOT NULL,
        base_asset_id integer NOT NULL,
        quote_asset_id integer NOT NULL,
        taker_side smallint NOT NULL,
        price_ticks bigint NOT NULL,
        lots bigint NOT NULL,
        buy_order_id bigint NOT NULL,
        buy_version integer NOT NULL,
        buyer_account_id bigint NOT NULL,
        sell_order_id bigint NOT NULL,
        sell_version integer NOT NULL,
        seller_account_id bigint NOT NULL,
        base_amount numeric(38, 0) NOT NULL CHECK (base_amount > 0),
        quote_amount numeric(38, 0) NOT NULL CHECK (quote_amount > 0),
        buyer_fee numeric(38, 0) NOT NULL,
        seller_fee numeric(38, 0) NOT NULL,
        settled_at_unix_ns bigint NOT NULL,
        PRIMARY KEY (ledger, market, trade_number)
    )
    """,
    """
    CREATE TABLE transfers (
        ledger smallint NOT NULL CHECK (ledger > 0),
        transaction_id text NOT NULL,
        from_account_id bigint NOT NULL,
        to_account_id bigint NOT NULL CHECK (to_account_id <> from_account_id),
        asset_id integer NOT NULL,
        amount numeric(38, 0) NOT NULL CHECK (amount > 0),
        reference text NOT NULL,
        balance_after numeric(38, 0) NOT NULL,
        created_at_unix_ns bigint NOT NULL,
        PRIMARY KEY (ledger, transaction_id)
    )
    """,
    # How far each market's log is settled; trade_number is that of the last trade.
    """
    CREATE TABLE progress (
        ledger smallint NOT NULL CHECK (ledger > 0),
        market integer NOT NULL CHECK (market > 0),
        log_id text NOT NULL,
        sequence bigint NOT NULL CHECK (sequence > 0),
        running_hash numeric(20, 0) NOT NULL,
        trade_number bigint NOT NULL CHECK (trade_number >= 0),
        PRIMARY KEY (ledger, market)
    ) WITH (fillfactor = 10)
    """,
)

# Every movement of money, derived from the facts: six legs of a trade and what fees they pay into.
_POSTINGS = """
CREATE VIEW postings AS
SELECT s.ledger, s.market, s.trade_number, NULL::text AS transaction_id,
       leg.account_id, leg.asset_id, leg.amount
FROM settlements AS s CROSS JOIN LATERAL (VALUES
    (s.buyer_account_id, s.quote_asset_id, -s.quote_amount),
    (s.buyer_account_id, s.base_asset_id, s.base_amount),
    (s.seller_account_id, s.base_asset_id, -s.base_amount),
    (s.seller_account_id, s.quote_asset_id, s.quote_amount),
    (s.buyer_account_id, s.quote_asset_id, -s.buyer_fee),
    (s.seller_account_id, s.quote_asset_id, -s.seller_fee),
    (-2::bigint, s.quote_asset_id, s.buyer_fee + s.seller_fee)
) AS leg (account_id, asset_id, amount)
UNION ALL
SELECT t.ledger, NULL, NULL, t.transaction_id, leg.account_id, t.asset_id, leg.amount
FROM transfers AS t CROSS JOIN LATERAL (VALUES
    (t.from_account_id, -t.amount),
    (t.to_account_id, t.amount)
) AS leg (account_id, amount)
"""

# What is wrong, a row each; empty when the ledger holds.
_AUDIT = """
CREATE VIEW audit AS
SELECT 'postings of an asset do not sum to zero' AS fault,
       format('ledger %s, asset %s: %s', ledger, asset_id, sum(amount)) AS found
FROM postings GROUP BY ledger, asset_id HAVING sum(amount) <> 0
UNION ALL
SELECT 'a balance is not the sum of its postings',
       format('ledger %s, account %s, asset %s: %s, postings %s',
              ledger, account_id, asset_id, b.balance, p.amount)
FROM balances AS b
FULL JOIN (SELECT ledger, account_id, asset_id, sum(amount) AS amount
           FROM postings GROUP BY ledger, account_id, asset_id) AS p
USING (ledger, account_id, asset_id)
WHERE coalesce(b.balance, 0) <> coalesce(p.amount, 0)
UNION ALL
SELECT 'locked is not the sum of open holds',
       format('ledger %s, account %s, asset %s: %s, holds %s',
              ledger, account_id, asset_id, b.locked, h.amount)
FROM balances AS b
FULL JOIN (SELECT o.ledger, account_id, asset_id, sum(o.amount) AS amount
           FROM open_holds AS o JOIN holds USING (order_id, version)
           GROUP BY o.ledger, account_id, asset_id) AS h
USING (ledger, account_id, asset_id)
WHERE coalesce(b.locked, 0) <> coalesce(h.amount, 0)
UNION ALL
SELECT 'a user is in debt or locked beyond his balance',
       format('ledger %s, account %s, asset %s', ledger, account_id, asset_id)
FROM balances WHERE account_id > 0 AND (balance < 0 OR locked < 0 OR locked > balance)
UNION ALL
SELECT 'an open hold was never made or is unlocked',
       format('order %s, version %s', o.order_id, o.version)
FROM open_holds AS o
LEFT JOIN holds AS h USING (order_id, version)
LEFT JOIN unlocks AS u USING (order_id, version)
WHERE h.order_id IS NULL OR u.order_id IS NOT NULL
UNION ALL
SELECT 'settled trades are not those up to the position',
       format('ledger %s, market %s: %s trades, position %s', ledger, market, t.trades,
              p.trade_number)
FROM progress AS p
FULL JOIN (SELECT ledger, market, count(*) AS trades, max(trade_number) AS last
           FROM settlements GROUP BY ledger, market) AS t
USING (ledger, market)
WHERE coalesce(t.trades, 0) <> coalesce(p.trade_number, 0)
   OR coalesce(t.last, 0) <> coalesce(p.trade_number, 0)
"""


def upgrade() -> None:
    for statement in (*_TABLES, _POSTINGS, _AUDIT):
        op.execute(statement)
    lease.create_table(op)
