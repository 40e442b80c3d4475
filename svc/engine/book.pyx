# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, embedsignature=True
"""The books of a market behind one Python class.

Owns the memory of the engine and its boundary with Python: records in, records out. Invariant:
events and state are a pure function of the commands and batch times applied so far. What a
command does stands in the .pxd files beside: state, orders, levels, queue, matching, auction,
acceptance, commands, admin, lookahead, batch, export.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from svc.engine.acceptance cimport find_book
from svc.engine.batch cimport apply_batch
from svc.engine.export cimport Sink, export_order, export_orders, export_state
from svc.engine.levels cimport Cursor, first_level, next_level
from svc.engine.orders cimport find_order, mark_map
from svc.engine.pages cimport slab_free, slab_grow
from svc.engine.queue cimport visible_of
from svc.engine.records cimport RECORD_BYTES, RECORD_WORDS, SEMANTIC_VERSION, Command, Event
from svc.engine.restore cimport Restoring, is_restored, restore_records
from svc.engine.running_hash cimport chain_record
from svc.engine.state cimport (
    ASKS,
    BIDS,
    SIDES,
    Book,
    Deadline,
    Extension,
    Level,
    Membership,
    Node,
    Order,
    Position,
    Side,
    State,
    Stop,
    price_of,
)

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object o)

cdef enum:
    FIRST_EVENTS = 256
    MOST_SPARE_EVENTS = 8192
    MOST_SPARE = 64

# Memory of batches that nobody looks at any more, for those that come: with the GIL only.
cdef Event *_spare[MOST_SPARE]
cdef uint64_t _spare_capacity[MOST_SPARE]
cdef int _spares = 0


cdef class _Events:
    def __cinit__(self):
        global _spares
        if _spares > 0:
            _spares -= 1
            self.capacity = _spare_capacity[_spares]
            self.events = _spare[_spares]
            return
        self.capacity = FIRST_EVENTS
        self.events = <Event *>slab_grow(NULL, 0, FIRST_EVENTS * sizeof(Event))

    def __dealloc__(self):
        global _spares
        if _spares == MOST_SPARE or self.capacity > MOST_SPARE_EVENTS:
            slab_free(self.events, self.capacity * sizeof(Event))
            return
        _spare[_spares] = self.events
        _spare_capacity[_spares] = self.capacity
        _spares += 1

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.events, self.count * sizeof(Event), 1, flags)


def chain(uint64_t running_hash, records):
    """Returns the running hash after `records`, given the one before; the fast twin of
    `running_hash.chain`. The GIL is free meanwhile.
    """
    cdef Py_buffer view
    cdef Py_ssize_t at
    PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
    try:
        if view.len % RECORD_BYTES:
            raise ValueError(f"{view.len} bytes are not a whole number of records")
        with nogil:
            for at in range(view.len // RECORD_BYTES):
                running_hash = chain_record(
                    running_hash, <const uint64_t *>view.buf + at * RECORD_WORDS
                )
    finally:
        PyBuffer_Release(&view)
    return running_hash


cdef class Engine:
    """All books of one market. Not for several threads at once: a second call while a batch runs
    raises RuntimeError.
    """

    def __cinit__(self):
        cdef State *s = <State *>calloc(1, sizeof(State))
        if s == NULL:
            raise MemoryError
        self._state = s
        self._events = _Events()
        s.map_bits = 12
        s.map = <uint64_t *>slab_grow(NULL, 0, (<size_t>1 << s.map_bits) * sizeof(uint64_t))
        mark_map(s)
        s.order_capacity = 16384
        s.order_mark = 1024
        s.orders = <Order *>slab_grow(NULL, 0, s.order_capacity * sizeof(Order))
        s.level_capacity = 16384
        s.level_mark = 1024
        s.levels = <Level *>slab_grow(NULL, 0, s.level_capacity * sizeof(Level))
        s.node_capacity = 2048
        s.node_mark = 64
        s.nodes = <Node *>slab_grow(NULL, 0, s.node_capacity * sizeof(Node))
        s.extension_capacity = 64
        s.extensions = <Extension *>slab_grow(NULL, 0, s.extension_capacity * sizeof(Extension))
        s.stop_capacity = 64
        s.stops = <Stop *>slab_grow(NULL, 0, s.stop_capacity * sizeof(Stop))
        s.deadline_capacity = 128
        s.deadlines = <Deadline *>slab_grow(NULL, 0, s.deadline_capacity * sizeof(Deadline))
        s.group_bits = 6
        s.groups = <Membership *>slab_grow(
            NULL, 0, (<size_t>1 << s.group_bits) * sizeof(Membership)
        )
        s.position_bits = 6
        s.positions = <Position *>slab_grow(
            NULL, 0, (<size_t>1 << s.position_bits) * sizeof(Position)
        )
        s.book_capacity = 16
        s.books = <Book *>slab_grow(NULL, 0, s.book_capacity * sizeof(Book))
        s.semantic_version = SEMANTIC_VERSION
        s.order_high = s.level_high = s.node_high = s.extension_high = s.stop_high = 1

    def __dealloc__(self):
        cdef State *s = self._state
        if s == NULL:
            return
        slab_free(s.map, (<size_t>1 << s.map_bits) * sizeof(uint64_t))
        slab_free(s.next_map, (<size_t>2 << s.map_bits) * sizeof(uint64_t))
        slab_free(s.orders, s.order_capacity * sizeof(Order))
        slab_free(s.levels, s.level_capacity * sizeof(Level))
        slab_free(s.nodes, s.node_capacity * sizeof(Node))
        slab_free(s.extensions, s.extension_capacity * sizeof(Extension))
        slab_free(s.stops, s.stop_capacity * sizeof(Stop))
        slab_free(s.deadlines, s.deadline_capacity * sizeof(Deadline))
        slab_free(s.groups, (<size_t>1 << s.group_bits) * sizeof(Membership))
        slab_free(s.positions, (<size_t>1 << s.position_bits) * sizeof(Position))
        slab_free(s.books, s.book_capacity * sizeof(Book))
        free(s)

    cdef State *_idle(self) except NULL:
        if self._busy:
            raise RuntimeError("a batch is running in another thread")
        return self._state

    def apply(self, commands, int64_t time_ns):
        """Applies a batch of command records at a time and returns its event records.

        `commands` is a whole number of 128-byte records; none lets time pass alone. `time_ns` is
        not below that of the batch before (ValueError). Orders that are due expire first. The
        view that is returned stays good for as long as it is held. The GIL is free meanwhile.
        """
        cdef Py_buffer view
        PyObject_GetBuffer(commands, &view, PyBUF_SIMPLE)
        try:
            if view.len % RECORD_BYTES:
                raise ValueError(f"{view.len} bytes are not a whole number of records")
            self._begin(time_ns)
            with nogil:
                self._apply(<const Command *>view.buf, view.len // RECORD_BYTES)
            self._busy = False
        finally:
            PyBuffer_Release(&view)
        return memoryview(self._events)

    cdef int _begin(self, int64_t time_ns) except -1:
        # Whoever calls it sets `_busy` back after the last batch of this time.
        cdef State *s = self._idle()
        cdef _Events events = self._events
        if time_ns < s.time_ns:
            raise ValueError(f"time {time_ns} is before {s.time_ns}, that of the last batch")
        if Py_REFCNT(events) > 2:
            events = self._events = _Events()
        s.events = events.events
        s.event_capacity = events.capacity
        s.time_ns = time_ns
        self._busy = True
        return 0

    cdef void _apply(self, const Command *commands, uint64_t count) noexcept nogil:
        cdef State *s = self._state
        apply_batch(s, commands, count)
        self._events.events = s.events
        self._events.capacity = s.event_capacity
        self._events.count = s.event_count

    @property
    def sequence(self):
        """Sequence of the last event; 0 before the first."""
        return self._idle().sequence

    @property
    def running_hash(self):
        """Running hash over all events so far."""
        return self._idle().running_hash

    @property
    def time_ns(self):
        """Time of the last batch."""
        return self._idle().time_ns

    @property
    def next_deadline_ns(self):
        """When something happens by time alone; None when nothing will."""
        cdef State *s = self._idle()
        return s.deadlines[1].expire_ns if s.deadline_count > 0 else None

    @property
    def semantic_version(self):
        """That of the rules the next command is for; another than SEMANTIC_VERSION: not for these.
        """
        return self._idle().semantic_version

    @property
    def live_orders(self):
        """Orders that rest or wait."""
        return self._idle().live_orders

    @property
    def commands(self):
        """Commands applied by this object."""
        return self._idle().commands

    @property
    def trades(self):
        """Number of the last trade; 0 before the first."""
        return self._idle().trade_number

    @property
    def memory_bytes(self):
        """Memory the slabs have reached so far; freed records stay and are used again."""
        cdef State *s = self._idle()
        return (
            s.order_high * sizeof(Order)
            + s.level_high * sizeof(Level)
            + s.node_high * sizeof(Node)
            + s.extension_high * sizeof(Extension)
            + s.stop_high * sizeof(Stop)
            + s.deadline_capacity * sizeof(Deadline)
            + (<size_t>1 << s.map_bits) * sizeof(uint64_t)
            + (s.next_map != NULL) * (<size_t>2 << s.map_bits) * sizeof(uint64_t)
            + (<size_t>1 << s.group_bits) * sizeof(Membership)
            + (<size_t>1 << s.position_bits) * sizeof(Position)
            + (s.book_count + 1) * sizeof(Book)
        )

    def instruments(self):
        """Returns {instrument id: (definition version, state, last trade price, version of the last
        wish for a state)}; price 0, wish 0: none."""
        cdef State *s = self._idle()
        cdef Book *book
        cdef uint32_t i
        found = {}
        for i in range(1, s.book_count + 1):
            book = &s.books[i]
            found[book.instrument_id] = (
                book.version, book.state, book.last_price, book.state_version
            )
        return found

    def l2(self, uint32_t instrument_id, uint32_t depth):
        """Returns (bids, asks), each at most `depth` tuples (price, visible lots, orders) from the
        best on; KeyError for an unknown instrument. Every order of those levels is looked at.
        """
        cdef State *s = self._idle()
        cdef Book *book = find_book(s, instrument_id)
        if book == NULL:
            raise KeyError(instrument_id)
        return _levels(s, &book.sides[BIDS], depth), _levels(s, &book.sides[ASKS], depth)

    def orders(self, uint32_t instrument_id):
        """Returns the live orders of an instrument as ORDER state records: buys from the best price
        on, then sells, then stops that wait, inside a price by place in the queue; KeyError for an
        unknown instrument.
        """
        cdef State *s = self._idle()
        cdef Book *book = find_book(s, instrument_id)
        cdef Sink sink
        if book == NULL:
            raise KeyError(instrument_id)
        records = PyBytes_FromStringAndSize(NULL, _live_in(s, book) * RECORD_BYTES)
        sink.running_hash = 0
        sink.out = PyBytes_AS_STRING(records)
        export_orders(s, book, &sink)
        return records

    def order(self, int64_t order_id):
        """Returns the ORDER state record of a live order; None when there is none of that id."""
        cdef State *s = self._idle()
        cdef uint32_t index = find_order(s, order_id)
        cdef Level *level
        cdef Sink sink
        if index == 0:
            return None
        level = &s.levels[s.orders[index].level]
        records = PyBytes_FromStringAndSize(NULL, RECORD_BYTES)
        sink.running_hash = 0
        sink.out = PyBytes_AS_STRING(records)
        export_order(s, &s.orders[index], s.books[level.book].instrument_id, &sink)
        return records

    def state_records(self):
        """Returns the whole state as records (docs/journal.md, State hash). The GIL is free."""
        cdef State *s = self._idle()
        cdef Sink sink
        records = PyBytes_FromStringAndSize(
            NULL,
            (1 + s.group_count + s.position_count + s.book_count + s.live_orders) * RECORD_BYTES,
        )
        sink.running_hash = 0
        sink.out = PyBytes_AS_STRING(records)
        self._export(&sink)
        return records

    def state_hash(self):
        """Returns the running hash over the state's records. The GIL is free meanwhile."""
        cdef Sink sink
        self._idle()
        sink.running_hash = 0
        sink.out = NULL
        self._export(&sink)
        return sink.running_hash

    cdef void _export(self, Sink *sink):
        cdef const State *s = self._state
        self._busy = True
        with nogil:
            export_state(s, sink)
        self._busy = False

    @staticmethod
    def restored(records):
        """Returns an engine in the state that `records`, made by `state_records`, describe.

        ValueError names the first record that no state has. Whoever does not trust the records
        compares `state_hash` with theirs. The GIL is free meanwhile.
        """
        return Engine.restored_from((records,), len(records) // RECORD_BYTES)

    @staticmethod
    def restored_from(parts, uint64_t count):
        """The same of `count` records that come in parts of whole records. A part is good until the
        next one is asked for.
        """
        cdef Engine engine = Engine()
        cdef Restoring restoring
        cdef Py_buffer view
        cdef Py_ssize_t size
        cdef bint is_good
        memset(&restoring, 0, sizeof(Restoring))
        for part in parts:
            PyObject_GetBuffer(part, &view, PyBUF_SIMPLE)
            size = view.len
            with nogil:
                is_good = restore_records(
                    engine._state, &restoring, <const uint64_t *>view.buf, size // RECORD_BYTES,
                    count,
                )
            PyBuffer_Release(&view)
            if not is_good or size % RECORD_BYTES:
                raise ValueError(f"this is no state: record {restoring.taken} belongs to none")
        if not is_restored(engine._state, &restoring):
            raise ValueError("this is no state: record 0 belongs to none that has come")
        return engine


cdef list _levels(const State *s, const Side *side, uint32_t depth):
    cdef Cursor cursor
    cdef uint32_t level = first_level(s, side, &cursor)
    cdef uint32_t index
    cdef int64_t visible, count
    rows = []
    while level != 0 and depth > 0:
        visible = count = 0
        index = s.levels[level].head
        while index != 0:
            visible += visible_of(s, &s.orders[index])
            count += 1
            index = s.orders[index].next
        rows.append((price_of(&s.levels[level]), visible, count))
        level = next_level(s, &cursor)
        depth -= 1
    return rows


cdef Py_ssize_t _live_in(const State *s, const Book *book):
    cdef Cursor cursor
    cdef Py_ssize_t live = 0
    cdef uint32_t which, level, index
    for which in range(SIDES):
        level = first_level(s, &book.sides[which], &cursor)
        while level != 0:
            index = s.levels[level].head
            while index != 0:
                live += 1
                index = s.orders[index].next
            level = next_level(s, &cursor)
    return live
