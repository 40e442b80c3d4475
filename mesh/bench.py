"""`mesh bench`: what this exchange does on this machine, with everything on it."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import click
import grpc
from order.v1 import order_pb2, order_pb2_grpc

from mesh.bench_engine import command as engine_command
from mesh.bench_engine_recovery import command as engine_recovery_command
from mesh.bench_load import LOADS, Account, Edge, Tally
from mesh.bench_recovery import PARTS, recovery_ms
from mesh.calibration import Calibration, calibrate
from mesh.conservation import faults
from mesh.installation import LOOPBACK, Installation, NotRunningError
from mesh.listing import list_instrument, seats
from mesh.operator import tell
from mesh.options import home_option
from mesh.order_flow import MIX, FlowMarket, OrderFlow
from svc.topology import MARKET

_ACCOUNTS = 200
_FUNDS = "1000000000"
_WATCH_EVERY_S = 0.05
_PREPARED_PER_S = 5_000  # orders made before the clock runs, over all accounts,
_MOST_PREPARED_S = 60  # for no more than so many seconds: they stay in memory
_SETTLE_TIMEOUT_S = 60
_PAIRS = (("BTC", "USDT"), ("ETH", "USDT"), ("SOL", "USDT"), ("QTRA", "USDT"))
_TICK, _LOT, _PRICE, _MAX_QUANTITY = "0.01", "0.001", "1000", "1000"

EXAMPLES = """
\b
Examples:
  mesh bench orders
  mesh bench orders --load lists --seconds 30 --json
  mesh bench recovery --part engine
"""


@dataclass(frozen=True, slots=True)
class Result:
    """One load. Rates are orders (not cancels) a second, over the time until all were settled."""

    load: str
    seconds: float
    accepted: int
    cancels: int
    refused: dict[str, int]
    refused_share: float
    trades: int
    events: int
    settled_per_s: int
    accept_p50_ms: float
    accept_p95_ms: float
    accept_p99_ms: float
    settle_p50_ms: float
    settle_p95_ms: float


@dataclass(slots=True)
class _Watch:
    """When outbox batches were first seen, and how long until they were settled."""

    seen_ns: dict[int, int]
    settle_ns: list[int]
    settled_number: int


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Measure a running exchange."""


command.add_command(engine_command)
command.add_command(engine_recovery_command)


