# cython: language_level=3, embedsignature=True
"""Lists of tuples as PostgreSQL arrays of rows, in the binary format of a statement's parameter.

asyncpg writes such an array through general codecs, at 5 to 7 µs a row of a dozen fields; this
writes the plain types that our row types use, at about 1 µs. Layout: array_recv and record_recv
of PostgreSQL (src/backend/utils/adt/arrayfuncs.c and rowtypes.c). Invariant: a value that the
field's type cannot hold raises, nothing is cut or rounded.
"""

from cpython.bytes cimport PyBytes_AsStringAndSize, PyBytes_FromStringAndSize
from cpython.long cimport PyLong_Check
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

# Type ids that are the same in every database (src/include/catalog/pg_type.dat).
cdef enum:
    BOOLEAN = 16
    BYTEA = 17
    BIGINT = 20
    SMALLINT = 21
    INTEGER = 23
    TEXT = 25

_NAMES = {
    BOOLEAN: "boolean", BYTEA: "bytea", BIGINT: "bigint", SMALLINT: "smallint",
    INTEGER: "integer", TEXT: "text",
}


cdef class RowsEncoder:
    """Encodes rows of one composite type; call it with a list of tuples, named or not.

    Raises ValueError or TypeError naming the row, the field and the value.
    """

    cdef uint32_t _row_type
    cdef int _width
    cdef uint32_t *_types
    cdef tuple _fields
    cdef char *_at
    cdef Py_ssize_t _used
    cdef Py_ssize_t _size

    def __cinit__(self):
        self._types = NULL
        self._at = NULL

    def __init__(self, row_type: int, fields: tuple[tuple[str, int], ...]):
        """`row_type` is the composite type's id, `fields` its names and type ids in order.

        Raises ValueError for a field of a type that this does not write.
        """
        for name, number in fields:
            if number not in _NAMES:
                raise ValueError(f"field {name} has type {number}, which rows do not carry")
        self._row_type = row_type
        self._width = len(fields)
        self._fields = tuple(fields)
        self._types = <uint32_t *>PyMem_Malloc(max(self._width, 1) * sizeof(uint32_t))
        self._size = 1 << 16
        self._at = <char *>PyMem_Malloc(self._size)
        if self._types == NULL or self._at == NULL:
            raise MemoryError
        for place, (_, number) in enumerate(fields):
            self._types[place] = number

    def __dealloc__(self):
        PyMem_Free(self._types)
        PyMem_Free(self._at)

    def __call__(self, list rows not None) -> bytes:
        cdef Py_ssize_t place = 0
        self._used = 0
        self._room(20)
        self._put32(1 if rows else 0)  # dimensions
        self._put32(0)  # no element is null
        self._put32(self._row_type)
        if rows:
            self._put32(<uint32_t>len(rows))
            self._put32(1)  # the first element's number
        for row in rows:
            if not PyTuple_Check(row):  # which named ones are too
                raise TypeError(f"row {place} is no tuple but {row!r}")
            self._row(row, place)
            place += 1
        return PyBytes_FromStringAndSize(self._at, self._used)

    cdef int _row(self, object row, Py_ssize_t number) except -1:
        cdef Py_ssize_t start
        cdef int place
        if PyTuple_GET_SIZE(row) != self._width:
            raise ValueError(f"row {number} has {len(row)} fields, its type has {self._width}")
        self._room(8 + self._width * 16)  # of all that is not text or bytes
        start = self._used
        self._used += 4
        self._put32(self._width)
        for place in range(self._width):
            self._put32(self._types[place])
            value = <object>PyTuple_GET_ITEM(row, place)
            if value is None:
                self._put32(0xFFFFFFFF)
                continue
            try:
                self._value(value, self._types[place], self._width - place)
            except (TypeError, ValueError, OverflowError) as error:
                name, kind = self._fields[place]
                raise ValueError(
                    f"row {number}: {name} = {value!r} is no {_NAMES[kind]}"
                ) from error
        self._put32_at(start, <uint32_t>(self._used - start - 4))
        return 0

    cdef int _value(self, object value, uint32_t kind, int fields_left) except -1:
        cdef const char *text
        cdef char *data
        cdef Py_ssize_t length
        cdef int64_t number
        if kind == TEXT:
            text = PyUnicode_AsUTF8AndSize(value, &length)
            self._bytes(text, length, fields_left)
        elif kind == BYTEA:
            PyBytes_AsStringAndSize(value, &data, &length)
            self._bytes(data, length, fields_left)
        elif kind == BOOLEAN:
            if value is not True and value is not False:
                raise TypeError
            self._put32(1)
            self._at[self._used] = value is True
            self._used += 1
        else:
            if not PyLong_Check(value):
                raise TypeError
            number = value
            self._integer(number, kind)
        return 0

    cdef int _integer(self, int64_t number, uint32_t kind) except -1:
        if kind == BIGINT:
            self._put32(8)
            self._put32(<uint32_t>(<uint64_t>number >> 32))
            self._put32(<uint32_t>number)
        elif kind == INTEGER:
            if number < INT32_MIN or number > INT32_MAX:
                raise OverflowError
            self._put32(4)
            self._put32(<uint32_t>number)
        else:
            if number < INT16_MIN or number > INT16_MAX:
                raise OverflowError
            self._put32(2)
            self._at[self._used] = <char>(number >> 8)
            self._at[self._used + 1] = <char>number
            self._used += 2
        return 0

    cdef int _bytes(self, const char *data, Py_ssize_t length, int fields_left) except -1:
        if length > INT32_MAX:
            raise OverflowError
        self._room(4 + length + fields_left * 16)
        self._put32(<uint32_t>length)
        memcpy(self._at + self._used, data, length)
        self._used += length
        return 0

    cdef int _room(self, Py_ssize_t more) except -1:
        cdef char *grown
        cdef Py_ssize_t size = self._size
        if self._used + more > size:
            while self._used + more > size:
                size *= 2
            grown = <char *>PyMem_Realloc(self._at, size)
            if grown == NULL:
                raise MemoryError
            self._at = grown
            self._size = size
        return 0

    cdef inline void _put32(self, uint32_t number) noexcept:
        self._put32_at(self._used, number)
        self._used += 4

    cdef inline void _put32_at(self, Py_ssize_t at, uint32_t number) noexcept:
        self._at[at] = <char>(number >> 24)
        self._at[at + 1] = <char>(number >> 16)
        self._at[at + 2] = <char>(number >> 8)
        self._at[at + 3] = <char>number
