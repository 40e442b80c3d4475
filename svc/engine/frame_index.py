"""Where the frames of a log stand: of each batch by number, of each sequence.

Invariant: it answers for every frame that counts, and holds the places of a few segments alone;
those of others are read from their frames' headers when somebody asks.
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

_MOST_LOADED = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame stands."""

    segment: int
    offset: int


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

    What asks for places raises Damaged when a segment that is read for them is cut short.
    """

    _growing: _Places

    def __init__(self, folder: Folder, headers: Sequence[SegmentHeader] = (), end: int = 0) -> None:
        """`end` says how many bytes of the last of `headers` count."""
        self._folder = folder
        self._headers = list(headers)
        self._ends = [after.previous_bytes for _, after in pairwise(headers)]
        self._ends += [end] * bool(headers)
        self._lock = threading.Lock()
        self._loaded: OrderedDict[int, _Places] = OrderedDict()
        """By place in `_headers`; the growing segment stays, of the others those used last."""

    def begin(self, header: SegmentHeader) -> None:
        """The segment of `header` is the last one from here on, and grows by `add`."""
        with self._lock:
            if self._headers:
                self._ends[-1] = header.previous_bytes
            self._growing = self._loaded[len(self._headers)] = _Places()
            self._headers.append(header)
            self._ends.append(HEADER_BYTES)

    def add_batch(self, offset: int) -> None:
        """Takes in the next numbered batch, appended at `offset` of the last segment."""
        self._growing.batches.append(offset)

    def add_events(self, offset: int, first_sequence: int) -> None:
        """Takes in the next events, appended at `offset` of the last segment; one at least."""
        self._growing.add_events(offset, first_sequence)

    def batch(self, number: int) -> Place:
        """Place of the commands of batch `number`, from 1 to the last."""
        at = bisect_right(self._headers, number - 1, key=lambda header: header.last_batch) - 1
        places = self._places(at)
        before = self._headers[at].last_batch
        return Place(self._headers[at].number, places.batches[number - before - 1])

    def first(self) -> Place:
        """Where the log begins."""
        return Place(self._headers[0].number, HEADER_BYTES)

    def end_of(self, segment: int) -> int | None:
        """How many bytes of a segment count; None of the one that grows."""
        with self._lock:
            at = segment - self._headers[0].number
            return self._ends[at] if at + 1 < len(self._headers) else None

    def events_from(self, sequence: int) -> Iterator[Place]:
        """Places of the frames with events, from the one that holds `sequence` on."""
        at = bisect_right(self._headers, sequence - 1, key=lambda header: header.sequence) - 1
        held: Place | None = None
        for segment in range(max(at, 0), len(self._headers)):
            places = self._places(segment)
            # A segment may begin with events of batches that stand in the one before.
            start = max(bisect_right(places.sequences, sequence) - 1, 0)
            for index in range(start, len(places.sequences)):
                if held is not None and places.sequences[index] > sequence:
                    yield held
                held = Place(self._headers[segment].number, places.events[index])
        if held is not None:
            yield held

    def _places(self, at: int) -> _Places:
        with self._lock:
            places = self._loaded.get(at)
            if places is None:
                places = self._loaded[at] = self._read(at)
            self._loaded.move_to_end(at)
            if len(self._loaded) > _MOST_LOADED:
                oldest = next(key for key in self._loaded if key != len(self._headers) - 1)
                del self._loaded[oldest]
            return places

    def _read(self, at: int) -> _Places:
        # Headers alone: the records are checked when they are read.
        number, end = self._headers[at].number, self._ends[at]
        segment = memoryview(self._folder.read(number))
        if len(segment) < end:
            raise Damaged(f"{end} bytes of segment {number} count, it is shorter")
        places, offset = _Places(), HEADER_BYTES
        while offset < end:
            places.add(offset, frame_key(segment, offset))
            offset = frame_end(segment, offset)
        return places
