"""Which new orders are accepted, and which orders may be changed in which state.

A command always has a defined outcome: what makes no sense is refused with a reason, so every
record may stand in a log.

Invariant: looking changes nothing. The order of the rules is part of the contract
(docs/matching.md, New orders).
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from svc.engine.matching cimport would_take
from svc.engine.orders cimport is_taken
from svc.engine.queue cimport is_beyond
from svc.engine.records cimport *
from svc.engine.state cimport Book, Order, State, unlikely
from svc.engine.stops cimport is_through, sleeps
from svc.engine.trailing cimport WHOLE_BPS

cdef enum:
    MAX_ORDERS = 134217728

cdef extern from *:
    """
    #define MAX_TICKS ((int64_t)1000000000000000)
    /* Bytes of a command's head from the side on: side, type, time in force, flags, self-trade
       mode. Of a plain order BUY or SELL, LIMIT, GTC or IOC, none, any mode from the first on. */
    #define LAST_OF_HEAD ((uint64_t)0xFFFFFFFFFF)
    #define LEAST_OF_PLAIN ((uint64_t)0x0100010101)
    #define MOST_ABOVE_PLAIN ((uint64_t)0x0700010001)
    """
    const int64_t MAX_TICKS
    const uint64_t LAST_OF_HEAD
    const uint64_t LEAST_OF_PLAIN
    const uint64_t MOST_ABOVE_PLAIN


cdef inline Book *find_book(State *s, uint32_t instrument_id) noexcept nogil:
    # NULL for an instrument the market does not know.
    if instrument_id > MAX_INSTRUMENT_ID or s.book_of[instrument_id] == 0:
        return NULL
    return &s.books[s.book_of[instrument_id]]


cdef inline bint is_shape_known(const Command *c) noexcept nogil:
    return (
        c.order_id > 0
        and c.account_id > 0
        and (c.side == BUY or c.side == SELL)
        and LIMIT <= c.order_type <= STOP_MARKET
        and GTC <= c.tif <= FOK_BUDGET
        and STP_NONE <= c.stp_mode <= DECREMENT_AND_CANCEL
        and (c.flags & ~(FLAG_POST_ONLY | FLAG_REDUCE_ONLY)) == 0
        and c.version > 0
        and (c.new_order_id | c.stp_group) == 0
    )


cdef inline bint is_limit_consistent(const Command *c) noexcept nogil:
    if c.cap != 0 and c.price != 0 and is_beyond(c.side, c.price, c.cap):
        return False
    if c.tif == FOK_BUDGET:
        return c.order_type == LIMIT and c.budget > 0 and c.price >= 0 and c.flags == 0
    return c.budget == 0 and c.price > 0


cdef inline bint is_stop(const Command *c) noexcept nogil:
    return c.order_type >= STOP_LIMIT


cdef inline bint is_by_amount(const Command *c) noexcept nogil:
    # A market order that buys for an amount.
    return c.order_type == MARKET and c.side == BUY and c.tif == IOC and c.budget > 0


cdef inline bint is_market_consistent(const Command *c) noexcept nogil:
    if c.price != 0 or (c.budget != 0 and not is_by_amount(c)):
        return False
    return c.tif == IOC or c.tif == FOK


cdef inline bint is_trail_consistent(const Command *c) noexcept nogil:
    # The distance of a trailing stop, and an activation price that lies before its trigger.
    if c.activation < 0 or c.trail_offset == 0 or not -WHOLE_BPS < c.trail_offset <= MAX_TICKS:
        return False
    if c.activation == 0:
        return True
    return c.activation < c.trigger if c.side == BUY else c.activation > c.trigger


cdef inline bint is_consistent(const Command *c) noexcept nogil:
    # Fields that say the same thing agree, and those that do not apply are zero.
    cdef bint may_rest = c.tif == GTC or c.tif == GTD
    if c.cap < 0 or c.display < 0 or c.display > c.quantity:
        return False
    if (c.tif == GTD) != (c.expire_ns != 0):
        return False
    if not may_rest and (c.flags & FLAG_POST_ONLY or c.display != 0):
        return False
    if c.flags & FLAG_REDUCE_ONLY and c.tif == FOK:
        return False
    if c.trail_offset != 0 or c.activation != 0:
        if not is_stop(c) or not is_trail_consistent(c):
            return False
    if is_stop(c) != (c.trigger != 0) or c.trigger < 0 or (is_stop(c) and c.flags & FLAG_POST_ONLY):
        return False
    if c.order_type == MARKET or c.order_type == STOP_MARKET:
        return is_market_consistent(c)
    return is_limit_consistent(c)


cdef inline bint is_collected(const Command *c) noexcept nogil:
    # What an auction takes: what can stand there until the uncross, and stops.
    if c.order_type == LIMIT:
        return (c.tif == GTC or c.tif == GTD) and not c.flags & FLAG_POST_ONLY
    if c.order_type == MARKET:
        return c.tif == IOC and c.budget == 0
    return True


cdef inline bint is_open(uint32_t state) noexcept nogil:
    # Whether orders may be moved and replaced.
    return state == TRADING or state == LIMIT_ONLY or state == POST_ONLY or state == AUCTION


cdef inline bint is_admitted(uint32_t state, const Command *c) noexcept nogil:
    if state == TRADING:
        return True
    if state == POST_ONLY:
        return c.flags & FLAG_POST_ONLY
    if state == AUCTION:
        return is_collected(c)
    return state == LIMIT_ONLY and c.price != 0 and c.order_type == LIMIT


cdef inline bint is_plain(const Command *c) noexcept nogil:
    # A limit order, GTC or IOC, whose shape is known and whose fields are consistent: what most
    # orders are, told by a few comparisons. Others may be all right too. What a byte of the head
    # is above the least that it may be has these bits at most; one below it borrows, and has more.
    cdef uint64_t above = ((<const uint64_t *>c)[0] >> 8 & LAST_OF_HEAD) - LEAST_OF_PLAIN
    cdef int64_t given = c.order_id | c.account_id | c.price | c.version | c.cap
    cdef int64_t less_one = c.order_id - 1 | c.account_id - 1 | c.price - 1 | c.version - 1
    return (
        (above & ~MOST_ABOVE_PLAIN) == 0
        and c.stp_mode <= DECREMENT_AND_CANCEL
        and (c.stp_group | c.trigger | c.display | c.budget | c.expire_ns | c.trail_offset
             | c.new_order_id | c.activation) == 0
        and (given | less_one) >= 0
        and (c.cap == 0 or not is_beyond(c.side, c.price, c.cap))
    )  # fmt: skip


cdef inline bint would_new_take(State *s, const Command *c) noexcept nogil:
    cdef Order order
    order.traits = c.side
    return would_take(s, find_book(s, c.instrument_id), &order, c.price)


cdef inline uint32_t refusal_of_new(State *s, const Command *c) noexcept nogil:
    # The first rule that the order breaks; NO_REASON when it is accepted. The order of the rules
    # is part of the contract.
    cdef Book *book = find_book(s, c.instrument_id)
    cdef bint plain = is_plain(c)
    if unlikely(not plain and not is_shape_known(c)):
        return INVALID_COMMAND
    if unlikely(book == NULL):
        return UNKNOWN_INSTRUMENT
    if unlikely(c.quantity <= 0 and not (c.quantity == 0 and is_by_amount(c))):
        return QUANTITY_OUT_OF_RANGE
    if unlikely(c.quantity > book.max_quantity):
        return QUANTITY_OUT_OF_RANGE
    if unlikely(not plain and not is_consistent(c)):
        return INVALID_COMMAND
    if unlikely(c.flags & FLAG_REDUCE_ONLY and not book.perpetual):
        return REDUCE_ONLY
    if unlikely(is_taken(s, c.order_id)):
        return DUPLICATE_ORDER_ID
    if unlikely(not is_admitted(book.state, c)):
        return MARKET_STATE
    if c.price != 0 and (c.price < book.min_ticks or c.price > book.max_ticks):
        return PRICE_OUT_OF_RANGE
    if plain:
        return BOOK_FULL if unlikely(s.live_orders >= MAX_ORDERS) else 0
    if c.trigger != 0 and (c.trigger < book.min_ticks or c.trigger > book.max_ticks):
        return PRICE_OUT_OF_RANGE
    if c.activation != 0 and (c.activation < book.min_ticks or c.activation > book.max_ticks):
        return PRICE_OUT_OF_RANGE
    if c.tif == GTD and c.expire_ns <= s.time_ns:
        return EXPIRED
    if unlikely(s.live_orders >= MAX_ORDERS):
        return BOOK_FULL
    if c.flags & FLAG_POST_ONLY and would_new_take(s, c):
        return POST_ONLY_WOULD_TAKE
    if c.trigger != 0 and is_through(book, c.side, c.trigger):
        return STOP_WOULD_TRIGGER if not sleeps(book, c.side, c.activation) else 0
    return 0
