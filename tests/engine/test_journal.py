"""The journal's reader: damage is refused with its place, an unfinished end is dropped aloud."""

import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.engine.crc32c import crc32c, crc32c_by_tables
from svc.engine.folder import Folder, FolderLocked
from svc.engine.frames import HEADER_BYTES, Frame, SegmentHeader
from svc.engine.journal import EventBatch
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.packing import Packer
from svc.engine.recovery import recover
from tests.engine.lossy import a_market, flow_batches

quiet = settings(max_examples=30)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of several segments, closed."""
    market = a_market(Folder(tmp_path), segment_bytes=4_000)
    for batch in flow_batches(seed=3, count=60):
        market.submit([batch])
    market.close()
    return tmp_path


def segments(path: Path) -> list[Path]:
    return sorted(path.glob("*.journal"))


def read(path: Path) -> tuple[Market, list[str]]:
    """Recovers without writing: what a start would find."""
    reports: list[str] = []
    recover(Folder(path), reports.append)
    return a_market(Folder(path), epoch=9, reports=reports), reports


def refusal(path: Path) -> JournalError:
    with pytest.raises(JournalError) as refused:
        recover(Folder(path), print)
    return refused.value


def test_the_checksum_is_crc32c_both_ways() -> None:
    assert crc32c(b"123456789") == crc32c_by_tables(b"123456789") == 0xE3069283
    assert crc32c(b"123456789") != zlib.crc32(b"123456789")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_a_checksum_continues_from_the_one_before(first: bytes, second: bytes) -> None:
    assert crc32c(second, crc32c(first)) == crc32c(first + second)
    assert crc32c_by_tables(first + second) == crc32c(first + second)


@quiet
@given(at=st.integers(0, 10**9), by=st.integers(1, 255))
def test_every_changed_byte_is_refused(journal: Path, at: int, by: int) -> None:
    files = segments(journal)
    at %= sum(file.stat().st_size for file in files)
    for file in files:
        if at < file.stat().st_size:
            break
        at -= file.stat().st_size
    before = file.read_bytes()
    changed = bytearray(before)
    changed[at] ^= by
    file.write_bytes(changed)
    try:
        error = refusal(journal)
    finally:
        file.write_bytes(before)
    assert error.reason in {"JOURNAL_CORRUPT", "JOURNAL_VERSION"}
    assert error.file == file.name
    assert error.offset <= at


@quiet
@given(cut=st.integers(1, 10**9))
def test_an_end_that_is_cut_short_is_dropped_with_a_message(journal: Path, cut: int) -> None:
    last = segments(journal)[-1]
    whole = last.read_bytes()
    length = len(whole) - 1 - cut % (len(whole) - HEADER_BYTES)
    last.write_bytes(whole[:length])
    reports: list[str] = []
    try:
        recovered = recover(Folder(journal), reports.append)
    finally:
        last.write_bytes(whole)
    assert recovered.end <= length
    cut_between_frames = recovered.end == length
    assert cut_between_frames == (reports == [])


def test_a_segment_in_the_middle_that_is_cut_short_is_refused(journal: Path) -> None:
    first = segments(journal)[0]
    first.write_bytes(first.read_bytes()[:-200])
    error = refusal(journal)
    assert (error.reason, error.file) == ("JOURNAL_CORRUPT", first.name)


def test_a_segment_that_is_missing_is_refused(journal: Path) -> None:
    segments(journal)[1].unlink()
    assert "segment 2 is missing" in str(refusal(journal))


def test_zeros_in_what_a_later_frame_knows_to_be_synced_are_refused(tmp_path: Path) -> None:
    market = a_market(Folder(tmp_path))
    for batch in flow_batches(seed=3, count=5):
        market.submit([batch])
    market.close()
    last = segments(tmp_path)[-1]
    content = bytearray(last.read_bytes())
    frame = Frame.unpack(memoryview(bytes(content)), HEADER_BYTES, len(content))
    content[HEADER_BYTES : HEADER_BYTES + frame.size] = bytes(frame.size)
    last.write_bytes(content)
    error = refusal(tmp_path)
    assert (error.reason, error.offset) == ("JOURNAL_CORRUPT", HEADER_BYTES)


def test_an_event_that_was_altered_with_its_checksums_diverges(journal: Path) -> None:
    file = segments(journal)[0]
    content = bytearray(file.read_bytes())
    offset = HEADER_BYTES
    offset += Frame.unpack(memoryview(bytes(content)), offset, len(content)).size
    frame = Frame.unpack(memoryview(bytes(content)), offset, len(content))
    records = bytearray(frame.records)
    records[128 + 56] ^= 1
    forged = EventBatch(
        frame.batch_number, frame.time_ns, frame.first_sequence, frame.hash_before,
        frame.hash_after, bytes(records),
    )  # fmt: skip
    packer = Packer()
    frames, _ = packer.events([forged], frame.epoch, frame.durable_bytes)
    content[offset : offset + frame.size] = frames
    file.write_bytes(content)
    error = refusal(journal)
    assert (error.reason, error.offset) == ("REPLAY_DIVERGED", offset)
    assert f"sequence {frame.first_sequence + 1}" in str(error)


def test_another_semantic_version_is_refused(journal: Path) -> None:
    file = segments(journal)[0]
    content = bytearray(file.read_bytes())
    header = replace(SegmentHeader.unpack(bytes(content[:HEADER_BYTES])), semantic_version=99)
    content[:HEADER_BYTES] = header.pack()
    file.write_bytes(content)
    assert refusal(journal).reason == "JOURNAL_VERSION"


def test_what_a_fenced_writer_appends_is_not_read(tmp_path: Path) -> None:
    batches = list(flow_batches(seed=5, count=12))
    old = a_market(Folder(tmp_path), epoch=1)
    old.submit(batches[:4])
    new = a_market(Folder(tmp_path), epoch=2)
    old.submit(batches[4:6])
    new.submit(batches[4:5])
    found, _ = read(tmp_path)
    assert found.status().last_batch == 5
    assert list(found.events_after(0)) == list(new.events_after(0))


def test_a_second_writer_is_locked_out_until_the_first_is_gone(tmp_path: Path) -> None:
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.lock()
    with pytest.raises(FolderLocked):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_a_lower_epoch_and_another_market_are_refused(tmp_path: Path) -> None:
    a_market(Folder(tmp_path), epoch=5).close()
    with pytest.raises(JournalError, match="JOURNAL_EPOCH"):
        a_market(Folder(tmp_path), epoch=4)
    with pytest.raises(JournalError, match="JOURNAL_FOREIGN"):
        a_market(Folder(tmp_path), epoch=5, market=2)


def test_a_segment_without_a_whole_header_is_dropped_and_made_again(journal: Path) -> None:
    expected = read(journal)[0].status().position
    files = segments(journal)
    files[-1].write_bytes(files[-1].read_bytes()[:50])
    market, reports = read(journal)
    assert market.status().position == expected
    assert len(reports) == 2
    assert "nothing counts on it yet" in reports[0]


@given(st.lists(st.binary(max_size=700), max_size=3))
def test_any_bytes_are_refused_or_dropped_never_misread(
    tmp_path: Path, contents: list[bytes]
) -> None:
    for old in segments(tmp_path):
        old.unlink()
    for number, content in enumerate(contents, start=1):
        (tmp_path / f"{number:020d}.journal").write_bytes(content)
    try:
        recovered = recover(Folder(tmp_path), print)
    except JournalError:
        return
    assert recovered.engine.sequence == 0


@quiet
@given(st.binary(min_size=128, max_size=1_500))
def test_any_bytes_behind_a_whole_journal_change_nothing_it_holds(
    journal: Path, behind: bytes
) -> None:
    last = segments(journal)[-1]
    whole = last.read_bytes()
    expected = recover(Folder(journal), print)
    last.write_bytes(whole + behind)
    reports: list[str] = []
    try:
        found = recover(Folder(journal), reports.append)
    except JournalError as error:
        offset: int | None = error.offset
    else:
        offset = None
        assert found.engine.state_hash() == expected.engine.state_hash()
    finally:
        last.write_bytes(whole)
    assert (offset == len(whole)) != bool(reports)
