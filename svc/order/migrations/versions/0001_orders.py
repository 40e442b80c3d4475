"""Orders, their events and trades, the outbox to the log, and where the log is applied to.

Enumerations have the order of the contract's numbers, from which a function of each makes values.
Prices and quantities stand twice: as decimals for people and queries, as ticks and lots for the
rules. No index sits on a column that changes, so that updates of orders stay in their page.
"""

from alembic import op

from svc.kit import lease, outbox

revision = "0001"
down_revision = None

_TYPES = """
CREATE TYPE order_side AS ENUM ('buy', 'sell');
CREATE TYPE order_type AS ENUM ('limit', 'market', 'stop_limit', 'stop_market');
CREATE TYPE time_in_force AS ENUM ('gtc', 'ioc', 'fok', 'gtd', 'fok_budget');
CREATE TYPE order_status AS ENUM ('new', 'accepted', 'partially_filled', 'filled',
    'cancel_pending', 'canceled', 'replace_pending', 'rejected', 'expired');
CREATE TYPE order_event_type AS ENUM ('created', 'accepted', 'partially_filled', 'filled',
    'canceled', 'rejected', 'replaced', 'expired', 'triggered', 'reduced', 'cancel_requested',
    'cancel_rejected', 'replace_requested', 'replace_rejected');
CREATE TYPE stop_kind AS ENUM ('event', 'log');
"""

_FUNCTIONS = """
CREATE FUNCTION side_of(number int) RETURNS order_side IMMUTABLE
    RETURN (ARRAY['buy', 'sell']::order_side[])[number];
CREATE FUNCTION type_of(number int) RETURNS order_type IMMUTABLE
    RETURN (ARRAY['limit', 'market', 'stop_limit', 'stop_market']::order_type[])[number];
CREATE FUNCTION time_in_force_of(number int) RETURNS time_in_force IMMUTABLE
    RETURN (ARRAY['gtc', 'ioc', 'fok', 'gtd', 'fok_budget']::time_in_force[])[number];
CREATE FUNCTION status_of(number int) RETURNS order_status IMMUTABLE
    RETURN (ARRAY['new', 'accepted', 'partially_filled', 'filled', 'cancel_pending', 'canceled',
        'replace_pending', 'rejected', 'expired']::order_status[])[number];
CREATE FUNCTION event_type_of(number int) RETURNS order_event_type IMMUTABLE
    RETURN (ARRAY['created', 'accepted', 'partially_filled', 'filled', 'canceled', 'rejected',
        'replaced', 'expired', 'triggered', 'reduced', 'cancel_requested', 'cancel_rejected',
        'replace_requested', 'replace_rejected']::order_event_type[])[number];
"""

_INSTRUMENTS = """
-- What metadata has said last. Here too, because statements scale ticks and lots by it, and so that
-- orders can start while metadata is away. Tick and lot of an id never change.
CREATE TABLE instruments (
    id integer PRIMARY KEY CHECK (id > 0),
    symbol varchar(32) NOT NULL UNIQUE,
    market integer NOT NULL CHECK (market > 0),
    version integer NOT NULL,
    perpetual boolean NOT NULL,
    base_currency varchar(10) NOT NULL,
    quote_currency varchar(10) NOT NULL,
    quote_scale smallint NOT NULL,
    tick_size numeric(38, 18) NOT NULL CHECK (tick_size > 0),
    lot_size numeric(38, 18) NOT NULL CHECK (lot_size > 0),
    max_price_ticks bigint NOT NULL,
    quote_units_per_tick_lot numeric(38, 0) NOT NULL,
    min_notional numeric(38, 18) NOT NULL,
    max_quantity numeric(38, 18) NOT NULL,
    max_leverage integer NOT NULL,
    collar_bps integer NOT NULL,
    reference_price_ticks bigint NOT NULL,
    maker_fee_ppm integer NOT NULL,
    taker_fee_ppm integer NOT NULL
);

-- What the log has said of them, as far as it is applied.
CREATE TABLE conditions (
    instrument_id integer PRIMARY KEY,
    market integer NOT NULL,
    state smallint NOT NULL,
    min_price_ticks bigint NOT NULL,
    max_price_ticks bigint NOT NULL,
    last_price_ticks bigint NOT NULL
) WITH (fillfactor = 20);
"""

