"""The state as records of 128 bytes (docs/journal.md, State hash): for its hash and for snapshots.

Invariant: the records depend on the state alone, not on memory or insertion history.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

from svc.engine.levels cimport Cursor, first_level, next_level
from svc.engine.pages cimport slab_free, slab_grow
from svc.engine.queue cimport is_shown, limit_of, visible_of
from svc.engine.records cimport (
    MAX_INSTRUMENT_ID,
    RECORD_BYTES,
    RECORD_WORDS,
)
from svc.engine.running_hash cimport chain_record
from svc.engine.state cimport (
    SIDES,
    Book,
    Membership,
    Order,
    Position,
    State,
    Stop,
    expiry_of,
    stop_of,
)

cdef enum:
    STATE_MARKET = 1
    STATE_INSTRUMENT = 2
    STATE_ORDER = 3
    STATE_GROUP = 4
    STATE_POSITION = 5

# Where records go: into the hash, and into `out` unless that is NULL.
cdef struct Sink:
    uint64_t running_hash
    char *out


cdef inline void put_record(Sink *sink, const uint64_t *words) noexcept nogil:
    sink.running_hash = chain_record(sink.running_hash, words)
    if sink.out != NULL:
        memcpy(sink.out, words, RECORD_BYTES)
        sink.out += RECORD_BYTES


cdef inline void export_market(const State *s, Sink *sink) noexcept nogil:
    cdef uint64_t words[RECORD_WORDS]
    memset(words, 0, RECORD_BYTES)
    words[0] = STATE_MARKET
    words[1] = s.semantic_version
    words[2] = s.sequence
    words[3] = s.running_hash
    words[4] = <uint64_t>s.time_ns
    words[5] = <uint64_t>s.trade_number
    words[6] = s.book_count
    words[7] = s.live_orders
    words[8] = s.group_count
    words[9] = s.position_count
    put_record(sink, words)


cdef inline int by_account(const void *a, const void *b) noexcept nogil:
    cdef int64_t left = (<const Membership *>a).account_id
    cdef int64_t right = (<const Membership *>b).account_id
    return (left > right) - (left < right)


cdef inline void export_groups(const State *s, Sink *sink) noexcept nogil:
    cdef uint64_t words[RECORD_WORDS]
    cdef size_t bytes = (s.group_count + 1) * sizeof(Membership)
    cdef Membership *members = <Membership *>slab_grow(NULL, 0, bytes)
    cdef uint32_t count = 0
    cdef uint64_t at
    for at in range(<uint64_t>1 << s.group_bits):
        if s.groups[at].group != 0:
            members[count] = s.groups[at]
            count += 1
    qsort(members, count, sizeof(Membership), &by_account)
    memset(words, 0, RECORD_BYTES)
    words[0] = STATE_GROUP
    for at in range(count):
        words[2] = <uint64_t>members[at].account_id
        words[3] = <uint64_t>members[at].group
        put_record(sink, words)
    slab_free(members, bytes)


cdef inline int by_instrument(const void *a, const void *b) noexcept nogil:
    cdef const Position *left = <const Position *>a
    cdef const Position *right = <const Position *>b
    if left.instrument_id != right.instrument_id:
        return 1 if left.instrument_id > right.instrument_id else -1
    return (left.account_id > right.account_id) - (left.account_id < right.account_id)


cdef inline void export_positions(const State *s, Sink *sink) noexcept nogil:
    cdef uint64_t words[RECORD_WORDS]
    cdef size_t bytes = (s.position_count + 1) * sizeof(Position)
    cdef Position *held = <Position *>slab_grow(NULL, 0, bytes)
    cdef uint64_t count = 0
    cdef uint64_t at
    for at in range(<uint64_t>1 << s.position_bits):
        if s.positions[at].lots != 0:
            held[count] = s.positions[at]
            count += 1
    qsort(held, count, sizeof(Position), &by_instrument)
    memset(words, 0, RECORD_BYTES)
    words[0] = STATE_POSITION
    for at in range(count):
        words[1] = held[at].instrument_id
        words[2] = <uint64_t>held[at].account_id
        words[3] = <uint64_t>held[at].lots
        put_record(sink, words)
    slab_free(held, bytes)


cdef inline void export_instrument(const Book *book, Sink *sink) noexcept nogil:
    cdef uint64_t words[RECORD_WORDS]
    memset(words, 0, RECORD_BYTES)
    words[0] = (
        STATE_INSTRUMENT
        | <uint64_t>book.state << 8
        | <uint64_t>book.perpetual << 16
        | <uint64_t>book.band_auction << 24
    )
    words[1] = book.instrument_id | <uint64_t><uint32_t>book.version << 32
    words[2] = <uint64_t>book.max_quantity
    words[3] = <uint64_t>book.min_ticks
    words[4] = <uint64_t>book.max_ticks
    words[5] = <uint64_t>book.reference_price
    words[6] = book.collar_bps | <uint64_t>book.band_bps << 32
    words[7] = <uint64_t>book.last_price
    words[8] = <uint32_t>book.state_version
    words[9] = <uint64_t>book.indicated_price
    words[10] = <uint64_t>book.indicated_lots
    words[11] = <uint64_t>book.indicated_surplus
    put_record(sink, words)


cdef inline void export_order(
    const State *s, const Order *order, uint32_t instrument_id, Sink *sink
) noexcept nogil:
    cdef uint64_t words[RECORD_WORDS]
    cdef const Stop *stop = stop_of(s, order)
    memset(words, 0, RECORD_BYTES)
    words[0] = (
        STATE_ORDER
        | <uint64_t>(order.traits & 0xF) << 8
        | <uint64_t>(order.traits >> 8) << 16
        | <uint64_t>((order.traits >> 4) & 0xF) << 40
    )
    words[1] = instrument_id | <uint64_t><uint32_t>order.version << 32
    words[2] = <uint64_t>order.id
    words[3] = <uint64_t>order.account_id
    words[4] = <uint64_t>limit_of(s, order)
    words[5] = <uint64_t>order.remaining
    words[6] = <uint64_t>order.cumulative
    words[7] = <uint64_t>order.cap
    words[8] = <uint64_t>visible_of(s, order) if is_shown(s, order) else 0
    words[9] = <uint64_t>s.extensions[order.extension].display
    words[10] = <uint64_t>stop.trigger
    words[11] = <uint64_t>expiry_of(s, order)
    words[12] = <uint64_t>stop.trail_offset
    words[13] = <uint64_t>stop.activation
    put_record(sink, words)


cdef inline void export_orders(const State *s, const Book *book, Sink *sink) noexcept nogil:
    cdef Cursor cursor
    cdef uint32_t which, level, index
    for which in range(SIDES):
        level = first_level(s, &book.sides[which], &cursor)
        while level != 0:
            index = s.levels[level].head
            while index != 0:
                export_order(s, &s.orders[index], book.instrument_id, sink)
                index = s.orders[index].next
            level = next_level(s, &cursor)


cdef inline void export_state(const State *s, Sink *sink) noexcept nogil:
    cdef uint32_t instrument_id
    cdef const Book *book
    export_market(s, sink)
    export_groups(s, sink)
    export_positions(s, sink)
    for instrument_id in range(1, MAX_INSTRUMENT_ID + 1):
        if s.book_of[instrument_id] != 0:
            book = &s.books[s.book_of[instrument_id]]
            export_instrument(book, sink)
            export_orders(s, book, sink)
