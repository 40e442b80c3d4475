# cython: language_level=3, boundscheck=False, wraparound=False
"""Events of the log as orders and the wallet need them.

Keeps: what is read is a contiguous piece of one log, from the position it begins at; every trade,
replace and release in it has its effect, in order, and nothing else has one. The effects are
written as wire bytes at once, because building the wallet's messages costs more than matching did.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from svc.kit.market_events cimport (
    CANCEL_REJECTED,
    COMMAND_REJECTED,
    INDICATIVE_PRICE,
    INSTRUMENT_CHANGED,
    ORDER_ACCEPTED,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_REDUCED,
    ORDER_REJECTED,
    ORDER_REPLACED,
    ORDER_TRIGGERED,
    REPLACE_REJECTED,
    STATE_CHANGED,
    TRADE,
    Event,
    EventBatch,
)
from svc.kit.wire cimport LENGTH, put_number, put_varint

from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2

from svc.order.applied import UnfitError
from svc.order.instrument import MarketState
from svc.order.market import Position

cdef enum:
    SELL = 2
    # Field numbers of wallet.v1 Effect, and of SettleTradeRequest.effects.
    SPOT_TRADE = 2
    PERPETUAL_TRADE = 3
    REPLACE = 4
    RELEASE = 5
    EFFECTS = 4
    # At most eleven numbers of eleven bytes.
    MOST_KIND_BYTES = 128
    # Those, a sequence, two tags and two lengths.
    MOST_EFFECT_BYTES = 160


class LogBreakError(Exception):
    """A batch does not continue the log at the position: lost, doubled, or of another log."""


cdef class Effects:
    """Effects of a wallet.v1 SettleTradeRequest, written one behind the other."""

    cdef uint8_t* _start
    cdef Py_ssize_t _used
    cdef Py_ssize_t _size

    def __dealloc__(self):
        PyMem_Free(self._start)

    cdef int trade(self, Event event, bint perpetual) except -1:
        cdef uint8_t kind[MOST_KIND_BYTES]
        cdef uint8_t* out = kind
        # In an auction the taker is the buyer.
        cdef bint sold = event.side == SELL
        out = put_number(out, 1, event.trade_number)
        out = put_number(out, 2, event.instrument_id)
        out = put_number(out, 3, event.price_ticks)
        out = put_number(out, 4, event.quantity_lots)
        out = put_number(out, 5, event.side)
        out = put_number(out, 6, event.maker_order_id if sold else event.taker_order_id)
        out = put_number(out, 7, event.maker_version if sold else event.taker_version)
        out = put_number(out, 8, event.maker_account_id if sold else event.taker_account_id)
        out = put_number(out, 9, event.taker_order_id if sold else event.maker_order_id)
        out = put_number(out, 10, event.taker_version if sold else event.maker_version)
        out = put_number(out, 11, event.taker_account_id if sold else event.maker_account_id)
        return self._add(event.sequence, PERPETUAL_TRADE if perpetual else SPOT_TRADE, kind, out)

    cdef int release(self, Event event, int64_t remaining_lots) except -1:
        cdef uint8_t kind[MOST_KIND_BYTES]
        cdef uint8_t* out = kind
        out = put_number(out, 1, event.order_id)
        out = put_number(out, 2, event.version)
        out = put_number(out, 3, remaining_lots)
        return self._add(event.sequence, RELEASE, kind, out)

    cdef int replace(self, Event event, bint rejected) except -1:
        cdef uint8_t kind[MOST_KIND_BYTES]
        cdef uint8_t* out = kind
        out = put_number(out, 1, event.order_id)
        out = put_number(out, 2, event.version)
        out = put_number(out, 3, event.cap_ticks)
        out = put_number(out, 4, event.remaining_lots)
        out = put_number(out, 5, rejected)
        return self._add(event.sequence, REPLACE, kind, out)

    cdef int _add(self, uint64_t sequence, int field, uint8_t* kind, uint8_t* end) except -1:
        cdef uint8_t effect[MOST_EFFECT_BYTES]
        cdef uint8_t* out = put_number(effect, 1, sequence)
        cdef uint8_t* place
        out[0] = <uint8_t>(field << 3 | LENGTH)
        out = put_varint(out + 1, end - kind)
        memcpy(out, kind, end - kind)
        out += end - kind
        self._make_room()
        place = self._start + self._used
        place[0] = EFFECTS << 3 | LENGTH
        place = put_varint(place + 1, out - effect)
        memcpy(place, effect, out - effect)
        self._used = place + (out - effect) - self._start
        return 0

    cdef int _make_room(self) except -1:
        cdef uint8_t* grown
        if self._used + MOST_EFFECT_BYTES + 16 > self._size:
            grown = <uint8_t*>PyMem_Realloc(self._start, 2 * self._size + 4_096)
            if grown == NULL:
                raise MemoryError
            self._start, self._size = grown, 2 * self._size + 4_096
        return 0

    cdef bytes written(self):
        return PyBytes_FromStringAndSize(<char*>self._start, self._used)


cdef class Piece:
    """Events behind `after` up to `to`, and the request that settles them."""

    cdef readonly object after
    cdef readonly object to
    cdef readonly bytes settling  # a wallet.v1 SettleTradeRequest
    cdef readonly list events     # those that tell of orders
    cdef readonly set order_ids
    cdef readonly dict states        # new ones of instruments' markets
    cdef readonly dict price_ranges  # new lowest and highest prices of instruments

    def __cinit__(self, after):
        self.after = self.to = after
        self.events = []
        self.order_ids = set()
        self.states = {}
        self.price_ranges = {}


def read(batches, after, int market, is_perpetual):
    """The events of consecutive batches. Raises LogBreakError, and UnfitError for a foreign kind.

    `is_perpetual` says of an instrument whether it is one.
    """
    cdef Piece piece = Piece.__new__(Piece, after)
    cdef Effects effects = Effects.__new__(Effects)
    cdef EventBatch batch
    for batch in batches:
        _check_chain(batch, piece.to)
        for event in batch.events:
            _read(event, piece, effects, is_perpetual)
        piece.to = Position(
            batch.log_id,
            piece.to.sequence + len(batch.events),
            batch.running_hash,
            batch.batch_number or piece.to.batch_number,
        )
    head = wallet_pb2.SettleTradeRequest(
        market=market, after=position_message(after), to=position_message(piece.to)
    )
    # Its last field is the effects: what is written of them goes behind what is before them.
    piece.settling = head.SerializeToString() + effects.written()
    return piece


def position_message(position):
    """A position in the contract's words."""
    return trading_pb2.LogPosition(
        log_id=position.log_id, sequence=position.sequence, running_hash=position.running_hash
    )


