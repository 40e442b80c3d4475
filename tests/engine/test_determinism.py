"""Events and state depend on the log alone: not on the hash seed, the process or the batches."""

import os
import subprocess
import sys
from pathlib import Path

from svc.engine.book import Engine
from svc.engine.records import CommandKind, pack_commands
from tests.engine.flows import Flow

ROOT = Path(__file__).parents[2]
PROGRAM = """
from svc.engine.book import Engine
from svc.engine.records import pack_commands
from tests.engine.flows import Flow
flow, engine = Flow(11), Engine()
engine.apply(pack_commands(flow.opening()), flow.time_ns)
for commands, time_ns in flow.batches(2_000, 3):
    engine.apply(pack_commands(commands), time_ns)
print(engine.sequence, engine.running_hash, engine.state_hash())
"""


def outcome(hash_seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    return ran.stdout


def test_the_hash_seed_of_the_interpreter_changes_nothing() -> None:
    assert outcome("0") == outcome("1") == outcome("random")


def test_the_cut_into_batches_of_one_time_changes_nothing() -> None:
    whole, single = Engine(), Engine()
    flow = Flow(12)
    opening = pack_commands(flow.opening())
    for engine in (whole, single):
        engine.apply(opening, flow.time_ns)
    for spoiled, time_ns in flow.batches(200, 40):
        # A version begins only where its command stands alone.
        commands = [command for command in spoiled if command.kind != CommandKind.VERSION]
        events = bytes(whole.apply(pack_commands(commands), time_ns))
        records = [command.pack() for command in commands] or [b""]
        apart = [bytes(single.apply(record, time_ns)) for record in records]
        assert b"".join(apart) == events
    assert whole.running_hash == single.running_hash
    assert whole.state_hash() == single.state_hash()
