"""SQL of the instruments that order knows."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from svc.kit import decimals
from svc.kit.decimals import MAX_LEDGER_UNITS, Step
from svc.order.instrument import Instrument

# Decimals travel as text, both ways: nothing in between may round them.
_SAVE = """
INSERT INTO instruments (id, symbol, market, version, perpetual, base_currency, quote_currency,
    quote_scale, tick_size, lot_size, max_price_ticks, quote_units_per_tick_lot, min_notional,
    max_quantity, max_leverage, collar_bps, reference_price_ticks, maker_fee_ppm, taker_fee_ppm)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::numeric, $10::text::numeric, $11,
    $12::text::numeric, $13::text::numeric, $14::text::numeric, $15, $16, $17, $18, $19)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, min_notional = excluded.min_notional,
    max_price_ticks = excluded.max_price_ticks, max_quantity = excluded.max_quantity,
    max_leverage = excluded.max_leverage, collar_bps = excluded.collar_bps,
    reference_price_ticks = excluded.reference_price_ticks,
    maker_fee_ppm = excluded.maker_fee_ppm, taker_fee_ppm = excluded.taker_fee_ppm
"""

_LOAD = """
SELECT id, symbol, market, version, perpetual, base_currency, quote_currency, quote_scale,
    trim_scale(tick_size)::text AS tick_size, trim_scale(lot_size)::text AS lot_size,
    max_price_ticks, quote_units_per_tick_lot::text, trim_scale(min_notional)::text AS min_notional,
    trim_scale(max_quantity)::text AS max_quantity, max_leverage, collar_bps,
    reference_price_ticks, maker_fee_ppm, taker_fee_ppm
FROM instruments
"""


async def save(conn: asyncpg.Connection, instruments: Sequence[Instrument]) -> None:
    """Adds instruments, or changes what may change of them."""
    await conn.executemany(_SAVE, [_row(instrument) for instrument in instruments])


async def load(conn: asyncpg.Connection) -> list[Instrument]:
    """All of them."""
    return [_instrument(row) for row in await conn.fetch(_LOAD)]


def _row(instrument: Instrument) -> tuple[object, ...]:
    return (
        instrument.id,
        instrument.symbol,
        instrument.market,
        instrument.version,
        instrument.perpetual,
        instrument.base_asset,
        instrument.quote_asset,
        instrument.quote_scale,
        str(instrument.tick),
        str(instrument.lot),
        instrument.tick.limit,
        str(instrument.quote_units_per_tick_lot),
        instrument.min_notional,
        decimals.format_steps(instrument.max_quantity_lots, instrument.lot),
        instrument.max_leverage,
        instrument.collar_bps,
        instrument.reference_price_ticks,
        instrument.maker_fee_ppm,
        instrument.taker_fee_ppm,
    )


def _instrument(row: asyncpg.Record) -> Instrument:
    lot, scale = Step.parse(row["lot_size"]), row["quote_scale"]
    units = int(row["quote_units_per_tick_lot"])
    unit = Step(1, scale, MAX_LEDGER_UNITS)
    return Instrument(
        id=row["id"],
        symbol=row["symbol"],
        market=row["market"],
        version=row["version"],
        perpetual=row["perpetual"],
        base_asset=row["base_currency"],
        quote_asset=row["quote_currency"],
        quote_scale=scale,
        tick=Step.parse(row["tick_size"], row["max_price_ticks"]),
        lot=lot,
        quote_units_per_tick_lot=units,
        min_notional=row["min_notional"],
        min_notional_tick_lots=-(-decimals.to_steps(row["min_notional"], unit) // units),
        max_quantity_lots=decimals.to_steps(row["max_quantity"], lot),
        max_leverage=row["max_leverage"],
        collar_bps=row["collar_bps"],
        reference_price_ticks=row["reference_price_ticks"],
        maker_fee_ppm=row["maker_fee_ppm"],
        taker_fee_ppm=row["taker_fee_ppm"],
    )
