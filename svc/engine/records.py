"""The fixed-width records of the engine's boundary: commands in, events and state records out.

Every record is 128 bytes, little-endian, laid out as docs/journal.md says and as records.pxd
declares for the engine. Invariant: `pack` and `unpack` are inverse for every record whose
reserved bytes are zero. Prices are int64 ticks, quantities int64 lots, time int64 unix ns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self

RECORD_BYTES = 128
FORMAT_VERSION = 3
SEMANTIC_VERSION = 1
MAX_BATCH_COMMANDS = 4096
MAX_INSTRUMENT_ID = 65_535
MAX_TICKS = 10**15
MAX_LOTS = 10**15


class CommandKind(IntEnum):
    """What a command asks for; the first byte of its record."""

    NEW = 1
    CANCEL = 2
    REPLACE = 3
    MOVE = 4
    REDUCE = 5
    MASS_CANCEL = 6
    ADVANCE_TIME = 7
    INSTRUMENT = 8
    STATE = 9
    GROUP = 10
    VERSION = 11
    CANCEL_REPLACE = 12


class EventKind(IntEnum):
    """What an event says happened."""

    ORDER_ACCEPTED = 1
    TRADE = 2
    ORDER_CANCELED = 3
    ORDER_REJECTED = 4
    ORDER_EXPIRED = 5
    ORDER_REPLACED = 6
    ORDER_TRIGGERED = 7
    ORDER_REDUCED = 8
    CANCEL_REJECTED = 9
    REPLACE_REJECTED = 10
    STATE_CHANGED = 11
    INSTRUMENT_CHANGED = 12
    INDICATIVE_PRICE = 13
    COMMAND_REJECTED = 14


class Side(IntEnum):
    """Side of an order; of a trade the aggressor's, NONE in an auction."""

    NONE = 0
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """How an order is priced and when it enters the book."""

    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP_MARKET = 4


class TimeInForce(IntEnum):
    """How long an order lives."""

    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    FOK_BUDGET = 5


class SelfTradeMode(IntEnum):
    """What happens when an order would trade with its own account; the incoming order's counts."""

    NONE = 1
    CANCEL_RESTING = 2
    CANCEL_INCOMING = 3
    CANCEL_BOTH = 4
    DECREMENT_AND_CANCEL = 5


class MarketState(IntEnum):
    """What a market of one instrument lets through."""

    UNSPECIFIED = 0
    TRADING = 1
    POST_ONLY = 2
    LIMIT_ONLY = 3
    CANCEL_ONLY = 4
    AUCTION = 5
    HALTED = 6
    DELISTED = 7


class Reason(IntEnum):
    """Why something was refused, canceled or reduced; the numbers are engine.v1's."""

    NONE = 0
    CANCEL_REQUESTED = 1
    IOC_REMAINDER = 2
    FOK_NOT_FILLABLE = 3
    NO_LIQUIDITY = 4
    PRICE_COLLAR = 5
    BUDGET_EXHAUSTED = 6
    SELF_TRADE = 7
    POST_ONLY_WOULD_TAKE = 8
    REDUCE_ONLY = 9
    STOP_WOULD_TRIGGER = 10
    DUPLICATE_ORDER_ID = 11
    UNKNOWN_ORDER = 12
    UNKNOWN_INSTRUMENT = 13
    MARKET_STATE = 14
    PRICE_OUT_OF_RANGE = 15
    QUANTITY_OUT_OF_RANGE = 16
    INVALID_COMMAND = 17
    NOT_OWNER = 18
    EXPIRED = 19
    MASS_CANCEL = 20
    DELISTED = 21
    BELOW_EXECUTED = 22
    STALE_VERSION = 23
    REDUCE_REQUESTED = 24
    SELF_TRADE_DECREMENT = 25
    OPERATOR = 26
    PRICE_BAND = 27
    SCHEDULE = 28
    BOOK_FULL = 29


class Flag(IntFlag):
    """Flags byte of commands and events. A command carries POST_ONLY and REDUCE_ONLY alone."""

    NONE = 0
    POST_ONLY = 1
    REDUCE_ONLY = 2
    TRIGGERED = 4
    KEPT_PRIORITY = 8
    END_OF_COMMAND = 128


