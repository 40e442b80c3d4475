"""Commands and events in files, so that an engine can be run without any server.

Two formats for each: the records of docs/journal.md back to back, and JSON lines that name the same
fields. In both a command ADVANCE_TIME sets the time of what follows by its `expire_ns`. Invariant:
reading what was written gives the same records.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from enum import IntEnum
from pathlib import Path

from svc.engine.records import (
    RECORD_BYTES,
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

JSON_SUFFIX = ".jsonl"
_ENUMS: dict[str, type[IntEnum]] = {
    "side": Side,
    "order_type": OrderType,
    "tif": TimeInForce,
    "stp_mode": SelfTradeMode,
    "state": MarketState,
    "reason": Reason,
}


class BadCommandFile(ValueError):
    """A file that is not in the format its name says; the message says where."""


def read_commands(path: Path) -> bytes:
    """The command records of a file: JSON lines if its name ends in .jsonl, else binary.

    Raises BadCommandFile.
    """
    if path.suffix == JSON_SUFFIX:
        with path.open("rb") as lines:
            return b"".join(_command(line, at) for at, line in enumerate(lines, 1) if line.strip())
    records = path.read_bytes()
    if len(records) % RECORD_BYTES:
        raise BadCommandFile(f"{path}: {len(records)} bytes are not whole records of 128 bytes")
    return records


def batches(commands: bytes, size: int) -> Iterator[tuple[memoryview, int]]:
    """Yields (commands, time): cut where time advances, and at `size` commands."""
    view, end = memoryview(commands), len(commands)
    time_ns = start = 0
    while start < end:
        if view[start] == CommandKind.ADVANCE_TIME:
            time_ns = max(time_ns, Command.unpack(view[start : start + RECORD_BYTES]).expire_ns)
        stop = start + RECORD_BYTES
        last = min(end, start + size * RECORD_BYTES)
        while stop < last and view[stop] != CommandKind.ADVANCE_TIME:
            stop += RECORD_BYTES
        yield view[start:stop], time_ns
        start = stop


def event_lines(records: bytes | memoryview) -> Iterator[str]:
    """Yields a JSON line for each event; fields that are 0 are left out."""
    for event in unpack_events(records):
        yield json.dumps(_named(event)) + "\n"


def command_lines(commands: Iterable[Command | InstrumentCommand]) -> Iterator[str]:
    """Yields a JSON line for each command; fields that are 0 are left out."""
    for command in commands:
        shown = {name: value for name, value in asdict(command).items() if value}
        kind = CommandKind.INSTRUMENT
        if isinstance(command, Command):
            kind = CommandKind(command.kind)
        if kind == CommandKind.STATE:
            shown["state"] = shown.pop("side", 0)
        yield json.dumps({**shown, "kind": kind.name}) + "\n"


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error)


def _command(line: bytes, at: int) -> bytes:
    try:
        given = json.loads(line)
        return _packed(CommandKind[given.pop("kind", "")], given)
    except _UNREADABLE as error:
        shown = line[:200].decode(errors="replace").strip()
        raise BadCommandFile(f"line {at}: {error!r} in {shown}") from None


def _packed(kind: CommandKind, given: dict[str, object]) -> bytes:
    values = {name: _number(name, value) for name, value in given.items()}
    if kind == CommandKind.INSTRUMENT:
        return InstrumentCommand(**{"version": 1, "state": MarketState.TRADING, **values}).pack()
    if kind == CommandKind.STATE:
        values["side"] = values.pop("state", 0)
    return Command(kind, **values).pack()


def _number(name: str, value: object) -> int:
    if isinstance(value, str):
        if name == "flags":
            return int(Flag[value])
        return int(_ENUMS[name][value])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{name} is {value!r}, must be a whole number")


def _named(event: Event) -> dict[str, int | str]:
    shown: dict[str, int | str] = {"kind": EventKind(event.kind).name}
    for name, value in asdict(event).items():
        if value and name != "kind":
            is_enum = name in _ENUMS and value in _ENUMS[name].__members__.values()
            shown[name] = _ENUMS[name](value).name if is_enum else value
    return shown
