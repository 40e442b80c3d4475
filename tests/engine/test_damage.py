"""Every kind of record a journal holds, damaged.

In the middle it is refused with its place, torn off at the end dropped with a message, and under
right checksums still found out.
"""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from svc.engine.crc32c import crc32c
from svc.engine.folder import Folder
from svc.engine.frames import HEADER_BYTES, FrameType, SegmentHeader, frame_end, frame_key
from svc.engine.journal_reader import JournalError
from svc.engine.records import Command, CommandKind
from svc.engine.recovery import recover
from svc.kit.clock import FakeClock
from tests.engine.flows import START_NS
from tests.engine.lossy import a_market, flow_batches, numbered
from tests.engine.test_market import gtd_order, opening

COMMANDS, EVENTS = FrameType.COMMANDS, FrameType.EVENTS
KINDS = {
    "commands": (COMMANDS, False, False),
    "events": (EVENTS, True, False),
    "no events": (EVENTS, False, False),
    "commands of time alone": (COMMANDS, False, True),
    "events of time alone": (EVENTS, True, True),
}
"""Type, whether the frame has events, whether its batch has no number."""


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A journal of one segment in which every kind of frame stands in the middle."""
    clock = FakeClock(START_NS)
    market = a_market(Folder(tmp_path), clock)
    idle = Command(CommandKind.ADVANCE_TIME).pack()
    market.submit([opening(), numbered(gtd_order(1, START_NS + 5), 2), numbered(idle, 3)])
    clock.advance(9)
    assert market.advance() is not None
    market.submit([numbered(idle, 4), numbered(gtd_order(2, START_NS + 50), 5)])
    market.submit([numbered(gtd_order(3, START_NS + 60), 6)])
    market.close()
    (file,) = tmp_path.glob("*.journal")
    return file


def frames(content: bytes) -> dict[str, list[tuple[int, int]]]:
    """Where the frames of each kind stand: offset and end."""
    found: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    offset = HEADER_BYTES
    while offset < len(content):
        end = frame_end(memoryview(content), offset)
        key = frame_key(memoryview(content), offset)
        has_events = key.type == EVENTS and key.records > 0
        for kind, shape in KINDS.items():
            if shape == (key.type, has_events, key.batch_number == 0):
                found[kind].append((offset, end))
        offset = end
    return found


def refusal(path: Path) -> JournalError:
    with pytest.raises(JournalError) as refused:
        recover(Folder(path), print)
    return refused.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_frame_in_the_middle_is_refused_with_its_place(segment: Path, kind: str) -> None:
    whole = segment.read_bytes()
    offset, end = frames(whole)[kind][0]
    assert end < len(whole)
    for at in range(offset, end, 7):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        segment.write_bytes(changed)
        error = refusal(segment.parent)
        assert (error.reason, error.file, error.offset) == ("JOURNAL_CORRUPT", segment.name, offset)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_that_is_torn_off_at_the_end_is_dropped_with_a_message(
    segment: Path, kind: str
) -> None:
    whole = segment.read_bytes()
    offset, end = frames(whole)[kind][0]
    for length in range(offset + 1, end):
        segment.write_bytes(whole[:length])
        reports: list[str] = []
        assert recover(Folder(segment.parent), reports.append).end == offset
        (report,) = reports
        assert f"from byte {offset} on" in report
        assert "never acknowledged" in report


def forged(content: bytearray, offset: int, layout: str, at: int, value: int) -> None:
    """Writes a field of a frame's header and makes its checksum right again."""
    struct.pack_into(layout, content, offset + at, value)
    header = content[offset + 8 : offset + HEADER_BYTES]
    struct.pack_into("<I", content, offset + 4, crc32c(header))


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("commands", ("<Q", 24, 1), "JOURNAL_CORRUPT"),
        ("commands", ("<q", 32, -1), "JOURNAL_CORRUPT"),
        ("commands", ("<B", 8, 6), "JOURNAL_CORRUPT"),
        ("commands", ("<I", 16, 1), "JOURNAL_CORRUPT"),
        ("commands", ("<B", 9, 9), "JOURNAL_CORRUPT"),
        ("events", ("<Q", 24, 1), "REPLAY_DIVERGED"),
        ("events", ("<q", 32, 1), "REPLAY_DIVERGED"),
        ("events", ("<Q", 56, 1), "REPLAY_DIVERGED"),
        ("events", ("<Q", 64, 1), "REPLAY_DIVERGED"),
        ("events", ("<Q", 72, 1), "REPLAY_DIVERGED"),
        ("no events", ("<Q", 72, 1), "REPLAY_DIVERGED"),
        ("commands of time alone", ("<Q", 24, 9), "JOURNAL_CORRUPT"),
        ("events of time alone", ("<Q", 24, 9), "REPLAY_DIVERGED"),
    ],
)
def test_a_header_that_lies_under_a_right_checksum_is_found_out(
    segment: Path, kind: str, change: tuple[str, int, int], reason: str
) -> None:
    layout, at, by = change
    content = bytearray(segment.read_bytes())
    places = frames(bytes(content))[kind]
    offset, _ = places[max(len(places) - 2, 0)]
    (value,) = struct.unpack_from(layout, content, offset + at)
    forged(content, offset, layout, at, value + by)
    segment.write_bytes(content)
    error = refusal(segment.parent)
    assert (error.reason, error.file, error.offset) == (reason, segment.name, offset)


