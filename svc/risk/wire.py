"""Between risk's values and the messages of risk.v1 and metadata.v1. Pure."""

from collections.abc import Iterator

from metadata.v1 import metadata_pb2
from risk.v1 import risk_pb2

from svc.kit import decimals
from svc.kit.errors import invalid
from svc.risk.checks import Instrument, Limits, Refusal
from svc.risk.rulebook import Scope, Switch


def result_message(refusal: Refusal) -> risk_pb2.CheckResult:
    """The result of a check that failed."""
    return risk_pb2.CheckResult(
        reason=refusal.reason, message=refusal.message, metadata=refusal.variables
    )


def limits_of(message: risk_pb2.AccountLimits) -> Limits:
    """The limits in a message; INVALID_LIMIT for a decimal with too many digits."""
    return Limits(
        max_notional=_canonical("max_notional", message.max_notional),
        max_quantity=_canonical("max_quantity", message.max_quantity),
        fat_finger_bps=message.fat_finger_bps,
    )


def _canonical(field: str, text: str) -> str:
    try:
        return decimals.format_units(*decimals.parse(text))
    except decimals.DecimalError as error:
        raise invalid("INVALID_LIMIT", f"{field}: {error}", field=field, value=text) from error


def limits_message(limits: Limits) -> risk_pb2.AccountLimits:
    """The message of limits."""
    return risk_pb2.AccountLimits(
        max_notional=limits.max_notional,
        max_quantity=limits.max_quantity,
        fat_finger_bps=limits.fat_finger_bps,
    )


def switch_of(message: risk_pb2.KillSwitch) -> Switch:
    """The switch in a message; INVALID_KILL_SWITCH where scope and id contradict each other."""
    scope = Scope(risk_pb2.KillSwitchScope.Value.Name(message.scope))
    if (scope is Scope.GLOBAL) != (message.id == 0):
        rule = "id is 0 with GLOBAL, and that of the account or instrument otherwise"
        text = f"scope {scope} with id {message.id}: {rule}"
        raise invalid("INVALID_KILL_SWITCH", text, scope=scope, value=str(message.id), rule=rule)
    return Switch(scope, message.id, message.note)


def switch_message(switch: Switch) -> risk_pb2.KillSwitch:
    """The message of a switch."""
    return risk_pb2.KillSwitch(scope=switch.scope, id=switch.id, note=switch.note)


def instruments_of(listed: metadata_pb2.ListInstrumentsResponse) -> Iterator[Instrument]:
    """The instruments that metadata lists."""
    scales = {asset.symbol: asset.ledger_scale for asset in listed.assets}
    for row in listed.instruments:
        yield Instrument(
            id=row.id,
            symbol=row.symbol,
            base=row.base_asset,
            quote=row.quote_asset,
            tick=decimals.Step.parse(row.tick_size),
            lot=decimals.Step.parse(row.lot_size),
            quote_scale=scales[row.quote_asset],
        )
