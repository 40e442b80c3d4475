"""`mesh risk`: limits of accounts, and the switches that stop trading."""

from __future__ import annotations

from pathlib import Path

import click
import grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from risk.v1 import risk_pb2, risk_pb2_grpc

from mesh.operator import ask, show_json
from mesh.options import home_option
from svc.kit import ids

EXAMPLES = """
\b
Examples:
  mesh risk limits get 019f0c2e-7a10-7000-8000-0123456789ab
  mesh risk limits set 42 --max-notional 250000 --fat-finger-bps 500
  mesh risk kill throw --all --note "exchange under maintenance"
  mesh risk kill throw --symbol BTC-USDT --note "bad reference price"
  mesh risk kill release --all
  mesh risk kill list
"""


class _Account(click.ParamType[int]):
    """An account by its UUID, or by its inner number."""

    name = "ACCOUNT"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            return int(value) if value.isdecimal() else ids.from_uuid(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


json_option = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
account_argument = click.argument("account", type=_Account())


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Look at and change what orders are checked against."""


@command.group()
def limits() -> None:
    """Limits of one account. An account without its own has the defaults."""


@limits.command("get", epilog="\b\nExample:\n  mesh risk limits get 42 --json")
@account_argument
@json_option
@home_option
def get_limits(account: int, as_json: bool, home: Path) -> None:  # noqa: FBT001
    """Show the limits in force for ACCOUNT."""

    async def work(channel: grpc.aio.Channel) -> risk_pb2.GetAccountLimitsResponse:
        return await risk_pb2_grpc.RiskServiceStub(channel).GetAccountLimits(
            risk_pb2.GetAccountLimitsRequest(account_id=account)
        )

    answer = ask(home, "risk", work)
    if as_json:
        show_json(answer)
    else:
        _show(answer.limits, "the defaults" if answer.defaults else "its own")


@limits.command("set", epilog="\b\nExample:\n  mesh risk limits set 42 --max-notional 250000")
@account_argument
@click.option("--max-notional", help="Of one order, whole units of the quote asset; 0: no limit.")
@click.option("--max-quantity", help="Of one order, base asset; 0: no limit.")
@click.option(
    "--fat-finger-bps",
    type=click.IntRange(0, 1_000_000),
    help="Distance of a limit price from the reference, basis points; 0: no limit.",
)
@json_option
@home_option
def set_limits(
    account: int,
    as_json: bool,  # noqa: FBT001
    home: Path,
    **changed: str | int | None,
) -> None:
    """Give ACCOUNT limits of its own; what is not named stays as it is in force."""

    async def work(channel: grpc.aio.Channel) -> risk_pb2.SetAccountLimitsResponse:
        stub = risk_pb2_grpc.RiskServiceStub(channel)
        named = risk_pb2.GetAccountLimitsRequest(account_id=account)
        wanted = (await stub.GetAccountLimits(named)).limits
        for field, value in changed.items():
            if value is not None:
                setattr(wanted, field, value)
        request = risk_pb2.SetAccountLimitsRequest(account_id=account, limits=wanted)
        return await stub.SetAccountLimits(request)

    answer = ask(home, "risk", work)
    if as_json:
        show_json(answer)
    else:
        _show(answer.limits, "its own")


def _show(found: risk_pb2.AccountLimits, whose: str) -> None:
    click.echo(f"limits ({whose}; 0 is no limit)")
    click.echo(f"  max notional  {found.max_notional} of the quote asset")
    click.echo(f"  max quantity  {found.max_quantity} of the base asset")
    click.echo(f"  fat finger    {found.fat_finger_bps} bps")


@command.group()
def kill() -> None:
    """Switches that stop new orders; cancels always go through."""


def _scope_options(function: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--symbol", help="New orders in one market."),
        click.option("--account", type=_Account(), help="New orders of one account."),
        click.option("--all", "everything", is_flag=True, help="All new orders."),
    ):
        function = option(function)
    return function


@kill.command(epilog='\b\nExample:\n  mesh risk kill throw --symbol BTC-USDT --note "bad feed"')
@_scope_options
@click.option("--note", default="", help="Why; traders read it.")
@home_option
def throw(
    everything: bool,  # noqa: FBT001
    account: int | None,
    symbol: str | None,
    note: str,
    home: Path,
) -> None:
    """Stop new orders: all, of an account, or in a market."""
    switch = _switch(home, account, symbol, everything=everything)
    switch.note = note
    _set(home, switch, thrown=True)
    click.echo("thrown: new orders are refused from here on")


@kill.command(epilog="\b\nExample:\n  mesh risk kill release --all")
@_scope_options
@home_option
def release(
    everything: bool,  # noqa: FBT001
    account: int | None,
    symbol: str | None,
    home: Path,
) -> None:
    """Release a switch; nothing happens to one that is not thrown."""
    _set(home, _switch(home, account, symbol, everything=everything), thrown=False)
    click.echo("released")


@kill.command("list", epilog="\b\nExample:\n  mesh risk kill list --json")
@json_option
@home_option
def list_switches(as_json: bool, home: Path) -> None:  # noqa: FBT001
    """List the switches that are thrown."""

    async def work(channel: grpc.aio.Channel) -> risk_pb2.ListKillSwitchesResponse:
        stub = risk_pb2_grpc.RiskServiceStub(channel)
        return await stub.ListKillSwitches(risk_pb2.ListKillSwitchesRequest())

    answer = ask(home, "risk", work)
    if as_json:
        show_json(answer)
        return
    for found in answer.kill_switches:
        scope = risk_pb2.KillSwitchScope.Value.Name(found.scope)
        click.echo(f"{scope:<10} {found.id or '':<20} {found.note}")
    if not answer.kill_switches:
        click.echo("no kill switch is thrown")


def _switch(
    home: Path, account: int | None, symbol: str | None, *, everything: bool
) -> risk_pb2.KillSwitch:
    if [everything, account is not None, symbol is not None].count(True) != 1:
        raise click.UsageError("name one of --all, --account and --symbol")
    if account is not None:
        return risk_pb2.KillSwitch(scope="ACCOUNT", id=account)
    if symbol is not None:
        return risk_pb2.KillSwitch(scope="INSTRUMENT", id=_instrument_id(home, symbol))
    return risk_pb2.KillSwitch(scope="GLOBAL")


def _instrument_id(home: Path, symbol: str) -> int:
    async def work(channel: grpc.aio.Channel) -> metadata_pb2.ListInstrumentsResponse:
        stub = metadata_pb2_grpc.MetadataServiceStub(channel)
        return await stub.ListInstruments(metadata_pb2.ListInstrumentsRequest())

    for found in ask(home, "metadata", work).instruments:
        if found.symbol == symbol.upper():
            return found.id
    raise click.ClickException(f"there is no market {symbol!r}; `mesh instruments list` names them")


def _set(home: Path, switch: risk_pb2.KillSwitch, *, thrown: bool) -> None:
    request = risk_pb2.SetKillSwitchRequest(kill_switch=switch, thrown=thrown)

    async def work(channel: grpc.aio.Channel) -> risk_pb2.SetKillSwitchResponse:
        return await risk_pb2_grpc.RiskServiceStub(channel).SetKillSwitch(request)

    ask(home, "risk", work)
