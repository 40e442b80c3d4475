"""`mesh engine`: the matching engine by itself, and what operators ask the one that runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click
import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc
from order.v1 import order_pb2, order_pb2_grpc

from mesh.operator import ask, show_json
from mesh.options import home_option, market_option
from svc.engine.book import Engine
from svc.engine.command_file import (
    JSON_SUFFIX,
    BadCommandFile,
    batches,
    read_commands,
)
from svc.engine.json_lines import event_lines
from svc.topology import engine_of

_SECOND_NS = 1_000_000_000


@click.group()
def command() -> None:
    """Run the matching engine by itself, or ask the one of a running installation."""


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--events",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the events here: JSON lines if the name ends in .jsonl, else records.",
)
@click.option(
    "--batch", "size", type=click.IntRange(1, 4096), default=1024, show_default=True,
    help="Commands a batch.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def run(file: Path, events: Path | None, size: int, *, as_json: bool) -> None:
    """Run a command FILE through the engine; its formats are in docs/engine.md.

    commands_per_s is the engine's own: reading, cutting and writing are not in it.
    """
    try:
        commands = read_commands(file)
    except BadCommandFile as error:
        raise click.ClickException(str(error)) from None
    engine = Engine()
    parts: list[bytes] = []
    spent_ns = 0
    for part, time_ns in batches(commands, size):
        started = time.perf_counter_ns()
        made = engine.apply(part, time_ns)
        spent_ns += time.perf_counter_ns() - started
        if events is not None:
            parts.append(bytes(made))
    if events is not None:
        _write(events, parts)
    told = {
        "commands": engine.commands,
        "events": engine.sequence,
        "trades": engine.trades,
        "live_orders": engine.live_orders,
        "running_hash": f"{engine.running_hash:016x}",
        "state_hash": f"{engine.state_hash():016x}",
        "commands_per_s": engine.commands * _SECOND_NS // spent_ns if spent_ns else 0,
    }
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told.items():
        click.echo(f"{name:>15} {value:,}" if isinstance(value, int) else f"{name:>15} {value}")


@command.command()
@market_option
@home_option
def snapshot(market: int, home: Path) -> None:
    """Take a snapshot of the market now; prints what it covers once it is verified."""

    async def work(channel: grpc.aio.Channel) -> engine_pb2.TakeSnapshotResponse:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        return await stub.TakeSnapshot(engine_pb2.TakeSnapshotRequest(market=market))

    show_json(ask(home, engine_of(market), work))


@command.command()
@market_option
@home_option
def statistics(market: int, home: Path) -> None:
    """What the market's engine has done and holds, and what its newest snapshot covers."""

    async def work(channel: grpc.aio.Channel) -> engine_pb2.GetStatisticsResponse:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        return await stub.GetStatistics(engine_pb2.GetStatisticsRequest(market=market))

    show_json(ask(home, engine_of(market), work))


@command.command(
    epilog="\b\nExamples:\n  mesh engine book 1\n  mesh engine book 1 --depth 0 --json\n"
    "  mesh engine book 7 --market 2"
)
@click.argument("instrument", type=click.IntRange(1))
@click.option(
    "--depth", type=click.IntRange(0, 10_000), default=10, show_default=True,
    help="Levels of either side, from the best on; 0: all.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with its position.")
@market_option
@home_option
def book(instrument: int, depth: int, market: int, home: Path, *, as_json: bool) -> None:
    """Show the levels of the book of INSTRUMENT (its id) as the engine has it now."""

    async def work(channel: grpc.aio.Channel) -> engine_pb2.GetBookResponse:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        request = engine_pb2.GetBookRequest(market=market, instrument_id=instrument, depth=depth)
        return await stub.GetBook(request)

    shown = ask(home, engine_of(market), work)
    if as_json:
        show_json(shown)
        return
    click.echo("\n".join(book_lines(shown)))


def book_lines(shown: engine_pb2.GetBookResponse) -> Iterator[str]:
    """Sells above buys, the best of both in the middle."""
    yield f"{'side':>4} {'price_ticks':>20} {'lots':>20} {'orders':>10}"
    sides = [("sell", level) for level in reversed(shown.asks)]
    sides += [("buy", level) for level in shown.bids]
    for side, level in sides:
        yield f"{side:>4} {level.price_ticks:>20,} {level.lots:>20,} {level.orders:>10,}"
    yield f"behind event {shown.position.sequence:,}"


@command.command(
    "begin-version",
    epilog="\b\nExamples:\n  mesh engine begin-version 2 --yes\n"
    "  mesh engine begin-version 2 --market 2",
)
@click.argument("version", type=click.IntRange(2))
@click.option("--yes", is_flag=True, help="Do not ask.")
@market_option
@home_option
def begin_version(version: int, yes: bool, market: int, home: Path) -> None:  # noqa: FBT001
    """Begin semantic VERSION of the market's rules: the engine that runs ends behind it.

    Orders that are accepted meanwhile wait for an engine that has that version.
    """

    async def known(channel: grpc.aio.Channel) -> engine_pb2.GetStatisticsResponse:
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        return await stub.GetStatistics(engine_pb2.GetStatisticsRequest(market=market))

    async def work(channel: grpc.aio.Channel) -> order_pb2.BeginVersionResponse:
        stub = order_pb2_grpc.MarketCommandServiceStub(channel)
        request = order_pb2.BeginVersionRequest(market=market, semantic_version=version)
        return await stub.BeginVersion(request)

    holds = ask(home, engine_of(market), known).semantic_version
    if version <= holds:
        raise click.ClickException(
            f"version {holds} holds already; one above it can be begun, not {version}"
        )
    if not yes:
        click.confirm(
            f"The engine has version {holds} and ends behind the command; nothing is matched until "
            f"one that has version {version} is started. Begin version {version}?",
            abort=True,
        )
    show_json(ask(home, "order", work))


def _write(path: Path, parts: list[bytes]) -> None:
    if path.suffix != JSON_SUFFIX:
        path.write_bytes(b"".join(parts))
        return
    with path.open("w", encoding="utf-8") as out:
        for part in parts:
            out.writelines(event_lines(part))
