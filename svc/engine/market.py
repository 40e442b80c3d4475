"""A market: its engine and its journal tied together, in the order that loses nothing.

Invariant: a batch is on the disk before it is matched, and its events are appended before anything
of it is seen; batch numbers are contiguous; time never falls; every event that anyone sees comes
out of the journal again after any crash.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase

from svc.engine.book import Engine, chain
from svc.engine.folder import Folder
from svc.engine.frame_index import Place
from svc.engine.frames import NO_DIGEST, Frame, SegmentHeader
from svc.engine.journal import (
    Batch,
    EventBatch,
    Journal,
    Ship,
    Stamped,
    stamped_of,
)
from svc.engine.journal_reader import JournalError
from svc.engine.pipeline import Begun, Pipeline
from svc.engine.records import (
    RECORD_BYTES,
    SEMANTIC_VERSION,
    Command,
    CommandKind,
)
from svc.engine.recovery import Recovered, other_version, state_before
from svc.engine.retention import first_to_keep, released_sequence, superfluous
from svc.engine.snapshot import Covered, open_oldest, save
from svc.engine.status import BookLevels, BookSnapshot, LogEnd, Position, Statistics, Status
from svc.kit.clock import Clock
from svc.kit.errors import failed_precondition, invalid, out_of_range

_ADVANCE_TIME = Command(CommandKind.ADVANCE_TIME).pack()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a batch: its events, or none when it was in the log already.

    `sequence` is that of the last event made when the batch was done with.
    """

    number: int
    sequence: int
    events: EventBatch | None

    @property
    def is_duplicate(self) -> bool:
        """Whether the batch was skipped."""
        return self.events is None


@dataclass(frozen=True, slots=True)
class Taken:
    """Batches on their way to the disk and the engine: `Market.finish` says what came of them."""

    known: list[int]
    """Numbers of those that the log held already."""
    begun: list[Begun]
    place: int


