"""svc/order/applying.pyx in plain Python: what it must agree with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from svc.order import lifecycle
from svc.order.applied import EventRow, Tally, TradeRow, UnfitError
from svc.order.applying import TRADE_NUMBER_BITS
from svc.order.lifecycle import Cause, EventType, NotApplicableError, Status
from svc.order.terms import Side
from svc.wallet import money


@dataclass(slots=True)
class Row:
    """An order as it stands, and as it will be written. Quantities in lots, prices in ticks."""

    id: int
    account_id: int
    instrument_id: int
    side: int
    status: int
    version: int
    lots: int
    filled_lots: int
    remaining_lots: int
    filled_tick_lots: int
    """Sum of price x quantity of its fills."""
    price_ticks: int
    cap_ticks: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    events: int
    """Number of its last event."""
    reason: str | None = None
    sequence: int = 0
    by_amount: bool = False
    """It is filled when what is left of its amount pays for no lot."""
    ended: bool = False
    """Whether these events have ended it."""
    repriced: bool = False
    """Whether these events have changed its price, cap or quantity."""
    triggered_us: int = 0
    """When its trigger traded, if one of these events says so."""
    replace_reason: str | None = None
    """Why one of these events has refused a replace, or a cancel-replace of it."""


class TradeEvent(NamedTuple):
    """A trade. `time_ns` is the engine's; `taker_side` 0: an auction, the taker is the buyer."""

    sequence: int
    time_ns: int
    number: int
    instrument_id: int
    taker_side: int
    price_ticks: int
    lots: int
    taker_order_id: int
    taker_version: int
    taker_account_id: int
    taker_remaining: int
    taker_cumulative: int
    maker_order_id: int
    maker_version: int
    maker_account_id: int
    maker_remaining: int
    maker_cumulative: int


class OrderEvent(NamedTuple):
    """Any other event of an order.

    `remaining` is what works after it; at an end what was taken off, at the start the quantity.
    """

    sequence: int
    cause: int
    order_id: int
    version: int
    account_id: int
    remaining: int
    cumulative: int
    reason: str
    price_ticks: int = 0
    cap_ticks: int = 0
    time_ns: int = 0


_EVENT_TYPES = {
    Cause.ACKNOWLEDGED: EventType.ACCEPTED,
    Cause.CANCELED: EventType.CANCELED,
    Cause.REJECTED: EventType.REJECTED,
    Cause.EXPIRED: EventType.EXPIRED,
    Cause.REPLACED: EventType.REPLACED,
    Cause.TRIGGERED: EventType.TRIGGERED,
    Cause.REDUCED: EventType.REDUCED,
    Cause.CANCEL_REJECTED: EventType.CANCEL_REJECTED,
    Cause.REPLACE_REJECTED: EventType.REPLACE_REJECTED,
}
_EVENT_TYPE_NUMBERS = {int(cause): int(event_type) for cause, event_type in _EVENT_TYPES.items()}
_BUY, _SELL = int(Side.BUY), int(Side.SELL)
_SIDE_LABELS = {int(side): side.name.lower() for side in Side}
_FILL, _REPLACED, _REDUCED = int(Cause.FILL), int(Cause.REPLACED), int(Cause.REDUCED)
_ACKNOWLEDGED, _REJECTED = int(Cause.ACKNOWLEDGED), int(Cause.REJECTED)
_CANCELED, _TRIGGERED = int(Cause.CANCELED), int(Cause.TRIGGERED)
_REPLACE_REJECTED = int(Cause.REPLACE_REJECTED)
_REFUSALS = (int(Cause.CANCEL_REJECTED), int(Cause.REPLACE_REJECTED))
_ENDS = frozenset({int(Cause.CANCELED), int(Cause.REJECTED), int(Cause.EXPIRED)})
_FILLED = int(Status.FILLED)
_PART, _WHOLE = int(EventType.PARTIALLY_FILLED), int(EventType.FILLED)

# A named tuple's own constructor costs half as much again as this, which is all it does.
_new = tuple.__new__


