"""Segment headers and frames of the journal: docs/journal.md as code, without any file.

Invariant: `unpack` gives back what `pack` was given, or raises Damaged.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Self

from svc.engine.crc32c import crc32c
from svc.engine.packing import unpack
from svc.engine.records import FORMAT_VERSION, RECORD_BYTES, SEMANTIC_VERSION

HEADER_BYTES = 128
SECTOR_BYTES = 512
SEGMENT_MAGIC = b"QMESHLOG"
FRAME_MAGIC = 0x524D5251
NO_DIGEST = bytes(16)
_SEGMENT = struct.Struct("<8sII16sIIQQQQQQq16s12x")
_FRAME = struct.Struct("<IIBB6xIIQqQQQQQ16sI28x")
_KEY = struct.Struct("<8xB7xI4xQ24xQ")
_CRC = struct.Struct("<I")
_MAX_FRAME_RECORDS = 1 << 24
_PLAIN, _PACKED = 0, 1


class Damaged(Exception):
    """Bytes that are no header or no frame; the message says why."""


class FrameType(IntEnum):
    """What records a frame holds."""

    COMMANDS = 1
    EVENTS = 2


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself and of the log before it."""

    log_id: bytes
    market: int
    epoch: int
    number: int
    previous_bytes: int
    last_batch: int
    last_digest: bytes
    sequence: int
    running_hash: int
    time_ns: int
    format_version: int = FORMAT_VERSION
    semantic_version: int = SEMANTIC_VERSION

    def pack(self) -> bytes:
        """Returns the 128 bytes."""
        fields = _SEGMENT.pack(
            SEGMENT_MAGIC, self.format_version, self.semantic_version, self.log_id, self.market, 0,
            self.epoch, self.number, self.previous_bytes, self.last_batch, self.sequence,
            self.running_hash, self.time_ns, self.last_digest,
        )  # fmt: skip
        return fields + _CRC.pack(crc32c(fields))

    @classmethod
    def unpack(cls, header: bytes | memoryview) -> Self:
        """Reads the 128 bytes a segment starts with."""
        if len(header) < HEADER_BYTES:
            raise Damaged("the segment ends inside its header")
        fields = header[: _SEGMENT.size]
        (
            magic, format_version, semantic_version, log_id, market, _, epoch, number,
            previous_bytes, last_batch, sequence, running_hash, time_ns, last_digest,
        ) = _SEGMENT.unpack(fields)  # fmt: skip
        if magic != SEGMENT_MAGIC:
            raise Damaged("the segment does not begin with the journal's mark")
        if _CRC.unpack_from(header, _SEGMENT.size)[0] != crc32c(fields):
            raise Damaged("the checksum of the segment's header does not match")
        return cls(
            log_id, market, epoch, number, previous_bytes, last_batch, last_digest, sequence,
            running_hash, time_ns, format_version, semantic_version,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """A batch's commands, or the events it made. Fields of the other type are zero."""

    type: FrameType
    batch_number: int
    time_ns: int
    epoch: int
    durable_bytes: int
    records: bytes | memoryview
    digest: bytes = NO_DIGEST
    first_sequence: int = 0
    hash_before: int = 0
    hash_after: int = 0
    stored_bytes: int = 0
    """What its records take in the segment it was read from: less than they are when packed."""

    @property
    def count(self) -> int:
        """How many records it holds."""
        return len(self.records) // RECORD_BYTES

    @property
    def size(self) -> int:
        """Bytes it takes in the segment it was read from."""
        return HEADER_BYTES + self.stored_bytes

    @classmethod
    def unpack(cls, segment: memoryview, offset: int, end: int) -> Self:
        """Reads the frame at `offset` of a segment that counts up to `end`."""
        if end - offset < HEADER_BYTES:
            raise Damaged("the segment ends inside a frame's header")
        header = segment[offset : offset + HEADER_BYTES]
        (
            magic, header_crc, kind, packing, count, records_crc, batch_number, time_ns, epoch,
            durable_bytes, first_sequence, hash_before, hash_after, digest, length,
        ) = _FRAME.unpack(header)  # fmt: skip
        if magic != FRAME_MAGIC or header_crc != crc32c(header[8:]):
            raise Damaged("the checksum of the frame's header does not match")
        if kind not in {FrameType.COMMANDS, FrameType.EVENTS} or count > _MAX_FRAME_RECORDS:
            raise Damaged(f"a frame of type {kind} with {count} records is unknown")
        start = offset + HEADER_BYTES
        length = _stored_bytes(packing, count, length)
        if end - start < length:
            raise Damaged("the segment ends inside a frame's records")
        stored = segment[start : start + length]
        if crc32c(stored) != records_crc:
            raise Damaged("the checksum of the frame's records does not match")
        records = _unpacked(stored, packing, count, kind)
        return cls(
            FrameType(kind), batch_number, time_ns, epoch, durable_bytes, records, digest,
            first_sequence, hash_before, hash_after, length,
        )  # fmt: skip


def _stored_bytes(packing: int, count: int, length: int) -> int:
    if packing == _PLAIN:
        return count * RECORD_BYTES
    if packing != _PACKED or length % RECORD_BYTES or length >= count * RECORD_BYTES:
        raise Damaged(f"{count} records packed by way {packing} in {length} bytes are unknown")
    return length


def _unpacked(stored: memoryview, packing: int, count: int, kind: int) -> bytes | memoryview:
    if packing == _PLAIN:
        return stored
    try:
        return unpack(stored, count, kind == FrameType.EVENTS)
    except ValueError as error:
        raise Damaged(str(error)) from None


class FrameKey(NamedTuple):
    """What a frame is found by."""

    type: int
    records: int
    batch_number: int
    first_sequence: int


def frame_key(segment: memoryview, offset: int) -> FrameKey:
    """The key of the whole frame at `offset`."""
    return FrameKey(*_KEY.unpack_from(segment, offset))


def frame_end(segment: memoryview, offset: int) -> int:
    """Where the frame at `offset` would end if its header is whole, else where the header would."""
    header = segment[offset : offset + HEADER_BYTES]
    if len(header) < HEADER_BYTES:
        return offset + HEADER_BYTES
    magic, header_crc, _, packing, count, *_, length = _FRAME.unpack(header)
    if magic != FRAME_MAGIC or header_crc != crc32c(header[8:]):
        return offset + HEADER_BYTES
    return int(offset + HEADER_BYTES + (length if packing == _PACKED else count * RECORD_BYTES))


def is_unwritten(segment: memoryview, start: int, stop: int, end: int) -> bool:
    """Whether something between start and stop never reached the disk.

    That is so when it lies behind the file's end, or when the part of a sector that belongs to it
    holds nothing but zeros: a written record or header never does, and 128 bytes of packed records
    neither.
    """
    if stop > end:
        return True
    first = start - start % SECTOR_BYTES
    for sector in range(first, stop, SECTOR_BYTES):
        part = segment[max(sector, start) : min(sector + SECTOR_BYTES, stop)]
        if not any(part):
            return True
    return False
