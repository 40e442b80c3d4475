"""One engine market in memory: its instruments' books, tapes and rolling days.

Keeps: it stands at one position of the event log and moves from batch to batch, never inside
one; a batch that does not continue the position is refused before anything changes. Each book
begins with the snapshot of orders at its own position and takes only the batches behind that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.v1 import engine_pb2
from trading.v1 import trading_pb2

from svc.kit.market_events import Event, EventBatch, Kind
from svc.marketdata.book import BookChange, OrderBook
from svc.marketdata.feed import Feed, Signal
from svc.marketdata.instruments import Instrument
from svc.marketdata.tape import Tape, Trade
from svc.marketdata.ticker import RollingDay

FEED_CHANGES = 1_024
"""Changed batches of a book that a reader may be behind before it gets a new snapshot."""

_NS_PER_MS = 1_000_000
# A named tuple's own constructor costs half as much again as this, which is all it does.
_new = tuple.__new__
_BUY = trading_pb2.Side.BUY
# By plain number, because hashing a member of an enumeration runs Python code, once an event.
_TRADE, _INSTRUMENT_CHANGED = int(Kind.TRADE), int(Kind.INSTRUMENT_CHANGED)
_ON_BOOK = frozenset(
    (
        int(Kind.ORDER_ACCEPTED),
        int(Kind.TRADE),
        int(Kind.ORDER_CANCELED),
        int(Kind.ORDER_EXPIRED),
        int(Kind.ORDER_REPLACED),
        int(Kind.ORDER_TRIGGERED),
        int(Kind.ORDER_REDUCED),
    )
)
# The other kinds are refusals, of whatever was named, or follow one of these.
_TELLS_OF_INSTRUMENT = frozenset((_INSTRUMENT_CHANGED, int(Kind.ORDER_ACCEPTED), _TRADE))


class BrokenChainError(Exception):
    """A batch does not continue the log where this market stands."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the event log; the three belong together."""

    log_id: str = ""
    sequence: int = 0
    running_hash: int = 0


class Delta(NamedTuple):
    """What a batch changed in a book."""

    sequence: int
    time_ms: int
    change: BookChange


class TapeEntry(NamedTuple):
    """A trade and whose it is, on its way to the table."""

    instrument: Instrument
    trade: Trade


class View:
    """What is known of one instrument, and what tells readers that it changed."""

    __slots__ = ("book", "day", "deltas", "instrument", "tape", "ticker", "time_ms", "trades")

    def __init__(self, instrument: Instrument, tape: Tape, day: RollingDay) -> None:
        self.instrument = instrument
        self.book = OrderBook()
        self.tape = tape
        self.day = day
        self.time_ms = 0
        self.deltas: Feed[Delta] = Feed(FEED_CHANGES)
        self.trades = Signal()
        self.ticker = Signal()

    def close(self) -> None:
        """Tell all readers that nothing follows."""
        self.deltas.signal.close()
        self.trades.close()
        self.ticker.close()


class Market:
    """The views of one engine market at one position."""

    def __init__(self, position: Position, views: Iterable[View]) -> None:
        """`views` hold what is stored up to `position`; their books are empty."""
        self.position = position
        self.views = {view.instrument.id: view for view in views}
        self._books_from = 0

    @property
    def ready(self) -> bool:
        """Whether books and tapes stand at the same sequence."""
        return self.position.sequence >= self._books_from

    def add(self, view: View) -> None:
        """Add an instrument that nothing is known of yet but what is stored."""
        self.views[view.instrument.id] = view

    def restore(self, sequence: int, orders: Iterable[engine_pb2.LiveOrder]) -> None:
        """Put orders of the snapshot at `sequence` into the books, which skip batches up to it."""
        self._books_from = sequence
        for order in orders:
            self.views[order.instrument_id].book.restore(
                order.order_id,
                bid=order.side == _BUY,
                price=order.price_ticks,
                remaining=order.remaining_lots,
                visible=order.visible_lots,
                display=order.display_lots,
            )
        for view in self.views.values():
            view.book.end_batch()  # nobody reads yet: no change to tell

    def unknown(self, batch: EventBatch) -> dict[int, bool]:
        """The instruments a batch tells of that are not here; True: it cannot do without."""
        views = self.views
        if {event.instrument_id for event in batch.events} <= views.keys():
            return {}
        found: dict[int, bool] = {}
        for event in batch.events:
            kind = event.kind
            if event.instrument_id not in views and kind in _TELLS_OF_INSTRUMENT:
                found.setdefault(event.instrument_id, False)
                found[event.instrument_id] |= kind != _INSTRUMENT_CHANGED
        return found

    def apply(self, batch: EventBatch) -> list[TapeEntry]:
        """Move by one whole batch that has events; its trades go to the table.

        Raises BrokenChainError. Every instrument the batch needs must be known.
        """
        events = batch.events
        self._check_chain(batch)
        sequence = events[-1].sequence
        on_book = sequence > self._books_from
        views = self.views
        touched: dict[int, View] = {}
        entries: list[TapeEntry] = []
        for event in events:
            kind = event.kind
            if kind not in _ON_BOOK:
                continue
            instrument_id = event.instrument_id
            view = touched[instrument_id] = views[instrument_id]
            if on_book:
                view.book.take(event)
            if kind == _TRADE:
                entries.append(_add_to_tape(view, event))
        self.position = Position(batch.log_id, sequence, batch.running_hash)
        self._publish(touched, events[-1].time_unix_ns // _NS_PER_MS, entries)
        return entries

    def stored(self, trade_number: int) -> None:
        """All trades up to this number are in the table."""
        for view in self.views.values():
            view.tape.forget(trade_number)

    def close(self) -> None:
        """Tell all readers that nothing follows."""
        for view in self.views.values():
            view.close()

    def _check_chain(self, batch: EventBatch) -> None:
        here, first = self.position, batch.events[0].sequence
        if here.log_id not in ("", batch.log_id):
            raise BrokenChainError(f"a batch of log {batch.log_id} after one of {here.log_id}")
        if first != here.sequence + 1:
            raise BrokenChainError(f"event {first} came after {here.sequence}")
        if batch.previous_hash != here.running_hash:
            raise BrokenChainError(
                f"the hash before event {first} is {batch.previous_hash:016x}, "
                f"here it is {here.running_hash:016x}"
            )

    def _publish(
        self, touched: Mapping[int, View], time_ms: int, entries: Sequence[TapeEntry]
    ) -> None:
        traded = {entry.instrument.id for entry in entries}
        for instrument_id, view in touched.items():
            view.time_ms = time_ms
            change = view.book.end_batch()
            if change is not None:
                view.deltas.publish(Delta(self.position.sequence, time_ms, change))
            if instrument_id in traded:
                view.trades.notify()
            if change is not None or instrument_id in traded:
                view.ticker.notify()


def _add_to_tape(view: View, event: Event) -> TapeEntry:
    price, lots, time_ns = event.price_ticks, event.quantity_lots, event.time_unix_ns
    trade = _new(Trade, (event.trade_number, event.sequence, time_ns, price, lots, event.side))
    view.tape.add(trade)
    view.day.add_trade(time_ns // _NS_PER_MS, price, lots)
    return _new(TapeEntry, (view.instrument, trade))
