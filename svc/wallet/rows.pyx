# cython: language_level=3
"""Rows of integers as text: the literal of a PostgreSQL array of a table's rows.

A row is written where it is known, digit by digit, and no object is made for a column of it.
Amounts may have any number of digits.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from cpython.unicode cimport PyUnicode_DecodeASCII

from svc.wallet.words cimport fits

cdef enum:
    LEAST_ROOM = 4096
    MOST_OF_A_ROW = 1024  # brackets, quotes and at most 32 columns of 21 characters
    MOST_DIGITS = 20


cdef class Rows:
    """Grows row by row: ``begin``, its columns in the table's order, ``end``."""

    def __cinit__(self):
        self._text = NULL
        self._used = self._room = self._count = 0

    def __dealloc__(self):
        free(self._text)

    def __len__(self):
        return self._count

    def text(self):
        """All of them as an array literal; "{}" when there are none."""
        if not self._count:
            return "{}"
        self._text[0] = b"{"
        self._need(1)
        self._text[self._used] = b"}"
        return PyUnicode_DecodeASCII(self._text, self._used + 1, NULL)

    cdef int begin(self) except -1:
        self._need(MOST_OF_A_ROW)
        # The comma before the first row is where the array begins.
        memcpy(self._text + self._used, b',"(', 3)
        self._used += 3
        return 0

    cdef int number(self, int64_t value) except -1:
        cdef char digits[MOST_DIGITS]
        cdef int at = MOST_DIGITS
        cdef uint64_t left = <uint64_t>value
        if value < 0:
            self._text[self._used] = b"-"
            self._used += 1
            left = 0 - left
        while True:
            at -= 1
            digits[at] = <char>(48 + left % 10)
            left //= 10
            if left == 0:
                break
        memcpy(self._text + self._used, digits + at, MOST_DIGITS - at)
        self._used += MOST_DIGITS - at
        self._text[self._used] = b","
        self._used += 1
        return 0

    cdef int amount(self, object value) except -1:
        cdef int64_t narrow
        cdef bytes digits
        if fits(value, &narrow):
            return self.number(narrow)
        digits = b"%d," % value
        self._need(len(digits) + MOST_OF_A_ROW)
        memcpy(self._text + self._used, <const char*>digits, len(digits))
        self._used += len(digits)
        return 0

    cdef int end(self) except -1:
        memcpy(self._text + self._used - 1, b')"', 2)
        self._used += 1
        self._count += 1
        return 0

    cdef int extend(self, Rows later) except -1:
        self._need(later._used)
        if later._used:
            memcpy(self._text + self._used, later._text, later._used)
        self._used += later._used
        self._count += later._count
        return 0

    cdef int _need(self, Py_ssize_t more) except -1:
        cdef char* grown
        cdef Py_ssize_t room = self._room or LEAST_ROOM
        if self._used + more <= self._room:
            return 0
        while room < self._used + more:
            room *= 2
        grown = <char*>realloc(self._text, room)
        if grown == NULL:
            raise MemoryError
        self._text = grown
        self._room = room
        return 0
