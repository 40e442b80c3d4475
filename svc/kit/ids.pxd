"""The UUIDs of ids for other modules' C: ids.pyx."""

from libc.stdint cimport int64_t

cdef enum:
    UUID_CHARS = 36

cdef void write_uuid(int64_t value, char *text) noexcept nogil
cdef int64_t read_uuid(const char *text, Py_ssize_t length) noexcept nogil
