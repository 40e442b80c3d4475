"""Commands to the disk, then to the engine, then their events: the order that loses nothing.

Invariant: the engine is given a batch when its commands are on the disk and not before, in the
order in which batches were begun; nothing of a batch is seen before its events are appended. The
disk may be ahead of the engine, and the engine of the events: all work at the same time, for
different batches.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from svc.engine.book import Engine
from svc.engine.journal import Batch, EventBatch, Journal, Stamped
from svc.engine.records import SEMANTIC_VERSION

_MOST_BEGUN = 128
_LEFT_BYTES = 64 << 10
"""Events of more are left where the engine wrote them; fewer would hold more memory than they take,
and are copied at once."""


@dataclass(slots=True)
class Begun:
    """A batch on its way; `events` when it is matched, and `Pipeline.append` says they are safe."""

    stamped: Stamped
    place: int
    """How many batches had been begun with it."""
    events: EventBatch | None = None


class Pipeline:
    """The way of one market's batches. One thread begins; any may do the rest, and read."""

    def __init__(self, engine: Engine, journal: Journal, last_batch: int, digest: bytes) -> None:
        """`last_batch` is the last that was matched, `digest` its own."""
        self.engine = engine
        self.journal = journal
        self.last_batch, self.last_digest = last_batch, digest
        """Of what was matched."""
        self._begun: deque[Begun] = deque()
        self._matched: deque[EventBatch] = deque()
        self._matched_batches = self._appended_batches = 0
        self._storing = threading.Lock()
        self._matching = threading.Lock()
        self._appending = threading.Lock()

    def begin(self, batch: Batch, time_ns: int) -> Begun:
        """Takes the batch that comes next. When too many are on their way, waits for them."""
        if len(self._begun) >= _MOST_BEGUN:
            self.match(self.journal.put_batches - _MOST_BEGUN // 2)
        if len(self._matched) >= _MOST_BEGUN:
            self._append()
        stamped = Stamped(batch, time_ns)
        self.journal.put(stamped)
        begun = Begun(stamped, self.journal.put_batches)
        self._begun.append(begun)
        return begun

    def store(self, place: int) -> None:
        """Returns when the commands of the first `place` batches are on the disk.

        What was begun since goes with them.
        """
        if self.journal.synced_batches >= place:
            return
        with self._storing:
            if self.journal.synced_batches >= place:
                return
            if self.journal.is_full:
                # A segment ends where every batch in it has its events.
                with self._matching:
                    self._match(self.journal.synced_batches)
                    self._append()
                    self.journal.rotate()
            self.journal.sync()

    def match(self, place: int) -> None:
        """Returns when the first `place` batches are matched; stores them before."""
        if self._matched_batches >= place:
            return
        self.store(place)
        with self._matching:
            self._match(place)

    def append(self, place: int) -> None:
        """Returns when the events of the first `place` batches are appended; matches them before.

        Those of what was matched since go with them.
        """
        if self._appended_batches >= place:
            return
        self.match(place)
        self._append()

    def settle(self) -> None:
        """The same for all that was begun."""
        self.append(self.journal.put_batches)

    @contextmanager
    def standing(self) -> Iterator[Engine]:
        """The engine, to which nothing is given meanwhile; all its events are appended."""
        with self._matching:
            if self._matched:
                self._append()
            yield self.engine

    def _match(self, place: int) -> None:
        self.journal.check()
        try:
            self._match_begun(place)
        except BaseException:
            # A batch that stands in the log must not be passed over.
            self.journal.fail()
            raise

    def _match_begun(self, place: int) -> None:
        while self._begun and self._begun[0].place <= place:
            begun = self._begun.popleft()
            begun.events = events = self._events(begun.stamped)
            self._matched.append(events)
            if events.batch_number:
                self.last_batch = events.batch_number
                self.last_digest = begun.stamped.batch.digest
            self._matched_batches = begun.place

    def _append(self) -> None:
        with self._appending:
            self.journal.check()
            made = [self._matched.popleft() for _ in range(len(self._matched))]
            if made:
                self.journal.append_events(made)
                self._appended_batches += len(made)

    def _events(self, stamped: Stamped) -> EventBatch:
        engine, batch = self.engine, stamped.batch
        assert engine.semantic_version == SEMANTIC_VERSION, "nothing is begun behind a version"
        first, before = engine.sequence + 1, engine.running_hash
        records: bytes | memoryview = engine.apply(batch.commands, stamped.time_ns)
        if len(records) < _LEFT_BYTES:
            records = bytes(records)
        return EventBatch(
            batch.number, stamped.time_ns, first, before, engine.running_hash, records
        )
