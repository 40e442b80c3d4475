"""`mesh bench engine`: what the matching engine does alone, with every feature and event on."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import click

from mesh.bench_engine_mixes import MIXES, Recorded, record
from mesh.bench_exchange_core import CannotCompareError, Comparison, check_java, compare
from mesh.calibration import calibrate
from svc.engine.book import Engine
from svc.engine.folder import Folder
from svc.engine.journal import Batch
from svc.engine.market import Market, Taken
from svc.engine.opening import open_market
from svc.engine.records import MAX_BATCH_COMMANDS, RECORD_BYTES
from svc.kit.clock import SystemClock

_CHUNK = 1_024
_CALLS = 200_000
_RUNS = 5
_SECOND_NS = 1_000_000_000
_MOST_AT_ONCE = 256
_MOST_AHEAD = 64
_PERCENTILES = (50, 99, 99.9)
EVERYDAY = tuple(name for name in MIXES if name != "exchange-core-1m")


@dataclass(frozen=True, slots=True)
class Latency:
    """Time from when a command was due to when its events were there, microseconds."""

    offered_per_s: int
    p50_us: float
    p99_us: float
    p999_us: float
    idle_p999_us: float
    """The same schedule with nothing done: what the machine alone costs."""


@dataclass(frozen=True, slots=True)
class Result:
    """One mix; rates are commands a second on one core, the best of five runs."""

    mix: str
    commands: int
    counts: dict[str, int]
    trades: int
    live_orders: int
    bytes_per_order: int
    batched_per_s: int
    batched_cpu_ns: float
    per_call_per_s: int
    journal_per_s: int
    latencies: list[Latency]
    running_hash: str
    exchange_core: Comparison | None = None
    """The same commands there, when asked for."""


@click.command("engine")
@click.option("--mix", "mixes", type=click.Choice(list(MIXES)), multiple=True, help="Only these.")
@click.option(
    "--commands", "count", type=click.IntRange(10_000), default=300_000, show_default=True,
    help="Commands of each mix that are measured.",
)  # fmt: skip
@click.option(
    "--rate", "rates", type=click.IntRange(1_000), multiple=True, default=(100_000, 1_000_000),
    show_default=True, help="Commands a second that are offered where latency is measured.",
)  # fmt: skip
@click.option(
    "--against", type=click.Choice(["exchange-core"]),
    help="Run it on the same commands, and check that it does the same; needs Java and Maven.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def command(
    mixes: Sequence[str], count: int, rates: Sequence[int], against: str | None, *, as_json: bool
) -> None:
    """Measure the matching engine alone: no server, one core, all features and events on.

    Making the commands takes longer than running them; exchange-core-1m runs only when named.
    """
    try:
        if against:
            check_java()
        _measure_all(mixes or EVERYDAY, count, rates, is_compared=bool(against), as_json=as_json)
    except CannotCompareError as error:
        raise click.ClickException(str(error)) from None


def _measure_all(
    mixes: Sequence[str], count: int, rates: Sequence[int], *, is_compared: bool, as_json: bool
) -> None:
    machine = calibrate(Path.cwd())
    if not as_json:
        click.echo(machine.text())
    results = []
    for mix in mixes:
        made = record(mix, count, watch=partial(_show_progress, mix))
        result = measure(mix, made, rates)
        if is_compared:
            result = replace(result, exchange_core=compare(made))
        results.append(result)
        if not as_json:
            _show(result)
    if as_json:
        found = {"machine": asdict(machine), "mixes": [asdict(result) for result in results]}
        click.echo(json.dumps(found))


def measure(mix: str, made: Recorded, rates: Sequence[int]) -> Result:
    """Runs one recorded mix through every measurement."""
    count = len(made.commands) // RECORD_BYTES
    runs = [_batched(made) for _ in range(_RUNS)]
    engine = runs[0][0]
    wall, cpu = min(run[1] for run in runs), min(run[2] for run in runs)
    trades_before = _filled(made).trades
    return Result(
        mix,
        count,
        made.counts,
        engine.trades - trades_before,
        engine.live_orders,
        engine.memory_bytes // max(1, engine.live_orders),
        round(count / wall),
        round(cpu / count * _SECOND_NS, 1),
        _per_call(made),
        round(count / min(_journaled(made) for _ in range(_RUNS))),
        [_latency(made, rate) for rate in rates],
        f"{engine.running_hash:016x}",
    )


def _filled(made: Recorded) -> Engine:
    engine = Engine()
    for part in _cut(made.prefill, _CHUNK):
        engine.apply(part, 1)
    return engine


def _cut(commands: bytes, size: int) -> list[memoryview]:
    view, step = memoryview(commands), size * RECORD_BYTES
    return [view[at : at + step] for at in range(0, len(commands), step)]


def _batched(made: Recorded) -> tuple[Engine, float, float]:
    engine, parts = _filled(made), _cut(made.commands, _CHUNK)
    wall, cpu = time.perf_counter(), time.process_time()
    for part in parts:
        engine.apply(part, 1)
    return engine, time.perf_counter() - wall, time.process_time() - cpu


def _per_call(made: Recorded) -> int:
    engine, parts = _filled(made), _cut(made.commands[: _CALLS * RECORD_BYTES], 1)
    apply = engine.apply
    started = time.perf_counter()
    for part in parts:
        apply(part, 1)
    return round(len(parts) / (time.perf_counter() - started))


def _journaled(made: Recorded) -> float:
    # Where the process runs, for a temporary folder may lie in memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-engine-") as folder:
        market = open_market(
            Folder(Path(folder)), market=1, epoch=1, new_log_id=secrets.token_bytes(16),
            clock=SystemClock(), report=click.echo,
        )  # fmt: skip
        number = 0
        for part in _cut(made.prefill, MAX_BATCH_COMMANDS):
            number += 1
            market.submit([_numbered(number, part)])
        batches = [
            _numbered(number + at, part) for at, part in enumerate(_cut(made.commands, _CHUNK), 1)
        ]
        started = time.perf_counter()
        _stream(market, batches)
        seconds = time.perf_counter() - started
        market.close()
    return seconds


def _stream(market: Market, batches: Sequence[Batch]) -> None:
    # The disk is ahead of the engine: its thread syncs the next batches and appends the events of
    # those before, while this one matches those between. It gets ahead by two batches a match.
    steps: SimpleQueue[tuple[Callable[[Taken], object], Taken] | None] = SimpleQueue()
    stored: SimpleQueue[Taken] = SimpleQueue()

    def work_of_the_disk() -> None:
        while (step := steps.get()) is not None:
            work, taken = step
            work(taken)

    def store(taken: Taken) -> None:
        market.store(taken)
        stored.put(taken)

    def match_next() -> None:
        taken = stored.get()
        market.match(taken)
        steps.put((market.finish, taken))

    disk = Thread(target=work_of_the_disk)
    disk.start()
    ahead = 0
    for at, batch in enumerate(batches):
        steps.put((store, market.begin([batch])))
        if ahead < min(2 * at, _MOST_AHEAD):
            ahead += 1
        else:
            match_next()
    for _ in range(ahead):
        match_next()
    steps.put(None)
    disk.join()


def _numbered(number: int, commands: memoryview) -> Batch:
    return Batch(number, hashlib.blake2b(commands, digest_size=16).digest(), bytes(commands))


def _latency(made: Recorded, rate: int) -> Latency:
    engine, view = _filled(made), memoryview(made.commands)
    count = len(made.commands) // RECORD_BYTES
    busy = _offer(count, rate, lambda a, b: engine.apply(view[a:b], 1))
    idle = _offer(count, rate, lambda a, b: view[a:b])
    p50, p99, p999 = (_percentile(busy, p) for p in _PERCENTILES)
    return Latency(rate, p50, p99, p999, _percentile(idle, _PERCENTILES[-1]))


def _offer(count: int, rate: int, work: Callable[[int, int], object]) -> array[float]:
    # Commands become due at a fixed rate, whether or not the engine is ready: what waited goes as
    # one batch, and each command's time counts from when it was due.
    sent: list[tuple[int, int, int]] = []
    clock, gap = time.perf_counter_ns, _SECOND_NS / rate
    begun, done = clock(), 0
    while done < count:
        due = min(count, int((clock() - begun) / gap), done + _MOST_AT_ONCE)
        if due == done:
            continue
        work(done * RECORD_BYTES, due * RECORD_BYTES)
        sent.append((done, due, clock() - begun))
        done = due
    return array("d", ((end - at * gap) / 1_000 for a, b, end in sent for at in range(a, b)))


def _percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 1)


def _show_progress(mix: str, made: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rmaking {mix}: {made:,} commands\r", nl=False, err=True)


def _show(result: Result) -> None:
    click.echo(
        f"{result.mix}: {result.commands:,} commands, {result.trades:,} trades, "
        f"{result.live_orders:,} orders at the end, {result.bytes_per_order} bytes each\n"
        f"  batches of {_CHUNK:,}   {result.batched_per_s:>12,}/s   "
        f"{result.batched_cpu_ns} ns of CPU a command\n"
        f"  one call each      {result.per_call_per_s:>12,}/s\n"
        f"  with the journal   {result.journal_per_s:>12,}/s   fdatasync a batch"
    )
    for latency in result.latencies:
        click.echo(
            f"  at {latency.offered_per_s:,}/s offered: p50 {latency.p50_us} us, "
            f"p99 {latency.p99_us} us, p99.9 {latency.p999_us} us, idle {latency.idle_p999_us} us"
        )
    if result.exchange_core is not None:
        _show_comparison(result, result.exchange_core)


def _show_comparison(result: Result, theirs: Comparison) -> None:
    click.echo(
        f"  exchange-core {theirs.version}: the same {theirs.trades:,} trades and "
        f"{theirs.live_orders:,} orders at the end\n"
        f"  its book alone     {theirs.book_per_s:>12,}/s   "
        f"batches here {result.batched_per_s / theirs.book_per_s:.2f} times that\n"
        f"  its whole pipeline {theirs.pipeline_per_s:>12,}/s   "
        f"batches here {result.batched_per_s / theirs.pipeline_per_s:.2f} times that"
    )
