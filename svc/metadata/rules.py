"""What an asset and an instrument must be; each refusal says what would be right.

Keeps: nothing enters the catalog that the ledger cannot hold exactly (steps.py) or that would
change what a log already depends on. Pure.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from svc.kit.decimals import DecimalError
from svc.metadata.catalog import (
    MAX_ASSETS,
    MAX_INSTRUMENTS,
    Asset,
    Catalog,
    Definition,
    Kind,
    Listed,
    Problem,
    State,
    Table,
)
from svc.metadata.steps import (
    MAX_LOTS,
    MAX_TICK_LOTS,
    MAX_TICKS,
    exact,
    neighbours,
    scale_of,
    text,
)
from svc.topology import MARKET

MAX_ID = 65_535
MAX_NAME = 64
MAX_LEDGER_SCALE = 24
MAX_STEP_DECIMALS = 18  # orders and trades are stored as NUMERIC(38,18)
MAX_AMOUNT_UNITS = 10**36  # of one order; leaves two digits of NUMERIC(38,0) for balances
MAX_PERPETUAL_LEVERAGE = 100
MAX_COLLAR_BPS = 9_999  # at 10,000 the floor of a market sell would be no price
MAX_BAND_BPS = 9_999
MAX_FEE_PPM = 100_000
MIN_PRICE_ROOM = 10  # the highest price is at least so many times the reference

_ASSET_SYMBOL = re.compile(r"[A-Z0-9]{1,10}")
_SUFFIX = re.compile(r"[A-Z0-9]{1,8}")
_PERPETUAL_SUFFIX = "-PERP"
# Perpetuals need margin settlement, which does not exist: no state that could trade.
_PERPETUAL_STATES = frozenset({State.HALTED, State.DELISTED})

_IMMUTABLE: tuple[tuple[str, Callable[[Definition], str]], ...] = (
    ("symbol", lambda d: d.symbol),
    ("kind", lambda d: d.kind),
    ("market", lambda d: str(d.market)),
    ("base_asset", lambda d: d.base_asset),
    ("quote_asset", lambda d: d.quote_asset),
    ("tick_size", lambda d: d.tick_size),
    ("lot_size", lambda d: d.lot_size),
)


@dataclass(frozen=True, slots=True)
class _Subject:
    """The row that is checked."""

    table: Table
    index: int
    name: str

    def problem(self, reason: str, field: str, value: object, rule: str, right: str) -> Problem:
        return Problem(reason, self.table, self.index, self.name, field, str(value), rule, right)

    def out_of_range(self, field: str, value: int, low: int, high: int) -> Iterator[Problem]:
        if not low <= value <= high:
            nearest = min(max(value, low), high)
            rule = f"must be from {low} to {high}"
            yield self.problem("OUT_OF_RANGE", field, value, rule, f"the nearest is {nearest}")


def check(
    current: Catalog, assets: Sequence[Asset], definitions: Sequence[Definition], markets: int
) -> list[Problem]:
    """Every problem of adding or changing these; empty: the change may be made.

    `markets` is how many markets have an engine, counted from 1.
    """
    known = {asset.symbol: asset for asset in current.assets.values()}
    known |= {asset.symbol: asset for asset in assets}
    problems = [*_sizes(current, assets, definitions), *_taken(current, assets, definitions)]
    for index, asset in enumerate(assets):
        subject = _Subject("assets", index, f"asset {asset.symbol or asset.id}")
        problems += _asset(subject, asset, current.assets.get(asset.id))
    for index, definition in enumerate(definitions):
        subject = _Subject("instruments", index, f"instrument {definition.symbol or definition.id}")
        listed = current.instruments.get(definition.id)
        problems += _market(subject, definition.market, markets)
        problems += _instrument(subject, definition, listed, known)
    return problems


def check_wish(listed: Listed, state: State) -> Problem | None:
    """Why a listed instrument may not be wished into a state; None: it may."""
    subject = _Subject("instruments", 0, f"instrument {listed.definition.symbol}")
    if listed.wished_state is State.DELISTED and state is not State.DELISTED:
        rule = "a delisted instrument is gone for good"
        return subject.problem("MARKET_DELISTED", "state", state, rule, "list a new instrument")
    return next(_state(subject, listed.definition.kind, state), None)


def _sizes(
    current: Catalog, assets: Sequence[Asset], definitions: Sequence[Definition]
) -> Iterator[Problem]:
    asset_count = len(current.assets.keys() | {asset.id for asset in assets})
    instrument_count = len(current.instruments.keys() | {d.id for d in definitions})
    subject = _Subject("assets", 0, "catalog")
    yield from subject.out_of_range("number of assets", asset_count, 0, MAX_ASSETS)
    subject = _Subject("instruments", 0, "catalog")
    yield from subject.out_of_range("number of instruments", instrument_count, 0, MAX_INSTRUMENTS)


def _taken(
    current: Catalog, assets: Sequence[Asset], definitions: Sequence[Definition]
) -> Iterator[Problem]:
    held = {asset.symbol: asset.id for asset in current.assets.values()}
    yield from _names("assets", "asset", held, [(a.id, a.symbol) for a in assets])
    listed = [listed.definition for listed in current.instruments.values()]
    held = {definition.symbol: definition.id for definition in listed}
    yield from _names("instruments", "instrument", held, [(d.id, d.symbol) for d in definitions])


def _names(
    table: Table, noun: str, held: dict[str, int], rows: Sequence[tuple[int, str]]
) -> Iterator[Problem]:
    ids: set[int] = set()
    for index, (row_id, symbol) in enumerate(rows):
        subject = _Subject(table, index, f"{noun} {symbol or row_id}")
        if row_id in ids:
            rule, right = "each id stands once", "give it an id of its own"
            yield subject.problem("DUPLICATE", "id", row_id, rule, right)
        owner = held.setdefault(symbol, row_id)
        if owner != row_id:
            rule, right = f"the symbol is {noun} id {owner}'s", f"use id {owner} or another symbol"
            yield subject.problem("SYMBOL_TAKEN", "symbol", symbol, rule, right)
        ids.add(row_id)


def _asset(subject: _Subject, asset: Asset, before: Asset | None) -> Iterator[Problem]:
    yield from subject.out_of_range("id", asset.id, 1, MAX_ID)
    yield from subject.out_of_range("ledger_scale", asset.ledger_scale, 0, MAX_LEDGER_SCALE)
    if not _ASSET_SYMBOL.fullmatch(asset.symbol):
        rule = "must be 1 to 10 capital letters and digits"
        yield subject.problem("INVALID_SYMBOL", "symbol", asset.symbol, rule, "for example BTC")
    if len(asset.name) > MAX_NAME:
        rule = f"must be at most {MAX_NAME} characters"
        yield subject.problem("OUT_OF_RANGE", "name", asset.name, rule, asset.name[:MAX_NAME])
    if before is not None and before.symbol != asset.symbol:
        yield _never_changes(subject, "symbol", asset.symbol, before.symbol)
    if before is not None and before.ledger_scale != asset.ledger_scale:
        yield _never_changes(subject, "ledger_scale", asset.ledger_scale, before.ledger_scale)


def _never_changes(subject: _Subject, field: str, value: object, before: object) -> Problem:
    rule = f"{field} never changes"
    return subject.problem("IMMUTABLE", field, value, rule, f"keep {before}, or use a new id")


def _market(subject: _Subject, market: int, markets: int) -> Iterator[Problem]:
    if not MARKET <= market <= markets:
        right = f"{MARKET} to {markets} is right; MESH_MARKETS adds more"
        yield subject.problem("UNKNOWN_MARKET", "market", market, "must have an engine", right)


def _instrument(
    subject: _Subject, new: Definition, listed: Listed | None, assets: dict[str, Asset]
) -> Iterator[Problem]:
    yield from subject.out_of_range("id", new.id, 1, MAX_ID)
    if listed is None:
        yield from _initial_state(subject, new)
    else:
        for field, value in _IMMUTABLE:
            if value(new) != value(listed.definition):
                yield _never_changes(subject, field, value(new), value(listed.definition))
    yield from _symbol(subject, new)
    yield from _plain_terms(subject, new)
    yield from _decimals(subject, new, assets)


def _initial_state(subject: _Subject, new: Definition) -> Iterator[Problem]:
    if new.initial_state is State.DELISTED:
        rule = "a new instrument is not delisted"
        yield subject.problem("INVALID_STATE", "state", new.initial_state, rule, "leave it out")
    else:
        yield from _state(subject, new.kind, new.initial_state)


def _state(subject: _Subject, kind: Kind, state: State) -> Iterator[Problem]:
    if kind is Kind.PERPETUAL and state not in _PERPETUAL_STATES:
        rule = "perpetuals are listed but do not trade before margin settlement exists"
        yield subject.problem("PERPETUAL_NOT_TRADABLE", "state", state, rule, "HALTED is right")


def _symbol(subject: _Subject, new: Definition) -> Iterator[Problem]:
    if new.kind is Kind.PERPETUAL:
        right = f"{new.base_asset}{new.quote_asset}{_PERPETUAL_SUFFIX}"
        fits, rule = new.symbol == right, "a perpetual's symbol is BASEQUOTE-PERP"
    else:
        right = f"{new.base_asset}-{new.quote_asset}"
        rest = new.symbol.removeprefix(right)
        suffixed = rest.startswith("-") and _SUFFIX.fullmatch(rest[1:]) is not None
        fits = new.symbol == right or (
            new.symbol.startswith(right) and suffixed and rest != _PERPETUAL_SUFFIX
        )
        rule = "a spot symbol is BASE-QUOTE, or BASE-QUOTE-SUFFIX with a suffix other than PERP"
    if not fits:
        yield subject.problem("INVALID_SYMBOL", "symbol", new.symbol, rule, f"{right} is right")


def _plain_terms(subject: _Subject, new: Definition) -> Iterator[Problem]:
    terms = new.terms
    high = MAX_PERPETUAL_LEVERAGE if new.kind is Kind.PERPETUAL else 1
    yield from subject.out_of_range("max_leverage", terms.max_leverage, 1, high)
    yield from subject.out_of_range("collar_bps", terms.collar_bps, 1, MAX_COLLAR_BPS)
    yield from subject.out_of_range("band_bps", terms.band_bps, 0, MAX_BAND_BPS)
    if terms.band_auction and not terms.band_bps:
        rule = "an auction follows a trade that would leave the band, and there is no band"
        right = "set band_bps, or leave band_auction out"
        yield subject.problem("NO_BAND", "band_auction", "true", rule, right)
    yield from subject.out_of_range("taker_fee_ppm", terms.taker_fee_ppm, 0, MAX_FEE_PPM)
    # A rebate above the taker's fee would pay an account for trading with itself.
    low = -min(max(terms.taker_fee_ppm, 0), MAX_FEE_PPM)
    yield from subject.out_of_range("maker_fee_ppm", terms.maker_fee_ppm, low, MAX_FEE_PPM)


def _decimals(subject: _Subject, new: Definition, assets: dict[str, Asset]) -> Iterator[Problem]:
    base, quote = assets.get(new.base_asset), assets.get(new.quote_asset)
    for field, symbol, asset in (
        ("base_asset", new.base_asset, base),
        ("quote_asset", new.quote_asset, quote),
    ):
        if asset is None:
            right = f"one of {', '.join(sorted(assets)) or 'none yet: define the asset first'}"
            yield subject.problem("UNKNOWN_ASSET", field, symbol, "must be an asset", right)
    if new.base_asset == new.quote_asset:
        rule = "must differ from base_asset"
        yield subject.problem(
            "SAME_ASSET", "quote_asset", new.quote_asset, rule, "name another asset"
        )
    malformed = list(_malformed(subject, new))
    yield from malformed
    if base is not None and quote is not None and not malformed:
        yield from _exactness(subject, new, base, quote)


def _malformed(subject: _Subject, new: Definition) -> Iterator[Problem]:
    terms = new.terms
    rows = (
        ("tick_size", new.tick_size),
        ("lot_size", new.lot_size),
        ("min_notional", terms.min_notional),
        ("max_quantity", terms.max_quantity),
        ("reference_price", terms.reference_price or "1"),
    )
    for field, value in rows:
        rule = _decimal_rule(field, value)
        if rule:
            yield subject.problem("INVALID_DECIMAL", field, value, rule, 'for example "0.01"')


def _decimal_rule(field: str, value: str) -> str:
    """The rule that a decimal breaks; empty: none."""
    try:
        number = exact(value)
    except DecimalError:
        return "must be digits with at most one point, at most 38, no sign, no exponent"
    if not number and field != "min_notional":
        return "must be greater than zero"
    if scale_of(number) > MAX_STEP_DECIMALS:
        return f"must have at most {MAX_STEP_DECIMALS} decimals"
    return ""


def _exactness(subject: _Subject, new: Definition, base: Asset, quote: Asset) -> Iterator[Problem]:
    tick, lot = exact(new.tick_size), exact(new.lot_size)
    yield from _whole_units(subject, "lot_size", lot, Fraction(1), base)
    yield from _whole_units(subject, "lot_size", lot, tick, quote)
    notional = exact(new.terms.min_notional)
    if scale_of(notional) > quote.ledger_scale:
        rule = f"must be whole ledger units of {quote.symbol} ({quote.ledger_scale} decimals)"
        unit = Fraction(1, 10**quote.ledger_scale)
        yield _off_step(subject, "min_notional", notional, unit, rule)
    quantity = exact(new.terms.max_quantity)
    if (quantity / lot).denominator != 1:
        rule = f"must be a multiple of lot_size {new.lot_size}"
        yield _off_step(subject, "max_quantity", quantity, lot, rule)
    reference = exact(new.terms.reference_price or "0")
    if (reference / tick).denominator != 1:
        rule = f"must be a multiple of tick_size {new.tick_size}"
        yield _off_step(subject, "reference_price", reference, tick, rule)
    yield from _room(subject, new, base, quote)


def _whole_units(
    subject: _Subject, field: str, lot: Fraction, tick: Fraction, asset: Asset
) -> Iterator[Problem]:
    """A lot (tick 1), or a tick x lot, must be whole ledger units of its asset."""
    amount = lot * tick
    if (amount * 10**asset.ledger_scale).denominator == 1:
        return
    coarser = 10 ** (scale_of(amount) - asset.ledger_scale)
    product = "a lot" if tick == 1 else f"tick_size {text(tick)} x lot_size"
    rule = (
        f"{product} is {text(amount)} {asset.symbol}, not a whole number of ledger units "
        f"({asset.symbol} has ledger_scale {asset.ledger_scale})"
    )
    right = f"lot_size {text(lot * coarser)} is right"
    if scale_of(amount) <= MAX_LEDGER_SCALE:
        right += f", or an asset with ledger_scale {scale_of(amount)}"
    yield subject.problem("NOT_WHOLE_UNITS", field, text(lot), rule, right)


def _off_step(subject: _Subject, field: str, value: Fraction, step: Fraction, rule: str) -> Problem:
    below, above = neighbours(value, step)
    nearest = f"{text(below)} or {text(above)}" if below else text(above)
    return subject.problem("NOT_ON_STEP", field, text(value), rule, f"the nearest: {nearest}")


def _room(subject: _Subject, new: Definition, base: Asset, quote: Asset) -> Iterator[Problem]:
    """The largest order must fit into int64 tick·lots and into the ledger's amounts."""
    tick, lot = exact(new.tick_size), exact(new.lot_size)
    lots = exact(new.terms.max_quantity) / lot
    reference_ticks = exact(new.terms.reference_price or "0") / tick
    bounds = (
        MAX_TICK_LOTS / max(Fraction(1), reference_ticks * MIN_PRICE_ROOM),
        Fraction(MAX_AMOUNT_UNITS) / (lot * 10**base.ledger_scale),
        Fraction(MAX_LOTS),
    )
    most = math.floor(min(bounds))
    if lots > most:
        rule = "an order of it at ten times the reference price must fit the ledger's numbers"
        right = f"at most {text(most * lot)}" if most else "take a larger lot_size or tick_size"
        yield subject.problem("OUT_OF_RANGE", "max_quantity", new.terms.max_quantity, rule, right)
    if reference_ticks * MIN_PRICE_ROOM > MAX_TICKS:
        rule = f"must be at most {MAX_TICKS // MIN_PRICE_ROOM} ticks of {new.tick_size}"
        right = f"at most {text(MAX_TICKS // MIN_PRICE_ROOM * tick)}, or take a larger tick_size"
        price = new.terms.reference_price
        yield subject.problem("OUT_OF_RANGE", "reference_price", price, rule, right)
    if MAX_TICK_LOTS * tick * lot * 10**quote.ledger_scale > MAX_AMOUNT_UNITS:
        rule = f"a tick x lot is too many ledger units of {quote.symbol} for its balances"
        right = "take a smaller tick_size or lot_size"
        yield subject.problem("OUT_OF_RANGE", "tick_size", new.tick_size, rule, right)
