"""The engine as an executable specification in plain Python: slow, short, and read first.

Takes the same command records and makes the same events, state records and hashes as
`book.Engine`; a seeded differential test compares the two. docs/matching.md gives each rule's
source. Invariant: events and state are a pure function of the commands and times applied so far.
"""

from __future__ import annotations

import struct
from bisect import insort

from svc.engine import running_hash
from svc.engine.records import (
    MAX_TICKS,
    RECORD_BYTES,
    SEMANTIC_VERSION,
    Command,
    CommandKind,
    Event,
    EventKind,
    Flag,
    InstrumentCommand,
    MarketState,
    OrderType,
    Reason,
    SelfTradeMode,
    Side,
    TimeInForce,
    unpack_commands,
)
from svc.engine.reference_rules import (
    RESTS,
    Book,
    Order,
    instrument_record,
    is_valid_definition,
    market_limit,
    order_record,
    reaches,
    refusal_of_new,
    replace_refusal,
    reprice_refusal,
    whole_fill_refusal,
)

MAX_LEVEL_LOTS = 1 << 62
_MARKET_RECORD = struct.Struct("<B7xIiQQqqqq64x")


class ReferenceEngine:
    """All books of one market; the same interface as `book.Engine` as far as tests compare."""

    def __init__(self) -> None:
        self.sequence = 0
        self.running_hash = 0
        self.time_ns = 0
        self.trades = 0
        self._books: dict[int, Book] = {}
        self._orders: dict[int, Order] = {}
        self._places = 0
        self._events: list[Event] = []
        self._frame = b""

    def apply(self, commands: bytes, time_ns: int) -> bytes:
        """Applies a batch at a time; what is due expires first. See `book.Engine.apply`."""
        if time_ns < self.time_ns:
            raise ValueError(f"time {time_ns} is before {self.time_ns}, that of the last batch")
        if len(commands) % RECORD_BYTES:
            raise ValueError(f"{len(commands)} bytes are not a whole number of records")
        self.time_ns = time_ns
        self._frame = b""
        for order in sorted(self._orders.values(), key=lambda o: (o.expire_ns, o.order_id)):
            if 0 < order.expire_ns <= time_ns:
                self._end(order, EventKind.ORDER_EXPIRED, Reason.EXPIRED)
                self._close_command()
        for command in unpack_commands(commands):
            self._dispatch(command)
            self._close_command()
        return self._frame

    @property
    def next_deadline_ns(self) -> int | None:
        """The earliest expiry; None when no order has one."""
        return min((o.expire_ns for o in self._orders.values() if o.expire_ns), default=None)

    @property
    def live_orders(self) -> int:
        """Orders that rest."""
        return len(self._orders)

    def live_order_ids(self) -> list[int]:
        """Their ids, ascending."""
        return sorted(self._orders)

    def l2(self, instrument_id: int, depth: int) -> tuple[list[tuple[int, int, int]], ...]:
        """Returns (bids, asks) as (price, visible lots, orders), the best `depth` of each."""
        sides = []
        for orders in (self._books[instrument_id].bids, self._books[instrument_id].asks):
            levels: dict[int, tuple[int, int]] = {}
            for order in orders:
                lots, count = levels.get(order.price, (0, 0))
                levels[order.price] = (lots + order.visible, count + 1)
            sides.append([(price, *level) for price, level in levels.items()][:depth])
        return tuple(sides)

    def orders(self, instrument_id: int) -> bytes:
        """The live orders of an instrument as state records."""
        book = self._books[instrument_id]
        return b"".join(order_record(order) for order in [*book.bids, *book.asks])

    def state_records(self) -> bytes:
        """The whole state as records."""
        records = [
            _MARKET_RECORD.pack(
                1, SEMANTIC_VERSION, 0, self.sequence, self.running_hash, self.time_ns,
                self.trades, len(self._books), len(self._orders),
            )
        ]  # fmt: skip
        for instrument_id, book in sorted(self._books.items()):
            records.append(instrument_record(book))
            records.append(self.orders(instrument_id))
        return b"".join(records)

    def state_hash(self) -> int:
        """The running hash over the state's records."""
        return running_hash.chain(0, self.state_records())

    def _dispatch(self, command: Command | InstrumentCommand) -> None:
        if isinstance(command, InstrumentCommand):
            self._set_instrument(command)
            return
        match command.kind:
            case CommandKind.NEW:
                self._new(command)
            case CommandKind.CANCEL:
                self._cancel(command)
            case CommandKind.REDUCE:
                self._reduce(command)
            case CommandKind.MOVE:
                self._move(command)
            case CommandKind.REPLACE:
                self._replace(command)
            case CommandKind.MASS_CANCEL:
                self._cancel_matching(
                    Reason.MASS_CANCEL, command.account_id, command.instrument_id, command.side
                )
            case CommandKind.STATE:
                self._set_state(command)
            case CommandKind.ADVANCE_TIME:
                pass
            case _:
                self._reject_new(command, Reason.INVALID_COMMAND)

    # Events

    def _emit(self, kind: EventKind, **fields: int) -> None:
        self.sequence += 1
        self._events.append(Event(self.sequence, self.time_ns, kind, **fields))

    def _emit_order(
        self, kind: EventKind, reason: Reason, order: Order, lots: int, **fields: int
    ) -> None:
        fields.setdefault("remaining_lots", order.remaining)
        fields.setdefault("price_ticks", order.price)
        fields.setdefault("flags", order.flags)
        self._emit(
            kind, reason=reason, side=order.side, order_type=order.order_type, tif=order.tif,
            stp_mode=order.stp_mode, instrument_id=order.instrument_id, version=order.version,
            order_id=order.order_id, account_id=order.account_id, quantity_lots=lots,
            cumulative_lots=order.cumulative, **fields,
        )  # fmt: skip

    def _close_command(self) -> None:
        if not self._events:
            return
        records = b"".join(event.pack() for event in self._events)
        # The flags byte of the last record.
        at = len(records) - RECORD_BYTES + 21
        last = bytes([records[at] | Flag.END_OF_COMMAND])
        records = records[:at] + last + records[at + 1 :]
        self.running_hash = running_hash.chain(self.running_hash, records)
        self._frame += records
        self._events = []

    def _reject_new(self, c: Command, reason: Reason) -> None:
        self._emit(
            EventKind.ORDER_REJECTED, reason=reason, side=c.side, order_type=c.order_type,
            tif=c.tif, flags=c.flags & 3, stp_mode=c.stp_mode, instrument_id=c.instrument_id,
            version=c.version, order_id=c.order_id, account_id=c.account_id,
            price_ticks=c.price_ticks, quantity_lots=c.quantity_lots,
        )  # fmt: skip

    # Markets

    def _set_instrument(self, c: InstrumentCommand) -> None:
        book = self._books.get(c.instrument_id)
        if not is_valid_definition(c):
            self._emit_instrument(Reason.INVALID_COMMAND, c, book)
            return
        if book is None:
            book = Book(c, c.state or MarketState.HALTED)
            self._books[c.instrument_id] = book
        elif c.version <= book.definition.version:
            return
        book.definition = c
        self._emit_instrument(Reason.NONE, c, book)

    def _emit_instrument(self, reason: Reason, c: InstrumentCommand, book: Book | None) -> None:
        identity = {"reason": reason, "instrument_id": c.instrument_id, "version": c.version}
        if book is None:
            self._emit(EventKind.INSTRUMENT_CHANGED, **identity)
            return
        d = book.definition
        self._emit(
            EventKind.INSTRUMENT_CHANGED, **identity, state=book.state, flags=d.perpetual,
            price_ticks=d.reference_price_ticks, quantity_lots=d.max_quantity_lots,
            remaining_lots=d.min_ticks, cumulative_lots=d.max_ticks, maker_order_id=d.collar_bps,
            maker_account_id=d.band_bps,
        )  # fmt: skip

    def _set_state(self, c: Command) -> None:
        # The wanted state stands where an order has its side.
        book = self._books.get(c.instrument_id)
        identity = {"instrument_id": c.instrument_id, "version": c.version}
        if book is None:
            self._emit(EventKind.STATE_CHANGED, reason=Reason.UNKNOWN_INSTRUMENT, **identity)
            return
        if c.version <= book.state_version:
            return
        previous = book.state
        allowed = set(MarketState) - {MarketState.UNSPECIFIED, MarketState.AUCTION}
        if c.side not in allowed or previous == MarketState.DELISTED:
            self._emit(
                EventKind.STATE_CHANGED, reason=Reason.INVALID_COMMAND, stp_mode=previous,
                state=previous, **identity,
            )  # fmt: skip
            return
        book.state_version = c.version
        book.state = c.side
        self._emit(
            EventKind.STATE_CHANGED, reason=Reason.OPERATOR, stp_mode=previous, state=c.side,
            **identity,
        )  # fmt: skip
        if c.side == MarketState.DELISTED:
            self._cancel_matching(Reason.DELISTED, 0, c.instrument_id, 0)

    def _cancel_matching(self, reason: Reason, account: int, instrument: int, side: int) -> None:
        # In ascending order id; 0 matches every value.
        for _, order in sorted(self._orders.items()):
            if (
                account in (0, order.account_id)
                and instrument in (0, order.instrument_id)
                and side in (0, order.side)
            ):
                self._end(order, EventKind.ORDER_CANCELED, reason)

    # Orders

    def _new(self, c: Command) -> None:
        book = self._books.get(c.instrument_id)
        reason = refusal_of_new(book, self._orders, c, self.time_ns)
        if reason:
            self._reject_new(c, reason)
            return
        order = Order(
            c.order_id, c.account_id, c.instrument_id, c.side, c.order_type, c.tif, c.flags,
            c.stp_mode, c.version, c.price_ticks, c.cap_ticks or c.price_ticks, c.quantity_lots,
            c.display_lots, c.expire_ns,
        )  # fmt: skip
        self._orders[order.order_id] = order
        self._emit_order(
            EventKind.ORDER_ACCEPTED, Reason.NONE, order, order.remaining,
            maker_order_id=order.cap, maker_account_id=c.trigger_ticks,
            maker_remaining_lots=c.display_lots, maker_cumulative_lots=c.expire_ns,
            trade_number=c.trail_offset_ticks + c.budget,
        )  # fmt: skip
        self._enter(order, c.budget)

    def _named(self, c: Command, rejected: EventKind) -> Order | None:
        order = self._orders.get(c.order_id)
        if order is None:
            self._reject_request(c, rejected, Reason.UNKNOWN_ORDER)
        elif c.account_id not in (0, order.account_id):
            self._reject_request(c, rejected, Reason.NOT_OWNER)
            return None
        return order

    def _reject_request(self, c: Command, rejected: EventKind, reason: Reason) -> None:
        self._emit(
            rejected, reason=reason, instrument_id=c.instrument_id, version=c.version,
            order_id=c.order_id, account_id=c.account_id,
        )  # fmt: skip

    def _cancel(self, c: Command) -> None:
        order = self._named(c, EventKind.CANCEL_REJECTED)
        if order:
            self._end(order, EventKind.ORDER_CANCELED, Reason.CANCEL_REQUESTED)

    def _reduce(self, c: Command) -> None:
        if c.quantity_lots <= 0:
            self._reject_request(c, EventKind.CANCEL_REJECTED, Reason.INVALID_COMMAND)
            return
        order = self._named(c, EventKind.CANCEL_REJECTED)
        if order and c.quantity_lots >= order.remaining:
            self._end(order, EventKind.ORDER_CANCELED, Reason.REDUCE_REQUESTED)
        elif order:
            self._shrink(order, Reason.REDUCE_REQUESTED, c.quantity_lots)

    def _move(self, c: Command) -> None:
        order = self._named(c, EventKind.REPLACE_REJECTED)
        if order is None:
            return
        reason = reprice_refusal(self._books[order.instrument_id], order, c.price_ticks, order.cap)
        if reason:
            self._reject_request(c, EventKind.REPLACE_REJECTED, reason)
            return
        self._amend(order, c.price_ticks, order.remaining, keeps_priority=False)

    def _replace(self, c: Command) -> None:
        order = self._named(c, EventKind.REPLACE_REJECTED)
        if order is None:
            return
        price = c.price_ticks or order.price
        total = c.quantity_lots or order.cumulative + order.remaining
        reason = replace_refusal(
            self._books[order.instrument_id], order, c, self.time_ns, price=price, total=total
        )
        if reason:
            self._reject_request(c, EventKind.REPLACE_REJECTED, reason)
            return
        order.version = c.version
        order.cap = c.cap_ticks or price
        order.expire_ns = c.expire_ns or order.expire_ns
        remaining = total - order.cumulative
        if remaining <= 0:
            self._end(order, EventKind.ORDER_CANCELED, Reason.BELOW_EXECUTED)
            return
        keeps_priority = price == order.price and remaining <= order.remaining
        self._amend(order, price, remaining, keeps_priority=keeps_priority)

    def _amend(self, order: Order, price: int, remaining: int, *, keeps_priority: bool) -> None:
        old_price, old_remaining = order.price, order.remaining
        if not keeps_priority:
            self._books[order.instrument_id].side(order.side).remove(order)
        order.price = price
        order.remaining = remaining
        order.visible = min(order.visible, remaining)
        self._emit_order(
            EventKind.ORDER_REPLACED, Reason.NONE, order, order.cumulative + remaining,
            flags=order.flags | (Flag.KEPT_PRIORITY if keeps_priority else 0),
            maker_order_id=order.cap, maker_account_id=old_price,
            maker_remaining_lots=old_remaining, maker_cumulative_lots=order.expire_ns,
        )  # fmt: skip
        if not keeps_priority:
            self._enter(order, 0)

    # Matching

    def _enter(self, order: Order, budget: int) -> None:
        book = self._books[order.instrument_id]
        makers = book.opposite(order.side)
        is_market = order.order_type == OrderType.MARKET
        if is_market and not makers:
            self._end(order, EventKind.ORDER_CANCELED, Reason.NO_LIQUIDITY)
            return
        unlimited = MAX_TICKS if order.side == Side.BUY else 1
        limit = market_limit(book, order) if is_market else order.price or order.cap or unlimited
        if order.tif in (TimeInForce.FOK, TimeInForce.FOK_BUDGET):
            reason = whole_fill_refusal(book, order, limit, budget)
            if reason:
                self._end(order, EventKind.ORDER_CANCELED, reason)
                return
        if self._sweep(book, order, limit):
            self._end(order, EventKind.ORDER_CANCELED, Reason.SELF_TRADE)
        elif order.remaining == 0:
            del self._orders[order.order_id]
        elif order.tif in RESTS:
            self._rest(book, order)
        elif not is_market:
            self._end(order, EventKind.ORDER_CANCELED, Reason.IOC_REMAINDER)
        else:
            reason = Reason.PRICE_COLLAR if makers else Reason.NO_LIQUIDITY
            self._end(order, EventKind.ORDER_CANCELED, reason)

    def _sweep(self, book: Book, taker: Order, limit: int) -> bool:
        # True: self-trade prevention cancels what remains of the taker.
        makers = book.opposite(taker.side)
        while taker.remaining and makers and reaches(taker.side, limit, makers[0].price):
            maker = makers[0]
            own = maker.account_id == taker.account_id
            if not own or taker.stp_mode == SelfTradeMode.NONE:
                self._trade(book, taker, maker)
            elif self._prevent_self_trade(taker, maker):
                return True
        return False

    def _prevent_self_trade(self, taker: Order, maker: Order) -> bool:
        # True: what remains of the taker is canceled.
        if taker.stp_mode == SelfTradeMode.CANCEL_INCOMING:
            return True
        if taker.stp_mode != SelfTradeMode.DECREMENT_AND_CANCEL:
            self._end(maker, EventKind.ORDER_CANCELED, Reason.SELF_TRADE)
            return taker.stp_mode == SelfTradeMode.CANCEL_BOTH
        if maker.remaining > taker.remaining:
            self._shrink(maker, Reason.SELF_TRADE_DECREMENT, taker.remaining)
            return True
        self._end(maker, EventKind.ORDER_CANCELED, Reason.SELF_TRADE)
        if maker.remaining == taker.remaining:
            return True
        self._shrink(taker, Reason.SELF_TRADE_DECREMENT, maker.remaining)
        return False

    def _trade(self, book: Book, taker: Order, maker: Order) -> None:
        lots = min(taker.remaining, maker.visible)
        for order in (taker, maker):
            order.remaining -= lots
            order.cumulative += lots
        maker.visible -= lots
        self.trades += 1
        book.last_price = maker.price
        self._emit_order(
            EventKind.TRADE, Reason.NONE, taker, lots, price_ticks=maker.price,
            maker_order_id=maker.order_id, maker_account_id=maker.account_id,
            maker_remaining_lots=maker.remaining, maker_cumulative_lots=maker.cumulative,
            trade_number=self.trades, maker_version=maker.version,
        )  # fmt: skip
        if maker.remaining == 0:
            book.side(maker.side).remove(maker)
            del self._orders[maker.order_id]
        elif maker.visible == 0:
            book.side(maker.side).remove(maker)
            self._rest(book, maker)

    def _rest(self, book: Book, order: Order) -> None:
        # To the back of its price, an iceberg with a fresh peak.
        self._places += 1
        order.place = self._places
        order.visible = min(order.display or order.remaining, order.remaining)
        insort(book.side(order.side), order, key=Order.rank)
        level = sum(o.remaining for o in book.side(order.side) if o.price == order.price)
        if level > MAX_LEVEL_LOTS:
            self._end(order, EventKind.ORDER_CANCELED, Reason.BOOK_FULL)

    def _shrink(self, order: Order, reason: Reason, lots: int) -> None:
        # Fewer than remain are taken off, hidden ones first; the order keeps its place.
        order.remaining -= lots
        order.visible = min(order.visible, order.remaining)
        self._emit_order(EventKind.ORDER_REDUCED, reason, order, lots)

    def _end(self, order: Order, kind: EventKind, reason: Reason) -> None:
        side = self._books[order.instrument_id].side(order.side)
        if order in side:
            side.remove(order)
        del self._orders[order.order_id]
        self._emit_order(kind, reason, order, order.remaining, remaining_lots=0)
