"""What applying events gives: rows to write, what the figures count, and what did not fit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class UnfitError(Exception):
    """An event that cannot be applied to the orders as they are."""

    def __init__(self, sequence: int, text: str) -> None:
        """`sequence` is that of the event."""
        self.sequence = sequence
        super().__init__(f"event {sequence}: {text}")


class EventRow(NamedTuple):
    """A row of order_events. Without a fill `lots` and the rest of the trade are 0."""

    order_id: int
    number: int
    account_id: int
    instrument_id: int
    event_type: int
    previous: int
    status: int
    lots: int
    price_ticks: int
    trade_id: int
    reason: str | None
    sequence: int


class TradeRow(NamedTuple):
    """A row of trades: one side. The fee is in ledger units, as text for it may be any size."""

    account_id: int
    time_us: int
    trade_id: int
    side: int
    order_id: int
    instrument_id: int
    price_ticks: int
    lots: int
    fee_units: str
    maker: bool
    sequence: int


class ChangeRow(NamedTuple):
    """What is written of an order whose terms stay as they are."""

    order_id: int
    instrument_id: int
    status: int
    filled_lots: int
    remaining_lots: int
    filled_tick_lots: str
    average: str | None
    reason: str | None
    sequence: int
    events: int
    found: int
    """Its events before these: the row is changed only if it still has that many."""


@dataclass(slots=True)
class Tally:
    """What the figures count."""

    filled: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    canceled: int = 0
