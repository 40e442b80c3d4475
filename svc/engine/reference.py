"""The engine as an executable specification in plain Python: slow, short, and read first.

Takes the same command records and makes the same events, state records and hashes as
`book.Engine`; a seeded differential test compares the two. docs/matching.md gives each rule's
source. Invariant: events and state are a pure function of the commands and times applied so far.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from svc.engine import running_hash
from svc.engine.records import (
    RECORD_BYTES,
    Command,
    CommandKind,
    EventKind,
    Flag,
    InstrumentCommand,
    MarketState,
    Reason,
    Side,
    unpack_commands,
)
from svc.engine.reference_auction import Auctions
from svc.engine.reference_records import (
    group_record,
    instrument_record,
    order_record,
    position_record,
)
from svc.engine.reference_rules import (
    Book,
    Order,
    definition_refusal,
    most_lots,
    refusal_of_new,
    replace_refusal,
    reprice_refusal,
    sleeps,
    swap_refusal,
)

_MARKET_RECORD = struct.Struct("<B7xIiQQqqqqqq48x")


class ReferenceEngine(Auctions):
    """All books of one market; the same interface as `book.Engine` as far as tests compare."""

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
                self._indicate()
                self._close_command()
        self._is_alone = len(commands) == RECORD_BYTES
        for command in unpack_commands(commands):
            self._dispatch(command)
            self._indicate()
            self._close_command()
        return self._frame

    @property
    def next_deadline_ns(self) -> int | None:
        """The earliest expiry; None when no order has one."""
        return min((o.expire_ns for o in self._orders.values() if o.expire_ns), default=None)

    @property
    def live_orders(self) -> int:
        """Orders that rest or wait."""
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

    def order(self, order_id: int) -> bytes | None:
        """The state record of a live order; None when there is none of that id."""
        order = self._orders.get(order_id)
        return order_record(order) if order else None

    def orders(self, instrument_id: int) -> bytes:
        """The live orders of an instrument as state records."""
        book = self._books[instrument_id]
        return b"".join(order_record(order) for order in book.live())

    def state_records(self) -> bytes:
        """The whole state as records."""
        positions = [
            (instrument_id, account, lots)
            for instrument_id, book in sorted(self._books.items())
            for account, lots in sorted(book.positions.items())
            if lots
        ]
        records = [
            _MARKET_RECORD.pack(
                1, self.semantic_version, 0, self.sequence, self.running_hash, self.time_ns,
                self.trades, len(self._books), len(self._orders), len(self._groups),
                len(positions),
            )
        ]  # fmt: skip
        records.extend(group_record(*membership) for membership in sorted(self._groups.items()))
        records.extend(position_record(*position) for position in positions)
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
        rules = {
            CommandKind.NEW: self._new,
            CommandKind.CANCEL: self._cancel,
            CommandKind.CANCEL_REPLACE: self._cancel_replace,
            CommandKind.REDUCE: self._reduce,
            CommandKind.MOVE: self._move,
            CommandKind.REPLACE: self._replace,
            CommandKind.MASS_CANCEL: self._mass_cancel,
            CommandKind.STATE: self._set_state,
            CommandKind.GROUP: self._set_group,
            CommandKind.VERSION: self._begin_version,
        }
        if command.kind in rules:
            rules[CommandKind(command.kind)](command)
        elif command.kind != CommandKind.ADVANCE_TIME:
            self._reject_command(command, Reason.INVALID_COMMAND)

    # Markets

    def _set_instrument(self, c: InstrumentCommand) -> None:
        book = self._books.get(c.instrument_id)
        reason = definition_refusal(book, c)
        if reason:
            self._emit_instrument(reason, c, book)
            return
        if book is None:
            book = Book(c, c.state or MarketState.HALTED)
            self._books[c.instrument_id] = book
        elif c.version <= book.definition.version:
            return
        book.definition = c
        self._emit_instrument(Reason.NONE, c, book)

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
        allowed = set(MarketState) - {MarketState.UNSPECIFIED}
        if c.side not in allowed or previous == MarketState.DELISTED:
            self._emit(
                EventKind.STATE_CHANGED, reason=Reason.INVALID_COMMAND, stp_mode=previous,
                state=previous, **identity,
            )  # fmt: skip
            return
        book.state_version = c.version
        self._put_state(book, c.side)
        self._emit(
            EventKind.STATE_CHANGED, reason=Reason.OPERATOR, stp_mode=previous, state=c.side,
            **identity,
        )  # fmt: skip
        if c.side == MarketState.DELISTED:
            self._cancel_matching(Reason.DELISTED, 0, c.instrument_id, 0)
        elif c.side not in (MarketState.AUCTION, MarketState.HALTED):
            self._uncross(book)
            if previous != MarketState.TRADING and book.last_price:
                book.price_before, book.traded = book.last_price, [book.last_price]
            self._trigger_stops(book)

    def _set_group(self, c: Command) -> None:
        # Counts from the next command on, also for orders that rest.
        if c.account_id <= 0 or c.stp_group < 0:
            self._reject_command(c, Reason.INVALID_COMMAND)
            return
        self._groups.pop(c.account_id, None)
        if c.stp_group:
            self._groups[c.account_id] = c.stp_group

    def _begin_version(self, c: Command) -> None:
        # In the state alone; what follows is not for this engine.
        if not self._is_alone or c.version < self.semantic_version:
            self._reject_command(c, Reason.INVALID_COMMAND)
        else:
            self.semantic_version = c.version

    def _mass_cancel(self, c: Command) -> None:
        if c.account_id < 0 or c.side > Side.SELL:
            self._reject_command(c, Reason.INVALID_COMMAND)
        elif c.instrument_id and c.instrument_id not in self._books:
            self._reject_command(c, Reason.UNKNOWN_INSTRUMENT)
        else:
            self._cancel_matching(Reason.MASS_CANCEL, c.account_id, c.instrument_id, c.side)

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
        if reason or book is None:
            self._reject_new(c, reason)
            return
        order = Order(
            c.order_id, c.account_id, c.instrument_id, c.side, c.order_type, c.tif, c.flags,
            c.stp_mode, c.version, c.price_ticks, c.cap_ticks or c.price_ticks,
            c.quantity_lots or most_lots(book, c.budget), c.display_lots, c.expire_ns,
            c.trigger_ticks, c.trigger_ticks > 0, trail=c.trail_offset_ticks,
            activation=c.activation_ticks if sleeps(book, c) else 0,
        )  # fmt: skip
        if order.trail and not order.activation and book.last_price:
            order.trigger = order.followed(book.last_price)
        self._orders[order.order_id] = order
        self._emit_order(
            EventKind.ORDER_ACCEPTED, Reason.NONE, order, order.remaining,
            cumulative_lots=order.activation, maker_order_id=order.cap,
            maker_account_id=order.trigger, maker_remaining_lots=c.display_lots,
            maker_cumulative_lots=c.expire_ns,
            trade_number=c.trail_offset_ticks + c.budget,
        )  # fmt: skip
        if order.waits:
            self._stand(book, order)
            return
        self._enter(book, order, c.budget)
        self._trigger_stops(book)

    def _named(self, c: Command, rejected: EventKind) -> Order | None:
        order = self._orders.get(c.order_id)
        if order is None or c.instrument_id not in (0, order.instrument_id):
            self._reject_request(c, rejected, Reason.UNKNOWN_ORDER)
            return None
        if c.account_id not in (0, order.account_id):
            self._reject_request(c, rejected, Reason.NOT_OWNER)
            return None
        return order

    def _cancel(self, c: Command) -> None:
        order = self._named(c, EventKind.CANCEL_REJECTED)
        if order:
            self._end(order, EventKind.ORDER_CANCELED, Reason.CANCEL_REQUESTED)

    def _cancel_replace(self, c: Command) -> None:
        # All or nothing: one order goes and another comes, or both are refused for one reason.
        entering = replace(c, order_id=c.new_order_id, new_order_id=0)
        order = self._orders.get(c.order_id)
        book = self._books.get(c.instrument_id)
        reason = swap_refusal(book, self._orders, order, entering, self.time_ns)
        if reason or order is None:
            self._reject_request(replace(c, version=0), EventKind.CANCEL_REJECTED, reason)
            self._reject_new(entering, reason)
            return
        self._end(order, EventKind.ORDER_CANCELED, Reason.CANCEL_REQUESTED)
        self._new(entering)

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
        book = self._books[order.instrument_id]
        reason = Reason.INVALID_COMMAND
        if not order.waits:
            reason = reprice_refusal(book, order, c.price_ticks, order.cap)
        if reason:
            self._reject_request(c, EventKind.REPLACE_REJECTED, reason)
            return
        book.queue(order).remove(order)
        self._amend(book, order, c.price_ticks, order.remaining, keeps_priority=False)

    def _replace(self, c: Command) -> None:
        order = self._named(c, EventKind.REPLACE_REJECTED)
        if order is None:
            return
        price = c.price_ticks or order.price
        total = c.quantity_lots or order.cumulative + order.remaining
        book = self._books[order.instrument_id]
        reason = replace_refusal(book, order, c, self.time_ns, price=price, total=total)
        if reason:
            self._reject_request(c, EventKind.REPLACE_REJECTED, reason)
            return
        order.version = c.version
        order.cap = c.cap_ticks or price or order.cap
        order.expire_ns = c.expire_ns or order.expire_ns
        remaining = total - order.cumulative
        if remaining <= 0:
            self._end(order, EventKind.ORDER_CANCELED, Reason.BELOW_EXECUTED)
            return
        same_place = price == order.price
        if order.waits:
            same_place = c.trigger_ticks in (0, order.trigger)
        keeps_priority = same_place and remaining <= order.remaining
        if not keeps_priority:
            book.queue(order).remove(order)
            order.trigger = c.trigger_ticks or order.trigger
        self._amend(book, order, price, remaining, keeps_priority=keeps_priority)

    def _amend(
        self, book: Book, order: Order, price: int, remaining: int, *, keeps_priority: bool
    ) -> None:
        old_price, old_remaining = order.price, order.remaining
        order.price = price
        order.remaining = remaining
        order.visible = min(order.visible, remaining)
        self._emit_order(
            EventKind.ORDER_REPLACED, Reason.NONE, order, order.cumulative + remaining,
            flags=order.flags | (Flag.KEPT_PRIORITY if keeps_priority else 0),
            maker_order_id=order.cap, maker_account_id=old_price,
            maker_remaining_lots=old_remaining, maker_cumulative_lots=order.expire_ns,
            trade_number=order.trigger if order.waits else 0,
        )  # fmt: skip
        if keeps_priority:
            return
        if order.waits:
            self._stand(book, order)
            return
        self._enter(book, order, 0)
        self._trigger_stops(book)
