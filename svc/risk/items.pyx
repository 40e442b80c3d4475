# cython: language_level=3, embedsignature=True, boundscheck=False, wraparound=False
"""Orders to check, straight from a PreTradeCheckRequest's wire bytes.

Keeps: what is read here is what the message would say, at a tenth of the cost; a test compares.
What is written in another way than callers write it is left to the message.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport INT32_MAX, UINT32_MAX, int64_t, uint8_t, uint64_t

from svc.kit.wire cimport LENGTH, VARINT, Span, take_inside, take_varint

cdef enum:
    ITEMS = 1  # of PreTradeCheckRequest
    # Fields of CheckItem.
    ACCOUNT_ID = 1
    INSTRUMENT_ID = 2
    SIDE = 3
    TYPE = 4
    PRICE_TICKS = 5
    LOTS = 6
    REFERENCE_TICKS = 7
    NOTIONAL = 8
    LEVERAGE = 9


cdef class Item:
    """An order as `checks.Order` has it."""

    cdef readonly int64_t account_id
    cdef readonly int64_t instrument_id
    cdef readonly int type
    cdef readonly int64_t price_ticks
    cdef readonly int64_t lots
    cdef readonly int64_t reference_ticks
    cdef readonly str notional


def read(bytes request not None):
    """The items of a request; None where it has to be read as a message."""
    cdef Span rest, span
    cdef uint64_t tag
    cdef list items = []
    cdef Item item
    rest.at = <const uint8_t *>PyBytes_AS_STRING(request)
    rest.end = rest.at + PyBytes_GET_SIZE(request)
    while rest.at < rest.end:
        if not take_varint(&rest, &tag) or tag != (ITEMS << 3 | LENGTH):
            return None
        if not take_inside(&rest, &span):
            return None
        item = _item(span)
        if item is None:
            return None
        items.append(item)
    return items


cdef Item _item(Span rest):
    cdef uint64_t numbers[LEVERAGE + 1]
    cdef uint64_t tag, field
    cdef Span notional
    cdef Item item = Item.__new__(Item)
    for field in range(LEVERAGE + 1):
        numbers[field] = 0
    notional.at = notional.end = rest.end
    while rest.at < rest.end:
        if not take_varint(&rest, &tag):
            return None
        field = tag >> 3
        if tag == (NOTIONAL << 3 | LENGTH):
            if not take_inside(&rest, &notional) or not _is_digits(&notional):
                return None
        elif tag & 7 != VARINT or field == 0 or field == NOTIONAL or field > LEVERAGE:
            return None
        elif not take_varint(&rest, &numbers[field]):
            return None
    if numbers[INSTRUMENT_ID] > UINT32_MAX or numbers[TYPE] > INT32_MAX:
        return None
    item.account_id = <int64_t>numbers[ACCOUNT_ID]
    item.instrument_id = <int64_t>numbers[INSTRUMENT_ID]
    item.type = <int>numbers[TYPE]
    item.price_ticks = <int64_t>numbers[PRICE_TICKS]
    item.lots = <int64_t>numbers[LOTS]
    item.reference_ticks = <int64_t>numbers[REFERENCE_TICKS]
    item.notional = PyUnicode_DecodeASCII(
        <const char *>notional.at, notional.end - notional.at, NULL
    )
    return item


cdef bint _is_digits(const Span *text) noexcept nogil:
    cdef const uint8_t *at = text.at
    while at < text.end:
        if not c"0" <= at[0] <= c"9":
            return False
        at += 1
    return True
