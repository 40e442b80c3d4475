"""The reference engine's events: the one place that numbers, fills and hashes them.

Invariant: sequences are gapless, and the last event of a command says so.
"""

from __future__ import annotations

from svc.engine import running_hash
from svc.engine.records import (
    RECORD_BYTES,
    SEMANTIC_VERSION,
    Command,
    Event,
    EventKind,
    Flag,
    InstrumentCommand,
    Reason,
)
from svc.engine.reference_rules import Book, Order


class EventLog:
    """What the events of a market leave behind: sequence, running hash, number of trades."""

    def __init__(self) -> None:
        self.sequence = 0
        self.running_hash = 0
        self.time_ns = 0
        self.trades = 0
        self.semantic_version = SEMANTIC_VERSION
        self._events: list[Event] = []
        self._frame = b""

    def _emit(self, kind: EventKind, **fields: int) -> None:
        self.sequence += 1
        self._events.append(Event(self.sequence, self.time_ns, kind, **fields))

    def _emit_order(
        self, kind: EventKind, reason: Reason, order: Order, lots: int, **fields: int
    ) -> None:
        fields.setdefault("remaining_lots", order.remaining)
        fields.setdefault("price_ticks", order.price)
        fields.setdefault("flags", order.flags)
        fields.setdefault("side", order.side)
        fields.setdefault("cumulative_lots", order.cumulative)
        self._emit(
            kind, reason=reason, order_type=order.order_type, tif=order.tif,
            stp_mode=order.stp_mode, instrument_id=order.instrument_id, version=order.version,
            order_id=order.order_id, account_id=order.account_id, quantity_lots=lots,
            **fields,
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

    def _reject_command(self, c: Command, reason: Reason) -> None:
        # Of a command that is on no order.
        self._emit(
            EventKind.COMMAND_REJECTED, reason=reason, order_type=c.kind,
            instrument_id=c.instrument_id, version=c.version, account_id=c.account_id,
        )  # fmt: skip

    def _reject_request(self, c: Command, rejected: EventKind, reason: Reason) -> None:
        self._emit(
            rejected, reason=reason, instrument_id=c.instrument_id, version=c.version,
            order_id=c.order_id, account_id=c.account_id,
        )  # fmt: skip

    def _emit_instrument(self, reason: Reason, c: InstrumentCommand, book: Book | None) -> None:
        identity = {"reason": reason, "instrument_id": c.instrument_id, "version": c.version}
        if book is None:
            self._emit(EventKind.INSTRUMENT_CHANGED, **identity)
            return
        d = book.definition
        self._emit(
            EventKind.INSTRUMENT_CHANGED, **identity, state=book.state,
            flags=d.perpetual | d.band_auction << 1,
            price_ticks=d.reference_price_ticks, quantity_lots=d.max_quantity_lots,
            remaining_lots=d.min_ticks, cumulative_lots=d.max_ticks, maker_order_id=d.collar_bps,
            maker_account_id=d.band_bps,
        )  # fmt: skip
