"""Bodies of POST /v1/orders with something wrong in them, and what they are told."""

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


def limit(**changes: str | int | bool) -> Json:
    good: dict[str, str | int | bool] = {
        "symbol": "BTC-USDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "0.01",
        "price": "61000",
    }
    return {key: value for key, value in (good | changes).items() if value != ""}


def market(**changes: str | int | bool) -> Json:
    return limit(**({"type": "MARKET", "price": ""} | changes))


def stop(**changes: str | int | bool) -> Json:
    return market(**({"type": "STOP_MARKET", "stopPrice": "62000"} | changes))


def field_of(name: str, value: str, rule: str) -> dict[str, str]:
    return {"field": name, "value": value, "rule": rule}
