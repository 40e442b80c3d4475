"""Assets and instruments as values, and how one catalog becomes the next.

Keeps: what a result of the market depends on never changes under an id (an asset's symbol and
scale; an instrument's symbol, kind, market, assets, tick and lot), and a change is taken whole
or not at all. Pure: no I/O, no protobuf, no clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

MAX_ASSETS = 1_000
MAX_INSTRUMENTS = 1_000

Table = Literal["assets", "instruments"]


class Kind(StrEnum):
    """What is traded and how it settles; names as in trading.v1.InstrumentKind."""

    SPOT = "SPOT"
    PERPETUAL = "PERPETUAL"


class State(StrEnum):
    """What a market lets through; names as in trading.v1.MarketState."""

    TRADING = "TRADING"
    POST_ONLY = "POST_ONLY"
    LIMIT_ONLY = "LIMIT_ONLY"
    CANCEL_ONLY = "CANCEL_ONLY"
    AUCTION = "AUCTION"
    HALTED = "HALTED"
    DELISTED = "DELISTED"


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset. `ledger_scale` is the decimals of the ledger's unit."""

    id: int
    symbol: str
    name: str
    ledger_scale: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What may change of an instrument. Decimals are canonical strings."""

    min_notional: str
    max_quantity: str
    max_leverage: int
    collar_bps: int
    reference_price: str
    maker_fee_ppm: int
    taker_fee_ppm: int
    band_bps: int = 0
    """How far from the last trade another may print; 0: no band."""
    band_auction: bool = False
    """Whether a trade that would leave the band opens an auction; else it halts the market."""


@dataclass(frozen=True, slots=True)
class Definition:
    """An instrument as its operator defines it.

    `base_asset` and `quote_asset` are symbols of assets. `initial_state` counts when the
    instrument is new; later its state is wished for on its own, so that no restart undoes a halt.
    """

    id: int
    symbol: str
    kind: Kind
    market: int
    base_asset: str
    quote_asset: str
    tick_size: str
    lot_size: str
    terms: Terms
    initial_state: State


@dataclass(frozen=True, slots=True)
class Known:
    """What the engine has last said of an instrument, and at which sequence of its log."""

    version: int
    state: State
    state_version: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An instrument as it stands: definition, wish, and what the engine knows (None: nothing)."""

    definition: Definition
    version: int
    wished_state: State
    state_version: int
    known: Known | None

    @property
    def status(self) -> State:
        """State of the market as the engine has it; HALTED until that is known."""
        return self.known.state if self.known else State.HALTED


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything there is, each by its id in ascending order."""

    assets: Mapping[int, Asset] = field(default_factory=dict)
    instruments: Mapping[int, Listed] = field(default_factory=dict)

    def assets_of(self, definition: Definition) -> tuple[Asset, Asset]:
        """Base and quote asset of a listed definition."""
        by_symbol = {asset.symbol: asset for asset in self.assets.values()}
        return by_symbol[definition.base_asset], by_symbol[definition.quote_asset]


@dataclass(frozen=True, slots=True)
class DefinitionWish:
    """A version of a definition that the engine has not confirmed; `state` of the first alone."""

    definition: Definition
    version: int
    state: State | None


@dataclass(frozen=True, slots=True)
class StateWish:
    """A wished state that the engine has not confirmed."""

    instrument_id: int
    version: int
    state: State


@dataclass(frozen=True, slots=True)
class Position:
    """Where a market's event log has been followed to; the three belong together."""

    log_id: str = ""
    sequence: int = 0
    running_hash: int = 0


@dataclass(frozen=True, slots=True)
class DefinitionSeen:
    """The engine knows this version of an instrument, and its market is in this state."""

    instrument_id: int
    version: int
    state: State
    sequence: int


@dataclass(frozen=True, slots=True)
class StateSeen:
    """The engine changed a market's state; `wish` is 0 when it did so by itself."""

    instrument_id: int
    state: State
    wish: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one value was refused: where it stands, the value, the rule, what would be right."""

    reason: str
    table: Table
    index: int
    subject: str
    field: str
    value: str
    rule: str
    right: str

    def __str__(self) -> str:
        """The problem in one sentence."""
        return f"{self.subject}: {self.field} is {self.value!r}; {self.rule}; {self.right}"


class CatalogError(Exception):
    """A change of the catalog was refused, with every problem it has."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a put changes; each definition is whole."""

    assets_added: tuple[Asset, ...]
    assets_renamed: tuple[Asset, ...]
    instruments_added: tuple[Definition, ...]
    instruments_changed: tuple[Definition, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(
            self.assets_added
            or self.assets_renamed
            or self.instruments_added
            or self.instruments_changed
        )


def changes(
    current: Catalog, assets: Iterable[Asset], definitions: Iterable[Definition]
) -> Changes:
    """What differs from the current catalog, of values that passed `rules.check`."""
    assets, definitions = tuple(assets), tuple(definitions)
    listed = current.instruments
    return Changes(
        assets_added=tuple(a for a in assets if a.id not in current.assets),
        assets_renamed=tuple(a for a in assets if current.assets.get(a.id, a) != a),
        instruments_added=tuple(d for d in definitions if d.id not in listed),
        instruments_changed=tuple(
            d for d in definitions if d.id in listed and listed[d.id].definition.terms != d.terms
        ),
    )


def needs_wish(listed: Listed, state: State) -> bool:
    """Whether wishing this state is new: not asked for already, or undone by the engine since."""
    if listed.wished_state is not state:
        return True
    known = listed.known
    confirmed = known is not None and known.state_version >= listed.state_version
    return confirmed and listed.status is not state
