# cython: language_level=3, boundscheck=False, wraparound=False
"""Turns serialized engine.v1 messages into the engine's records, and records into messages.

The one place that knows both. The tables below say which field of a message stands where in a
record; both sides number their enums alike. Everything is copied in C, because building the same
messages field by field from Python costs more than matching does. Whatever a message says
becomes a record: the engine judges it.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

from svc.engine.records cimport FLAG_END_OF_COMMAND
from svc.kit.wire cimport LENGTH, VARINT, Span, put_bytes, put_number
from svc.kit.wire_fields cimport read_inside, read_short, read_varint, reader_of, skip

from svc.engine.records import CommandKind, EventKind, Flag
from engine.v1 import records_pb2

cdef enum:
    RECORD = 128
    MOST_FIELDS = 24
    MOST_KINDS = 20
    # How a field stands in a record.
    U8 = 1
    U32 = 2
    I32 = 3
    I64 = 4
    FLAG = 5       # one bit of a byte; a bool in the message
    PERPETUAL = 6  # InstrumentKind in the message, 0 or 1 in the record

cdef struct Place:
    int form
    int offset
    int mask

cdef struct Layout:
    int record_kind
    Place fields[MOST_FIELDS]

cdef Layout commands[MOST_KINDS]  # by the field number of Command.kind
cdef Layout events[MOST_KINDS]    # by the kind of the record
cdef int event_field[MOST_KINDS]  # field number of Event.kind by the kind of the record


class MalformedBatch(ValueError):
    """A command batch that says nothing the engine could read."""


_POST_ONLY = ("FLAG", 4, int(Flag.POST_ONLY))
_REDUCE_ONLY = ("FLAG", 4, int(Flag.REDUCE_ONLY))
_COMMAND_OFFSETS = {
    "order_id": ("I64", 16), "version": ("I32", 12), "account_id": ("I64", 24),
    "instrument_id": ("U32", 8), "side": ("U8", 1), "type": ("U8", 2), "time_in_force": ("U8", 3),
    "self_trade_mode": ("U8", 5), "post_only": _POST_ONLY, "reduce_only": _REDUCE_ONLY,
    "price_ticks": ("I64", 32), "quantity_lots": ("I64", 40), "cap_ticks": ("I64", 48),
    "trigger_ticks": ("I64", 64), "display_lots": ("I64", 72), "budget_tick_lots": ("I64", 80),
    "expires_at_unix_ns": ("I64", 88), "trail_ticks": ("I64", 96), "group_id": ("I64", 56),
    "state": ("U8", 1), "semantic_version": ("I32", 12), "new_order_id": ("I64", 104),
    "activation_ticks": ("I64", 112),
}
_INSTRUMENT_OFFSETS = {
    "instrument_id": ("U32", 8), "version": ("I32", 12), "kind": ("PERPETUAL", 2),
    "min_price_ticks": ("I64", 24), "max_price_ticks": ("I64", 32),
    "max_quantity_lots": ("I64", 16), "collar_bps": ("U32", 48), "band_bps": ("U32", 52),
    "reference_price_ticks": ("I64", 40), "state": ("U8", 1), "band_auction": ("U8", 3),
}
_COMMAND_KINDS = {
    "new_order": CommandKind.NEW, "cancel_order": CommandKind.CANCEL,
    "replace_order": CommandKind.REPLACE, "move_order": CommandKind.MOVE,
    "reduce_order": CommandKind.REDUCE, "mass_cancel": CommandKind.MASS_CANCEL,
    "advance_time": CommandKind.ADVANCE_TIME, "set_instrument": CommandKind.INSTRUMENT,
    "set_market_state": CommandKind.STATE, "set_group": CommandKind.GROUP,
    "begin_version": CommandKind.VERSION, "cancel_replace_order": CommandKind.CANCEL_REPLACE,
}

_ORDER = {
    "order_id": ("I64", 32), "version": ("I32", 28), "account_id": ("I64", 40),
    "side": ("U8", 17), "price_ticks": ("I64", 48),
}
_ENDED = _ORDER | {
    "remaining_lots": ("I64", 56), "cumulative_lots": ("I64", 72), "reason": ("U8", 18),
}
_REFUSED = {
    "order_id": ("I64", 32), "version": ("I32", 28), "account_id": ("I64", 40),
    "reason": ("U8", 18),
}
_EVENT_OFFSETS = {
    "order_accepted": (EventKind.ORDER_ACCEPTED, _ORDER | {
        "type": ("U8", 19), "time_in_force": ("U8", 20), "quantity_lots": ("I64", 56),
        "display_lots": ("I64", 96), "trigger_ticks": ("I64", 88), "cap_ticks": ("I64", 80),
        "expires_at_unix_ns": ("I64", 104), "trail_or_budget": ("I64", 112),
        "activation_ticks": ("I64", 72),
        "post_only": ("FLAG", 21, int(Flag.POST_ONLY)),
        "reduce_only": ("FLAG", 21, int(Flag.REDUCE_ONLY)), "self_trade_mode": ("U8", 22),
    }),
    "trade": (EventKind.TRADE, {
        "trade_number": ("I64", 112), "side": ("U8", 17), "price_ticks": ("I64", 48),
        "quantity_lots": ("I64", 56), "taker_order_id": ("I64", 32), "taker_version": ("I32", 28),
        "taker_account_id": ("I64", 40), "taker_remaining_lots": ("I64", 64),
        "taker_cumulative_lots": ("I64", 72), "maker_order_id": ("I64", 80),
        "maker_version": ("I32", 120), "maker_account_id": ("I64", 88),
        "maker_remaining_lots": ("I64", 96), "maker_cumulative_lots": ("I64", 104),
    }),
    "order_canceled": (EventKind.ORDER_CANCELED, _ENDED),
    "order_rejected": (EventKind.ORDER_REJECTED, _ENDED),
    "order_expired": (EventKind.ORDER_EXPIRED, _ENDED),
    "order_replaced": (EventKind.ORDER_REPLACED, _ORDER | {
        "remaining_lots": ("I64", 64), "cumulative_lots": ("I64", 72),
        "old_price_ticks": ("I64", 88), "old_remaining_lots": ("I64", 96),
        "cap_ticks": ("I64", 80), "kept_priority": ("FLAG", 21, int(Flag.KEPT_PRIORITY)),
        "expires_at_unix_ns": ("I64", 104), "trigger_ticks": ("I64", 112),
    }),
    "order_triggered": (EventKind.ORDER_TRIGGERED, _ORDER | {
        "quantity_lots": ("I64", 56), "trigger_ticks": ("I64", 80), "reached_ticks": ("I64", 88),
    }),
    "order_reduced": (EventKind.ORDER_REDUCED, _ORDER | {
        "quantity_lots": ("I64", 56), "remaining_lots": ("I64", 64),
        "cumulative_lots": ("I64", 72), "reason": ("U8", 18),
    }),
    "cancel_rejected": (EventKind.CANCEL_REJECTED, _REFUSED),
    "replace_rejected": (EventKind.REPLACE_REJECTED, _REFUSED),
    "state_changed": (EventKind.STATE_CHANGED, {
        "previous": ("U8", 22), "state": ("U8", 23), "reason": ("U8", 18),
        "version": ("I32", 28),
    }),
    "instrument_changed": (EventKind.INSTRUMENT_CHANGED, {
        "version": ("I32", 28), "min_price_ticks": ("I64", 64), "max_price_ticks": ("I64", 72),
        "max_quantity_lots": ("I64", 56), "state": ("U8", 23), "reason": ("U8", 18),
        "perpetual": ("FLAG", 21, 1), "band_auction": ("FLAG", 21, 2),
        "collar_bps": ("U32", 80), "band_bps": ("U32", 88), "reference_price_ticks": ("I64", 48),
    }),
    "indicative_price": (EventKind.INDICATIVE_PRICE, {
        "price_ticks": ("I64", 48), "quantity_lots": ("I64", 56), "surplus_lots": ("I64", 64),
    }),
    "command_rejected": (EventKind.COMMAND_REJECTED, {
        "command_kind": ("U8", 19), "version": ("I32", 28), "account_id": ("I64", 40),
        "reason": ("U8", 18),
    }),
}
_FORMS = {"U8": U8, "U32": U32, "I32": I32, "I64": I64, "FLAG": FLAG, "PERPETUAL": PERPETUAL}


cdef int _fill(Layout* layout, int record_kind, object message, dict offsets) except -1:
    """Fills a layout from a message descriptor; every field must have its place."""
    memset(layout, 0, sizeof(Layout))
    layout.record_kind = record_kind
    for field in message.fields:
        place = offsets[field.name]
        layout.fields[field.number].form = _FORMS[place[0]]
        layout.fields[field.number].offset = place[1]
        layout.fields[field.number].mask = place[2] if len(place) > 2 else 0
    return 0


def _load_tables():
    for name, kind in _COMMAND_KINDS.items():
        field = records_pb2.Command.DESCRIPTOR.fields_by_name[name]
        offsets = _INSTRUMENT_OFFSETS if kind == CommandKind.INSTRUMENT else _COMMAND_OFFSETS
        _fill(&commands[field.number], kind, field.message_type, offsets)
    for name, (kind, offsets) in _EVENT_OFFSETS.items():
        field = records_pb2.Event.DESCRIPTOR.fields_by_name[name]
        event_field[<int>kind] = field.number
        _fill(&events[<int>kind], kind, field.message_type, offsets)


_load_tables()


cdef void _put(uint8_t* record, Place* place, uint64_t value) noexcept nogil:
    cdef int64_t wide = <int64_t>value
    cdef int32_t narrow = <int32_t>value
    if place.form == I64:
        memcpy(record + place.offset, &wide, 8)
    elif place.form == I32 or place.form == U32:
        memcpy(record + place.offset, &narrow, 4)
    elif place.form == U8:
        # A number that a byte cannot hold becomes one that no enum has.
        record[place.offset] = <uint8_t>value if value < 256 else 255
    elif place.form == FLAG:
        if value:
            record[place.offset] |= <uint8_t>place.mask
    elif place.form == PERPETUAL:
        record[place.offset] = 1 if value == 2 else 0


cdef int _message_into(uint8_t* record, Layout* layout, Span reader) except -1:
    cdef uint64_t tag, value
    while reader.at < reader.end:
        read_short(&reader, &tag)
        if (tag & 7) == VARINT and 0 < tag >> 3 < MOST_FIELDS:
            read_varint(&reader, &value)
            _put(record, &layout.fields[tag >> 3], value)
        else:
            skip(&reader, tag)
    return 0


cdef int _command_into(uint8_t* record, Span reader) except -1:
    """1 when a kind was found, as the last one that is set; 0 when there is none."""
    cdef Span inside
    cdef uint64_t tag, number
    cdef int found = 0
    while reader.at < reader.end:
        read_short(&reader, &tag)
        number = tag >> 3
        if (tag & 7) == LENGTH and 0 < number < MOST_KINDS and commands[number].record_kind:
            memset(record, 0, RECORD)
            record[0] = <uint8_t>commands[number].record_kind
            read_inside(&reader, &inside)
            _message_into(record, &commands[number], inside)
            found = 1
        else:
            skip(&reader, tag)
    return found


def pack_commands(batch):
    """Records of a CommandBatch's commands, 128 bytes each, in order.

    Raises MalformedBatch for a command that names no kind. A number that its field of the record
    cannot hold is cut to the field: the engine refuses what does not make sense.
    """
    cdef bytes wire = batch.SerializeToString()
    cdef Py_ssize_t count = len(batch.commands)
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, count * RECORD)
    cdef uint8_t* record = <uint8_t*>PyBytes_AS_STRING(packed)
    cdef Span reader = reader_of(<const uint8_t*>PyBytes_AS_STRING(wire), len(wire))
    cdef Span inside
    cdef uint64_t tag
    cdef Py_ssize_t done = 0
    while reader.at < reader.end and done < count:
        read_short(&reader, &tag)
        if tag == <uint64_t>(COMMANDS_FIELD << 3 | LENGTH):
            read_inside(&reader, &inside)
            if not _command_into(record + done * RECORD, inside):
                raise MalformedBatch(
                    f"command {done + 1} of batch {batch.number} names no kind; set exactly one"
                )
            done += 1
        else:
            skip(&reader, tag)
    return packed


cdef int COMMANDS_FIELD = records_pb2.CommandBatch.DESCRIPTOR.fields_by_name["commands"].number
cdef int END_FIELD = records_pb2.Event.DESCRIPTOR.fields_by_name["end_of_command"].number
cdef int EVENTS_FIELD = records_pb2.EventBatch.DESCRIPTOR.fields_by_name["events"].number

cdef enum:
    FLAGS_AT = 21  # of an event
    # An event's message: at most 16 numbers of 11 bytes, sequence, time, instrument and two heads.
    MOST_EVENT_BYTES = 256


cdef inline uint64_t _get(const uint8_t* record, const Place* place) noexcept nogil:
    cdef int64_t wide
    cdef int32_t narrow
    cdef uint32_t unsigned_narrow
    if place.form == I64:
        memcpy(&wide, record + place.offset, 8)
        return <uint64_t>wide
    if place.form == I32:
        memcpy(&narrow, record + place.offset, 4)
        return <uint64_t><int64_t>narrow
    if place.form == U32:
        memcpy(&unsigned_narrow, record + place.offset, 4)
        return unsigned_narrow
    if place.form == U8:
        return record[place.offset]
    return 1 if record[place.offset] & place.mask else 0


cdef uint8_t* _write_fields(uint8_t* out, const uint8_t* record, Layout* layout) noexcept nogil:
    cdef int number
    for number in range(1, MOST_FIELDS):
        if layout.fields[number].form:
            out = put_number(out, number, _get(record, &layout.fields[number]))
    return out


cdef uint8_t* _write_event(uint8_t* out, const uint8_t* record) noexcept nogil:
    cdef uint8_t inner[MOST_EVENT_BYTES]
    cdef uint64_t sequence
    cdef int64_t time_ns
    cdef uint32_t instrument
    cdef int kind = record[16]
    cdef int field = event_field[kind] if kind < MOST_KINDS else 0
    cdef uint8_t* end
    memcpy(&sequence, record, 8)
    memcpy(&time_ns, record + 8, 8)
    memcpy(&instrument, record + 24, 4)
    out = put_number(out, 1, sequence)
    out = put_number(out, 2, <uint64_t>time_ns)
    out = put_number(out, 3, instrument)
    if field:
        end = _write_fields(inner, record, &events[kind])
        out = put_bytes(out, field, inner, end - inner)
    return put_number(out, END_FIELD, 1 if record[FLAGS_AT] & FLAG_END_OF_COMMAND else 0)


def unpack_events(const uint8_t[::1] records not None):
    """An EventBatch with the events of the records alone; the buffer holds whole records."""
    cdef Py_ssize_t count = len(records) // RECORD
    cdef Py_ssize_t index
    cdef bytearray wire = bytearray(count * (2 * MOST_EVENT_BYTES))
    cdef uint8_t* start = <uint8_t*><char*>wire
    cdef uint8_t* out = start
    cdef uint8_t one[2 * MOST_EVENT_BYTES]
    cdef Py_ssize_t length
    with nogil:
        for index in range(count):
            length = _write_event(one, &records[index * RECORD]) - one
            out = put_bytes(out, EVENTS_FIELD, one, length)
    return records_pb2.EventBatch.FromString(memoryview(wire)[: out - start])
