"""Reads live orders out of the ORDER records of the book's state (docs/journal.md)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from engine.v1 import engine_pb2

_STATE = struct.Struct("<BBBBBBxxIiqqqqqqqqqqq24x")


def live_orders(records: bytes) -> Iterator[engine_pb2.LiveOrder]:
    """Messages of ORDER records, in their order."""
    for fields in _STATE.iter_unpack(records):
        _, side, _, _, _, _, instrument_id, version, order_id, account_id = fields[:10]
        price, remaining, cumulative, _, visible, display = fields[10:16]
        yield engine_pb2.LiveOrder(
            order_id=order_id,
            account_id=account_id,
            instrument_id=instrument_id,
            side=side,
            price_ticks=price,
            remaining_lots=remaining,
            visible_lots=visible,
            cumulative_lots=cumulative,
            version=version,
            display_lots=display,
        )
