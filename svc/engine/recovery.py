"""Brings an engine to where its journal ends, and proves on the way that it is the same engine.

Invariant: the engine that comes out has applied exactly the command frames that count, and made
exactly the events that are stored, byte for byte; what a snapshot stands in for is not made again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from svc.engine.book import Engine
from svc.engine.folder import Folder
from svc.engine.frame_index import Place
from svc.engine.frames import NO_DIGEST, Frame, FrameType, SegmentHeader
from svc.engine.journal_reader import JournalError, JournalReader
from svc.engine.records import RECORD_BYTES, SEMANTIC_VERSION, split_records
from svc.engine.replay import Diverged, Replay
from svc.engine.snapshot import NOTHING_COVERED, Covered, newest, save


@dataclass(slots=True)
class Recovered:
    """Where the log ends."""

    engine: Engine
    headers: Sequence[SegmentHeader] = ()
    """Of the segments that count."""
    end: int = 0
    """How many bytes of the last one count."""
    unfinished: int = 0
    """Number of a segment file behind it without a whole header; 0: none."""
    last_batch: int = 0
    last_digest: bytes = NO_DIGEST
    covered: Covered = NOTHING_COVERED
    """What the snapshot covers with which recovery began."""
    missing_events: list[Frame] = field(default_factory=list)
    """Events of batches that are stored without theirs, in order."""


def apply_batch(engine: Engine, batch_number: int, time_ns: int, commands: bytes) -> Frame:
    """Applies a batch and returns its events as a frame of epoch 0 that nothing has stored yet."""
    first, before = engine.sequence + 1, engine.running_hash
    events = bytes(engine.apply(commands, time_ns))
    return Frame(
        FrameType.EVENTS, batch_number, time_ns, 0, 0, events, NO_DIGEST, first, before,
        engine.running_hash,
    )  # fmt: skip


def recover(folder: Folder, report: Callable[[str], None]) -> Recovered:
    """Restores the newest snapshot, reads the journal behind it and regenerates its events.

    Without a snapshot that can be read it begins at the log's start, if that is still there.
    `report` gets a sentence about whatever is dropped or passed over. Raises JournalError on any
    difference, and JOURNAL_VERSION where a segment of another semantic version would have to be
    replayed.
    """
    reader = JournalReader(folder, report)
    recovered = _begin(folder, reader, report)
    replay = Replay(recovered.engine, recovered.last_batch, recovered.last_digest)
    waiting = _replay_segments(
        replay, folder, reader, reader.behind(recovered.covered.segment), recovered.covered
    )
    recovered.last_batch, recovered.last_digest = replay.last_batch, replay.last_digest
    recovered.end = reader.end
    recovered.unfinished = reader.unfinished
    recovered.missing_events = list(waiting)
    return recovered


def state_before(folder: Folder, head: SegmentHeader) -> Engine:
    """The state that the segment of `head` goes on from, made again from what is on the disk.

    A writer may be at work in that segment. Raises as `recover`, and REPLAY_DIVERGED when the
    state is not the one that the head describes.
    """
    reader = JournalReader(folder, _ignore, head.number)
    recovered = _begin(folder, reader, _ignore)
    replay = Replay(recovered.engine, recovered.last_batch, recovered.last_digest)
    before = reader.behind(recovered.covered.segment)[:-1]
    _replay_segments(replay, folder, reader, before, recovered.covered)
    _check_head(replay, folder, head)
    return recovered.engine


def _ignore(_: str) -> None:
    # A snapshot that is passed over is told by the start that needs it.
    pass


def _replay_segments(
    replay: Replay, folder: Folder, reader: JournalReader, headers: Sequence[SegmentHeader],
    covered: Covered,
) -> deque[Frame]:  # fmt: skip
    # Returns the events of batches that stand there without theirs.
    waiting: deque[Frame] = deque()
    for header in headers:
        if header.semantic_version != SEMANTIC_VERSION:
            _leave(replay, folder, header, covered)
            raise other_version(folder, header)
        _check_head(replay, folder, header)
        replay.begin_segment()
        try:
            for place, frame in reader.frames(header.number, partial(_forward, replay, waiting)):
                if frame.type == FrameType.COMMANDS:
                    waiting.append(_replay(replay, folder, place, frame))
                elif place.offset >= replay.compared:
                    _compare(folder, place, frame, waiting)
        except Diverged as diverged:
            _refuse_diverged(replay, folder, header.number, diverged)
        if replay.compared > reader.end:
            why = "events behind a batch that does not count"
            raise _refused("JOURNAL_CORRUPT", why, folder, Place(header.number, reader.end))
    return waiting


def _begin(folder: Folder, reader: JournalReader, report: Callable[[str], None]) -> Recovered:
    headers = reader.headers
    snapshot = newest(folder, headers, report)
    if snapshot is None:
        if headers and headers[0].number > 1:
            why = "the log begins here, and no snapshot that can be read stands for what was before"
            raise _refused("JOURNAL_CORRUPT", why, folder, Place(headers[0].number, 0))
        return Recovered(Engine(), headers)
    head = snapshot.head
    return Recovered(
        snapshot.engine,
        headers,
        last_batch=head.last_batch,
        last_digest=head.last_digest,
        covered=snapshot.covered,
    )


def other_version(folder: Folder, header: SegmentHeader) -> JournalError:
    """The refusal of a segment whose commands are for other rules than this engine's."""
    return JournalError(
        "JOURNAL_VERSION",
        f"from segment {header.number} on the log is of semantic version "
        f"{header.semantic_version}, this engine knows {SEMANTIC_VERSION}; no replay goes from one "
        "to another, only a snapshot at the first segment of a version",
        file=folder.file_name(header.number),
    )


