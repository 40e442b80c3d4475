"""Self-trade groups: an open-addressing map from account to group.

Invariant: `group_count` accounts are in a group. An account that has left one keeps its slot.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from svc.engine.orders cimport hash_of
from svc.engine.pages cimport slab_free, slab_grow
from svc.engine.state cimport Membership, Order, State


cdef inline Membership *slot_of(const State *s, int64_t account_id) noexcept nogil:
    cdef uint64_t mask = (<uint64_t>1 << s.group_bits) - 1
    cdef uint64_t at = hash_of(account_id) >> (64 - s.group_bits)
    while s.groups[at].account_id != 0 and s.groups[at].account_id != account_id:
        at = (at + 1) & mask
    return &s.groups[at]


cdef inline int64_t group_of(const State *s, int64_t account_id) noexcept nogil:
    # 0: in none.
    return slot_of(s, account_id).group if s.group_count != 0 else 0


cdef inline bint is_own(
    const State *s, const Order *taker, int64_t group, int64_t account_id
) noexcept nogil:
    # `group` is the taker's.
    if account_id == taker.account_id:
        return True
    return group != 0 and group_of(s, account_id) == group


cdef inline void grow_groups(State *s) noexcept nogil:
    cdef Membership *old = s.groups
    cdef uint64_t slots = <uint64_t>1 << s.group_bits
    cdef uint64_t at
    s.group_bits += 1
    s.groups = <Membership *>slab_grow(NULL, 0, 2 * slots * sizeof(Membership))
    for at in range(slots):
        if old[at].account_id != 0:
            slot_of(s, old[at].account_id)[0] = old[at]
    slab_free(old, slots * sizeof(Membership))


cdef inline void put_group(State *s, int64_t account_id, int64_t group) noexcept nogil:
    cdef Membership *slot
    if <uint64_t>s.group_used * 2 >= <uint64_t>1 << s.group_bits:
        grow_groups(s)
    slot = slot_of(s, account_id)
    if slot.account_id == 0:
        s.group_used += 1
        slot.account_id = account_id
    s.group_count += (group != 0) - (slot.group != 0)
    slot.group = group
