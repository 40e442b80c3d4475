"""The reference engine's state as records of 128 bytes (docs/journal.md, State hash)."""

from __future__ import annotations

import struct

from svc.engine.reference_rules import Book, Order

_INSTRUMENT_RECORD = struct.Struct("<BBBBxxxxIiqqqqIIqiIqqq32x")
_GROUP_RECORD = struct.Struct("<B15xqq96x")
_POSITION_RECORD = struct.Struct("<B7xI4xqq96x")
_ORDER_RECORD = struct.Struct("<BBBBBBxxIiqqqqqqqqqqqq16x")


def instrument_record(book: Book) -> bytes:
    """INSTRUMENT record of the state."""
    d = book.definition
    return _INSTRUMENT_RECORD.pack(
        2, book.state, d.perpetual, d.band_auction, d.instrument_id, d.version,
        d.max_quantity_lots, d.min_ticks, d.max_ticks, d.reference_price_ticks, d.collar_bps,
        d.band_bps, book.last_price, book.state_version, 0, *book.indicated,
    )  # fmt: skip


def group_record(account_id: int, group: int) -> bytes:
    """GROUP record of the state."""
    return _GROUP_RECORD.pack(4, account_id, group)


def position_record(instrument_id: int, account_id: int, lots: int) -> bytes:
    """POSITION record of the state."""
    return _POSITION_RECORD.pack(5, instrument_id, account_id, lots)


def order_record(order: Order) -> bytes:
    """ORDER record of the state."""
    return _ORDER_RECORD.pack(
        3, order.side, order.order_type, order.tif, order.flags, order.stp_mode,
        order.instrument_id, order.version, order.order_id, order.account_id, order.price,
        order.remaining, order.cumulative, order.cap, order.visible, order.display, order.trigger,
        order.expire_ns, order.trail, order.activation,
    )  # fmt: skip