class Applying:
    """Applies events, in order, to the rows of the orders they name."""

    def __init__(
        self, market: int, rows: Mapping[int, Row], quote_units: Mapping[int, int]
    ) -> None:
        """`quote_units` of a tick x lot by instrument id."""
        self.rows = rows
        self.touched: dict[int, Row] = {}
        self.events: list[EventRow] = []
        self.trades: list[TradeRow] = []
        self.last_prices: dict[int, int] = {}
        self.tally = Tally()
        self._market = market << TRADE_NUMBER_BITS
        self._quote_units = quote_units

    def apply(self, event: TradeEvent | OrderEvent) -> None:
        """One event. Raises UnfitError."""
        try:
            if type(event) is TradeEvent:
                self._trade(event)
            elif type(event) is OrderEvent:
                self._change(event)
        except NotApplicableError as error:
            raise UnfitError(event.sequence, str(error)) from error

    def _row(self, sequence: int, order_id: int, account_id: int) -> Row:
        row = self.touched.get(order_id)
        if row is None:
            row = self.rows.get(order_id)
            if row is None:
                raise UnfitError(sequence, f"there is no order {order_id}")
            self.touched[order_id] = row
        if row.account_id != account_id:
            text = f"order {order_id} is of account {row.account_id}, not {account_id}"
            raise UnfitError(sequence, text)
        return row

    def _trade(self, event: TradeEvent) -> None:
        taker = self._row(event.sequence, event.taker_order_id, event.taker_account_id)
        maker = self._row(event.sequence, event.maker_order_id, event.maker_account_id)
        if taker.side == maker.side or (event.taker_side and taker.side != event.taker_side):
            raise UnfitError(event.sequence, "taker and maker are not on the sides it says")
        self.last_prices[event.instrument_id] = event.price_ticks
        quote = event.price_ticks * event.lots * self._quote_units[event.instrument_id]
        self._fill(taker, event, event.taker_version, event.taker_remaining, event.taker_cumulative)
        self._fill(maker, event, event.maker_version, event.maker_remaining, event.maker_cumulative)
        # In an auction nobody is the aggressor, and both pay the maker rate.
        taker_rate = taker.taker_fee_ppm if event.taker_side else taker.maker_fee_ppm
        self._side(taker, event, money.fee(quote, taker_rate), maker=not event.taker_side)
        self._side(maker, event, money.fee(quote, maker.maker_fee_ppm), maker=True)

    def _fill(
        self, row: Row, event: TradeEvent, version: int, remaining: int, cumulative: int
    ) -> None:
        filled = row.filled_lots + event.lots
        left = row.remaining_lots - event.lots
        if (version, remaining, cumulative) != (row.version, left, filled):
            raise UnfitError(
                event.sequence,
                f"order {row.id} would be at version {row.version} with {filled} lots filled and "
                f"{left} left, the event says {version}, {cumulative} and {remaining}",
            )
        previous = row.status
        whole = left == 0
        row.status = lifecycle.after(previous, _FILL, filled_lots=filled, whole=whole)
        row.filled_lots, row.remaining_lots = filled, left
        row.filled_tick_lots += event.price_ticks * event.lots
        if whole:
            row.ended = True
            self.tally.filled[_SIDE_LABELS[row.side]] += 1
        row.events += 1
        row.sequence = event.sequence
        self.events.append(
            _new(
                EventRow,
                (
                    row.id, row.events, row.account_id, row.instrument_id,
                    _WHOLE if whole else _PART, previous, row.status, event.lots,
                    event.price_ticks, self._market | event.number, None, event.sequence,
                ),
            )
        )  # fmt: skip

    def _side(self, row: Row, event: TradeEvent, fee: int, *, maker: bool) -> None:
        self.trades.append(
            _new(
                TradeRow,
                (
                    row.account_id, event.time_ns // 1_000, self._market | event.number, row.side,
                    row.id, row.instrument_id, event.price_ticks, event.lots, str(fee), maker,
                    event.sequence,
                ),
            )
        )  # fmt: skip

    def _change(self, event: OrderEvent) -> None:
        row = self._row(event.sequence, event.order_id, event.account_id)
        cause = event.cause
        previous = row.status
        if cause not in _REFUSALS:
            self._check(row, event)
        spent = row.by_amount and row.filled_lots > 0 and event.reason == "BUDGET_EXHAUSTED"
        if spent and cause == _CANCELED:
            self._spend(row, event, previous)
            return
        row.status = lifecycle.after(previous, cause, filled_lots=row.filled_lots)
        if cause == _REDUCED:
            row.remaining_lots = event.remaining
        elif cause == _REPLACED:
            self._replace(row, event)
        elif cause == _TRIGGERED:
            row.triggered_us = event.time_ns // 1_000
        elif cause in _ENDS:
            self._end(row, event)
        elif cause == _REPLACE_REJECTED or (
            cause in _REFUSALS and previous == Status.REPLACE_PENDING
        ):
            row.replace_reason = event.reason or None
        row.events += 1
        row.sequence = event.sequence
        self.events.append(
            _new(
                EventRow,
                (
                    row.id, row.events, row.account_id, row.instrument_id,
                    _EVENT_TYPE_NUMBERS[cause], previous, row.status, 0, 0, 0,
                    event.reason or None, event.sequence,
                ),
            )
        )  # fmt: skip

    def _spend(self, row: Row, event: OrderEvent, previous: int) -> None:
        row.status = lifecycle.after(previous, _FILL, filled_lots=row.filled_lots, whole=True)
        row.ended, row.reason = True, None
        self.tally.filled[_SIDE_LABELS[row.side]] += 1
        row.events += 1
        row.sequence = event.sequence
        self.events.append(
            EventRow(
                row.id, row.events, row.account_id, row.instrument_id, _WHOLE, previous,
                row.status, 0, 0, 0, None, event.sequence,
            )
        )  # fmt: skip

    def _check(self, row: Row, event: OrderEvent) -> None:
        """The event speaks of the order as it stands; a replace of its next version."""
        rises = event.cause == _REPLACED or (
            event.cause == _CANCELED and event.reason == "BELOW_EXECUTED"
        )
        known = event.version > row.version if rises else event.version == row.version
        if event.cause == _ACKNOWLEDGED:
            fits = event.remaining == row.remaining_lots
        else:
            fits = event.cumulative == row.filled_lots
            if event.cause in _ENDS:
                fits = fits and event.remaining == row.remaining_lots
            elif event.cause == _REDUCED:
                fits = fits and 0 < event.remaining < row.remaining_lots
        if not (known and fits):
            raise UnfitError(
                event.sequence,
                f"order {row.id} is at version {row.version} with {row.filled_lots} lots filled "
                f"and {row.remaining_lots} left, the event says {event.version}, "
                f"{event.cumulative} and {event.remaining}",
            )

    def _replace(self, row: Row, event: OrderEvent) -> None:
        row.version = event.version
        row.price_ticks, row.cap_ticks = event.price_ticks, event.cap_ticks
        row.remaining_lots = event.remaining
        row.lots = row.filled_lots + event.remaining
        row.repriced = True

    def _end(self, row: Row, event: OrderEvent) -> None:
        row.ended = True
        row.reason = event.reason or None
        if event.cause == _CANCELED:
            self.tally.canceled += 1
        elif event.cause == _REJECTED:
            self.tally.rejected[event.reason] += 1
