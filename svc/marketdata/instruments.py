"""Instruments as market data sees them, and the directory that knows them by id and by symbol.

Keeps: what is known of an instrument (symbol, tick, lot) never changes, as metadata promises; so
the directory only ever grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metadata.v1 import metadata_pb2
from trading.v1 import trading_pb2

from svc.kit.decimals import Step, format_units
from svc.kit.symbols import SymbolIndex


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument and how its integers read."""

    id: int
    market: int
    symbol: str
    perpetual: bool
    tick: Step
    lot: Step

    def price(self, ticks: int) -> str:
        """A price, canonical decimal of the quote asset; 0 is no price and reads empty."""
        return format_units(ticks * self.tick.unscaled, self.tick.scale) if ticks else ""

    def quantity(self, lots: int) -> str:
        """A quantity, canonical decimal of the base asset."""
        return format_units(lots * self.lot.unscaled, self.lot.scale)

    def notional(self, tick_lots: int) -> str:
        """An amount, canonical decimal of the quote asset."""
        unscaled = tick_lots * self.tick.unscaled * self.lot.unscaled
        return format_units(unscaled, self.tick.scale + self.lot.scale)


def instrument_of(message: metadata_pb2.Instrument) -> Instrument:
    """The part of metadata's definition that market data needs."""
    return Instrument(
        message.id,
        message.market,
        message.symbol,
        message.kind == trading_pb2.InstrumentKind.PERPETUAL,
        Step.parse(message.tick_size),
        Step.parse(message.lot_size),
    )


class Directory:
    """The instruments of all engine markets."""

    def __init__(self) -> None:
        self._by_id: dict[int, Instrument] = {}
        self._by_symbol: dict[str, Instrument] = {}
        self._symbols = SymbolIndex(())

    def add(self, instruments: Iterable[Instrument]) -> None:
        """Add what is not here yet."""
        for instrument in instruments:
            self._by_id[instrument.id] = instrument
            self._by_symbol[instrument.symbol] = instrument
        known = self._by_symbol.values()
        self._symbols = SymbolIndex(
            (one.symbol for one in known if not one.perpetual),
            (one.symbol for one in known if one.perpetual),
        )

    @property
    def empty(self) -> bool:
        """Whether nothing is known yet."""
        return not self._by_id

    def __contains__(self, instrument_id: int) -> bool:
        return instrument_id in self._by_id

    def find(self, text: str) -> Instrument:
        """The instrument a trader means: any case, spot also without its hyphen.

        Raises NOT_FOUND, UNKNOWN_SYMBOL.
        """
        return self._by_symbol[self._symbols.resolve(text)]

    def of(self, market: int) -> list[Instrument]:
        """The instruments of one market."""
        return [one for one in self._by_id.values() if one.market == market]
