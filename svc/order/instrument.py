"""An instrument as orders see it: its definition from metadata, its condition from the log.

Keeps: a definition's tick and lot are those its rows were written with; the condition changes
only by the market's own events. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from svc.kit.decimals import Step


class MarketState(IntEnum):
    """What a market lets through; numbers of `trading.v1.MarketState`."""

    UNKNOWN = 0
    TRADING = 1
    POST_ONLY = 2
    LIMIT_ONLY = 3
    CANCEL_ONLY = 4
    AUCTION = 5
    HALTED = 6
    DELISTED = 7


@dataclass(frozen=True, slots=True)
class Instrument:
    """Definition of an instrument. Prices count in ticks, quantities in lots."""

    id: int
    symbol: str
    market: int
    version: int
    perpetual: bool
    base_asset: str
    quote_asset: str
    quote_scale: int
    """Decimals of the quote asset's ledger unit."""
    tick: Step
    """Its limit is the highest price: times the largest quantity it is still an int64."""
    lot: Step
    quote_units_per_tick_lot: int
    min_notional: str
    """Canonical decimal of the quote asset."""
    min_notional_tick_lots: int
    """The same, rounded up to a whole tick x lot."""
    max_quantity_lots: int
    max_leverage: int
    collar_bps: int
    reference_price_ticks: int
    """Set by operators; 0: none."""
    maker_fee_ppm: int
    taker_fee_ppm: int


@dataclass(slots=True)
class Condition:
    """What the log has said of an instrument so far."""

    state: MarketState = MarketState.UNKNOWN
    min_price_ticks: int = 0
    max_price_ticks: int = 0
    last_price_ticks: int = 0
    """Price of the last applied trade; 0: none."""
