"""A snapshot with the log behind it is worth the whole log, and nothing else is taken for one."""

import errno
import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BufferedIOBase, BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import Buffer

from svc.engine.crc32c import crc32c
from svc.engine.folder import Folder
from svc.engine.frames import HEADER_BYTES
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.recovery import Recovered, recover
from svc.engine.snapshot import load
from svc.kit.clock import FakeClock
from svc.kit.errors import DomainError
from tests.engine.flows import SECOND_NS, START_NS
from tests.engine.lossy import a_market, flow_batches

ROOT = Path(__file__).parents[2]
quiet = settings(max_examples=40)


def run(path: Path, seed: int, *, count: int = 60, snapshots: Sequence[int] = (15, 40)) -> Market:
    """A market after a flow with the passing of time, and snapshots after some of its batches."""
    path.mkdir(exist_ok=True)
    clock, draw = FakeClock(START_NS), random.Random(seed)
    market = a_market(Folder(path), clock, segment_bytes=4_000)
    for number, batch in enumerate(flow_batches(seed, count)):
        market.submit([batch])
        if number in snapshots:
            market.take_snapshot()
        clock.advance(draw.randint(0, SECOND_NS // 2))
        market.advance()
    return market


def without_snapshots(path: Path, target: Path) -> Path:
    """A copy of the journal alone."""
    shutil.copytree(path, target, ignore=shutil.ignore_patterns("*.snapshot"))
    return target


def snapshots(path: Path) -> list[Path]:
    return sorted(path.glob("*.snapshot"))


def found(path: Path) -> tuple[Recovered, list[str]]:
    """What a start would find, and what it would say."""
    reports: list[str] = []
    return recover(Folder(path), reports.append), reports


def refusal(path: Path) -> JournalError:
    with pytest.raises(JournalError) as refused:
        recover(Folder(path), print)
    return refused.value


def told(market: Market) -> tuple[object, ...]:
    status = market.status()
    return (
        status.position, status.last_batch, status.last_digest, status.time_ns, status.live_orders,
        status.next_deadline_ns, market.state_hash(), list(market.events_after(0)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_a_snapshot_and_its_tail_are_worth_the_whole_log(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    market = run(tmp_path / "a", seed, snapshots=sorted(draw.sample(range(60), draw.randint(1, 6))))
    bare = without_snapshots(tmp_path / "a", tmp_path / "b")
    expected = told(market)
    restored = a_market(Folder(tmp_path / "a"), FakeClock(START_NS), epoch=2)
    replayed = a_market(Folder(bare), FakeClock(START_NS), epoch=2)
    assert restored.status().covered == market.status().covered
    assert replayed.status().covered.segment == 0
    assert told(restored) == told(replayed) == expected
    for batch in flow_batches(seed + 1, 60):
        later = replace(batch, number=batch.number + market.status().last_batch)
        assert restored.submit([later]) == replayed.submit([later])
    assert told(restored) == told(replayed)


def test_what_a_snapshot_stands_in_for_is_not_made_again(tmp_path: Path) -> None:
    run(tmp_path, 3)
    applied = found(tmp_path)[0].engine.commands
    bare = without_snapshots(tmp_path, tmp_path / "bare")
    assert 0 < applied < found(bare)[0].engine.commands
    first = tmp_path / "00000000000000000001.journal"
    content = bytearray(first.read_bytes())
    content[HEADER_BYTES + 200] ^= 1
    first.write_bytes(content)
    assert found(tmp_path)[1] == []


def test_a_market_goes_on_while_its_snapshot_is_written(tmp_path: Path) -> None:
    market = a_market(Folder(tmp_path))
    batches = list(flow_batches(4, 30))
    market.submit(batches[:20])
    before = market.status()
    head = market.begin_snapshot()
    market.submit(batches[20:])
    assert market.status().covered.segment == 0
    covered = market.finish_snapshot(head)
    assert (covered.last_batch, covered.sequence) == (20, before.position.sequence)
    assert covered.running_hash == before.position.running_hash
    assert market.status().covered == covered
    assert market.status().unsaved_commands == sum(len(b.commands) // 128 for b in batches[20:])
    assert told(a_market(Folder(tmp_path), epoch=2)) == told(market)


def test_a_log_that_went_bad_on_the_disk_is_found_by_the_snapshot_behind_it(tmp_path: Path) -> None:
    market = a_market(Folder(tmp_path))
    batches = list(flow_batches(4, 30))
    market.submit(batches[:20])
    head = market.begin_snapshot()
    market.submit(batches[20:])
    first = tmp_path / "00000000000000000001.journal"
    content = bytearray(first.read_bytes())
    content[HEADER_BYTES + 200] ^= 1
    first.write_bytes(content)
    with pytest.raises(JournalError) as refused:
        market.finish_snapshot(head)
    assert (refused.value.reason, refused.value.file) == ("JOURNAL_CORRUPT", first.name)
    assert Folder(tmp_path).snapshots() == []


def test_a_state_that_the_log_does_not_lead_to_gets_no_snapshot(tmp_path: Path) -> None:
    market = a_market(Folder(tmp_path))
    market.submit(list(flow_batches(4, 20)))
    head = market.begin_snapshot()
    other = replace(head, running_hash=head.running_hash ^ 1)
    with pytest.raises(JournalError, match="REPLAY_DIVERGED"):
        market.finish_snapshot(other)
    assert Folder(tmp_path).snapshots() == []


def test_what_stands_before_a_snapshot_is_still_read_when_somebody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.engine.frame_index._MOST_LOADED", 2)
    market = run(tmp_path, 6, snapshots=range(3, 60, 4))
    batches = list(market.events_after(0))
    whole = b"".join(events.records for events in batches)
    again = a_market(Folder(tmp_path), epoch=2)
    assert again.status().covered.segment > 10
    draw = random.Random(6)
    for sequence in (0, *draw.sample(range(len(whole) // 128), 60)):
        found = b"".join(events.records for events in again.events_after(sequence))
        assert found == whole[sequence * 128 :]
    sent = list(flow_batches(6, 60))
    for batch in draw.sample(sent, len(sent)):
        (outcome,) = again.submit([batch])
        assert outcome.is_duplicate
        with pytest.raises(DomainError, match="another digest"):
            again.submit([replace(batch, digest=bytes(16))])
    again.submit([replace(sent[5], number=len(sent) + 1)])
    assert b"".join(events.records for events in again.events_after(0))[: len(whole)] == whole


def test_a_few_snapshots_are_kept(tmp_path: Path) -> None:
    market = run(tmp_path, 1, snapshots=range(10, 50, 2))
    kept = snapshots(tmp_path)
    assert len(kept) == 11
    assert int(kept[-1].stem) == market.status().covered.segment


@quiet
@given(at=st.integers(0, 10**9), by=st.integers(1, 255))
def test_every_changed_byte_of_a_snapshot_is_told_and_an_older_one_is_taken(
    journal: Path, at: int, by: int
) -> None:
    older, newer = snapshots(journal)
    whole = newer.read_bytes()
    at %= len(whole)
    changed = bytearray(whole)
    changed[at] ^= by
    newer.write_bytes(changed)
    try:
        recovered, reports = found(journal)
    finally:
        newer.write_bytes(whole)
    assert len(reports) == 1
    assert newer.name in reports[0]
    assert "SNAPSHOT_CORRUPT" in reports[0]
    assert recovered.covered.segment == int(older.stem)
    assert recovered.engine.state_hash() == found(journal)[0].engine.state_hash()


@quiet
@given(length=st.integers(0, 10**9), more=st.binary(max_size=300))
def test_a_snapshot_that_is_cut_short_or_too_long_is_passed_over(
    journal: Path, length: int, more: bytes
) -> None:
    expected = found(journal)[0].engine.state_hash()
    wholes = {file: file.read_bytes() for file in snapshots(journal)}
    for file, whole in wholes.items():
        file.write_bytes((whole[: length % len(whole)]) if not more else whole + more)
    try:
        recovered, reports = found(journal)
    finally:
        for file, whole in wholes.items():
            file.write_bytes(whole)
    assert [file.name in report for file, report in zip(wholes, reversed(reports), strict=True)]
    assert recovered.covered.segment == 0
    assert recovered.engine.state_hash() == expected


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed journal with two snapshots."""
    path = tmp_path_factory.mktemp("journal")
    run(path, 7).close()
    return path


def altered(file: Path, change: Callable[[bytearray], None]) -> None:
    """Changes a snapshot's header and makes its checksum right again."""
    content = bytearray(file.read_bytes())
    change(content)
    content[124:128] = crc32c(content[:124]).to_bytes(4, "little")
    file.write_bytes(content)


def test_a_snapshot_of_another_format_says_what_it_has_and_what_is_known(tmp_path: Path) -> None:
    run(tmp_path, 2)
    for file in snapshots(tmp_path):
        altered(file, lambda content: content.__setitem__(slice(8, 12), (77).to_bytes(4, "little")))
    recovered, reports = found(tmp_path)
    assert len(reports) == 2
    assert "SNAPSHOT_VERSION: it has format 77, this engine reads " in reports[0]
    assert recovered.covered.segment == 0


def test_a_snapshot_of_another_log_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 2)
    file = snapshots(tmp_path)[-1]
    altered(file, lambda content: content.__setitem__(slice(16, 32), bytes(16)))
    error = refusal(tmp_path)
    assert (error.reason, error.file) == ("SNAPSHOT_FOREIGN", file.name)
    assert bytes(16).hex() in str(error)


def test_a_snapshot_without_a_journal_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 2)
    for file in tmp_path.glob("*.journal"):
        file.unlink()
    assert refusal(tmp_path).reason == "SNAPSHOT_FOREIGN"


def test_a_log_that_ends_before_its_snapshot_is_refused(tmp_path: Path) -> None:
    market = run(tmp_path, 2)
    covered = market.take_snapshot()
    (tmp_path / f"{covered.segment:020d}.journal").unlink()
    assert refusal(tmp_path).reason == "SNAPSHOT_DIVERGED"


def test_a_snapshot_that_contradicts_its_segment_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 2)
    file = snapshots(tmp_path)[-1]
    altered(file, lambda content: content.__setitem__(64, content[64] ^ 1))
    assert refusal(tmp_path).reason == "SNAPSHOT_DIVERGED"


def test_a_state_that_its_header_does_not_describe_is_passed_over(tmp_path: Path) -> None:
    run(tmp_path, 2)
    file = snapshots(tmp_path)[-1]

    def forge(content: bytearray) -> None:
        content[-128 + 40] ^= 1
        content[36:40] = crc32c(content[128:]).to_bytes(4, "little")

    altered(file, forge)
    _, reports = found(tmp_path)
    assert "not the one that the header describes" in reports[0]


class FullDisk(Folder):
    """Has no space for snapshots."""

    is_full = True

    def append(self, descriptor: int, parts: Sequence[Buffer]) -> None:
        if self.is_full and bytes(parts[0])[:8] == b"QMESHSNP":
            super().append(descriptor, [bytes(parts[0])[:50]])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(descriptor, parts)


def test_a_disk_without_space_for_a_snapshot_does_not_stop_the_market(tmp_path: Path) -> None:
    folder = FullDisk(tmp_path)
    market = a_market(folder)
    batches = list(flow_batches(2, 20))
    market.submit(batches[:10])
    with pytest.raises(OSError, match="No space left"):
        market.take_snapshot()
    assert market.status().covered.segment == 0
    market.submit(batches[10:])
    folder.is_full = False
    covered = market.take_snapshot()
    assert covered.last_batch == len(batches)
    assert [file.name for file in tmp_path.glob("*napshot*")] == [
        folder.snapshot_name(covered.segment)
    ]
    assert told(a_market(Folder(tmp_path), epoch=2)) == told(market)


def test_a_snapshot_is_verified_before_anything_counts_on_it(tmp_path: Path) -> None:
    class Rotting(Folder):
        def open_snapshot(self, number: int) -> BufferedIOBase:
            with super().open_snapshot(number) as file:
                content = bytearray(file.read())
            content[200] ^= 1
            return BytesIO(content)

    market = a_market(Rotting(tmp_path))
    market.submit(list(flow_batches(2, 10)))
    with pytest.raises(JournalError, match="SNAPSHOT_CORRUPT"):
        market.take_snapshot()
    assert market.status().covered.segment == 0


PROGRAM = """
import sys
from pathlib import Path
from tests.engine.test_snapshot import run
market = run(Path(sys.argv[1]), 31)
print(market.status(), market.state_hash())
"""


def test_the_interpreters_hash_seed_changes_no_byte_of_journal_or_snapshot(tmp_path: Path) -> None:
    outcomes = set()
    for hash_seed in ("0", "1", "random"):
        path = tmp_path / hash_seed
        path.mkdir()
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(path)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}:{ROOT}/gen"},
            capture_output=True,
            check=True,
            text=True,
        )
        files = sorted(file for file in path.iterdir() if file.name != "lock")
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        outcomes.add((ran.stdout, digest, tuple(file.name for file in files)))
    assert len(outcomes) == 1
    assert load(Folder(tmp_path / "0"), int(snapshots(tmp_path / "0")[-1].stem)).covered.segment
