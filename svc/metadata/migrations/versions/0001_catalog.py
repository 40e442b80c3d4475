"""Assets, instruments with their versions, wished states, and what the engine has said.

Definitions and wishes are only ever added to, so that what was in force when can be read back.
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE assets (
    id integer PRIMARY KEY CHECK (id > 0),
    symbol text NOT NULL UNIQUE,
    name text NOT NULL,
    ledger_scale smallint NOT NULL CHECK (ledger_scale BETWEEN 0 AND 24)
);

-- What never changes of an instrument.
CREATE TABLE instruments (
    id integer PRIMARY KEY CHECK (id > 0),
    symbol text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('SPOT', 'PERPETUAL')),
    market integer NOT NULL CHECK (market > 0),
    base_asset_id integer NOT NULL REFERENCES assets,
    quote_asset_id integer NOT NULL REFERENCES assets CHECK (quote_asset_id <> base_asset_id),
    tick_size numeric NOT NULL CHECK (tick_size > 0),
    lot_size numeric NOT NULL CHECK (lot_size > 0)
);

-- What may change of it: the highest version is in force.
CREATE TABLE instrument_versions (
    instrument_id integer NOT NULL REFERENCES instruments,
    version integer NOT NULL CHECK (version > 0),
    min_notional numeric NOT NULL CHECK (min_notional >= 0),
    max_quantity numeric NOT NULL CHECK (max_quantity > 0),
    max_leverage integer NOT NULL CHECK (max_leverage BETWEEN 1 AND 100),
    collar_bps integer NOT NULL CHECK (collar_bps BETWEEN 1 AND 9999),
    reference_price numeric CHECK (reference_price > 0),
    maker_fee_ppm integer NOT NULL,
    taker_fee_ppm integer NOT NULL CHECK (taker_fee_ppm >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (instrument_id, version),
    CHECK (maker_fee_ppm + taker_fee_ppm >= 0)
);

-- Every version of every definition, whole. Decimals leave as text, as they came: nothing in
-- between may round them.
CREATE VIEW definitions AS
SELECT i.id, i.symbol, i.kind, i.market, base.symbol AS base_asset, quote.symbol AS quote_asset,
       i.tick_size::text, i.lot_size::text, v.version, v.min_notional::text,
       v.max_quantity::text, v.max_leverage, v.collar_bps,
       coalesce(v.reference_price::text, '') AS reference_price, v.maker_fee_ppm, v.taker_fee_ppm
FROM instruments i
JOIN instrument_versions v ON v.instrument_id = i.id
JOIN assets base ON base.id = i.base_asset_id
JOIN assets quote ON quote.id = i.quote_asset_id;

-- States the operator asked for: the highest version is what is wished.
CREATE TABLE state_wishes (
    instrument_id integer NOT NULL REFERENCES instruments,
    version integer NOT NULL CHECK (version > 0),
    state text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (instrument_id, version)
);

-- What the engine has said last; `sequence` is that of the event. No reference to instruments:
-- the market's log is the truth, also about one that is not listed here.
CREATE TABLE known_instruments (
    instrument_id integer PRIMARY KEY,
    version integer NOT NULL,
    state text NOT NULL,
    state_version integer NOT NULL,
    sequence bigint NOT NULL
);

-- Where each market's event log has been followed to.
CREATE TABLE log_positions (
    market integer PRIMARY KEY,
    log_id text NOT NULL,
    sequence bigint NOT NULL,
    running_hash numeric(20, 0) NOT NULL
);
"""


def upgrade() -> None:
    op.execute(_TABLES)