class Market:
    """One market. Its methods block; calls from several threads wait for each other.

    While one thread waits for the disk in `store`, others may `match` and `finish` what is stored:
    disk and engine then work at the same time. What is read of the market is what has been matched:
    that is on the disk, or comes out of it again.
    """

    def __init__(
        self, recovered: Recovered, journal: Journal, folder: Folder, clock: Clock, market: int
    ) -> None:
        """`opening.open_market` makes one."""
        self.market = market
        self._folder = folder
        self._covered = recovered.covered
        self._saved_commands = 0
        self.released_sequence = 0
        """Nobody asks for events up to this one any more."""
        self._journal = journal
        self._clock = clock
        self._last_batch, self._time_ns = recovered.last_batch, recovered.engine.time_ns
        self._pipeline = Pipeline(
            recovered.engine, journal, recovered.last_batch, recovered.last_digest
        )
        self._beginning = threading.Lock()
        if recovered.missing_events:
            journal.append_events([_events(frame) for frame in recovered.missing_events])

    def submit(self, batches: Sequence[Batch]) -> list[Outcome]:
        """Takes batches in number order and returns what came of them.

        Raises DomainError BATCH_GAP, DIGEST_MISMATCH or INVALID_BATCH before anything is taken, and
        JournalError when the disk fails; then this market must be opened anew.
        """
        return self.finish(self.begin(batches))

    def begin(self, batches: Sequence[Batch]) -> Taken:
        """The first part of `submit`: gives the batches their time. Raises what that does.

        When too many are on their way, this waits for them.
        """
        with self._beginning:
            self._journal.check()
            fresh = self._fresh(batches)
            known = [batch.number for batch in batches[: len(batches) - len(fresh)]]
            begun = [self._begin(batch, self._now_ns()) for batch in fresh]
            return Taken(known, begun, self._journal.put_batches)

    def store(self, taken: Taken) -> None:
        """The second, in any thread: returns when the batches are on the disk.

        What was begun since goes with them.
        """
        self._pipeline.store(taken.place)

    def match(self, taken: Taken) -> None:
        """The third: gives the batches to the engine. Nothing that came of them is seen yet."""
        self._pipeline.match(taken.place)

    def finish(self, taken: Taken) -> list[Outcome]:
        """The last: appends the events and returns what came of the batches.

        Stores and matches them before, if nobody has.
        """
        self._pipeline.append(taken.place)
        made = [begun.events for begun in taken.begun if begun.events is not None]
        assert len(made) == len(taken.begun), "all of them are matched"
        sequence = made[0].first_sequence - 1 if made else self.status().position.sequence
        outcomes = [Outcome(number, sequence, None) for number in taken.known]
        outcomes += [
            Outcome(events.batch_number, events.first_sequence + events.count - 1, events)
            for events in made
        ]
        return outcomes

    def advance(self) -> EventBatch | None:
        """Lets time pass if something is due; returns the events it made, or None."""
        with self._beginning:
            self._pipeline.settle()
            deadline = self._pipeline.engine.next_deadline_ns
            if deadline is None or self._clock.unix_ns() < deadline:
                return None
            begun = self._begin(Batch(0, NO_DIGEST, _ADVANCE_TIME), self._now_ns())
            self._pipeline.settle()
        return begun.events

    def status(self) -> Status:
        """Where the log stands."""
        with self._pipeline.standing() as engine:
            return self._status(engine)

    def statistics(self) -> Statistics:
        """What the engine has done and holds."""
        with self._pipeline.standing() as engine:
            return Statistics(
                self._status(engine), engine.commands, engine.trades, engine.memory_bytes,
                len(self._journal.segments),
            )  # fmt: skip

    def _status(self, engine: Engine) -> Status:
        return Status(
            self._position(engine), self._pipeline.last_batch, self._pipeline.last_digest,
            self._journal.epoch, engine.time_ns, engine.live_orders, engine.next_deadline_ns,
            self._covered, engine.commands - self._saved_commands,
        )  # fmt: skip

    def check_relay(self, highest_number: int, applied: Position) -> None:
        """Refuses a relay whose outbox or applier contradicts this log.

        Raises DomainError LOG_AHEAD_OF_OUTBOX when the log holds batches the outbox does not know,
        and what `check_position` raises.
        """
        self.check_position(applied)
        last = self.status().last_batch
        if last > highest_number:
            raise failed_precondition(
                "LOG_AHEAD_OF_OUTBOX",
                f"the log holds batch {last}, the outbox ends at {highest_number}",
                last_batch=str(last),
                highest_number=str(highest_number),
            )

    def check_position(self, position: Position) -> None:
        """Refuses a consumer whose position is not one of this log.

        Raises DomainError LOG_FOREIGN, LOG_BEHIND_CONSUMER or HASH_MISMATCH, EVENTS_NOT_RETAINED
        when the log does not reach back to there.
        """
        with self._pipeline.standing() as engine:
            end = self._position(engine)
        if position.sequence == 0 and not position.log_id:
            return
        if position.log_id != end.log_id:
            raise failed_precondition(
                "LOG_FOREIGN",
                f"the consumer follows log {position.log_id.hex()}, this is {end.log_id.hex()}",
                log_id=end.log_id.hex(),
            )
        if position.sequence > end.sequence:
            raise failed_precondition(
                "LOG_BEHIND_CONSUMER",
                f"the consumer has applied {position.sequence}, the log ends at {end.sequence}",
                sequence=str(end.sequence),
            )
        stored = self._hash_at(position.sequence)
        if stored != position.running_hash:
            raise failed_precondition(
                "HASH_MISMATCH",
                f"at sequence {position.sequence} the consumer has hash "
                f"{position.running_hash:016x}, the log {stored:016x}",
                sequence=str(position.sequence),
            )

    def events_after(self, sequence: int) -> Iterator[EventBatch]:
        """Yields the stored batches with events behind `sequence`, up to the end at the call.

        The first batch is cut when `sequence` lies inside it. Reads the journal as it is iterated.
        """
        with self._pipeline.standing() as engine:
            end = engine.sequence
        if sequence >= end:
            return
        for frame in self._journal.events_from(sequence + 1):
            if frame.first_sequence > end:
                return
            yield _events(frame).behind(sequence)

    def snapshot(self) -> BookSnapshot:
        """All live orders at this moment."""
        with self._pipeline.standing() as engine:
            instruments = engine.instruments()
            orders = {i: engine.orders(i) for i in sorted(instruments)}
            return BookSnapshot(self._position(engine), instruments, orders)

    def levels(self, instrument_id: int, depth: int) -> BookLevels:
        """At most `depth` levels of either side at this moment. Raises KeyError."""
        with self._pipeline.standing() as engine:
            bids, asks = engine.l2(instrument_id, depth)
            return BookLevels(self._position(engine), bids, asks)

    def state_hash(self) -> tuple[Position, int]:
        """The hash of the books' state and the position it belongs to."""
        with self._pipeline.standing() as engine:
            return self._position(engine), engine.state_hash()

    def end_version(self) -> None:
        """Ends the log for this engine if a VERSION command has begun a later semantic version.

        The next segment is of that version and begins with a snapshot, from which an engine that
        has it goes on. Raises JournalError JOURNAL_VERSION when that is so.
        """
        engine = self._pipeline.engine
        if engine.semantic_version != SEMANTIC_VERSION:
            head = self._journal.rotate(engine.semantic_version)
            save(self._folder, head, engine)
            self._journal.close()
            raise other_version(self._folder, head)

    def begin_snapshot(self) -> SegmentHeader:
        """Begins a segment and returns its header; batches wait for that alone.

        `finish_snapshot` does the rest, while they go on.
        """
        with self._settled() as engine:
            head = self._journal.rotate()
            self._saved_commands = engine.commands
            return head

    def finish_snapshot(self, head: SegmentHeader) -> Covered:
        """Puts a snapshot of the state before a segment on the disk and verifies it, in any thread.

        The state is made again from the snapshot before and the log behind that, so that batches
        need not wait for a copy of this engine's. Raises OSError or JournalError when the disk
        fails or gives back something else, or when another state comes out. Behind it goes what
        of the log nobody needs any more.
        """
        covered = save(self._folder, head, state_before(self._folder, head))
        with self._pipeline.standing():
            self._covered = covered
        snapshots = self._folder.snapshots()
        first = first_to_keep(self._journal.segments, snapshots, self.released_sequence)
        self._journal.forget(first)
        for number in superfluous(snapshots, first):
            self._folder.remove_snapshot(number)
        return covered

    def release(self, sequence: int) -> None:
        """Nobody will ask for events up to `sequence` any more; snapshots may let go of them."""
        self.released_sequence = max(self.released_sequence, sequence)

    def release_applied(self, position: Position, before_ns: int) -> None:
        """The same for what is applied up to `position` and was made at or before `before_ns`.

        Raises what `check_position` does.
        """
        self.check_position(position)
        segments = self._journal.segments
        self.release(released_sequence(segments, position.sequence, before_ns))

    def open_snapshot(self) -> BufferedIOBase:
        """The file of the oldest snapshot of this semantic version, for a journal to begin with.

        Behind it comes all that is retained. Raises DomainError NO_SNAPSHOT.
        """
        file = open_oldest(self._folder, self._journal.segments)
        if file is None:
            raise failed_precondition("NO_SNAPSHOT", f"market {self.market} has no snapshot yet")
        return file

    def take_snapshot(self) -> Covered:
        """Both in one."""
        return self.finish_snapshot(self.begin_snapshot())

    def ship_to(self, ship: Ship) -> None:
        """See Journal.ship_to."""
        self._journal.ship_to(ship)

    @property
    def log_id(self) -> bytes:
        """Identity of the log, 16 bytes."""
        return self._journal.log_id

    @property
    def put_batches(self) -> int:
        """How many batches were given their time since the market was opened."""
        return self._journal.put_batches

    def place_behind(self, end: LogEnd) -> Place:
        """Where to go on for whom has this log up to `end`.

        Raises what `check_position` does, and DomainError JOURNAL_DIVERGED. EVENTS_NOT_RETAINED
        and SEMANTIC_VERSION_PASSED say that only a snapshot leads from there to here.
        """
        self.check_position(end.position)
        place = None
        if end.last_batch <= self.status().last_batch:
            place = self._journal.place_behind(end.last_batch, end.last_digest, end.time_ns)
        if place is None:
            raise failed_precondition(
                "JOURNAL_DIVERGED",
                f"no batch {end.last_batch} stands in the log that ends as the standby's does",
                number=str(end.last_batch),
            )
        version = self._journal.version_behind(end.last_batch, end.time_ns)
        if version != SEMANTIC_VERSION:
            raise out_of_range(
                "SEMANTIC_VERSION_PASSED",
                f"from there on the log is of semantic version {version}, this engine knows "
                f"{SEMANTIC_VERSION}",
            )
        return place

    def commands_from(self, place: Place, most_bytes: int) -> tuple[bytes, Place]:
        """The next frames of commands, a little more than `most_bytes`, and the place behind them.

        None where the log ends. Nothing is begun meanwhile in another thread.
        """
        found, size = [], 0
        for frame, behind in self._journal.command_frames(place):
            found.append(frame)
            place, size = behind, size + len(frame)
            if size >= most_bytes:
                break
        return b"".join(found), place

    def follow(self, frames: bytes) -> Taken:
        """Begins batches that came from the market's leader, frames of commands back to back.

        They get the times that they have there. `store` and `finish` do the rest. Raises
        JournalError JOURNAL_CORRUPT when they are damaged or do not go on where this log ends.
        """
        with self._beginning:
            begun = []
            for sent in stamped_of(frames):
                self._must_follow(sent)
                begun.append(self._begin(sent.batch, sent.time_ns))
            return Taken([], begun, self._journal.put_batches)

    def begin_epoch(self, epoch: int) -> None:
        """Goes on as the leader, or under one, of a later epoch."""
        with self._settled():
            self._journal.rotate(epoch=epoch)

    def log_end(self) -> LogEnd:
        """Where the commands of this log end, those included that are only stored yet."""
        with self._settled() as engine:
            status = self._status(engine)
        return LogEnd(status.last_batch, status.last_digest, status.time_ns, status.position)

    def close(self) -> None:
        """Matches what was begun, syncs and closes the journal; nothing is taken afterwards.

        The folder stays locked until its owner unlocks it.
        """
        with self._beginning:
            if not self._journal.is_failed:
                self._pipeline.settle()
            self._journal.close()

    @contextmanager
    def _settled(self) -> Iterator[Engine]:
        # Nothing begins meanwhile, and all that was begun is matched.
        with self._beginning:
            self._pipeline.settle()
            with self._pipeline.standing() as engine:
                yield engine

    def _position(self, engine: Engine) -> Position:
        return Position(self._journal.log_id, engine.sequence, engine.running_hash)

    def _hash_at(self, sequence: int) -> int:
        first = self._journal.segments[0]
        if sequence == first.sequence:
            return first.running_hash
        frame = next(self._journal.events_from(sequence))
        inside = sequence - frame.first_sequence + 1
        return chain(frame.hash_before, frame.records[: inside * RECORD_BYTES])

    def _fresh(self, batches: Sequence[Batch]) -> list[Batch]:
        # Those that the log does not hold; every rule is checked before anything is written.
        expected = self._last_batch + 1
        fresh: list[Batch] = []
        for batch in batches:
            batch.check_form()
            if batch.number > expected:
                raise failed_precondition(
                    "BATCH_GAP",
                    f"batch {batch.number} came, {expected} is next",
                    number=str(batch.number),
                    expected=str(expected),
                )
            if batch.number < expected:
                self._check_digest(batch, fresh)
            else:
                fresh.append(batch)
                expected += 1
        return fresh

    def _check_digest(self, batch: Batch, fresh: Sequence[Batch]) -> None:
        if fresh and batch.number >= fresh[0].number:
            raise invalid("INVALID_BATCH", f"batch {batch.number} came twice in one call")
        self._pipeline.store(self._journal.put_batches)
        if self._journal.digest_of(batch.number) != batch.digest:
            raise failed_precondition(
                "DIGEST_MISMATCH",
                f"batch {batch.number} stands in the log with another digest",
                number=str(batch.number),
            )

    def _must_follow(self, sent: Stamped) -> None:
        number = sent.batch.number
        if number not in {0, self._last_batch + 1} or sent.time_ns < self._time_ns:
            raise JournalError(
                "JOURNAL_CORRUPT",
                f"the leader sent batch {number} of {sent.time_ns} ns, this log ends with batch "
                f"{self._last_batch} and {self._time_ns} ns",
            )

    def _now_ns(self) -> int:
        return max(self._clock.unix_ns(), self._time_ns)

    def _begin(self, batch: Batch, time_ns: int) -> Begun:
        self._time_ns = time_ns
        begun = self._pipeline.begin(batch, self._time_ns)
        if batch.number:
            self._last_batch = batch.number
        if _may_begin_version(batch):
            # Whether anything behind it is for this engine is known when it is matched.
            self._pipeline.settle()
            self.end_version()
        return begun


def _may_begin_version(batch: Batch) -> bool:
    return len(batch.commands) == RECORD_BYTES and batch.commands[0] == CommandKind.VERSION


def _events(frame: Frame) -> EventBatch:
    return EventBatch(
        frame.batch_number, frame.time_ns, frame.first_sequence, frame.hash_before,
        frame.hash_after, bytes(frame.records),
    )  # fmt: skip
