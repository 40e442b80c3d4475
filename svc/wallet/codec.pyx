# cython: language_level=3, boundscheck=False, wraparound=False
"""Reads the two requests of the order path from their bytes, and writes the answer to one.

Only what callers of ours send is read here: known fields, each submessage once, numbers as
varints, text in ASCII. Of anything else these functions say None, and whoever asked reads the
message with protobuf, as wire.py does: what is odd is judged in one place.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII

from svc.kit.wire cimport LENGTH, VARINT, Span, take_inside, take_varint
from svc.wallet.memory cimport HoldAsk
from svc.wallet.settlement cimport Release, Replace, Trade

from svc.wallet.asks import Refusal
from svc.wallet.settlement import LogPoint, Range

cdef enum:
    FIXED64 = 1
    MOST_FIELDS = 12  # of the messages of numbers alone
    MOST_DIGITS = 38

    # Field numbers, from wallet.proto and trading.proto.
    ITEMS = 1
    ITEM_SPOT = 8
    SPOT_AMOUNT = 3
    MARKET = 1
    AFTER = 2
    TO = 3
    EFFECTS = 4
    SEQUENCE = 1
    SPOT_TRADE = 2
    REPLACE = 4
    RELEASE = 5
    LOG_ID = 1
    LOG_HASH = 3


cdef inline Span _all(bytes payload) noexcept:
    cdef Span reader
    reader.at = <const uint8_t*>PyBytes_AS_STRING(payload)
    reader.end = reader.at + PyBytes_GET_SIZE(payload)
    return reader


cdef inline bint _field(Span* reader, int* number, int* wire_type) noexcept nogil:
    """False at a field whose number is above those known here."""
    cdef uint8_t tag = reader.at[0]
    reader.at += 1
    number[0] = tag >> 3
    wire_type[0] = tag & 7
    return tag < 0x80


cdef inline bint _numbers(Span reader, uint64_t* values, int fields) noexcept nogil:
    """Reads a message of numbers; False at any other field."""
    cdef int number, wire_type
    memset(values, 0, MOST_FIELDS * sizeof(uint64_t))
    while reader.at < reader.end:
        if not _field(&reader, &number, &wire_type) or wire_type != VARINT:
            return False
        if not 0 < number <= fields or not take_varint(&reader, &values[number]):
            return False
    return True


cdef inline int32_t _zigzag(uint64_t value) noexcept nogil:
    cdef uint32_t narrow = <uint32_t>value
    return <int32_t>((narrow >> 1) ^ (0 - (narrow & 1)))


def asks_of(bytes payload not None):
    """The holds that a LockFundsRequest asks for; None when protobuf has to read it."""
    cdef Span reader = _all(payload)
    cdef Span inner
    cdef int number, wire_type
    cdef HoldAsk ask
    cdef list asks = []
    while reader.at < reader.end:
        if not _field(&reader, &number, &wire_type) or number != ITEMS or wire_type != LENGTH:
            return None
        if not take_inside(&reader, &inner):
            return None
        ask = _ask(inner)
        if ask is None:
            return None
        asks.append(ask)
    return asks


cdef HoldAsk _ask(Span reader):
    """A spot hold; None at anything else."""
    cdef uint64_t values[MOST_FIELDS]
    cdef Span spot
    cdef int number, wire_type
    cdef HoldAsk ask
    cdef bint found = False
    memset(values, 0, sizeof(values))
    while reader.at < reader.end:
        if not _field(&reader, &number, &wire_type):
            return None
        if number == ITEM_SPOT and wire_type == LENGTH and not found:
            found = True
            if not take_inside(&reader, &spot):
                return None
        elif wire_type != VARINT or not 0 < number < ITEM_SPOT:
            return None
        elif not take_varint(&reader, &values[number]):
            return None
    if not found:
        return None
    ask = HoldAsk.__new__(HoldAsk)
    ask.order_id = <int64_t>values[1]
    ask.version = <int32_t>values[2]
    ask.account_id = <int64_t>values[3]
    ask.instrument_id = <uint32_t>values[4]
    ask.side = <int32_t>values[5]
    ask.maker_ppm = _zigzag(values[6])
    ask.taker_ppm = _zigzag(values[7])
    return ask if _read_spot(spot, ask) else None


cdef bint _read_spot(Span reader, HoldAsk ask) except -1:
    cdef uint64_t values[3]
    cdef Span text
    cdef int number, wire_type
    memset(values, 0, sizeof(values))
    ask.quote_amount = 0
    while reader.at < reader.end:
        if not _field(&reader, &number, &wire_type):
            return False
        if number == SPOT_AMOUNT and wire_type == LENGTH:
            if not take_inside(&reader, &text) or not _are_digits(text):
                return False
            ask.quote_amount = int((<const char*>text.at)[: text.end - text.at])
        elif wire_type != VARINT or not 0 < number < SPOT_AMOUNT:
            return False
        elif not take_varint(&reader, &values[number]):
            return False
    ask.cap_ticks = <int64_t>values[1]
    ask.lots = <int64_t>values[2]
    return True


cdef bint _are_digits(Span text) noexcept:
    if not 0 < text.end - text.at <= MOST_DIGITS:
        return False
    while text.at < text.end:
        if not c"0" <= text.at[0] <= c"9":
            return False
        text.at += 1
    return True


def range_of(bytes payload not None):
    """The range that a SettleTradeRequest names; None when protobuf has to read it."""
    cdef Span reader = _all(payload)
    cdef Span inner
    cdef int number, wire_type
    cdef uint64_t market = 0
    cdef list effects = []
    after = to = None
    while reader.at < reader.end:
        if not _field(&reader, &number, &wire_type):
            return None
        if number == MARKET and wire_type == VARINT:
            if not take_varint(&reader, &market):
                return None
            continue
        if wire_type != LENGTH or not take_inside(&reader, &inner):
            return None
        if number == EFFECTS:
            read = _effect(inner)
            effects.append(read)
        elif number == AFTER and after is None:
            read = after = _point(inner)
        elif number == TO and to is None:
            read = to = _point(inner)
        else:
            return None
        if read is None:
            return None
    if after is None or to is None:
        return None
    return Range(<uint32_t>market, after, to, effects)


cdef object _point(Span reader):
    cdef Span text
    cdef int number, wire_type
    cdef uint64_t sequence = 0
    cdef uint64_t running_hash = 0
    text.at = text.end = reader.at
    while reader.at < reader.end:
        if not _field(&reader, &number, &wire_type):
            return None
        if number == LOG_ID and wire_type == LENGTH:
            if not take_inside(&reader, &text) or not _is_ascii(text):
                return None
        elif number == 2 and wire_type == VARINT:
            if not take_varint(&reader, &sequence):
                return None
        elif number == LOG_HASH and wire_type == FIXED64 and reader.end - reader.at >= 8:
            memcpy(&running_hash, reader.at, 8)
            reader.at += 8
        else:
            return None
    log_id = PyUnicode_DecodeASCII(<const char*>text.at, text.end - text.at, NULL)
    return LogPoint(log_id, sequence, running_hash)


cdef bint _is_ascii(Span text) noexcept:
    while text.at < text.end:
        if text.at[0] >= 0x80:
            return False
        text.at += 1
    return True


cdef object _effect(Span reader):
    cdef Span inner
    cdef int number, wire_type
    cdef int kind = 0
    cdef uint64_t sequence = 0
    cdef uint64_t values[MOST_FIELDS]
    while reader.at < reader.end:
        if not _field(&reader, &number, &wire_type):
            return None
        if number == SEQUENCE and wire_type == VARINT:
            if not take_varint(&reader, &sequence):
                return None
        elif wire_type != LENGTH or kind or not take_inside(&reader, &inner):
            return None
        else:
            kind = number
    if kind == SPOT_TRADE and _numbers(inner, values, 11):
        return _trade(sequence, values)
    if kind == RELEASE and _numbers(inner, values, 3):
        return _release(sequence, values)
    if kind == REPLACE and _numbers(inner, values, 5):
        return _replace(sequence, values)
    return None


cdef Trade _trade(uint64_t sequence, uint64_t* values):
    cdef Trade trade = Trade.__new__(Trade)
    trade.sequence = sequence
    trade.trade_number = <int64_t>values[1]
    trade.instrument_id = <uint32_t>values[2]
    trade.price_ticks = <int64_t>values[3]
    trade.lots = <int64_t>values[4]
    trade.taker_side = <int32_t>values[5]
    trade.buy_order_id = <int64_t>values[6]
    trade.buy_version = <int32_t>values[7]
    trade.buy_account_id = <int64_t>values[8]
    trade.sell_order_id = <int64_t>values[9]
    trade.sell_version = <int32_t>values[10]
    trade.sell_account_id = <int64_t>values[11]
    return trade


cdef Release _release(uint64_t sequence, uint64_t* values):
    cdef Release release = Release.__new__(Release)
    release.sequence = sequence
    release.order_id = <int64_t>values[1]
    release.version = <int32_t>values[2]
    release.remaining_lots = <int64_t>values[3]
    return release


cdef Replace _replace(uint64_t sequence, uint64_t* values):
    cdef Replace replace = Replace.__new__(Replace)
    replace.sequence = sequence
    replace.order_id = <int64_t>values[1]
    replace.version = <int32_t>values[2]
    replace.cap_ticks = <int64_t>values[3]
    replace.remaining_lots = <int64_t>values[4]
    replace.rejected = values[5] != 0
    return replace


def lock_answer(results, refused):
    """A LockFundsResponse: an amount each, or what ``refused`` makes of a refusal.

    ``refused`` gives the bytes of a LockResult.
    """
    cdef list parts = []
    for result in results:
        if isinstance(result, Refusal):
            one = refused(result)
            parts.append(_head(len(one)))
            parts.append(one)
        else:
            parts.append(_held(result))
    return b"".join(parts)


cdef bytes _held(object amount):
    """A result with the amount alone: both lengths are below 128, at 38 digits as well."""
    cdef bytes digits = b"%d" % amount
    cdef Py_ssize_t length = PyBytes_GET_SIZE(digits)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, length + 4)
    cdef uint8_t* out = <uint8_t*>PyBytes_AS_STRING(made)
    out[0] = out[2] = 1 << 3 | LENGTH
    out[1] = <uint8_t>(length + 2)
    out[3] = <uint8_t>length
    memcpy(out + 4, PyBytes_AS_STRING(digits), length)
    return made


cdef bytes _head(Py_ssize_t length):
    """Begins a result of so many bytes."""
    cdef uint8_t out[11]
    cdef int used = 1
    out[0] = 1 << 3 | LENGTH
    while length >= 0x80:
        out[used] = <uint8_t>(length | 0x80)
        length >>= 7
        used += 1
    out[used] = <uint8_t>length
    return PyBytes_FromStringAndSize(<const char*>out, used + 1)
