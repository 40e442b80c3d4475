# cython: language_level=3
"""What may be asked of the ledger, and the form of a refusal."""

from dataclasses import dataclass
from typing import NamedTuple

from svc.wallet.memory cimport HOLD_UNLOCKED, SIDE_BUY, SIDE_SELL, Hold, HoldAsk

from svc.wallet.money import added_buy_hold, added_sell_hold, hold_rate

cdef enum:
    MILLION = 1_000_000  # money.PPM


@dataclass(frozen=True)
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


def refusal(reason, message, /, **metadata):
    """A refusal with the variables of its message by name."""
    return Refusal(reason, message, metadata)


cdef object broken_rule(HoldAsk ask, object instrument):
    """The first rule that the ask breaks, whatever the state of the ledger is; None: it is good."""
    if instrument.perpetual:
        return perpetual_not_settled(instrument.symbol)
    if ask.order_id <= 0:
        return _invalid("order_id", ask.order_id, "must be > 0")
    if ask.version <= 0:
        return _invalid("version", ask.version, "must be > 0, 1 for a new order")
    if ask.account_id <= 0:
        return _invalid("account_id", ask.account_id, "must be > 0")
    if ask.side != SIDE_BUY and ask.side != SIDE_SELL:
        return _invalid("side", ask.side, "must be BUY (1) or SELL (2)")
    if not -MILLION <= ask.maker_ppm <= MILLION:
        return _invalid("maker_ppm", ask.maker_ppm, "must be within 100 %")
    if not -MILLION <= ask.taker_ppm <= MILLION:
        return _invalid("taker_ppm", ask.taker_ppm, "must be within 100 %")
    return _broken_quantity(ask)


cdef object _broken_quantity(HoldAsk ask):
    if ask.lots < 0:
        return _invalid("lots", ask.lots, "must be >= 0")
    if ask.quote_amount:
        if ask.quote_amount < 0 or ask.side != SIDE_BUY:
            return _invalid("quote_amount", ask.quote_amount, "must be > 0, and is for buys alone")
        return None
    if ask.lots == 0:
        return _invalid("lots", ask.lots, "must be > 0 without a quote amount")
    if ask.side == SIDE_BUY and ask.cap_ticks <= 0:
        return _invalid("cap_ticks", ask.cap_ticks, "must be > 0 for a buy by lots")
    return None


cdef object broken_replace_rule(HoldAsk ask, Hold current):
    """The first rule that an ask for an order's next version breaks."""
    cdef HoldAsk old = current.ask
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


cdef object added_amount(HoldAsk ask, Hold current):
    """What a replace needs beside the present hold."""
    if ask.side == SIDE_SELL:
        return added_sell_hold(
            old_lots=current.remaining,
            lots=ask.lots,
            base_units=current.instrument.base_units,
        )
    return added_buy_hold(
        old_cap_ticks=current.ask.cap_ticks,
        old_lots=current.remaining,
        cap_ticks=ask.cap_ticks,
        lots=ask.lots,
        quote_units=current.instrument.quote_units,
        rate_ppm=hold_rate(ask.maker_ppm, ask.taker_ppm),
    )


cdef object answer_again(object known, HoldAsk ask):
    """The answer to an ask under a key that had a hold before."""
    named = {"order_id": str(ask.order_id), "version": str(ask.version)}
    if known.state == HOLD_UNLOCKED:
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


def perpetual_not_settled(instrument):
    """Perpetuals are listed before their margin is settled here."""
    return refusal(
        "PERPETUAL_NOT_SETTLED",
        f"Margin of perpetuals is not settled yet; {instrument} takes no orders.",
        instrument=instrument,
    )


def _invalid(field, value, rule):
    return refusal("INVALID_HOLD", f"{field} {value} {rule}.", field=field, value=str(value))
