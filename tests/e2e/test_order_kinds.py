"""Each kind of order through the edge, as a trader types it, to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import Exchange

WAIT_S = 30


@pytest.fixture
def other(exchange: Exchange) -> Iterator[httpx.Client]:
    """REST as trader-2."""
    headers = {"authorization": f"Bearer {exchange.token('trader-2')}"}
    with httpx.Client(base_url=exchange.url, headers=headers, trust_env=False) as client:
        yield client


def place(client: httpx.Client, side: str, **body: str) -> str:
    """Place an order in BTC-USDT, of 0.01 BTC at a limit unless it says otherwise; its id."""
    good = {"symbol": "BTC-USDT", "side": side, "type": "LIMIT", "quantity": "0.01"}
    order = {name: value for name, value in (good | body).items() if value}
    reply = client.post("/v1/orders", json=order)
    assert reply.status_code == httpx.codes.ACCEPTED, reply.text
    return str(reply.json()["orderId"])


def until(client: httpx.Client, order_id: str, status: str) -> dict[str, str]:
    """Wait for a state of an order; the order."""
    deadline = time.monotonic() + WAIT_S
    while True:
        order: dict[str, str] = client.get(f"/v1/orders/{order_id}").json()["order"]
        if order["status"] == status:
            return order
        assert time.monotonic() < deadline, order


def asks(client: httpx.Client) -> list[dict[str, str]]:
    """The sell side of the public book."""
    book = client.get("/v1/markets/BTC-USDT/orderbook").json()["book"]
    return list(book["asks"])


def trade(seller: httpx.Client, buyer: httpx.Client, price: str) -> None:
    """Make the last price."""
    sold = place(seller, "SELL", price=price)
    until(seller, sold, "ACCEPTED")
    place(buyer, "BUY", price=price)
    until(seller, sold, "FILLED")


def test_a_trailing_stop_follows_the_trades(http: httpx.Client, other: httpx.Client) -> None:
    trade(other, http, "60000")
    body = {"stopPrice": "59000", "trailOffset": "100", "activationPrice": "60200"}
    stop = place(http, "SELL", type="STOP_MARKET", **body)
    waiting = until(http, stop, "ACCEPTED")
    assert {name: waiting[name] for name in body} == body
    place(other, "BUY", price="60050")
    for price in ("60200", "60100"):
        trade(other, http, price)
    assert until(http, stop, "FILLED")["averagePrice"] == "60050"


def test_a_market_buy_by_amount_spends_it(http: httpx.Client, other: httpx.Client) -> None:
    trade(other, http, "60000")
    sold = place(other, "SELL", price="60000")
    until(other, sold, "ACCEPTED")
    bought = place(http, "BUY", type="MARKET", quantity="", quoteAmount="100")
    order = until(http, bought, "FILLED")
    assert (order["quoteAmount"], order["quantity"]) == ("100", "")
    assert order["filledQuantity"] == "0.00166"  # 99.6 and its fee; a lot more is too much
    other.delete(f"/v1/orders/{sold}")
    until(other, sold, "CANCELED")


@pytest.mark.spec("eng-type-fok-budget")
def test_a_fok_budget_buy_is_filled_within_its_budget(
    http: httpx.Client, other: httpx.Client
) -> None:
    trade(other, http, "60000")
    place(other, "SELL", price="60000")
    body = {"price": "60000", "timeInForce": "FOK_BUDGET"}
    killed = place(http, "BUY", quoteAmount="601", **body)
    assert until(http, killed, "CANCELED")["reason"] == "BUDGET_EXHAUSTED"
    until(http, place(http, "BUY", quoteAmount="602", **body), "FILLED")


def test_an_iceberg_shows_a_part_of_what_it_has(http: httpx.Client, other: httpx.Client) -> None:
    hidden = place(http, "SELL", price="60900", quantity="0.05", displayQuantity="0.01")
    assert until(http, hidden, "ACCEPTED")["displayQuantity"] == "0.01"
    taken = place(other, "BUY", price="60900", quantity="0.03")
    until(other, taken, "FILLED")
    rest = until(http, hidden, "PARTIALLY_FILLED")
    assert (rest["filledQuantity"], rest["remainingQuantity"]) == ("0.03", "0.02")
    deadline = time.monotonic() + WAIT_S
    while {"price": "60900", "quantity": "0.01"} not in asks(http):
        assert time.monotonic() < deadline, asks(http)
    http.delete(f"/v1/orders/{hidden}")
    until(http, hidden, "CANCELED")


@pytest.mark.spec("tbl-stop-price")
def test_a_stop_order_waits_for_its_trigger_and_fills(
    http: httpx.Client, other: httpx.Client
) -> None:
    trade(other, http, "60000")
    stop = place(http, "BUY", type="STOP_MARKET", stopPrice="60100")
    waiting = until(http, stop, "ACCEPTED")
    assert (waiting["stopPrice"], "triggeredAt" in waiting) == ("60100", False)
    limited = place(http, "SELL", type="STOP_LIMIT", stopPrice="50000", price="49900")
    until(http, limited, "ACCEPTED")
    place(other, "SELL", price="60110")
    trade(other, http, "60100")
    assert until(http, stop, "FILLED")["averagePrice"] == "60110"
    assert http.delete(f"/v1/orders/{limited}").status_code == httpx.codes.ACCEPTED
    assert until(http, limited, "CANCELED")["reason"] == "CANCEL_REQUESTED"


@pytest.mark.spec("sm-accepted-replace", "sm-replace-replaced")
def test_an_order_is_replaced_and_then_another_takes_its_place(http: httpx.Client) -> None:
    order_id = place(http, "BUY", price="50000")
    until(http, order_id, "ACCEPTED")
    mistyped = http.put(f"/v1/orders/{order_id}", json={"price": "50001", "quantityy": "0.02"})
    assert mistyped.status_code == httpx.codes.BAD_REQUEST
    assert mistyped.json()["details"][0]["reason"] == "UNKNOWN_FIELD"
    changes = {"price": "50001", "quantity": "0.02", "expectedVersion": 1}
    reply = http.put(f"/v1/orders/{order_id}", json=changes)
    assert reply.status_code == httpx.codes.ACCEPTED, reply.text
    asked = reply.json()
    assert (asked["orderId"], asked["status"], asked["version"]) == (order_id, "REPLACE_PENDING", 2)
    replaced = until(http, order_id, "ACCEPTED")
    assert (str(replaced["version"]), replaced["price"]) == ("2", "50001")
    assert replaced["quantity"] == "0.02"
    stale = http.put(f"/v1/orders/{order_id}", json=changes | {"price": "50002"})
    assert stale.status_code == httpx.codes.CONFLICT
    body = {"symbol": "BTC-USDT", "side": "BUY", "type": "LIMIT", "price": "49000"}
    swapped = http.post(f"/v1/orders/{order_id}/cancel-replace", json=body | {"quantity": "0.01"})
    assert swapped.status_code == httpx.codes.ACCEPTED, swapped.text
    until(http, order_id, "CANCELED")
    new_id = str(swapped.json()["orderId"])
    assert until(http, new_id, "ACCEPTED")["price"] == "49000"
    http.delete(f"/v1/orders/{new_id}")
    until(http, new_id, "CANCELED")
