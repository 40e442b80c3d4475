"""Bands: how far from the last trade another may print, and what happens to one that would not."""

from alembic import op

revision = "0002"
down_revision = "0001"

_DEFINITIONS = """
CREATE OR REPLACE VIEW definitions AS
SELECT i.id, i.symbol, i.kind, i.market, base.symbol AS base_asset, quote.symbol AS quote_asset,
       i.tick_size::text, i.lot_size::text, v.version, v.min_notional::text,
       v.max_quantity::text, v.max_leverage, v.collar_bps,
       coalesce(v.reference_price::text, '') AS reference_price, v.maker_fee_ppm, v.taker_fee_ppm,
       v.band_bps, v.band_auction
FROM instruments i
JOIN instrument_versions v ON v.instrument_id = i.id
JOIN assets base ON base.id = i.base_asset_id
JOIN assets quote ON quote.id = i.quote_asset_id
"""


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE instrument_versions
            ADD COLUMN band_bps integer NOT NULL DEFAULT 0 CHECK (band_bps BETWEEN 0 AND 9999),
            ADD COLUMN band_auction boolean NOT NULL DEFAULT false,
            ADD CHECK (band_bps > 0 OR NOT band_auction)
        """
    )
    op.execute(_DEFINITIONS)
