"""Assets and instruments as far as money needs them. What is here never changes once defined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset; its ledger unit is 10 ** -``ledger_scale`` of it."""

    asset_id: int
    symbol: str
    ledger_scale: int


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a trade of L lots at T ticks moves: L * base_units, T * L * quote_units."""

    instrument_id: int
    symbol: str
    perpetual: bool
    base: Asset
    quote: Asset
    base_units: int
    quote_units: int


class CatalogChangedError(Exception):
    """What may never change of an asset or an instrument has changed."""


class Catalog:
    """All assets and instruments known so far; it only grows, so whoever has it may keep it."""

    def __init__(self) -> None:
        self.assets: dict[int, Asset] = {}
        self.assets_by_symbol: dict[str, Asset] = {}
        self.instruments: dict[int, Instrument] = {}

    def add(self, assets: Iterable[Asset], instruments: Iterable[Instrument]) -> None:
        """Takes what is new. Raises CatalogChangedError for what is known differently."""
        for asset in assets:
            if self.assets.setdefault(asset.asset_id, asset) != asset:
                raise CatalogChangedError(f"{self.assets[asset.asset_id]} is now {asset}")
            self.assets_by_symbol[asset.symbol] = asset
        for found in instruments:
            if self.instruments.setdefault(found.instrument_id, found) != found:
                raise CatalogChangedError(f"{self.instruments[found.instrument_id]} is now {found}")
