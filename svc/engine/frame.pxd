"""The frame of docs/journal.md in C, for all that write or read one; frames.py does for Python."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #ifndef QMESH_FRAME
    #define QMESH_FRAME
    typedef struct {
        uint32_t magic, header_crc;
        uint8_t type, packing, reserved0[6];
        uint32_t count, records_crc;
        uint64_t batch_number;
        int64_t time_ns;
        uint64_t epoch, durable_bytes, first_sequence, hash_before, hash_after;
        uint8_t digest[16];
        uint32_t stored_bytes, reserved1[7];
    } frame_header;
    _Static_assert(sizeof(frame_header) == 128, "docs/journal.md");
    #endif
    """
    ctypedef struct FrameHeader "frame_header":
        uint32_t magic
        uint32_t header_crc
        uint8_t type
        uint8_t packing
        uint32_t count
        uint32_t records_crc
        uint64_t batch_number
        int64_t time_ns
        uint64_t epoch
        uint64_t durable_bytes
        uint64_t first_sequence
        uint64_t hash_before
        uint64_t hash_after
        uint8_t digest[16]
        uint32_t stored_bytes

cdef enum:
    FRAME_MAGIC = 0x524d5251
    COMMANDS = 1
    EVENTS = 2
    PLAIN = 0
    PACKED = 1
    CRC_BYTES = 8
    DIGEST_BYTES = 16
    MAX_FRAME_RECORDS = 1 << 24
