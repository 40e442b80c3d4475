"""What the edge lets in, and what it says to everything else."""

from __future__ import annotations

import json
import time

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.edge_routes import Method, read_methods
from mesh.installation import DESCRIPTOR_SET
from mesh.tokens import AUDIENCE, ISSUER
from tests.bad_bodies import BadRequest
from tests.bad_requests import BAD_REQUESTS
from tests.e2e.conftest import Exchange, error_of

METHODS = read_methods(DESCRIPTOR_SET)
ORDER = {
    "symbol": "BTC-USDT",
    "side": "BUY",
    "type": "LIMIT",
    "price": "50000",
    "quantity": "0.001",
}


def _call(channel: grpc.Channel, method: Method, metadata: tuple[tuple[str, str], ...]) -> bytes:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method.grpc_path)
    return call(b"", metadata=metadata, timeout=10)


@pytest.mark.parametrize(
    "method", [m for m in METHODS if not m.public], ids=lambda m: str(m.grpc_path)
)
def test_a_method_that_is_not_public_cannot_be_reached(exchange: Exchange, method: Method) -> None:
    metadata = (("authorization", f"Bearer {exchange.token()}"), ("x-mesh-caller", "mesh"))
    with (
        grpc.insecure_channel(exchange.running.edge_target) as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        _call(channel, method, metadata)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    reply = httpx.post(exchange.url + method.grpc_path, json={}, trust_env=False)
    assert reply.status_code == httpx.codes.NOT_FOUND
    assert error_of(reply)["reason"] == "UNKNOWN_ROUTE"


@pytest.mark.parametrize(
    "method",
    [m for m in METHODS if m.public and not m.anonymous],
    ids=lambda m: str(m.grpc_path),
)
def test_a_private_method_wants_a_token(exchange: Exchange, method: Method) -> None:
    with grpc.insecure_channel(exchange.running.edge_target) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            _call(channel, method, ())
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    for binding in method.bindings:
        path = binding.path.replace("{order_id}", "x").replace("{symbol}", "x")
        reply = httpx.request(binding.verb, exchange.url + path, trust_env=False)
        assert reply.status_code == httpx.codes.UNAUTHORIZED
        assert error_of(reply)["reason"] == "UNAUTHENTICATED"


def _claims(exchange: Exchange, **changes: object) -> dict[str, object]:
    claims = jwt.decode(exchange.token(), options={"verify_signature": False})
    return {key: value for key, value in (claims | changes).items() if value is not None}


def _signed(exchange: Exchange, claims: dict[str, object]) -> str:
    from mesh.tokens import _load_or_make  # noqa: PLC0415

    key = _load_or_make(exchange.installation.secrets / "signing.pem")
    return jwt.encode(claims, key, algorithm="EdDSA")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"exp": 1}, 401),
        ({"aud": "somebody else"}, 403),
        ({"iss": "somebody else"}, 401),
        ({"sub": None}, 401),
        ({"account": None}, 401),
        ({"sub": "not an id"}, 401),
        ({"exp": None}, 401),
    ],
)
def test_a_token_that_says_too_little_is_refused(
    exchange: Exchange, changes: dict[str, object], status: int
) -> None:
    token = _signed(exchange, _claims(exchange, **changes))
    reply = httpx.get(
        f"{exchange.url}/v1/accounts/balances",
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert reply.status_code == status, reply.text
    error_of(reply)


def test_a_token_of_another_key_is_refused(exchange: Exchange) -> None:
    forged = jwt.encode(
        _claims(exchange, iss=ISSUER, aud=AUDIENCE), Ed25519PrivateKey.generate(), "EdDSA"
    )
    reply = httpx.get(
        f"{exchange.url}/v1/accounts/balances",
        headers={"authorization": f"Bearer {forged}"},
        trust_env=False,
    )
    assert reply.status_code == httpx.codes.UNAUTHORIZED


def test_identity_that_a_client_claims_by_itself_is_not_believed(
    exchange: Exchange, http: httpx.Client
) -> None:
    other = jwt.decode(exchange.token("trader-2"), options={"verify_signature": False})
    claimed = {"x-user-id": other["sub"], "x-account-id": other["account"]}
    placed = http.post("/v1/orders", json=ORDER, headers=claimed)
    order_id = placed.json()["orderId"]
    order = http.get(f"/v1/orders/{order_id}").json()["order"]
    assert order["accountId"] != other["account"]
    anonymous = httpx.get(f"{exchange.url}/v1/orders", headers=claimed, trust_env=False)
    assert anonymous.status_code == httpx.codes.UNAUTHORIZED
    http.delete(f"/v1/orders/{order_id}")


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: str(bad.name))
def test_a_bad_order_is_told_value_rule_and_what_would_be_right(
    http: httpx.Client, bad: BadRequest
) -> None:
    reply = http.post("/v1/orders", json=dict(bad.body))
    assert reply.status_code == bad.http_status, reply.text
    info = error_of(reply)
    assert info["reason"] == bad.reason, reply.text
    metadata = info["metadata"]
    assert isinstance(metadata, dict)
    assert bad.metadata.items() <= metadata.items(), reply.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"symbol":', "MALFORMED_REQUEST"),
        ('{"symbol":"BTC-USDT","side":"SIDEWAYS"}', "MALFORMED_REQUEST"),
        ('{"symbol":"BTC-USDT","quantity":1}', "MALFORMED_REQUEST"),
        ('{"symbol":"BTC-USDT","timeInForc":"IOC"}', "UNKNOWN_FIELD"),
        ('{"symbol":"BTC-USDT","price":"1","price":"2"}', "DUPLICATE_FIELD"),
        ('{"clientOrderId":"a","client_order_id":"b"}', "DUPLICATE_FIELD"),
    ],
)
def test_a_body_that_is_no_order_is_refused_by_the_edge(
    http: httpx.Client, content: str, reason: str
) -> None:
    reply = http.post("/v1/orders", content=content)
    assert reply.status_code == httpx.codes.BAD_REQUEST, reply.text
    assert error_of(reply)["reason"] == reason


