"""One order instead of another, both or neither, over the real services."""

from __future__ import annotations

import pytest
from order.v1 import order_pb2

from svc.kit.call import HTTP_STATUS_KEY
from tests.order.exchange import Exchange, Status, Trader, limit, market, refused, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def resting(trader: Trader, request: order_pb2.CreateOrderRequest) -> str:
    """Give an order that the market has."""
    placed = await trader.place(request)
    await trader.until(placed, "ACCEPTED")
    return placed


async def test_one_order_goes_and_another_comes(desk: Exchange) -> None:
    trader = await desk.trader(USDT="2000")
    old = await resting(trader, limit(quantity="0.01", price="50000", client_order_id="a"))
    request = order_pb2.CancelReplaceOrderRequest(
        order_id="client:a", order=limit(quantity="0.02", price="51000", client_order_id="b")
    )
    asking = trader.orders.CancelReplaceOrder(request, metadata=trader.metadata())
    asked = await asking
    assert dict(await asking.initial_metadata())[HTTP_STATUS_KEY] == "202"
    assert (asked.status, asked.order_id != old) == (Status.NEW, True)
    new = await trader.until(asked.order_id, "ACCEPTED")
    assert (new.price, new.quantity, new.version, new.client_order_id) == ("51000", "0.02", 1, "b")
    gone = await trader.until(old, "CANCELED")
    assert gone.reason == "CANCEL_REQUESTED"
    assert (await trader.balance("USDT")).locked == "1022.55"


async def test_the_new_order_may_be_of_another_type(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader()
    await resting(seller, limit("SELL", "0.01", "60000"))
    old = await resting(buyer, limit("BUY", "0.01", "50000"))
    asked = await buyer.swap(old, limit("BUY", "0.02", "60000", time_in_force="IOC"))
    taken = await buyer.until(asked.order_id, "CANCELED")
    assert (taken.filled_quantity, taken.reason) == ("0.01", "IOC_REMAINDER")
    await buyer.until(old, "CANCELED")
    assert (await buyer.balance("USDT")).locked == "0"


async def test_what_the_market_refuses_leaves_the_old_order_and_frees_the_new_ones_funds(
    desk: Exchange,
) -> None:
    seller, buyer = await desk.trader(), await desk.trader(USDT="2000")
    await resting(seller, limit("SELL", "0.01", "60000"))
    old = await resting(buyer, limit("BUY", "0.01", "50000"))
    asked = await buyer.swap(old, limit("BUY", "0.01", "60000", post_only=True))
    rejected = await buyer.until(asked.order_id, "REJECTED")
    assert rejected.reason == "POST_ONLY_WOULD_TAKE"
    order = await until(lambda: buyer.order(old), lambda found: found.replace_reason != "")
    assert Status.Value.Name(order.status) == "ACCEPTED"
    assert (order.replace_reason, order.reason) == ("POST_ONLY_WOULD_TAKE", "")
    assert (await buyer.balance("USDT")).locked == "501.25"
    await buyer.replace(old, price="50001")
    assert (await buyer.at_version(old, 2)).replace_reason == ""


async def test_a_new_order_that_cannot_be_funded_is_rejected_and_the_old_one_stays(
    desk: Exchange,
) -> None:
    trader = await desk.trader(USDT="600")
    old = await resting(trader, limit(quantity="0.01", price="50000"))
    error = await refused(trader.swap(old, limit(quantity="0.01", price="55000")))
    assert (error.reason, error.metadata["status"]) == ("INSUFFICIENT_BALANCE", "REJECTED")
    assert (await trader.order(error.metadata["orderId"])).reason == "INSUFFICIENT_BALANCE"
    await desk.settled()
    assert Status.Value.Name((await trader.order(old)).status) == "ACCEPTED"
    assert (await trader.balance("USDT")).locked == "501.25"


@pytest.mark.parametrize(
    ("order", "reason", "metadata"),
    [
        (limit("SELL", price="70000"), "REPLACES_ANOTHER_KIND", {"field": "side"}),
        (limit(price="50000.001"), "PRICE_NOT_ON_TICK", {"field": "price"}),
        (limit(symbol="ETH-USDT", price="3000"), "REPLACES_ANOTHER_KIND", {"field": "symbol"}),
        (limit(symbol="NOT-THERE"), "UNKNOWN_SYMBOL", {}),
        (order_pb2.CreateOrderRequest(), "INVALID_FIELD", {"field": "symbol"}),
        (market(price="50000"), "PRICE_NOT_ALLOWED", {}),
        (limit(price="50000", client_order_id="old"), "DUPLICATE_CLIENT_ORDER_ID", {}),
    ],
    ids=["side", "tick", "symbol", "unknown", "empty", "price", "client id"],
)
async def test_a_wrong_new_order_leaves_nothing_but_the_old_one(
    desk: Exchange, order: order_pb2.CreateOrderRequest, reason: str, metadata: dict[str, str]
) -> None:
    trader = await desk.trader()
    old = await resting(trader, limit(quantity="0.01", price="50000", client_order_id="old"))
    error = await refused(trader.swap(old, order))
    assert error.reason == reason
    assert metadata.items() <= error.metadata.items()
    assert (await trader.list()).pagination.total == 1
    assert Status.Value.Name((await trader.order(old)).status) == "ACCEPTED"
    assert (await trader.balance("USDT")).locked == "501.25"


async def test_an_order_that_is_not_the_accounts_or_not_live_brings_no_other(
    desk: Exchange,
) -> None:
    trader, other = await desk.trader(), await desk.trader()
    old = await resting(trader, limit(price="50000"))
    assert (await refused(other.swap(old, limit(price="50000")))).reason == "UNKNOWN_ORDER"
    await trader.cancel(old)
    await trader.until(old, "CANCELED")
    assert (await refused(trader.swap(old, limit(price="50000")))).reason == "ORDER_NOT_LIVE"
    for one in (trader, other):
        assert (await one.balance("USDT")).locked == "0"


async def test_a_key_makes_a_cancel_replace_happen_once(desk: Exchange) -> None:
    trader = await desk.trader()
    old = await resting(trader, limit(price="50000"))
    order = limit(price="50001", idempotency_key="k")
    asked = await trader.swap(old, order)
    await trader.until(asked.order_id, "ACCEPTED")
    assert await trader.swap(old, order) == asked
    other = limit(price="50002", idempotency_key="k")
    assert (await refused(trader.swap(old, other))).reason == "IDEMPOTENCY_KEY_REUSED"
    await desk.settled()
    assert (await trader.list()).pagination.total == 2
