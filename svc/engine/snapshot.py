"""Snapshots: a market's whole state in a file, so that recovery need not begin at the log's start.

A snapshot stands at the beginning of a segment and bears its number (docs/journal.md, Snapshot).
Invariant: a file under a snapshot's name is on the disk whole; one that is not, or that is of
another log, is never taken for the state.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BufferedIOBase

from svc.engine.book import Engine, chain
from svc.engine.crc32c import crc32c
from svc.engine.folder import Folder
from svc.engine.frames import HEADER_BYTES, SegmentHeader
from svc.engine.journal_reader import JournalError
from svc.engine.records import FORMAT_VERSION, RECORD_BYTES, SEMANTIC_VERSION

_MAGIC = b"QMESHSNP"
_HEADER = struct.Struct("<8sII16sIIQQQQQQq16sQ4x")
_NUMBER = 7
"""Place of the segment's number among the fields."""
_CRC = struct.Struct("<I")
_OLDEST_FORMAT = 2
_PART_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Covered:
    """What a verified snapshot covers: all of the log before `segment`.

    Batches up to `last_batch` come back without their outbox rows, events up to `sequence` are in
    the state.
    """

    segment: int
    last_batch: int
    sequence: int
    running_hash: int


NOTHING_COVERED = Covered(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state and the head of the segment that goes on from it."""

    head: SegmentHeader
    engine: Engine
    state_hash: int

    @property
    def covered(self) -> Covered:
        """What it covers, once it is on the disk and verified."""
        head = self.head
        return Covered(head.number, head.last_batch, head.sequence, head.running_hash)


def save(folder: Folder, head: SegmentHeader, engine: Engine) -> Covered:
    """Writes the state before the segment of `head`, reads it again and proves that it is the same.

    Raises OSError when the disk does not take it, JournalError when it gives back something else.
    """
    records = engine.state_records()
    state_hash = chain(0, records)
    header = _pack(head, records, state_hash)
    folder.save_snapshot(head.number, [header, records])
    del records
    with _kept_if_whole(folder, head.number):
        found = load(folder, head.number)
        if (found.head, found.state_hash) != (replace(head, previous_bytes=0), state_hash):
            why = "another state than was written"
            raise _refused("SNAPSHOT_CORRUPT", why, folder, head.number)
    return found.covered


def receive(folder: Folder, parts: Sequence[bytes]) -> None:
    """Begins a journal in an empty folder with another folder's snapshot, the bytes of its file.

    Raises JournalError SNAPSHOT_CORRUPT. Cut short it leaves the snapshot without a segment.
    """
    start = parts[0] if parts else b""
    if len(start) < HEADER_BYTES:
        raise JournalError("SNAPSHOT_CORRUPT", f"{len(start)} bytes came first, no whole header")
    number: int = _HEADER.unpack_from(start)[_NUMBER]
    folder.save_snapshot(number, parts)
    with _kept_if_whole(folder, number):
        head = load(folder, number).head
    folder.save_segment(number, [head.pack()])


@contextmanager
def _kept_if_whole(folder: Folder, number: int) -> Iterator[None]:
    # One that cannot be read must not count among those that are kept: segments go behind them.
    try:
        yield
    except (JournalError, OSError):
        folder.remove_snapshot(number)
        raise


def load(folder: Folder, number: int) -> Snapshot:
    """Reads the snapshot before segment `number` and restores its state.

    Raises JournalError: SNAPSHOT_VERSION of another format, SNAPSHOT_CORRUPT when it is damaged.
    """
    with folder.open_snapshot(number) as file:
        header = memoryview(file.read(HEADER_BYTES))
        head, count, records_crc, state_hash = _unpack(header, folder, number)
        size = file.seek(0, os.SEEK_END) - HEADER_BYTES
        if size != count * RECORD_BYTES:
            why = f"{count} records are announced, {size} bytes follow"
            raise _refused("SNAPSHOT_CORRUPT", why, folder, number)
        file.seek(HEADER_BYTES)
        records = _Records(file)
        engine, why = _restored(iter(records), count)
    if records.checksum != records_crc:
        why = "the checksum of the records does not match"
    if engine is None or why:
        raise _refused("SNAPSHOT_CORRUPT", why, folder, number)
    found = (
        engine.state_hash(), engine.semantic_version, engine.sequence, engine.running_hash,
        engine.time_ns,
    )  # fmt: skip
    if found != (
        state_hash, head.semantic_version, head.sequence, head.running_hash, head.time_ns,
    ):  # fmt: skip
        why = "the state that is restored is not the one that the header describes"
        raise _refused("SNAPSHOT_CORRUPT", why, folder, number)
    return Snapshot(head, engine, state_hash)


class _Records:
    """The rest of a file in parts: while one is looked at the next is read and checked."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self.checksum = 0
        """Of all parts, when there are no more."""

    def __iter__(self) -> Iterator[memoryview]:
        # A part is good until the next one is asked for.
        rooms = [memoryview(bytearray(_PART_BYTES)) for _ in range(2)]
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._read, rooms[0])
            while part := coming.result():
                rooms.reverse()
                coming = ahead.submit(self._read, rooms[0])
                yield part

    def _read(self, room: memoryview) -> memoryview:
        part = room[: self._file.readinto(room)]
        self.checksum = crc32c(part, self.checksum)
        return part


