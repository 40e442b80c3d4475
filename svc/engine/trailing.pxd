"""Trailing stops: where they wait, and how their triggers follow the trades.

Invariant: after a command no trailing stop is further from the best price that it has traded than
its distance, and none sleeps whose activation price has traded.
"""

from libc.stdint cimport int64_t, uint32_t

from svc.engine.levels cimport Cursor, first_level, level_at, next_level
from svc.engine.matching cimport bound_level, bound_of, wide_t
from svc.engine.pages cimport slab_free, slab_grow
from svc.engine.queue cimport append_order, side_of, unlink_order
from svc.engine.records cimport BUY, SELL
from svc.engine.state cimport (
    SLEEPING_BUYS,
    SLEEPING_SELLS,
    TRAILING_BUYS,
    TRAILING_SELLS,
    Book,
    Order,
    State,
    Stop,
    stop_of,
)

cdef enum:
    WHOLE_BPS = 10000


cdef inline bint is_trailing(const State *s, const Order *order) noexcept nogil:
    return order.extension != 0 and stop_of(s, order).trail_offset != 0


cdef inline int64_t followed(
    uint32_t side, int64_t trail, int64_t trigger, int64_t price
) noexcept nogil:
    # The trigger after a trade at `price`: at least a tick away, never backwards.
    cdef int64_t target
    if side == BUY:
        target = price + trail if trail > 0 else bound_of(BUY, price, <uint32_t>-trail)
        return min(trigger, max(target, price + 1))
    target = price - trail if trail > 0 else bound_of(SELL, price, <uint32_t>-trail)
    return max(trigger, min(target, price - 1))


cdef inline int64_t follows_at(uint32_t side, const Stop *stop) noexcept nogil:
    # No trade short of this price changes the stop; not every one from it on does.
    cdef int64_t trigger = stop.trigger
    cdef int64_t trail = stop.trail_offset
    if stop.activation != 0:
        return stop.activation
    if trail > 0:
        return trigger - trail - 1 if side == BUY else trigger + trail + 1
    if side == BUY:
        return <int64_t>(<wide_t>trigger * WHOLE_BPS // (WHOLE_BPS - trail))
    return <int64_t>(<wide_t>trigger * WHOLE_BPS // (WHOLE_BPS + trail))


cdef inline void note_follows_at(Book *book, uint32_t side, int64_t price) noexcept nogil:
    if side == BUY:
        book.buys_follow_at = max(book.buys_follow_at, price)
    elif book.sells_follow_at == 0 or price < book.sells_follow_at:
        book.sells_follow_at = price


cdef inline void stand_trailing(State *s, uint32_t book_index, uint32_t index) noexcept nogil:
    # To the back of its trigger, or of its activation price while it sleeps.
    cdef Book *book = &s.books[book_index]
    cdef uint32_t side = side_of(&s.orders[index])
    cdef const Stop *stop = stop_of(s, &s.orders[index])
    cdef uint32_t which
    cdef int64_t key
    if stop.activation != 0:
        which = SLEEPING_BUYS if side == BUY else SLEEPING_SELLS
        key = stop.activation if side == BUY else -stop.activation
    else:
        which = TRAILING_BUYS if side == BUY else TRAILING_SELLS
        key = -stop.trigger if side == BUY else stop.trigger
    append_order(s, level_at(s, &book.sides[which], book_index, which, key), index)
    note_follows_at(book, side, follows_at(side, stop))


cdef inline void restand(
    State *s, uint32_t book_index, uint32_t index, int64_t price
) noexcept nogil:
    # With the trigger that follows from a trade at `price`, awake.
    cdef Order *order = &s.orders[index]
    cdef Stop *stop = stop_of(s, order)
    unlink_order(s, index)
    stop.activation = 0
    stop.trigger = followed(
        side_of(order), stop.trail_offset, stop.trigger, price
    )
    stand_trailing(s, book_index, index)
    bound_level(s, index)


cdef inline uint32_t note_moving(
    State *s, uint32_t book_index, uint32_t side, int64_t price, uint32_t *moving
) noexcept nogil:
    # The trailing stops that a trade at `price` moves, by rank. Returns how many.
    cdef Book *book = &s.books[book_index]
    cdef Cursor cursor
    cdef uint32_t count = 0
    cdef uint32_t which = TRAILING_BUYS if side == BUY else TRAILING_SELLS
    cdef uint32_t level = first_level(s, &book.sides[which], &cursor)
    cdef uint32_t index
    cdef const Stop *stop
    while level != 0:
        index = s.levels[level].head
        while index != 0:
            stop = stop_of(s, &s.orders[index])
            if followed(side, stop.trail_offset, stop.trigger, price) != (
                stop.trigger
            ):
                moving[count] = index
                count += 1
            else:
                note_follows_at(book, side, follows_at(side, stop))
            index = s.orders[index].next
        level = next_level(s, &cursor)
    return count


cdef inline bint follow_side(
    State *s, uint32_t book_index, uint32_t side, int64_t price
) noexcept nogil:
    # Returns whether a stop has moved or woken up.
    cdef Book *book = &s.books[book_index]
    cdef uint32_t which = SLEEPING_BUYS if side == BUY else SLEEPING_SELLS
    cdef size_t bytes = (s.live_orders + 1) * sizeof(uint32_t)
    cdef uint32_t *moving = <uint32_t *>slab_grow(NULL, 0, bytes)
    cdef int64_t reached_key = price if side == BUY else -price
    cdef uint32_t count, i, best
    cdef bint changed
    if side == BUY:
        book.buys_follow_at = 0
    else:
        book.sells_follow_at = 0
    count = note_moving(s, book_index, side, price, moving)
    changed = count > 0
    for i in range(count):
        restand(s, book_index, moving[i], price)
    slab_free(moving, bytes)
    best = book.sides[which].best
    while best != 0 and s.levels[best].key >= reached_key:
        restand(s, book_index, s.levels[best].head, price)
        changed = True
        best = book.sides[which].best
    if best != 0:
        note_follows_at(book, side, s.levels[best].key if side == BUY else -s.levels[best].key)
    return changed


cdef inline bint follow_trades(
    State *s, uint32_t book_index, int64_t low, int64_t high
) noexcept nogil:
    # Buys follow the lowest price that has traded, sells the highest.
    cdef Book *book = &s.books[book_index]
    cdef bint changed = False
    if low <= book.buys_follow_at:
        changed = follow_side(s, book_index, BUY, low)
    if book.sells_follow_at != 0 and high >= book.sells_follow_at:
        changed = follow_side(s, book_index, SELL, high) or changed
    return changed
