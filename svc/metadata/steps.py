"""Exact steps and units of an instrument: decimals in, whole numbers out.

Keeps: a lot, and a tick times a lot, are whole numbers of ledger units, so that no trade ever
needs rounding. Pure.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from svc.kit import decimals
from svc.metadata.catalog import Asset, Definition

# Orders carry price x quantity and budgets as int64 tick·lots; half of it leaves room for fees.
MAX_TICK_LOTS = 2**62
# The engine takes no more of either, which leaves its sums room (docs/journal.md).
MAX_TICKS = 10**15
MAX_LOTS = 10**15


@dataclass(frozen=True, slots=True)
class Units:
    """What order, wallet and engine count in.

    A trade of L lots at T ticks moves L x base_units_per_lot of base and
    T x L x quote_units_per_tick_lot of quote. `reference_price_ticks` is 0 without one.
    """

    base_units_per_lot: int
    quote_units_per_tick_lot: int
    max_quantity_lots: int
    max_price_ticks: int
    reference_price_ticks: int


def canonical(definition: Definition) -> Definition:
    """The same definition with its decimals in canonical form; what is no decimal stays."""
    terms = replace(
        definition.terms,
        min_notional=_canonical(definition.terms.min_notional),
        max_quantity=_canonical(definition.terms.max_quantity),
        reference_price=_canonical(definition.terms.reference_price),
    )
    tick_size, lot_size = _canonical(definition.tick_size), _canonical(definition.lot_size)
    return replace(definition, tick_size=tick_size, lot_size=lot_size, terms=terms)


def _canonical(decimal: str) -> str:
    try:
        return text(exact(decimal))
    except decimals.DecimalError:
        return decimal


def exact(text: str) -> Fraction:
    """The value of a decimal. decimals.DecimalError for any other text."""
    unscaled, scale = decimals.parse(text)
    return Fraction(unscaled, 10**scale)


def text(value: Fraction) -> str:
    """The canonical decimal of a value that has one."""
    scale = scale_of(value)
    return decimals.format_units(int(value * 10**scale), scale)


def scale_of(value: Fraction) -> int:
    """Decimals that a value needs behind the point."""
    scale = 0
    while (value * 10**scale).denominator != 1:
        scale += 1
    return scale


def units(definition: Definition, base: Asset, quote: Asset) -> Units:
    """The units of a definition that passed `rules.check`."""
    tick, lot = exact(definition.tick_size), exact(definition.lot_size)
    reference = definition.terms.reference_price
    max_lots = whole(exact(definition.terms.max_quantity) / lot)
    return Units(
        base_units_per_lot=whole(lot * 10**base.ledger_scale),
        quote_units_per_tick_lot=whole(tick * lot * 10**quote.ledger_scale),
        max_quantity_lots=max_lots,
        max_price_ticks=min(MAX_TICKS, MAX_TICK_LOTS // max_lots),
        reference_price_ticks=whole(exact(reference) / tick) if reference else 0,
    )


def whole(value: Fraction) -> int:
    """The value as an int; the caller has checked that it is one."""
    assert value.denominator == 1, f"{value} is not a whole number"
    return value.numerator


def neighbours(value: Fraction, step: Fraction) -> tuple[Fraction, Fraction]:
    """The nearest multiples of a step at or below, and above, a value."""
    below = value // step * step
    return below, below + step
