"""What an auction has collected, walked by rank: price, market orders before limit orders, time.

Invariant: looking changes nothing.
"""

from libc.stdint cimport int64_t, uint32_t

from svc.engine.levels cimport Cursor, first_level, next_level
from svc.engine.records cimport BUY
from svc.engine.state cimport ASKS, BIDS, MARKET_BUYS, MARKET_SELLS, Book, Level, State

# The collected orders of one side, level by level from the best price on, the market orders of a
# price before its limit orders. `price` is the level's; `lots` are what is left to count of it.
cdef struct Walk:
    Cursor limit_cursor
    Cursor market_cursor
    uint32_t limit_level
    uint32_t market_level
    uint32_t level
    int64_t sign
    int64_t price
    int64_t lots


cdef inline void take_better_level(const State *s, Walk *walk) noexcept nogil:
    cdef const Level *market = &s.levels[walk.market_level]
    cdef const Level *limit = &s.levels[walk.limit_level]
    walk.level = walk.limit_level
    if walk.market_level != 0 and (walk.limit_level == 0 or market.key >= limit.key):
        walk.level = walk.market_level
    walk.price = walk.sign * s.levels[walk.level].key
    walk.lots = s.levels[walk.level].total


cdef inline Walk walk_of(const State *s, const Book *book, uint32_t side) noexcept nogil:
    cdef Walk walk
    cdef uint32_t limits = BIDS if side == BUY else ASKS
    cdef uint32_t markets = MARKET_BUYS if side == BUY else MARKET_SELLS
    walk.limit_level = first_level(s, &book.sides[limits], &walk.limit_cursor)
    walk.market_level = first_level(s, &book.sides[markets], &walk.market_cursor)
    walk.sign = 1 if side == BUY else -1
    take_better_level(s, &walk)
    return walk


cdef inline void step(const State *s, Walk *walk) noexcept nogil:
    if walk.level == walk.market_level:
        walk.market_level = next_level(s, &walk.market_cursor)
    else:
        walk.limit_level = next_level(s, &walk.limit_cursor)
    take_better_level(s, walk)


cdef inline bint is_limit(const Walk *walk) noexcept nogil:
    return walk.level == walk.limit_level


cdef inline bint is_crossed(const Walk *buys, const Walk *sells) noexcept nogil:
    return buys.level != 0 and sells.level != 0 and buys.price >= sells.price
