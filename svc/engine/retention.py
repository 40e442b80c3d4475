"""What of a log may be deleted: whole segments from its beginning, and snapshots between others.

Invariant: what stays begins with the log's first segment or with one that a snapshot goes on to,
so a standby can begin where its leader's log does; two newer snapshots stand behind that one, so a
start finds its way though they are damaged; and every event behind what was released is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from svc.engine.frames import SegmentHeader

NEWEST_KEPT = 3
"""Snapshots that are kept because they are the newest."""
SPREAD_KEPT = 8
"""Older ones that are kept at most, so that the log may be shortened to one of them."""


def released_sequence(segments: Sequence[SegmentHeader], applied: int, before_ns: int) -> int:
    """Up to which event nobody will ask for one: applied, and made at or before `before_ns`."""
    old = [head.sequence for head in segments if head.time_ns <= before_ns]
    return min(applied, old[-1] if old else 0)


def first_to_keep(
    segments: Sequence[SegmentHeader], snapshots: Sequence[int], released: int
) -> int:
    """Number of the first segment that stays. `segments` are the log's, `snapshots` their own."""
    old = {head.number for head in segments if head.sequence <= released}
    may_begin = [number for number in snapshots[: 1 - NEWEST_KEPT] if number in old]
    return max(may_begin, default=segments[0].number)


def superfluous(snapshots: Sequence[int], first: int) -> Sequence[int]:
    """Snapshots that go when the log begins with segment `first`.

    Those of what was before, and of the others that are not among the newest those whose neighbours
    stand closest, but for the oldest.
    """
    gone = [number for number in snapshots if number < first]
    kept = list(snapshots[len(gone) :])
    while len(kept) > NEWEST_KEPT + SPREAD_KEPT:
        between = range(1, len(kept) - NEWEST_KEPT)
        closest = min(between, key=lambda at: kept[at + 1] - kept[at - 1])
        gone.append(kept.pop(closest))
    return gone
