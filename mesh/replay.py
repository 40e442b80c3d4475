"""`mesh replay`: re-enact a captured session through the edge, and prove what came of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

import click
import grpc
from metadata.v1 import metadata_pb2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mesh import capture, reenact
from mesh.desk import Desk, OrderRefusedError
from mesh.installation import Installation, NotRunningError
from mesh.listing import ListingError, Seat, list_instrument, seats
from mesh.operator import tell
from mesh.options import home_option
from mesh.replay_proof import Proof, ProofError, evenly
from svc.wallet.money import buy_hold, hold_rate, sell_hold

_FUNDS = "1000000000"
_MOMENTS = 50
_QUOTES = ("USDT", "USD", "BRL", "BTC")

EXAMPLES = """
\b
Examples:
  mesh replay spot_btcusdt_20240808.gz spot_btcusdt_20240809.gz --speed max
  mesh replay spot_ethusdt_20240808.gz
  mesh replay spot_ethusdt_20240808.gz --speed max --json
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What was re-enacted, how fast, and what was proven."""

    symbol: str
    trades: int
    quantity: str
    candles: int
    moments: int
    orders_and_cancels: int
    rounds: int
    seconds: float
    items_per_second: int
    accept_p50_ms: float
    accept_p95_ms: float
    accept_p99_ms: float


@click.command(epilog=EXAMPLES)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--speed",
    type=click.Choice(["recorded", "max"]),
    default="recorded",
    show_default=True,
    help="As fast as it happened, or as fast as it goes.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@home_option
def command(files: tuple[Path, ...], speed: str, as_json: bool, home: Path) -> None:  # noqa: FBT001
    """Re-enact the Binance Spot captures FILES, one session in their order, on a running exchange.

    All files are checked before the first order. An instrument of its own is listed; one account
    mirrors the venue's twenty best levels a side, every captured trade is executed between two
    accounts. At the end tape, books, candles and balances are compared with the files.
    """
    try:
        surveyed = capture.survey(files)
        with _progress() as shown:
            task = shown.add_task(surveyed.symbol, total=surveyed.diffs + 1)
            report = asyncio.run(
                replay(
                    Installation(home),
                    files,
                    surveyed,
                    recorded_speed=speed == "recorded",
                    on_progress=lambda at: shown.update(task, completed=at.books),
                )
            )
    except (capture.CaptureError, NotRunningError, ListingError) as error:
        raise click.ClickException(str(error)) from error
    except (ProofError, OrderRefusedError) as error:
        raise click.ClickException(f"not proven: {error}") from error
    except grpc.aio.AioRpcError as error:
        raise tell(error) from error
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        _show(report)


async def replay(
    installation: Installation,
    files: Sequence[Path],
    surveyed: capture.Survey,
    *,
    recorded_speed: bool,
    on_progress: Callable[[reenact.Progress], None],
) -> Report:
    """Re-enact and prove. Survives outages of a minute: what was not answered is sent again.

    Raises what the parts raise: ListingError, OrderRefusedError, ProofError, CaptureError,
    NotRunningError, grpc.aio.AioRpcError.
    """
    base, quote = _split(surveyed.symbol)
    instrument = await list_instrument(
        installation,
        base=base,
        quote=quote,
        tick=surveyed.tick,
        lot=surveyed.lot,
        max_quantity=surveyed.max_quantity,
        suffix="R",
    )
    maker, taker = await seats(installation, 2, {base: _FUNDS, quote: _FUNDS})
    channel = grpc.aio.insecure_channel(installation.running().edge_target)
    async with channel:
        proof = Proof(channel, instrument.symbol, files)
        desks = Desk(channel, maker.token), Desk(channel, taker.token)
        play = reenact.Reenactment(
            survey=surveyed,
            symbol=instrument.symbol,
            maker=desks[0],
            taker=desks[1],
            recorded_speed=recorded_speed,
            moments=evenly(surveyed.diffs + 1, _MOMENTS),
            on_moment=lambda number: _look(proof, play, (maker, taker), number),
            on_progress=on_progress,
        )
        started_ns = time.monotonic_ns()
        await play.run(capture.events(files, surveyed))
        seconds = (time.monotonic_ns() - started_ns) / 1_000_000_000
        tape = await proof.tape()
        candles = await proof.candles(tape)
        await _reconcile(proof, play, instrument, (maker, taker), (base, quote))
        latencies = sorted(desks[0].latencies_ns + desks[1].latencies_ns)
        items = desks[0].items + desks[1].items
        return Report(
            symbol=instrument.symbol,
            trades=len(tape),
            quantity=surveyed.quantity,
            candles=candles,
            moments=proof.moments,
            orders_and_cancels=items,
            rounds=play.progress.rounds,
            seconds=round(seconds, 1),
            items_per_second=round(items / seconds),
            accept_p50_ms=_percentile_ms(latencies, 50),
            accept_p95_ms=_percentile_ms(latencies, 95),
            accept_p99_ms=_percentile_ms(latencies, 99),
        )


async def _look(
    proof: Proof, play: reenact.Reenactment, both: tuple[Seat, Seat], number: int
) -> None:
    """Compare the book once the last orders of both accounts have reached the market."""
    sequence = 0
    for desk, seat in zip((play.maker, play.taker), both, strict=True):
        if desk.last_order_id:
            seen = await proof.sequence_of(seat.token, desk.last_order_id)
            sequence = max(sequence, seen)
    await proof.book(number, sequence)


async def _reconcile(
    proof: Proof,
    play: reenact.Reenactment,
    instrument: metadata_pb2.Instrument,
    both: tuple[Seat, Seat],
    assets: tuple[str, str],
) -> None:
    """Nothing came, nothing went but fees; what is locked is what the resting orders need."""
    base, quote = assets
    held = [await proof.funds(seat.token) for seat in both]
    fees = sum([await proof.fees(seat.token) for seat in both], Decimal(0))
    paid_in = 2 * Decimal(_FUNDS)
    _equal("total base", sum(funds[base].total for funds in held), paid_in)
    _equal("total quote and fees", sum(funds[quote].total for funds in held) + fees, paid_in)
    bids, asks = play.resting
    rate = hold_rate(instrument.maker_fee_ppm, instrument.taker_fee_ppm)
    quote_units = int(instrument.quote_units_per_tick_lot)
    base_units = int(instrument.base_units_per_lot)
    # Ledger units: a tick * lot of the quote asset, a lot of the base asset, has that many.
    quote_unit = Decimal(instrument.tick_size) * Decimal(instrument.lot_size) / quote_units
    base_unit = Decimal(instrument.lot_size) / base_units
    in_bids = sum(buy_hold(price, lots, quote_units, rate) for price, lots in bids.items())
    in_asks = sum(sell_hold(lots, base_units) for lots in asks.values())
    _equal("locked quote", held[0][quote].locked, in_bids * quote_unit)
    _equal("locked base", held[0][base].locked, in_asks * base_unit)
    await play.clear()
    for desk, seat in zip((play.maker, play.taker), both, strict=True):
        if desk.last_order_id:
            await proof.sequence_of(seat.token, desk.last_order_id)
        for asset, funds in (await proof.funds(seat.token)).items():
            _equal(f"locked {asset} after the last cancel", funds.locked, Decimal(0))


def _equal(what: str, ours: Decimal | int, expected: Decimal) -> None:
    if ours != expected:
        raise ProofError(f"{what} is {ours}, expected {expected}")


def _split(symbol: str) -> tuple[str, str]:
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    raise ListingError(f"{symbol} has none of the quote assets {', '.join(_QUOTES)}")


def _percentile_ms(ascending_ns: Sequence[int], percent: int) -> float:
    return round(ascending_ns[(len(ascending_ns) - 1) * percent // 100] / 1_000_000, 1)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("book changes"),
        TimeElapsedColumn(),
        console=Console(stderr=True),  # what is printed for programs stays theirs
    )


def _show(report: Report) -> None:
    click.echo(
        f"""
{report.symbol}: proven.
  tape       {report.trades} trades, {report.quantity} in all, equal to the captured ones in order
  books      {report.moments} moments, twenty levels a side, equal to the file's book
  candles    {report.candles} of one minute, equal
  balances   reconcile; holds equal what rests; nothing locked after the last cancel
  rate       {report.orders_and_cancels} orders and cancels in {report.seconds} s \
({report.items_per_second}/s), {report.rounds} rounds
  accepted   p50 {report.accept_p50_ms} ms, p95 {report.accept_p95_ms} ms, \
p99 {report.accept_p99_ms} ms a list"""
    )
