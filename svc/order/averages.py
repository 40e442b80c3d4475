"""The average price of an order's fills, exact until its last decimal."""

from __future__ import annotations

from functools import lru_cache

from svc.kit import decimals
from svc.kit.decimals import Step

SCALE = 18
"""Decimals of prices in tables; an average that needs more is rounded half to even."""


def average_price(filled_tick_lots: int, filled_lots: int, tick: Step) -> str | None:
    """Canonical text of the average; None without a fill."""
    if not filled_lots:
        return None
    ticks, rest = divmod(filled_tick_lots, filled_lots)
    if not rest:
        return _text_of(ticks * tick.unscaled, tick.scale)
    scaled = filled_tick_lots * tick.unscaled * 10 ** (SCALE - tick.scale)
    units, rest = divmod(scaled, filled_lots)
    half = 2 * rest - filled_lots
    if half > 0 or (half == 0 and units % 2):
        units += 1
    return decimals.format_units(units, SCALE)


# Orders fill at the same few prices: most texts are those of the fills before.
_text_of = lru_cache(maxsize=8_192)(decimals.format_units)
