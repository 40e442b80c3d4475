"""An operator begins a later semantic version: the engine that runs ends, one that has it goes on.

The later engine is this one with its version raised by one: what it would do differently is its
own affair, how it comes to the log is what is tested here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from svc.engine.records import SEMANTIC_VERSION
from tests.e2e.conftest import SETTLE_TIMEOUT_S, Exchange

NEXT = SEMANTIC_VERSION + 1
LATER_ENGINE = f"""\
from svc.engine import records

records.SEMANTIC_VERSION = {NEXT}
"""
"""What a Python process runs at its start, under the name sitecustomize."""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline


class Trader:
    """Places orders and looks at them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def place(self) -> str:
        """Its id."""
        order = {
            "symbol": "BTC-USDT", "side": "BUY", "type": "LIMIT", "price": "50000",
            "quantity": "0.001",
        }  # fmt: skip
        return str(self._ask("POST", "", json=order)["orderId"])

    def status(self, order_id: str) -> str:
        """What has become of it."""
        order = self._ask("GET", f"/{order_id}")["order"]
        assert isinstance(order, dict)
        return str(order["status"])

    def cancel(self, order_id: str) -> None:
        """Asks for it."""
        self._ask("DELETE", f"/{order_id}")

    def _ask(self, method: str, path: str, json: object = None) -> dict[str, object]:
        reply = httpx.request(
            method,
            f"{self._exchange.url}/v1/orders{path}",
            headers={"authorization": f"Bearer {self._exchange.token()}"},
            json=json,
            trust_env=False,
        )
        assert reply.is_success, reply.text
        told: dict[str, object] = reply.json()
        return told


@pytest.fixture
def exchange_of_its_own(
    ports_of_its_own: dict[str, str], servers_folder: Path
) -> Iterator[Exchange]:
    """One whose engine may end."""
    exchange = Exchange(servers_folder / "versions", ports_of_its_own)
    exchange.start()
    try:
        yield exchange
        exchange.wait_settled()
    finally:
        exchange.stop()


def known(exchange: Exchange) -> dict[str, object]:
    """What the engine says of itself."""
    asked = exchange.mesh("engine", "statistics")
    assert asked.returncode == 0, asked.stderr
    told: dict[str, object] = json.loads(asked.stdout)
    return told


def test_orders_wait_for_the_engine_of_the_version_that_an_operator_begins(
    exchange_of_its_own: Exchange, servers_folder: Path
) -> None:
    exchange = exchange_of_its_own
    trader, begin = Trader(exchange), ("engine", "begin-version", str(NEXT))
    before = trader.place()
    until(lambda: trader.status(before) == "ACCEPTED")
    begun = exchange.mesh(*begin)
    assert (begun.returncode, known(exchange)["semanticVersion"]) == (1, SEMANTIC_VERSION)
    assert "nothing is matched until" in begun.stdout

    begun = exchange.mesh(*begin, "--yes")
    assert (begun.returncode, json.loads(begun.stdout)) == (0, {"added": True}), begun.stderr
    log = exchange.installation.part("engine") / "log"
    ended = f"is of semantic version {NEXT}, this engine knows {SEMANTIC_VERSION}"
    until(lambda: ended in log.read_text(errors="replace"))
    assert "JOURNAL_VERSION" in log.read_text(errors="replace")
    behind = trader.place()
    assert trader.status(behind) == "NEW"

    assert exchange.stop() == 0, exchange.text()
    later = servers_folder / "later"
    later.mkdir()
    (later / "sitecustomize.py").write_text(LATER_ENGINE)
    exchange.environment |= {"PYTHONPATH": str(later)}
    exchange.start()
    until(lambda: trader.status(behind) == "ACCEPTED")
    engine = known(exchange)
    assert (engine["semanticVersion"], engine["liveOrders"]) == (NEXT, "2")
    trader.cancel(before)
    until(lambda: trader.status(before) == "CANCELED")
    again = exchange.mesh(*begin, "--yes")
    assert again.returncode == 1
    assert f"version {NEXT} holds already" in again.stderr
