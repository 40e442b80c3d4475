"""Command mixes for measuring an engine: exchange-core's own, and books that are hard to keep.

Each mix plays its commands through an engine while it makes them, so that moves and cancels name
orders that live. Invariant: a mix is a function of its name, its counts and its seed alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from svc.engine.book import Engine
from svc.engine.records import (
    Command,
    CommandKind,
    EventKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    unpack_events,
)

_ACCOUNTS = 1_000
_LOOKED_AT_EVERY = 512
_MOST_CHOSEN_FROM = 512
_GONE = (EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED)
_PLAIN_BYTES = 128
_TOLD_EVERY = 20_000
# exchange-core's draws: how often a missing order is added, how often a full side is taken from.
_ADDED_SHARE, _TAKEN_SHARE, _BUDGET_SHARE = 0.2, 0.05, 1 / 32
# Swinging books, in hundredths: new when there are few and when there are enough, cancel, move.
_NEW_IF_FEW, _NEW, _CANCEL, _MOVE = 48, 30, 65, 95


@dataclass
class Recorded:
    """What a mix is: commands that fill the book, and those to be measured."""

    prefill: bytes
    commands: bytes
    counts: dict[str, int]


@dataclass
class _Book:
    """What the generator knows of one instrument's live orders."""

    instrument_id: int
    last: int
    low: int
    high: int
    rising: bool = True
    short: dict[int, bool] = field(default_factory=lambda: {Side.BUY: True, Side.SELL: True})
    live: dict[int, list[int]] = field(default_factory=lambda: {Side.BUY: [], Side.SELL: []})


class Recorder:
    """Keeps the commands of a mix, and which orders live after each."""

    def __init__(self, seed: int, price: int, deviation: int, instruments: int = 1) -> None:
        self.random = random.Random(seed)  # noqa: S311  a benchmark, and it must repeat
        self.price, self.deviation = price, deviation
        self.engine = Engine()
        self.written: list[bytes] = []
        self.counts: dict[str, int] = {}
        self.prices: dict[int, int] = {}
        self._places: dict[int, tuple[_Book, int, int]] = {}
        self._next_id = 1
        low, high = max(1, price - 5 * deviation), price + 5 * deviation
        self.books = [_Book(i, price, low, high) for i in range(1, instruments + 1)]
        for book in self.books:
            definition = InstrumentCommand(book.instrument_id, 1, MarketState.TRADING, 10**6)
            self._play(definition.pack(), book)

    def new(self, book: _Book, side: int, price: int, tif: TimeInForce, budget: int = 0) -> None:
        """A limit order of exchange-core's sizes: 1 + a·b·c, each uniform in 0..5."""
        draw = self.random.randint
        order_id = self._next_id
        self._next_id += 1
        lots = 1 + draw(0, 5) * draw(0, 5) * draw(0, 5)
        rests = tif == TimeInForce.GTC
        if rests:
            self._add(book, side, order_id)
            self.prices[order_id] = price
        command = Command(
            CommandKind.NEW, side=side, order_type=OrderType.LIMIT, tif=tif,
            stp_mode=SelfTradeMode.NONE, instrument_id=book.instrument_id, version=1,
            order_id=order_id, account_id=draw(1, _ACCOUNTS), price_ticks=price,
            quantity_lots=lots, cap_ticks=(10**15 if side == Side.BUY else 1) if rests else 0,
            budget=budget * lots,
        )  # fmt: skip
        self._play(command.pack(), book)
        self._count(tif.name)

    def cancel(self, book: _Book, order_id: int) -> None:
        """Takes a live order back."""
        self._named(CommandKind.CANCEL, book, order_id)

    def reduce(self, book: _Book, order_id: int) -> None:
        """Takes a uniform part of at most eight lots off a live order."""
        self._named(CommandKind.REDUCE, book, order_id, quantity_lots=self.random.randint(1, 8))

    def move(self, book: _Book, order_id: int, price: int) -> None:
        """To another price."""
        self.prices[order_id] = price
        self._named(CommandKind.MOVE, book, order_id, price_ticks=price)

    def live_order(self, book: _Book, side: int, most: int = 10**9) -> int:
        """A random live order of a side; 0 when there is none."""
        orders = book.live[side]
        return orders[self.random.randrange(min(most, len(orders)))] if orders else 0

    def take(self) -> bytes:
        """What was written since the last call."""
        written, self.written, self.counts = b"".join(self.written), [], {}
        return written

    def _named(self, kind: CommandKind, book: _Book, order_id: int, **fields: int) -> None:
        command = Command(kind, instrument_id=book.instrument_id, order_id=order_id, **fields)
        self._play(command.pack(), book)
        self._count(kind.name)

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _play(self, record: bytes, book: _Book) -> None:
        self.written.append(record)
        events = self.engine.apply(record, 1)
        if len(events) == _PLAIN_BYTES and events[16] not in _GONE:
            return
        for event in unpack_events(events):
            if event.kind == EventKind.TRADE:
                book.last = event.price_ticks
                self._left(event.maker_order_id, event.maker_remaining_lots)
                self._left(event.order_id, event.remaining_lots)
            elif event.kind in _GONE:
                self._left(event.order_id, 0)

    def _add(self, book: _Book, side: int, order_id: int) -> None:
        orders = book.live[side]
        self._places[order_id] = (book, side, len(orders))
        orders.append(order_id)

    def _left(self, order_id: int, remaining: int) -> None:
        if remaining or order_id not in self._places:
            return
        book, side, at = self._places.pop(order_id)
        del self.prices[order_id]
        orders = book.live[side]
        last = orders.pop()
        if last != order_id:
            orders[at] = last
            self._places[last] = (book, side, at)