def _restored(parts: Iterator[memoryview], count: int) -> tuple[Engine | None, str]:
    # Why there is none is said when all is read, for what went bad on the disk says so itself.
    try:
        return Engine.restored_from(parts, count), ""
    except ValueError as error:
        deque(parts, maxlen=0)
        return None, str(error)


def newest(
    folder: Folder, heads: Sequence[SegmentHeader], report: Callable[[str], None]
) -> Snapshot | None:
    """The newest snapshot that is whole; None when there is none. `heads` are the log's segments.

    One that is damaged or of another format is passed over with a sentence to `report`: an older
    one, or the log itself, says the same. Raises JournalError for one that contradicts the log,
    for then one of them is not what was written: SNAPSHOT_FOREIGN, SNAPSHOT_DIVERGED.
    """
    for number in reversed(folder.snapshots()):
        try:
            snapshot = load(folder, number)
        except JournalError as error:
            report(f"passed over a snapshot: {error}")
            continue
        _check_place(folder, snapshot.head, heads)
        return snapshot
    return None


def open_oldest(folder: Folder, heads: Sequence[SegmentHeader]) -> BufferedIOBase | None:
    """The file of the oldest snapshot of this semantic version that one of `heads` stands for."""
    versions = {head.number: head.semantic_version for head in heads}
    for number in folder.snapshots():
        if versions.get(number) == SEMANTIC_VERSION:
            with suppress(FileNotFoundError):  # it went just now
                return folder.open_snapshot(number)
    return None


def _check_place(folder: Folder, head: SegmentHeader, heads: Sequence[SegmentHeader]) -> None:
    number = head.number
    if not heads or (head.log_id, head.market) != (heads[0].log_id, heads[0].market):
        log = f"log {heads[0].log_id.hex()} of market {heads[0].market}" if heads else "no log"
        why = f"it is of log {head.log_id.hex()} of market {head.market}, beside it lies {log}"
        raise _refused("SNAPSHOT_FOREIGN", why, folder, number)
    first, last = heads[0].number, heads[-1].number
    if not first <= number <= last:
        why = f"the log has segments {first} to {last}, none that goes on from it"
        raise _refused("SNAPSHOT_DIVERGED", why, folder, number)
    if replace(heads[number - first], previous_bytes=0) != head:
        why = "segment and snapshot of this number say different things of the log before them"
        raise _refused("SNAPSHOT_DIVERGED", why, folder, number)


def _pack(head: SegmentHeader, records: bytes, state_hash: int) -> bytes:
    fields = _HEADER.pack(
        _MAGIC, head.format_version, head.semantic_version, head.log_id, head.market,
        crc32c(records), head.epoch, head.number, len(records) // RECORD_BYTES, head.last_batch,
        head.sequence, head.running_hash, head.time_ns, head.last_digest, state_hash,
    )  # fmt: skip
    return fields + _CRC.pack(crc32c(fields))


def _unpack(header: memoryview, folder: Folder, number: int) -> tuple[SegmentHeader, int, int, int]:
    if len(header) < HEADER_BYTES:
        raise _refused("SNAPSHOT_CORRUPT", "it ends inside its header", folder, number)
    fields = header[: _HEADER.size]
    (
        magic, format_version, semantic_version, log_id, market, records_crc, epoch, said, count,
        last_batch, sequence, running_hash, time_ns, last_digest, state_hash,
    ) = _HEADER.unpack(fields)  # fmt: skip
    if magic != _MAGIC:
        why = "it does not begin with a snapshot's mark"
        raise _refused("SNAPSHOT_CORRUPT", why, folder, number)
    if _CRC.unpack_from(header, _HEADER.size)[0] != crc32c(fields):
        why = "the checksum of its header does not match"
        raise _refused("SNAPSHOT_CORRUPT", why, folder, number)
    if not _OLDEST_FORMAT <= format_version <= FORMAT_VERSION:
        known = f"this engine reads {_OLDEST_FORMAT} to {FORMAT_VERSION}"
        why = f"it has format {format_version}, {known}"
        raise _refused("SNAPSHOT_VERSION", why, folder, number)
    if said != number:
        raise _refused("SNAPSHOT_CORRUPT", f"it says it is number {said}", folder, number)
    head = SegmentHeader(
        log_id, market, epoch, number, 0, last_batch, last_digest, sequence, running_hash, time_ns,
        format_version, semantic_version,
    )  # fmt: skip
    return head, count, records_crc, state_hash


def _refused(reason: str, why: str, folder: Folder, number: int) -> JournalError:
    return JournalError(reason, why, file=folder.snapshot_name(number))
