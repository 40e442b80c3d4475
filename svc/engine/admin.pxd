"""What a command on a market does: instruments, states, mass cancels; and what time does.

Invariant: a definition or state at or below the known version changes nothing and makes no event.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort

from svc.engine.acceptance cimport MAX_TICKS, find_book
from svc.engine.auction cimport indicate, uncross
from svc.engine.emit cimport close_command, emit_command_rejected, emit_instrument, emit_state
from svc.engine.groups cimport put_group
from svc.engine.matching cimport put_state
from svc.engine.pages cimport slab_free, slab_grow
from svc.engine.queue cimport end_resting, side_of
from svc.engine.records cimport *
from svc.engine.stops cimport resume_stops
from svc.engine.state cimport Book, Order, State

cdef enum:
    MAX_BPS = 10000

cdef extern from *:
    """
    #define MAX_LOTS ((int64_t)1000000000000000)
    """
    const int64_t MAX_LOTS

cdef struct Victim:
    int64_t order_id
    uint32_t index


cdef inline int by_order_id(const void *a, const void *b) noexcept nogil:
    cdef int64_t left = (<const Victim *>a).order_id
    cdef int64_t right = (<const Victim *>b).order_id
    return (left > right) - (left < right)


cdef inline void cancel_matching(
    State *s, uint32_t reason, int64_t account_id, uint32_t instrument_id, uint32_t side
) noexcept nogil:
    # In ascending order id, whatever the slab's order is; 0 matches every value.
    cdef size_t bytes = (s.live_orders + 1) * sizeof(Victim)
    cdef Victim *victims = <Victim *>slab_grow(NULL, 0, bytes)
    cdef uint32_t count = 0
    cdef uint32_t index
    cdef const Order *order
    for index in range(1, s.order_high):
        order = &s.orders[index]
        if order.id == 0 or (account_id != 0 and order.account_id != account_id):
            continue
        if side != 0 and side_of(order) != side:
            continue
        if instrument_id != 0 and (
            s.books[s.levels[order.level].book].instrument_id != instrument_id
        ):
            continue
        victims[count].order_id = order.id
        victims[count].index = index
        count += 1
    qsort(victims, count, sizeof(Victim), &by_order_id)
    for index in range(count):
        end_resting(s, reason, ORDER_CANCELED, victims[index].index)
    slab_free(victims, bytes)


cdef inline void mass_cancel(State *s, const Command *c) noexcept nogil:
    if c.account_id < 0 or c.side > SELL:
        emit_command_rejected(s, INVALID_COMMAND, c)
    elif c.instrument_id != 0 and find_book(s, c.instrument_id) == NULL:
        emit_command_rejected(s, UNKNOWN_INSTRUMENT, c)
    else:
        cancel_matching(s, MASS_CANCELED, c.account_id, c.instrument_id, c.side)


cdef inline bint is_definition_valid(const InstrumentCommand *c) noexcept nogil:
    return (
        0 < c.instrument_id <= MAX_INSTRUMENT_ID
        and c.version > 0
        and c.state <= HALTED
        and c.perpetual <= 1
        and c.band_auction <= 1
        and 0 < c.max_quantity <= MAX_LOTS
        and 0 < c.min_ticks <= c.max_ticks
        and c.max_ticks <= MAX_TICKS
        and 0 <= c.reference_price <= MAX_TICKS
        and c.collar_bps <= MAX_BPS
        and c.band_bps <= MAX_BPS
    )


cdef inline Book *add_book(State *s, uint32_t instrument_id, uint32_t state) noexcept nogil:
    cdef Book *book
    if s.book_count + 1 == s.book_capacity:
        s.books = <Book *>slab_grow(
            s.books, s.book_capacity * sizeof(Book), 2 * s.book_capacity * sizeof(Book)
        )
        s.book_capacity *= 2
    s.book_count += 1
    s.book_of[instrument_id] = s.book_count
    book = &s.books[s.book_count]
    book.instrument_id = instrument_id
    put_state(s, book, state)
    return book


cdef inline uint32_t definition_refusal(
    const Book *book, const InstrumentCommand *c
) noexcept nogil:
    # Why an instrument may not be defined like this; `book` is NULL when it is not known yet.
    if not is_definition_valid(c):
        return INVALID_COMMAND
    if book == NULL or c.version <= book.version:
        return 0
    if book.state == DELISTED:
        return DELISTED_INSTRUMENT
    return INVALID_COMMAND if c.perpetual != book.perpetual else 0


cdef inline void set_instrument(State *s, const InstrumentCommand *c) noexcept nogil:
    cdef Book *book = find_book(s, c.instrument_id)
    cdef uint32_t reason = definition_refusal(book, c)
    if reason != 0:
        emit_instrument(s, reason, c.instrument_id, c.version, book)
        return
    if book == NULL:
        book = add_book(s, c.instrument_id, c.state if c.state != 0 else HALTED)
    elif c.version <= book.version:
        return
    book.version = c.version
    book.perpetual = c.perpetual
    book.max_quantity = c.max_quantity
    book.min_ticks = c.min_ticks
    book.max_ticks = c.max_ticks
    book.reference_price = c.reference_price
    book.collar_bps = c.collar_bps
    book.band_bps = c.band_bps
    book.band_auction = c.band_auction
    emit_instrument(s, NO_REASON, c.instrument_id, c.version, book)


cdef inline void set_state(State *s, const Command *c) noexcept nogil:
    # The wanted state stands where an order has its side.
    cdef Book *book = find_book(s, c.instrument_id)
    cdef uint32_t previous
    if book == NULL:
        emit_state(s, UNKNOWN_INSTRUMENT, c.instrument_id, c.version, 0, 0)
        return
    if c.version <= book.state_version:
        return
    previous = book.state
    if c.side == 0 or c.side > DELISTED or previous == DELISTED:
        emit_state(s, INVALID_COMMAND, c.instrument_id, c.version, previous, previous)
        return
    book.state_version = c.version
    put_state(s, book, c.side)
    emit_state(s, OPERATOR, c.instrument_id, c.version, previous, c.side)
    if c.side == DELISTED:
        cancel_matching(s, DELISTED_INSTRUMENT, 0, c.instrument_id, 0)
    elif c.side != AUCTION and c.side != HALTED:
        uncross(s, s.book_of[c.instrument_id])
        resume_stops(s, s.book_of[c.instrument_id])


cdef inline void set_group(State *s, const Command *c) noexcept nogil:
    # Counts from the next command on, also for orders that rest.
    if c.account_id <= 0 or c.stp_group < 0:
        emit_command_rejected(s, INVALID_COMMAND, c)
    else:
        put_group(s, c.account_id, c.stp_group)


cdef inline void begin_version(State *s, const Command *c, bint is_alone) noexcept nogil:
    # In the state alone: what follows stands in a segment of that version, and is not for this
    # engine. A command behind it in its batch would be.
    if not is_alone or c.version < <int64_t>s.semantic_version:
        emit_command_rejected(s, INVALID_COMMAND, c)
    else:
        s.semantic_version = c.version


cdef inline void expire_due(State *s) noexcept nogil:
    # An order is expired when now >= its expiry. Each expiry stands as a command of its own.
    cdef uint64_t first
    while s.deadline_count > 0 and s.deadlines[1].expire_ns <= s.time_ns:
        first = s.event_count
        end_resting(s, EXPIRED, ORDER_EXPIRED, s.deadlines[1].order)
        indicate(s, first)
        close_command(s, first)
