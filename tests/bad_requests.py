"""Bad orders and what each is told: one table, run over gRPC and over REST.

The instruments are those of svc/metadata/instruments.toml: BTC-USDT (tick 0.01, lot 0.00001,
smallest notional 5, largest quantity 1000) TRADING, BTCUSDT-PERP HALTED.
"""

from __future__ import annotations

import grpc

from tests.bad_bodies import BadRequest, field_of, limit, market, stop
from tests.bad_stops import BAD_STOPS

_FORM = "digits, at most one point, no sign, no exponent, at most 38 digits"

BAD_REQUESTS: tuple[BadRequest, ...] = (
    # The contract's own rules.
    BadRequest(
        "symbol missing",
        limit(symbol=""),
        "INVALID_FIELD",
        field_of("symbol", "", "string.min_len"),
    ),
    BadRequest(
        "symbol too long",
        limit(symbol="B" * 33),
        "INVALID_FIELD",
        field_of("symbol", "B" * 33, "string.max_len"),
    ),
    BadRequest(
        "side missing", limit(side=""), "INVALID_FIELD", field_of("side", "0", "enum.not_in")
    ),
    BadRequest(
        "type missing", limit(type=""), "INVALID_FIELD", field_of("type", "0", "enum.not_in")
    ),
    BadRequest(
        "client order id with a space",
        limit(clientOrderId="my order"),
        "INVALID_FIELD",
        field_of("client_order_id", "my order", "string.pattern"),
    ),
    BadRequest(
        "client order id too long",
        limit(clientOrderId="x" * 65),
        "INVALID_FIELD",
        field_of("client_order_id", "x" * 65, "string.max_len"),
    ),
    BadRequest(
        "idempotency key too long",
        limit(idempotencyKey="x" * 129),
        "INVALID_FIELD",
        {"field": "idempotency_key", "rule": "string.max_len"},
    ),
    BadRequest(
        "leverage above any",
        limit(leverage=101),
        "INVALID_FIELD",
        field_of("leverage", "101", "uint32.lte"),
    ),
    # The symbol.
    BadRequest(
        "symbol of no market",
        limit(symbol="BTC-USDX"),
        "UNKNOWN_SYMBOL",
        {"value": "BTC-USDX"},
        grpc.StatusCode.NOT_FOUND,
        404,
    ),
    # Decimals.
    BadRequest(
        "quantity with a sign",
        limit(quantity="-1"),
        "INVALID_DECIMAL",
        field_of("quantity", "-1", _FORM),
    ),
    BadRequest(
        "quantity with an exponent",
        limit(quantity="1e-2"),
        "INVALID_DECIMAL",
        field_of("quantity", "1e-2", _FORM),
    ),
    BadRequest(
        "price with a comma",
        limit(price="61,000"),
        "INVALID_DECIMAL",
        field_of("price", "61,000", _FORM),
    ),
    BadRequest(
        "price with digits of another script",
        limit(price="٦١٠٠٠"),
        "INVALID_DECIMAL",
        field_of("price", "٦١٠٠٠", _FORM),
    ),
    BadRequest(
        "price that is no number",
        limit(price="NaN"),
        "INVALID_DECIMAL",
        field_of("price", "NaN", _FORM),
    ),
    # Quantity.
    BadRequest(
        "quantity missing",
        limit(quantity=""),
        "QUANTITY_REQUIRED",
        field_of("quantity", "", "required"),
    ),
    BadRequest(
        "quantity zero",
        limit(quantity="0"),
        "QUANTITY_NOT_POSITIVE",
        field_of("quantity", "0", "above 0") | {"nearestAbove": "0.00001"},
    ),
    BadRequest(
        "quantity between two lots",
        limit(quantity="0.010005"),
        "QUANTITY_NOT_ON_LOT",
        field_of("quantity", "0.010005", "multiple of 0.00001")
        | {"nearestBelow": "0.01", "nearestAbove": "0.01001"},
    ),
    BadRequest(
        "quantity below one lot",
        limit(quantity="0.000001"),
        "QUANTITY_NOT_ON_LOT",
        field_of("quantity", "0.000001", "multiple of 0.00001") | {"nearestAbove": "0.00001"},
    ),
    BadRequest(
        "quantity above the instrument's largest",
        limit(quantity="1000.00001"),
        "QUANTITY_TOO_LARGE",
        field_of("quantity", "1000.00001", "at most 1000") | {"nearestBelow": "1000"},
    ),
    BadRequest(
        "quantity beyond any integer",
        limit(quantity="9" * 30),
        "QUANTITY_TOO_LARGE",
        {"rule": "at most 1000", "nearestBelow": "1000"},
    ),
    # Price.
    BadRequest(
        "limit order without a price",
        limit(price=""),
        "PRICE_REQUIRED",
        field_of("price", "", "required"),
    ),
    BadRequest(
        "price zero",
        limit(price="0.00"),
        "PRICE_NOT_POSITIVE",
        field_of("price", "0.00", "above 0") | {"nearestAbove": "0.01"},
    ),
    BadRequest(
        "price between two ticks",
        limit(price="61000.005"),
        "PRICE_NOT_ON_TICK",
        field_of("price", "61000.005", "multiple of 0.01")
        | {"nearestBelow": "61000", "nearestAbove": "61000.01"},
    ),
    BadRequest(
        "price beyond the market's range",
        limit(price="99999999999"),
        "PRICE_OUT_OF_RANGE",
        field_of("price", "99999999999", "at most 461168601.84") | {"nearestBelow": "461168601.84"},
    ),
    BadRequest(
        "price beyond any integer",
        limit(price="9" * 30),
        "PRICE_OUT_OF_RANGE",
        field_of("price", "9" * 30, "at most 461168601.84") | {"nearestBelow": "461168601.84"},
    ),
    BadRequest(
        "market order with a price",
        market(price="61000"),
        "PRICE_NOT_ALLOWED",
        field_of("price", "61000", "limit orders only"),
    ),
    BadRequest(
        "limit order with a stop price",
        limit(stopPrice="60000"),
        "STOP_PRICE_NOT_ALLOWED",
        field_of("stop_price", "60000", "stop orders only"),
    ),
    *BAD_STOPS,
    # Notional.
    BadRequest(
        "worth less than the smallest notional",
        limit(quantity="0.00008"),
        "NOTIONAL_TOO_SMALL",
        field_of("quantity", "4.88", "at least 5 USDT") | {"nearestAbove": "0.00009"},
    ),
    BadRequest(
        "quote amount below the smallest notional",
        market(quantity="", quoteAmount="4.99"),
        "NOTIONAL_TOO_SMALL",
        field_of("quote_amount", "4.99", "at least 5 USDT") | {"nearestAbove": "5"},
    ),
    # Icebergs.
    BadRequest(
        "iceberg that shows more than it has",
        limit(displayQuantity="0.01001"),
        "DISPLAY_QUANTITY_TOO_LARGE",
        field_of("display_quantity", "0.01001", "at most 0.01") | {"nearestBelow": "0.01"},
    ),
    BadRequest(
        "iceberg of too many parts",
        limit(quantity="1.00001", displayQuantity="0.01"),
        "DISPLAY_QUANTITY_TOO_SMALL",
        field_of("display_quantity", "0.01", "at least 0.01001") | {"nearestAbove": "0.01001"},
    ),
    BadRequest(
        "iceberg that shows a part of a lot",
        limit(displayQuantity="0.000015"),
        "QUANTITY_NOT_ON_LOT",
        field_of("display_quantity", "0.000015", "multiple of 0.00001")
        | {"nearestBelow": "0.00001", "nearestAbove": "0.00002"},
    ),
    BadRequest(
        "iceberg that shows nothing",
        limit(displayQuantity="0"),
        "QUANTITY_NOT_POSITIVE",
        field_of("display_quantity", "0", "above 0") | {"nearestAbove": "0.00001"},
    ),
    BadRequest(
        "iceberg that cannot rest",
        limit(displayQuantity="0.001", timeInForce="IOC"),
        "DISPLAY_QUANTITY_NOT_ALLOWED",
        field_of("display_quantity", "0.001", "limit orders that are GTC or GTD only"),
    ),
    BadRequest(
        "iceberg at the market",
        market(displayQuantity="0.001"),
        "DISPLAY_QUANTITY_NOT_ALLOWED",
        {"field": "display_quantity", "value": "0.001"},
    ),
    # Quote amount.
    BadRequest(
        "quantity and quote amount",
        market(quoteAmount="100"),
        "QUANTITY_OR_QUOTE_AMOUNT",
        {"field": "quantity", "value": "0.01"},
    ),
    BadRequest(
        "limit order by quote amount",
        limit(quantity="", quoteAmount="100"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    BadRequest(
        "market sell by quote amount",
        market(side="SELL", quantity="", quoteAmount="100"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    BadRequest(
        "quote amount finer than the ledger",
        market(quantity="", quoteAmount="100.00000000001"),
        "QUOTE_AMOUNT_TOO_FINE",
        {"nearestBelow": "100", "nearestAbove": "100.0000000001"},
    ),
    BadRequest(
        "quote amount beyond any order",
        market(quantity="", quoteAmount="9" * 30),
        "QUOTE_AMOUNT_TOO_LARGE",
        field_of("quote_amount", "9" * 30, "at most 461168601840")
        | {"nearestBelow": "461168601840"},
    ),
    BadRequest(
        "market buy by quote amount that fills whole or not at all",
        market(quantity="", quoteAmount="100", timeInForce="FOK"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        field_of("quote_amount", "100", "market buys that are IOC and FOK_BUDGET buys only"),
    ),
    BadRequest(
        "budget without an amount",
        limit(timeInForce="FOK_BUDGET"),
        "QUOTE_AMOUNT_REQUIRED",
        field_of("quote_amount", "", "required"),
    ),
    BadRequest(
        "budget without a quantity",
        limit(timeInForce="FOK_BUDGET", quoteAmount="100", quantity=""),
        "QUANTITY_OR_QUOTE_AMOUNT",
        {"field": "quantity", "value": ""},
    ),
    BadRequest(
        "sell within a budget",
        limit(timeInForce="FOK_BUDGET", quoteAmount="100", side="SELL"),
        "QUOTE_AMOUNT_NOT_ALLOWED",
        {"field": "quote_amount", "value": "100"},
    ),
    BadRequest(
        "stop within a budget",
        stop(type="STOP_LIMIT", price="62000", timeInForce="FOK_BUDGET", quoteAmount="700"),
        "TIME_IN_FORCE_NOT_ALLOWED",
        field_of("time_in_force", "FOK_BUDGET", "one of GTC, IOC, FOK, GTD"),
    ),
    # Time in force.
    BadRequest(
        "market order that would rest",
        market(timeInForce="GTC"),
        "TIME_IN_FORCE_NOT_ALLOWED",
        field_of("time_in_force", "GTC", "one of IOC, FOK"),
    ),
    BadRequest(
        "GTD without an expiry",
        limit(timeInForce="GTD"),
        "EXPIRES_AT_REQUIRED",
        field_of("expires_at", "", "required"),
    ),
    BadRequest(
        "expiry without GTD",
        limit(expiresAt="2100-01-01T00:00:00Z"),
        "EXPIRES_AT_NOT_ALLOWED",
        {"field": "expires_at", "rule": "only with GTD"},
    ),
    BadRequest(
        "expiry in the past",
        limit(timeInForce="GTD", expiresAt="2020-01-01T00:00:00Z"),
        "EXPIRES_AT_NOT_IN_FUTURE",
        {"field": "expires_at", "value": "1577836800000000000"},
    ),
    BadRequest(
        "expiry after the last nanosecond of an int64",
        limit(timeInForce="GTD", expiresAt="2262-04-11T23:47:17Z"),
        "EXPIRES_AT_OUT_OF_RANGE",
        field_of("expires_at", "9223372037000000000", "at most 2262-04-11T23:47:16Z")
        | {"nearestBelow": "2262-04-11T23:47:16Z"},
    ),
    BadRequest(
        "expiry before any int64",
        limit(timeInForce="GTD", expiresAt="0001-01-01T00:00:00Z"),
        "EXPIRES_AT_NOT_IN_FUTURE",
        {"field": "expires_at"},
    ),
    # Flags and leverage.
    BadRequest(
        "leverage on spot",
        limit(leverage=2),
        "LEVERAGE_TOO_HIGH",
        field_of("leverage", "2", "1 to 1") | {"nearestBelow": "1"},
    ),
    BadRequest(
        "reduce-only on spot",
        limit(reduceOnly=True),
        "REDUCE_ONLY_NEEDS_POSITION",
        field_of("reduce_only", "true", "perpetuals only"),
    ),
    BadRequest(
        "post-only market order",
        market(postOnly=True),
        "POST_ONLY_NOT_ALLOWED",
        {"field": "post_only"},
    ),
    BadRequest(
        "post-only order that cannot rest",
        limit(postOnly=True, timeInForce="IOC"),
        "POST_ONLY_NOT_ALLOWED",
        {"field": "post_only"},
    ),
    BadRequest(
        "reduce-only order that fills whole or not at all",
        limit(symbol="BTCUSDT-PERP", reduceOnly=True, timeInForce="FOK"),
        "REDUCE_ONLY_NOT_ALLOWED",
        field_of("reduce_only", "true", "not with FOK and FOK_BUDGET"),
    ),
    # The state of the market.
    BadRequest(
        "market that is halted",
        limit(symbol="BTCUSDT-PERP", quantity="0.01", price="61000"),
        "MARKET_HALTED",
        {"symbol": "BTCUSDT-PERP", "state": "HALTED"},
        grpc.StatusCode.FAILED_PRECONDITION,
        400,
    ),
)
"""Each is refused whole: no order, no hold, no row, and its idempotency key stays free."""