@command.command("orders", epilog=EXAMPLES)
@click.option(
    "--load", "loads", type=click.Choice(tuple(LOADS)), multiple=True, help="Default: all."
)
@click.option("--seconds", type=click.IntRange(1, 600), default=30, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@home_option
def orders(loads: tuple[str, ...], seconds: int, seed: int, as_json: bool, home: Path) -> None:  # noqa: FBT001
    """Orders through the edge: accepted, matched, settled.

    Lists of 64, streams of single orders, unary gRPC and REST, one after the other. A figure is
    void, and the command fails, unless money is conserved afterwards.
    """
    installation = Installation(home)
    try:
        installation.running()
        calibration = calibrate(Path(tempfile.gettempdir()))
        if not as_json:
            click.echo(f"machine: {calibration.text()}\nmix: {MIX}; {_ACCOUNTS} accounts")
        results = asyncio.run(
            _run(installation, loads or tuple(LOADS), seconds, seed, quiet=as_json)
        )
    except NotRunningError as error:
        raise click.ClickException(str(error)) from error
    except grpc.aio.AioRpcError as error:
        raise tell(error) from error
    if as_json:
        click.echo(json.dumps(_document(calibration, results), indent=2))


@command.command("recovery", epilog=EXAMPLES)
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Default: all.")
@click.option("--json", "as_json", is_flag=True, help="Milliseconds by part.")
@home_option
def recovery(parts: tuple[str, ...], as_json: bool, home: Path) -> None:  # noqa: FBT001
    """Kill processes of the exchange, one after the other, and time its return.

    From SIGKILL until an order sent afterwards is in the book. Nothing is lost by it.
    """
    try:
        took_ms = asyncio.run(recovery_ms(Installation(home), parts or PARTS))
    except NotRunningError as error:
        raise click.ClickException(str(error)) from error
    except grpc.aio.AioRpcError as error:
        raise tell(error) from error
    if as_json:
        click.echo(json.dumps(took_ms))
        return
    for part, ms in took_ms.items():
        click.echo(f"{part:9} back after {ms} ms")


def _document(calibration: Calibration, results: Sequence[Result]) -> dict[str, object]:
    return {
        "machine": asdict(calibration),
        "mix": MIX,
        "accounts": _ACCOUNTS,
        "results": [asdict(result) for result in results],
    }


async def _run(
    installation: Installation, loads: Sequence[str], seconds: int, seed: int, *, quiet: bool
) -> list[Result]:
    markets = []
    for base, quote in _PAIRS:
        listed = await list_instrument(
            installation,
            base=base,
            quote=quote,
            tick=_TICK,
            lot=_LOT,
            max_quantity=_MAX_QUANTITY,
            suffix="B",
            reference_price=_PRICE,
        )
        markets.append(FlowMarket(listed.symbol, 2, 3, 100_000, 1))
    funds = dict.fromkeys({asset for pair in _PAIRS for asset in pair}, _FUNDS)
    opened = await seats(installation, _ACCOUNTS, funds)
    accounts = [
        Account(seat.token, OrderFlow(seed * 1000 + number, markets))
        for number, seat in enumerate(opened)
    ]
    running = installation.running()
    results = []
    async with grpc.aio.insecure_channel(running.edge_target) as channel:
        edge = Edge(channel, LOOPBACK, running.edge_port)
        for name in loads:
            result = await _measure(installation, edge, accounts, name, seconds)
            results.append(result)
            if not quiet:
                _show(result)
    if found := await faults(running.database_url):
        lines = "\n".join(f"  {fault.rule}: {fault.found}" for fault in found)
        raise click.ClickException(f"the figures are void, money is not conserved:\n{lines}")
    return results


async def _measure(
    installation: Installation, edge: Edge, accounts: Sequence[Account], name: str, seconds: int
) -> Result:
    tally = Tally()
    for account in accounts:
        account.flow.prepare(min(seconds, _MOST_PREPARED_S) * _PREPARED_PER_S // len(accounts))
    async with installation.operator_channel("order") as channel:
        progress = order_pb2_grpc.MarketCommandServiceStub(channel)
        before = await _settled(progress)
        trades_before = await _trades(installation)
        watch = _Watch({}, [], before.settled_number)
        watching = asyncio.create_task(_watch(progress, watch))
        started_ns = time.monotonic_ns()
        await LOADS[name](edge, accounts, started_ns + seconds * 1_000_000_000, tally)
        after = await _settled(progress)
        took_s = (time.monotonic_ns() - started_ns) / 1_000_000_000
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return _result(
            name,
            tally,
            watch,
            took_s,
            events=after.applied.sequence - before.applied.sequence,
            trades=await _trades(installation) - trades_before,
        )


def _result(
    name: str, tally: Tally, watch: _Watch, took_s: float, *, events: int, trades: int
) -> Result:
    refused = sum(tally.refused.values())
    return Result(
        load=name,
        seconds=round(took_s, 1),
        accepted=tally.accepted,
        cancels=tally.cancels,
        refused=dict(tally.refused),
        refused_share=round(refused / max(1, refused + tally.accepted + tally.cancels), 4),
        trades=trades,
        events=events,
        settled_per_s=round(tally.accepted / took_s),
        accept_p50_ms=_percentile_ms(tally.latencies_ns, 50),
        accept_p95_ms=_percentile_ms(tally.latencies_ns, 95),
        accept_p99_ms=_percentile_ms(tally.latencies_ns, 99),
        settle_p50_ms=_percentile_ms(watch.settle_ns, 50),
        settle_p95_ms=_percentile_ms(watch.settle_ns, 95),
    )


async def _watch(progress: order_pb2_grpc.MarketCommandServiceAsyncStub, watch: _Watch) -> None:
    """Note when batches appear in the outbox and when they are settled. Runs until cancelled."""
    while True:
        now = await progress.GetMarketProgress(order_pb2.GetMarketProgressRequest(market=MARKET))
        now_ns = time.monotonic_ns()
        if now.outbox_number > watch.settled_number:
            watch.seen_ns.setdefault(now.outbox_number, now_ns)
        for number in [n for n in watch.seen_ns if n <= now.settled_number]:
            watch.settle_ns.append(now_ns - watch.seen_ns.pop(number))
        watch.settled_number = now.settled_number
        await asyncio.sleep(_WATCH_EVERY_S)


async def _settled(
    progress: order_pb2_grpc.MarketCommandServiceAsyncStub,
) -> order_pb2.GetMarketProgressResponse:
    """Progress of the market once everything that was accepted is settled."""
    async with asyncio.timeout(_SETTLE_TIMEOUT_S):
        while True:
            now = await progress.GetMarketProgress(
                order_pb2.GetMarketProgressRequest(market=MARKET)
            )
            if now.unsettled_commands == 0 and now.settled_number == now.outbox_number:
                return now
            await asyncio.sleep(_WATCH_EVERY_S)


async def _trades(installation: Installation) -> int:
    connection = await asyncpg.connect(installation.running().database_url)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM svc_wallet.settlements WHERE market = $1", MARKET
        )
    finally:
        await connection.close()
    return count


def _percentile_ms(values_ns: Sequence[int], percent: int) -> float:
    ascending = sorted(values_ns) or [0]
    return round(ascending[(len(ascending) - 1) * percent // 100] / 1_000_000, 1)


def _show(result: Result) -> None:
    click.echo(
        f"{result.load:7} {result.settled_per_s:6}/s settled  "
        f"({result.accepted} orders, {result.cancels} cancels, {result.trades} trades, "
        f"{result.events} events in {result.seconds} s; refused {result.refused_share:.2%})  "
        f"accepted p50 {result.accept_p50_ms} p95 {result.accept_p95_ms} "
        f"p99 {result.accept_p99_ms} ms, settled p50 {result.settle_p50_ms} "
        f"p95 {result.settle_p95_ms} ms"
    )
    for reason, count in sorted(result.refused.items()):
        click.echo(f"        refused {reason}: {count}")
