"""The reference engine out of its state records: what proves that the records are the whole state.

Invariant: an engine restored from the records of another one makes the same events from then on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from svc.engine.records import InstrumentCommand, OrderType, split_records
from svc.engine.reference import ReferenceEngine
from svc.engine.reference_rules import Book, Indication, Order

_MARKET = struct.Struct("<8xI4xQQqq80x")
_INSTRUMENT = struct.Struct("<xBBB4xIiqqqqIIqi4xqqq32x")
_ORDER = struct.Struct("<xBBBBB2xIiqqqqqqqqqqqq16x")
_GROUP = struct.Struct("<16xqq96x")
_POSITION = struct.Struct("<8xI4xqq96x")


class RestoredEngine(ReferenceEngine):
    """A reference engine in the state that `records` describe; see docs/journal.md, State hash."""

    def __init__(self, records: bytes) -> None:
        super().__init__()
        restore: dict[int, Callable[[bytes], None]] = {
            1: self._restore_market,
            2: self._restore_instrument,
            3: self._restore_order,
            4: self._restore_group,
            5: self._restore_position,
        }
        self._positions: list[tuple[int, int, int]] = []
        for record in split_records(records):
            restore[record[0]](bytes(record))
        for instrument_id, account_id, lots in self._positions:
            self._books[instrument_id].positions[account_id] = lots

    def _restore_market(self, record: bytes) -> None:
        (
            self.semantic_version, self.sequence, self.running_hash, self.time_ns, self.trades,
        ) = _MARKET.unpack(record)  # fmt: skip

    def _restore_group(self, record: bytes) -> None:
        account_id, group = _GROUP.unpack(record)
        self._groups[account_id] = group

    def _restore_position(self, record: bytes) -> None:
        # Positions come before the instruments they are in.
        instrument_id, account_id, lots = _POSITION.unpack(record)
        self._positions.append((instrument_id, account_id, lots))

    def _restore_instrument(self, record: bytes) -> None:
        (
            state, perpetual, band_auction, instrument_id, version, max_quantity, low, high,
            reference, collar, band, last_price, state_version, *indicated,
        ) = _INSTRUMENT.unpack(record)  # fmt: skip
        definition = InstrumentCommand(
            instrument_id, version, state, max_quantity, low, high, reference, collar, band,
            perpetual, band_auction,
        )  # fmt: skip
        book = Book(definition, state, state_version, last_price, indicated=Indication(*indicated))
        self._books[instrument_id] = book

    def _restore_order(self, record: bytes) -> None:
        (
            side, order_type, tif, flags, stp_mode, instrument_id, version, order_id, account_id,
            price, remaining, cumulative, cap, visible, display, trigger, expire_ns, trail,
            activation,
        ) = _ORDER.unpack(record)  # fmt: skip
        self._places += 1
        waits = visible == 0 and order_type != OrderType.MARKET
        order = Order(
            order_id, account_id, instrument_id, side, order_type, tif, flags, stp_mode, version,
            price, cap, remaining, display, expire_ns, trigger, waits, cumulative, visible,
            self._places, trail, activation,
        )  # fmt: skip
        self._orders[order_id] = order
        self._books[instrument_id].queue(order).append(order)
