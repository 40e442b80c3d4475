"""Event batches read from the wire say what protobuf says of the same bytes, or are refused."""

from __future__ import annotations

from typing import Any

import pytest
from engine.v1 import engine_pb2, records_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from svc.kit.market_events import Event, EventBatch, Kind, parse_batch, parse_response

BITS = {
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_ENUM: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_BOOL: (0, 1),
}
KINDS = records_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields
BESIDE_KIND = ("sequence", "time_unix_ns", "instrument_id", "end_of_command")
OF_BATCH = ("market", "log_id", "batch_number", "previous_hash", "running_hash")


def number(field: Any) -> st.SearchStrategy[int]:
    low, high = BITS[field.type]
    return st.sampled_from([0, 1, low, high, high // 2]) | st.integers(low, high)


def fields_of(kind: Any) -> list[Any]:
    return list(kind.message_type.fields)


def message_of(kind: Any) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({}, optional={one.name: number(one) for one in fields_of(kind)})


@st.composite
def event_messages(draw: st.DrawFn) -> records_pb2.Event:
    by_name = records_pb2.Event.DESCRIPTOR.fields_by_name
    event = records_pb2.Event()
    for name in BESIDE_KIND:
        setattr(event, name, draw(number(by_name[name])))
    kind = draw(st.sampled_from([None, *KINDS]))
    if kind is not None:
        inner = getattr(event, kind.name)
        inner.SetInParent()
        for name, value in draw(message_of(kind)).items():
            setattr(inner, name, value)
    return event


@st.composite
def batch_messages(draw: st.DrawFn) -> records_pb2.EventBatch:
    by_name = records_pb2.EventBatch.DESCRIPTOR.fields_by_name
    numbers = {n: draw(number(by_name[n])) for n in OF_BATCH if n != "log_id"}
    return records_pb2.EventBatch(
        log_id=draw(st.text(max_size=40)),
        events=draw(st.lists(event_messages(), max_size=4)),
        **numbers,
    )


def assert_same_event(read: Event, said: records_pb2.Event) -> None:
    for name in BESIDE_KIND:
        assert getattr(read, name) == getattr(said, name), name
    kind = said.WhichOneof("kind")
    assert read.kind == (Kind[kind.upper()] if kind else 0)
    told = getattr(said, kind) if kind else None
    for name in EVERY_FIELD:
        assert getattr(read, name) == (getattr(told, name, 0) if kind else 0), name


def assert_same_batch(read: EventBatch, said: records_pb2.EventBatch) -> None:
    for name in OF_BATCH:
        assert getattr(read, name) == getattr(said, name), name
    assert len(read.events) == len(said.events)
    for event, message in zip(read.events, said.events, strict=True):
        assert_same_event(event, message)


EVERY_FIELD = {field.name for kind in KINDS for field in fields_of(kind)}


def test_an_event_has_every_field_of_every_kind() -> None:
    (event,) = parse_batch(records_pb2.EventBatch(events=[{}]).SerializeToString()).events
    assert {name for name in EVERY_FIELD if getattr(event, name) == 0} == EVERY_FIELD
    assert {kind.name.upper(): kind.number for kind in KINDS} == dict(Kind.__members__)


@given(batch_messages())
def test_every_field_of_every_kind_is_what_protobuf_reads(message: records_pb2.EventBatch) -> None:
    assert_same_batch(parse_batch(message.SerializeToString()), message)


def varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low | 0x80]) + varint(value >> 7) if value >> 7 else bytes([low])


