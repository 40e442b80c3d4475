"""The rolling 24 hours of one instrument, kept as the minutes that had trades.

Keeps: the window holds the minute of the moment asked for and the 1,439 before it; the sums are
those of the candles in it, the extremes are looked for again only when one leaves. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from svc.marketdata.candles import MINUTE_MS, Candle

WINDOW_MINUTES = 1_440


@dataclass(frozen=True, slots=True)
class Day:
    """What traded in the last 24 hours; prices are 0 where nothing did, `last_ticks` ever."""

    last_ticks: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    lots: int
    tick_lots: int
    trades: int


class RollingDay:
    """Last price and the sums of the last 1,440 minutes."""

    __slots__ = ("_high", "_last", "_lots", "_low", "_minutes", "_tick_lots", "_trades")

    def __init__(self, minutes: Iterable[Candle] = (), last_ticks: int = 0) -> None:
        """`minutes` are the stored 1-minute candles, by time; `last_ticks` the last price."""
        self._minutes: deque[Candle] = deque(minutes)
        self._last = last_ticks
        self._lots = sum(candle.lots for candle in self._minutes)
        self._tick_lots = sum(candle.tick_lots for candle in self._minutes)
        self._trades = sum(candle.trades for candle in self._minutes)
        self._high, self._low = self._extremes()

    def add_trade(self, time_ms: int, price_ticks: int, lots: int) -> None:
        """Add the next trade of the tape; times never fall."""
        minutes = self._minutes
        # Most trades come in the minute of the one before.
        if minutes and 0 <= time_ms - minutes[-1].open_ms < MINUTE_MS:
            minutes[-1].add_trade(price_ticks, lots)
        else:
            opened = time_ms - time_ms % MINUTE_MS
            self._forget_before(opened)
            minutes.append(Candle.of_trade(opened, price_ticks, lots))
        self._last = price_ticks
        if price_ticks > self._high:
            self._high = price_ticks
        if price_ticks < self._low or not self._low:
            self._low = price_ticks
        self._lots += lots
        self._tick_lots += price_ticks * lots
        self._trades += 1

    def at(self, time_ms: int) -> Day:
        """The window that ends with the minute of `time_ms`."""
        self._forget_before(time_ms - time_ms % MINUTE_MS)
        return Day(
            self._last,
            self._minutes[0].open_ticks if self._minutes else 0,
            self._high,
            self._low,
            self._lots,
            self._tick_lots,
            self._trades,
        )

    def _forget_before(self, minute_ms: int) -> None:
        first = minute_ms - (WINDOW_MINUTES - 1) * MINUTE_MS
        extreme_left = False
        while self._minutes and self._minutes[0].open_ms < first:
            gone = self._minutes.popleft()
            self._lots -= gone.lots
            self._tick_lots -= gone.tick_lots
            self._trades -= gone.trades
            extreme_left |= gone.high_ticks == self._high or gone.low_ticks == self._low
        if extreme_left:
            self._high, self._low = self._extremes()

    def _extremes(self) -> tuple[int, int]:
        high = max((candle.high_ticks for candle in self._minutes), default=0)
        return high, min((candle.low_ticks for candle in self._minutes), default=0)
