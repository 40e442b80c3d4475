"""`MESH_MARKETS=2 mesh up`: a second engine, reached by the same REST, alone when it dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Exchange

WAIT_S = 60


@pytest.fixture
def exchange(
    ports_of_its_own: dict[str, str], servers_folder: Path, two_markets_file: Path
) -> Iterator[Exchange]:
    """Give an exchange of two markets; stopped and removed when the test is over."""
    environment = ports_of_its_own | {
        "MESH_MARKETS": "2", "MESH_INSTRUMENTS_FILE": str(two_markets_file),
    }  # fmt: skip
    exchange = Exchange(servers_folder / "two-markets", environment)
    exchange.start()
    yield exchange
    exchange.wait_settled()
    assert exchange.stop() == 0, exchange.text()
    assert exchange.mesh("reset", "--yes").returncode == 0


def until(asked: Callable[[], bool]) -> None:
    """Ask again and again until it holds."""
    deadline = time.monotonic() + WAIT_S
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def order(http: httpx.Client, symbol: str, side: str, price: str) -> str:
    """Place an order for 0.01; its id."""
    body = {"symbol": symbol, "side": side, "type": "LIMIT", "price": price, "quantity": "0.01"}
    reply = http.post("/v1/orders", json=body)
    assert reply.status_code == httpx.codes.ACCEPTED, reply.text
    placed: str = reply.json()["orderId"]
    return placed


def status(http: httpx.Client, order_id: str) -> str:
    """The state of an order."""
    found: str = http.get(f"/v1/orders/{order_id}").json()["order"]["status"]
    return found


def bids(http: httpx.Client, symbol: str) -> list[str]:
    """The prices of a book's buyers; none while it is not there."""
    reply = http.get(f"/v1/markets/{symbol}/orderbook")
    return [level["price"] for level in reply.json()["book"]["bids"]] if reply.is_success else []


def test_orders_of_both_markets_trade_and_one_engine_dies_alone(exchange: Exchange) -> None:
    headers = {"authorization": f"Bearer {exchange.token()}"}
    with httpx.Client(base_url=exchange.url, headers=headers, trust_env=False) as http:
        btc, eth = order(http, "BTC-USDT", "BUY", "60000"), order(http, "ETH-USDT", "BUY", "2600")
        until(lambda: status(http, btc) == status(http, eth) == "ACCEPTED")
        os.kill(exchange.pid_of("engine-2"), signal.SIGKILL)
        waiting = order(http, "ETH-USDT", "BUY", "2601")
        going = order(http, "BTC-USDT", "BUY", "60001")
        until(lambda: status(http, going) == "ACCEPTED")
        until(lambda: status(http, waiting) == "ACCEPTED")
        until(lambda: bids(http, "BTC-USDT") == ["60001", "60000"])
        until(lambda: bids(http, "ETH-USDT") == ["2601", "2600"])
        shown = exchange.mesh("engine", "book", "5", "--market", "2")
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.count("buy") == 2
        assert http.delete("/v1/orders", params={"side": "SELL"}).json()["requested"] == 0
        reply = http.delete("/v1/orders", params={"symbol": "eth-usdt", "side": "BUY"})
        assert (reply.status_code, reply.json()["requested"]) == (httpx.codes.ACCEPTED, 2)
        assert http.delete("/v1/orders").json()["requested"] == 2
        until(lambda: {status(http, one) for one in (btc, eth, waiting, going)} == {"CANCELED"})
        wrong = http.delete("/v1/orders", params={"side": "BOTH"})
        assert wrong.status_code == httpx.codes.BAD_REQUEST
        assert "BOTH" in wrong.text
    assert "engine-2 is back" in exchange.text()
    assert "engine is back" not in exchange.text()
    elsewhere = exchange.mesh("engine", "statistics", "--market", "3")
    assert elsewhere.returncode == 1
    assert "no engine-3 runs in" in elsewhere.stderr
