"""Candles: when they open, and what trades and smaller candles make of them.

Keeps: prices are ticks, volumes sums of lots and of price times lots, whole numbers of any size.
Times are UTC; days begin at midnight, weeks on Monday. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

MINUTE_MS = 60_000
_DAY_MS = 86_400_000

INTERVALS_MS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": _DAY_MS,
    "1w": 7 * _DAY_MS,
}
"""The intervals of the specification, by what traders call them, shortest first."""

# 1970-01-01 was a Thursday: the first Monday came four days later.
_FIRST_MONDAY_MS = 4 * _DAY_MS


def open_time_ms(time_ms: int, interval: str) -> int:
    """The opening time of the candle that holds a moment; both unix ms."""
    length = INTERVALS_MS[interval]
    origin = _FIRST_MONDAY_MS if interval == "1w" else 0
    return time_ms - (time_ms - origin) % length


@dataclass(slots=True)
class Candle:
    """The trades of one instrument in one interval, from the first on."""

    open_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    tick_lots: int
    trades: int

    @classmethod
    def of_trade(cls, open_ms: int, price_ticks: int, lots: int) -> Candle:
        """A candle of one trade."""
        notional = price_ticks * lots
        return cls(open_ms, price_ticks, price_ticks, price_ticks, price_ticks, lots, notional, 1)

    def add_trade(self, price_ticks: int, lots: int) -> None:
        """Add the next trade."""
        if price_ticks > self.high_ticks:
            self.high_ticks = price_ticks
        elif price_ticks < self.low_ticks:
            self.low_ticks = price_ticks
        self.close_ticks = price_ticks
        self.lots += lots
        self.tick_lots += price_ticks * lots
        self.trades += 1

    def add(self, later: Candle) -> None:
        """Add a candle of the trades that followed."""
        self.high_ticks = max(self.high_ticks, later.high_ticks)
        self.low_ticks = min(self.low_ticks, later.low_ticks)
        self.close_ticks = later.close_ticks
        self.lots += later.lots
        self.tick_lots += later.tick_lots
        self.trades += later.trades


def minutes_of(trades: Iterable[tuple[int, int, int]]) -> list[Candle]:
    """The 1-minute candles of trades given as (time ms, price, lots) in the order of the tape."""
    minutes: list[Candle] = []
    for time_ms, price_ticks, lots in trades:
        opened = time_ms - time_ms % MINUTE_MS
        if minutes and minutes[-1].open_ms == opened:
            minutes[-1].add_trade(price_ticks, lots)
        else:
            minutes.append(Candle.of_trade(opened, price_ticks, lots))
    return minutes


def roll_up(minutes: Iterable[Candle], interval: str) -> list[Candle]:
    """Longer candles from shorter ones that are in the order of time."""
    longer: list[Candle] = []
    for candle in minutes:
        opened = open_time_ms(candle.open_ms, interval)
        if longer and longer[-1].open_ms == opened:
            longer[-1].add(candle)
        else:
            longer.append(replace(candle, open_ms=opened))
    return longer
