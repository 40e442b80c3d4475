"""A consumer of StreamEvents that keeps all that the events say, and never asks back.

Owns the executable form of docs/matching.md, "What the events say". Invariant: behind every end of
a command its orders, with their places, its positions and its instruments are the engine's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.v1 import records_pb2
from trading.v1 import trading_pb2

from svc.engine.records import Flag, InstrumentCommand, MarketState, Side
from svc.engine.reference_records import instrument_record, order_record, position_record
from svc.engine.reference_rules import MARKETS, NOTHING, Book, Indication, Order, reaches

_REFUSED = (records_pb2.Reason.INVALID_COMMAND, records_pb2.Reason.UNKNOWN_INSTRUMENT)


@dataclass
class Consumer:
    """Books, tape and positions of one market, from its first event on."""

    orders: dict[int, Order] = field(default_factory=dict)
    books: dict[int, Book] = field(default_factory=dict)
    tape: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(instrument id, aggressor's side, price, lots) by trade number."""
    positions: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Net lots by (account id, instrument id), in whatever instrument."""
    places: int = 0

    def follow(self, events: Iterable[records_pb2.Event]) -> None:
        """Takes in whole batches, in their order."""
        for event in events:
            kind = event.WhichOneof("kind")
            assert kind is not None
            getattr(self, f"_{kind}")(event, getattr(event, kind))
            if event.end_of_command:
                self._trail(event.instrument_id)
                if event.instrument_id in self.books:
                    self.books[event.instrument_id].traded.clear()

    def live(self, instrument_id: int) -> list[Order]:
        """Its orders, in the order of the state's records."""
        orders = [o for o in self.orders.values() if o.instrument_id == instrument_id]
        return sorted(orders, key=lambda order: (_queue(order), order.side, *order.rank()))

    def l2(self, instrument_id: int) -> dict[tuple[int, int], tuple[int, int]]:
        """(visible lots, orders) by side and price."""
        levels: dict[tuple[int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for order in self.live(instrument_id):
            if _queue(order) == 0:
                lots, count = levels[order.side, order.price]
                levels[order.side, order.price] = (lots + order.visible, count + 1)
        return levels

    def records(self) -> list[bytes]:
        """Records of positions, instruments and orders, as they stand in the state."""
        kept = [
            position_record(instrument_id, account_id, lots)
            for instrument_id, book in sorted(self.books.items())
            for account_id, lots in sorted(book.positions.items())
            if lots
        ]
        for instrument_id, book in sorted(self.books.items()):
            kept.append(instrument_record(book))
            kept.extend(order_record(order) for order in self.live(instrument_id))
        return kept

    def _order_accepted(self, event: records_pb2.Event, said: records_pb2.OrderAccepted) -> None:
        flags = said.post_only * Flag.POST_ONLY | said.reduce_only * Flag.REDUCE_ONLY
        order = Order(
            said.order_id, said.account_id, event.instrument_id, said.side, said.type,
            said.time_in_force, flags, said.self_trade_mode, said.version, said.price_ticks,
            said.cap_ticks, said.quantity_lots, said.display_lots, said.expires_at_unix_ns,
            said.trigger_ticks, said.trigger_ticks > 0,
        )  # fmt: skip
        if order.waits:
            order.trail, order.activation = said.trail_or_budget, said.activation_ticks
        self.orders[order.order_id] = order
        self._to_the_back(order)

    def _to_the_back(self, order: Order) -> None:
        """With a fresh peak."""
        self.places += 1
        order.place = self.places
        order.visible = min(order.display or order.remaining, order.remaining)
        if order.waits or order.order_type in MARKETS:
            order.visible = 0

    def _trade(self, event: records_pb2.Event, said: records_pb2.Trade) -> None:
        book = self.books[event.instrument_id]
        maker, taker = self.orders[said.maker_order_id], self.orders[said.taker_order_id]
        assert said.trade_number == len(self.tape) + 1
        self.tape.append((event.instrument_id, said.side, said.price_ticks, said.quantity_lots))
        book.last_price = said.price_ticks
        book.traded.append(said.price_ticks)
        # In an auction nobody is the aggressor, and the buyer stands where the taker does.
        signed = -said.quantity_lots if said.side == trading_pb2.Side.SELL else said.quantity_lots
        for account_id, lots in (
            (said.taker_account_id, signed), (said.maker_account_id, -signed)
        ):  # fmt: skip
            self.positions[account_id, event.instrument_id] += lots
            if book.definition.perpetual:
                book.positions[account_id] += lots
        taker.remaining, taker.cumulative = said.taker_remaining_lots, said.taker_cumulative_lots
        maker.remaining, maker.cumulative = said.maker_remaining_lots, said.maker_cumulative_lots
        if said.side == trading_pb2.Side.UNSPECIFIED:
            _show_after_uncross(taker, said.quantity_lots)
            _show_after_uncross(maker, said.quantity_lots)
        else:
            maker.visible -= said.quantity_lots
            if maker.visible == 0:
                self._to_the_back(maker)
            taker.visible = min(taker.display or taker.remaining, taker.remaining)
        for order in (maker, taker):
            if order.remaining == 0:
                del self.orders[order.order_id]

    def _order_canceled(self, _: records_pb2.Event, said: records_pb2.OrderEnded) -> None:
        assert self.orders.pop(said.order_id).remaining == said.remaining_lots

    _order_expired = _order_canceled

    def _order_reduced(self, _: records_pb2.Event, said: records_pb2.OrderReduced) -> None:
        order = self.orders[said.order_id]
        order.remaining = said.remaining_lots
        order.visible = min(order.visible, order.remaining)

    def _order_replaced(self, _: records_pb2.Event, said: records_pb2.OrderReplaced) -> None:
        order = self.orders[said.order_id]
        assert (order.price, order.remaining) == (said.old_price_ticks, said.old_remaining_lots)
        order.price, order.cap, order.version = said.price_ticks, said.cap_ticks, said.version
        order.remaining, order.expire_ns = said.remaining_lots, said.expires_at_unix_ns
        order.visible = min(order.visible, order.remaining)
        if order.waits:
            order.trigger = said.trigger_ticks
        if not said.kept_priority:
            self._to_the_back(order)

    def _order_triggered(self, event: records_pb2.Event, said: records_pb2.OrderTriggered) -> None:
        order = self.orders[said.order_id]
        if order.activation or order.trigger != said.trigger_ticks:
            self._trail(event.instrument_id)
        assert (order.activation, order.trigger) == (0, said.trigger_ticks)
        order.waits = False
        order.flags |= Flag.TRIGGERED
        self._to_the_back(order)

    def _trail(self, instrument_id: int) -> None:
        """Moves the triggers of trailing stops, then wakes those that sleep."""
        book = self.books.get(instrument_id)
        if book is None or not book.traded:
            return
        waiting = [order for order in self.live(instrument_id) if order.trail and order.waits]
        for order in waiting:
            price = min(book.traded) if order.side == Side.BUY else max(book.traded)
            if order.activation and not reaches(order.side, order.activation, price):
                continue
            trigger = order.followed(price)
            if order.activation or trigger != order.trigger:
                order.activation, order.trigger = 0, trigger
                self._to_the_back(order)

    def _instrument_changed(
        self, event: records_pb2.Event, said: records_pb2.InstrumentChanged
    ) -> None:
        if said.reason:
            return
        definition = InstrumentCommand(
            event.instrument_id, said.version, said.state, said.max_quantity_lots,
            said.min_price_ticks, said.max_price_ticks, said.reference_price_ticks,
            said.collar_bps, said.band_bps, said.perpetual, said.band_auction,
        )  # fmt: skip
        book = self.books.setdefault(event.instrument_id, Book(definition, said.state))
        book.definition = definition

    def _state_changed(self, event: records_pb2.Event, said: records_pb2.StateChanged) -> None:
        if said.reason in _REFUSED:
            return
        book = self.books[event.instrument_id]
        assert book.state == said.previous
        book.state, book.indicated = said.state, NOTHING
        book.state_version = said.version or book.state_version

    def _indicative_price(
        self, event: records_pb2.Event, said: records_pb2.IndicativePrice
    ) -> None:
        book = self.books[event.instrument_id]
        assert book.state == MarketState.AUCTION
        book.indicated = Indication(said.price_ticks, said.quantity_lots, said.surplus_lots)

    def _nothing(self, _: records_pb2.Event, __: Any) -> None:
        """A refusal changes nothing."""

    _order_rejected = _cancel_rejected = _replace_rejected = _command_rejected = _nothing


def _queue(order: Order) -> int:
    """The book, market orders of an auction, stops that wait, that trail, or that sleep."""
    if order.waits:
        return 4 if order.activation else 3 if order.trail else 2
    return 1 if order.order_type in MARKETS else 0


def _show_after_uncross(order: Order, lots: int) -> None:
    """Also what an iceberg hides has traded; a fresh peak keeps its place."""
    if order.order_type in MARKETS:
        return
    fresh = min(order.display or order.remaining, order.remaining)
    order.visible = order.visible - lots if order.visible > lots else fresh
