"""Writes journals and snapshots of earlier formats, from docs/journal.md and nothing of the engine.

Owns what those formats looked like: in 1 every frame is plain, in 2 records are packed, in both a
batch's events stand right behind it. Slow, and plain enough to be believed; the events and states
are those of the reference engine.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from svc.engine.journal import Batch
from svc.engine.reference import ReferenceEngine

_SEGMENT = struct.Struct("<8sII16sIIQQQQQQq16s12x")
_FRAME = struct.Struct("<BB6xIIQqQQQQQ16sI28x")
_SNAPSHOT = struct.Struct("<8sII16sIIQQQQQQq16sQ4x")
_WORDS = struct.Struct("<16Q")
_COMMANDS, _EVENTS = 1, 2
_MASK = 2**64 - 1


def castagnoli(content: bytes) -> int:
    """CRC-32C, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def packed(records: bytes, *, events: bool) -> bytes:
    """Records as format 2 stores them; the records themselves where that is not shorter."""
    last: dict[int, Sequence[int]] = {}
    out, before = b"", 0
    for at in range(0, len(records), 128):
        record = records[at : at + 128]
        kind, side = record[16:18] if events else record[:2]
        slot = kind & 15 | (side & 3) << 4
        words = _WORDS.unpack(record)
        known = list(last.get(slot, [0] * 16))
        if events:
            known[0] = before + 1
            before = words[0]
        codes, differences = 0, b""
        for place, (word, was) in enumerate(zip(words, known, strict=True)):
            difference = (word - was) & _MASK
            folded = (difference << 1 ^ (_MASK if difference >> 63 else 0)) & _MASK
            code, length = next(
                (code, length)
                for code, length in ((3, 0), (1, 1), (2, 3), (0, 8))
                if folded < 1 << 8 * length
            )
            codes |= code << 2 * place
            differences += folded.to_bytes(length, "little")
        last[slot] = words
        out += bytes([slot]) + struct.pack("<I", codes) + differences
    out += b"\xff" * (-len(out) % 128)
    return out if len(out) < len(records) else records


@dataclass(frozen=True)
class Standing:
    """Where a log stands between two batches."""

    last_batch: int
    last_digest: bytes
    sequence: int
    running_hash: int
    time_ns: int


class OldLog:
    """A log of one market in an earlier format, a segment for each call of `write`."""

    def __init__(self, path: Path, format_version: int, log_id: bytes) -> None:
        self.engine = ReferenceEngine()
        self.events = b""
        self._path = path
        self._format = format_version
        self._log_id = log_id
        self._segment = 0
        self._previous_bytes = 0
        self._standing = Standing(0, bytes(16), 0, 0, 0)

    def write(self, batches: Sequence[Batch], time_ns: int) -> None:
        """Appends the batches as a segment."""
        self._segment += 1
        content = self._header()
        for batch in batches:
            content += self._batch(batch, time_ns, len(content))
        (self._path / f"{self._segment:020}.journal").write_bytes(content)
        self._previous_bytes = len(content)

    def write_snapshot(self) -> None:
        """The state before the segment that comes next."""
        now, records = self._standing, self.engine.state_records()
        fields = _SNAPSHOT.pack(
            b"QMESHSNP", self._format, 1, self._log_id, 1, castagnoli(records), 1,
            self._segment + 1, len(records) // 128, now.last_batch, now.sequence,
            now.running_hash, now.time_ns, now.last_digest, self.engine.state_hash(),
        )  # fmt: skip
        header = fields + struct.pack("<I", castagnoli(fields))
        (self._path / f"{self._segment + 1:020}.snapshot").write_bytes(header + records)

    def _header(self) -> bytes:
        now = self._standing
        fields = _SEGMENT.pack(
            b"QMESHLOG", self._format, 1, self._log_id, 1, 0, 1, self._segment,
            self._previous_bytes, now.last_batch, now.sequence, now.running_hash, now.time_ns,
            now.last_digest,
        )  # fmt: skip
        return fields + struct.pack("<I", castagnoli(fields))

    def _batch(self, batch: Batch, time_ns: int, durable: int) -> bytes:
        before = self._standing
        events = self.engine.apply(batch.commands, time_ns)
        self.events += events
        self._standing = Standing(
            batch.number, batch.digest, self.engine.sequence, self.engine.running_hash, time_ns
        )
        of_batch = (batch.number, time_ns, 1, durable)
        commands = self._frame(_COMMANDS, batch.commands, *of_batch, 0, 0, 0, batch.digest)
        span = (before.sequence + 1, before.running_hash, self.engine.running_hash)
        return commands + self._frame(_EVENTS, events, *of_batch, *span, bytes(16))

    def _frame(self, kind: int, records: bytes, *fields: int | bytes) -> bytes:
        stored = records
        if self._format > 1:
            stored = packed(records, events=kind == _EVENTS)
        is_packed = len(stored) < len(records)
        header = _FRAME.pack(
            kind, is_packed, len(records) // 128, castagnoli(stored), *fields,
            len(stored) if is_packed else 0,
        )  # fmt: skip
        return struct.pack("<II", 0x524D5251, castagnoli(header)) + header + stored
