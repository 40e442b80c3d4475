"""Reads a captured Binance Spot session as exact integers.

`survey` reads everything once, finds every fault before anybody acts on a line of it, and says
what the session holds; `events` reads again and yields it in ticks and lots of the finest steps
that any of its prices and quantities uses. Both see the lines through `capture_wire`, so what
one accepts the other does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mesh.capture_wire import (
    MAX_INTEGER,
    CaptureError,
    Levels,
    Place,
    Raw,
    RawSnapshot,
    RawTrade,
    session,
)

__all__ = [
    "CaptureError",
    "Diff",
    "Event",
    "Snapshot",
    "Step",
    "Survey",
    "Trade",
    "events",
    "survey",
]


# More decimals than a captured number has: sums need no common scale before the end.
_SUM_SCALE = 20
_POWERS = tuple(int(10**exponent) for exponent in range(_SUM_SCALE + 1))


class Step(NamedTuple):
    """A price level; in a diff a quantity of 0 removes it."""

    price_ticks: int
    quantity_lots: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The book at `update`; everything before it is void."""

    received_unix_ns: int
    update: int
    bids: tuple[Step, ...]
    asks: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """Levels that changed with the updates `first_update` to `last_update`."""

    received_unix_ns: int
    first_update: int
    last_update: int
    bids: tuple[Step, ...]
    asks: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade. Where the buyer was the maker, the aggressor sold."""

    received_unix_ns: int
    id: int
    price_ticks: int
    quantity_lots: int
    buyer_is_maker: bool
    time_ms: int


Event = Snapshot | Diff | Trade


@dataclass(frozen=True, slots=True)
class Survey:
    """What a whole session holds.

    The scales are the decimals of the finest price and the finest quantity in it. Amounts are
    canonical decimals: sums over all trades, and the largest in any trade or level.
    """

    symbol: str
    price_scale: int
    quantity_scale: int
    diffs: int
    trades: int
    quantity: str
    notional: str
    max_price: str
    max_quantity: str
    first_trade_ms: int
    last_trade_ms: int
    first_received_unix_ns: int
    last_received_unix_ns: int

    @property
    def tick(self) -> str:
        """The smallest price step, a decimal of the quote asset."""
        return _decimal(1, self.price_scale)

    @property
    def lot(self) -> str:
        """The smallest quantity step, a decimal of the base asset."""
        return _decimal(1, self.quantity_scale)


def survey(paths: Sequence[Path]) -> Survey:
    """Read the whole session and say what it holds.

    Raises CaptureError at the first line that breaks a rule, ValueError without a file.
    """
    measure = _Measure()
    for record in session(paths):
        measure.add(record)
    return measure.survey(paths[0])


def events(paths: Sequence[Path], surveyed: Survey) -> Iterator[Event]:
    """Yield the session in the order it was received.

    Trades that came before the snapshot come before it here. Diffs that came before it and reach
    beyond it follow it, those it contains are left out. Raises CaptureError as `survey` does, and
    where the files are no longer what was surveyed.
    """
    prices, quantities = surveyed.price_scale, surveyed.quantity_scale
    for record in session(paths):
        place = record.place
        if isinstance(record, RawTrade):
            yield Trade(
                place.received_unix_ns,
                record.id,
                _steps(record.price, prices, place),
                _steps(record.quantity, quantities, place),
                record.buyer_is_maker,
                record.time_ms,
            )
            continue
        bids = _levels(record.bids, surveyed, place)
        asks = _levels(record.asks, surveyed, place)
        if isinstance(record, RawSnapshot):
            yield Snapshot(place.received_unix_ns, record.update, bids, asks)
        else:
            yield Diff(place.received_unix_ns, record.first_update, record.last_update, bids, asks)


def _levels(levels: Levels, surveyed: Survey, place: Place) -> tuple[Step, ...]:
    prices, quantities = surveyed.price_scale, surveyed.quantity_scale
    return tuple(
        Step(_steps(price, prices, place), _steps(quantity, quantities, place))
        for price, quantity in levels
    )


def _steps(text: str, scale: int, place: Place) -> int:
    unscaled, decimals = _exact(text)
    if decimals > scale:
        raise place.error(f"{text} is finer than what was surveyed", "a file that stays as it is")
    return unscaled * _POWERS[scale - decimals]


# Prices and quantities of a book repeat: without the memory reading takes half as long again.
@lru_cache(maxsize=1 << 16)
def _exact(text: str) -> tuple[int, int]:
    """Return the number as (unscaled, decimals), decimals the fewest that hold it."""
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return int(whole + fraction), len(fraction)


def _decimal(unscaled: int, scale: int) -> str:
    digits = str(unscaled).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


class _Measure:
    def __init__(self) -> None:
        self._price_scale = 0
        self._quantity_scale = 0
        self._max_price = 0
        self._max_quantity = 0
        self._diffs = 0
        self._trades = 0
        self._quantity = 0
        self._notional = 0
        self._first: RawTrade | None = None
        self._last: RawTrade | None = None
        self._first_received_unix_ns = 0
        self._last_received_unix_ns = 0

    def add(self, record: Raw) -> None:
        received = record.place.received_unix_ns
        self._first_received_unix_ns = self._first_received_unix_ns or received
        self._last_received_unix_ns = received
        if isinstance(record, RawTrade):
            self._add_trade(record)
            return
        self._diffs += not isinstance(record, RawSnapshot)
        for level_price, level_quantity in (*record.bids, *record.asks):
            self._add_step(level_price, level_quantity)

    def _add_trade(self, trade: RawTrade) -> None:
        price, quantity = self._add_step(trade.price, trade.quantity)
        self._trades += 1
        self._quantity += quantity
        self._notional += price * quantity
        self._first = self._first or trade
        self._last = trade

    def _add_step(self, price: str, quantity: str) -> tuple[int, int]:
        price_ticks, price_scale = _exact(price)
        quantity_lots, quantity_scale = _exact(quantity)
        exact_price = price_ticks * _POWERS[_SUM_SCALE - price_scale]
        exact_quantity = quantity_lots * _POWERS[_SUM_SCALE - quantity_scale]
        self._price_scale = max(self._price_scale, price_scale)
        self._quantity_scale = max(self._quantity_scale, quantity_scale)
        self._max_price = max(self._max_price, exact_price)
        self._max_quantity = max(self._max_quantity, exact_quantity)
        return exact_price, exact_quantity

    def survey(self, path: Path) -> Survey:
        if self._first is None or self._last is None:
            raise CaptureError(path, 0, "no trade in the session", "a market that traded")
        for name, highest, scale in (
            ("price", self._max_price, self._price_scale),
            ("quantity", self._max_quantity, self._quantity_scale),
        ):
            if highest // 10 ** (_SUM_SCALE - scale) > MAX_INTEGER:
                raise CaptureError(
                    path,
                    0,
                    f"the largest {name} is {_decimal(highest, _SUM_SCALE)}, the finest has "
                    f"{scale} decimals",
                    f"together at most {MAX_INTEGER} steps",
                )
        return Survey(
            symbol=self._first.symbol,
            price_scale=self._price_scale,
            quantity_scale=self._quantity_scale,
            diffs=self._diffs,
            trades=self._trades,
            quantity=_decimal(self._quantity, _SUM_SCALE),
            notional=_decimal(self._notional, 2 * _SUM_SCALE),
            max_price=_decimal(self._max_price, _SUM_SCALE),
            max_quantity=_decimal(self._max_quantity, _SUM_SCALE),
            first_trade_ms=self._first.time_ms,
            last_trade_ms=self._last.time_ms,
            first_received_unix_ns=self._first_received_unix_ns,
            last_received_unix_ns=self._last_received_unix_ns,
        )
