"""Command mixes for measuring an engine: exchange-core's own, and books that are hard to keep.

Each mix plays its commands through an engine while it makes them, so that moves and cancels name
orders that live. Invariant: a mix is a function of its name, its counts and its seed alone.
"""

from __future__ import annotations

import math
import random
from collections import deque
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
_PRICE = 30_000  # exchange-core draws one; from here its mix has the shares and trades it has there
# exchange-core's draws, of so many each: where a side is far too short, short, and long enough. The
# first two make an order, the third cancels, the fourth reduces, all others move.
_FAR_TOO_SHORT, _SHORT, _ENOUGH = 2, 10, 40
_MAKE, _TAKE_BACK, _TAKE_OFF = 2, 2, 3
_SIDES = 2
_BUDGET_DRAWS = 32
# Swinging books, in hundredths: new when there are few and when there are enough, cancel, move.
_NEW_IF_FEW, _NEW, _CANCEL, _MOVE = 48, 30, 65, 95


@dataclass
class Recorded:
    """What a mix is: commands that fill the book, and those to be measured."""

    prefill: bytes
    commands: bytes
    counts: dict[str, int]


class Eldest:
    """The live orders that were entered first, at most `most` of them, to choose from at random."""

    def __init__(self, most: int) -> None:
        self.orders: list[int] = []
        self._most = most
        self._places: dict[int, int] = {}
        self._younger: set[int] = set()
        self._next: deque[int] = deque()

    def add(self, order_id: int) -> None:
        """The youngest of all."""
        if len(self.orders) < self._most:
            self._places[order_id] = len(self.orders)
            self.orders.append(order_id)
        else:
            self._younger.add(order_id)
            self._next.append(order_id)

    def remove(self, order_id: int) -> None:
        """One that lives no more; the eldest of the younger ones comes up for it."""
        if order_id not in self._places:
            self._younger.remove(order_id)
            return
        at, last = self._places.pop(order_id), self.orders.pop()
        if last != order_id:
            self.orders[at] = last
            self._places[last] = at
        while self._next:
            following = self._next.popleft()
            if following in self._younger:
                self._younger.remove(following)
                self.add(following)
                return


@dataclass
class _Book:
    """What the generator knows of one instrument's live orders."""

    instrument_id: int
    last: int
    low: int
    high: int
    direction: int = 0
    """1 rising, -1 falling; 0 until a trade prints at a bound."""
    counted: dict[int, int] = field(default_factory=dict)
    """How many orders a side had when that was looked at last."""
    live: dict[int, list[int]] = field(default_factory=lambda: {Side.BUY: [], Side.SELL: []})
    eldest: Eldest = field(default_factory=lambda: Eldest(_MOST_CHOSEN_FROM))


class Recorder:
    """Keeps the commands of a mix, and which orders live after each."""

    def __init__(self, seed: int, price: int, deviation: int, instruments: int = 1) -> None:
        self.random = random.Random(seed)  # noqa: S311  a benchmark, and it must repeat
        self.price, self.deviation = price, deviation
        self.engine = Engine()
        self.written: list[bytes] = []
        self.counts: dict[str, int] = {}
        self.prices: dict[int, int] = {}
        self.lots: dict[int, int] = {}
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
            self.lots[order_id] = lots
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
        """Takes a uniform part off a live order, all of it at the most."""
        lots = self.random.randint(1, self.lots[order_id])
        self.lots[order_id] -= lots
        self._named(CommandKind.REDUCE, book, order_id, quantity_lots=lots)

    def move(self, book: _Book, order_id: int, price: int) -> None:
        """To another price."""
        self.prices[order_id] = price
        self._named(CommandKind.MOVE, book, order_id, price_ticks=price)

    def live_order(self, book: _Book, side: int) -> int:
        """A random live order of a side; 0 when there is none."""
        orders = book.live[side]
        return orders[self.random.randrange(len(orders))] if orders else 0

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
                if not book.low < book.last < book.high:
                    book.direction = 1 if book.last <= book.low else -1
                self._left(event.maker_order_id, event.maker_remaining_lots)
                self._left(event.order_id, event.remaining_lots)
            elif event.kind in _GONE:
                self._left(event.order_id, 0)

    def _add(self, book: _Book, side: int, order_id: int) -> None:
        orders = book.live[side]
        self._places[order_id] = (book, side, len(orders))
        orders.append(order_id)
        book.eldest.add(order_id)

    def _left(self, order_id: int, remaining: int) -> None:
        if order_id not in self._places:
            return
        self.lots[order_id] = remaining
        if remaining:
            return
        book, side, at = self._places.pop(order_id)
        book.eldest.remove(order_id)
        del self.prices[order_id], self.lots[order_id]
        orders = book.live[side]
        last = orders.pop()
        if last != order_id:
            orders[at] = last
            self._places[last] = (book, side, at)


def exchange_core(recorder: Recorder, count: int, live: int) -> Iterator[None]:
    """exchange-core's own mix, as its generator makes it; `live` orders are aimed at a book.

    How many a side has is looked at every 512 commands, and what is missing then decides until the
    next time. Moves, cancels and reductions go to the 512 orders that were entered first.
    """
    draw, half = recorder.random, live // (2 * len(recorder.books))
    for number in range(count):
        book = recorder.books[number % len(recorder.books)]
        if number // len(recorder.books) % _LOOKED_AT_EVERY == 0:
            book.counted = {side: len(orders) for side, orders in book.live.items()}
        side = Side.BUY if draw.randrange(4) + book.direction >= _SIDES else Side.SELL
        missing = half - book.counted[side]
        draws = _ENOUGH
        if missing > 0:
            is_far = missing > min(_LOOKED_AT_EVERY, half * 3 // 4)
            draws = _FAR_TOO_SHORT if is_far else _SHORT
        drawn = draw.randrange(draws)
        if drawn >= _MAKE and book.eldest.orders:
            _change(recorder, book, drawn)
        elif missing > 0:
            recorder.new(book, side, passive_price(recorder, book, side), TimeInForce.GTC)
        else:
            _take(recorder, book, side)
        yield


def passive_price(recorder: Recorder, book: _Book, side: int) -> int:
    """The price of a new GTC order: near the last trade mostly, on the passive side or at it."""
    draw = recorder.random
    spread = 1 + int(draw.random() ** 2 * recorder.deviation)
    away = abs(sum(draw.randrange(spread) for _ in range(4)) // 4 * 2 - spread)
    price = book.last - away if side == Side.BUY else book.last + away
    return min(book.high, max(book.low, price))


def _take(recorder: Recorder, book: _Book, side: int) -> None:
    far = book.high if side == Side.BUY else book.low
    if recorder.random.randrange(_BUDGET_DRAWS) == 0:
        recorder.new(book, side, far, TimeInForce.FOK_BUDGET, budget=far)
    else:
        recorder.new(book, side, far, TimeInForce.IOC)


def _change(recorder: Recorder, book: _Book, drawn: int) -> None:
    order_id = recorder.random.choice(book.eldest.orders)
    if drawn == _TAKE_BACK:
        recorder.cancel(book, order_id)
    elif drawn == _TAKE_OFF:
        recorder.reduce(book, order_id)
    else:
        old = recorder.prices[order_id]
        # 1 % of the way to the last trade's price, a tick at the least, either way from there.
        step = -(-abs(book.last - old) // 100) or 1
        rises = book.last > old or (book.last == old and recorder.random.randrange(2) == 1)
        price = old + step if rises else old - step
        recorder.move(book, order_id, min(book.high, max(book.low, price)))


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
        recorder = Recorder(seed, _PRICE, _PRICE // 20, instruments)
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
