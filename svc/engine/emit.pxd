"""Events of the engine: the one place that fills their records and closes a command.

Records are written as 64-bit words, not field by field: the running hash reads words right after,
and a load that spans several younger stores would stall.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from svc.engine.records cimport (
    COMMAND_REJECTED,
    FLAG_END_OF_COMMAND,
    INDICATIVE_PRICE,
    INSTRUMENT_CHANGED,
    ORDER_ACCEPTED,
    ORDER_REJECTED,
    ORDER_REPLACED,
    ORDER_TRIGGERED,
    RECORD_WORDS,
    STATE_CHANGED,
    TRADE,
    Command,
)
from svc.engine.running_hash cimport chain_record
from svc.engine.state cimport Book, Level, Order, State, price_of, stop_of, take_event


cdef inline uint32_t traits_of(const Command *c) noexcept nogil:
    # The second to fifth byte of a command as they stand, the self-trade mode beside the side.
    cdef uint64_t head = (<const uint64_t *>c)[0]
    return <uint32_t>(head >> 8) | <uint32_t>(head >> 40 & 0xF) << 4


cdef inline uint64_t head_of(uint32_t kind, uint32_t reason, uint32_t traits) noexcept nogil:
    return (
        <uint64_t>kind
        | <uint64_t>(traits & 0xF) << 8
        | <uint64_t>reason << 16
        | <uint64_t>(traits >> 8) << 24
        | <uint64_t>((traits >> 4) & 0xF) << 48
    )


cdef inline uint64_t *emit(
    State *s,
    uint64_t head,
    uint32_t instrument_id,
    int32_t version,
    int64_t order_id,
    int64_t account_id,
    int64_t price,
    int64_t quantity,
    int64_t remaining,
    int64_t cumulative,
) noexcept nogil:
    # Returns the record's words; 10 to 15 differ by kind and are zero until set.
    cdef uint64_t *words = <uint64_t *>take_event(s)
    words[0] = s.sequence
    words[1] = <uint64_t>s.time_ns
    words[2] = head
    words[3] = instrument_id | <uint64_t><uint32_t>version << 32
    words[4] = <uint64_t>order_id
    words[5] = <uint64_t>account_id
    words[6] = <uint64_t>price
    words[7] = <uint64_t>quantity
    words[8] = <uint64_t>remaining
    words[9] = <uint64_t>cumulative
    words[10] = 0
    words[11] = 0
    words[12] = 0
    words[13] = 0
    words[14] = 0
    words[15] = 0
    return words


cdef inline uint64_t *emit_order(
    State *s,
    uint32_t kind,
    uint32_t reason,
    uint32_t instrument_id,
    const Order *order,
    int64_t price,
    int64_t quantity,
    int64_t remaining,
) noexcept nogil:
    return emit(
        s,
        head_of(kind, reason, order.traits),
        instrument_id,
        order.version,
        order.id,
        order.account_id,
        price,
        quantity,
        remaining,
        order.cumulative,
    )


cdef inline void emit_accepted(State *s, const Command *c, const Order *order) noexcept nogil:
    cdef uint64_t *words = emit_order(
        s, ORDER_ACCEPTED, 0, c.instrument_id, order, c.price, order.remaining, order.remaining
    )
    words[9] = <uint64_t>stop_of(s, order).activation
    words[10] = <uint64_t>order.cap
    words[11] = <uint64_t>stop_of(s, order).trigger
    words[12] = <uint64_t>c.display
    words[13] = <uint64_t>c.expire_ns
    words[14] = <uint64_t>(c.trail_offset + c.budget)


cdef inline void emit_request_rejected(
    State *s, uint32_t kind, uint32_t reason, const Command *c
) noexcept nogil:
    emit(
        s, kind | <uint64_t>reason << 16, c.instrument_id, c.version, c.order_id, c.account_id,
        0, 0, 0, 0,
    )


cdef inline void emit_order_rejected(State *s, uint32_t reason, const Command *c) noexcept nogil:
    # Echoes what was asked for, even where it makes no sense; of the flags only those of a command.
    cdef uint64_t head = (
        <uint64_t>ORDER_REJECTED
        | <uint64_t>c.side << 8
        | <uint64_t>reason << 16
        | <uint64_t>c.order_type << 24
        | <uint64_t>c.tif << 32
        | <uint64_t>(c.flags & 3) << 40
        | <uint64_t>c.stp_mode << 48
    )
    emit(
        s, head, c.instrument_id, c.version, c.order_id, c.account_id, c.price, c.quantity, 0, 0
    )


cdef inline void emit_command_rejected(
    State *s, uint32_t reason, const Command *c
) noexcept nogil:
    # Of a command that is on no order: its kind stands where orders have their type.
    emit(
        s, COMMAND_REJECTED | <uint64_t>reason << 16 | <uint64_t>c.kind << 24, c.instrument_id,
        c.version, 0, c.account_id, 0, 0, 0, 0,
    )


cdef inline uint64_t *emit_trade(
    State *s, uint32_t instrument_id, const Order *taker, const Order *maker, int64_t price,
    int64_t lots,
) noexcept nogil:
    cdef uint64_t *words = emit_order(
        s, TRADE, 0, instrument_id, taker, price, lots, taker.remaining
    )
    s.trade_number += 1
    words[10] = <uint64_t>maker.id
    words[11] = <uint64_t>maker.account_id
    words[12] = <uint64_t>maker.remaining
    words[13] = <uint64_t>maker.cumulative
    words[14] = <uint64_t>s.trade_number
    words[15] = <uint32_t>maker.version
    return words


cdef inline void emit_replaced(
    State *s, uint32_t instrument_id, const Order *order, uint32_t flags, int64_t price,
    int64_t old_price, int64_t old_remaining, int64_t expire_ns, int64_t trigger,
) noexcept nogil:
    cdef uint64_t *words = emit_order(
        s, ORDER_REPLACED, 0, instrument_id, order, price,
        order.cumulative + order.remaining, order.remaining,
    )
    words[2] |= <uint64_t>flags << 40
    words[10] = <uint64_t>order.cap
    words[11] = <uint64_t>old_price
    words[12] = <uint64_t>old_remaining
    words[13] = <uint64_t>expire_ns
    words[14] = <uint64_t>trigger


cdef inline void emit_triggered(
    State *s, uint32_t instrument_id, const Order *order, int64_t price, int64_t traded
) noexcept nogil:
    cdef uint64_t *words = emit_order(
        s, ORDER_TRIGGERED, 0, instrument_id, order, price, order.remaining, order.remaining
    )
    words[10] = <uint64_t>stop_of(s, order).trigger
    words[11] = <uint64_t>traded


cdef inline void emit_instrument(
    State *s, uint32_t reason, uint32_t instrument_id, int32_t version, const Book *book
) noexcept nogil:
    # The definition that holds from here on; of an unknown instrument zeros.
    cdef uint64_t head = INSTRUMENT_CHANGED | <uint64_t>reason << 16
    cdef uint64_t *words
    if book == NULL:
        emit(s, head, instrument_id, version, 0, 0, 0, 0, 0, 0)
        return
    head |= <uint64_t>book.perpetual << 40 | <uint64_t>book.band_auction << 41
    head |= <uint64_t>book.state << 56
    words = emit(
        s, head, instrument_id, version, 0, 0, book.reference_price, book.max_quantity,
        book.min_ticks, book.max_ticks,
    )
    words[10] = book.collar_bps
    words[11] = book.band_bps


cdef inline void emit_state(
    State *s, uint32_t reason, uint32_t instrument_id, int32_t version, uint32_t previous,
    uint32_t current,
) noexcept nogil:
    emit(
        s,
        STATE_CHANGED
        | <uint64_t>reason << 16
        | <uint64_t>previous << 48
        | <uint64_t>current << 56,
        instrument_id, version, 0, 0, 0, 0, 0, 0,
    )


cdef inline void emit_indicative(State *s, const Book *book) noexcept nogil:
    emit(
        s, INDICATIVE_PRICE, book.instrument_id, 0, 0, 0, book.indicated_price,
        book.indicated_lots, book.indicated_surplus, 0,
    )


cdef inline void close_command(State *s, uint64_t first) noexcept nogil:
    # Marks the last event since `first` and takes them all into the running hash.
    cdef uint64_t running_hash = s.running_hash
    cdef uint64_t *words
    cdef uint64_t i
    if s.event_count == first:
        return
    words = <uint64_t *>&s.events[s.event_count - 1]
    words[2] |= <uint64_t>FLAG_END_OF_COMMAND << 40
    for i in range(first, s.event_count - 1):
        running_hash = chain_record(running_hash, <const uint64_t *>&s.events[i])
    s.running_hash = chain_record(running_hash, words)
