# cython: language_level=3, boundscheck=False, wraparound=False
"""Ids: int64 inside, UUIDv7 text outside, each a function of the other.

Inside, an id made here is time (41 bits, milliseconds since 2024-01-01 UTC), writer (6 bits) and
counter (16 bits), so ids of one writer only grow. Outside, any id in 1..2**63-1 is a UUIDv7 that
carries the id and a checksum of it: no table is needed to go back, and a mistyped UUID is refused
instead of naming somebody else's order. docs/ids.md shows the bits.

An id is no secret and proves no right: who may see what it names is checked elsewhere.
"""

from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    static inline uint64_t quantamesh_product_modulo(uint64_t one, uint64_t other, uint64_t prime) {
        return (uint64_t)((unsigned __int128)one * other % prime);
    }
    """
    # Cython has no 128-bit integers: the product is C's.
    uint64_t product_modulo "quantamesh_product_modulo" (
        uint64_t one, uint64_t other, uint64_t prime) noexcept nogil
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *length) except NULL

MAX_ID = 2**63 - 1
MAX_WRITER = 63

cdef enum:
    COUNTERS = 65_536  # ids of a writer in a millisecond
    DIGITS = 32

cdef int64_t EPOCH_MS = 1_704_067_200_000
cdef int64_t MAX_MS = (<int64_t>1 << 41) - 1
# The time at id 0 in the upper 48 bits, then the version (7).
cdef uint64_t FIRST_HALF = 1_704_067_200_000 << 16 | 7 << 12
cdef uint64_t VARIANT = <uint64_t>1 << 63
# A prime below 2**52: no change of one digit, and no swap of two neighbours, is a multiple of it.
cdef uint64_t CHECKSUM_PRIME = (<uint64_t>1 << 52) - 47
cdef uint64_t CHECKSUM_FACTOR = 0x9E37_79B9_7F4A_7C15

cdef const char *HEXADECIMAL = "0123456789abcdef"


cdef class IdGenerator:
    """Gives ids that never repeat for its writer number, also when the wall clock steps back.

    While the clock stands behind the last id, counting goes on from that id; after 65,536 ids in
    one millisecond the next millisecond is begun early, so a caller never waits.
    """

    cdef object _clock
    cdef int64_t _writer, _ms, _count

    def __init__(self, writer, clock, after=0):
        """`writer` in 0..63 is this writer's alone; `after` is the highest id it already gave.

        Across a restart only `after` protects against a clock that was set back meanwhile: read it
        from the table the ids went into.
        """
        if not 0 <= writer <= MAX_WRITER:
            raise ValueError(f"id writer is {writer}, must be in 0..{MAX_WRITER}")
        if not 0 <= after <= MAX_ID:
            raise ValueError(f"highest known id is {after}, must be in 0..{MAX_ID}")
        self._writer = writer << 16
        self._clock = clock
        self._ms = after >> 22
        self._count = COUNTERS if after else 0

    def next(self):
        """The next id, greater than every id this generator gave before."""
        cdef int64_t now_ms = <int64_t>self._clock.unix_ns() // 1_000_000 - EPOCH_MS
        cdef int64_t value
        if now_ms > self._ms:
            self._ms = now_ms
            self._count = 0
        elif self._count == COUNTERS:
            self._ms += 1
            self._count = 0
        assert self._ms <= MAX_MS, "ids hold times up to the year 2093"
        value = self._ms << 22 | self._writer | self._count
        self._count += 1
        return value


cdef inline uint64_t _last_half(int64_t value) noexcept nogil:
    cdef uint64_t checksum = product_modulo(<uint64_t>value, CHECKSUM_FACTOR, CHECKSUM_PRIME)
    return VARIANT | <uint64_t>(value & 0x3FF) << 52 | checksum


cdef inline bint _hyphen_follows(int digit) noexcept nogil:
    return digit == 7 or digit == 11 or digit == 15 or digit == 19


cdef void write_uuid(int64_t value, char *text) noexcept nogil:
    """Writes the 36 characters of an id in 1..2**63-1."""
    cdef uint64_t half = (<uint64_t>(value >> 22) << 16 | value >> 10 & 0xFFF) + FIRST_HALF
    cdef int digit
    for digit in range(DIGITS):
        if digit == DIGITS // 2:
            half = _last_half(value)
        text[0] = HEXADECIMAL[half >> 60]
        half <<= 4
        text += 1
        if _hyphen_follows(digit):
            text[0] = c"-"
            text += 1


cdef int64_t read_uuid(const char *text, Py_ssize_t length) noexcept nogil:
    """The id behind a UUID of ours, lower or upper case; 0 for any other text."""
    cdef uint64_t halves[2]
    cdef uint64_t half = 0
    cdef int64_t value
    cdef int digit
    cdef char at
    if length != UUID_CHARS:
        return 0
    for digit in range(DIGITS):
        at = text[0]
        if c"0" <= at <= c"9":
            half = half << 4 | <uint64_t>(at - c"0")
        elif c"a" <= at <= c"f":
            half = half << 4 | <uint64_t>(at - c"a" + 10)
        elif c"A" <= at <= c"F":
            half = half << 4 | <uint64_t>(at - c"A" + 10)
        else:
            return 0
        text += 1
        if digit % 16 == 15:
            halves[digit // 16] = half
            half = 0
        if _hyphen_follows(digit):
            if text[0] != c"-":
                return 0
            text += 1
    half = halves[0] - FIRST_HALF
    if half & 0xF000 or half >> 57:
        return 0
    value = <int64_t>(half >> 16 << 22 | (half & 0xFFF) << 10 | halves[1] >> 52 & 0x3FF)
    return value if value > 0 and halves[1] == _last_half(value) else 0


def to_uuid(value):
    """The UUIDv7 text of an id in 1..2**63-1; larger ids sort after smaller ones as text too."""
    cdef char text[UUID_CHARS]
    assert 0 < value <= MAX_ID, "an id is in 1..2**63-1"
    write_uuid(value, text)
    return PyUnicode_DecodeASCII(text, UUID_CHARS, NULL)


def from_uuid(text):
    """The id behind a UUID of ours, lower or upper case.

    Raises ValueError for text that is no UUID and for a UUID that to_uuid never gives.
    """
    cdef Py_ssize_t length = 0
    cdef const char *characters
    cdef int64_t value = 0
    if isinstance(text, str) and text.isascii():
        characters = PyUnicode_AsUTF8AndSize(text, &length)
        value = read_uuid(characters, length)
    if value == 0:
        raise ValueError(_refusal(text))
    return value


def _refusal(text: object) -> str:
    return (
        f"{str(text)[:48]!r} is not an id of this exchange: must be a UUID as it was given out, "
        "36 characters; check for a mistyped one"
    )
