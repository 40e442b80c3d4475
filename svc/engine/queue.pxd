"""Orders in their levels: who stands where, joins, leaves and ends.

Invariant: a level's total is the sum over its queue. An order that is live but in no level has
`level` 0 (it is on its way in).

Who stands at an end of a queue, and on which side, comes in no order, so the hot path asks by
masks, not by branches. Links to nobody lead to order 0, which is written and never read.
"""

from libc.stdint cimport int64_t, uint32_t

from svc.engine.deadlines cimport remove_deadline
from svc.engine.emit cimport emit_order
from svc.engine.levels cimport drop_level, level_at
from svc.engine.orders cimport unmap_order
from svc.engine.records cimport BUY, MARKET, STOP_MARKET
from svc.engine.state cimport (
    ASKS,
    BIDS,
    BUY_STOPS,
    Book,
    ANY_PRICE,
    Extension,
    KEY_SENTINEL,
    Level,
    MARKET_BUYS,
    MARKET_SELLS,
    Order,
    SELL_STOPS,
    State,
    give_extension,
    give_order,
    price_of,
    stop_of,
)


cdef inline uint32_t side_of(const Order *order) noexcept nogil:
    return order.traits & 0xF


cdef inline uint32_t stp_of(const Order *order) noexcept nogil:
    return (order.traits >> 4) & 0xF


cdef inline uint32_t type_of(const Order *order) noexcept nogil:
    return (order.traits >> 8) & 0xFF


cdef inline uint32_t tif_of(const Order *order) noexcept nogil:
    return (order.traits >> 16) & 0xFF


cdef inline uint32_t flags_of(const Order *order) noexcept nogil:
    return order.traits >> 24


cdef inline bint is_market(const Order *order) noexcept nogil:
    return type_of(order) == MARKET or type_of(order) == STOP_MARKET


cdef inline bint is_beyond(uint32_t side, int64_t price, int64_t bound) noexcept nogil:
    # Whether a price is worse for an order of this side than the bound: higher for a buy, lower
    # for a sell. ~a < ~b is a > b for every value.
    cdef int64_t turned = <int64_t>side - BUY - 1
    return (price ^ turned) < (bound ^ turned)


cdef inline bint is_waiting(const State *s, const Order *order) noexcept nogil:
    # A stop whose trigger has not traded yet. The order is in a level.
    return s.levels[order.level].side >= BUY_STOPS


cdef inline bint is_shown(const State *s, const Order *order) noexcept nogil:
    # Whether the order stands in the book that everybody sees. The order is in a level.
    return s.levels[order.level].side <= ASKS


cdef inline int64_t limit_of(const State *s, const Order *order) noexcept nogil:
    # Of an order that is in a level; 0 for market orders.
    if is_waiting(s, order):
        return stop_of(s, order).price
    if is_market(order):
        return 0
    return price_of(&s.levels[order.level])


cdef inline bint is_iceberg(const State *s, const Order *order) noexcept nogil:
    return order.extension != 0 and s.extensions[order.extension].display > 0


cdef inline int64_t visible_of(const State *s, const Order *order) noexcept nogil:
    return s.extensions[order.extension].visible if is_iceberg(s, order) else order.remaining


cdef inline void show_peak(State *s, const Order *order) noexcept nogil:
    # Of an order that is in no level: an iceberg shows a fresh peak.
    cdef Extension *extension
    if is_iceberg(s, order):
        extension = &s.extensions[order.extension]
        extension.visible = min(extension.display, order.remaining)


cdef inline void append_order(State *s, uint32_t level_index, uint32_t index) noexcept nogil:
    cdef Level *level = &s.levels[level_index]
    cdef Order *order = &s.orders[index]
    order.level = level_index
    s.orders[level.tail].next = index
    level.head |= index & -<uint32_t>(level.tail == 0)
    order.prev = level.tail
    order.next = 0
    level.tail = index
    level.total += order.remaining


cdef inline void detach_order(State *s, Level *level, Order *order) noexcept nogil:
    # Out of the queue; the level stays, even when it is empty now.
    cdef uint32_t prev = order.prev
    cdef uint32_t next = order.next
    s.orders[prev].next = next
    s.orders[next].prev = prev
    level.head ^= (level.head ^ next) & -<uint32_t>(prev == 0)
    level.tail ^= (level.tail ^ prev) & -<uint32_t>(next == 0)
    level.total -= order.remaining


