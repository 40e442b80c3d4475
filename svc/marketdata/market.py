"""One engine market in memory: its instruments' books, tapes and rolling days.

Keeps: it stands at one position of the event log and moves from batch to batch, never inside
one; a batch that does not continue the position is refused before anything changes. Each book
begins with the snapshot of orders at its own position and takes only the batches behind that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.v1 import engine_pb2, records_pb2
from trading.v1 import trading_pb2

from svc.marketdata.book import BookChange, OrderBook
from svc.marketdata.feed import Feed, Signal
from svc.marketdata.instruments import Instrument
from svc.marketdata.tape import Tape, Trade
from svc.marketdata.ticker import RollingDay

FEED_CHANGES = 1_024
"""Changed batches of a book that a reader may be behind before it gets a new snapshot."""

_NS_PER_MS = 1_000_000
_BUY = trading_pb2.Side.BUY
_RESTING_TYPES = frozenset((trading_pb2.OrderType.LIMIT, trading_pb2.OrderType.STOP_LIMIT))
_RESTING_TIMES = frozenset((trading_pb2.TimeInForce.GTC, trading_pb2.TimeInForce.GTD))
# The other kinds are refusals, of whatever was named, or follow one of these.
_TELLS_OF_INSTRUMENT = frozenset(("instrument_changed", "order_accepted", "trade"))


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

    def unknown(self, batch: records_pb2.EventBatch) -> dict[int, bool]:
        """The instruments a batch tells of that are not here; True: it cannot do without."""
        views = self.views
        if all(event.instrument_id in views for event in batch.events):
            return {}
        found: dict[int, bool] = {}
        for event in batch.events:
            kind = event.WhichOneof("kind")
            if event.instrument_id not in views and kind in _TELLS_OF_INSTRUMENT:
                found.setdefault(event.instrument_id, False)
                found[event.instrument_id] |= kind != "instrument_changed"
        return found

    def apply(self, batch: records_pb2.EventBatch) -> list[TapeEntry]:
        """Move by one whole batch that has events; its trades go to the table.

        Raises BrokenChainError. Every instrument the batch needs must be known.
        """
        events = batch.events
        self._check_chain(batch)
        sequence = events[-1].sequence
        on_book = _ON_BOOK if sequence > self._books_from else {}
        views = self.views
        touched: dict[int, View] = {}
        entries: list[TapeEntry] = []
        for event in events:
            kind = event.WhichOneof("kind")
            if kind not in _ON_BOOK:
                continue
            instrument_id = event.instrument_id
            view = touched[instrument_id] = views[instrument_id]
            if kind in on_book:
                on_book[kind](view.book, event)
            if kind == "trade":
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

    def _check_chain(self, batch: records_pb2.EventBatch) -> None:
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


def _add_to_tape(view: View, event: records_pb2.Event) -> TapeEntry:
    told = event.trade
    price, lots, time_ns = told.price_ticks, told.quantity_lots, event.time_unix_ns
    trade = Trade(told.trade_number, event.sequence, time_ns, price, lots, told.side)
    view.tape.add(trade)
    view.day.add_trade(time_ns // _NS_PER_MS, price, lots)
    return TapeEntry(view.instrument, trade)


def _accepted(book: OrderBook, event: records_pb2.Event) -> None:
    order = event.order_accepted
    if order.trigger_ticks:
        book.wait(order.order_id, order.display_lots)
    elif order.time_in_force in _RESTING_TIMES and order.type in _RESTING_TYPES:
        book.accept(
            order.order_id,
            bid=order.side == _BUY,
            price=order.price_ticks,
            lots=order.quantity_lots,
            display=order.display_lots,
        )


def _traded(book: OrderBook, event: records_pb2.Event) -> None:
    trade = event.trade
    book.trade(
        trade.quantity_lots,
        trade.taker_order_id,
        trade.taker_remaining_lots,
        trade.maker_order_id,
        trade.maker_remaining_lots,
        auction=not trade.side,
    )


def _canceled(book: OrderBook, event: records_pb2.Event) -> None:
    book.end(event.order_canceled.order_id)


def _expired(book: OrderBook, event: records_pb2.Event) -> None:
    book.end(event.order_expired.order_id)


def _replaced(book: OrderBook, event: records_pb2.Event) -> None:
    order = event.order_replaced
    book.replace(
        order.order_id,
        price=order.price_ticks,
        remaining=order.remaining_lots,
        kept_priority=order.kept_priority,
    )


def _triggered(book: OrderBook, event: records_pb2.Event) -> None:
    order = event.order_triggered
    book.trigger(
        order.order_id,
        bid=order.side == _BUY,
        price=order.price_ticks,
        lots=order.quantity_lots,
    )


def _reduced(book: OrderBook, event: records_pb2.Event) -> None:
    order = event.order_reduced
    book.reduce(order.order_id, order.remaining_lots)


# A rejected order was never in the book; its id may be that of another order that is.
_ON_BOOK: Mapping[str | None, Callable[[OrderBook, records_pb2.Event], None]] = {
    "order_accepted": _accepted,
    "trade": _traded,
    "order_canceled": _canceled,
    "order_expired": _expired,
    "order_replaced": _replaced,
    "order_triggered": _triggered,
    "order_reduced": _reduced,
}
