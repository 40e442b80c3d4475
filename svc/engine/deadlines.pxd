"""When orders expire: a binary heap by expiry, then order id, whose first place is 1.

Invariant: every live order with an expiry is in the heap once, and its extension knows where.
"""

from libc.stdint cimport int64_t, uint32_t

from svc.engine.pages cimport slab_grow
from svc.engine.state cimport Deadline, State, unlikely


cdef inline bint is_before(const State *s, const Deadline *a, const Deadline *b) noexcept nogil:
    if a.expire_ns != b.expire_ns:
        return a.expire_ns < b.expire_ns
    return s.orders[a.order].id < s.orders[b.order].id


cdef inline void put_deadline(State *s, uint32_t at, Deadline deadline) noexcept nogil:
    s.deadlines[at] = deadline
    s.extensions[s.orders[deadline.order].extension].heap_at = at


cdef inline void sift_up(State *s, uint32_t at, Deadline deadline) noexcept nogil:
    while at > 1 and is_before(s, &deadline, &s.deadlines[at // 2]):
        put_deadline(s, at, s.deadlines[at // 2])
        at //= 2
    put_deadline(s, at, deadline)


cdef inline void sift_down(State *s, uint32_t at, Deadline deadline) noexcept nogil:
    cdef uint32_t child
    while True:
        child = 2 * at
        if child > s.deadline_count:
            break
        if child < s.deadline_count and is_before(
            s, &s.deadlines[child + 1], &s.deadlines[child]
        ):
            child += 1
        if not is_before(s, &s.deadlines[child], &deadline):
            break
        put_deadline(s, at, s.deadlines[child])
        at = child
    put_deadline(s, at, deadline)


cdef inline void add_deadline(State *s, uint32_t order, int64_t expire_ns) noexcept nogil:
    cdef Deadline deadline
    deadline.expire_ns = expire_ns
    deadline.order = order
    s.deadline_count += 1
    if unlikely(s.deadline_count == s.deadline_capacity):
        s.deadlines = <Deadline *>slab_grow(
            s.deadlines,
            s.deadline_capacity * sizeof(Deadline),
            2 * s.deadline_capacity * sizeof(Deadline),
        )
        s.deadline_capacity *= 2
    sift_up(s, s.deadline_count, deadline)


cdef inline void remove_deadline(State *s, uint32_t order) noexcept nogil:
    cdef uint32_t at = s.extensions[s.orders[order].extension].heap_at
    cdef Deadline last = s.deadlines[s.deadline_count]
    s.deadline_count -= 1
    s.extensions[s.orders[order].extension].heap_at = 0
    if at > s.deadline_count:
        return
    if at > 1 and is_before(s, &last, &s.deadlines[at // 2]):
        sift_up(s, at, last)
    else:
        sift_down(s, at, last)
