"""Damaged input: the decoders of commands and the journal's reader refuse it or read it rightly.

Seeded mutations of valid inputs and of a corpus of inputs that were worth keeping; `make soak`
runs a hundred times as many, from another seed for each MESH_SOAK_SEED.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from engine.v1 import records_pb2
from google.protobuf.message import DecodeError

from svc.engine import wire
from svc.engine.book import Engine
from svc.engine.command_file import BadCommandFile, batches, read_commands
from svc.engine.folder import Folder
from svc.engine.journal import stamped_of
from svc.engine.journal_reader import JournalError
from svc.engine.json_lines import command_lines
from svc.engine.records import RECORD_BYTES, pack_commands, unpack_commands
from svc.engine.recovery import recover
from svc.engine.reference import ReferenceEngine
from svc.engine.status import LogEnd
from svc.kit.clock import FakeClock
from tests.engine import wire_reference
from tests.engine.flows import SECOND_NS, START_NS, Flow
from tests.engine.lossy import a_market, flow_batches
from tests.engine.mutations import mutated
from tests.engine.seeds import SOAK_SEED
from tests.engine.test_wire import random_commands

CORPUS = Path(__file__).parent / "corpus"
SLICE = 1_500
SOAK = 100 * SLICE
ROUNDS = [SLICE, pytest.param(SOAK, marks=pytest.mark.soak)]
REFUSALS = {
    "JOURNAL_CORRUPT",
    "JOURNAL_VERSION",
    "REPLAY_DIVERGED",
    "SNAPSHOT_DIVERGED",
    "SNAPSHOT_FOREIGN",
}


def drawing(target: str, rounds: int) -> random.Random:
    """What a target's rounds are drawn from: the same for the slice, the soak's by its seed."""
    return random.Random(target if rounds < SOAK // 30 else f"{target} {SOAK_SEED}")


def corpus(pattern: str) -> list[bytes]:
    """The kept inputs of a kind, by name."""
    found = [path.read_bytes() for path in sorted(CORPUS.glob(pattern))]
    assert found
    return found


def flow_commands(seed: int, count: int = 12) -> bytes:
    flow = Flow(seed)
    return pack_commands([*flow.opening(), *(flow.command() for _ in range(count))])


def assert_judged_alike(records: bytes) -> None:
    """Whatever the records say, the engine and its reference make the same events of them."""
    engine, reference = Engine(), ReferenceEngine()
    for part, time_ns in batches(records, 64):
        assert bytes(engine.apply(part, time_ns)) == reference.apply(bytes(part), time_ns)
    assert engine.state_records() == reference.state_records()


@pytest.mark.parametrize("rounds", ROUNDS)
def test_damaged_command_messages_become_the_records_their_fields_say(rounds: int) -> None:
    draw = drawing("messages", rounds)
    valid = [
        records_pb2.CommandBatch(number=1, commands=random_commands(draw, 2)).SerializeToString()
        for _ in range(50)
    ]
    read = 0
    for _ in range(rounds):
        try:
            damaged = mutated(draw, draw.choice(valid), valid, most_steps=1)
            batch = records_pb2.CommandBatch.FromString(damaged)
        except DecodeError:
            continue
        try:
            records = wire.pack_commands(batch)
        except wire.MalformedBatch:
            assert any(command.WhichOneof("kind") is None for command in batch.commands)
            continue
        assert len(records) == RECORD_BYTES * len(batch.commands)
        # struct.error: a number that its field of the record cannot hold is cut to the field.
        with contextlib.suppress(struct.error):
            assert records == wire_reference.pack_commands(batch.commands)
        read += 1
    assert read > rounds // 10


@pytest.mark.parametrize("rounds", ROUNDS)
def test_damaged_records_are_judged_alike_by_engine_and_reference(rounds: int) -> None:
    draw = drawing("records", rounds)
    valid = [flow_commands(seed) for seed in range(40)]
    for _ in range(rounds):
        damaged = mutated(draw, draw.choice(valid), valid)
        assert_judged_alike(damaged[: len(damaged) // RECORD_BYTES * RECORD_BYTES])


def written(path: Path, content: bytes) -> bytes | None:
    """The records of a file; None when it is refused."""
    path.write_bytes(content)
    try:
        return read_commands(path)
    except BadCommandFile:
        return None


@pytest.mark.parametrize("rounds", ROUNDS)
def test_damaged_command_files_are_refused_with_their_line_or_hold_whole_records(
    tmp_path: Path, rounds: int
) -> None:
    draw = drawing("files", rounds)
    valid = [
        "".join(command_lines(unpack_commands(flow_commands(seed, 4)))).encode()
        for seed in range(40)
    ]
    others = valid + corpus("*.jsonl")
    read = 0
    for _ in range(rounds):
        damaged = mutated(draw, draw.choice(valid), others, most_steps=1)
        records = written(tmp_path / "commands.jsonl", damaged)
        if records is not None:
            assert_judged_alike(records)
            read += 1
    assert read > rounds // 100


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_what_once_escaped_is_refused_by_its_line(path: Path) -> None:
    with pytest.raises(BadCommandFile, match="line 1"):
        read_commands(path)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a few segments and two snapshots, closed."""
    folder = tmp_path_factory.mktemp("journal")
    market = a_market(Folder(folder), segment_bytes=2_000)
    for batch in flow_batches(seed=7, count=24, size=3):
        market.submit([batch])
        if batch.number in (6, 14):
            market.take_snapshot()
    market.close()
    return folder


