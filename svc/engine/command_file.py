"""Commands and events in files, so that an engine can be run without any server.

Two formats for each: the records of docs/journal.md back to back, and JSON lines that name the same
fields (json_lines.py). In both a command ADVANCE_TIME sets the time of what follows by its
`expire_ns`. Invariant: reading what was written gives the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from svc.engine.json_lines import UNREADABLE, read_command, read_event
from svc.engine.records import RECORD_BYTES, Command, CommandKind

JSON_SUFFIX = ".jsonl"
_MOST_SHOWN = 200


class BadCommandFile(ValueError):
    """A file that is not in the format its name says; the message says where."""


def read_commands(path: Path) -> bytes:
    """The command records of a file: JSON lines if its name ends in .jsonl, else binary.

    Raises BadCommandFile.
    """
    return _records(path, read_command)


def read_events(path: Path) -> bytes:
    """The event records of a file, as `read_commands`."""
    return _records(path, read_event)


def batches(commands: bytes, size: int) -> Iterator[tuple[memoryview, int]]:
    """Yields (commands, time): cut where time advances, and at `size` commands."""
    view, kinds = memoryview(commands), commands[::RECORD_BYTES]
    advances = bytes([CommandKind.ADVANCE_TIME])
    time_ns = start = 0
    while start < len(kinds):
        if kinds[start] == CommandKind.ADVANCE_TIME:
            told = Command.unpack(view[start * RECORD_BYTES : (start + 1) * RECORD_BYTES])
            time_ns = max(time_ns, told.expire_ns)
        stop = min(len(kinds), start + size)
        found = kinds.find(advances, start + 1, stop)
        if found >= 0:
            stop = found
        yield view[start * RECORD_BYTES : stop * RECORD_BYTES], time_ns
        start = stop


def _records(path: Path, read: Callable[[bytes], bytes]) -> bytes:
    if path.suffix == JSON_SUFFIX:
        with path.open("rb") as lines:
            return b"".join(_record(read, at, line) for at, line in enumerate(lines, 1))
    records = path.read_bytes()
    if len(records) % RECORD_BYTES:
        raise BadCommandFile(f"{path}: {len(records)} bytes are not whole records of 128 bytes")
    return records


def _record(read: Callable[[bytes], bytes], at: int, line: bytes) -> bytes:
    if not line.strip():
        return b""
    try:
        return read(line)
    except UNREADABLE as error:
        shown = line[:_MOST_SHOWN].decode(errors="replace").strip()
        raise BadCommandFile(f"line {at}: {error!r} in {shown}") from None
