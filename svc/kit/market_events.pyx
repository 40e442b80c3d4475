# cython: language_level=3, boundscheck=False, wraparound=False
"""Events of a market as the engine streams them, read from the wire without protobuf's objects.

Owns what consumers of engine.v1 StreamEvents get instead of EventBatch messages: an object an
event, its fields C numbers. Keeps: it says what protobuf would say of the same bytes, field for
field, and refuses what protobuf refuses. Making and asking protobuf's objects costs a consumer
more than all that it does with an event.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from svc.kit.wire cimport LENGTH, VARINT, Span
from svc.kit.wire_fields cimport (
    FIXED64,
    read_fixed64,
    read_inside,
    read_short,
    read_varint,
    reader_of,
    skip,
)

from enum import IntEnum

from engine.v1 import engine_pb2, records_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

cdef enum:
    MOST_KINDS = 19
    MOST_FIELDS = 18
    END_OF_COMMAND = 17  # field of Event
    # What a field's number becomes.
    I64 = 1
    I32 = 2  # enums too
    U32 = 3
    FLAG = 4

cdef struct Place:
    int form  # 0: there is no such field
    Py_ssize_t offset

cdef Place places[MOST_KINDS][MOST_FIELDS]  # by field of Event.kind, then by field of its message


@cython.final
@cython.freelist(2_048)
cdef class Event:
    """One event; `kind` is the number of the field of Event.kind that is set, 0 when none is."""


@cython.final
cdef class EventBatch:
    """The events of one command batch, whole and in order."""

    def __cinit__(self):
        self.log_id = ""
        self.events = []


_NUMBERS = {
    "ORDER_ACCEPTED": ORDER_ACCEPTED,
    "TRADE": TRADE,
    "ORDER_CANCELED": ORDER_CANCELED,
    "ORDER_REJECTED": ORDER_REJECTED,
    "ORDER_EXPIRED": ORDER_EXPIRED,
    "ORDER_REPLACED": ORDER_REPLACED,
    "ORDER_TRIGGERED": ORDER_TRIGGERED,
    "ORDER_REDUCED": ORDER_REDUCED,
    "CANCEL_REJECTED": CANCEL_REJECTED,
    "REPLACE_REJECTED": REPLACE_REJECTED,
    "STATE_CHANGED": STATE_CHANGED,
    "INSTRUMENT_CHANGED": INSTRUMENT_CHANGED,
    "INDICATIVE_PRICE": INDICATIVE_PRICE,
    "COMMAND_REJECTED": COMMAND_REJECTED,
}
Kind = IntEnum("Kind", _NUMBERS, module=__name__)
# Names of engine.v1 Reason by number; of no reason None.
REASONS = {
    number: None if number == 0 else name
    for name, number in records_pb2.Reason.Value.items()
}


cdef dict _offsets():
    """Where the fields of the kinds stand in an Event."""
    cdef Event e = Event.__new__(Event)
    cdef char* at = <char*><void*>e
    return {
        "order_id": <char*>&e.order_id - at,
        "version": <char*>&e.version - at,
        "account_id": <char*>&e.account_id - at,
        "side": <char*>&e.side - at,
        "type": <char*>&e.type - at,
        "time_in_force": <char*>&e.time_in_force - at,
        "price_ticks": <char*>&e.price_ticks - at,
        "quantity_lots": <char*>&e.quantity_lots - at,
        "display_lots": <char*>&e.display_lots - at,
        "trigger_ticks": <char*>&e.trigger_ticks - at,
        "cap_ticks": <char*>&e.cap_ticks - at,
        "expires_at_unix_ns": <char*>&e.expires_at_unix_ns - at,
        "post_only": <char*>&e.post_only - at,
        "reduce_only": <char*>&e.reduce_only - at,
        "trail_or_budget": <char*>&e.trail_or_budget - at,
        "activation_ticks": <char*>&e.activation_ticks - at,
        "trade_number": <char*>&e.trade_number - at,
        "taker_order_id": <char*>&e.taker_order_id - at,
        "taker_version": <char*>&e.taker_version - at,
        "taker_account_id": <char*>&e.taker_account_id - at,
        "taker_remaining_lots": <char*>&e.taker_remaining_lots - at,
        "taker_cumulative_lots": <char*>&e.taker_cumulative_lots - at,
        "maker_order_id": <char*>&e.maker_order_id - at,
        "maker_version": <char*>&e.maker_version - at,
        "maker_account_id": <char*>&e.maker_account_id - at,
        "maker_remaining_lots": <char*>&e.maker_remaining_lots - at,
        "maker_cumulative_lots": <char*>&e.maker_cumulative_lots - at,
        "remaining_lots": <char*>&e.remaining_lots - at,
        "cumulative_lots": <char*>&e.cumulative_lots - at,
        "reason": <char*>&e.reason - at,
        "old_price_ticks": <char*>&e.old_price_ticks - at,
        "old_remaining_lots": <char*>&e.old_remaining_lots - at,
        "kept_priority": <char*>&e.kept_priority - at,
        "reached_ticks": <char*>&e.reached_ticks - at,
        "previous": <char*>&e.previous - at,
        "state": <char*>&e.state - at,
        "min_price_ticks": <char*>&e.min_price_ticks - at,
        "max_price_ticks": <char*>&e.max_price_ticks - at,
        "max_quantity_lots": <char*>&e.max_quantity_lots - at,
        "surplus_lots": <char*>&e.surplus_lots - at,
        "self_trade_mode": <char*>&e.self_trade_mode - at,
        "perpetual": <char*>&e.perpetual - at,
        "collar_bps": <char*>&e.collar_bps - at,
        "band_bps": <char*>&e.band_bps - at,
        "band_auction": <char*>&e.band_auction - at,
        "reference_price_ticks": <char*>&e.reference_price_ticks - at,
        "command_kind": <char*>&e.command_kind - at,
    }


_FORMS = {
    FieldDescriptor.TYPE_INT64: I64,
    FieldDescriptor.TYPE_INT32: I32,
    FieldDescriptor.TYPE_ENUM: I32,
    FieldDescriptor.TYPE_UINT32: U32,
    FieldDescriptor.TYPE_BOOL: FLAG,
}


def _load_places():
    """Fills the table from the contract; every field of every kind must have its place."""
    offsets = _offsets()
    for kind in records_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields:
        assert Kind[kind.name.upper()] == kind.number, f"{kind.name} is field {kind.number}"
        for field in kind.message_type.fields:
            places[<int>kind.number][<int>field.number].form = _FORMS[field.type]
            places[<int>kind.number][<int>field.number].offset = offsets[field.name]


_load_places()


cdef inline void _put(Event event, Place* place, uint64_t value) noexcept:
    cdef int64_t* field = <int64_t*>(<char*><void*>event + place.offset)
    if place.form == I64:
        field[0] = <int64_t>value
    elif place.form == I32:
        field[0] = <int32_t>value
    elif place.form == U32:
        field[0] = <uint32_t>value
    else:
        field[0] = 1 if value else 0


cdef int _begin_kind(Event event, int kind) except -1:
    """What an earlier kind has set is forgotten: the last kind in a message is the one it has."""
    cdef int number
    for number in range(MOST_FIELDS):
        if places[event.kind][number].form:
            _put(event, &places[event.kind][number], 0)
    event.kind = kind
    return 0


cdef int _read_kind(Event event, Span reader) except -1:
    cdef Place* fields = places[event.kind]
    cdef uint64_t tag, value
    while reader.at < reader.end:
        read_short(&reader, &tag)
        if (tag & 7) == VARINT and tag >> 3 < MOST_FIELDS and fields[tag >> 3].form:
            read_varint(&reader, &value)
            _put(event, &fields[tag >> 3], value)
        else:
            skip(&reader, tag)
    return 0


cdef inline bint is_kind(uint64_t field) noexcept:
    return ORDER_ACCEPTED <= field <= COMMAND_REJECTED and field != END_OF_COMMAND


cdef Event _read_event(Span reader):
    cdef Event event = Event.__new__(Event)
    cdef Span inner
    cdef uint64_t tag, value
    while reader.at < reader.end:
        read_short(&reader, &tag)
        if tag == (1 << 3 | VARINT):
            read_varint(&reader, &event.sequence)
        elif tag == (2 << 3 | VARINT):
            read_varint(&reader, &value)
            event.time_unix_ns = <int64_t>value
        elif tag == (3 << 3 | VARINT):
            read_varint(&reader, &value)
            event.instrument_id = <uint32_t>value
        elif tag == (END_OF_COMMAND << 3 | VARINT):
            read_varint(&reader, &value)
            event.end_of_command = value != 0
        elif (tag & 7) == LENGTH and is_kind(tag >> 3):
            if event.kind != <int>(tag >> 3):
                _begin_kind(event, tag >> 3)
            read_inside(&reader, &inner)
            _read_kind(event, inner)
        else:
            skip(&reader, tag)
    return event


cdef int _read_batch(EventBatch batch, Span reader) except -1:
    cdef Span inner
    cdef uint64_t tag, value
    while reader.at < reader.end:
        read_short(&reader, &tag)
        if tag == (6 << 3 | LENGTH):
            read_inside(&reader, &inner)
            batch.events.append(_read_event(inner))
        elif tag == (1 << 3 | VARINT):
            read_varint(&reader, &value)
            batch.market = <uint32_t>value
        elif tag == (2 << 3 | LENGTH):
            read_inside(&reader, &inner)
            batch.log_id = PyUnicode_DecodeUTF8(<const char*>inner.at, inner.end - inner.at, NULL)
        elif tag == (3 << 3 | VARINT):
            read_varint(&reader, &batch.batch_number)
        elif tag == (4 << 3 | FIXED64):
            read_fixed64(&reader, &batch.previous_hash)
        elif tag == (5 << 3 | FIXED64):
            read_fixed64(&reader, &batch.running_hash)
        else:
            skip(&reader, tag)
    return 0


cdef EventBatch _batch_of(bytes wire):
    """The batch of a StreamEventsResponse that carries nothing else; None for any other."""
    cdef Span reader = reader_of(<const uint8_t*>PyBytes_AS_STRING(wire), len(wire))
    cdef Span inner
    cdef EventBatch batch = None
    cdef uint64_t tag
    while reader.at < reader.end:
        read_short(&reader, &tag)
        if tag != (1 << 3 | LENGTH):
            return None
        read_inside(&reader, &inner)
        if batch is None:
            batch = EventBatch.__new__(EventBatch)
        _read_batch(batch, inner)
    return batch


def parse_batch(bytes wire not None):
    """An engine.v1 EventBatch. Raises google.protobuf.message.DecodeError."""
    cdef EventBatch batch = EventBatch.__new__(EventBatch)
    try:
        _read_batch(batch, reader_of(<const uint8_t*>PyBytes_AS_STRING(wire), len(wire)))
    except ValueError as error:
        raise DecodeError(f"This is no engine.v1 EventBatch: {error}.") from error
    return batch


def parse_response(bytes wire not None):
    """The batch of an engine.v1 StreamEventsResponse, or the message itself if it has none.

    Raises google.protobuf.message.DecodeError.
    """
    cdef EventBatch batch
    try:
        batch = _batch_of(wire)
    except ValueError as error:
        raise DecodeError(f"This is no engine.v1 StreamEventsResponse: {error}.") from error
    if batch is not None:
        return batch
    response = engine_pb2.StreamEventsResponse.FromString(wire)
    if response.HasField("batch"):
        return parse_batch(response.batch.SerializeToString())
    return response
