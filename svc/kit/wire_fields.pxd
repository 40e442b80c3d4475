"""Reading any message of protobuf's wire format in C, also one with fields that nobody knows.

As strict as protobuf's own reader: what ends inside a field, or is no field, raises ValueError,
and nothing behind the end is touched. Fields that nobody asks for are skipped whole. wire.pxd is
for readers that leave everything unknown to protobuf.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from svc.kit.wire cimport LENGTH, VARINT, Span

cdef enum:
    FIXED64 = 1
    GROUP = 3
    GROUP_END = 4
    FIXED32 = 5

cdef enum:
    MOST_VARINT_BYTES = 10
    MOST_TAG_BYTES = 5  # tags and lengths have 32 bits
    MOST_NESTED_GROUPS = 90

cdef inline Span reader_of(const uint8_t* start, Py_ssize_t length) noexcept:
    cdef Span reader
    reader.at, reader.end = start, start + length
    return reader


cdef inline int read_long(Span* reader, int most, uint64_t* value) except -1:
    cdef int count
    cdef uint8_t byte
    value[0] = 0
    for count in range(most):
        if reader.at == reader.end:
            raise ValueError("it ends inside a field")
        byte = reader.at[0]
        reader.at += 1
        value[0] |= <uint64_t>(byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return 0
    raise ValueError(f"a number has more than {most} bytes")


cdef inline int read_varint(Span* reader, uint64_t* value) except -1:
    """A number; bits above 64 are dropped."""
    if reader.at < reader.end and reader.at[0] < 0x80:
        value[0] = reader.at[0]
        reader.at += 1
        return 0
    return read_long(reader, MOST_VARINT_BYTES, value)


cdef inline int read_short(Span* reader, uint64_t* value) except -1:
    """A tag or a length: 32 bits."""
    if reader.at < reader.end and reader.at[0] < 0x80:
        value[0] = reader.at[0]
        reader.at += 1
        return 0
    read_long(reader, MOST_TAG_BYTES, value)
    if value[0] > <uint64_t>0xFFFFFFFF:
        raise ValueError("a tag or a length has more than 32 bits")
    return 0


cdef inline int read_fixed64(Span* reader, uint64_t* value) except -1:
    if reader.end - reader.at < 8:
        raise ValueError("it ends inside a field")
    memcpy(value, reader.at, 8)
    reader.at += 8
    return 0


cdef inline int read_inside(Span* reader, Span* inner) except -1:
    """The content of a field with a length."""
    cdef uint64_t length
    read_short(reader, &length)
    if length > <uint64_t>(reader.end - reader.at):
        raise ValueError("a field is longer than what it stands in")
    inner.at = reader.at
    reader.at += length
    inner.end = reader.at
    return 0


cdef inline int skip(Span* reader, uint64_t tag) except -1:
    """The field behind a tag, whatever it is."""
    if tag < 8:
        raise ValueError("a field has the number 0")
    return skip_value(reader, tag)


cdef inline int skip_value(Span* reader, uint64_t tag) except -1:
    cdef Span inner
    cdef uint64_t value
    cdef int wire_type = tag & 7
    if wire_type == VARINT:
        read_varint(reader, &value)
    elif wire_type == FIXED64:
        read_fixed64(reader, &value)
    elif wire_type == LENGTH:
        read_inside(reader, &inner)
    elif wire_type == GROUP:
        skip_group(reader, tag)
    elif wire_type == FIXED32:
        if reader.end - reader.at < 4:
            raise ValueError("it ends inside a field")
        reader.at += 4
    else:
        raise ValueError(f"a field has the wire type {wire_type}")
    return 0


cdef inline int skip_group(Span* reader, uint64_t tag) except -1:
    cdef uint64_t open_tags[MOST_NESTED_GROUPS]
    cdef int depth = 1
    open_tags[0] = tag
    while depth:
        read_short(reader, &tag)
        if (tag & 7) == GROUP:
            if depth == MOST_NESTED_GROUPS:
                raise ValueError("groups are nested too deep")
            open_tags[depth] = tag
            depth += 1
        elif (tag & 7) == GROUP_END:
            depth -= 1
            if tag >> 3 != open_tags[depth] >> 3:
                raise ValueError("a group ends that had not begun")
        else:
            skip_value(reader, tag)  # inside a group protobuf does not look at numbers
    return 0
