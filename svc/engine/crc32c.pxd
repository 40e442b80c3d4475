"""The checksum for other modules' C: crc32c.pyx."""

from libc.stdint cimport uint32_t

cdef uint32_t checksum(const unsigned char *at, size_t length) noexcept nogil
