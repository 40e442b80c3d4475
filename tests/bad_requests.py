"""Bad orders and what each is told: one table, run over gRPC and over REST.

The instruments are those of svc/metadata/instruments.toml: BTC-USDT (tick 0.01, lot 0.00001,
smallest notional 5, largest quantity 1000) TRADING, BTCUSDT-PERP HALTED.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc

Json = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class BadRequest:
    """A body of POST /v1/orders, and the error it gets, with these entries of its metadata."""

    name: str
    body: Json
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT
    http_status: int = 400


def _limit(**changes: str | int | bool) -> Json:
    good: dict[str, str | int | bool] = {
        "symbol": "BTC-USDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "0.01",
        "price": "61000",
    }
    return {key: value for key, value in (good | changes).items() if value != ""}


def _market(**changes: str | int | bool) -> Json:
    return _limit(**({"type": "MARKET", "price": ""} | changes))


def _stop(**changes: str | int | bool) -> Json:
    return _market(**({"type": "STOP_MARKET", "stopPrice": "62000"} | changes))


def _field(name: str, value: str, rule: str) -> dict[str, str]:
    return {"field": name, "value": value, "rule": rule}


_FORM = "digits, at most one point, no sign, no exponent, at most 38 digits"

BAD_REQUESTS: tuple[BadRequest, ...] = (
    # The contract's own rules.
    BadRequest(
        "symbol missing",
        _limit(symbol=""),
        "INVALID_FIELD",
        _field("symbol", "", "string.min_len"),
    ),
    BadRequest(
        "symbol too long",
        _limit(symbol="B" * 33),
        "INVALID_FIELD",
        _field("symbol", "B" * 33, "string.max_len"),
    ),
    BadRequest(
        "side missing", _limit(side=""), "INVALID_FIELD", _field("side", "0", "enum.not_in")
    ),
    BadRequest(
        "type missing", _limit(type=""), "INVALID_FIELD", _field("type", "0", "enum.not_in")
    ),
    BadRequest(
        "client order id with a space",
        _limit(clientOrderId="my order"),
        "INVALID_FIELD",
        _field("client_order_id", "my order", "string.pattern"),
    ),
    BadRequest(
        "client order id too long",
        _limit(clientOrderId="x" * 65),
        "INVALID_FIELD",
        _field("client_order_id", "x" * 65, "string.max_len"),
    ),
    BadRequest(
        "idempotency key too long",
        _limit(idempotencyKey="x" * 129),
        "INVALID_FIELD",
        {"field": "idempotency_key", "rule": "string.max_len"},
    ),
    BadRequest(
        "leverage above any",
        _limit(leverage=101),
        "INVALID_FIELD",
        _field("leverage", "101", "uint32.lte"),
    ),
    # The symbol.
    BadRequest(
        "symbol of no market",
        _limit(symbol="BTC-USDX"),
        "UNKNOWN_SYMBOL",
        {"value": "BTC-USDX"},
        grpc.StatusCode.NOT_FOUND,
        404,
    ),
    # Decimals.
    BadRequest(
        "quantity with a sign",
        _limit(quantity="-1"),
        "INVALID_DECIMAL",
        _field("quantity", "-1", _FORM),
    ),
    BadRequest(
        "quantity with an exponent",
        _limit(quantity="1e-2"),
        "INVALID_DECIMAL",
        _field("quantity", "1e-2", _FORM),
    ),
    BadRequest(
        "price with a comma",
        _limit(price="61,000"),
        "INVALID_DECIMAL",
        _field("price", "61,000", _FORM),
    ),
    BadRequest(
        "price with digits of another script",
        _limit(price="٦١٠٠٠"),
        "INVALID_DECIMAL",
        _field("price", "٦١٠٠٠", _FORM),
    ),
    BadRequest(
        "price that is no number",
        _limit(price="NaN"),
        "INVALID_DECIMAL",
        _field("price", "NaN", _FORM),
    ),
    # Quantity.
    BadRequest(
        "quantity missing",
        _limit(quantity=""),
        "QUANTITY_REQUIRED",
        _field("quantity", "", "required"),
    ),
    BadRequest(
        "quantity zero",
        _limit(quantity="0"),
        "QUANTITY_NOT_POSITIVE",
        _field("quantity", "0", "above 0") | {"nearestAbove": "0.00001"},
    ),
    BadRequest(
        "quantity between two lots",
        _limit(quantity="0.010005"),
        "QUANTITY_NOT_ON_LOT",
        _field("quantity", "0.010005", "multiple of 0.00001")
        | {"nearestBelow": "0.01", "nearestAbove": "0.01001"},
    ),
    BadRequest(
        "quantity below one lot",
        _limit(quantity="0.000001"),
        "QUANTITY_NOT_ON_LOT",
        _field("quantity", "0.000001", "multiple of 0.00001") | {"nearestAbove": "0.00001"},
    ),
    BadRequest(
        "quantity above the instrument's largest",
        _limit(quantity="1000.00001"),
        "QUANTITY_TOO_LARGE",
        _field("quantity", "1000.00001", "at most 1000") | {"nearestBelow": "1000"},
    ),
    BadRequest(
        "quantity beyond any integer",
        _limit(quantity="9" * 30),
        "QUANTITY_TOO_LARGE",
        {"rule": "at most 1000", "nearestBelow": "1000"},
    ),
    # Price.
    BadRequest(
        "limit order without a price",
        _limit(price=""),
        "PRICE_REQUIRED",
        _field("price", "", "required"),
    ),
    BadRequest(
        "price zero",
        _limit(price="0.00"),
        "PRICE_NOT_POSITIVE",
        _field("price", "0.00", "above 0") | {"nearestAbove": "0.01"},
    ),
    BadRequest(
        "price between two ticks",
        _limit(price="61000.005"),
        "PRICE_NOT_ON_TICK",
        _field("price", "61000.005", "multiple of 0.01")
        | {"nearestBelow": "61000", "nearestAbove": "61000.01"},
    ),
    BadRequest(
        "price beyond the market's range",
        _limit(price="99999999999"),
        "PRICE_OUT_OF_RANGE",
        _field("price", "99999999999", "at most 461168601.84") | {"nearestBelow": "461168601.84"},
    ),
    BadRequest(
        "price beyond any integer",
        _limit(price="9" * 30),
        "PRICE_OUT_OF_RANGE",
        _field("price", "9" * 30, "at most 461168601.84") | {"nearestBelow": "461168601.84"},
    ),
    BadRequest(
        "market order with a price",
        _market(price="61000"),
        "PRICE_NOT_ALLOWED",
        _field("price", "61000", "limit orders only"),
    ),
    BadRequest(
        "limit order with a stop price",
        _limit(stopPrice="60000"),
        "STOP_PRICE_NOT_ALLOWED",
        _field("stop_price", "60000", "stop orders only"),
    ),
    # Stops.
    BadRequest(
        "stop order without a trigger",
        _stop(stopPrice=""),
        "STOP_PRICE_REQUIRED",
        _field("stop_price", "", "required"),
    ),
    BadRequest(
        "stop-limit order without a price",
        _stop(type="STOP_LIMIT"),
        "PRICE_REQUIRED",
        _field("price", "", "required"),
    ),
    BadRequest(
        "stop-market order with a price",
        _stop(price="62000"),
        "PRICE_NOT_ALLOWED",
        _field("price", "62000", "limit orders only"),
    ),
    BadRequest(
        "trigger between two ticks",
        _stop(stopPrice="62000.001"),
        "PRICE_NOT_ON_TICK",
        _field("stop_price", "62000.001", "multiple of 0.01")
        | {"nearestBelow": "62000", "nearestAbove": "62000.01"},
    ),
    BadRequest(
        "trigger zero",
        _stop(stopPrice="0"),
        "PRICE_NOT_POSITIVE",
        _field("stop_price", "0", "above 0") | {"nearestAbove": "0.01"},
    ),
    BadRequest(
        "trigger beyond the market's range",
        _stop(stopPrice="99999999999"),
        "PRICE_OUT_OF_RANGE",
        _field("stop_price", "99999999999", "at most 461168601.84")
        | {"nearestBelow": "461168601.84"},
    ),
    BadRequest(
        "stop-market order that would rest",
        _stop(timeInForce="GTC"),
        "TIME_IN_FORCE_NOT_ALLOWED",
        _field("time_in_force", "GTC", "one of IOC, FOK"),
    ),
    BadRequest(
        "post-only stop",
        _stop(type="STOP_LIMIT", price="62000", postOnly=True),
        "POST_ONLY_NOT_ALLOWED",
        {"field": "post_only"},
    ),
    BadRequest(
        "stop order by quote amount",
        _stop(quantity="", quoteAmount="100"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    # Notional.
    BadRequest(
        "worth less than the smallest notional",
        _limit(quantity="0.00008"),
        "NOTIONAL_TOO_SMALL",
        _field("quantity", "4.88", "at least 5 USDT") | {"nearestAbove": "0.00009"},
    ),
    BadRequest(
        "quote amount below the smallest notional",
        _market(quantity="", quoteAmount="4.99"),
        "NOTIONAL_TOO_SMALL",
        _field("quote_amount", "4.99", "at least 5 USDT") | {"nearestAbove": "5"},
    ),
    # Icebergs.
    BadRequest(
        "iceberg that shows more than it has",
        _limit(displayQuantity="0.01001"),
        "DISPLAY_QUANTITY_TOO_LARGE",
        _field("display_quantity", "0.01001", "at most 0.01") | {"nearestBelow": "0.01"},
    ),
    BadRequest(
        "iceberg of too many parts",
        _limit(quantity="1.00001", displayQuantity="0.01"),
        "DISPLAY_QUANTITY_TOO_SMALL",
        _field("display_quantity", "0.01", "at least 0.01001") | {"nearestAbove": "0.01001"},
    ),
    BadRequest(
        "iceberg that shows a part of a lot",
        _limit(displayQuantity="0.000015"),
        "QUANTITY_NOT_ON_LOT",
        _field("display_quantity", "0.000015", "multiple of 0.00001")
        | {"nearestBelow": "0.00001", "nearestAbove": "0.00002"},
    ),
    BadRequest(
        "iceberg that shows nothing",
        _limit(displayQuantity="0"),
        "QUANTITY_NOT_POSITIVE",
        _field("display_quantity", "0", "above 0") | {"nearestAbove": "0.00001"},
    ),
    BadRequest(
        "iceberg that cannot rest",
        _limit(displayQuantity="0.001", timeInForce="IOC"),
        "DISPLAY_QUANTITY_NOT_ALLOWED",
        _field("display_quantity", "0.001", "limit orders that are GTC or GTD only"),
    ),
    BadRequest(
        "iceberg at the market",
        _market(displayQuantity="0.001"),
        "DISPLAY_QUANTITY_NOT_ALLOWED",
        {"field": "display_quantity", "value": "0.001"},
    ),
    # Quote amount.
    BadRequest(
        "quantity and quote amount",
        _market(quoteAmount="100"),
        "QUANTITY_OR_QUOTE_AMOUNT",
        {"field": "quantity", "value": "0.01"},
    ),
    BadRequest(
        "limit order by quote amount",
        _limit(quantity="", quoteAmount="100"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    BadRequest(
        "market sell by quote amount",
        _market(side="SELL", quantity="", quoteAmount="100"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    BadRequest(
        "quote amount finer than the ledger",
        _market(quantity="", quoteAmount="100.00000000001"),
        "QUOTE_AMOUNT_TOO_FINE",
        {"nearestBelow": "100", "nearestAbove": "100.0000000001"},
    ),
    BadRequest(
        "quote amount beyond any order",
        _market(quantity="", quoteAmount="9" * 30),
        "QUOTE_AMOUNT_TOO_LARGE",
        _field("quote_amount", "9" * 30, "at most 461168601840") | {"nearestBelow": "461168601840"},
    ),
    BadRequest(
        "market buy by quote amount that fills whole or not at all",
        _market(quantity="", quoteAmount="100", timeInForce="FOK"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        _field("quote_amount", "100", "market buys that are IOC and FOK_BUDGET buys only"),
    ),
    BadRequest(
        "budget without an amount",
        _limit(timeInForce="FOK_BUDGET"),
        "QUOTE_AMOUNT_REQUIRED",
        _field("quote_amount", "", "required"),
    ),
    BadRequest(
        "budget without a quantity",
        _limit(timeInForce="FOK_BUDGET", quoteAmount="100", quantity=""),
        "QUANTITY_OR_QUOTE_AMOUNT",
        {"field": "quantity", "value": ""},
    ),
    BadRequest(
        "sell within a budget",
        _limit(timeInForce="FOK_BUDGET", quoteAmount="100", side="SELL"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    BadRequest(
        "stop within a budget",
        _stop(type="STOP_LIMIT", price="62000", timeInForce="FOK_BUDGET", quoteAmount="700"),
        "TIME_IN_FORCE_NOT_ALLOWED",
        _field("time_in_force", "FOK_BUDGET", "one of GTC, IOC, FOK, GTD"),
    ),
    # Time in force.
    BadRequest(
        "market order that would rest",
        _market(timeInForce="GTC"),
        "TIME_IN_FORCE_NOT_ALLOWED",
        _field("time_in_force", "GTC", "one of IOC, FOK"),
    ),
    BadRequest(
        "GTD without an expiry",
        _limit(timeInForce="GTD"),
        "EXPIRES_AT_REQUIRED",
        _field("expires_at", "", "required"),
    ),
    BadRequest(
        "expiry without GTD",
        _limit(expiresAt="2100-01-01T00:00:00Z"),
        "EXPIRES_AT_NOT_ALLOWED",
        {"field": "expires_at", "rule": "only with GTD"},
    ),
    BadRequest(
        "expiry in the past",
        _limit(timeInForce="GTD", expiresAt="2020-01-01T00:00:00Z"),
        "EXPIRES_AT_NOT_IN_FUTURE",
        {"field": "expires_at", "value": "1577836800000000000"},
    ),
    BadRequest(
        "expiry after the last nanosecond of an int64",
        _limit(timeInForce="GTD", expiresAt="2262-04-11T23:47:17Z"),
        "EXPIRES_AT_OUT_OF_RANGE",
        _field("expires_at", "9223372037000000000", "at most 2262-04-11T23:47:16Z")
        | {"nearestBelow": "2262-04-11T23:47:16Z"},
    ),
    BadRequest(
        "expiry before any int64",
        _limit(timeInForce="GTD", expiresAt="0001-01-01T00:00:00Z"),
        "EXPIRES_AT_NOT_IN_FUTURE",
        {"field": "expires_at"},
    ),
    # Flags and leverage.
    BadRequest(
        "leverage on spot",
        _limit(leverage=2),
        "LEVERAGE_TOO_HIGH",
        _field("leverage", "2", "1 to 1") | {"nearestBelow": "1"},
    ),
    BadRequest(
        "reduce-only on spot",
        _limit(reduceOnly=True),
        "REDUCE_ONLY_NEEDS_POSITION",
        _field("reduce_only", "true", "perpetuals only"),
    ),
    BadRequest(
        "post-only market order",
        _market(postOnly=True),
        "POST_ONLY_NOT_ALLOWED",
        {"field": "post_only"},
    ),
    BadRequest(
        "post-only order that cannot rest",
        _limit(postOnly=True, timeInForce="IOC"),
        "POST_ONLY_NOT_ALLOWED",
        {"field": "post_only"},
    ),
    BadRequest(
        "reduce-only order that fills whole or not at all",
        _limit(symbol="BTCUSDT-PERP", reduceOnly=True, timeInForce="FOK"),
        "REDUCE_ONLY_NOT_ALLOWED",
        _field("reduce_only", "true", "not with FOK and FOK_BUDGET"),
    ),
    # The state of the market.
    BadRequest(
        "market that is halted",
        _limit(symbol="BTCUSDT-PERP", quantity="0.01", price="61000"),
        "MARKET_HALTED",
        {"symbol": "BTCUSDT-PERP", "state": "HALTED"},
        grpc.StatusCode.FAILED_PRECONDITION,
        400,
    ),
)
"""Each is refused whole: no order, no hold, no row, and its idempotency key stays free."""
