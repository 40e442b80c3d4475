"""What an order would be after a replace, and every rule that refuses one before the market does.

Keeps: an amended order breaks none of the rules of a new one, and its total is above what is
filled. What the market alone can say (a post-only order that would take) is left to it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from svc.kit import decimals, ids
from svc.kit.errors import DomainError, failed_precondition, invalid, not_found, unavailable
from svc.order import admission, decimal_fields
from svc.order.asks import Terms
from svc.order.changes import Amended, Wanted
from svc.order.decimal_fields import not_allowed
from svc.order.instrument import Condition, Instrument
from svc.order.lifecycle import LIVE, Status
from svc.order.terms import MOST_PEAKS, OrderType, notional_too_small
from svc.order.wire import ORDER_ID, STATUS

_STOPS = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)
_PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT)


@dataclass(frozen=True, slots=True)
class Standing:
    """A live order as its row says. Prices are ticks, quantities lots."""

    order_id: int
    account_id: int
    instrument_id: int
    side: int
    type: int
    status: int
    version: int
    next_version: int
    """The lowest that nobody has asked for yet."""
    filled_lots: int
    remaining_lots: int
    price_ticks: int
    cap_ticks: int
    stop_ticks: int
    display_lots: int
    leverage: int
    is_trailing: bool
    is_triggered: bool
    has_amount: bool
    maker_fee_ppm: int
    taker_fee_ppm: int

    @property
    def total_lots(self) -> int:
        """What it is an order of."""
        return self.filled_lots + self.remaining_lots


def amend(wanted: Wanted, order: Standing, instrument: Instrument, condition: Condition) -> Amended:
    """The order as it would be.

    Raises what `refusal`, `decimal_fields` and `admission.check_change` raise, and
    ORDER_NOT_REPLACEABLE, PRICE_NOT_ALLOWED, STOP_PRICE_NOT_ALLOWED, STOP_TRIGGERED,
    QUANTITY_NOT_ABOVE_FILLED, NOTHING_TO_CHANGE, NOTIONAL_TOO_SMALL.
    """
    refused = refusal(order.order_id, order.status, order.version, wanted.expected_version)
    if refused is not None:
        raise refused
    if order.type == OrderType.MARKET or order.has_amount:
        raise _not_replaceable(order)
    price_ticks = _price(wanted, order, instrument)
    stop_ticks = _stop(wanted, order, instrument)
    lots = _lots(wanted, order, instrument)
    if not (price_ticks or stop_ticks or lots):
        raise _nothing_to_change(order)
    admission.check_change(instrument, condition, price_ticks, stop_ticks)
    terms = _terms(order, instrument, price_ticks, stop_ticks, lots)
    if terms.price_ticks and terms.price_ticks * terms.lots < instrument.min_notional_tick_lots:
        raise notional_too_small(terms, terms.price_ticks)
    moved = price_ticks or stop_ticks
    cap_ticks = admission.cap_ticks(terms, 0) if moved else order.cap_ticks
    return Amended(
        terms=terms,
        reference_ticks=admission.reference_ticks(instrument, condition),
        from_version=order.version,
        version=order.next_version,
        cap_ticks=cap_ticks,
        remaining_lots=terms.lots - order.filled_lots,
        grows=bool(moved) or terms.lots > order.total_lots,
        maker_fee_ppm=order.maker_fee_ppm,
        taker_fee_ppm=order.taker_fee_ppm,
        new_price_ticks=price_ticks,
        new_cap_ticks=0 if terms.price_ticks else cap_ticks,
        new_stop_ticks=stop_ticks,
        new_lots=lots,
    )


def refusal(
    order_id: int, status: int, version: int, expected_version: int = 0
) -> DomainError | None:
    """Why an order in this state may not be replaced; None: it may.

    ORDER_NOT_LIVE, VERSION_CONFLICT (ABORTED), ORDER_NOT_ACCEPTED_YET, CANCEL_UNDER_WAY,
    REPLACE_UNDER_WAY.
    """
    text = ids.to_uuid(order_id)
    named = {ORDER_ID: text, STATUS: Status(status).name}
    if status not in LIVE:
        message = f"Order {text} is {Status(status).name}: only a live order can be replaced."
        return failed_precondition("ORDER_NOT_LIVE", message, **named)
    if expected_version and expected_version != version:
        return version_conflict(order_id, version, expected_version)
    if status == Status.NEW:
        message = f"Order {text} is NEW: it can be replaced once the market has it, as ACCEPTED."
        return failed_precondition("ORDER_NOT_ACCEPTED_YET", message, **named)
    if status == Status.CANCEL_PENDING:
        message = f"Order {text} is being canceled and can no longer be replaced."
        return failed_precondition("CANCEL_UNDER_WAY", message, **named)
    if status == Status.REPLACE_PENDING:
        return replace_under_way(order_id)
    return None


def replace_under_way(order_id: int) -> DomainError:
    """Another replace of the order has not been decided yet."""
    text = ids.to_uuid(order_id)
    return failed_precondition(
        "REPLACE_UNDER_WAY",
        f"Order {text} has a replace under way: ask again when it is decided; a cancel may go now.",
        **{ORDER_ID: text, STATUS: Status.REPLACE_PENDING.name},
    )


def version_conflict(order_id: int, version: int, expected_version: int) -> DomainError:
    """The order is no longer, or not yet, what the caller has seen."""
    text = ids.to_uuid(order_id)
    return DomainError(
        grpc.StatusCode.ABORTED,
        "VERSION_CONFLICT",
        f"Order {text} is at version {version}, not {expected_version}: look at it and ask again.",
        **{ORDER_ID: text, "value": str(expected_version), "rule": f"equal to {version}"},
    )


def moved_meanwhile(order_id: int) -> DomainError:
    """The order has another version than the one the replace was made for."""
    text = ids.to_uuid(order_id)
    return unavailable("TRY_AGAIN", f"Order {text} was changed meanwhile; try again.")


def unknown_order(name: str) -> DomainError:
    """The account has no order of that name."""
    return not_found("UNKNOWN_ORDER", f"There is no order {name}.", **{ORDER_ID: name})


def not_above_filled(lots: int, filled_lots: int, instrument: Instrument) -> DomainError:
    """The new total would leave nothing to work, or less."""
    lot = instrument.lot
    filled, above = (decimals.format_steps(n, lot) for n in (filled_lots, filled_lots + 1))
    value = decimals.format_steps(lots, lot)
    return failed_precondition(
        "QUANTITY_NOT_ABOVE_FILLED",
        f"Field quantity is the new total and must be above the {filled} that is filled; got "
        f"{value}. To keep what is filled and no more, cancel the order.",
        field="quantity",
        value=value,
        rule=f"above {filled}",
        nearestAbove=above,
    )


def another_kind(field: str, value: str, wanted: str) -> DomainError:
    """A new order that may not take the place of the old one."""
    return invalid(
        "REPLACES_ANOTHER_KIND",
        f"The new order's {field} is {value}, that of the order it replaces {wanted}: both must be "
        "the same.",
        field=field,
        value=value,
        rule=f"equal to {wanted}",
    )


def _terms(
    order: Standing, instrument: Instrument, price_ticks: int, stop_ticks: int, lots: int
) -> Terms:
    """Only what risk, hold and smallest notional look at."""
    return Terms(
        instrument=instrument,
        side=order.side,
        type=order.type,
        time_in_force=0,
        self_trade_mode=0,
        price_ticks=price_ticks or order.price_ticks,
        lots=lots or order.total_lots,
        quote_units=0,
        expires_at_unix_ns=0,
        leverage=order.leverage,
        post_only=False,
        reduce_only=False,
        stop_ticks=stop_ticks or order.stop_ticks,
    )


def _price(wanted: Wanted, order: Standing, instrument: Instrument) -> int:
    """The new limit price; 0: the one it has."""
    if not wanted.price:
        return 0
    if order.type not in _PRICED:
        raise not_allowed("PRICE_NOT_ALLOWED", "price", wanted.price, "limit orders")
    ticks = decimal_fields.price_ticks("price", wanted.price, instrument)
    return 0 if ticks == order.price_ticks else ticks


def _stop(wanted: Wanted, order: Standing, instrument: Instrument) -> int:
    """The new trigger; 0: the one it has."""
    if not wanted.stop_price:
        return 0
    if order.type not in _STOPS or order.is_trailing:
        where = "stop orders that do not trail"
        raise not_allowed("STOP_PRICE_NOT_ALLOWED", "stop_price", wanted.stop_price, where)
    if order.is_triggered:
        raise failed_precondition(
            "STOP_TRIGGERED",
            f"Order {ids.to_uuid(order.order_id)} has been triggered and waits no more: its price "
            "and quantity may change, its stop_price may not.",
            field="stop_price",
            value=wanted.stop_price,
            rule="before the trigger",
        )
    ticks = decimal_fields.price_ticks("stop_price", wanted.stop_price, instrument)
    return 0 if ticks == order.stop_ticks else ticks


def _lots(wanted: Wanted, order: Standing, instrument: Instrument) -> int:
    """The new total; 0: the one it has."""
    if not wanted.quantity:
        return 0
    lots = decimal_fields.lots("quantity", wanted.quantity, instrument)
    if lots <= order.filled_lots:
        raise not_above_filled(lots, order.filled_lots, instrument)
    most_lots = order.display_lots * MOST_PEAKS
    if most_lots and lots > most_lots:
        most = decimals.format_steps(most_lots, instrument.lot)
        raise decimal_fields.too_large("QUANTITY_TOO_LARGE", "quantity", wanted.quantity, most)
    return 0 if lots == order.total_lots else lots


def _not_replaceable(order: Standing) -> DomainError:
    text, what = ids.to_uuid(order.order_id), OrderType(order.type).name
    return failed_precondition(
        "ORDER_NOT_REPLACEABLE",
        f"Order {text} is a {what} order, which trades at once and cannot be replaced: limit "
        "orders and stops by quantity can.",
        **{ORDER_ID: text, "value": what, "rule": "limit orders and stops by quantity"},
    )


def _nothing_to_change(order: Standing) -> DomainError:
    text = ids.to_uuid(order.order_id)
    return invalid(
        "NOTHING_TO_CHANGE",
        f"Order {text} has these values already: price, quantity or stop_price must be another.",
        **{
            ORDER_ID: text,
            "field": "price",
            "value": "",
            "rule": "another price, quantity or stop_price",
        },
    )