_COMMAND = struct.Struct("<BBBBBBHIiqqqqqqqqqqqqq8x")
_INSTRUMENT = struct.Struct("<BBBBxxxxIiqqqqII72x")
_EVENT = struct.Struct("<QqBBBBBBBBIiqqqqqqqqqqqiI")


@dataclass(frozen=True, slots=True)
class Command:
    """A command on an order, an account or a market (all kinds but INSTRUMENT).

    A field that its kind does not use is zero. `side` holds the new state of a STATE command,
    `version` the semantic version of a VERSION command. CANCEL_REPLACE names the order it cancels
    by `order_id` and the one it enters by `new_order_id`; all other fields are the new order's.
    `trail_offset_ticks` below 0 is a distance in basis points.
    """

    kind: int
    side: int = 0
    order_type: int = 0
    tif: int = 0
    flags: int = 0
    stp_mode: int = 0
    instrument_id: int = 0
    version: int = 0
    order_id: int = 0
    account_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    cap_ticks: int = 0
    stp_group: int = 0
    trigger_ticks: int = 0
    display_lots: int = 0
    budget: int = 0
    expire_ns: int = 0
    trail_offset_ticks: int = 0
    new_order_id: int = 0
    activation_ticks: int = 0

    def pack(self) -> bytes:
        """Returns the 128-byte record; raises struct.error when a field does not fit."""
        return _COMMAND.pack(
            self.kind, self.side, self.order_type, self.tif, self.flags, self.stp_mode, 0,
            self.instrument_id, self.version, self.order_id, self.account_id, self.price_ticks,
            self.quantity_lots, self.cap_ticks, self.stp_group, self.trigger_ticks,
            self.display_lots, self.budget, self.expire_ns, self.trail_offset_ticks,
            self.new_order_id, self.activation_ticks,
        )  # fmt: skip

    @classmethod
    def unpack(cls, record: bytes | memoryview) -> Self:
        """Reads a record of 128 bytes; values are not judged, the engine does that."""
        fields = _COMMAND.unpack(record)
        return cls(*fields[:6], *fields[7:])