@st.composite
def fields(draw: st.DrawFn, depth: int = 2) -> bytes:
    """Any field, known or not, right or not; groups too."""
    known = st.integers(0, 17) if depth else st.integers(18, 2**29 - 1)
    at = draw(known)
    form = draw(st.sampled_from([0, 0, 0, 1, 2, 2, 3, 5]))
    tag = varint(at << 3 | form)
    if form == 0:
        return tag + draw(st.integers(0, 2**64 - 1).map(varint) | st.binary(max_size=11))
    if form == 1:
        return tag + draw(st.binary(min_size=8, max_size=8))
    if form == 5:
        return tag + draw(st.binary(min_size=4, max_size=4))
    inner = b"".join(draw(st.lists(fields(depth - 1), max_size=3))) if depth else b""
    if form == 3:
        return tag + inner + varint(at << 3 | draw(st.sampled_from([4, 4, 4, 3])))
    return tag + varint(len(inner)) + inner


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A batch that is cut, changed in a byte, or has fields put in."""
    wire = draw(batch_messages()).SerializeToString()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(wire)))
        change = draw(st.sampled_from(["cut", "byte", "field", "event"]))
        if change == "cut":
            wire = wire[:at]
        elif change == "byte":
            wire = wire[:at] + draw(st.binary(min_size=1, max_size=1)) + wire[at + 1 :]
        elif change == "field":
            wire += draw(fields())
        else:
            inner = b"".join(draw(st.lists(fields(), max_size=4)))
            wire += varint(6 << 3 | 2) + varint(len(inner)) + inner
    return wire


@given(spoiled())
def test_spoiled_bytes_are_read_as_protobuf_reads_them_or_refused_as_it_does(wire: bytes) -> None:
    try:
        message = records_pb2.EventBatch.FromString(wire)
    except DecodeError:
        with pytest.raises(DecodeError):
            parse_batch(wire)
    else:
        assert_same_batch(parse_batch(wire), message)


def test_a_batch_that_is_cut_anywhere_is_never_taken_for_a_whole_one() -> None:
    event = records_pb2.Event(sequence=7, trade=records_pb2.Trade(trade_number=300))
    message = records_pb2.EventBatch(log_id="ab" * 16, running_hash=5, events=[event, event])
    wire = engine_pb2.StreamEventsResponse(batch=message).SerializeToString()
    for length in range(1, len(wire)):
        with pytest.raises(DecodeError, match="StreamEventsResponse"):
            parse_response(wire[:length])


def test_the_last_kind_in_a_message_is_the_one_it_has() -> None:
    accepted = records_pb2.Event(order_accepted=records_pb2.OrderAccepted(order_id=1, version=2))
    ended = records_pb2.Event(order_canceled=records_pb2.OrderEnded(order_id=3, reason=1))  # type: ignore[arg-type]
    again = records_pb2.Event(order_canceled=records_pb2.OrderEnded(account_id=4))
    inner = b"".join(one.SerializeToString() for one in (accepted, ended, again))
    wire = varint(6 << 3 | 2) + varint(len(inner)) + inner
    (event,) = parse_batch(wire).events
    assert (event.kind, event.order_id, event.account_id) == (Kind.ORDER_CANCELED, 3, 4)
    assert (event.reason, event.version) == (1, 0)
    assert_same_batch(parse_batch(wire), records_pb2.EventBatch.FromString(wire))


@given(batch_messages())
def test_a_response_is_its_batch(message: records_pb2.EventBatch) -> None:
    read = parse_response(engine_pb2.StreamEventsResponse(batch=message).SerializeToString())
    assert isinstance(read, EventBatch)
    assert_same_batch(read, message)


def test_a_response_without_a_batch_is_the_message() -> None:
    heartbeat = engine_pb2.StreamEventsResponse(heartbeat=engine_pb2.Heartbeat())
    assert parse_response(heartbeat.SerializeToString()) == heartbeat
    assert parse_response(b"") == engine_pb2.StreamEventsResponse()


def test_the_last_of_two_answers_in_a_response_counts() -> None:
    heartbeat = engine_pb2.StreamEventsResponse(heartbeat=engine_pb2.Heartbeat())
    batch = engine_pb2.StreamEventsResponse(batch=records_pb2.EventBatch(market=3))
    after = parse_response(heartbeat.SerializeToString() + batch.SerializeToString())
    assert isinstance(after, EventBatch)
    assert after.market == 3
    before = parse_response(batch.SerializeToString() + heartbeat.SerializeToString())
    assert before == heartbeat
