"""The terms of a new order: what a well-formed request asks for, in ticks, lots and units.

Owns every rule that needs nothing but the request and the instrument's definition. Keeps: terms
exist only for requests that break none of them, so all that follows counts in whole steps. What
depends on the moment (state of the market, reference price, time) is in `admission`. Pure.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from svc.kit import decimals
from svc.kit.decimals import MAX_INT64
from svc.kit.errors import DomainError, invalid
from svc.order import decimal_fields
from svc.order.asks import Terms
from svc.order.decimal_fields import not_allowed, quote_text, required, too_large
from svc.order.instrument import Instrument


class Side(IntEnum):
    """Numbers of `trading.v1.Side`."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """Numbers of `trading.v1.OrderType`."""

    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP_MARKET = 4


class TimeInForce(IntEnum):
    """Numbers of `trading.v1.TimeInForce`."""

    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    FOK_BUDGET = 5


class SelfTradeMode(IntEnum):
    """Numbers of `trading.v1.SelfTradeMode`."""

    NONE = 1
    CANCEL_RESTING = 2
    CANCEL_INCOMING = 3
    CANCEL_BOTH = 4
    DECREMENT_AND_CANCEL = 5


class OrderRequest(Protocol):
    """The fields of `order.v1.CreateOrderRequest` that the rules read."""

    @property
    def side(self) -> int:
        """BUY or SELL."""

    @property
    def type(self) -> int:
        """One of OrderType."""

    @property
    def time_in_force(self) -> int:
        """One of TimeInForce; 0: the default of the type."""

    @property
    def quantity(self) -> str:
        """Decimal; empty: none."""

    @property
    def price(self) -> str:
        """Decimal; empty: none."""

    @property
    def stop_price(self) -> str:
        """Decimal; empty: none."""

    @property
    def quote_amount(self) -> str:
        """Decimal; empty: none."""

    @property
    def display_quantity(self) -> str:
        """Decimal; empty: none."""

    @property
    def trail_offset(self) -> str:
        """Decimal; empty: none."""

    @property
    def trail_bps(self) -> int:
        """0: none."""

    @property
    def activation_price(self) -> str:
        """Decimal; empty: none."""

    @property
    def leverage(self) -> int:
        """0 and 1 are the same."""

    @property
    def post_only(self) -> bool:
        """Never take liquidity."""

    @property
    def reduce_only(self) -> bool:
        """Never enlarge a position."""

    @property
    def self_trade_mode(self) -> int:
        """One of SelfTradeMode; 0: NONE."""


_STOPS = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)

_ALLOWED: dict[int, tuple[TimeInForce, ...]] = {
    OrderType.LIMIT: tuple(TimeInForce),
    OrderType.MARKET: (TimeInForce.IOC, TimeInForce.FOK),
    OrderType.STOP_LIMIT: (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD),
    OrderType.STOP_MARKET: (TimeInForce.IOC, TimeInForce.FOK),
}
_DEFAULT = {
    OrderType.LIMIT: TimeInForce.GTC,
    OrderType.MARKET: TimeInForce.IOC,
    OrderType.STOP_LIMIT: TimeInForce.GTC,
    OrderType.STOP_MARKET: TimeInForce.IOC,
}
MOST_PEAKS = 100
"""Visible parts of an iceberg: each is a trade of whoever takes it all. Binance has the bound."""

_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.FOK_BUDGET)
_FILL_WHOLE = (TimeInForce.FOK, TimeInForce.FOK_BUDGET)
_PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT)
# Plain numbers for the comparisons that every order makes.
_BUY, _LIMIT, _MARKET = int(Side.BUY), int(OrderType.LIMIT), int(OrderType.MARKET)
_IOC, _GTD, _FOK_BUDGET = int(TimeInForce.IOC), int(TimeInForce.GTD), int(TimeInForce.FOK_BUDGET)
_NO_SELF_TRADE_MODE = int(SelfTradeMode.NONE)
_DEFAULT_BY_NUMBER = {int(k): int(v) for k, v in _DEFAULT.items()}
_ALLOWED_BY_NUMBER = {int(k): frozenset(map(int, v)) for k, v in _ALLOWED.items()}


def read(request: OrderRequest, instrument: Instrument, expires_at_unix_ns: int) -> Terms:
    """The terms of a request whose fields keep the contract's own rules (INVALID_FIELD).

    `expires_at_unix_ns`: 0 when the request has none. Raises INVALID_ARGUMENT with the metadata
    `field`, `value` and `rule`, and, where there is one, the nearest value that would be right:
    `nearestBelow`, `nearestAbove`.
    """
    time_in_force = _time_in_force(request, expires_at_unix_ns)
    _flags(request, time_in_force, instrument)
    _leverage(request.leverage, instrument)
    price_ticks, stop_ticks = _price(request, instrument), _stop(request, instrument)
    lots, quote_units = _size(request, instrument, time_in_force)
    trail = _trail(request, instrument)
    terms = Terms(
        instrument=instrument,
        side=request.side,
        type=request.type,
        time_in_force=time_in_force,
        self_trade_mode=request.self_trade_mode or _NO_SELF_TRADE_MODE,
        price_ticks=price_ticks,
        lots=lots,
        quote_units=quote_units,
        expires_at_unix_ns=max(expires_at_unix_ns, -MAX_INT64),  # long past is past
        leverage=request.leverage or 1,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        stop_ticks=stop_ticks,
        trail=trail,
        activation_ticks=_activation(request, instrument, stop_ticks, trail),
        display_lots=_display(request, instrument, time_in_force, lots),
        by_amount=quote_units != 0 and time_in_force != _FOK_BUDGET,
    )
    if price_ticks and price_ticks * lots < instrument.min_notional_tick_lots:
        raise notional_too_small(terms, price_ticks)
    return terms


def notional_too_small(terms: Terms, price_ticks: int) -> DomainError:
    """The order, at `price_ticks`, is worth less than the instrument's smallest notional."""
    instrument = terms.instrument
    least_lots = -(-instrument.min_notional_tick_lots // price_ticks)
    above = decimals.format_steps(least_lots, instrument.lot)
    value = quote_text(terms.lots * price_ticks * instrument.quote_units_per_tick_lot, instrument)
    rule = f"at least {instrument.min_notional} {instrument.quote_asset}"
    return invalid(
        "NOTIONAL_TOO_SMALL",
        f"Price x quantity is {value} {instrument.quote_asset}, must be {rule}: "
        f"the smallest quantity at this price is {above}.",
        field="quantity",
        value=value,
        rule=rule,
        nearestAbove=above,
    )


def _time_in_force(request: OrderRequest, expires_at_unix_ns: int) -> int:
    order_type = request.type
    time_in_force = request.time_in_force or _DEFAULT_BY_NUMBER[order_type]
    if time_in_force not in _ALLOWED_BY_NUMBER[order_type]:
        name, given = OrderType(order_type).name, TimeInForce(time_in_force).name
        rule = "one of " + ", ".join(t.name for t in _ALLOWED[order_type])
        raise invalid(
            "TIME_IN_FORCE_NOT_ALLOWED",
            f"A {name} order cannot be {given}: {rule}.",
            field="time_in_force",
            value=given,
            rule=rule,
        )
    if (time_in_force == _GTD) == bool(expires_at_unix_ns):
        if expires_at_unix_ns > MAX_INT64:
            raise _expires_too_late(expires_at_unix_ns)
        return time_in_force
    if expires_at_unix_ns:
        raise invalid(
            "EXPIRES_AT_NOT_ALLOWED",
            f"Only GTD orders expire, this one is {TimeInForce(time_in_force).name}.",
            field="expires_at",
            value=str(expires_at_unix_ns),
            rule="only with GTD",
        )
    raise required("EXPIRES_AT_REQUIRED", "expires_at", "A GTD order needs expires_at.")


def _expires_too_late(expires_at_unix_ns: int) -> DomainError:
    last = "2262-04-11T23:47:16Z"
    return invalid(
        "EXPIRES_AT_OUT_OF_RANGE",
        f"expires_at is at most {last}, in nanoseconds an int64; a GTC order never expires.",
        field="expires_at",
        value=str(expires_at_unix_ns),
        rule=f"at most {last}",
        nearestBelow=last,
    )


def _flags(request: OrderRequest, time_in_force: int, instrument: Instrument) -> None:
    if request.reduce_only and not instrument.perpetual:
        raise invalid(
            "REDUCE_ONLY_NEEDS_POSITION",
            f"{instrument.symbol} is spot and has no positions: reduce_only is for perpetuals.",
            field="reduce_only",
            value="true",
            rule="perpetuals only",
        )
    if request.reduce_only and time_in_force in _FILL_WHOLE:
        raise invalid(
            "REDUCE_ONLY_NOT_ALLOWED",
            "An order that fills whole or not at all cannot be trimmed to a position.",
            field="reduce_only",
            value="true",
            rule="not with FOK and FOK_BUDGET",
        )
    if not request.post_only:
        return
    if request.type != _LIMIT or time_in_force in _IMMEDIATE:
        raise invalid(
            "POST_ONLY_NOT_ALLOWED",
            "A post-only order must be able to rest: a limit order that is GTC or GTD.",
            field="post_only",
            value="true",
            rule="limit orders that are GTC or GTD",
        )


def _leverage(leverage: int, instrument: Instrument) -> None:
    if leverage > instrument.max_leverage:
        most = str(instrument.max_leverage)
        raise invalid(
            "LEVERAGE_TOO_HIGH",
            f"Leverage {leverage} is above the {most} of {instrument.symbol}.",
            field="leverage",
            value=str(leverage),
            rule=f"1 to {most}",
            nearestBelow=most,
        )


def _price(request: OrderRequest, instrument: Instrument) -> int:
    price = request.price
    if request.type not in _PRICED:
        if price:
            raise not_allowed("PRICE_NOT_ALLOWED", "price", price, "limit orders")
        return 0
    if not price:
        raise required("PRICE_REQUIRED", "price", "A limit order needs a price.")
    return decimal_fields.price_ticks("price", price, instrument)


def _stop(request: OrderRequest, instrument: Instrument) -> int:
    stop_price = request.stop_price
    if request.type not in _STOPS:
        if stop_price:
            raise not_allowed("STOP_PRICE_NOT_ALLOWED", "stop_price", stop_price, "stop orders")
        return 0
    if not stop_price:
        message = "A stop order needs the stop_price that triggers it."
        raise required("STOP_PRICE_REQUIRED", "stop_price", message)
    return decimal_fields.price_ticks("stop_price", stop_price, instrument)


def _trail(request: OrderRequest, instrument: Instrument) -> int:
    """The distance of a trailing stop: above 0 ticks, below 0 basis points, 0 none."""
    offset, bps = request.trail_offset, request.trail_bps
    if not (offset or bps):
        return 0
    field, value = ("trail_offset", offset) if offset else ("trail_bps", str(bps))
    if request.type not in _STOPS:
        raise not_allowed("TRAIL_NOT_ALLOWED", field, value, "stop orders")
    if offset and bps:
        rule = "one of trail_offset and trail_bps"
        message = f"A trailing stop has {rule}; got {offset!r} and {bps}."
        raise invalid("TRAIL_OFFSET_OR_BPS", message, field="trail_bps", value=str(bps), rule=rule)
    return decimal_fields.price_ticks("trail_offset", offset, instrument) if offset else -bps


def _activation(request: OrderRequest, instrument: Instrument, stop_ticks: int, trail: int) -> int:
    price = request.activation_price
    if not price:
        return 0
    if not trail:
        raise not_allowed(
            "ACTIVATION_PRICE_NOT_ALLOWED", "activation_price", price, "trailing stops"
        )
    ticks = decimal_fields.price_ticks("activation_price", price, instrument)
    buy = request.side == _BUY
    if ticks < stop_ticks if buy else ticks > stop_ticks:
        return ticks
    where, nearest = ("below", "nearestBelow") if buy else ("above", "nearestAbove")
    right_ticks = stop_ticks - 1 if buy else stop_ticks + 1
    right = {nearest: decimals.format_steps(right_ticks, instrument.tick)} if right_ticks else {}
    rule = f"{where} the stop_price {decimals.format_steps(stop_ticks, instrument.tick)}"
    raise invalid(
        "ACTIVATION_PRICE_OUT_OF_RANGE",
        f"Field activation_price of a {Side(request.side).name} must be {rule}; got {price!r}.",
        field="activation_price",
        value=price,
        rule=rule,
        **right,
    )


def _display(request: OrderRequest, instrument: Instrument, time_in_force: int, lots: int) -> int:
    shown = request.display_quantity
    if not shown:
        return 0
    if request.type not in _PRICED or time_in_force in _IMMEDIATE:
        rule = "limit orders that are GTC or GTD"
        raise not_allowed("DISPLAY_QUANTITY_NOT_ALLOWED", "display_quantity", shown, rule)
    display_lots = decimal_fields.lots("display_quantity", shown, instrument)
    if display_lots > lots:
        quantity = decimals.format_steps(lots, instrument.lot)
        raise too_large("DISPLAY_QUANTITY_TOO_LARGE", "display_quantity", shown, quantity)
    if display_lots * MOST_PEAKS < lots:
        least = decimals.format_steps(-(-lots // MOST_PEAKS), instrument.lot)
        rule = f"at least {least}"
        raise invalid(
            "DISPLAY_QUANTITY_TOO_SMALL",
            f"Field display_quantity must be {rule}, so that the order shows in at most "
            f"{MOST_PEAKS} parts; got {shown!r}.",
            field="display_quantity",
            value=shown,
            rule=rule,
            nearestAbove=least,
        )
    return display_lots


def _size(request: OrderRequest, instrument: Instrument, time_in_force: int) -> tuple[int, int]:
    quantity, amount = request.quantity, request.quote_amount
    if not amount:
        if time_in_force == _FOK_BUDGET:
            message = "A FOK_BUDGET order needs its budget as quote_amount."
            raise required("QUOTE_AMOUNT_REQUIRED", "quote_amount", message)
        if not quantity:
            raise required("QUANTITY_REQUIRED", "quantity", "An order needs a quantity.")
        return decimal_fields.lots("quantity", quantity, instrument), 0
    budget = time_in_force == _FOK_BUDGET
    by_amount = request.type == _MARKET and time_in_force == _IOC
    if request.side != _BUY or not (by_amount or budget):
        rule = "market buys that are IOC and FOK_BUDGET buys"
        raise not_allowed("QUOTE_AMOUNT_NOT_ALLOWED", "quote_amount", amount, rule)
    if bool(quantity) != budget:
        message = "A FOK_BUDGET order has a quantity, a buy by quote_amount has none."
        raise invalid(
            "QUANTITY_OR_QUOTE_AMOUNT", message, field="quantity", value=quantity, rule=message
        )
    lots = instrument.max_quantity_lots
    if budget:
        lots = decimal_fields.lots("quantity", quantity, instrument)
    return lots, decimal_fields.quote_units("quote_amount", amount, instrument)
