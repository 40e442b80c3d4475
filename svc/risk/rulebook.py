"""What is in force now: limits, kill switches and instruments, in memory.

Keeps: nothing stands here that is not committed; callers commit first, then change it. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from svc.risk.checks import Bounds, Instrument, Limits, Order, Refusal, bounds, check

UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"


class Scope(StrEnum):
    """What a kill switch stops; names as in risk.v1.KillSwitchScope."""

    GLOBAL = "GLOBAL"
    ACCOUNT = "ACCOUNT"
    INSTRUMENT = "INSTRUMENT"


@dataclass(frozen=True, slots=True)
class Switch:
    """A thrown kill switch; `id` is an account or instrument, 0 with GLOBAL."""

    scope: Scope
    id: int
    note: str


@dataclass(slots=True)
class _Account:
    """Limits and what they are in each instrument that was asked for."""

    limits: Limits
    bounds: dict[int, Bounds] = field(default_factory=dict)


class Rulebook:
    """Decides orders by what is in force."""

    def __init__(self, defaults: Limits) -> None:
        self._defaults = _Account(defaults)
        self._accounts: dict[int, _Account] = {}
        self._instruments: dict[int, Instrument] = {}
        self._switches: dict[tuple[Scope, int], Switch] = {}

    def learn_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Adds instruments; what is known of one never changes."""
        self._instruments |= {instrument.id: instrument for instrument in instruments}

    def set_limits(self, account_id: int, limits: Limits) -> None:
        """Gives an account limits of its own."""
        self._accounts[account_id] = _Account(limits)

    def limits(self, account_id: int) -> tuple[Limits, bool]:
        """Limits in force for an account, and whether they are the defaults."""
        account = self._accounts.get(account_id)
        return (account.limits, False) if account else (self._defaults.limits, True)

    def throw(self, switch: Switch) -> None:
        """Stops what the switch stops."""
        self._switches[switch.scope, switch.id] = switch

    def release(self, scope: Scope, id_: int) -> None:
        """Ends a stop; nothing happens without one."""
        self._switches.pop((scope, id_), None)

    def switches(self) -> list[Switch]:
        """Those that are thrown, by scope and id."""
        return [self._switches[key] for key in sorted(self._switches)]

    def check(self, order: Order) -> Refusal | None:
        """The first rule that an order breaks, in the order of the contract; None: it passes."""
        if self._switches and (switch := self._stopping(order.account_id, order.instrument_id)):
            return _stopped(switch)
        account = self._accounts.get(order.account_id, self._defaults)
        allowed = account.bounds.get(order.instrument_id)
        if allowed is None:
            instrument = self._instruments.get(order.instrument_id)
            if instrument is None:
                return _unknown(order.instrument_id)
            allowed = account.bounds[instrument.id] = bounds(account.limits, instrument)
        return check(allowed, order)

    def _stopping(self, account_id: int, instrument_id: int) -> Switch | None:
        return (
            self._switches.get((Scope.GLOBAL, 0))
            or self._switches.get((Scope.ACCOUNT, account_id))
            or self._switches.get((Scope.INSTRUMENT, instrument_id))
        )


def _stopped(switch: Switch) -> Refusal:
    what = {
        Scope.GLOBAL: "all trading is",
        Scope.ACCOUNT: "trading of this account is",
        Scope.INSTRUMENT: "trading in this market is",
    }[switch.scope]
    note = f": {switch.note}" if switch.note else ""
    message = f"{what} stopped by an operator{note}; no new order is right until it is released"
    return Refusal("KILL_SWITCH", message, {"scope": switch.scope, "note": switch.note})


def _unknown(instrument_id: int) -> Refusal:
    message = f"instrument {instrument_id} is not listed; a listed one is right (GET /v1/markets)"
    return Refusal(UNKNOWN_INSTRUMENT, message, {"instrument_id": str(instrument_id)})