def history(journal: Path) -> set[tuple[int, int]]:
    """Every (sequence, running hash) that the log has at the end of a batch."""
    market = a_market(Folder(journal), epoch=9)
    ends = {
        (batch.first_sequence + batch.count - 1, batch.running_hash)
        for batch in market.events_after(0)
    }
    market.close()
    return ends | {(0, 0)}


Damage = Callable[[random.Random, dict[str, bytes]], None]


def damage_bytes(draw: random.Random, files: dict[str, bytes]) -> None:
    """Damage as disks and copies do it."""
    name = draw.choice(list(files))
    files[name] = mutated(draw, files[name], list(files.values()))


def exchange_files(draw: random.Random, files: dict[str, bytes]) -> None:
    """Segments and snapshots lost, doubled or under each other's names."""
    first, second = draw.choice(list(files)), draw.choice(list(files))
    if first == second:
        del files[first]
    else:
        files[first], files[second] = files[second], files[first]


def recovery_of(
    folder: Path, files: dict[str, bytes]
) -> tuple[tuple[int, int], list[str]] | JournalError:
    """Where recovery ends and what it reports, or why it refuses."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    reports: list[str] = []
    try:
        engine = recover(Folder(folder), reports.append).engine
    except JournalError as error:
        return error
    finally:
        for path in folder.iterdir():
            path.unlink()
    return (engine.sequence, engine.running_hash), reports


@pytest.mark.parametrize("rounds", [SLICE // 3, pytest.param(SOAK // 3, marks=pytest.mark.soak)])
@pytest.mark.parametrize("damage", [damage_bytes, exchange_files])
def test_a_damaged_journal_is_refused_or_recovers_to_what_it_once_was(
    journal: Path, tmp_path: Path, damage: Damage, rounds: int
) -> None:
    draw = drawing(damage.__name__, rounds)
    whole = {path.name: path.read_bytes() for path in journal.iterdir() if path.name != "lock"}
    last = max(name for name in whole if name.endswith(".journal"))
    ends = history(journal)
    refused = 0
    for _ in range(rounds):
        files = dict(whole)
        damage(draw, files)
        found = recovery_of(tmp_path, files)
        if isinstance(found, JournalError):
            assert found.reason in REFUSALS
            assert found.file in files
            refused += 1
            continue
        end, reports = found
        is_cut_between_frames = len(files.get(last, b"")) < len(whole[last])
        assert end in ends
        assert end == max(ends) or reports or is_cut_between_frames
    assert refused > rounds // 4


@dataclass(frozen=True, slots=True)
class Leader:
    """What a leader sends: its frames, one for each batch, and where its log ended behind each."""

    frames: list[bytes]
    ends: list[LogEnd]


@pytest.fixture(scope="module")
def leader(tmp_path_factory: pytest.TempPathFactory) -> Leader:
    clock = FakeClock(START_NS)
    market = a_market(Folder(tmp_path_factory.mktemp("leader")), clock)
    ends = [market.log_end()]
    for batch in flow_batches(seed=8, count=12, size=3):
        market.submit([batch])
        ends.append(market.log_end())
        clock.advance(SECOND_NS)
        if market.advance() is not None:
            ends.append(market.log_end())
    place, frames = market.place_behind(ends[0]), []
    while True:
        frame, place = market.commands_from(place, 1)
        if not frame:
            break
        frames.append(frame)
    market.close()
    assert len(frames) == len(ends) - 1
    return Leader(frames, ends)


def damaged_frames(draw: random.Random, leader: Leader, first: int) -> bytes:
    """Some frames from the first on, spoiled, or whole but lost, doubled or out of order."""
    sent = leader.frames[first : first + draw.randint(1, 5)]
    if draw.random() < 0.6:
        return mutated(draw, b"".join(sent), leader.frames)
    return b"".join(draw.choice(leader.frames) if draw.random() < 0.3 else frame for frame in sent)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_damaged_frames_of_a_leader_are_refused_or_hold_what_it_sent(
    leader: Leader, rounds: int
) -> None:
    draw = drawing("frames", rounds)
    sent = [stamped for frame in leader.frames for stamped in stamped_of(frame)]
    reasons: list[str] = []
    for _ in range(rounds):
        read = stamped_of(damaged_frames(draw, leader, draw.randrange(len(sent))))
        try:
            assert all(stamped in sent for stamped in read)
        except JournalError as error:
            reasons.append(error.reason)
    assert set(reasons) == {"JOURNAL_CORRUPT"}
    assert len(reasons) > rounds // 4


@pytest.mark.parametrize("rounds", [SLICE // 20, pytest.param(SOAK // 20, marks=pytest.mark.soak)])
def test_a_follower_of_damaged_frames_refuses_them_or_ends_where_the_leader_once_did(
    leader: Leader, tmp_path: Path, rounds: int
) -> None:
    draw = drawing("following", rounds)
    reasons: list[str] = []
    for number in range(rounds):
        path = tmp_path / str(number)
        path.mkdir()
        first = draw.randrange(len(leader.frames))
        follower = a_market(Folder(path), FakeClock(5))
        follower.finish(follower.follow(b"".join(leader.frames[:first])))
        assert (follower.log_end().last_batch, follower.log_end().time_ns) == (
            leader.ends[first].last_batch, leader.ends[first].time_ns,
        )  # fmt: skip
        try:
            follower.finish(follower.follow(damaged_frames(draw, leader, first)))
        except JournalError as error:
            reasons.append(error.reason)
        follower.close()
        again = a_market(Folder(path), FakeClock(5))
        assert again.log_end() in leader.ends
        again.close()
        shutil.rmtree(path)
    assert set(reasons) == {"JOURNAL_CORRUPT"}
    assert len(reasons) > rounds // 4
