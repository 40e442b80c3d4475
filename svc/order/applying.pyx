# cython: language_level=3, boundscheck=False, wraparound=False, overflowcheck=True
"""What events do to orders: states, fills, average prices, events and trades to be written.

Owns the applying of a market's events onto the rows of its orders. Keeps: an event that does not
fit its order raises UnfitError and changes nothing that is written, for only what went through
whole is. Pure: events and rows come in, rows to write go out. Money is a Python integer; lots and
ticks are C integers that raise where they would overflow.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from svc.kit.market_events cimport (
    CANCEL_REJECTED,
    ORDER_ACCEPTED,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_REDUCED,
    ORDER_REJECTED,
    ORDER_REPLACED,
    ORDER_TRIGGERED,
    REPLACE_REJECTED,
    TRADE,
    Event,
)

from engine.v1 import records_pb2

from svc.kit.market_events import REASONS
from svc.order import lifecycle
from svc.order.applied import ChangeRow, EventRow, Tally, TradeRow, UnfitError
from svc.order.lifecycle import Cause, EventType, NotApplicableError, Status
from svc.order.terms import Side
from svc.wallet import money

TRADE_NUMBER_BITS = 40  # a trade id is market << 40 | trade number

cdef enum:
    MOST_STATUSES = 16
    MOST_CAUSES = 16
    MOST_KINDS = 17

_KINDS = {
    ORDER_ACCEPTED: (Cause.ACKNOWLEDGED, EventType.ACCEPTED),
    ORDER_CANCELED: (Cause.CANCELED, EventType.CANCELED),
    ORDER_REJECTED: (Cause.REJECTED, EventType.REJECTED),
    ORDER_EXPIRED: (Cause.EXPIRED, EventType.EXPIRED),
    ORDER_REPLACED: (Cause.REPLACED, EventType.REPLACED),
    ORDER_TRIGGERED: (Cause.TRIGGERED, EventType.TRIGGERED),
    ORDER_REDUCED: (Cause.REDUCED, EventType.REDUCED),
    CANCEL_REJECTED: (Cause.CANCEL_REJECTED, EventType.CANCEL_REJECTED),
    REPLACE_REJECTED: (Cause.REPLACE_REJECTED, EventType.REPLACE_REJECTED),
}
cdef int causes[MOST_KINDS]
cdef int event_types[MOST_KINDS]
# What lifecycle says, by status, cause, whether anything is filled, whether all is; 0: it refuses.
cdef int next_status[MOST_STATUSES][MOST_CAUSES][2][2]
cdef int FILL = Cause.FILL
cdef int PARTLY_FILLED = EventType.PARTIALLY_FILLED
cdef int WHOLLY_FILLED = EventType.FILLED
cdef str SPENT = "BUDGET_EXHAUSTED"
cdef int BELOW_EXECUTED = records_pb2.Reason.BELOW_EXECUTED
cdef int REPLACE_PENDING = Status.REPLACE_PENDING
_SIDE_LABELS = {int(side): side.name.lower() for side in Side}
# A named tuple's own constructor costs half as much again as this, which is all it does.
cdef object _new = tuple.__new__


def _load_tables():
    for kind, (cause, event_type) in _KINDS.items():
        causes[<int>kind], event_types[<int>kind] = cause, event_type
    for status in Status:
        for cause in Cause:
            for filled, whole in ((0, 0), (0, 1), (1, 0), (1, 1)):
                try:
                    found = lifecycle.after(status, cause, filled_lots=filled, whole=bool(whole))
                except NotApplicableError:
                    found = 0
                next_status[<int>status][<int>cause][<int>filled][<int>whole] = found


_load_tables()


@cython.final
cdef class Row:
    """An order as it stands, and as it will be written. Quantities in lots, prices in ticks."""

    cdef readonly int64_t id, account_id, instrument_id
    cdef readonly int side, status
    cdef readonly int64_t version, lots, filled_lots, remaining_lots
    cdef readonly object filled_tick_lots  # sum of price x quantity of its fills
    cdef readonly int64_t price_ticks, cap_ticks
    cdef readonly object maker_fee_ppm, taker_fee_ppm
    cdef readonly bint by_amount  # it is filled when what is left of its amount pays for no lot
    cdef readonly int64_t events  # number of its last event
    cdef int64_t found            # the same before any was applied
    cdef readonly str reason
    cdef readonly uint64_t sequence
    cdef readonly bint ended     # whether these events have ended it
    cdef readonly bint repriced  # whether they have changed its price, cap or quantity
    cdef readonly int64_t trigger_ticks  # the trigger with which it was repriced; 0: none
    cdef readonly int64_t triggered_us  # when its trigger traded, if one of these events says so
    cdef readonly str replace_reason  # why one of them has refused a replace
    cdef readonly bint seldom  # whether one of the four above is set
    cdef bint touched

    def __init__(
        self, int64_t order_id, int64_t account_id, int64_t instrument_id, int side, int status,
        int64_t version, int64_t lots, int64_t filled_lots, int64_t remaining_lots,
        filled_tick_lots, int64_t price_ticks, int64_t cap_ticks, maker_fee_ppm, taker_fee_ppm,
        int64_t events, str reason=None, uint64_t sequence=0, bint by_amount=False,
    ):
        assert 0 < status < MOST_STATUSES
        self.id, self.account_id, self.instrument_id = order_id, account_id, instrument_id
        self.side, self.status, self.version = side, status, version
        self.lots, self.filled_lots, self.remaining_lots = lots, filled_lots, remaining_lots
        self.filled_tick_lots = filled_tick_lots
        self.price_ticks, self.cap_ticks = price_ticks, cap_ticks
        self.maker_fee_ppm, self.taker_fee_ppm = maker_fee_ppm, taker_fee_ppm
        self.events = self.found = events
        self.reason, self.sequence = reason, sequence
        self.by_amount = by_amount

    def change(self, str average):
        """What is written of it; `average` is its average price."""
        return _new(ChangeRow, (
            self.id, self.instrument_id, self.status, self.filled_lots, self.remaining_lots,
            str(self.filled_tick_lots), average, self.reason, self.sequence, self.events,
            self.found,
        ))

    cdef int move(self, int cause, int64_t filled_lots, bint whole) except -1:
        """To the state that lifecycle.after says; raises NotApplicableError."""
        cdef int found = next_status[self.status][cause][filled_lots != 0][whole]
        if not found:
            lifecycle.after(self.status, cause, filled_lots=filled_lots, whole=whole)
        self.status = found
        return 0


cdef class Applying:
    """Applies events, in order, to the rows of the orders they name."""

    cdef readonly dict rows, touched, last_prices
    cdef readonly list events, trades
    cdef readonly object tally
    cdef int64_t _market
    cdef dict _quote_units

    def __init__(self, int64_t market, dict rows not None, dict quote_units not None):
        """`quote_units` of a tick x lot by instrument id."""
        self.rows = rows
        self.touched = {}
        self.events = []
        self.trades = []
        self.last_prices = {}
        self.tally = Tally()
        self._market = market << TRADE_NUMBER_BITS
        self._quote_units = quote_units

    def apply(self, Event event not None):
        """One event. Raises UnfitError."""
        try:
            if event.kind == TRADE:
                self._trade(event)
            else:
                self._change(event)
        except (NotApplicableError, OverflowError) as error:
            raise UnfitError(event.sequence, str(error)) from error

    cdef Row _row(self, Event event, int64_t order_id, int64_t account_id):
        number = order_id
        cdef Row row = self.rows.get(number)
        if row is None:
            raise UnfitError(event.sequence, f"there is no order {order_id}")
        if not row.touched:
            row.touched = True
            self.touched[number] = row
        if row.account_id != account_id:
            text = f"order {order_id} is of account {row.account_id}, not {account_id}"
            raise UnfitError(event.sequence, text)
        return row

    cdef int _trade(self, Event event) except -1:
        cdef Row taker = self._row(event, event.taker_order_id, event.taker_account_id)
        cdef Row maker = self._row(event, event.maker_order_id, event.maker_account_id)
        cdef bint auction = event.side == 0
        if taker.side == maker.side or not (auction or taker.side == event.side):
            raise UnfitError(event.sequence, "taker and maker are not on the sides it says")
        self.last_prices[event.instrument_id] = event.price_ticks
        price: object = event.price_ticks
        tick_lots = price * event.quantity_lots
        quote = tick_lots * self._quote_units[event.instrument_id]
        self._fill(
            taker, event, tick_lots,
            event.taker_version, event.taker_remaining_lots, event.taker_cumulative_lots,
        )
        self._fill(
            maker, event, tick_lots,
            event.maker_version, event.maker_remaining_lots, event.maker_cumulative_lots,
        )
        # In an auction nobody is the aggressor, and both pay the maker rate.
        taker_rate = taker.maker_fee_ppm if auction else taker.taker_fee_ppm
        self._side(taker, event, money.fee(quote, taker_rate), auction)
        self._side(maker, event, money.fee(quote, maker.maker_fee_ppm), True)
        return 0

    cdef int _fill(
        self, Row row, Event event, object tick_lots,
        int64_t version, int64_t remaining, int64_t cumulative,
    ) except -1:
        cdef int64_t filled = row.filled_lots + event.quantity_lots
        cdef int64_t left = row.remaining_lots - event.quantity_lots
        cdef int previous = row.status
        cdef bint whole = left == 0
        if version != row.version or remaining != left or cumulative != filled:
            raise UnfitError(
                event.sequence,
                f"order {row.id} would be at version {row.version} with {filled} lots filled and "
                f"{left} left, the event says {version}, {cumulative} and {remaining}",
            )
        row.move(FILL, filled, whole)
        row.filled_lots, row.remaining_lots = filled, left
        row.filled_tick_lots += tick_lots
        if whole:
            row.ended = True
            self.tally.filled[_SIDE_LABELS[row.side]] += 1
        row.events += 1
        row.sequence = event.sequence
        self.events.append(_new(EventRow, (
            row.id, row.events, row.account_id, row.instrument_id,
            WHOLLY_FILLED if whole else PARTLY_FILLED, previous, row.status,
            event.quantity_lots, event.price_ticks, self._market | event.trade_number, None,
            event.sequence,
        )))
        return 0

    cdef int _side(self, Row row, Event event, object fee, bint maker) except -1:
        self.trades.append(_new(TradeRow, (
            row.account_id, event.time_unix_ns // 1_000, self._market | event.trade_number,
            row.side, row.id, row.instrument_id, event.price_ticks, event.quantity_lots, str(fee),
            maker, event.sequence,
        )))
        return 0

    cdef int _change(self, Event event) except -1:
        cdef Row row = self._row(event, event.order_id, event.account_id)
        cdef int previous = row.status
        cdef int kind = event.kind
        cdef int cause = causes[kind], event_type = event_types[kind]
        cdef str reason = REASONS[event.reason]
        cdef bint spent = False
        if kind != CANCEL_REJECTED and kind != REPLACE_REJECTED:
            _check(row, event)
        if row.by_amount and row.filled_lots and kind == ORDER_CANCELED and reason == SPENT:
            cause, event_type, reason, spent = FILL, WHOLLY_FILLED, None, True
        row.move(cause, row.filled_lots, spent)
        if kind == ORDER_REDUCED:
            row.remaining_lots = event.remaining_lots
        elif kind == ORDER_REPLACED:
            row.version = event.version
            row.price_ticks, row.cap_ticks = event.price_ticks, event.cap_ticks
            row.remaining_lots = event.remaining_lots
            row.lots = row.filled_lots + event.remaining_lots
            row.trigger_ticks = event.trigger_ticks
            row.repriced = row.seldom = True
        elif kind == ORDER_TRIGGERED:
            row.triggered_us = event.time_unix_ns // 1_000
            row.seldom = True
        elif kind == ORDER_CANCELED or kind == ORDER_REJECTED or kind == ORDER_EXPIRED:
            self._end(row, kind, reason, spent)
        elif kind == REPLACE_REJECTED or previous == REPLACE_PENDING and kind == CANCEL_REJECTED:
            row.replace_reason, row.seldom = reason, True
        row.events += 1
        row.sequence = event.sequence
        self.events.append(_new(EventRow, (
            row.id, row.events, row.account_id, row.instrument_id, event_type, previous,
            row.status, 0, 0, 0, reason, event.sequence,
        )))
        return 0

    cdef int _end(self, Row row, int kind, str reason, bint spent) except -1:
        row.ended = True
        row.reason = reason
        if spent:
            self.tally.filled[_SIDE_LABELS[row.side]] += 1
        elif kind == ORDER_CANCELED:
            self.tally.canceled += 1
        elif kind == ORDER_REJECTED:
            self.tally.rejected[reason or ""] += 1
        return 0


cdef int _check(Row row, Event event) except -1:
    """The event speaks of the order as it stands; a replace of its next version.

    So does the end that a replace to no more than what is filled by then comes to.
    """
    cdef int kind = event.kind
    cdef bint entering = kind == ORDER_ACCEPTED or kind == ORDER_TRIGGERED
    cdef int64_t left = event.quantity_lots if entering else event.remaining_lots
    cdef bint fits = event.version == row.version
    if kind == ORDER_REPLACED or (kind == ORDER_CANCELED and event.reason == BELOW_EXECUTED):
        fits = event.version > row.version
    if kind == ORDER_ACCEPTED:
        fits = fits and left == row.remaining_lots
    else:
        fits = fits and event.cumulative_lots == row.filled_lots
    if kind == ORDER_CANCELED or kind == ORDER_REJECTED or kind == ORDER_EXPIRED:
        fits = fits and left == row.remaining_lots
    elif kind == ORDER_REDUCED:
        fits = fits and 0 < left < row.remaining_lots
    if not fits:
        raise UnfitError(
            event.sequence,
            f"order {row.id} is at version {row.version} with {row.filled_lots} lots filled "
            f"and {row.remaining_lots} left, the event says {event.version}, "
            f"{event.cumulative_lots} and {left}",
        )
    return 0