_ORDERS = """
-- An order whose call died between hold and commit has no side: the reconciler closed its key.
CREATE TABLE orders (
    id bigint PRIMARY KEY CHECK (id > 0),
    version integer NOT NULL,
    market integer NOT NULL,
    account_id bigint NOT NULL,
    user_id bigint NOT NULL,
    instrument_id integer NOT NULL,
    side order_side,
    type order_type,
    time_in_force time_in_force,
    status order_status NOT NULL,
    price numeric(38, 18),
    stop_price numeric(38, 18),
    quantity numeric(38, 18),
    filled_qty numeric(38, 18) NOT NULL,
    remaining_qty numeric(38, 18) NOT NULL,
    avg_fill_price numeric(38, 18),
    price_ticks bigint NOT NULL,
    cap_ticks bigint NOT NULL,
    lots bigint NOT NULL,
    filled_lots bigint NOT NULL,
    remaining_lots bigint NOT NULL,
    filled_tick_lots numeric(38, 0) NOT NULL,
    budget_tick_lots bigint NOT NULL,
    quote_units numeric(38, 0) NOT NULL,
    maker_fee_ppm integer NOT NULL,
    taker_fee_ppm integer NOT NULL,
    leverage smallint NOT NULL,
    self_trade_mode smallint NOT NULL,
    post_only boolean NOT NULL,
    reduce_only boolean NOT NULL,
    client_order_id text,
    idempotency_key text,
    source text NOT NULL,
    fee_currency varchar(10) NOT NULL,
    reason text,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    events integer NOT NULL,
    sequence bigint NOT NULL,
    CHECK (side IS NOT NULL AND type IS NOT NULL AND time_in_force IS NOT NULL
        OR status = 'rejected')
) WITH (fillfactor = 45);
CREATE INDEX orders_of_account ON orders (account_id, id);

-- Each change of an order, numbered from 1 without a gap; orders.events is the highest. The index
-- serves the list of an account's orders by their last change.
CREATE TABLE order_events (
    order_id bigint NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    account_id bigint NOT NULL,
    event_type order_event_type NOT NULL,
    prev_status order_status,
    new_status order_status NOT NULL,
    filled_qty numeric(38, 18),
    fill_price numeric(38, 18),
    trade_id bigint,
    reason text,
    metadata jsonb,
    trace_id text,
    sequence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, number)
);
CREATE INDEX order_events_of_account ON order_events (account_id, created_at, order_id);

-- Live orders. Unique client order ids live here, so that orders needs no index for them.
CREATE TABLE open_orders (
    account_id bigint NOT NULL,
    order_id bigint NOT NULL,
    client_order_id text,
    PRIMARY KEY (account_id, order_id)
);
CREATE UNIQUE INDEX open_client_order_ids ON open_orders (account_id, client_order_id)
    WHERE client_order_id IS NOT NULL;

-- A trade has a row for each side. The fee is in ledger units of the quote asset.
CREATE TABLE trades (
    account_id bigint NOT NULL,
    executed_at timestamptz NOT NULL,
    trade_id bigint NOT NULL,
    side order_side NOT NULL,
    order_id bigint NOT NULL,
    instrument_id integer NOT NULL,
    price numeric(38, 18) NOT NULL,
    quantity numeric(38, 18) NOT NULL,
    fee_units numeric(38, 0) NOT NULL,
    maker boolean NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (account_id, executed_at, trade_id, side)
);
"""

_ROWS = """
-- Rows on their way in: an array of these costs a third of an array for each column.
CREATE TYPE order_row AS (id bigint, account_id bigint, user_id bigint, instrument_id int,
    side smallint, type smallint, time_in_force smallint, status smallint, price_ticks bigint,
    cap_ticks bigint, lots bigint, budget_tick_lots bigint, quote_units text, maker_fee_ppm int,
    taker_fee_ppm int, leverage smallint, self_trade_mode smallint, post_only boolean,
    reduce_only boolean, client_order_id text, idempotency_key text, source text, reason text,
    expires_us bigint, trace_id text);
CREATE TYPE change_row AS (id bigint, instrument_id int, status smallint, filled_lots bigint,
    remaining_lots bigint, filled_tick_lots text, average text, reason text, sequence bigint,
    events int);
CREATE TYPE event_row AS (order_id bigint, number int, account_id bigint, instrument_id int,
    event_type smallint, previous smallint, status smallint, lots bigint, price_ticks bigint,
    trade_id bigint, reason text, sequence bigint);
CREATE TYPE trade_row AS (account_id bigint, time_us bigint, trade_id bigint, side smallint,
    order_id bigint, instrument_id int, price_ticks bigint, lots bigint, fee_units text,
    maker boolean, sequence bigint);
CREATE TYPE answer_row AS (account_id bigint, key text, digest bytea, order_id bigint,
    code smallint, reason text, message text, metadata text);
"""

_LOG = """
-- Answers by idempotency key, kept for ever. `code` is that of google.rpc.Code, 0 for success.
CREATE TABLE idempotency (
    account_id bigint NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    order_id bigint NOT NULL,
    code smallint NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    metadata text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);

-- Commands of the market that have been put into its outbox, each once.
CREATE TABLE market_commands (
    market integer NOT NULL,
    kind text NOT NULL,
    id bigint NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (market, kind, id, version)
);

-- How far the event log is applied. The three belong together; `batch_number` is that of the last
-- command batch whose events are settled.
CREATE TABLE progress (
    market integer PRIMARY KEY,
    log_id text NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 0),
    running_hash numeric(20, 0) NOT NULL,
    batch_number bigint NOT NULL CHECK (batch_number >= 0)
) WITH (fillfactor = 10);

CREATE TABLE stops (
    market integer NOT NULL,
    kind stop_kind NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (market, kind)
);
"""


def upgrade() -> None:
    for statements in (_TYPES, _FUNCTIONS, _INSTRUMENTS, _ORDERS, _ROWS, _LOG):
        for statement in filter(str.strip, statements.split(";\n")):  # the driver takes one each
            op.execute(statement)
    outbox.create_tables(op)
    lease.create_table(op)
