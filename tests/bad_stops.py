"""Bad stop orders, a part of the table of bad requests."""

from __future__ import annotations

from tests.bad_bodies import BadRequest, field_of, limit, stop

BAD_STOPS: tuple[BadRequest, ...] = (
    # Stops.
    BadRequest(
        "stop order without a trigger",
        stop(stopPrice=""),
        "STOP_PRICE_REQUIRED",
        field_of("stop_price", "", "required"),
    ),
    BadRequest(
        "stop-limit order without a price",
        stop(type="STOP_LIMIT"),
        "PRICE_REQUIRED",
        field_of("price", "", "required"),
    ),
    BadRequest(
        "stop-market order with a price",
        stop(price="62000"),
        "PRICE_NOT_ALLOWED",
        field_of("price", "62000", "limit orders only"),
    ),
    BadRequest(
        "trigger between two ticks",
        stop(stopPrice="62000.001"),
        "PRICE_NOT_ON_TICK",
        field_of("stop_price", "62000.001", "multiple of 0.01")
        | {"nearestBelow": "62000", "nearestAbove": "62000.01"},
    ),
    BadRequest(
        "trigger zero",
        stop(stopPrice="0"),
        "PRICE_NOT_POSITIVE",
        field_of("stop_price", "0", "above 0") | {"nearestAbove": "0.01"},
    ),
    BadRequest(
        "trigger beyond the market's range",
        stop(stopPrice="99999999999"),
        "PRICE_OUT_OF_RANGE",
        field_of("stop_price", "99999999999", "at most 461168601.84")
        | {"nearestBelow": "461168601.84"},
    ),
    BadRequest(
        "stop-market order that would rest",
        stop(timeInForce="GTC"),
        "TIME_IN_FORCE_NOT_ALLOWED",
        field_of("time_in_force", "GTC", "one of IOC, FOK"),
    ),
    BadRequest(
        "post-only stop",
        stop(type="STOP_LIMIT", price="62000", postOnly=True),
        "POST_ONLY_NOT_ALLOWED",
        {"field": "post_only"},
    ),
    BadRequest(
        "stop order by quote amount",
        stop(quantity="", quoteAmount="100"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    # Trailing stops.
    BadRequest(
        "trailing limit order",
        limit(trailOffset="100"),
        "TRAIL_NOT_ALLOWED",
        field_of("trail_offset", "100", "stop orders only"),
    ),
    BadRequest(
        "trailing stop with two distances",
        stop(trailOffset="100", trailBps=50),
        "TRAIL_OFFSET_OR_BPS",
        field_of("trail_bps", "50", "one of trail_offset and trail_bps"),
    ),
    BadRequest(
        "distance between two ticks",
        stop(trailOffset="100.005"),
        "PRICE_NOT_ON_TICK",
        field_of("trail_offset", "100.005", "multiple of 0.01")
        | {"nearestBelow": "100", "nearestAbove": "100.01"},
    ),
    BadRequest(
        "distance of the whole price",
        stop(trailBps=10_000),
        "INVALID_FIELD",
        field_of("trail_bps", "10000", "uint32.lte"),
    ),
    BadRequest(
        "trailing stop without a first trigger",
        stop(stopPrice="", trailBps=50),
        "STOP_PRICE_REQUIRED",
        {"field": "stop_price"},
    ),
    BadRequest(
        "activation of a stop that does not trail",
        stop(activationPrice="60000"),
        "ACTIVATION_PRICE_NOT_ALLOWED",
        field_of("activation_price", "60000", "trailing stops only"),
    ),
    BadRequest(
        "activation of a buy at its trigger",
        stop(trailBps=50, activationPrice="62000"),
        "ACTIVATION_PRICE_OUT_OF_RANGE",
        field_of("activation_price", "62000", "below the stop_price 62000")
        | {"nearestBelow": "61999.99"},
    ),
    BadRequest(
        "activation of a sell below its trigger",
        stop(side="SELL", stopPrice="60000", trailBps=50, activationPrice="59000"),
        "ACTIVATION_PRICE_OUT_OF_RANGE",
        field_of("activation_price", "59000", "above the stop_price 60000")
        | {"nearestAbove": "60000.01"},
    ),
)
