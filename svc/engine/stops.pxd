"""Stop orders: who waits, whose trigger has traded, and the cascade.

Invariant: after a command in a market that is TRADING no stop waits whose trigger lies within the
prices that traded.
"""

from libc.stdint cimport int64_t, uint32_t

from svc.engine.emit cimport emit_triggered
from svc.engine.matching cimport bound_level, enter
from svc.engine.queue cimport side_of, unlink_order, wait_for_trigger
from svc.engine.records cimport BUY, FLAG_TRIGGERED, TRADING
from svc.engine.state cimport (
    BUY_STOPS,
    SELL_STOPS,
    TRAILING_BUYS,
    TRAILING_SELLS,
    Book,
    Order,
    State,
    stop_of,
)
from svc.engine.trailing cimport follow_trades, is_trailing, stand_trailing


cdef inline bint is_through(const Book *book, uint32_t side, int64_t trigger) noexcept nogil:
    # Whether the last trade has reached the trigger already.
    if book.last_price == 0:
        return False
    return book.last_price >= trigger if side == BUY else book.last_price <= trigger


cdef inline bint sleeps(const Book *book, uint32_t side, int64_t activation) noexcept nogil:
    # Whether a trailing stop has to wait for its activation price.
    if activation == 0 or book.last_price == 0:
        return activation != 0
    return book.last_price > activation if side == BUY else book.last_price < activation


cdef inline void await_trigger(State *s, uint32_t book_index, uint32_t index) noexcept nogil:
    if is_trailing(s, &s.orders[index]):
        stand_trailing(s, book_index, index)
    else:
        wait_for_trigger(s, book_index, index)
    bound_level(s, index)


cdef inline uint32_t nearest(
    const State *s, const Book *book, uint32_t plain, uint32_t trailing, int64_t reached_key
) noexcept nogil:
    # The first stop of the nearest trigger, a plain one before one that trails; 0 when its trigger
    # is not reached.
    cdef uint32_t level = book.sides[plain].best
    cdef uint32_t other = book.sides[trailing].best
    if level == 0 or (other != 0 and s.levels[other].key > s.levels[level].key):
        level = other
    return s.levels[level].head if level != 0 and s.levels[level].key >= reached_key else 0


cdef inline uint32_t next_triggered(const State *s, const Book *book) noexcept nogil:
    # Buy stops before sell stops; 0 when none is reached.
    cdef uint32_t index = nearest(s, book, BUY_STOPS, TRAILING_BUYS, -book.traded_high)
    if index == 0:
        index = nearest(s, book, SELL_STOPS, TRAILING_SELLS, book.traded_low)
    return index


cdef inline void trigger_reached(State *s, uint32_t book_index) noexcept nogil:
    # Stops enter one by one until none is reached.
    cdef Book *book = &s.books[book_index]
    cdef uint32_t index
    cdef int64_t price, traded
    cdef Order *order
    while book.state == TRADING:
        index = next_triggered(s, book)
        if index == 0:
            break
        order = &s.orders[index]
        price = stop_of(s, order).price
        traded = book.traded_high if side_of(order) == BUY else book.traded_low
        unlink_order(s, index)
        order.traits |= <uint32_t>FLAG_TRIGGERED << 24
        emit_triggered(s, book.instrument_id, order, price, traded)
        enter(s, book_index, index, price, 0)


cdef inline void trigger_stops(State *s, uint32_t book_index) noexcept nogil:
    # Behind everything else of a command that traded. What trails follows when no trigger is
    # reached any more, and may then be reached by the last trade.
    cdef Book *book = &s.books[book_index]
    while book.traded_high != 0:
        trigger_reached(s, book_index)
        if not follow_trades(s, book_index, book.traded_low, book.traded_high):
            break
        book.traded_high = book.last_price
        book.traded_low = book.last_price
    book.traded_high = 0
    book.traded_low = 0


cdef inline void resume_stops(State *s, uint32_t book_index) noexcept nogil:
    # When trading begins again: stops that were passed meanwhile.
    cdef Book *book = &s.books[book_index]
    book.price_before = book.last_price
    book.traded_high = book.last_price
    book.traded_low = book.last_price
    trigger_stops(s, book_index)
