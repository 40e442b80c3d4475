"""The engine's memory: the structs of a market, its slabs and how they grow.

Orders, levels, tree nodes and extensions live in slabs and point at each other by 32-bit index;
index 0 means none. A slab may move when it grows: a pointer into it is good until the next `take_`.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from svc.engine.pages cimport extend_slab, slab_free, slab_grow
from svc.engine.records cimport MAX_INSTRUMENT_ID, Event

cdef extern from *:
    """
    #include <stdint.h>
    /* Above every key, and far from int64's end: a difference of keys cannot overflow. */
    #define KEY_SENTINEL ((int64_t)1 << 62)
    #define ANY_PRICE ((int64_t)2000000000000000)
    #define likely_(x) __builtin_expect(!!(x), 1)
    #define unlikely_(x) __builtin_expect(!!(x), 0)
    /* GCC takes a function that only prefetches for one without effect and drops its calls. */
    static inline void prefetch_line(const void *address) {
        __builtin_prefetch(address);
        __asm__ volatile("");
    }
    """
    const int64_t KEY_SENTINEL
    const int64_t ANY_PRICE
    bint likely "likely_"(bint condition) noexcept nogil
    bint unlikely "unlikely_"(bint condition) noexcept nogil
    void prefetch "prefetch_line"(const void *address) noexcept nogil

cdef enum:
    NODE_KEYS = 32
    MAX_HEIGHT = 12
    ABREAST = 4
    GUESSES = 16
    BIDS = 0
    ASKS = 1
    MARKET_BUYS = 2
    MARKET_SELLS = 3
    BUY_STOPS = 4
    SELL_STOPS = 5
    TRAILING_BUYS = 6
    TRAILING_SELLS = 7
    SLEEPING_BUYS = 8
    SLEEPING_SELLS = 9
    SIDES = 10

# One cache line. `traits` is side and self-trade mode (four bits each), type, time in force, flags.
cdef struct Order:
    int64_t id
    int64_t account_id
    int64_t remaining
    int64_t cumulative
    int64_t cap
    uint32_t prev
    uint32_t next
    uint32_t level
    int32_t version
    uint32_t extension
    uint32_t traits

# What only some orders have: an expiry, at `heap_at` in the heap (0: none), a display quantity,
# what a stop has. While it is free, `stop` is the next free one.
cdef struct Extension:
    int64_t display
    int64_t visible
    uint32_t heap_at
    uint32_t stop

# What only stops have, also those that have entered. A trail offset above 0 are ticks, below 0
# basis points; `activation` is 0 unless a trailing stop still sleeps. While it is free, `trigger`
# is the next free one.
cdef struct Stop:
    int64_t trigger
    int64_t trail_offset
    int64_t price
    int64_t activation

# Orders of one price in time order. `key` is the price for buys and its negative for sells, so
# that the best level of every side has the greatest key. Market orders that an auction has
# collected stand at their cap or floor, without one at ANY_PRICE (buys) or 0 (sells).
# `leaf` is the tree's node that holds it. Half a cache line: what its orders are asked for seldom,
# how many they are and what of them is hidden, is not kept.
cdef struct Level:
    int64_t key
    int64_t total
    uint32_t head
    uint32_t tail
    uint32_t leaf
    uint16_t book
    uint16_t side

# A node of a side's B+-tree. An inner node's `slots` are children in order, keys[i] is the least
# key below slots[i + 1], unused keys hold KEY_SENTINEL. A leaf's `slots` are levels in any order, a
# byte of each key's hash is in `marks`, and its keys are those from `low` on and below `high`.
cdef struct Node:
    int64_t low
    int64_t high
    uint8_t marks[NODE_KEYS]
    uint32_t count
    uint32_t prev
    uint32_t next
    uint32_t reserved
    int64_t keys[NODE_KEYS]
    uint32_t slots[NODE_KEYS]

# `finger` is a leaf that may hold the next key that is asked for, 0 for none.
cdef struct Side:
    uint32_t root
    uint32_t height
    uint32_t last
    uint32_t best
    uint32_t levels
    uint32_t finger

# `traded_high` and `traded_low` span the trades of the command that runs, 0 before its first;
# `price_before` is the last price before it. `indicated_` is what the last INDICATIVE_PRICE of the
# auction said, and `indicated_at` the sequence at which it was last looked at. No trade above
# `buys_follow_at` or below `sells_follow_at` (0: none at all) moves or wakes a trailing stop. No
# reduce-only order of a side stands above its key in `reduce_only_keys`.
cdef struct Book:
    uint32_t instrument_id
    uint8_t state
    uint8_t perpetual
    uint8_t band_auction
    int32_t version
    int32_t state_version
    int64_t max_quantity
    int64_t min_ticks
    int64_t max_ticks
    int64_t reference_price
    uint32_t collar_bps
    uint32_t band_bps
    int64_t last_price
    int64_t price_before
    int64_t traded_high
    int64_t traded_low
    int64_t indicated_price
    int64_t indicated_lots
    int64_t indicated_surplus
    uint64_t indicated_at
    int64_t buys_follow_at
    int64_t sells_follow_at
    int64_t reduce_only_keys[2]
    Side sides[SIDES]

# An account's self-trade group; group 0: in none any more.
cdef struct Membership:
    int64_t account_id
    int64_t group

# `promised` is 0 but while an auction counts (auction.pxd).
cdef struct Position:
    int64_t account_id
    int64_t lots
    int64_t promised
    uint32_t instrument_id

# The first one is none.
cdef packed struct Deadline:
    int64_t expire_ns
    uint32_t order

# Where a command further down the batch will find its order's level, and look for its price
# (lookahead.pxd).
cdef struct Guess:
    uint64_t nodes_given
    int64_t key
    uint32_t book
    uint32_t side
    uint32_t leaf
    uint32_t old_level
    uint32_t new_level

cdef struct State:
    Order *orders
    uint32_t order_capacity
    uint32_t order_high
    uint32_t order_mark
    uint32_t order_free
    uint32_t live_orders
    uint64_t *map
    uint32_t map_bits
    uint32_t map_mark
    uint64_t *next_map
    uint64_t vacant
    Level *levels
    uint32_t level_capacity
    uint32_t level_high
    uint32_t level_mark
    uint32_t level_free
    Node *nodes
    uint32_t node_capacity
    uint32_t node_high
    uint32_t node_mark
    uint32_t node_free
    uint64_t nodes_given
    Extension *extensions
    uint32_t extension_capacity
    uint32_t extension_high
    uint32_t extension_free
    Stop *stops
    uint32_t stop_capacity
    uint32_t stop_high
    uint32_t stop_free
    Deadline *deadlines
    uint32_t deadline_capacity
    uint32_t deadline_count
    Membership *groups
    uint32_t group_bits
    uint32_t group_used
    uint32_t group_count
    Position *positions
    uint32_t position_bits
    uint64_t position_used
    uint64_t position_count
    Book *books
    uint32_t book_capacity
    uint32_t book_count
    uint32_t book_of[MAX_INSTRUMENT_ID + 1]
    uint32_t auctions
    Event *events
    uint64_t event_capacity
    uint64_t event_count
    uint64_t sequence
    uint64_t running_hash
    int64_t trade_number
    int64_t time_ns
    uint32_t semantic_version
    uint64_t commands
    Guess guesses[GUESSES]


cdef inline uint32_t take_order(State *s) noexcept nogil:
    cdef uint32_t index = s.order_free
    if index != 0:
        s.order_free = s.orders[index].next
        return index
    if unlikely(s.order_high == s.order_mark):
        extend_slab(
            <void **>&s.orders, sizeof(Order), s.order_high, &s.order_capacity, &s.order_mark
        )
    index = s.order_high
    s.order_high += 1
    return index


cdef inline void give_order(State *s, uint32_t index) noexcept nogil:
    s.orders[index].next = s.order_free
    s.orders[index].id = 0
    s.order_free = index


cdef inline uint32_t take_level(State *s) noexcept nogil:
    cdef uint32_t index = s.level_free
    if index != 0:
        s.level_free = s.levels[index].head
        return index
    if unlikely(s.level_high == s.level_mark):
        extend_slab(
            <void **>&s.levels, sizeof(Level), s.level_high, &s.level_capacity, &s.level_mark
        )
    index = s.level_high
    s.level_high += 1
    return index


cdef inline void give_level(State *s, uint32_t index) noexcept nogil:
    s.levels[index].head = s.level_free
    s.level_free = index


cdef inline uint32_t take_node(State *s) noexcept nogil:
    # Comes with no keys and no links.
    cdef uint32_t index = s.node_free
    cdef Node *node
    cdef int i
    if index != 0:
        s.node_free = s.nodes[index].next
    else:
        if unlikely(s.node_high == s.node_mark):
            extend_slab(
                <void **>&s.nodes, sizeof(Node), s.node_high, &s.node_capacity, &s.node_mark
            )
        index = s.node_high
        s.node_high += 1
    node = &s.nodes[index]
    for i in range(NODE_KEYS):
        node.keys[i] = KEY_SENTINEL
    node.count = 0
    node.prev = 0
    node.next = 0
    return index


cdef inline void give_node(State *s, uint32_t index) noexcept nogil:
    s.nodes[index].next = s.node_free
    s.node_free = index
    s.nodes_given += 1


cdef inline uint32_t take_extension(State *s) noexcept nogil:
    # Comes zeroed.
    cdef uint32_t index = s.extension_free
    cdef Extension *extension
    if index != 0:
        s.extension_free = s.extensions[index].stop
    else:
        if unlikely(s.extension_high == s.extension_capacity):
            s.extensions = <Extension *>slab_grow(
                s.extensions,
                s.extension_capacity * sizeof(Extension),
                2 * s.extension_capacity * sizeof(Extension),
            )
            s.extension_capacity *= 2
        index = s.extension_high
        s.extension_high += 1
    extension = &s.extensions[index]
    extension.display = 0
    extension.visible = 0
    extension.heap_at = 0
    extension.stop = 0
    return index


cdef inline Stop *take_stop(State *s, Extension *extension) noexcept nogil:
    # Comes zeroed, and goes with its extension.
    cdef uint32_t index = s.stop_free
    cdef Stop *stop
    if index != 0:
        s.stop_free = <uint32_t>s.stops[index].trigger
    else:
        if unlikely(s.stop_high == s.stop_capacity):
            s.stops = <Stop *>slab_grow(
                s.stops, s.stop_capacity * sizeof(Stop), 2 * s.stop_capacity * sizeof(Stop)
            )
            s.stop_capacity *= 2
        index = s.stop_high
        s.stop_high += 1
    extension.stop = index
    stop = &s.stops[index]
    stop.trigger = 0
    stop.trail_offset = 0
    stop.price = 0
    stop.activation = 0
    return stop


cdef inline void give_extension(State *s, uint32_t index) noexcept nogil:
    cdef uint32_t stop = s.extensions[index].stop
    if stop != 0:
        s.stops[stop].trigger = s.stop_free
        s.stop_free = stop
    s.extensions[index].stop = s.extension_free
    s.extension_free = index


cdef inline Stop *stop_of(const State *s, const Order *order) noexcept nogil:
    # One of zeros for an order that is no stop: nobody writes there.
    return &s.stops[s.extensions[order.extension].stop]


cdef inline int64_t expiry_of(const State *s, const Order *order) noexcept nogil:
    # 0: none.
    return s.deadlines[s.extensions[order.extension].heap_at].expire_ns


cdef inline Event *take_event(State *s) noexcept nogil:
    cdef Event *event
    if unlikely(s.event_count == s.event_capacity):
        s.events = <Event *>slab_grow(
            s.events, s.event_capacity * sizeof(Event), 2 * s.event_capacity * sizeof(Event)
        )
        s.event_capacity *= 2
    event = &s.events[s.event_count]
    s.event_count += 1
    s.sequence += 1
    return event


cdef inline int64_t price_of(const Level *level) noexcept nogil:
    # Of a level of the book: bids are keyed by price, asks by its negative.
    # Without a branch: half of all orders are on either side.
    cdef int64_t sign = -<int64_t>(level.side & 1)
    return (level.key ^ sign) - sign
