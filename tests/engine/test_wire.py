"""The C codec against one that sets each field of each message by name."""

import random

import pytest
from engine.v1 import records_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from trading.v1 import trading_pb2

from svc.engine import records, wire
from svc.engine.records import CommandKind, Event, EventKind, Reason
from tests.engine import wire_reference

_MOST = {FieldDescriptor.TYPE_INT32: 2**31 - 1, FieldDescriptor.TYPE_UINT32: 2**31 - 1}


def random_message(rng: random.Random, message: Message) -> None:
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.2:
            continue
        value: int
        if field.type == FieldDescriptor.TYPE_BOOL:
            value = rng.random() < 0.5
        elif field.enum_type is not None:
            value = rng.choice(list(field.enum_type.values_by_number))
        else:
            most = _MOST.get(field.type, 2**63 - 1)
            value = rng.choice((0, 1, rng.randint(0, most), most))
            if field.type in {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64}:
                value = rng.choice((value, -value))
        setattr(message, field.name, value)


def random_commands(rng: random.Random, count: int) -> list[records_pb2.Command]:
    commands = []
    for _ in range(count):
        command = records_pb2.Command()
        kind = rng.choice(list(records_pb2.Command.DESCRIPTOR.fields_by_name))
        getattr(command, kind).SetInParent()
        random_message(rng, getattr(command, kind))
        commands.append(command)
    return commands


def random_event(rng: random.Random) -> Event:
    def wide() -> int:
        return rng.choice((0, 1, -1, rng.randint(0, 2**63 - 1), -(2**63)))

    kind = rng.choice(list(EventKind))
    return Event(
        sequence=rng.randint(1, 2**64 - 1),
        time_ns=rng.randint(1, 2**63 - 1),
        kind=kind,
        side=rng.randint(0, 2),
        reason=rng.choice(list(Reason)),
        order_type=rng.randint(0, 4),
        tif=rng.randint(0, 5),
        flags=rng.choice((0, 1, 2, 3, 8, 9, 128, 137)),
        stp_mode=rng.randint(0, 5),
        state=rng.randint(0, 7),
        instrument_id=rng.randint(1, 65_535),
        # A definition's and a wish's version is unsigned in its message.
        version=rng.randint(0, 2**31 - 1),
        **{
            name: wide()
            for name in (
                "order_id", "account_id", "price_ticks", "quantity_lots", "remaining_lots",
                "cumulative_lots", "maker_order_id", "maker_account_id", "maker_remaining_lots",
                "maker_cumulative_lots", "trade_number",
            )
        },
        maker_version=rng.randint(0, 2**31 - 1),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_commands_become_the_same_records_as_field_by_field(seed: int) -> None:
    commands = random_commands(random.Random(seed), 50)
    batch = records_pb2.CommandBatch(market=1, number=seed, digest=b"d" * 16, commands=commands)
    assert wire.pack_commands(batch) == wire_reference.pack_commands(commands)


@pytest.mark.parametrize("seed", range(20))
def test_events_become_the_same_messages_as_field_by_field(seed: int) -> None:
    rng = random.Random(seed)
    packed = b"".join(random_event(rng).pack() for _ in range(50))
    assert list(wire.unpack_events(packed).events) == wire_reference.unpack_events(
        memoryview(packed)
    )


def test_every_kind_of_command_and_event_is_covered() -> None:
    commands = random_commands(random.Random(1), 400)
    packed = wire.pack_commands(records_pb2.CommandBatch(commands=commands))
    assert {packed[offset] for offset in range(0, len(packed), 128)} == set(CommandKind)
    rng = random.Random(1)
    packed = b"".join(random_event(rng).pack() for _ in range(400))
    kinds = {event.WhichOneof("kind") for event in wire.unpack_events(packed).events}
    assert kinds == {f.name for f in records_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}


def test_a_command_without_a_kind_is_refused_by_its_place() -> None:
    cancel = records_pb2.Command(cancel_order=records_pb2.CancelOrder(order_id=1))
    batch = records_pb2.CommandBatch(number=7, commands=[cancel, records_pb2.Command()])
    with pytest.raises(wire.MalformedBatch, match="command 2 of batch 7"):
        wire.pack_commands(batch)


def test_fields_the_contract_does_not_know_are_passed_over() -> None:
    cancel = records_pb2.CancelOrder(order_id=5, account_id=6, instrument_id=7)
    unknown = b"\xfa\x06\x03abc" + b"\xe9\x06" + b"12345678" + b"\xf8\x06\x01"
    command = records_pb2.Command.FromString(
        records_pb2.Command(
            cancel_order=records_pb2.CancelOrder.FromString(cancel.SerializeToString() + unknown)
        ).SerializeToString()
        + unknown
    )
    batch = records_pb2.CommandBatch.FromString(
        unknown + records_pb2.CommandBatch(commands=[command]).SerializeToString()
    )
    assert wire.pack_commands(batch) == wire_reference.pack_commands([command])


@pytest.mark.parametrize("name", ["Side", "OrderType", "TimeInForce", "SelfTradeMode", "Reason"])
def test_enums_have_the_numbers_of_the_records(name: str) -> None:
    message = getattr(trading_pb2, name, None) or getattr(records_pb2, name)
    ours = getattr(records, name)
    contract = {value.name: value.number for value in message.Value.DESCRIPTOR.values}
    for member in ours:
        if member.value or name == "MarketState":
            assert contract[member.name] == member.value