def exchange_core(recorder: Recorder, count: int, live: int) -> Iterator[None]:
    """exchange-core's own mix, as its generator makes it; `live` orders are aimed at a book."""
    draw, half = recorder.random, live // (2 * len(recorder.books))
    for number in range(count):
        book = recorder.books[number % len(recorder.books)]
        if number // len(recorder.books) % _LOOKED_AT_EVERY == 0:
            book.short = {side: len(book.live[side]) < half for side in (Side.BUY, Side.SELL)}
        if book.last >= book.high or book.last <= book.low:
            book.rising = book.last <= book.low
        tilt = 0.55 if book.rising else 0.45
        side = Side.BUY if draw.random() < tilt else Side.SELL
        missing = half - len(book.live[side])
        urgent = missing > min(_LOOKED_AT_EVERY, half * 3 // 4)
        if book.short[side] and missing > 0 and (urgent or draw.random() < _ADDED_SHARE):
            recorder.new(book, side, passive_price(recorder, book, side), TimeInForce.GTC)
        elif not book.short[side] and draw.random() < _TAKEN_SHARE:
            _take(recorder, book, side)
        else:
            _change(recorder, book, side)
        yield


def passive_price(recorder: Recorder, book: _Book, side: int) -> int:
    """The price of a new GTC order: near the last trade mostly, on the passive side."""
    draw = recorder.random.random
    spread = 1 + int(draw() ** 2 * recorder.deviation)
    away = abs(int(2 * sum(draw() * spread for _ in range(4)) / 4 - spread)) or 1
    price = book.last - away if side == Side.BUY else book.last + away
    return min(book.high, max(book.low, price))


def _take(recorder: Recorder, book: _Book, side: int) -> None:
    far = book.high if side == Side.BUY else book.low
    if recorder.random.random() < _BUDGET_SHARE:
        recorder.new(book, side, far, TimeInForce.FOK_BUDGET, budget=far)
    else:
        recorder.new(book, side, far, TimeInForce.IOC)


def _change(recorder: Recorder, book: _Book, side: int) -> None:
    order_id = recorder.live_order(book, side, _MOST_CHOSEN_FROM)
    if not order_id:
        recorder.new(book, side, passive_price(recorder, book, side), TimeInForce.GTC)
        return
    which = recorder.random.randrange(12)
    if which == 0:
        recorder.cancel(book, order_id)
    elif which == 1:
        recorder.reduce(book, order_id)
    else:
        old = recorder.prices[order_id]
        step = max(1, abs(book.last - old) // 100)
        recorder.move(book, order_id, max(1, old + step if book.last > old else old - step))


def static(recorder: Recorder, count: int) -> Iterator[None]:
    """New orders alone, which never meet: the book only deepens."""
    draw, book = recorder.random, recorder.books[0]
    for _ in range(count):
        side = draw.choice((Side.BUY, Side.SELL))
        away = draw.randint(1, 5 * recorder.deviation)
        price = recorder.price + (-away if side == Side.BUY else away)
        recorder.new(book, side, max(1, price), TimeInForce.GTC)
        yield


def swinging(
    recorder: Recorder, count: int, live: int, centre: Callable[[float], int]
) -> Iterator[None]:
    """New, cancel, move and take around a centre that wanders; `centre` of 0..1 is its price."""
    draw, book = recorder.random, recorder.books[0]
    for number in range(count):
        middle = centre(number / count)
        side = draw.choice((Side.BUY, Side.SELL))
        away = 1 + int(draw.random() ** 3 * recorder.deviation)
        price = max(1, middle - away if side == Side.BUY else middle + away)
        order_id = recorder.live_order(book, side)
        which = draw.randrange(100)
        few = len(book.live[side]) * 2 < live
        if not order_id or which < (_NEW_IF_FEW if few else _NEW):
            recorder.new(book, side, price, TimeInForce.GTC)
        elif which < _CANCEL:
            recorder.cancel(book, order_id)
        elif which < _MOVE:
            recorder.move(book, order_id, price)
        else:
            recorder.new(book, side, 2 * middle - price, TimeInForce.IOC)
        yield


def _wave(price: int, share: float) -> Callable[[float], int]:
    # Four times up and down between the start and `share` above and below it.
    return lambda at: int(price * (1 + share * math.sin(8 * math.pi * at)))


def record(
    mix: str, count: int, seed: int = 1, watch: Callable[[int], object] = lambda _: None
) -> Recorded:
    """Makes `count` commands of a mix of MIXES, with what fills the book before.

    `watch` is told now and then how many there are.
    """
    recorder, prefill, steps = MIXES[mix](count, seed)
    made = _watched(prefill, 0, watch)
    filled = recorder.take()
    _watched(steps, made, watch)
    counts = recorder.counts
    return Recorded(filled, recorder.take(), counts)


def _watched(steps: Iterator[None], made: int, watch: Callable[[int], object]) -> int:
    for _ in steps:
        made += 1
        if made % _TOLD_EVERY == 0:
            watch(made)
    return made


_Parts = tuple[Recorder, Iterator[None], Iterator[None]]


def _core(live: int, instruments: int = 1) -> Callable[[int, int], _Parts]:
    def make(count: int, seed: int) -> _Parts:
        recorder = Recorder(seed, 100_000, 5_000, instruments)
        return recorder, _prefill(recorder, live), exchange_core(recorder, count, live)

    return make


def _prefill(recorder: Recorder, live: int) -> Iterator[None]:
    for number in range(live):
        book = recorder.books[number % len(recorder.books)]
        side = Side.BUY if number // len(recorder.books) % 2 else Side.SELL
        recorder.new(book, side, passive_price(recorder, book, side), TimeInForce.GTC)
        yield


def _static(count: int, seed: int) -> _Parts:
    recorder = Recorder(seed, 1_000_000, 100_000)
    return recorder, _prefill(recorder, 1_000), static(recorder, count)


def _swing(price: int, deviation: int, share: float) -> Callable[[int, int], _Parts]:
    def make(count: int, seed: int) -> _Parts:
        recorder = Recorder(seed, price, deviation)
        steps = swinging(recorder, count, 20_000, _wave(price, share))
        return recorder, _prefill(recorder, 10_000), steps

    return make


MIXES: dict[str, Callable[[int, int], _Parts]] = {
    "exchange-core": _core(1_000),
    "exchange-core-1m": _core(1_000_000),
    "hundred-symbols": _core(100_000, 100),
    "static": _static,
    "swing-25": _swing(1_000_000, 150_000, 0.25),
    "swing-60": _swing(1_000_000, 150_000, 0.6),
    "wide": _swing(2 * 10**12, 10**12, 0.4),
}
"""By name: makes a recorder, what fills its book, and the steps of which each is one command."""
