"""Net positions of accounts in perpetuals: an open-addressing map from account and instrument.

Invariant: a position is the sum of the account's trades in the perpetual, buys positive, held
within 2^62 lots either way. What has come back to zero keeps its slot.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from svc.engine.orders cimport hash_of
from svc.engine.pages cimport slab_free, slab_grow
from svc.engine.records cimport BUY, FLAG_REDUCE_ONLY
from svc.engine.state cimport Book, Order, Position, State


cdef extern from *:
    """
    #define MAX_POSITION_LOTS ((int64_t)1 << 62)
    """
    const int64_t MAX_POSITION_LOTS


cdef inline Position *position_at(
    const State *s, int64_t account_id, uint32_t instrument_id
) noexcept nogil:
    # The slot of the position, or the free one where it belongs.
    cdef uint64_t mask = (<uint64_t>1 << s.position_bits) - 1
    cdef uint64_t at = hash_of(account_id ^ <int64_t>instrument_id << 47) >> (64 - s.position_bits)
    while s.positions[at].account_id != 0 and (
        s.positions[at].account_id != account_id
        or s.positions[at].instrument_id != instrument_id
    ):
        at = (at + 1) & mask
    return &s.positions[at]


cdef inline void grow_positions(State *s) noexcept nogil:
    cdef Position *old = s.positions
    cdef uint64_t slots = <uint64_t>1 << s.position_bits
    cdef uint64_t at
    s.position_bits += 1
    s.positions = <Position *>slab_grow(NULL, 0, 2 * slots * sizeof(Position))
    for at in range(slots):
        if old[at].account_id != 0:
            position_at(s, old[at].account_id, old[at].instrument_id)[0] = old[at]
    slab_free(old, slots * sizeof(Position))


cdef inline void add_position(
    State *s, int64_t account_id, uint32_t instrument_id, int64_t lots
) noexcept nogil:
    cdef Position *position
    if s.position_used * 2 >= <uint64_t>1 << s.position_bits:
        grow_positions(s)
    position = position_at(s, account_id, instrument_id)
    if position.account_id == 0:
        s.position_used += 1
        position.account_id = account_id
        position.instrument_id = instrument_id
    s.position_count -= position.lots != 0
    position.lots = max(-MAX_POSITION_LOTS, min(MAX_POSITION_LOTS, position.lots + lots))
    s.position_count += position.lots != 0


cdef inline int64_t allowed_lots(
    const State *s, const Book *book, uint32_t side, const Order *order, int64_t lots
) noexcept nogil:
    # How many of `lots` the order may trade: a reduce-only order no more than its position.
    cdef int64_t held
    if not (order.traits >> 24) & FLAG_REDUCE_ONLY:
        return lots
    held = position_at(s, order.account_id, book.instrument_id).lots
    if side == BUY:
        held = -held
    return max(<int64_t>0, min(held, lots))
