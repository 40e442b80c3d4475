"""Commands and events as JSON lines: the fields of their records, by the names one expects.

Owns those names: what a command or event of a kind calls a field is in one table here. Invariant:
a line that was written is read back to the same record, if the record's reserved bytes are zero.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from enum import IntEnum

from svc.engine.records import (
    Command,
    CommandKind,
    Event,
    EventKind,
    Flag,
    InstrumentCommand,
    MarketState,
    OrderType,
    Reason,
    SelfTradeMode,
    Side,
    TimeInForce,
    unpack_events,
)

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error)
"""What reading a line raises that is none."""

_ENUMS: dict[str, type[IntEnum]] = {
    "side": Side,
    "order_type": OrderType,
    "tif": TimeInForce,
    "stp_mode": SelfTradeMode,
    "state": MarketState,
    "previous_state": MarketState,
    "reason": Reason,
}
_DEFINED = {"version": 1, "state": int(MarketState.TRADING)} | {
    field.name: field.default for field in fields(InstrumentCommand) if field.default is not MISSING
}
"""What a field of an INSTRUMENT line is that is left out; the other two have to be there."""

_NAMES_OF_EVENTS: dict[int, dict[str, str]] = {
    EventKind.ORDER_ACCEPTED: {
        "cumulative_lots": "activation_ticks",
        "maker_order_id": "cap_ticks",
        "maker_account_id": "trigger_ticks",
        "maker_remaining_lots": "display_lots",
        "maker_cumulative_lots": "expire_ns",
        "trade_number": "budget",
    },
    EventKind.ORDER_REPLACED: {
        "quantity_lots": "total_lots",
        "maker_order_id": "cap_ticks",
        "maker_account_id": "old_price_ticks",
        "maker_remaining_lots": "old_remaining_lots",
        "maker_cumulative_lots": "expire_ns",
        "trade_number": "trigger_ticks",
    },
    EventKind.ORDER_TRIGGERED: {
        "maker_order_id": "trigger_ticks",
        "maker_account_id": "traded_ticks",
    },
    EventKind.STATE_CHANGED: {"stp_mode": "previous_state"},
    EventKind.INSTRUMENT_CHANGED: {
        "price_ticks": "reference_price_ticks",
        "quantity_lots": "max_quantity_lots",
        "remaining_lots": "min_ticks",
        "cumulative_lots": "max_ticks",
        "maker_order_id": "collar_bps",
        "maker_account_id": "band_bps",
    },
    EventKind.INDICATIVE_PRICE: {"remaining_lots": "surplus_lots"},
}
"""What the record's fields hold in events of a kind, where that is not what they are called."""

_STOPS = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)


def command_lines(commands: Iterable[Command | InstrumentCommand]) -> Iterator[str]:
    """Yields a JSON line for each command; what reading supplies is left out."""
    for command in commands:
        given = asdict(command)
        if isinstance(command, InstrumentCommand):
            shown = {name: value for name, value in given.items() if _DEFINED.get(name) != value}
            yield _line(CommandKind.INSTRUMENT.name, shown)
            continue
        shown = {name: value for name, value in given.items() if value and name != "kind"}
        if command.kind == CommandKind.STATE and command.side:
            shown["state"] = shown.pop("side")
        yield _line(_name(CommandKind, command.kind), shown)


def event_lines(records: bytes | memoryview) -> Iterator[str]:
    """Yields a JSON line for each event; fields that are 0 are left out."""
    for event in unpack_events(records):
        names = _names(event.kind, event.order_type)
        shown = {}
        for field, value in asdict(event).items():
            if value and field != "kind":
                name = names.get(field, field)
                shown[name] = _name(_ENUMS[name], value) if name in _ENUMS else value
        yield _line(_name(EventKind, event.kind), shown)


def read_command(line: bytes) -> bytes:
    """The record of a command's line; raises what UNREADABLE names."""
    given = json.loads(line)
    kind = _kind(CommandKind, given.pop("kind", ""))
    values = {name: _number(name, value) for name, value in given.items()}
    if kind == CommandKind.INSTRUMENT:
        return InstrumentCommand(**{**_DEFINED, **values}).pack()
    if kind == CommandKind.STATE:
        values["side"] = values.pop("state", 0)
    return Command(kind, **values).pack()


def read_event(line: bytes) -> bytes:
    """The record of an event's line; raises what UNREADABLE names."""
    given = json.loads(line)
    kind = _kind(EventKind, given.pop("kind", ""))
    values = {name: _number(name, value) for name, value in given.items()}
    fields_of = {name: field for field, name in _names(kind, values.get("order_type", 0)).items()}
    return Event(kind=kind, **{fields_of.get(k, k): value for k, value in values.items()}).pack()


def _names(kind: int, order_type: int) -> Mapping[str, str]:
    names = _NAMES_OF_EVENTS.get(kind, {})
    if kind == EventKind.ORDER_ACCEPTED and order_type in _STOPS:
        return {**names, "trade_number": "trail_offset_ticks"}
    return names


def _line(kind: str | int, shown: Mapping[str, int | str]) -> str:
    return json.dumps({"kind": kind, **shown}) + "\n"


def _name(of: type[IntEnum], value: int) -> str | int:
    # The number, where no name stands for it.
    return of(value).name if value in of.__members__.values() else value


def _kind(of: type[IntEnum], value: object) -> int:
    return int(of[value]) if isinstance(value, str) else _number("kind", value)


def _number(name: str, value: object) -> int:
    if isinstance(value, str):
        if name == "flags":
            return int(Flag[value])
        return int(_ENUMS[name][value])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{name} is {value!r}, must be a whole number")