cdef inline void unlink_order(State *s, uint32_t index) noexcept nogil:
    cdef Order *order = &s.orders[index]
    cdef uint32_t level_index = order.level
    cdef Level *level = &s.levels[level_index]
    detach_order(s, level, order)
    order.level = 0
    if level.head == 0:
        drop_level(s, &s.books[level.book].sides[level.side], level_index)


cdef inline void rest_order(
    State *s, uint32_t book_index, uint32_t index, int64_t price
) noexcept nogil:
    # To the back of its price.
    cdef Book *book = &s.books[book_index]
    cdef uint32_t which = side_of(&s.orders[index]) - BUY
    cdef int64_t sign = -<int64_t>which
    cdef uint32_t level = level_at(
        s, &book.sides[which], book_index, which, (price ^ sign) - sign
    )
    show_peak(s, &s.orders[index])
    append_order(s, level, index)


cdef inline void collect_market_order(
    State *s, uint32_t book_index, uint32_t index
) noexcept nogil:
    # To the back of its cap or floor, in an auction; of one that no key can be, to the furthest.
    cdef Book *book = &s.books[book_index]
    cdef int64_t cap = min(s.orders[index].cap, KEY_SENTINEL - 1)
    cdef uint32_t level
    if side_of(&s.orders[index]) == BUY:
        cap = min(cap, KEY_SENTINEL - 2) if cap != 0 else ANY_PRICE
        level = level_at(s, &book.sides[MARKET_BUYS], book_index, MARKET_BUYS, cap)
    else:
        level = level_at(s, &book.sides[MARKET_SELLS], book_index, MARKET_SELLS, -cap)
    append_order(s, level, index)


cdef inline void wait_for_trigger(
    State *s, uint32_t book_index, uint32_t index
) noexcept nogil:
    # To the back of the stops of its trigger.
    cdef Book *book = &s.books[book_index]
    cdef int64_t trigger = stop_of(s, &s.orders[index]).trigger
    cdef uint32_t level
    if side_of(&s.orders[index]) == BUY:
        level = level_at(s, &book.sides[BUY_STOPS], book_index, BUY_STOPS, -trigger)
    else:
        level = level_at(s, &book.sides[SELL_STOPS], book_index, SELL_STOPS, trigger)
    append_order(s, level, index)


cdef inline void retire_order(State *s, uint32_t index) noexcept nogil:
    # Ends an order that is in no level.
    cdef uint32_t extension = s.orders[index].extension
    unmap_order(s, index)
    if extension != 0:
        if s.extensions[extension].heap_at != 0:
            remove_deadline(s, index)
        give_extension(s, extension)
    give_order(s, index)


cdef inline void end_entering(
    State *s, uint32_t reason, uint32_t kind, uint32_t instrument_id, uint32_t index, int64_t price
) noexcept nogil:
    # Says what was taken off an order that is in no level, and ends it.
    cdef Order *order = &s.orders[index]
    emit_order(s, kind, reason, instrument_id, order, price, order.remaining, 0)
    retire_order(s, index)


cdef inline void end_resting(
    State *s, uint32_t reason, uint32_t kind, uint32_t index
) noexcept nogil:
    cdef Level *level = &s.levels[s.orders[index].level]
    cdef uint32_t instrument_id = s.books[level.book].instrument_id
    cdef int64_t price = limit_of(s, &s.orders[index])
    unlink_order(s, index)
    end_entering(s, reason, kind, instrument_id, index, price)


cdef inline void shrink_resting(State *s, uint32_t index, int64_t lots) noexcept nogil:
    # Fewer than remain are taken off, hidden ones first; the order keeps its place.
    cdef Order *order = &s.orders[index]
    cdef Level *level = &s.levels[order.level]
    cdef int64_t hidden = order.remaining - visible_of(s, order)
    order.remaining -= lots
    level.total -= lots
    if is_iceberg(s, order) and lots > hidden:
        s.extensions[order.extension].visible = order.remaining
