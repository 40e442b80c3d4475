"""`mesh bench engine-recovery`: how long a market is away when its engine starts again.

Both ways of docs/journal.md, Recovery, on the same log: from its newest snapshot, and from the log
alone. Every event is made again and compared with the one that is stored.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from itertools import count as numbers
from pathlib import Path

import click

from mesh.bench_engine_mixes import record
from mesh.calibration import calibrate
from svc.engine.book import Engine
from svc.engine.folder import Folder
from svc.engine.journal import Batch
from svc.engine.market import Market
from svc.engine.opening import open_market
from svc.engine.records import (
    RECORD_BYTES,
    Command,
    CommandKind,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    split_records,
)
from svc.engine.recovery import recover
from svc.kit.clock import SystemClock

_WORDS = RECORD_BYTES // 8
_ID_WORD = 2
_PASS_COMMANDS = 250_000
_ID_STEP = 1 << 40
_GROUP = 16
_RUNS = 3


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds are the best of a few runs, files in the page cache."""

    commands: int
    events: int
    batch_commands: int
    live_orders: int
    journal_bytes: int
    snapshot_bytes: int
    tail_commands: int
    snapshot_stall_ms: float
    """How long batches wait while a snapshot is begun."""
    snapshot_s: float
    """How long it takes from then until it is on the disk and verified."""
    from_snapshot_s: float
    from_log_s: float


@click.command("engine-recovery")
@click.option(
    "--commands", "count", type=click.IntRange(100_000), default=10_000_000, show_default=True,
    help="Commands in the log.",
)  # fmt: skip
@click.option(
    "--tail", type=click.IntRange(0), default=1_000_000, show_default=True,
    help="Of these, commands behind the snapshot: MESH_SNAPSHOT_COMMANDS bounds them.",
)  # fmt: skip
@click.option(
    "--resting", type=click.IntRange(0, 5_000_000), default=0, show_default=True,
    help="Orders that rest all the time, besides those of the mix.",
)  # fmt: skip
@click.option(
    "--batch", "size", type=click.IntRange(1, 4096), default=256, show_default=True,
    help="Commands a batch.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def command(count: int, tail: int, resting: int, size: int, *, as_json: bool) -> None:
    """Measure recovery of a log of exchange-core's mix: from a snapshot, and from the log alone."""
    machine = calibrate(Path.cwd())
    found = measure(count, min(tail, count), resting, size)
    if as_json:
        click.echo(json.dumps({"machine": asdict(machine), "recovery": asdict(found)}))
        return
    click.echo(machine.text())
    click.echo(
        f"{found.commands:,} commands in batches of {size:,}, {found.events:,} events, "
        f"{found.live_orders:,} orders that rest, {found.journal_bytes / 1e6:,.0f} MB of journal\n"
        f"  from the log alone  {found.from_log_s:8.2f} s  "
        f"{found.commands / found.from_log_s:,.0f} commands/s, every event compared\n"
        f"  from a snapshot     {found.from_snapshot_s:8.2f} s  "
        f"{found.snapshot_bytes / 1e6:,.1f} MB, and {found.tail_commands:,} commands behind it\n"
        f"  taking it: batches wait {found.snapshot_stall_ms} ms, "
        f"on the disk and verified after {found.snapshot_s:.2f} s"
    )


def measure(count: int, tail: int, resting: int, size: int) -> Recovery:
    """Writes a log of `count` commands and recovers it. AssertionError when a state differs."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-recovery-") as path:
        folder = Folder(Path(path))
        market = open_market(
            folder, market=1, epoch=1, new_log_id=secrets.token_bytes(16), clock=SystemClock(),
            report=click.echo,
        )  # fmt: skip
        batches = _batches(resting, size)
        written = _write(market, batches, count - tail)
        started = time.perf_counter()
        head = market.begin_snapshot()
        stalled = time.perf_counter()
        market.finish_snapshot(head)
        saved = time.perf_counter()
        behind = _write(market, batches, tail)
        expected = (market.status().position, market.state_hash())
        market.close()
        (snapshot,) = Path(path).glob("*.snapshot")
        snapshot_bytes = snapshot.stat().st_size
        from_snapshot, _ = _recovered(folder, expected[1][1])
        snapshot.unlink()
        from_log, engine = _recovered(folder, expected[1][1])
        return Recovery(
            written + behind, engine.sequence, size, engine.live_orders,
            sum(file.stat().st_size for file in Path(path).glob("*.journal")), snapshot_bytes,
            behind, round((stalled - started) * 1_000, 1), round(saved - stalled, 3),
            round(from_snapshot, 3), round(from_log, 3),
        )  # fmt: skip


def _recovered(folder: Folder, state_hash: int) -> tuple[float, Engine]:
    took = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        engine = recover(folder, click.echo).engine
        took.append(time.perf_counter() - started)
        assert engine.state_hash() == state_hash, "recovery led to another state"
    return min(took), engine


def _write(market: Market, batches: Iterator[Batch], count: int) -> int:
    written, group = 0, []
    while written < count:
        group.append(next(batches))
        written += len(group[-1].commands) // RECORD_BYTES
        if len(group) == _GROUP or written >= count:
            market.submit(group)
            group = []
    return written


def _batches(resting: int, size: int) -> Iterator[Batch]:
    opening, template = _template()
    number = numbers(1)
    for part in chain((opening, _resting(resting)), _passes(template)):
        step = size * RECORD_BYTES
        for at in range(0, len(part), step):
            commands = part[at : at + step]
            digest = hashlib.blake2b(commands, digest_size=16).digest()
            yield Batch(next(number), digest, commands)


def _template() -> tuple[bytes, bytes]:
    # The instrument, and a pass of the mix that leaves an empty book behind.
    made = record("exchange-core", _PASS_COMMANDS)
    prefill = [bytes(part) for part in split_records(made.prefill)]
    opening = b"".join(part for part in prefill if part[0] == CommandKind.INSTRUMENT)
    orders = b"".join(part for part in prefill if part[0] != CommandKind.INSTRUMENT)
    engine = Engine()
    for part in (opening, orders, made.commands):
        engine.apply(part, 1)
    left = array("q", engine.orders(1))[_ID_WORD::_WORDS]
    cancels = b"".join(Command(CommandKind.CANCEL, order_id=order_id).pack() for order_id in left)
    return opening, orders + made.commands + cancels


def _passes(template: bytes) -> Iterator[bytes]:
    for step in numbers(1):
        words = array("q", template)
        ids = (order_id + step * _ID_STEP for order_id in words[_ID_WORD::_WORDS])
        words[_ID_WORD::_WORDS] = array("q", ids)
        yield words.tobytes()


def _resting(count: int) -> bytes:
    # Far below every price of the mix.
    order = Command(
        CommandKind.NEW, side=Side.BUY, order_type=OrderType.LIMIT, tif=TimeInForce.GTC,
        stp_mode=SelfTradeMode.NONE, instrument_id=1, version=1, order_id=1, account_id=1,
        price_ticks=1, quantity_lots=1,
    ).pack()  # fmt: skip
    words = array("q", order * count)
    words[_ID_WORD::_WORDS] = array("q", range(1, count + 1))
    words[4::_WORDS] = array("q", (1 + at * 7_919 % 50_000 for at in range(count)))
    return words.tobytes()
