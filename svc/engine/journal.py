"""The journal's writer: appends, syncs, rotates, and finds again what it wrote.

Invariant: what `sync` returned from is on the disk, in an unbroken chain of numbered batches, each
followed by its events; after any failure of the disk nothing more is written. One thread puts,
another may sync meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
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
from svc.engine.packing import Packer
from svc.engine.records import RECORD_BYTES, SEMANTIC_VERSION

SEGMENT_BYTES = 64 << 20
_Pair = tuple["Batch | None", "EventBatch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands that stand together under one number, with the digest fixed when it was given."""

    number: int
    digest: bytes
    commands: bytes


@dataclass(frozen=True, slots=True)
class EventBatch:
    """The events of one batch, `records` back to back. Number 0: time alone made them."""

    batch_number: int
    time_ns: int
    first_sequence: int
    previous_hash: int
    running_hash: int
    records: bytes

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self.records) // RECORD_BYTES


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
        self._last_events: EventBatch | None = None
        self._last_batch: Batch | None = None
        self._failed = False
        self._descriptor = -1
        self._bytes = 0
        self._waiting: deque[_Pair] = deque()
        self._put = self._synced = 0
        self._writing = threading.Lock()
        self._packer = Packer()
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
    def segments(self) -> int:
        """How many segments there are."""
        return self._head.number

    def digest_of(self, number: int) -> bytes:
        """Digest of batch `number`, from 1 to the last that is on the disk."""
        return self._read(self._index.batch(number)).digest

    @property
    def unsynced(self) -> int:
        """How many batches were put and are not known to be on the disk."""
        return self._put - self._synced

    @property
    def mark(self) -> int:
        """What `sync` is to be asked for to have all that was put so far on the disk."""
        return self._put

    def put(self, batch: Batch | None, events: EventBatch) -> None:
        """Takes what is appended next: a batch, unless it stands in the log, and its events."""
        self._refuse_if_failed()
        self._waiting.append((batch, events))
        self._put += 1

    def sync(self, mark: int) -> None:
        """Returns when all that was put up to `mark` is on the disk.

        What was put since goes with it: one write and one fdatasync for whatever waits.
        """
        if self._synced >= mark:
            return
        with self._writing:
            if self._synced < mark:
                pairs = [self._waiting.popleft() for _ in range(len(self._waiting))]
                self._append(pairs)

    def sync_all(self) -> None:
        """Returns when everything that was put is on the disk."""
        self.sync(self._put)

    def rotate(self, semantic_version: int = SEMANTIC_VERSION) -> SegmentHeader:
        """Begins the next segment and returns its header; all that was put is on the disk."""
        self.sync_all()
        with self._writing:
            self._rotate(semantic_version)
        return self._head

    def events_from(self, sequence: int) -> Iterator[Frame]:
        """Reads the frames with events, from the one that holds `sequence` on."""
        for place in self._index.events_from(sequence):
            yield self._read(place)

    def close(self) -> None:
        """Syncs what was put and closes; nothing is put afterwards."""
        if not self._failed:
            self.sync_all()
            self._failed = True
        self._folder.close(self._descriptor)

    def _open_segment(self) -> None:
        self._descriptor = self._folder.create(self._head.number)
        self._guarded(lambda: self._folder.append(self._descriptor, [self._head.pack()]))
        self._guarded(lambda: self._folder.fdatasync(self._descriptor))
        self._guarded(self._folder.sync_names)
        self._bytes = HEADER_BYTES
        self._index.begin(self._head)

    def _rotate(self, semantic_version: int) -> None:
        # All that stands in the segment is synced.
        self._refuse_if_failed()
        self._folder.close(self._descriptor)
        head, events, batch = self._head, self._last_events, self._last_batch
        if events is not None:
            head = replace(
                head, sequence=events.first_sequence + events.count - 1,
                running_hash=events.running_hash, time_ns=events.time_ns,
            )  # fmt: skip
        if batch is not None:
            head = replace(head, last_batch=batch.number, last_digest=batch.digest)
        self._head = replace(
            head, number=head.number + 1, previous_bytes=self._bytes,
            semantic_version=semantic_version,
        )  # fmt: skip
        self._open_segment()

    def _append(self, pairs: list[_Pair]) -> None:
        # All that stands in the segment is synced: each append waits for the disk.
        self._refuse_if_failed()
        if self._bytes >= self._segment_bytes:
            self._rotate(self._head.semantic_version)
        frames, lengths = self._packer.group(pairs, self.epoch, self._bytes)
        self._guarded(lambda: self._folder.append(self._descriptor, [frames]))
        self._guarded(lambda: self._folder.fdatasync(self._descriptor))
        self._note(pairs, lengths)
        self._synced += len(pairs)

    def _note(self, pairs: list[_Pair], lengths: list[int]) -> None:
        # Where the frames of what was appended stand, and where the log ends.
        following = iter(lengths)
        for batch, events in pairs:
            number, first = events.batch_number, events.first_sequence
            if batch is not None:
                if number:
                    self._last_batch = batch
                self._index.add(self._bytes, FrameKey(FrameType.COMMANDS, 1, number, 0))
                self._bytes += next(following)
            key = FrameKey(FrameType.EVENTS, events.count, number, first)
            self._index.add(self._bytes, key)
            self._bytes += next(following)
            self._last_events = events

    def _refuse_if_failed(self) -> None:
        if self._failed:
            raise JournalError("JOURNAL_FAILED", "the journal is closed or its disk has failed")

    def _guarded(self, write: Callable[[], None]) -> None:
        # After a failed write or sync nobody knows what the disk holds: only a new start, which
        # reads it, may go on.
        try:
            write()
        except BaseException as error:
            self._failed = True
            if isinstance(error, OSError):
                raise JournalError("JOURNAL_FAILED", f"the disk failed: {error}") from error
            raise

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
