"""The recent trades of one instrument, in memory between the engine and the table.

Keeps: every trade with a number above `floor` is here, every one at or below it is in the table.
Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

MAX_NUMBER = (1 << 40) - 1
"""The highest trade number that a trade id holds."""

KEPT = 1_000
"""Stored trades that stay in memory: as many as a page holds at most."""


class Trade(NamedTuple):
    """A trade as the engine told it; `side` is the aggressor's, 0 in an auction."""

    number: int
    sequence: int
    time_unix_ns: int
    price_ticks: int
    lots: int
    side: int


def trade_id(market: int, number: int) -> int:
    """The inner id of a trade: engine market and number in it, in one."""
    return market << 40 | number


class Tape:
    """Recent trades, oldest first."""

    __slots__ = ("_trades", "floor")

    def __init__(self, floor: int) -> None:
        """`floor`: the last trade number of this instrument in the table, 0 for none."""
        self._trades: deque[Trade] = deque()
        self.floor = floor

    def add(self, trade: Trade) -> None:
        """Add the next trade."""
        self._trades.append(trade)

    def forget(self, stored_number: int) -> None:
        """Drop the oldest trades beyond KEPT; those above `stored_number` are not in the table."""
        trades = self._trades
        while len(trades) > KEPT and trades[0].number <= stored_number:
            self.floor = trades.popleft().number

    def after(self, number: int, limit: int) -> list[Trade]:
        """At most `limit` trades above `number` >= floor, oldest first."""
        assert number >= self.floor, "older trades are in the table"
        trades = self._trades
        # Readers follow the end: look there before searching the whole.
        if not trades or trades[-1].number <= number:
            return []
        start = bisect_right(trades, number, key=attrgetter("number"))
        return list(islice(trades, start, start + limit))

    def newest(self, limit: int) -> list[Trade]:
        """At most `limit` trades, newest first; older ones than these are in the table."""
        return list(islice(reversed(self._trades), limit))

    @property
    def last_number(self) -> int:
        """Number of the last trade, in memory or in the table; 0: there is none."""
        return self._trades[-1].number if self._trades else self.floor
