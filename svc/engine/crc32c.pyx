# cython: language_level=3, embedsignature=True
"""CRC-32C (Castagnoli, RFC 3720 appendix B.4), which the journal puts over its headers and records.

Uses the processor's instruction where there is one, tables elsewhere. Invariant: both ways give the
same value.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    static uint32_t crc_tables[8][256];

    static void fill_crc_tables(void) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t crc = i;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1)));
            crc_tables[0][i] = crc;
        }
        for (uint32_t i = 0; i < 256; i++)
            for (int t = 1; t < 8; t++)
                crc_tables[t][i] =
                    (crc_tables[t - 1][i] >> 8) ^ crc_tables[0][crc_tables[t - 1][i] & 0xFF];
    }

    /* Slicing by eight (Kounavis and Berry 2005). */
    static uint32_t crc_by_tables(uint32_t crc, const uint8_t *at, size_t length) {
        for (; length >= 8; at += 8, length -= 8) {
            uint32_t low, high;
            memcpy(&low, at, 4);
            memcpy(&high, at + 4, 4);
            low ^= crc;
            crc = crc_tables[7][low & 0xFF] ^ crc_tables[6][(low >> 8) & 0xFF]
                ^ crc_tables[5][(low >> 16) & 0xFF] ^ crc_tables[4][low >> 24]
                ^ crc_tables[3][high & 0xFF] ^ crc_tables[2][(high >> 8) & 0xFF]
                ^ crc_tables[1][(high >> 16) & 0xFF] ^ crc_tables[0][high >> 24];
        }
        for (; length > 0; at++, length--)
            crc = (crc >> 8) ^ crc_tables[0][(crc ^ *at) & 0xFF];
        return crc;
    }

    #if defined(__x86_64__)
    __attribute__((target("sse4.2")))
    static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *at, size_t length) {
        uint64_t wide = crc;
        for (; length >= 8; at += 8, length -= 8) {
            uint64_t word;
            memcpy(&word, at, 8);
            wide = __builtin_ia32_crc32di(wide, word);
        }
        crc = (uint32_t)wide;
        for (; length > 0; at++, length--)
            crc = __builtin_ia32_crc32qi(crc, *at);
        return crc;
    }
    static int has_crc_instruction(void) {
        return __builtin_cpu_supports("sse4.2");
    }
    #else
    static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *at, size_t length) {
        return crc_by_tables(crc, at, length);
    }
    static int has_crc_instruction(void) {
        return 0;
    }
    #endif
    """
    void fill_crc_tables()
    uint32_t crc_by_tables(uint32_t crc, const unsigned char *at, size_t length) nogil
    uint32_t crc_by_instruction(uint32_t crc, const unsigned char *at, size_t length) nogil
    bint has_crc_instruction()

fill_crc_tables()
cdef bint _by_instruction = has_crc_instruction()


def crc32c(data, uint32_t before=0):
    """Returns the checksum of `data`, continued from that of what stands before it."""
    return _checksum(data, before, _by_instruction)


def crc32c_by_tables(data, uint32_t before=0):
    """The same without the processor's instruction, whatever the machine has."""
    return _checksum(data, before, False)


cdef uint32_t checksum(const unsigned char *at, size_t length) noexcept nogil:
    return ~(
        crc_by_instruction(~<uint32_t>0, at, length)
        if _by_instruction
        else crc_by_tables(~<uint32_t>0, at, length)
    )


cdef uint32_t _checksum(object data, uint32_t before, bint by_instruction) except? 0:
    cdef Py_buffer view
    cdef uint32_t crc = ~before
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    with nogil:
        if by_instruction:
            crc = crc_by_instruction(crc, <const unsigned char *>view.buf, view.len)
        else:
            crc = crc_by_tables(crc, <const unsigned char *>view.buf, view.len)
    PyBuffer_Release(&view)
    return ~crc
