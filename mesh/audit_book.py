"""A captured session once more, by other means: what a replay is held against at its end.

It shares no code with `capture`: numbers stay decimal strings, order and sums are `Decimal`, and
the book is two plain dicts. It trusts that a survey has found the files sound, and checks no more
than it needs to be right.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext
from pathlib import Path
from typing import Any

# Wide enough for any sum of captured numbers; should it not be, the sum fails and is not rounded.
_EXACT = Context(prec=120, traps=[Inexact])
_MINUTE_MS = 60_000

_Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CapturedTrade:
    """A trade as captured; price and quantity are canonical decimals."""

    id: int
    price: str
    quantity: str
    buyer_is_maker: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class MinuteCandle:
    """Prices and sums of the trades of a minute, canonical decimals; opens at `open_time_ms`."""

    open_time_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    trade_count: int


class AuditBook:
    """Price to quantity on each side, canonical decimals."""

    def __init__(self, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.apply(bids, asks)

    def apply(self, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> None:
        """Set levels to their new quantities; a quantity of zero removes one."""
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, quantity in levels:
                if Decimal(quantity):
                    side[canonical(price)] = canonical(quantity)
                else:
                    side.pop(canonical(price), None)

    def top(self, depth: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Return the best bids and asks, from the best on, at most `depth` each."""
        bids = sorted(self.bids, key=Decimal, reverse=True)[:depth]
        asks = sorted(self.asks, key=Decimal)[:depth]
        return (
            [(price, self.bids[price]) for price in bids],
            [(price, self.asks[price]) for price in asks],
        )


def canonical(text: str) -> str:
    """Return the same number without an exponent and without zeros that say nothing."""
    plain = format(Decimal(text), "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def books(paths: Sequence[Path]) -> Iterator[tuple[int, AuditBook]]:
    """Yield (update id, book) after the snapshot and after each diff that follows it.

    It is the same book each time, changed in between: look at it before going on.
    """
    book: AuditBook | None = None
    update = 0
    early: list[_Message] = []
    for message in _messages(paths):
        if "lastUpdateId" in message:
            book = AuditBook(message["bids"], message["asks"])
            update = message["lastUpdateId"]
            yield update, book
            diffs, early = early, []
        elif message["stream"].partition("@")[2].startswith("depth"):
            diffs = [message["data"]]
        else:
            continue
        for diff in diffs:
            if book is None:
                early.append(diff)
            elif diff["u"] > update:
                book.apply(diff["b"], diff["a"])
                update = diff["u"]
                yield update, book


def trades(paths: Sequence[Path]) -> Iterator[CapturedTrade]:
    """Yield the captured trades in their order."""
    for message in _messages(paths):
        if message.get("stream", "").endswith("@trade"):
            trade = message["data"]
            yield CapturedTrade(
                trade["t"], canonical(trade["p"]), canonical(trade["q"]), trade["m"], trade["T"]
            )


def minute_candles(trades: Iterable[tuple[int, str, str]]) -> list[MinuteCandle]:
    """Return the 1-minute candles of trades given as (time in ms, price, quantity), in their order.

    Minutes without a trade have none.
    """
    minutes: dict[int, list[tuple[Decimal, Decimal]]] = {}
    for time_ms, price, quantity in trades:
        minute = time_ms - time_ms % _MINUTE_MS
        minutes.setdefault(minute, []).append((Decimal(price), Decimal(quantity)))
    with localcontext(_EXACT):
        return [_candle(minute, minutes[minute]) for minute in sorted(minutes)]


def _candle(minute: int, steps: list[tuple[Decimal, Decimal]]) -> MinuteCandle:
    prices = [price for price, _ in steps]
    return MinuteCandle(
        open_time_ms=minute,
        open=canonical(str(prices[0])),
        high=canonical(str(max(prices))),
        low=canonical(str(min(prices))),
        close=canonical(str(prices[-1])),
        volume=canonical(str(sum(quantity for _, quantity in steps))),
        quote_volume=canonical(str(sum(price * quantity for price, quantity in steps))),
        trade_count=len(steps),
    )


def _messages(paths: Sequence[Path]) -> Iterator[_Message]:
    for path in paths:
        packed = path.read_bytes()
        text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        for line in text.decode().splitlines():
            yield json.loads(line.split(" ", 1)[1])
