# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Replays a segment's frames as fast as the engine matches: no Python object for a frame or record.

It goes on while everything is as it must be, and leaves whatever is not to recovery.py, which finds
out what it is. Invariant: the batches that were replayed stand in the segment whole, follow each
other, and made the events that are stored, byte for byte.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport abort, free, realloc
from libc.string cimport memcmp, memcpy

from svc.engine.book cimport Engine
from svc.engine.crc32c cimport checksum
from svc.engine.packing cimport unpack_into
from svc.engine.records cimport RECORD_BYTES, Command
from svc.engine.state cimport State

cdef enum:
    FRAME_MAGIC = 0x524d5251
    COMMANDS = 1
    EVENTS = 2
    PLAIN = 0
    PACKED = 1
    DIGEST_BYTES = 16
    MAX_FRAME_RECORDS = 1 << 24

cdef struct FrameHeader:
    uint32_t magic
    uint32_t header_crc
    uint8_t type
    uint8_t packing
    uint8_t reserved0[6]
    uint32_t count
    uint32_t records_crc
    uint64_t batch_number
    int64_t time_ns
    uint64_t epoch
    uint64_t durable_bytes
    uint64_t first_sequence
    uint64_t hash_before
    uint64_t hash_after
    uint8_t digest[DIGEST_BYTES]
    uint32_t stored_bytes
    uint32_t reserved1[7]

# A frame that is whole. `records` are plain, `stored` is what they take in the segment.
cdef struct Found:
    const FrameHeader *head
    const char *records
    uint64_t stored


class Diverged(Exception):
    """The commands at `offset` made `events`, which are not those that are stored behind them."""

    def __init__(self, offset, events, first_sequence, hash_before):
        super().__init__(f"the events of the commands at byte {offset} are not those stored")
        self.offset = offset
        self.events = events
        self.first_sequence = first_sequence
        self.hash_before = hash_before


cdef class Replay:
    """Replays into an engine whose last batch is known. One thread at a time."""

    cdef readonly Engine engine
    cdef uint64_t _last_batch
    cdef uint64_t _hash_before
    cdef uint8_t _digest[DIGEST_BYTES]
    cdef char *_rooms[2]
    cdef uint64_t _room_bytes[2]

    def __init__(self, Engine engine, uint64_t last_batch, const uint8_t[:] last_digest):
        self.engine = engine
        self.note(last_batch, last_digest)

    def __dealloc__(self):
        free(self._rooms[0])
        free(self._rooms[1])

    @property
    def last_batch(self):
        """Number of the last batch that was replayed."""
        return self._last_batch

    @property
    def last_digest(self):
        """Its digest."""
        return bytes(self._digest[:DIGEST_BYTES])

    def note(self, uint64_t last_batch, const uint8_t[:] last_digest):
        """Takes note of a batch that was replayed by other means."""
        self._last_batch = last_batch
        memcpy(self._digest, &last_digest[0], DIGEST_BYTES)

    def forward(self, segment, uint64_t offset, uint64_t end):
        """Replays batches that have their events right behind them, from `offset` on.

        Returns where the first frame stands that it leaves alone, at most `end`. Raises Diverged
        when a batch makes other events; the engine is then of no use. The GIL is free meanwhile.
        """
        cdef Py_buffer view
        cdef uint64_t at
        PyObject_GetBuffer(segment, &view, PyBUF_SIMPLE)
        try:
            if end > <uint64_t>view.len:
                raise ValueError(f"the segment has {view.len} bytes, not {end}")
            self.engine._begin(self.engine._state.time_ns)
            with nogil:
                at = self._forward(<const char *>view.buf, offset, end)
            self.engine._busy = False
        finally:
            PyBuffer_Release(&view)
        if at > end:
            events = bytes(self.engine._events)
            first = self.engine.sequence - len(events) // RECORD_BYTES + 1
            raise Diverged(~at, events, first, self._hash_before)
        return at

    cdef uint64_t _forward(self, const char *segment, uint64_t offset, uint64_t end) noexcept nogil:
        # The complement of the offset when the events differ.
        cdef Found commands, events
        cdef const FrameHeader *head
        while self._find(segment + offset, end - offset, COMMANDS, &commands):
            head = commands.head
            if head.batch_number != 0 and head.batch_number != self._last_batch + 1:
                break
            if head.time_ns < self.engine._state.time_ns:
                break
            if not self._find(
                segment + offset + commands.stored, end - offset - commands.stored, EVENTS, &events
            ):
                break
            if not self._makes(&commands, &events):
                return ~offset
            if head.batch_number != 0:
                self._last_batch = head.batch_number
                memcpy(self._digest, head.digest, DIGEST_BYTES)
            offset += commands.stored + events.stored
        return offset

    cdef bint _makes(self, const Found *commands, const Found *events) noexcept nogil:
        # Applies the commands; whether the events come out of them.
        cdef const FrameHeader *head = events.head
        cdef State *s = self.engine._state
        cdef bint is_next = (
            head.batch_number == commands.head.batch_number
            and head.time_ns == commands.head.time_ns
            and head.first_sequence == s.sequence + 1
            and head.hash_before == s.running_hash
        )
        self._hash_before = s.running_hash
        s.time_ns = commands.head.time_ns
        self.engine._apply(<const Command *>commands.records, commands.head.count)
        return (
            is_next
            and head.hash_after == s.running_hash
            and head.count == s.event_count
            and memcmp(events.records, s.events, s.event_count * RECORD_BYTES) == 0
        )

    cdef bint _find(
        self, const char *at, uint64_t left, uint8_t type, Found *found
    ) noexcept nogil:
        cdef const FrameHeader *head = <const FrameHeader *>at
        cdef uint64_t length
        if left < RECORD_BYTES or head.magic != FRAME_MAGIC or head.type != type:
            return False
        if head.header_crc != checksum(<const uint8_t *>at + 8, RECORD_BYTES - 8):
            return False
        length = <uint64_t>head.count * RECORD_BYTES
        found.head = head
        found.records = at + RECORD_BYTES
        found.stored = RECORD_BYTES + length
        if head.packing == PACKED:
            found.stored = RECORD_BYTES + <uint64_t>head.stored_bytes
        elif head.packing != PLAIN:
            return False
        if head.count > MAX_FRAME_RECORDS or found.stored > left:
            return False
        if head.records_crc != checksum(
            <const uint8_t *>found.records, found.stored - RECORD_BYTES
        ):
            return False
        return head.packing == PLAIN or self._unpack(found, type == EVENTS, length)

    cdef bint _unpack(self, Found *found, bint events, uint64_t length) noexcept nogil:
        cdef char *room
        if length > self._room_bytes[events]:
            self._rooms[events] = <char *>realloc(self._rooms[events], 2 * length)
            self._room_bytes[events] = 2 * length
            if self._rooms[events] == NULL:
                abort()
        room = self._rooms[events]
        if not unpack_into(
            <const uint8_t *>found.records, found.stored - RECORD_BYTES, found.head.count, events,
            room,
        ):
            return False
        found.records = room
        return True
