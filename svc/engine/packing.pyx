# cython: language_level=3, embedsignature=True, boundscheck=False, wraparound=False
"""Frames of the journal, their records in a tenth of the bytes: docs/journal.md, Packed records.

A disk that takes 200 MB/s takes 0.8 million commands a second of 128 bytes with their events, and
seven million of these. Invariant: `unpack` gives back what a frame was made of, or raises
ValueError; it reads and writes nothing outside its buffers whatever bytes it is given.
"""

from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport abort, calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from svc.engine.crc32c cimport checksum
from svc.engine.frame cimport (
    COMMANDS,
    CRC_BYTES,
    DIGEST_BYTES,
    EVENTS,
    FRAME_MAGIC,
    PACKED,
    FrameHeader,
)
from svc.engine.packed_records cimport (
    fill_pair_tables,
    has_wide_registers,
    pack_context,
    pack_records,
    pack_records_wide,
    unpack_records,
)
from svc.engine.records cimport RECORD_BYTES

# A frame to be written, and what it took.
cdef struct Job:
    FrameHeader head
    const void *records
    size_t length
    size_t stored

cdef enum:
    FILLING = 0xFF

fill_pair_tables()


cdef class Packer:
    """Makes the frames of one writer, in memory that it keeps. One thread at a time.

    They are the same without the wide registers that some processors have.
    """

    cdef pack_context _context
    cdef uint8_t *_room
    cdef size_t _room_bytes
    cdef bint _is_wide

    def __cinit__(self, bint may_be_wide=True):
        self._is_wide = may_be_wide and has_wide_registers()

    def __dealloc__(self):
        free(self._room)

    def commands(self, stamped, uint64_t epoch, uint64_t durable_bytes):
        """Returns the frames of the commands of Stamped batches back to back, and their lengths.

        `epoch` is the writer's, `durable_bytes` what is known to be synced of the segment. Records
        that get smaller are stored packed. The frames stay until the next call. The GIL is free
        meanwhile.
        """
        cdef Py_ssize_t at = 0
        cdef Job *jobs = _new_jobs(len(stamped))
        try:
            for each in stamped:
                batch = each.batch
                _fill_job(&jobs[at], COMMANDS, batch.commands, batch.number, each.time_ns)
                memcpy(jobs[at].head.digest, <const char *>batch.digest, DIGEST_BYTES)
                at += 1
            return self._frames(jobs, at, epoch, durable_bytes)
        finally:
            free(jobs)

    def events(self, made, uint64_t epoch, uint64_t durable_bytes):
        """The same for EventBatches."""
        cdef Py_ssize_t at = 0
        cdef Job *jobs = _new_jobs(len(made))
        try:
            for events in made:
                _fill_job(
                    &jobs[at], EVENTS, events.records, events.batch_number, events.time_ns
                )
                jobs[at].head.first_sequence = events.first_sequence
                jobs[at].head.hash_before = events.previous_hash
                jobs[at].head.hash_after = events.running_hash
                at += 1
            return self._frames(jobs, at, epoch, durable_bytes)
        finally:
            free(jobs)

    cdef tuple _frames(
        self, Job *jobs, Py_ssize_t count, uint64_t epoch, uint64_t durable_bytes
    ):
        cdef size_t length
        cdef Py_ssize_t i
        with nogil:
            length = self._write(jobs, count, epoch, durable_bytes)
        frames = PyMemoryView_FromMemory(<char *>self._room, length, PyBUF_READ)
        return frames, [jobs[i].stored for i in range(count)]

    cdef size_t _write(
        self, Job *jobs, Py_ssize_t count, uint64_t epoch, uint64_t durable_bytes
    ) noexcept nogil:
        cdef size_t at = 0
        cdef Py_ssize_t i
        for i in range(count):
            self._reserve(at + RECORD_BYTES + jobs[i].length)
            jobs[i].head.epoch = epoch
            jobs[i].head.durable_bytes = durable_bytes
            self._write_frame(&jobs[i], self._room + at)
            at += jobs[i].stored
        return at

    cdef void _reserve(self, size_t length) noexcept nogil:
        if length > self._room_bytes:
            self._room = <uint8_t *>realloc(self._room, 2 * length)
            self._room_bytes = 2 * length
            if self._room == NULL:
                abort()

    cdef void _write_frame(self, Job *job, uint8_t *out) noexcept nogil:
        cdef uint8_t *records = out + RECORD_BYTES
        cdef bint events = job.head.type == EVENTS
        cdef size_t packed = (pack_records_wide if self._is_wide else pack_records)(
            &self._context, job.records, job.head.count, events, records, job.length
        )
        cdef size_t filled = (packed + RECORD_BYTES - 1) // RECORD_BYTES * RECORD_BYTES
        if 0 < filled < job.length:
            memset(records + packed, FILLING, filled - packed)
            job.head.packing = PACKED
            job.head.stored_bytes = filled
        else:
            filled = job.length
            memcpy(records, job.records, filled)
        job.stored = RECORD_BYTES + filled
        job.head.magic = FRAME_MAGIC
        job.head.records_crc = checksum(records, filled)
        job.head.header_crc = checksum(
            <const uint8_t *>&job.head.type, RECORD_BYTES - CRC_BYTES
        )
        memcpy(out, &job.head, RECORD_BYTES)


cdef Job *_new_jobs(Py_ssize_t count) except NULL:
    cdef Job *jobs = <Job *>calloc(count + 1, sizeof(Job))
    if jobs == NULL:
        raise MemoryError
    return jobs


cdef int _fill_job(
    Job *job, int type, records, uint64_t batch_number, int64_t time_ns
) except -1:
    # The records stay where they are: whoever asks for the frames holds them.
    cdef Py_buffer view
    PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
    job.records = view.buf
    job.length = view.len
    PyBuffer_Release(&view)
    job.head.type = type
    job.head.count = job.length // RECORD_BYTES
    job.head.batch_number = batch_number
    job.head.time_ns = time_ns
    return 0


def unpack(packed, size_t count, bint events):
    """Returns the `count` records that were packed; ValueError for anything else."""
    cdef Py_buffer view
    cdef bint is_right
    PyObject_GetBuffer(packed, &view, PyBUF_SIMPLE)
    try:
        if count > <size_t>view.len // 5:
            raise ValueError(f"{view.len} bytes are too few for {count} packed records")
        records = PyBytes_FromStringAndSize(NULL, count * RECORD_BYTES)
        out = PyBytes_AS_STRING(records)
        with nogil:
            is_right = unpack_into(<const uint8_t *>view.buf, view.len, count, events, <void *>out)
        if not is_right:
            raise ValueError(f"{view.len} bytes are not {count} packed records")
        return records
    finally:
        PyBuffer_Release(&view)


cdef bint unpack_into(
    const uint8_t *packed, size_t length, size_t count, bint events, void *records
) noexcept nogil:
    cdef pack_context context
    cdef size_t used = unpack_records(&context, packed, length, count, events, records)
    return used != 0 and _is_filled(packed, used, length)


cdef bint _is_filled(const uint8_t *packed, size_t start, size_t end) noexcept nogil:
    cdef size_t at
    if end - start >= RECORD_BYTES:
        return False
    for at in range(start, end):
        if packed[at] != FILLING:
            return False
    return True
