"""Reads a journal from its first frame to its end, and tells an unfinished end from damage.

Invariant: a frame that is yielded is whole, and stands where the segments say it counts; nothing
is skipped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from svc.engine.folder import Folder
from svc.engine.frame_index import Place
from svc.engine.frames import (
    HEADER_BYTES,
    Damaged,
    Frame,
    SegmentHeader,
    frame_end,
    is_unwritten,
)
from svc.engine.records import FORMAT_VERSION, RECORD_BYTES

_OLDEST_FORMAT = 1


class JournalError(Exception):
    """The journal cannot be used as it stands; an operator must look.

    `reason` is JOURNAL_CORRUPT, REPLAY_DIVERGED, JOURNAL_VERSION, JOURNAL_FOREIGN, JOURNAL_EPOCH or
    JOURNAL_FAILED. `file` and `offset` name the place where there is one.
    """

    def __init__(self, reason: str, message: str, *, file: str = "", offset: int = 0) -> None:
        place = f" ({file} at byte {offset})" if file else ""
        super().__init__(f"{reason}: {message}{place}")
        self.reason = reason
        self.file = file
        self.offset = offset


class JournalReader:
    """Reads the segments of a folder in order."""

    def __init__(
        self, folder: Folder, report: Callable[[str], None], last: int | None = None
    ) -> None:
        """Of the segments up to number `last`, if there is one; a writer may be at work behind it.

        `report` gets a sentence about every unfinished end that is dropped. Raises JournalError
        when the segments' headers are damaged or do not follow each other.
        """
        self._folder = folder
        self._report = report
        self._last = last
        self.unfinished = 0
        """Number of a last segment without a whole header; 0: none."""
        self.headers = self._headers()
        self.end = 0
        """How many bytes count of the segment that was read last."""

    def frames(
        self, segment: int, forward: Callable[[memoryview, int, int], int]
    ) -> Iterator[tuple[Place, Frame]]:
        """Yields the frames of a segment that count; raises JournalError at one that is damaged.

        Before each it calls `forward` with the segment, the offset and the end, which may take any
        number of whole frames and returns where it has come: those are not yielded.
        """
        header, *later = self.behind(segment)
        yield from self._frames_of(header, later[0] if later else None, forward)

    def behind(self, segment: int) -> Sequence[SegmentHeader]:
        """Headers of that segment and of all behind it."""
        return self.headers[max(segment - self.headers[0].number, 0) :] if self.headers else ()

    def _headers(self) -> list[SegmentHeader]:
        numbers = self._folder.numbers()
        if self._last is not None:
            numbers = [number for number in numbers if number <= self._last]
        for known, number in pairwise(numbers):
            if number != known + 1:
                raise self._corrupt(f"segment {known + 1} is missing before this one", number, 0)
        headers = [header for number in numbers if (header := self._header(number, numbers[-1]))]
        for before, header in pairwise(headers):
            if (before.log_id, before.market) != (header.log_id, header.market):
                raise self._corrupt("the segment is of another log", header.number, 0)
            if before.epoch > header.epoch:
                raise self._corrupt("the segment's epoch is below the one before", header.number, 0)
        return headers

    def _header(self, number: int, last: int) -> SegmentHeader | None:
        # None: a last segment that was not finished, on which nothing counts.
        start = self._folder.read(number, 0, HEADER_BYTES)
        try:
            header = SegmentHeader.unpack(start)
        except Damaged as damage:
            if number == last and is_unwritten(memoryview(start), 0, HEADER_BYTES, len(start)):
                self._report(f"dropped segment {number}: {damage}, nothing counts on it yet")
                self.unfinished = number
                return None
            raise self._corrupt(str(damage), number, 0) from None
        if header.number != number:
            raise self._corrupt(f"the segment says it is number {header.number}", number, 0)
        if not _OLDEST_FORMAT <= header.format_version <= FORMAT_VERSION:
            raise JournalError(
                "JOURNAL_VERSION",
                f"written in format {header.format_version}; "
                f"this engine reads {_OLDEST_FORMAT} to {FORMAT_VERSION}",
                file=self._folder.file_name(number),
            )
        return header

    def _frames_of(
        self,
        header: SegmentHeader,
        successor: SegmentHeader | None,
        forward: Callable[[memoryview, int, int], int],
    ) -> Iterator[tuple[Place, Frame]]:
        data = memoryview(self._folder.read(header.number))
        end = len(data) if successor is None else successor.previous_bytes
        if end > len(data):
            raise self._corrupt(f"{end} bytes of it count, it is shorter", header.number, len(data))
        offset = forward(data, HEADER_BYTES, end)
        while offset < end:
            try:
                frame = Frame.unpack(data, offset, end)
            except Damaged as damage:
                if successor is None and _is_unfinished(data, offset):
                    self._report(
                        f"dropped {end - offset} bytes at the end of segment {header.number} from "
                        f"byte {offset} on: {damage}; commands in them were never acknowledged, "
                        "events are made again"
                    )
                    break
                raise self._corrupt(str(damage), header.number, offset) from None
            yield Place(header.number, offset), frame
            offset = forward(data, offset + frame.size, end)
        self.end = offset

    def _corrupt(self, why: str, number: int, offset: int) -> JournalError:
        return JournalError(
            "JOURNAL_CORRUPT", why, file=self._folder.file_name(number), offset=offset
        )


def _is_unfinished(data: memoryview, offset: int) -> bool:
    # A frame that does not reach its end, and that no later frame knows to have been synced.
    if not is_unwritten(data, offset, frame_end(data, offset), len(data)):
        return False
    for later in range(offset + RECORD_BYTES, len(data), RECORD_BYTES):
        try:
            frame = Frame.unpack(data, later, len(data))
        except Damaged:
            continue
        if frame.durable_bytes > offset:
            return False
    return True