def test_a_body_beyond_the_limit_is_refused_whole(http: httpx.Client) -> None:
    reply = http.post("/v1/orders", content=json.dumps({"symbol": "B" * (1 << 20)}))
    assert reply.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert error_of(reply)["reason"] == "BODY_TOO_LARGE"


def test_the_documents_prefix_reaches_the_same_routes(http: httpx.Client) -> None:
    assert http.get("/api/v1/markets").json() == http.get("/v1/markets").json()
    reply = http.get("/v1/orders", params={"bogus": "1"})
    assert reply.status_code == httpx.codes.BAD_REQUEST
    assert "bogus" in reply.text


@pytest.mark.spec("api-202")
def test_place_look_cancel_answer_as_the_specification_says(http: httpx.Client) -> None:
    placed = http.post("/v1/orders", json=ORDER | {"clientOrderId": "spec-1"})
    assert placed.status_code == httpx.codes.ACCEPTED
    assert set(placed.json()) == {"orderId", "status", "message"}
    assert placed.json()["status"] == "NEW"
    order_id = placed.json()["orderId"]
    canceled = http.delete(f"/v1/orders/{order_id}")
    assert canceled.status_code == httpx.codes.ACCEPTED
    assert canceled.json()["status"] == "CANCEL_PENDING"
    deadline = time.monotonic() + 30
    while (status := http.get(f"/v1/orders/{order_id}").json()["order"]["status"]) != "CANCELED":
        assert time.monotonic() < deadline, status
    again = http.delete(f"/v1/orders/{order_id}")
    assert error_of(again)["reason"] == "ORDER_NOT_LIVE"


def test_every_public_read_answers(http: httpx.Client) -> None:
    for path in (
        "/v1/markets",
        "/v1/markets/btcusdt",
        "/v1/markets/tickers",
        "/v1/markets/BTC-USDT/ticker",
        "/v1/markets/BTC-USDT/orderbook",
        "/v1/markets/BTC-USDT/trades",
        "/v1/markets/BTC-USDT/candles?interval=1h",
        "/v1/orders",
        "/v1/orders?status=canceled&limit=5&symbol=BTCUSDT",
        "/v1/trades",
        "/v1/trades/BTC-USDT",
        "/v1/accounts/balances",
        "/v1/accounts/balances/usdt",
    ):
        reply = http.get(path)
        assert reply.status_code == httpx.codes.OK, (path, reply.text)
