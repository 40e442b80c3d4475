"""The tape, the candles of every interval, and where the market's event log is followed to.

Prices and quantities of the tape are decimals, for people and queries. Candles are ticks, lots and
price times lots, because later trades are added to them; `instruments` says what a tick and a lot
are. Rows, candles and position change in one transaction, so that each trade counts once.
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
-- What metadata has said of them, which never changes: statements scale ticks and lots by it, and
-- history is served while metadata is away.
CREATE TABLE instruments (
    id integer PRIMARY KEY CHECK (id > 0),
    symbol text NOT NULL UNIQUE,
    market integer NOT NULL CHECK (market > 0),
    perpetual boolean NOT NULL,
    tick_size numeric(38, 18) NOT NULL CHECK (tick_size > 0),
    lot_size numeric(38, 18) NOT NULL CHECK (lot_size > 0)
);

-- trade_id is the inner id, market and trade number in one; side is the aggressor's, null in an
-- auction.
CREATE TABLE trades (
    time timestamptz NOT NULL,
    symbol text NOT NULL,
    trade_id bigint NOT NULL,
    price numeric(38, 18) NOT NULL CHECK (price > 0),
    quantity numeric(38, 18) NOT NULL CHECK (quantity > 0),
    side text CHECK (side IN ('buy', 'sell')),
    sequence bigint NOT NULL,
    PRIMARY KEY (symbol, trade_id)
);
CREATE INDEX trades_time ON trades (time, symbol, trade_id);

CREATE TABLE candles (
    interval text NOT NULL,
    instrument_id integer NOT NULL REFERENCES instruments,
    open_time timestamptz NOT NULL,
    open_ticks bigint NOT NULL,
    high_ticks bigint NOT NULL,
    low_ticks bigint NOT NULL,
    close_ticks bigint NOT NULL,
    lots numeric(38, 0) NOT NULL,
    tick_lots numeric(38, 0) NOT NULL,
    trades bigint NOT NULL,
    PRIMARY KEY (interval, instrument_id, open_time)
) PARTITION BY LIST (interval);

CREATE TABLE log_positions (
    market integer PRIMARY KEY,
    log_id text NOT NULL,
    sequence bigint NOT NULL,
    running_hash numeric(20, 0) NOT NULL
);
"""

_INTERVALS = ("1m", "5m", "15m", "1h", "4h", "1d", "1w")


def upgrade() -> None:
    op.execute(_TABLES)
    for interval in _INTERVALS:
        op.execute(
            f"CREATE TABLE ohlcv_{interval} PARTITION OF candles FOR VALUES IN ('{interval}')"
        )