cdef int _check_chain(EventBatch batch, object at) except -1:
    cdef Event event
    cdef uint64_t expected = at.sequence + 1
    if batch.previous_hash != at.running_hash or (at.log_id and batch.log_id != at.log_id):
        raise LogBreakError(
            f"batch {batch.batch_number} of log {batch.log_id} continues "
            f"{batch.previous_hash:016x}, the position is {at.running_hash:016x} of {at.log_id}"
        )
    for event in batch.events:
        if event.sequence != expected:
            raise LogBreakError(f"event {event.sequence} came, {expected} is next")
        expected += 1
    return 0


cdef int _read(Event event, Piece piece, Effects effects, object is_perpetual) except -1:
    cdef int kind = event.kind
    if kind == TRADE:
        piece.order_ids.add(event.taker_order_id)
        piece.order_ids.add(event.maker_order_id)
        piece.events.append(event)
        effects.trade(event, is_perpetual(event.instrument_id))
    elif ORDER_ACCEPTED <= kind <= REPLACE_REJECTED:
        piece.order_ids.add(event.order_id)
        piece.events.append(event)
        _release_or_replace(event, effects)
    elif kind == STATE_CHANGED:
        if event.state:  # none: a wish about an instrument that the market has not
            piece.states[event.instrument_id] = MarketState(event.state)
    elif kind == INSTRUMENT_CHANGED:
        if event.state:  # none: a definition that the market has refused
            piece.states[event.instrument_id] = MarketState(event.state)
            prices = (event.min_price_ticks, event.max_price_ticks)
            piece.price_ranges[event.instrument_id] = prices
    elif kind != INDICATIVE_PRICE and kind != COMMAND_REJECTED:  # which change no order
        raise UnfitError(event.sequence, "nothing is known of events of its kind")
    return 0


cdef int _release_or_replace(Event event, Effects effects) except -1:
    cdef int kind = event.kind
    if kind == ORDER_CANCELED or kind == ORDER_REJECTED or kind == ORDER_EXPIRED:
        effects.release(event, 0)
    elif kind == ORDER_REDUCED:
        effects.release(event, event.remaining_lots)
    elif kind == ORDER_REPLACED:
        effects.replace(event, False)
    elif kind == REPLACE_REJECTED:
        effects.replace(event, True)
    else:  # its hold stays as it is
        assert kind == ORDER_ACCEPTED or kind == ORDER_TRIGGERED or kind == CANCEL_REJECTED
    return 0