@dataclass(frozen=True, slots=True)
class InstrumentCommand:
    """Adds an instrument to the market, or changes its definition under a higher version.

    `collar_bps` and `band_bps` of 0 mean none. `state` is that of a new instrument
    (UNSPECIFIED: HALTED) and ignored afterwards. `band_auction` 1: a trade that would leave the
    band opens an auction; 0: it halts the market.
    """

    instrument_id: int
    version: int
    state: int
    max_quantity_lots: int
    min_ticks: int = 1
    max_ticks: int = MAX_TICKS
    reference_price_ticks: int = 0
    collar_bps: int = 0
    band_bps: int = 0
    perpetual: int = 0
    band_auction: int = 0

    @property
    def kind(self) -> int:
        """As of a Command."""
        return CommandKind.INSTRUMENT

    def pack(self) -> bytes:
        """Returns the 128-byte record; raises struct.error when a field does not fit."""
        return _INSTRUMENT.pack(
            CommandKind.INSTRUMENT, self.state, self.perpetual, self.band_auction,
            self.instrument_id, self.version, self.max_quantity_lots, self.min_ticks,
            self.max_ticks, self.reference_price_ticks, self.collar_bps, self.band_bps,
        )  # fmt: skip

    @classmethod
    def unpack(cls, record: bytes | memoryview) -> Self:
        """Reads a record of 128 bytes whose kind is INSTRUMENT."""
        (
            _,
            state,
            perpetual,
            band_auction,
            instrument_id,
            version,
            quantity,
            low,
            high,
            reference,
            collar,
            band,
        ) = _INSTRUMENT.unpack(record)
        return cls(
            instrument_id, version, state, quantity, low, high, reference, collar, band,
            perpetual, band_auction,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One event. The fields named after the maker hold other things in other kinds.

    `order_id`, `remaining_lots` and `cumulative_lots` are the taker's in a TRADE (in an auction
    the buyer's). `quantity_lots` is what the event is about: lots accepted, traded, taken off, or
    the new total of a replaced order.
    """

    sequence: int
    time_ns: int
    kind: int
    side: int = 0
    reason: int = 0
    order_type: int = 0
    tif: int = 0
    flags: int = 0
    stp_mode: int = 0
    state: int = 0
    instrument_id: int = 0
    version: int = 0
    order_id: int = 0
    account_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    remaining_lots: int = 0
    cumulative_lots: int = 0
    maker_order_id: int = 0
    maker_account_id: int = 0
    maker_remaining_lots: int = 0
    maker_cumulative_lots: int = 0
    trade_number: int = 0
    maker_version: int = 0
    reserved: int = 0

    def pack(self) -> bytes:
        """Returns the 128-byte record."""
        return _EVENT.pack(
            self.sequence, self.time_ns, self.kind, self.side, self.reason, self.order_type,
            self.tif, self.flags, self.stp_mode, self.state, self.instrument_id, self.version,
            self.order_id, self.account_id, self.price_ticks, self.quantity_lots,
            self.remaining_lots, self.cumulative_lots, self.maker_order_id,
            self.maker_account_id, self.maker_remaining_lots, self.maker_cumulative_lots,
            self.trade_number, self.maker_version, self.reserved,
        )  # fmt: skip

    @classmethod
    def unpack(cls, record: bytes | memoryview) -> Self:
        """Reads a record of 128 bytes."""
        return cls(*_EVENT.unpack(record))

    @property
    def cap_ticks(self) -> int:
        """Cap of a buy, floor of a sell, 0 for none: ORDER_ACCEPTED, ORDER_REPLACED."""
        return self.maker_order_id

    @property
    def trigger_ticks(self) -> int:
        """Trigger of a stop in ORDER_ACCEPTED; in ORDER_TRIGGERED the price that traded."""
        return self.maker_account_id

    @property
    def display_lots(self) -> int:
        """Visible part of an accepted iceberg, 0 for all of it."""
        return self.maker_remaining_lots

    @property
    def expire_ns(self) -> int:
        """Expiry of an accepted GTD order, 0 for none."""
        return self.maker_cumulative_lots

    @property
    def trail_or_budget(self) -> int:
        """Trail of an accepted trailing stop (below 0: basis points); budget of other orders.

        Of an ORDER_REPLACED the trigger of a stop that waits.
        """
        return self.trade_number

    @property
    def activation_ticks(self) -> int:
        """The trade price from which an accepted trailing stop begins to follow; 0: it does now."""
        return self.cumulative_lots

    @property
    def old_price_ticks(self) -> int:
        """Price before an ORDER_REPLACED."""
        return self.maker_account_id

    @property
    def old_remaining_lots(self) -> int:
        """What remained before an ORDER_REPLACED."""
        return self.maker_remaining_lots

    @property
    def previous_state(self) -> int:
        """State before a STATE_CHANGED."""
        return self.stp_mode


def pack_commands(commands: Iterable[Command | InstrumentCommand]) -> bytes:
    """Packs commands back to back, as `Engine.apply` takes them."""
    return b"".join(command.pack() for command in commands)


def split_records(records: bytes | memoryview) -> Iterator[memoryview]:
    """Yields the 128-byte records of a buffer; its length is a multiple of 128."""
    view = memoryview(records)
    if len(view) % RECORD_BYTES:
        raise ValueError(f"{len(view)} bytes are not a whole number of {RECORD_BYTES}-byte records")
    for offset in range(0, len(view), RECORD_BYTES):
        yield view[offset : offset + RECORD_BYTES]


def unpack_commands(records: bytes | memoryview) -> list[Command | InstrumentCommand]:
    """Reads a buffer of command records."""
    return [
        InstrumentCommand.unpack(record)
        if record[0] == CommandKind.INSTRUMENT
        else Command.unpack(record)
        for record in split_records(records)
    ]


def unpack_events(records: bytes | memoryview) -> list[Event]:
    """Reads a buffer of event records."""
    return [Event.unpack(record) for record in split_records(records)]