def _leave(replay: Replay, folder: Folder, header: SegmentHeader, covered: Covered) -> None:
    # A writer may have ended between the first segment of a later version and its snapshot. Only
    # this engine can make that state.
    is_begun_here = replay.engine.semantic_version == header.semantic_version
    if is_begun_here and covered.segment != header.number:
        _check_head(replay, folder, header)
        save(folder, header, replay.engine)


def _check_head(replay: Replay, folder: Folder, head: SegmentHeader) -> None:
    engine = replay.engine
    says = (head.last_batch, head.last_digest, head.sequence, head.running_hash, head.time_ns)
    found = (
        replay.last_batch,
        replay.last_digest,
        engine.sequence,
        engine.running_hash,
        engine.time_ns,
    )
    if says != found:
        why = f"the log before the segment ends at {found}, the segment says {says}"
        raise _refused("REPLAY_DIVERGED", why, folder, Place(head.number, 0))


def _forward(
    replay: Replay, waiting: deque[Frame], segment: memoryview, offset: int, end: int
) -> int:
    # As far as the events of every batch follow and are the same: nearly always to the end. What is
    # left is looked at frame by frame.
    return offset if waiting else replay.forward(segment, offset, end)


def _refuse_diverged(replay: Replay, folder: Folder, number: int, diverged: Diverged) -> None:
    segment = memoryview(folder.read(number))
    commands = Frame.unpack(segment, diverged.offset, len(segment))
    place = Place(number, diverged.events_offset)
    stored = Frame.unpack(segment, place.offset, len(segment))
    made = Frame(
        FrameType.EVENTS, commands.batch_number, commands.time_ns, 0, 0, diverged.events,
        NO_DIGEST, diverged.first_sequence, diverged.hash_before, replay.engine.running_hash,
    )  # fmt: skip
    _compare(folder, place, stored, deque([made]))
    raise diverged


def _replay(replay: Replay, folder: Folder, place: Place, frame: Frame) -> Frame:
    engine = replay.engine
    if frame.batch_number and frame.batch_number != replay.last_batch + 1:
        why = f"batch {frame.batch_number} stands where {replay.last_batch + 1} belongs"
        raise _refused("JOURNAL_CORRUPT", why, folder, place)
    if frame.time_ns < engine.time_ns:
        raise _refused("JOURNAL_CORRUPT", "time falls from one batch to the next", folder, place)
    if frame.batch_number:
        replay.note(frame.batch_number, frame.digest)
    return apply_batch(engine, frame.batch_number, frame.time_ns, bytes(frame.records))


def _compare(folder: Folder, place: Place, stored: Frame, waiting: deque[Frame]) -> None:
    if not waiting:
        raise _refused("JOURNAL_CORRUPT", "events without a batch", folder, place)
    made = waiting.popleft()
    events = bytes(stored.records)  # a memoryview would be compared byte by byte, in Python time
    if made.records != events:
        sequence = made.first_sequence + _first_difference(made.records, events)
        why = f"the event with sequence {sequence} comes out differently than it is stored"
        raise _refused("REPLAY_DIVERGED", why, folder, place)
    for name in ("batch_number", "time_ns", "first_sequence", "hash_before", "hash_after"):
        if getattr(made, name) != getattr(stored, name):
            why = f"{name} is {getattr(stored, name)}, comes out as {getattr(made, name)}"
            raise _refused("REPLAY_DIVERGED", why, folder, place)


def _first_difference(made: bytes | memoryview, stored: bytes) -> int:
    for at, (a, b) in enumerate(zip(split_records(made), split_records(stored), strict=False)):
        if a != b:
            return at
    return min(len(made), len(stored)) // RECORD_BYTES


def _refused(reason: str, why: str, folder: Folder, place: Place) -> JournalError:
    return JournalError(reason, why, file=folder.file_name(place.segment), offset=place.offset)