def test_events_without_their_batch_are_refused(segment: Path) -> None:
    content = segment.read_bytes()
    offset, end = frames(content)["events"][-1]
    segment.write_bytes(content + content[offset:end])
    error = refusal(segment.parent)
    assert (error.reason, error.offset) == ("JOURNAL_CORRUPT", len(content))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("log_id", bytes(16), "JOURNAL_CORRUPT"),
        ("market", 7, "JOURNAL_CORRUPT"),
        ("number", 9, "JOURNAL_CORRUPT"),
        ("epoch", 0, "JOURNAL_CORRUPT"),
        ("previous_bytes", 1 << 20, "JOURNAL_CORRUPT"),
        ("last_batch", 1, "REPLAY_DIVERGED"),
        ("last_digest", bytes(16), "REPLAY_DIVERGED"),
        ("sequence", 1, "REPLAY_DIVERGED"),
        ("running_hash", 1, "REPLAY_DIVERGED"),
        ("time_ns", 1, "REPLAY_DIVERGED"),
        ("semantic_version", 7, "JOURNAL_VERSION"),
        ("format_version", 77, "JOURNAL_VERSION"),
    ],
)
def test_a_segment_that_says_something_else_of_the_log_before_it_is_refused(
    tmp_path: Path, field: str, value: int | bytes, reason: str
) -> None:
    market = a_market(Folder(tmp_path))
    market.submit(list(flow_batches(4, 10)))
    market.close()
    a_market(Folder(tmp_path), epoch=2).close()
    first, second = sorted(tmp_path.glob("*.journal"))
    head = SegmentHeader.unpack(second.read_bytes())
    second.write_bytes(replace(head, **{field: value}).pack())  # type: ignore[arg-type]
    error = refusal(tmp_path)
    assert error.reason == reason
    assert error.file == (first.name if field == "previous_bytes" else second.name)


def test_a_snapshots_segment_that_is_damaged_is_refused_though_the_snapshot_is_whole(
    tmp_path: Path,
) -> None:
    market = a_market(Folder(tmp_path))
    market.submit(list(flow_batches(4, 10)))
    covered = market.take_snapshot()
    market.submit([numbered(gtd_order(99, START_NS + 5), covered.last_batch + 1)])
    market.close()
    segment = tmp_path / f"{covered.segment:020d}.journal"
    whole = segment.read_bytes()
    for at in range(len(whole) - HEADER_BYTES):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        segment.write_bytes(changed)
        error = refusal(tmp_path)
        assert (error.reason, error.file) == ("JOURNAL_CORRUPT", segment.name)
        assert error.offset <= at


def test_a_segment_before_a_snapshot_that_is_cut_short_is_refused_by_whoever_reads_it(
    tmp_path: Path,
) -> None:
    market = a_market(Folder(tmp_path))
    batches = list(flow_batches(4, 10))
    market.submit(batches)
    market.take_snapshot()
    market.close()
    first = tmp_path / f"{1:020d}.journal"
    first.write_bytes(first.read_bytes()[:-300])
    again = a_market(Folder(tmp_path), epoch=2)
    assert again.status().last_batch == len(batches)
    with pytest.raises(JournalError, match="JOURNAL_CORRUPT: before a snapshot"):
        list(again.events_after(0))
    with pytest.raises(JournalError, match="segment 1 count, it is shorter"):
        again.submit(batches[:1])
