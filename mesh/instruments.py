"""`mesh instruments`: what can be traded here, and in which state."""

from __future__ import annotations

from pathlib import Path

import click
import grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from trading.v1 import trading_pb2

from mesh.operator import ask, show_json
from mesh.options import home_option
from svc.metadata.instruments_file import InstrumentsFileError, parse
from svc.metadata.wire import asset_message, definition_message

EXAMPLES = """
\b
Examples:
  mesh instruments list
  mesh instruments put svc/metadata/instruments.toml
  mesh instruments halt BTC-USDT
  mesh instruments resume BTC-USDT
"""

json_option = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")


@click.group(epilog=EXAMPLES)
def command() -> None:
    """List instruments, change them, and halt or resume their markets."""


@command.command("list", epilog="\b\nExample:\n  mesh instruments list --json")
@json_option
@home_option
def list_(as_json: bool, home: Path) -> None:  # noqa: FBT001
    """List every instrument with its steps, fees and state."""

    async def work(channel: grpc.aio.Channel) -> metadata_pb2.ListInstrumentsResponse:
        stub = metadata_pb2_grpc.MetadataServiceStub(channel)
        return await stub.ListInstruments(metadata_pb2.ListInstrumentsRequest())

    answer = ask(home, "metadata", work)
    if as_json:
        show_json(answer)
        return
    row = "{:>5}  {:<20} {:>6} {:<12} {:<12} {:>12} {:>12} {:>6} {:>6}"
    heads = ("id", "symbol", "market", "state", "wished", "tick", "lot", "maker", "taker")
    click.echo(row.format(*heads))
    for found in answer.instruments:
        click.echo(
            row.format(
                found.id,
                found.symbol,
                found.market,
                trading_pb2.MarketState.Value.Name(found.state).replace("UNSPECIFIED", "unknown"),
                trading_pb2.MarketState.Value.Name(found.wished_state),
                found.tick_size,
                found.lot_size,
                found.maker_fee_ppm,
                found.taker_fee_ppm,
            )
        )
    click.echo("state is the engine's; fees are parts per million")


@command.command(epilog="\b\nExample:\n  mesh instruments put svc/metadata/instruments.toml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@home_option
def put(file: Path, as_json: bool, home: Path) -> None:  # noqa: FBT001
    """Add or change the assets and instruments of FILE, all of them or none.

    At its next start metadata reads its own file again: change that one for good.
    """
    try:
        content = parse(file.read_text(encoding="utf-8"), str(file))
    except InstrumentsFileError as error:
        raise click.ClickException(str(error)) from error
    request = metadata_pb2.PutInstrumentsRequest(
        assets=[asset_message(asset) for asset in content.assets],
        instruments=[definition_message(definition) for definition in content.instruments],
    )

    async def work(channel: grpc.aio.Channel) -> metadata_pb2.PutInstrumentsResponse:
        return await metadata_pb2_grpc.MetadataServiceStub(channel).PutInstruments(request)

    answer = ask(home, "metadata", work)
    if as_json:
        show_json(answer)
        return
    for found in answer.instruments:
        click.echo(f"{found.symbol}: version {found.version}")


@command.command(epilog="\b\nExample:\n  mesh instruments halt BTC-USDT")
@click.argument("symbol")
@home_option
def halt(symbol: str, home: Path) -> None:
    """Halt the market of SYMBOL: nothing but cancels until it is resumed."""
    _wish(home, symbol, trading_pb2.MarketState.HALTED)


@command.command(epilog="\b\nExample:\n  mesh instruments resume BTC-USDT")
@click.argument("symbol")
@home_option
def resume(symbol: str, home: Path) -> None:
    """Let the market of SYMBOL trade again."""
    _wish(home, symbol, trading_pb2.MarketState.TRADING)


@command.command(epilog="\b\nExample:\n  mesh instruments delist BTC-USDT --yes")
@click.argument("symbol")
@click.confirmation_option(prompt="Its orders are canceled and it never comes back. Delist it?")
@home_option
def delist(symbol: str, home: Path) -> None:
    """End the market of SYMBOL for good."""
    _wish(home, symbol, trading_pb2.MarketState.DELISTED)


def _wish(home: Path, symbol: str, state: trading_pb2.MarketState.Value) -> None:
    request = metadata_pb2.SetMarketStateRequest(symbol=symbol, state=state)

    async def work(channel: grpc.aio.Channel) -> metadata_pb2.SetMarketStateResponse:
        return await metadata_pb2_grpc.MetadataServiceStub(channel).SetMarketState(request)

    answer = ask(home, "metadata", work)
    name = trading_pb2.MarketState.Value.Name(state)
    click.echo(
        f"{symbol}: {name} is wished (version {answer.version}); "
        "`mesh instruments list` shows when the engine has it"
    )
