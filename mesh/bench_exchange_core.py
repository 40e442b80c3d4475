"""exchange-core on the commands of a mix, beside our engine in the same run.

It runs as its authors published it, from Maven Central, under the Java of this machine. Invariant:
a figure is given only when its trades and its final books are those of our engine.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mesh.bench_engine_mixes import Recorded
from svc.engine.book import Engine
from svc.engine.records import RECORD_BYTES, EventKind

VERSION = "0.5.3"
_PROGRAM = Path(__file__).parent / "bench_java"
_TIMEOUT_S = 300
_TRADE = struct.Struct("<qqqq")
_TRADE_EVENT = struct.Struct("<32xq8xqq16xq40x")
_KIND_AT = 16
_ORDER = struct.Struct("<8xI4xq8xqq80x")
# What its libraries reach into, which Java has kept closed since version 16.
_JAVA = [
    "java",
    "-XX:+UseParallelGC",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in (
            "java.lang", "java.lang.reflect", "java.io", "java.nio", "java.util", "sun.nio.ch",
        )
    ),
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED",
]  # fmt: skip


class CannotCompareError(Exception):
    """exchange-core does not run here, or it does something else; the message says why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """exchange-core's commands a second, its best run once it is warm, on ready Java objects."""

    version: str
    book_per_s: int
    """Its order book alone, on one thread."""
    pipeline_per_s: int
    """Its whole pipeline: risk, matching, results, no journal; on the threads it likes."""
    trades: int
    live_orders: int


def check_java() -> None:
    """Raises CannotCompareError when Java or Maven is not there."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        raise CannotCompareError(
            f"{' and '.join(missing)} not found: exchange-core needs Java 17 or newer and Maven "
            "(apt-get install openjdk-17-jdk-headless maven)"
        )


def compare(made: Recorded) -> Comparison:
    """Runs a mix through exchange-core, and through our engine to see that both did the same.

    Raises CannotCompareError.
    """
    check_java()
    jars = libraries()
    with tempfile.TemporaryDirectory(prefix="bench-exchange-core-") as name:
        folder = Path(name)
        (folder / "prefill.bin").write_bytes(made.prefill)
        (folder / "commands.bin").write_bytes(made.commands)
        told = json.loads(_ran(
            [*_JAVA, "-cp", f"{jars}/*", str(_PROGRAM / "ExchangeCoreBench.java"),
             str(folder / "prefill.bin"), str(folder / "commands.bin"), name],
        ))  # fmt: skip
        engine, trades, filling = _played(made)
        _check("trades", trades, (folder / "trades.bin").read_bytes())
        _check("final books", _books(engine), (folder / "orders.bin").read_bytes())
    measured = engine.trades - filling
    return Comparison(
        VERSION, told["book_per_s"], told["pipeline_per_s"], measured, engine.live_orders
    )


def libraries() -> Path:
    """Where its libraries lie; the first who asks fetches them. Raises CannotCompareError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quantamesh"
    jars = cache / f"exchange-core-{VERSION}"
    if jars.is_dir():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        fetched = Path(name) / "jars"
        _ran(
            ["mvn", "--quiet", "--batch-mode", "--file", str(_PROGRAM / "pom.xml"),
             "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"],
        )  # fmt: skip
        fetched.replace(jars)
    return jars


def _ran(command: list[str]) -> str:
    try:
        ran = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise CannotCompareError(f"{command[0]} was not done after {_TIMEOUT_S} s") from None
    if ran.returncode:
        last = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-5:])
        raise CannotCompareError(f"{command[0]} ended with {ran.returncode}:\n{last}")
    return ran.stdout


def _played(made: Recorded) -> tuple[Engine, bytes, int]:
    # The engine at the end, all trades, and how many of them filled the book.
    engine, trades, filling = Engine(), bytearray(), 0
    step = 1_024 * RECORD_BYTES
    for commands in (made.prefill, made.commands):
        filling = engine.trades
        view = memoryview(commands)
        for at in range(0, len(view), step):
            trades += b"".join(_trades(engine.apply(view[at : at + step], 1)))
    return engine, bytes(trades), filling


def _trades(events: memoryview) -> Iterator[bytes]:
    # Taker, maker, price, lots.
    for at in range(0, len(events), RECORD_BYTES):
        if events[at + _KIND_AT] == EventKind.TRADE:
            taker, price, lots, maker = _TRADE_EVENT.unpack_from(events, at)
            yield _TRADE.pack(taker, maker, price, lots)


def _books(engine: Engine) -> bytes:
    # Instrument, id, price, remaining.
    return b"".join(
        _TRADE.pack(*_ORDER.unpack_from(orders, at))
        for orders in map(engine.orders, sorted(engine.instruments()))
        for at in range(0, len(orders), RECORD_BYTES)
    )


def _check(what: str, ours: bytes, theirs: bytes) -> None:
    if ours == theirs:
        return
    pairs = zip(_TRADE.iter_unpack(ours), _TRADE.iter_unpack(theirs), strict=False)
    at = next((at for at, (mine, other) in enumerate(pairs) if mine != other), -1)
    raise CannotCompareError(
        f"{what} differ: {len(ours) // _TRADE.size} here, {len(theirs) // _TRADE.size} there, "
        f"the first that does is number {at} (-1: one ends earlier)"
    )
