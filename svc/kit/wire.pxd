"""Reading and writing protobuf's wire format in C, for modules that know their messages.

Readers are strict: what is cut off or no varint is refused, so a caller can leave everything out of
the ordinary to protobuf itself. Writers leave out zeros and empty texts, as proto3 does, and check
no bounds: a field number is below 2**28, a number takes at most 14 bytes with its head.
Format: protobuf.dev/programming-guides/encoding.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    VARINT = 0
    LENGTH = 2


cdef struct Span:
    const uint8_t *at
    const uint8_t *end


cdef inline bint take_varint(Span *span, uint64_t *value) noexcept nogil:
    """Whether a number was there."""
    cdef int shift = 0
    cdef uint64_t byte
    value[0] = 0
    while span.at < span.end and shift < 64:
        byte = span.at[0]
        if shift == 63 and byte > 1:
            return False
        span.at += 1
        value[0] |= (byte & 0x7F) << shift
        if byte < 0x80:
            return True
        shift += 7
    return False


cdef inline bint take_inside(Span *span, Span *inside) noexcept nogil:
    """Whether a length and as many bytes were there."""
    cdef uint64_t length
    if not take_varint(span, &length) or length > <uint64_t>(span.end - span.at):
        return False
    inside.at = span.at
    span.at += length
    inside.end = span.at
    return True


cdef inline uint8_t *put_varint(uint8_t *out, uint64_t value) noexcept nogil:
    while value >= 0x80:
        out[0] = <uint8_t>(value | 0x80)
        value >>= 7
        out += 1
    out[0] = <uint8_t>value
    return out + 1


cdef inline uint8_t *put_number(uint8_t *out, int field, uint64_t value) noexcept nogil:
    """A field of a plain integer type, an enum or a bool."""
    if value == 0:
        return out
    return put_varint(put_varint(out, <uint64_t>field << 3 | VARINT), value)


cdef inline uint8_t *put_signed(uint8_t *out, int field, int64_t value) noexcept nogil:
    """A field of a sint type."""
    return put_number(out, field, <uint64_t>value << 1 ^ <uint64_t>(value >> 63))


cdef inline uint8_t *put_head(uint8_t *out, int field, uint64_t length) noexcept nogil:
    """What stands before a text or a message, also an empty one."""
    return put_varint(put_varint(out, <uint64_t>field << 3 | LENGTH), length)


cdef inline uint8_t *put_bytes(
    uint8_t *out, int field, const void *bytes, size_t length
) noexcept nogil:
    """A text, or a message that is there, or bytes."""
    out = put_head(out, field, length)
    memcpy(out, bytes, length)
    return out + length
