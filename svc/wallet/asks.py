"""What may be asked of the ledger, and the form of a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from svc.wallet import money
from svc.wallet.instruments import Instrument
from svc.wallet.memory import BUY, SELL, UNLOCKED, ClosedHold, Hold, HoldAsk


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one item of a list was refused; the others go on."""

    reason: str
    message: str
    metadata: dict[str, str]


class CreditAsk(NamedTuple):
    """A payment to make; ``amount`` > 0 in ledger units of the asset."""

    transaction_id: str
    account_id: int
    asset_id: int
    amount: int
    reference: str


def refusal(reason: str, message: str, /, **metadata: str) -> Refusal:
    """A refusal with the variables of its message by name."""
    return Refusal(reason, message, metadata)


class _InvalidError(Exception):
    """An ask breaks a rule that does not depend on the state of the ledger."""


def broken_rule(ask: HoldAsk, instrument: Instrument) -> Refusal | None:
    """The first rule that the ask breaks, whatever the state of the ledger is."""
    if instrument.perpetual:
        return perpetual_not_settled(instrument.symbol)
    try:
        _check_names(ask)
        _check_amounts(ask)
    except _InvalidError as error:
        field, rule = error.args
        return _invalid(field, getattr(ask, field), rule)
    return None


def _check_names(ask: HoldAsk) -> None:
    if ask.order_id <= 0:
        raise _InvalidError("order_id", "must be > 0")
    if ask.version <= 0:
        raise _InvalidError("version", "must be > 0, 1 for a new order")
    if ask.account_id <= 0:
        raise _InvalidError("account_id", "must be > 0")
    if ask.side not in (BUY, SELL):
        raise _InvalidError("side", "must be BUY (1) or SELL (2)")
    if not -money.PPM <= ask.maker_ppm <= money.PPM:
        raise _InvalidError("maker_ppm", "must be within 100 %")
    if not -money.PPM <= ask.taker_ppm <= money.PPM:
        raise _InvalidError("taker_ppm", "must be within 100 %")


def _check_amounts(ask: HoldAsk) -> None:
    if ask.lots < 0:
        raise _InvalidError("lots", "must be >= 0")
    if ask.quote_amount:
        if ask.quote_amount < 0 or ask.side != BUY:
            raise _InvalidError("quote_amount", "must be > 0, and is for buys alone")
        return
    if ask.lots == 0:
        raise _InvalidError("lots", "must be > 0 without a quote amount")
    if ask.side == BUY and ask.cap_ticks <= 0:
        raise _InvalidError("cap_ticks", "must be > 0 for a buy by lots")


def broken_replace_rule(ask: HoldAsk, current: Hold) -> Refusal | None:
    """The first rule that an ask for an order's next version breaks."""
    old = current.ask
    if ask.version <= old.version:
        return _invalid("version", ask.version, f"must be above {old.version}, the live one")
    if current.added is not None:
        return refusal(
            "REPLACE_UNDER_WAY",
            f"Order {ask.order_id} has version {current.added.ask.version} under way; one replace "
            "at a time.",
            order_id=str(ask.order_id),
            version=str(current.added.ask.version),
        )
    for field in ("account_id", "instrument_id", "side", "maker_ppm", "taker_ppm"):
        if getattr(ask, field) != getattr(old, field):
            return _invalid(
                field, getattr(ask, field), f"must stay {getattr(old, field)} in a replace"
            )
    if ask.quote_amount or old.quote_amount:
        return _invalid("quote_amount", ask.quote_amount, "cannot be replaced")
    return None


def added_amount(ask: HoldAsk, current: Hold) -> int:
    """What a replace needs beside the present hold."""
    if ask.side == SELL:
        return money.added_sell_hold(
            old_lots=current.remaining,
            lots=ask.lots,
            base_units=current.instrument.base_units,
        )
    return money.added_buy_hold(
        old_cap_ticks=current.ask.cap_ticks,
        old_lots=current.remaining,
        cap_ticks=ask.cap_ticks,
        lots=ask.lots,
        quote_units=current.instrument.quote_units,
        rate_ppm=money.hold_rate(ask.maker_ppm, ask.taker_ppm),
    )


def answer_again(known: Hold | ClosedHold, ask: HoldAsk) -> int | Refusal:
    """The answer to an ask under a key that had a hold before."""
    named = {"order_id": str(ask.order_id), "version": str(ask.version)}
    if known.state is UNLOCKED:
        return refusal(
            "HOLD_CLOSED",
            f"The hold of order {ask.order_id}, version {ask.version}, was unlocked; a key is "
            "used once.",
            **named,
        )
    if known.ask != ask:
        return refusal(
            "HOLD_KEY_REUSED",
            f"Order {ask.order_id}, version {ask.version}, has a hold with other contents; "
            "other contents need another version.",
            **named,
        )
    return known.held


def perpetual_not_settled(instrument: str) -> Refusal:
    """Perpetuals are listed before their margin is settled here."""
    return refusal(
        "PERPETUAL_NOT_SETTLED",
        f"Margin of perpetuals is not settled yet; {instrument} takes no orders.",
        instrument=instrument,
    )


def _invalid(field: str, value: int, rule: str) -> Refusal:
    return refusal("INVALID_HOLD", f"{field} {value} {rule}.", field=field, value=str(value))
