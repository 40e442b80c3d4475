# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Replays a segment's frames as fast as the engine matches: no Python object for a frame or record.

It goes on while everything is as it must be, and leaves whatever is not to recovery.py, which finds
out what it is. Two places move through the segment: that of the commands, and ahead of it that of
the events. Invariant: the batches that were replayed stand in the segment whole, follow each other,
and made the events that are stored, byte for byte.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport abort, free, realloc
from libc.string cimport memcmp, memcpy

from svc.engine.book cimport Engine
from svc.engine.crc32c cimport checksum
from svc.engine.frame cimport (
    COMMANDS,
    CRC_BYTES,
    DIGEST_BYTES,
    EVENTS,
    FRAME_MAGIC,
    MAX_FRAME_RECORDS,
    PACKED,
    PLAIN,
    FrameHeader,
)
from svc.engine.packing cimport unpack_into
from svc.engine.records cimport RECORD_BYTES, Command
from svc.engine.state cimport State

# A frame that is whole. `records` are plain, `stored` is what they take in the segment.
cdef struct Found:
    const FrameHeader *head
    const char *records
    uint64_t stored


class Diverged(Exception):
    """The commands at `offset` made `events`, not those that are stored at `events_offset`."""

    def __init__(self, offset, events_offset, events, first_sequence, hash_before):
        super().__init__(f"the events of the commands at byte {offset} are not those stored")
        self.offset = offset
        self.events_offset = events_offset
        self.events = events
        self.first_sequence = first_sequence
        self.hash_before = hash_before


cdef class Replay:
    """Replays into an engine whose last batch is known. One thread at a time."""

    cdef readonly Engine engine
    cdef readonly uint64_t compared
    """Events that stand before this offset of the segment have been compared already."""
    cdef uint64_t _whole
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

    def begin_segment(self):
        """The offsets from here on are of another segment."""
        self.compared = self._whole = 0

    def forward(self, segment, uint64_t offset, uint64_t end):
        """Replays batches whose events stand in the segment behind them, from `offset` on.

        Returns where the first frame stands that it leaves alone, at most `end`; events may have
        been compared beyond it, up to `compared`. Raises Diverged when a batch makes other events;
        the engine is then of no use. The GIL is free meanwhile.
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
            raise Diverged(~at, self.compared, events, first, self._hash_before)
        return at

    cdef uint64_t _forward(self, const char *segment, uint64_t offset, uint64_t end) noexcept nogil:
        # The complement of the offset when the events differ, which then stand at `compared`.
        cdef Found commands, events
        cdef const FrameHeader *head
        self.compared = max(self.compared, offset)
        while offset < end:
            head = <const FrameHeader *>(segment + offset)
            if offset < self.compared and head.type == EVENTS:
                offset += _stored(head)
                continue
            if not self._find(segment, offset, end, COMMANDS, &commands):
                break
            if head.batch_number != 0 and head.batch_number != self._last_batch + 1:
                break
            if head.time_ns < self.engine._state.time_ns:
                break
            if not self._find_events(segment, offset + commands.stored, end, &events):
                break
            if not self._makes(&commands, &events):
                return ~offset
            self.compared += events.stored
            if head.batch_number != 0:
                self._last_batch = head.batch_number
                memcpy(self._digest, head.digest, DIGEST_BYTES)
            offset += commands.stored
        return offset

    cdef bint _find_events(
        self, const char *segment, uint64_t offset, uint64_t end, Found *found
    ) noexcept nogil:
        # The next events that were not compared yet; `compared` is then where they stand. The
        # commands before them are whole, or a later look at them could undo what was compared.
        cdef uint64_t at = max(self.compared, offset)
        while self._is_whole(segment, at, end, COMMANDS):
            at += _stored(<const FrameHeader *>(segment + at))
        if not self._find(segment, at, end, EVENTS, found):
            return False
        self.compared = at
        return True

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
        self, const char *segment, uint64_t at, uint64_t end, uint8_t type, Found *found
    ) noexcept nogil:
        cdef const FrameHeader *head = <const FrameHeader *>(segment + at)
        if not self._is_whole(segment, at, end, type):
            return False
        found.head = head
        found.records = segment + at + RECORD_BYTES
        found.stored = _stored(head)
        return head.packing == PLAIN or self._unpack(
            found, type == EVENTS, <uint64_t>head.count * RECORD_BYTES
        )

    cdef bint _is_whole(
        self, const char *segment, uint64_t at, uint64_t end, uint8_t type
    ) noexcept nogil:
        cdef const FrameHeader *head = <const FrameHeader *>(segment + at)
        cdef uint64_t stored
        if at < self._whole:
            return head.type == type
        if end - at < RECORD_BYTES or head.magic != FRAME_MAGIC or head.type != type:
            return False
        if head.header_crc != checksum(
            <const uint8_t *>head + CRC_BYTES, RECORD_BYTES - CRC_BYTES
        ):
            return False
        if head.packing > PACKED or head.count > MAX_FRAME_RECORDS:
            return False
        stored = _stored(head)
        if stored > end - at or head.records_crc != checksum(
            <const uint8_t *>head + RECORD_BYTES, stored - RECORD_BYTES
        ):
            return False
        self._whole = at + stored
        return True

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


cdef uint64_t _stored(const FrameHeader *head) noexcept nogil:
    if head.packing == PACKED:
        return RECORD_BYTES + <uint64_t>head.stored_bytes
    return RECORD_BYTES + <uint64_t>head.count * RECORD_BYTES
