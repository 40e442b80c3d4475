"""Decimals of a request as whole ticks, lots and ledger units, and what is said of others.

Keeps: nothing is rounded; each refusal names field, value and rule and, where there is one, the
nearest value that would be right. Pure.
"""

from __future__ import annotations

from svc.kit import decimals
from svc.kit.decimals import MAX_LEDGER_UNITS, Malformed, NotOnStep, Step, TooLarge
from svc.kit.errors import DomainError, invalid
from svc.order.instrument import Instrument


def price_ticks(field: str, price: str, instrument: Instrument) -> int:
    """A price, above 0.

    Raises PRICE_NOT_ON_TICK, PRICE_OUT_OF_RANGE, PRICE_NOT_POSITIVE and INVALID_DECIMAL.
    """
    try:
        ticks = decimals.to_steps(price, instrument.tick)
    except NotOnStep as error:
        raise _not_on_step("PRICE_NOT_ON_TICK", field, price, "tick", error) from None
    except TooLarge as error:
        raise too_large("PRICE_OUT_OF_RANGE", field, price, error.limit) from None
    except Malformed as error:
        raise _malformed(field, price, error) from None
    if not ticks:
        raise _not_positive("PRICE_NOT_POSITIVE", field, price, instrument.tick)
    return ticks


def lots(field: str, quantity: str, instrument: Instrument) -> int:
    """A quantity, above 0 and at most the instrument's largest.

    Raises QUANTITY_NOT_ON_LOT, QUANTITY_TOO_LARGE, QUANTITY_NOT_POSITIVE and INVALID_DECIMAL.
    """
    try:
        found = decimals.to_steps(quantity, instrument.lot)
    except NotOnStep as error:
        raise _not_on_step("QUANTITY_NOT_ON_LOT", field, quantity, "lot", error) from None
    except TooLarge:
        found = instrument.max_quantity_lots + 1
    except Malformed as error:
        raise _malformed(field, quantity, error) from None
    if not found:
        raise _not_positive("QUANTITY_NOT_POSITIVE", field, quantity, instrument.lot)
    if found > instrument.max_quantity_lots:
        most = decimals.format_steps(instrument.max_quantity_lots, instrument.lot)
        raise too_large("QUANTITY_TOO_LARGE", field, quantity, most)
    return found


def quote_units(field: str, amount: str, instrument: Instrument) -> int:
    """An amount of the quote asset, worth at least the smallest notional, at most any order.

    Raises QUOTE_AMOUNT_TOO_FINE, NOTIONAL_TOO_SMALL, QUOTE_AMOUNT_TOO_LARGE and INVALID_DECIMAL.
    """
    unit = Step(1, instrument.quote_scale, MAX_LEDGER_UNITS)
    try:
        units = decimals.to_steps(amount, unit)
    except NotOnStep as error:
        rule = f"unit of {instrument.quote_asset}"
        raise _not_on_step("QUOTE_AMOUNT_TOO_FINE", field, amount, rule, error) from None
    except TooLarge:
        units = MAX_LEDGER_UNITS
    except Malformed as error:
        raise _malformed(field, amount, error) from None
    unit_value = instrument.quote_units_per_tick_lot
    most = instrument.tick.limit * instrument.max_quantity_lots * unit_value
    if units > most:  # then its budget in tick x lots is an int64
        raise too_large("QUOTE_AMOUNT_TOO_LARGE", field, amount, quote_text(most, instrument))
    least = instrument.min_notional_tick_lots * unit_value
    if units < least or not units:
        rule = f"at least {instrument.min_notional} {instrument.quote_asset}"
        raise invalid(
            "NOTIONAL_TOO_SMALL",
            f"Quote amount {amount} must be {rule}.",
            field=field,
            value=amount,
            rule=rule,
            nearestAbove=quote_text(max(least, 1), instrument),
        )
    return units


def quote_text(units: int, instrument: Instrument) -> str:
    """Ledger units of the quote asset as canonical text."""
    return decimals.format_units(units, instrument.quote_scale)


def required(reason: str, field: str, message: str) -> DomainError:
    """A field is missing."""
    return invalid(reason, message, field=field, value="", rule="required")


def not_allowed(reason: str, field: str, value: str, where: str) -> DomainError:
    """A field is given that has a meaning only elsewhere."""
    message = f"Field {field} is for {where} only; got {value!r}."
    return invalid(reason, message, field=field, value=value, rule=f"{where} only")


def too_large(reason: str, field: str, value: str, most: str) -> DomainError:
    """A number is above the largest, which is `most`."""
    message = f"Field {field} is at most {most}; got {value!r}."
    rule = f"at most {most}"
    return invalid(reason, message, field=field, value=value, rule=rule, nearestBelow=most)


def _malformed(field: str, value: str, error: Exception) -> DomainError:
    rule = "digits, at most one point, no sign, no exponent, at most 38 digits"
    return invalid(
        "INVALID_DECIMAL", f"Field {field}: {error}.", field=field, value=value, rule=rule
    )


def _not_positive(reason: str, field: str, value: str, step: Step) -> DomainError:
    message = f"Field {field} must be above 0; got {value!r}, the smallest is {step}."
    return invalid(
        reason, message, field=field, value=value, rule="above 0", nearestAbove=str(step)
    )


def _not_on_step(
    reason: str, field: str, value: str, step_name: str, error: NotOnStep
) -> DomainError:
    nearest = {"nearestAbove": error.above}
    if error.below != "0":
        nearest["nearestBelow"] = error.below
    shown = " or ".join(sorted(nearest.values(), key=len)) if len(nearest) == 1 else error.nearest
    return invalid(
        reason,
        f"Field {field} must be a multiple of the {step_name} {error.step}; got {value!r}, "
        f"nearest: {shown}.",
        field=field,
        value=value,
        rule=f"multiple of {error.step}",
        **nearest,
    )
