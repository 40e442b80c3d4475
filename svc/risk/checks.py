"""The checks before an order is taken, in integers of ticks, lots and ledger units.

Keeps: the order of the checks is that of the contract (risk.v1), the first that fails decides,
and a refusal names the value, the limit and the nearest value that passes. Pure.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from svc.kit import decimals

BPS: Final = 10_000
NO_LIMIT: Final = 0
NOTHING: Final = -1

# Order types that risk tells apart, numbers of trading.v1.OrderType. A stop-limit order is
# neither: its price belongs to its trigger, not to the price of now.
LIMIT: Final = 1
MARKET: Final = 2


class Order(Protocol):
    """What is checked, as risk.v1.CheckItem has it: read where it lies, for it is read often."""

    @property
    def account_id(self) -> int:
        """Account."""

    @property
    def instrument_id(self) -> int:
        """Instrument."""

    @property
    def type(self) -> int:
        """Order type, number of trading.v1.OrderType."""

    @property
    def price_ticks(self) -> int:
        """Limit price."""

    @property
    def lots(self) -> int:
        """Quantity."""

    @property
    def reference_ticks(self) -> int:
        """Reference price; 0: none."""

    @property
    def notional(self) -> str:
        """Ledger units of the quote asset, at the limit price or at the cap."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an account, decimals as canonical strings; 0 is no limit.

    `max_notional` is in whole units of whatever the quote asset is, `max_quantity` in the base
    asset.
    """

    max_notional: str
    max_quantity: str
    fat_finger_bps: int


@dataclass(frozen=True, slots=True)
class Instrument:
    """What never changes of an instrument, as far as limits and messages need it."""

    id: int
    symbol: str
    base: str
    quote: str
    tick: decimals.Step
    lot: decimals.Step
    quote_scale: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits converted for one instrument. 0 is no limit, -1 lets nothing through."""

    instrument: Instrument
    max_notional_units: int
    max_lots: int
    fat_finger_bps: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order was not taken; `variables` repeat the message's by name."""

    reason: str
    message: str
    variables: dict[str, str]


def bounds(limits: Limits, instrument: Instrument) -> Bounds:
    """The limits in the units of an instrument, rounded down."""
    notional, scale = decimals.parse(limits.max_notional)
    quantity, quantity_scale = decimals.parse(limits.max_quantity)
    lot = instrument.lot
    return Bounds(
        instrument=instrument,
        max_notional_units=_floor(notional * 10**instrument.quote_scale, 10**scale),
        max_lots=_floor(quantity * 10**lot.scale, lot.unscaled * 10**quantity_scale),
        fat_finger_bps=limits.fat_finger_bps,
    )


def _floor(numerator: int, denominator: int) -> int:
    return (numerator // denominator or NOTHING) if numerator else NO_LIMIT


def check(allowed: Bounds, order: Order) -> Refusal | None:
    """The first limit that an order breaks, in the order of the contract; None: it passes.

    Quantity, notional, then the price against the reference: of a limit order its distance (fat
    finger), of a market order that there is one, for nothing else bounds what it would pay.
    """
    if allowed.max_lots and order.lots > allowed.max_lots:
        return _too_much(allowed, order)
    if allowed.max_notional_units and int(order.notional) > allowed.max_notional_units:
        return _too_large(allowed, order)
    reference = order.reference_ticks
    if not reference:
        return _no_reference(allowed.instrument) if order.type == MARKET else None
    if allowed.fat_finger_bps and order.type == LIMIT:
        distance = abs(order.price_ticks - reference)
        if distance * BPS > allowed.fat_finger_bps * reference:
            return _fat_finger(allowed, order)
    return None


def _no_reference(instrument: Instrument) -> Refusal:
    message = (
        f"no recent trade price: nothing bounds what a market order in {instrument.symbol} would "
        "pay; place a limit order"
    )
    return Refusal("NO_REFERENCE_PRICE", message, {"symbol": instrument.symbol})


def _too_much(allowed: Bounds, order: Order) -> Refusal:
    instrument = allowed.instrument
    quantity = decimals.format_steps(order.lots, instrument.lot)
    limit = decimals.format_steps(max(allowed.max_lots, 0), instrument.lot)
    message = (
        f"quantity {quantity} {instrument.base} is above the account's limit of "
        f"{limit} {instrument.base} an order; at most {limit} is right"
    )
    variables = {"quantity": quantity, "limit": limit, "nearest_valid_quantity": limit}
    return Refusal("MAX_QUANTITY_EXCEEDED", message, variables)


def _too_large(allowed: Bounds, order: Order) -> Refusal:
    instrument, notional_units = allowed.instrument, int(order.notional)
    limit_units = max(allowed.max_notional_units, 0)
    notional = decimals.format_units(notional_units, instrument.quote_scale)
    limit = decimals.format_units(limit_units, instrument.quote_scale)
    nearest = decimals.format_steps(order.lots * limit_units // notional_units, instrument.lot)
    message = (
        f"notional {notional} {instrument.quote} is above the account's limit of "
        f"{limit} {instrument.quote} an order; at this price at most "
        f"{nearest} {instrument.base} is right"
    )
    variables = {"notional": notional, "limit": limit, "nearest_valid_quantity": nearest}
    return Refusal("MAX_NOTIONAL_EXCEEDED", message, variables)


def _fat_finger(allowed: Bounds, order: Order) -> Refusal:
    price_ticks, reference_ticks = order.price_ticks, order.reference_ticks
    instrument = allowed.instrument
    limit_bps = allowed.fat_finger_bps
    lowest = max(1, -(-reference_ticks * (BPS - limit_bps) // BPS))
    highest = reference_ticks * (BPS + limit_bps) // BPS
    nearest = highest if price_ticks > reference_ticks else lowest
    distance_bps = -(-abs(price_ticks - reference_ticks) * BPS // reference_ticks)
    price, reference, low, high, right = (
        decimals.format_steps(ticks, instrument.tick)
        for ticks in (price_ticks, reference_ticks, lowest, highest, nearest)
    )
    message = (
        f"price {price} {instrument.quote} lies {distance_bps} bps from the reference price "
        f"{reference}; the account's limit is {limit_bps} bps: {low} to {high} is right"
    )
    variables = {
        "price": price,
        "reference_price": reference,
        "limit_bps": str(limit_bps),
        "nearest_valid_price": right,
    }
    return Refusal("FAT_FINGER", message, variables)
