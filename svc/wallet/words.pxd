# Python's integers as machine words, where they fit.

from libc.stdint cimport int64_t

cdef extern from *:
    """
    /* Whether the number is one of 64 bits; it says no to -1, which Python uses for errors. */
    static inline int fits(PyObject *number, int64_t *value) {
        int beyond;
        *value = PyLong_AsLongLongAndOverflow(number, &beyond);
        if (*value != -1) return 1;
        PyErr_Clear();
        return 0;
    }
    """
    bint fits(object number, int64_t* value) noexcept
