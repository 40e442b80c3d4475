"""Where the frames of a log stand: of each batch by number, of each sequence.

Invariant: it answers for every frame that counts and is retained, and holds the places of a few
segments alone; those of others are read from their frames' headers when somebody asks.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from svc.engine.folder import Folder
from svc.engine.frames import (
    HEADER_BYTES,
    Damaged,
    FrameKey,
    FrameType,
    SegmentHeader,
    frame_end,
    frame_key,
)
from svc.kit.errors import DomainError, out_of_range

_MOST_LOADED = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame stands."""

    segment: int
    offset: int


def not_retained(what: str) -> DomainError:
    """What is asked for was in a segment that has been deleted; says what is there instead."""
    return out_of_range("EVENTS_NOT_RETAINED", what)


class _Places:
    """Those of one segment."""

    def __init__(self) -> None:
        self.batches = array("Q")
        self.sequences = array("Q")
        self.events = array("Q")

    def add(self, offset: int, key: FrameKey) -> None:
        """Takes in the frame that comes next in the segment."""
        if key.type == FrameType.COMMANDS and key.batch_number:
            self.batches.append(offset)
        elif key.type == FrameType.EVENTS and key.records:
            self.add_events(offset, key.first_sequence)

    def add_events(self, offset: int, first_sequence: int) -> None:
        """Takes in the next events."""
        # In this order, for another thread may look for a sequence meanwhile.
        self.events.append(offset)
        self.sequences.append(first_sequence)


class FrameIndex:
    """The index of a folder's segments, of which the last one may grow while others read.

    What asks for places raises Damaged when a segment that is read for them is cut short, and
    DomainError EVENTS_NOT_RETAINED.
    """

    _growing: _Places

    def __init__(self, folder: Folder, headers: Sequence[SegmentHeader] = (), end: int = 0) -> None:
        """`end` says how many bytes of the last of `headers` count."""
        self._folder = folder
        self._headers = list(headers)
        """Of the segments that are retained; those that go make it another list."""
        self._ends = {before.number: after.previous_bytes for before, after in pairwise(headers)}
        """By segment, of all but the growing one."""
        if headers:
            self._ends[headers[-1].number] = end
        self._lock = threading.Lock()
        self._loaded: OrderedDict[int, _Places] = OrderedDict()
        """By segment; the growing one stays, of the others those used last."""

    def begin(self, header: SegmentHeader) -> None:
        """The segment of `header` is the last one from here on, and grows by `add`."""
        with self._lock:
            if self._headers:
                self._ends[self._headers[-1].number] = header.previous_bytes
            self._growing = self._loaded[header.number] = _Places()
            self._headers.append(header)

    @property
    def headers(self) -> Sequence[SegmentHeader]:
        """Of the segments that are retained, at this moment."""
        return tuple(self._headers)

    def forget(self, number: int) -> None:
        """Segments before that one are not retained any more."""
        with self._lock:
            gone = [header.number for header in self._headers if header.number < number]
            self._headers = self._headers[len(gone) :]
            for segment in gone:
                del self._ends[segment]
                self._loaded.pop(segment, None)

    def add_batch(self, offset: int) -> None:
        """Takes in the next numbered batch, appended at `offset` of the last segment."""
        self._growing.batches.append(offset)

    def add_events(self, offset: int, first_sequence: int) -> None:
        """Takes in the next events, appended at `offset` of the last segment; one at least."""
        self._growing.add_events(offset, first_sequence)

    def batch(self, number: int) -> Place:
        """Place of the commands of batch `number`, from 1 to the last."""
        headers = self._headers
        at = bisect_right(headers, number - 1, key=lambda header: header.last_batch) - 1
        if at < 0:
            first = headers[0]
            raise not_retained(
                f"batch {number} is not retained, the first that is has number "
                f"{first.last_batch + 1}"
            )
        offset = self._places(headers[at].number).batches[number - headers[at].last_batch - 1]
        return Place(headers[at].number, offset)

    def end_of(self, segment: int) -> int | None:
        """How many bytes of a segment count; None of the one that grows."""
        with self._lock:
            if segment < self._headers[0].number:
                raise not_retained(f"segment {segment} is not retained")
            return self._ends.get(segment)

    def events_from(self, sequence: int) -> Iterator[Place]:
        """Places of the frames with events, from the one that holds `sequence` on."""
        headers = self._headers
        at = bisect_right(headers, sequence - 1, key=lambda header: header.sequence) - 1
        if at < 0:
            raise not_retained(
                f"event {sequence} is not retained, the first that is has sequence "
                f"{headers[0].sequence + 1}"
            )
        held: Place | None = None
        for segment in range(headers[at].number, headers[-1].number + 1):
            places = self._places(segment)
            # A segment may begin with events of batches that stand in the one before.
            start = max(bisect_right(places.sequences, sequence) - 1, 0)
            for index in range(start, len(places.sequences)):
                if held is not None and places.sequences[index] > sequence:
                    yield held
                held = Place(segment, places.events[index])
        if held is not None:
            yield held

    def _places(self, segment: int) -> _Places:
        with self._lock:
            if segment < self._headers[0].number:
                raise not_retained(f"segment {segment} is not retained")
            places = self._loaded.get(segment)
            if places is None:
                places = self._loaded[segment] = self._read(segment)
            self._loaded.move_to_end(segment)
            if len(self._loaded) > _MOST_LOADED:
                growing = self._headers[-1].number
                del self._loaded[next(number for number in self._loaded if number != growing)]
            return places

    def _read(self, segment: int) -> _Places:
        # Headers alone: the records are checked when they are read.
        end = self._ends[segment]
        content = memoryview(self._folder.read(segment))
        if len(content) < end:
            raise Damaged(f"{end} bytes of segment {segment} count, it is shorter")
        places, offset = _Places(), HEADER_BYTES
        while offset < end:
            places.add(offset, frame_key(content, offset))
            offset = frame_end(content, offset)
        return places
