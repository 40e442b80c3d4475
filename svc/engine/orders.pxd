"""Live orders by id: an open-addressing map from order id to slab index.

Invariant: exactly the live orders are in the map. An entry is the upper half of the id's hash (the
tag, from which its home slot follows) above the slab index, so growing and deleting read no order.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from svc.engine.pages cimport slab_ahead, slab_free, slab_grow
from svc.engine.state cimport Order, State, likely, prefetch, unlikely


cdef inline uint64_t hash_of(int64_t order_id) noexcept nogil:
    # Fibonacci hashing: ids that count up spread evenly.
    return <uint64_t>order_id * <uint64_t>0x9E3779B97F4A7C15


cdef inline uint64_t map_mask(const State *s) noexcept nogil:
    return (<uint64_t>1 << s.map_bits) - 1


cdef inline uint64_t home_of(const State *s, uint64_t entry) noexcept nogil:
    return entry >> (64 - s.map_bits)


cdef inline uint32_t find_order(const State *s, int64_t order_id) noexcept nogil:
    cdef uint64_t hashed = hash_of(order_id)
    cdef uint64_t mask = map_mask(s)
    cdef uint64_t at = home_of(s, hashed)
    cdef uint64_t entry
    while True:
        entry = s.map[at]
        if entry == 0:
            return 0
        if (entry ^ hashed) >> 32 == 0 and likely(s.orders[<uint32_t>entry].id == order_id):
            return <uint32_t>entry
        at = (at + 1) & mask


cdef inline bint is_taken(State *s, int64_t order_id) noexcept nogil:
    # Whether the id is in the map. If not, the place where it would be is remembered.
    cdef uint64_t hashed = hash_of(order_id)
    cdef uint64_t mask = map_mask(s)
    cdef uint64_t at = home_of(s, hashed)
    cdef uint64_t entry
    while True:
        entry = s.map[at]
        if likely(entry == 0):
            s.vacant = at
            return False
        if (entry ^ hashed) >> 32 == 0 and likely(s.orders[<uint32_t>entry].id == order_id):
            return True
        at = (at + 1) & mask


cdef inline void prefetch_entry(const State *s, int64_t order_id) noexcept nogil:
    prefetch(&s.map[home_of(s, hash_of(order_id))])


cdef inline uint32_t glance_order(const State *s, int64_t order_id) noexcept nogil:
    # Where the order is, probably: what stands at the home of its id.
    return <uint32_t>s.map[home_of(s, hash_of(order_id))]


cdef inline void place_entry(State *s, uint64_t entry) noexcept nogil:
    cdef uint64_t mask = map_mask(s)
    cdef uint64_t at = home_of(s, entry)
    while s.map[at] != 0:
        at = (at + 1) & mask
    s.map[at] = entry


cdef inline void mark_map(State *s) noexcept nogil:
    # A map grows when five slots in eight are taken. A little earlier the next one is asked for.
    s.map_mark = <uint32_t>((<uint64_t>19 << s.map_bits) // 32)


cdef inline void ask_for_map(State *s) noexcept nogil:
    # So that its pages are there when the orders go over.
    s.next_map = <uint64_t *>slab_ahead((<size_t>2 << s.map_bits) * sizeof(uint64_t))
    s.map_mark = <uint32_t>((<uint64_t>5 << s.map_bits) // 8)


cdef inline void grow_map(State *s) noexcept nogil:
    cdef uint64_t *old = s.map
    cdef uint64_t slots = <uint64_t>1 << s.map_bits
    cdef uint64_t few[64]
    cdef uint64_t at, i, count
    s.map = s.next_map
    s.next_map = NULL
    s.map_bits += 1
    mark_map(s)
    # Which slots are taken comes in no order: those are gathered without a branch.
    for at in range(0, slots, 64):
        count = 0
        for i in range(64):
            few[count] = old[at + i]
            count += <uint64_t>(old[at + i] != 0)
        for i in range(count):
            place_entry(s, few[i])
    slab_free(old, slots * sizeof(uint64_t))


cdef inline void expect_orders(State *s, uint64_t count) noexcept nogil:
    # A map that is empty takes the size that many orders need.
    cdef uint64_t slots = <uint64_t>1 << s.map_bits
    while count * 8 > (<uint64_t>5 << s.map_bits):
        s.map_bits += 1
    s.map = <uint64_t *>slab_grow(
        s.map, slots * sizeof(uint64_t), (<uint64_t>1 << s.map_bits) * sizeof(uint64_t)
    )
    mark_map(s)


cdef inline void map_order(State *s, uint32_t index) noexcept nogil:
    # The order's id is not in the map, and `is_taken` was asked for it last.
    cdef uint64_t entry = hash_of(s.orders[index].id) >> 32 << 32 | index
    s.live_orders += 1
    if unlikely(s.live_orders > s.map_mark):
        if s.next_map != NULL:
            grow_map(s)
            place_entry(s, entry)
            return
        ask_for_map(s)
    if likely(s.map[s.vacant] == 0):
        s.map[s.vacant] = entry
        return
    place_entry(s, entry)


cdef inline void unmap_order(State *s, uint32_t index) noexcept nogil:
    # Entries behind the hole move up as far as their home allows: no tombstones.
    cdef uint64_t mask = map_mask(s)
    cdef uint64_t hole = home_of(s, hash_of(s.orders[index].id))
    cdef uint64_t at
    cdef uint64_t entry
    s.live_orders -= 1
    while <uint32_t>s.map[hole] != index:
        hole = (hole + 1) & mask
    at = hole
    while True:
        at = (at + 1) & mask
        entry = s.map[at]
        if entry == 0:
            break
        if ((at - home_of(s, entry)) & mask) >= ((at - hole) & mask):
            s.map[hole] = entry
            hole = at
    s.map[hole] = 0
