"""Unpacking for other modules' C: packing.pyx."""

from libc.stdint cimport uint8_t

# Whether the `count` records that were packed, and nothing else, stand in `length` bytes; if so
# `records` has room for them and gets them.
cdef bint unpack_into(
    const uint8_t *packed, size_t length, size_t count, bint events, void *records
) noexcept nogil
