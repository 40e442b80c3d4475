"""The journal's writer: appends, syncs, rotates, and finds again what it wrote.

Invariant: what `sync` returned from is on the disk, in an unbroken chain of numbered batches; their
events follow in the same order, and none stands before its batch; after any failure of the disk
nothing more is written. One thread puts, another may sync and a third append events meanwhile;
pipeline.py sees to it that they are no more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from svc.engine.book import chain
from svc.engine.folder import Folder
from svc.engine.frame_index import FrameIndex, Place, not_retained
from svc.engine.frames import (
    HEADER_BYTES,
    NO_DIGEST,
    Damaged,
    Frame,
    FrameType,
    SegmentHeader,
    frame_end,
    frame_key,
)
from svc.engine.journal_reader import JournalError
from svc.engine.packing import Packer
from svc.engine.records import MAX_BATCH_COMMANDS, RECORD_BYTES, SEMANTIC_VERSION
from svc.kit.errors import invalid

SEGMENT_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20

Ship = Callable[[memoryview, Sequence[int], int], None]
"""Gets frames of commands back to back, their lengths, and how many batches were put with them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands that stand together under one number, with the digest fixed when it was given."""

    number: int
    digest: bytes
    commands: bytes

    def check_form(self) -> None:
        """Raises DomainError INVALID_BATCH for what can be no batch, whatever the log holds."""
        count, rest = divmod(len(self.commands), RECORD_BYTES)
        if self.number < 1 or rest or not 1 <= count <= MAX_BATCH_COMMANDS:
            raise invalid(
                "INVALID_BATCH",
                f"batch {self.number} of {len(self.commands)} bytes: a number from 1 on and 1 to "
                f"{MAX_BATCH_COMMANDS} commands of {RECORD_BYTES} bytes are right",
                number=str(self.number),
            )
        if len(self.digest) != len(NO_DIGEST):
            raise invalid(
                "INVALID_BATCH",
                f"the digest of batch {self.number} has {len(self.digest)} bytes, not "
                f"{len(NO_DIGEST)}",
                number=str(self.number),
            )


@dataclass(frozen=True, slots=True)
class Stamped:
    """A batch with its time: all that its events depend on, besides the state before it."""

    batch: Batch
    time_ns: int


@dataclass(frozen=True, slots=True)
class EventBatch:
    """The events of one batch, `records` back to back. Number 0: time alone made them.

    Many records stay in the engine's memory, which is not written again while they are held.
    """

    batch_number: int
    time_ns: int
    first_sequence: int
    previous_hash: int
    running_hash: int
    records: bytes | memoryview

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self.records) // RECORD_BYTES

    def behind(self, sequence: int) -> EventBatch:
        """What of the batch stands behind `sequence`, which is before its last event."""
        inside = sequence - self.first_sequence + 1
        if inside <= 0:
            return self
        seen = self.records[: inside * RECORD_BYTES]
        return replace(
            self,
            first_sequence=sequence + 1,
            previous_hash=chain(self.previous_hash, seen),
            records=self.records[inside * RECORD_BYTES :],
        )


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
        self._durable = 0
        self._ship: Ship | None = None
        self._waiting: deque[Stamped] = deque()
        self._put = self._synced = 0
        self._appending = threading.Lock()
        self._command_packer, self._event_packer = Packer(), Packer()
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
    def segments(self) -> Sequence[SegmentHeader]:
        """Headers of those that are retained, the one that is written last."""
        return self._index.headers

    def version_behind(self, number: int, time_ns: int) -> int:
        """Semantic version of what comes behind batch `number` and time `time_ns`."""
        before = [h for h in self.segments if h.last_batch <= number and h.time_ns <= time_ns]
        if not before:
            raise not_retained(f"batch {number} is not retained")
        return before[-1].semantic_version

    @property
    def is_full(self) -> bool:
        """Whether the segment has grown to where the next one begins."""
        return self._bytes >= self._segment_bytes

    def digest_of(self, number: int) -> bytes:
        """Digest of batch `number`, from 1 to the last that is on the disk.

        Like whatever reads old segments it raises DomainError EVENTS_NOT_RETAINED.
        """
        first = self.segments[0]
        if number == first.last_batch:
            return first.last_digest
        with _refusing():
            place = self._index.batch(number)
        return self._read(place).digest

    @property
    def put_batches(self) -> int:
        """How many batches were put."""
        return self._put

    @property
    def synced_batches(self) -> int:
        """How many of them are known to be on the disk, in the order in which they were put."""
        return self._synced

    @property
    def is_failed(self) -> bool:
        """Whether nothing more can be written: it is closed, or the disk has failed."""
        return self._failed

    def fail(self) -> None:
        """Nothing is written from here on: the engine is not where the journal is."""
        self._failed = True

    def check(self) -> None:
        """Raises JournalError JOURNAL_FAILED when nothing more can be written."""
        if self._failed:
            raise JournalError("JOURNAL_FAILED", "the journal is closed, or it has failed")

    def ship_to(self, ship: Ship) -> None:
        """Each group of commands goes to `ship` too, before it is written here.

        It is called where the group is synced, in that thread; the frames last as long as the call.
        """
        self._ship = ship

    def put(self, stamped: Stamped) -> None:
        """Takes the batch that is appended next."""
        self.check()
        self._waiting.append(stamped)
        self._put += 1

    def sync(self) -> None:
        """Returns when the batches that wait, and all that was appended, are on the disk.

        One write and one fdatasync for whatever waits.
        """
        self.check()
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            frames, lengths = self._command_packer.commands(waiting, self.epoch, self._durable)
            if self._ship is not None and waiting:
                self._ship(frames, lengths, self._synced + len(waiting))
        except BaseException:
            self._failed = True  # what waited is in no log, and must not be passed over
            raise
        with self._appending:
            self._append(frames)
            end = self._bytes
            for stamped, length in zip(waiting, lengths, strict=True):
                if stamped.batch.number:
                    self._index.add_batch(end)
                    self._last_batch = stamped.batch
                end += length
            self._bytes = end
        self._sync_to(end)
        self._synced += len(waiting)

    def append_events(self, made: Sequence[EventBatch]) -> None:
        """Appends events of batches that are on the disk, in their order; the next sync syncs them.

        Until then a crash may lose them, and recovery makes the same again.
        """
        self.check()
        frames, lengths = self._event_packer.events(made, self.epoch, self._durable)
        with self._appending:
            self._append(frames)
            end = self._bytes
            for events, length in zip(made, lengths, strict=True):
                if events.records:
                    self._index.add_events(end, events.first_sequence)
                end += length
            self._bytes = end
            self._last_events = made[-1]

    def rotate(
        self, semantic_version: int = SEMANTIC_VERSION, epoch: int | None = None
    ) -> SegmentHeader:
        """Syncs, begins the next segment, of this epoch or a later one, and returns its header.

        Every batch that was appended has its events, what waits goes into the next segment; nothing
        else is asked of the journal meanwhile.
        """
        self.check()
        self._sync_to(self._bytes)
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
            semantic_version=semantic_version, epoch=head.epoch if epoch is None else epoch,
        )  # fmt: skip
        self._open_segment()
        return self._head

    def forget(self, number: int) -> None:
        """Deletes the segments before that one, in any thread."""
        self._index.forget(number)
        # As the folder has them: also what a removal that failed has left, or behind that a hole.
        for segment in [segment for segment in self._folder.numbers() if segment < number]:
            self._folder.remove(segment)
            self._folder.sync_names()  # or a later one might be gone while an earlier comes back

    def events_from(self, sequence: int) -> Iterator[Frame]:
        """Reads the frames with events, from the one that holds `sequence` on."""
        places = self._index.events_from(sequence)
        while True:
            with _refusing():
                place = next(places, None)
            if place is None:
                return
            yield self._read(place)

    def command_frames(self, place: Place) -> Iterator[tuple[memoryview, Place]]:
        """Reads the frames of commands from `place` on, up to the end, as they are stored.

        Each comes with the place behind it, from which to go on. Not while a segment begins.
        """
        segment, offset = place.segment, place.offset
        while True:
            ended = self._index.end_of(segment)
            end = self._bytes if ended is None else ended
            size = _CHUNK_BYTES
            while offset < end:
                data = memoryview(self._stored(segment, offset, min(size, end - offset)))
                at = 0
                while (stop := frame_end(data, at)) <= len(data):
                    if frame_key(data, at).type == FrameType.COMMANDS:
                        yield data[at:stop], Place(segment, offset + stop)
                    at = stop
                offset += at
                size = max(_CHUNK_BYTES, stop - at)
            if ended is None:
                return
            segment, offset = segment + 1, HEADER_BYTES

    def place_behind(self, number: int, digest: bytes, time_ns: int) -> Place | None:
        """Where a log goes on that ends with batch `number`, or with time passing behind it.

        `digest` is that of the batch, `time_ns` of the last frame of commands. None when this log
        goes another way. `number` is at most that of the last batch here. Raises DomainError
        EVENTS_NOT_RETAINED when the log does not reach back to there.
        """
        first = self.segments[0]
        place, last_ns, last_digest = Place(first.number, HEADER_BYTES), 0, first.last_digest
        if number == first.last_batch:
            last_ns = first.time_ns
            if time_ns < last_ns:
                why = f"what came {time_ns} ns after 1970 is not retained, only what came after"
                raise not_retained(f"{why} {last_ns}")
        else:
            with _refusing():
                place = self._index.batch(number)
            frame = self._read(place)
            last_ns, last_digest = frame.time_ns, frame.digest
            place = Place(place.segment, place.offset + frame.size)
        if number and digest != last_digest:
            return None
        for stored, behind in self.command_frames(place):
            frame = Frame.unpack(stored, 0, len(stored))
            if last_ns == time_ns or frame.batch_number:
                break
            place, last_ns = behind, frame.time_ns
        return place if last_ns == time_ns else None

    def close(self) -> None:
        """Syncs what was appended and closes; nothing is put or appended afterwards."""
        if not self._failed:
            self._sync_to(self._bytes)
            self._failed = True
        if self._descriptor >= 0:
            self._folder.close(self._descriptor)
            self._descriptor = -1

    def _open_segment(self) -> None:
        self._descriptor = self._folder.create(self._head.number)
        self._guarded(lambda: self._folder.append(self._descriptor, [self._head.pack()]))
        self._guarded(lambda: self._folder.fdatasync(self._descriptor))
        self._guarded(self._folder.sync_names)
        self._bytes = self._durable = HEADER_BYTES
        self._index.begin(self._head)

    def _sync_to(self, end: int) -> None:
        self._guarded(lambda: self._folder.fdatasync(self._descriptor))
        self._durable = end

    def _append(self, frames: memoryview) -> None:
        if frames:
            self._guarded(lambda: self._folder.append(self._descriptor, [frames]))

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

    def _stored(self, segment: int, offset: int, length: int) -> bytes:
        try:
            return self._folder.read(segment, offset, length)
        except FileNotFoundError:  # deleted since it was looked up
            raise not_retained(f"segment {segment} is not retained") from None

    def _read(self, place: Place) -> Frame:
        header = self._stored(place.segment, place.offset, HEADER_BYTES)
        size = frame_end(memoryview(header), 0)
        data = self._stored(place.segment, place.offset, size)
        try:
            return Frame.unpack(memoryview(data), 0, len(data))
        except Damaged as damage:
            file = self._folder.file_name(place.segment)
            raise JournalError(
                "JOURNAL_CORRUPT", str(damage), file=file, offset=place.offset
            ) from None


def stamped_of(frames: bytes) -> Iterator[Stamped]:
    """Reads frames of commands back to back, as another writer packed them.

    Raises JournalError JOURNAL_CORRUPT.
    """
    view, offset = memoryview(frames), 0
    while offset < len(view):
        try:
            frame = Frame.unpack(view, offset, len(view))
        except Damaged as damage:
            raise JournalError("JOURNAL_CORRUPT", f"frames that were sent: {damage}") from None
        offset += frame.size
        batch = Batch(frame.batch_number, bytes(frame.digest), bytes(frame.records))
        yield Stamped(batch, frame.time_ns)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Damaged as damage:
        raise JournalError("JOURNAL_CORRUPT", f"before a snapshot: {damage}") from None
