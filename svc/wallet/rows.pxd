from libc.stdint cimport int64_t

cdef class Rows:
    cdef char* _text
    cdef Py_ssize_t _used
    cdef Py_ssize_t _room
    cdef Py_ssize_t _count

    cdef int begin(self) except -1
    cdef int number(self, int64_t value) except -1
    cdef int amount(self, object value) except -1
    cdef int end(self) except -1
    cdef int extend(self, Rows later) except -1
    cdef int _need(self, Py_ssize_t more) except -1
