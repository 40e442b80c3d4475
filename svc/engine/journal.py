"""The journal's writer: appends, syncs, rotates, and finds again what it wrote.

Invariant: what `append_commands` returned from is on the disk, in an unbroken chain of numbered
batches; after any failure of the disk nothing more is written. One writer, one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from svc.engine.folder import Folder
from svc.engine.frame_index import FrameIndex, Place
from svc.engine.frames import (
    HEADER_BYTES,
    Damaged,
    Frame,
    FrameKey,
    FrameType,
    SegmentHeader,
    frame_end,
)
from svc.engine.journal_reader import JournalError

SEGMENT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands that stand together under one number, with the digest fixed when it was given."""

    number: int
    digest: bytes
    commands: bytes


class Journal:
    """The segment that is being written, and the index of all of them."""

    def __init__(
        self,
        folder: Folder,
        head: SegmentHeader,
        index: FrameIndex,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Opens the segment `head` describes; the folder is locked by this process."""
        self._folder = folder
        self._index = index
        self._segment_bytes = segment_bytes
        self._head = head
        self._last_batch = head.last_batch
        self._failed = False
        self._descriptor = -1
        self._bytes = 0
        self._durable_bytes = 0
        self._open_segment()

    @property
    def epoch(self) -> int:
        """Epoch of the lease this writer holds."""
        return self._head.epoch

    @property
    def log_id(self) -> bytes:
        """Identity of the log, 16 bytes."""
        return self._head.log_id

    @property
    def last_batch(self) -> int:
        """Number of the last batch appended; 0 before the first."""
        return self._last_batch

    def digest_of(self, number: int) -> bytes:
        """Digest of batch `number`, 1..last_batch."""
        return self._read(self._index.batch(number)).digest

    def append_commands(self, batches: Sequence[Batch], time_ns: int) -> None:
        """Appends batches in number order and returns when they are on the disk."""
        frames = [
            Frame(
                FrameType.COMMANDS, batch.number, time_ns, self.epoch, self._durable_bytes,
                batch.commands, batch.digest,
            )
            for batch in batches
        ]  # fmt: skip
        self._append(frames)
        self._guarded(lambda: self._folder.fdatasync(self._descriptor))
        self._durable_bytes = self._bytes
        self._last_batch = max(self._last_batch, batches[-1].number)

    def append_events(self, frames: Sequence[Frame]) -> None:
        """Appends events in order; they are on the disk after the next sync, or made again."""
        self._append(
            [
                replace(frame, epoch=self.epoch, durable_bytes=self._durable_bytes)
                for frame in frames
            ]
        )

    def rotate_if_full(self, position: SegmentHeader) -> None:
        """Begins the next segment when this one has grown past its limit; see `rotate`."""
        if self._bytes >= self._segment_bytes:
            self.rotate(position)

    def rotate(self, position: SegmentHeader) -> SegmentHeader:
        """Begins the next segment and returns its header; all that was appended is on the disk.

        `position` describes where the log stands; its number and previous_bytes are filled in here.
        Every batch appended so far has its events appended.
        """
        self._guarded(lambda: self._folder.fdatasync(self._descriptor))
        self._folder.close(self._descriptor)
        self._head = replace(position, number=self._head.number + 1, previous_bytes=self._bytes)
        self._open_segment()
        return self._head

    def events_from(self, sequence: int) -> Iterator[Frame]:
        """Reads the frames with events, from the one that holds `sequence` on."""
        for place in self._index.events_from(sequence):
            yield self._read(place)

    def close(self) -> None:
        """Syncs what is there and closes; nothing is appended afterwards."""
        if not self._failed:
            self._guarded(lambda: self._folder.fdatasync(self._descriptor))
            self._failed = True
        self._folder.close(self._descriptor)

    def _open_segment(self) -> None:
        self._descriptor = self._folder.create(self._head.number)
        self._guarded(lambda: self._folder.append(self._descriptor, [self._head.pack()]))
        self._guarded(lambda: self._folder.fdatasync(self._descriptor))
        self._guarded(self._folder.sync_names)
        self._bytes = self._durable_bytes = HEADER_BYTES
        self._index.begin(self._head)

    def _append(self, frames: Sequence[Frame]) -> None:
        parts: list[bytes | memoryview] = []
        for frame in frames:
            parts += (frame.header(), frame.records)
        self._guarded(lambda: self._folder.append(self._descriptor, parts))
        for frame in frames:
            key = FrameKey(frame.type, frame.count, frame.batch_number, frame.first_sequence)
            self._index.add(self._bytes, key)
            self._bytes += frame.size

    def _guarded(self, write: Callable[[], None]) -> None:
        # After a failed write or sync nobody knows what the disk holds: only a new start, which
        # reads it, may go on.
        if self._failed:
            raise JournalError("JOURNAL_FAILED", "the journal is closed or its disk has failed")
        try:
            write()
        except OSError as error:
            self._failed = True
            raise JournalError("JOURNAL_FAILED", f"the disk failed: {error}") from error

    def _read(self, place: Place) -> Frame:
        header = self._folder.read(place.segment, place.offset, HEADER_BYTES)
        size = frame_end(memoryview(header), 0)
        data = self._folder.read(place.segment, place.offset, size)
        try:
            return Frame.unpack(memoryview(data), 0, len(data))
        except Damaged as damage:
            file = self._folder.file_name(place.segment)
            raise JournalError(
                "JOURNAL_CORRUPT", str(damage), file=file, offset=place.offset
            ) from None
