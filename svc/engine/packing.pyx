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
from svc.engine.records cimport RECORD_BYTES

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif
    #define PACK_WORDS 16
    #define PACK_SLOTS 64
    /* Slot, codes, and sixteen words of eight bytes. */
    #define PACK_MOST_BYTES (1 + 4 + 8 * PACK_WORDS)

    /* The last record of each kind and side, from which the next one is predicted. */
    typedef struct {
        uint64_t last[PACK_SLOTS][PACK_WORDS];
        uint64_t sequence;
    } pack_context;

    static inline unsigned pack_slot(uint64_t head) {
        return (unsigned)((head & 15) | ((head >> 8) & 3) << 4);
    }

    /* A bit for each word in which the two differ. */
    static inline uint32_t pack_changed(const uint64_t *words, const uint64_t *last) {
        uint32_t changed = 0;
    #ifdef __SSE2__
        for (int i = 0; i < PACK_WORDS; i += 4) {
            __m128i low = _mm_cmpeq_epi32(
                _mm_loadu_si128((const __m128i *)(words + i)),
                _mm_loadu_si128((const __m128i *)(last + i)));
            __m128i high = _mm_cmpeq_epi32(
                _mm_loadu_si128((const __m128i *)(words + i + 2)),
                _mm_loadu_si128((const __m128i *)(last + i + 2)));
            __m128i even = _mm_castps_si128(_mm_shuffle_ps(
                _mm_castsi128_ps(low), _mm_castsi128_ps(high), _MM_SHUFFLE(2, 0, 2, 0)));
            __m128i odd = _mm_castps_si128(_mm_shuffle_ps(
                _mm_castsi128_ps(low), _mm_castsi128_ps(high), _MM_SHUFFLE(3, 1, 3, 1)));
            uint32_t same = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_and_si128(even, odd)));
            changed |= (same ^ 15) << i;
        }
    #else
        for (int i = 0; i < PACK_WORDS; i++) changed |= (uint32_t)(words[i] != last[i]) << i;
    #endif
        return changed;
    }

    /* Returns how many of the eight bytes it wrote count, and takes the code down from 3. */
    static inline unsigned pack_word(
        uint64_t difference, unsigned i, uint8_t *out, uint32_t *codes
    ) {
        uint64_t folded = (difference << 1) ^ (uint64_t)((int64_t)difference >> 63);
        unsigned more = folded > 0xFF, most = folded > 0xFFFFFF;
        memcpy(out, &folded, 8);
        *codes -= (uint32_t)(2 - more + 2 * most) << (2 * i);
        return 1 + 2 * more + 5 * most;
    }

    /* Returns where the next record begins. Writes up to eight bytes behind that. */
    static inline uint8_t *pack_record(
        pack_context *context, const uint64_t *words, int events, uint8_t *out
    ) {
        unsigned slot = pack_slot(words[events ? 2 : 0]);
        uint64_t *last = context->last[slot];
        uint8_t *codes_at = out + 1;
        uint32_t codes = ~(uint32_t)0;
        uint32_t changed = pack_changed(words, last);
        *out = (uint8_t)slot;
        out += 5;
        if (events) {
            /* Not by way of last[0]: a wide load right behind a narrow store stalls. */
            uint64_t difference = words[0] - context->sequence - 1;
            context->sequence = words[0];
            changed &= ~(uint32_t)1;
            if (difference != 0) out += pack_word(difference, 0, out, &codes);
        }
        for (; changed; changed &= changed - 1) {
            unsigned i = (unsigned)__builtin_ctz(changed);
            out += pack_word(words[i] - last[i], i, out, &codes);
        }
        memcpy(last, words, 8 * PACK_WORDS);
        memcpy(codes_at, &codes, 4);
        return out;
    }

    static size_t pack_records(
        pack_context *context, const uint64_t *words, size_t count, int events, uint8_t *out,
        size_t room
    ) {
        /* Returns 0 when they take more than `room`. */
        uint8_t *at = out;
        memset(context, 0, sizeof *context);
        for (size_t i = 0; i < count; i++) {
            if ((size_t)(at - out) + PACK_MOST_BYTES + 8 > room) return 0;
            at = pack_record(context, words + i * PACK_WORDS, events, at);
        }
        return (size_t)(at - out);
    }

    static const uint8_t PACK_LENGTHS[4] = {8, 1, 3, 0};
    static const uint64_t PACK_MASKS[4] = {~0ULL, 0xFF, 0xFFFFFF, 0};

    /* Reads up to eight bytes behind the record. */
    static inline const uint8_t *unpack_record(
        pack_context *context, const uint8_t *in, int events, uint64_t *words
    ) {
        uint64_t *last = context->last[*in % PACK_SLOTS];
        uint32_t codes, changed;
        memcpy(&codes, in + 1, 4);
        in += 5;
        if (events) last[0] = context->sequence + 1;
        changed = ~(codes & codes >> 1) & 0x55555555;
        for (; changed; changed &= changed - 1) {
            unsigned bit = (unsigned)__builtin_ctz(changed);
            unsigned code = codes >> bit & 3;
            uint64_t folded;
            memcpy(&folded, in, 8);
            folded &= PACK_MASKS[code];
            in += PACK_LENGTHS[code];
            last[bit / 2] += (folded >> 1) ^ (0 - (folded & 1));
        }
        memcpy(words, last, 8 * PACK_WORDS);
        if (events) context->sequence = words[0];
        return in;
    }

    static size_t unpack_records(
        pack_context *context, const uint8_t *in, size_t length, size_t count, int events,
        uint64_t *words
    ) {
        /* Returns how many bytes the records took, 0 when they reach beyond `length`. */
        uint8_t end[2 * (PACK_MOST_BYTES + 8)];
        const uint8_t *behind;
        size_t at = 0;
        memset(context, 0, sizeof *context);
        for (size_t i = 0; i < count; i++, words += PACK_WORDS) {
            if (length - at >= PACK_MOST_BYTES + 8) {
                at = (size_t)(unpack_record(context, in + at, events, words) - in);
                continue;
            }
            memset(end, 0, sizeof end);
            memcpy(end, in + at, length - at);
            behind = unpack_record(context, end, events, words);
            if ((size_t)(behind - end) > length - at) return 0;
            at += (size_t)(behind - end);
        }
        return at;
    }
    """
    ctypedef struct pack_context:
        pass
    size_t pack_records(
        pack_context *context, const void *words, size_t count, int events, uint8_t *out,
        size_t room,
    ) nogil
    size_t unpack_records(
        pack_context *context, const uint8_t *packed, size_t length, size_t count, int events,
        void *words,
    ) nogil

# A frame to be written, and what it took.
cdef struct Job:
    FrameHeader head
    const void *records
    size_t length
    size_t stored

cdef enum:
    FILLING = 0xFF


cdef class Packer:
    """Makes the frames of one writer, in memory that it keeps. One thread at a time."""

    cdef pack_context _context
    cdef uint8_t *_room
    cdef size_t _room_bytes

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
        cdef size_t packed = pack_records(
            &self._context, job.records, job.head.count, job.head.type == EVENTS, records,
            job.length,
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
