"""What of a log may be deleted: whole segments from its beginning that nobody needs any more.

Invariant: what stays begins with a segment at or before the oldest of the snapshots that are kept,
so that a start finds its way though the newest of them are damaged; and it holds every event
behind what was released.
"""

from __future__ import annotations

from collections.abc import Sequence

from svc.engine.frames import SegmentHeader
from svc.engine.snapshot import KEPT_SNAPSHOTS


def released_sequence(segments: Sequence[SegmentHeader], applied: int, before_ns: int) -> int:
    """Up to which event nobody will ask for one: applied, and made at or before `before_ns`."""
    old = [head.sequence for head in segments if head.time_ns <= before_ns]
    return min(applied, old[-1] if old else 0)


def first_to_keep(
    segments: Sequence[SegmentHeader], snapshots: Sequence[int], released: int
) -> int:
    """Number of the first segment that stays. `segments` are the log's, `snapshots` their own."""
    first = segments[0].number
    if len(snapshots) < KEPT_SNAPSHOTS:
        return first
    return max(
        head.number
        for head in segments
        if head.number == first or (head.number <= snapshots[0] and head.sequence <= released)
    )
