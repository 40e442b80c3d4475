"""The state out of its records (docs/journal.md, State hash): the inverse of export.

Invariant: what is made from the records of a state exports these records again. Records that no
engine exports are refused, or come out differently: whoever restores compares the state hash.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from svc.engine.acceptance cimport MAX_TICKS, find_book
from svc.engine.admin cimport MAX_LOTS, add_book
from svc.engine.deadlines cimport add_deadline
from svc.engine.export cimport (
    STATE_GROUP,
    STATE_INSTRUMENT,
    STATE_MARKET,
    STATE_ORDER,
    STATE_POSITION,
)
from svc.engine.groups cimport put_group
from svc.engine.levels cimport level_at
from svc.engine.orders cimport expect_orders, is_taken, map_order, prefetch_entry
from svc.engine.positions cimport add_position
from svc.engine.queue cimport append_order, collect_market_order, side_of
from svc.engine.records cimport BUY, MARKET, MAX_INSTRUMENT_ID, RECORD_WORDS, SELL
from svc.engine.state cimport (
    ASKS,
    BIDS,
    BUY_STOPS,
    KEY_SENTINEL,
    SELL_STOPS,
    Book,
    Extension,
    Level,
    Order,
    State,
    Stop,
    take_extension,
    take_order,
    take_stop,
)
from svc.engine.trailing cimport stand_trailing


cdef enum:
    ID_WORD = 2
    ORDERS_AHEAD = 8

# How far a state has come: records taken, the counts that the first announced, and the level of the
# last order.
cdef struct Restoring:
    uint64_t taken
    uint64_t books
    uint64_t orders
    uint64_t groups
    uint64_t positions
    uint32_t last_level


cdef inline bint restore_instrument(State *s, const uint64_t *words) noexcept nogil:
    cdef uint32_t instrument_id = <uint32_t>words[1]
    cdef uint32_t state = (words[0] >> 8) & 0xFF
    cdef Book *book
    if not 0 < instrument_id <= MAX_INSTRUMENT_ID or find_book(s, instrument_id) != NULL:
        return False
    book = add_book(s, instrument_id, state)
    book.perpetual = (words[0] >> 16) & 0xFF
    book.band_auction = (words[0] >> 24) & 0xFF
    book.version = <int32_t>(words[1] >> 32)
    book.max_quantity = <int64_t>words[2]
    book.min_ticks = <int64_t>words[3]
    book.max_ticks = <int64_t>words[4]
    book.reference_price = <int64_t>words[5]
    book.collar_bps = <uint32_t>words[6]
    book.band_bps = <uint32_t>(words[6] >> 32)
    book.last_price = <int64_t>words[7]
    book.state_version = <int32_t><uint32_t>words[8]
    book.indicated_price = <int64_t>words[9]
    book.indicated_lots = <int64_t>words[10]
    book.indicated_surplus = <int64_t>words[11]
    book.reduce_only_keys[BIDS] = KEY_SENTINEL
    book.reduce_only_keys[ASKS] = KEY_SENTINEL
    return True


cdef inline uint32_t restore_extension(
    State *s, const uint64_t *words, bint waits
) noexcept nogil:
    # 0 for an order that needs none.
    cdef uint32_t index
    cdef Extension *extension
    cdef Stop *stop
    if (words[9] | words[10] | words[11] | words[12]) == 0:
        return 0
    index = take_extension(s)
    extension = &s.extensions[index]
    extension.display = <int64_t>words[9]
    if (words[10] | words[12] | words[13]) != 0:
        stop = take_stop(s, extension)
        stop.trigger = <int64_t>words[10]
        stop.trail_offset = <int64_t>words[12]
        stop.activation = <int64_t>words[13]
        stop.price = <int64_t>words[4] if waits else 0
    extension.visible = <int64_t>words[8] if words[9] != 0 else 0
    return index


cdef inline uint32_t restored_level(
    State *s, uint32_t book_index, uint32_t side, int64_t ticks, bint waits, uint32_t before
) noexcept nogil:
    # `before` is the level of the order before, for most orders the same.
    cdef const Level *level = &s.levels[before]
    cdef uint32_t which
    cdef int64_t key
    if waits:
        which = BUY_STOPS if side == BUY else SELL_STOPS
    else:
        which = BIDS if side == BUY else ASKS
    key = ticks if which == BIDS or which == SELL_STOPS else -ticks
    if before != 0 and level.key == key and level.side == which and level.book == book_index:
        return before
    return level_at(s, &s.books[book_index].sides[which], book_index, which, key)


cdef inline bint restore_order(
    State *s, const uint64_t *words, uint32_t *last_level
) noexcept nogil:
    # Orders come in the order of their queues: each goes to the back of its level.
    cdef Book *book = find_book(s, <uint32_t>words[1])
    cdef bint is_collected = (words[0] >> 16 & 0xFF) == MARKET
    cdef bint waits = words[8] == 0 and not is_collected
    cdef int64_t ticks = <int64_t>words[10] if waits else <int64_t>words[4]
    cdef int64_t order_id = <int64_t>words[2]
    cdef uint32_t index
    cdef Order *order
    if book == NULL or not 0 < <int64_t>words[5] <= MAX_LOTS:
        return False
    if not (0 < ticks <= MAX_TICKS or (is_collected and ticks == 0)):
        return False
    if order_id <= 0 or is_taken(s, order_id):
        return False
    index = take_order(s)
    order = &s.orders[index]
    order.id = order_id
    order.account_id = <int64_t>words[3]
    order.remaining = <int64_t>words[5]
    order.cumulative = <int64_t>words[6]
    order.cap = <int64_t>words[7]
    order.version = <int32_t>(words[1] >> 32)
    order.traits = <uint32_t>(
        (words[0] >> 8 & 0xF) | (words[0] >> 40 & 0xF) << 4 | (words[0] >> 16 & 0xFFFFFF) << 8
    )
    if side_of(order) != BUY and side_of(order) != SELL:
        return False
    order.extension = restore_extension(s, words, waits)
    if is_collected:
        collect_market_order(s, s.book_of[book.instrument_id], index)
    elif waits and words[12] != 0:
        stand_trailing(s, s.book_of[book.instrument_id], index)
    else:
        last_level[0] = restored_level(
            s, s.book_of[book.instrument_id], side_of(order), ticks, waits, last_level[0]
        )
        append_order(s, last_level[0], index)
    map_order(s, index)
    if words[11] != 0:
        add_deadline(s, index, <int64_t>words[11])
    return True


cdef inline bint restore_record(
    State *s, const uint64_t *words, uint32_t *last_level
) noexcept nogil:
    cdef uint32_t kind = <uint32_t>words[0] & 0xFF
    if kind == STATE_ORDER:
        return restore_order(s, words, last_level)
    if kind == STATE_INSTRUMENT:
        return restore_instrument(s, words)
    if kind == STATE_GROUP:
        put_group(s, <int64_t>words[2], <int64_t>words[3])
        return <int64_t>words[2] > 0
    if kind == STATE_POSITION:
        add_position(s, <int64_t>words[2], <uint32_t>words[1], <int64_t>words[3])
        return <int64_t>words[2] > 0
    return False


cdef inline void restore_market(
    State *s, Restoring *restoring, const uint64_t *words, uint64_t count
) noexcept nogil:
    s.semantic_version = <uint32_t>words[1]
    s.sequence = words[2]
    s.running_hash = words[3]
    s.time_ns = <int64_t>words[4]
    s.trade_number = <int64_t>words[5]
    restoring.books = words[6]
    restoring.orders = words[7]
    restoring.groups = words[8]
    restoring.positions = words[9]
    expect_orders(s, min(words[7], count))


cdef inline bint restore_records(
    State *s, Restoring *restoring, const uint64_t *words, uint64_t here, uint64_t count
) noexcept nogil:
    # The next `here` records of `count`. False at one that is bad, the first behind those `taken`.
    cdef uint64_t at = 0
    if restoring.taken == 0 and here > 0:
        if words[0] & 0xFF != STATE_MARKET:
            return False
        restore_market(s, restoring, words, count)
        at = restoring.taken = 1
    while at < here:
        if at + ORDERS_AHEAD < here:
            prefetch_entry(s, <int64_t>words[(at + ORDERS_AHEAD) * RECORD_WORDS + ID_WORD])
        if not restore_record(s, words + at * RECORD_WORDS, &restoring.last_level):
            return False
        restoring.taken += 1
        at += 1
    return True


cdef inline bint is_restored(const State *s, const Restoring *restoring) noexcept nogil:
    # Whether all that the first record announced has come.
    return (
        restoring.taken > 0
        and restoring.books == s.book_count
        and restoring.orders == s.live_orders
        and restoring.groups == s.group_count
        and restoring.positions == s.position_count
    )
