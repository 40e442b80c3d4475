"""Cancel all: every order that lived when the call came, and none besides."""

from __future__ import annotations

import pytest
from order.v1 import order_pb2

from tests.order.exchange import Exchange, Status, Trader, limit, market, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

Item = order_pb2.OrderItem


async def rest(trader: Trader, *requests: order_pb2.CreateOrderRequest) -> list[str]:
    """Orders, each once the market has it."""
    placed = [await trader.place(request) for request in requests]
    for order_id in placed:
        await trader.until(order_id, "ACCEPTED")
    return placed


async def statuses(trader: Trader, order_ids: list[str]) -> set[str]:
    """The states of orders, by name."""
    return {Status.Value.Name((await trader.order(order_id)).status) for order_id in order_ids}


@pytest.mark.spec("orders-delete-all")
async def test_all_orders_of_the_account_go_and_nobody_elses(desk: Exchange) -> None:
    trader, other = await desk.trader(), await desk.trader()
    own = await rest(
        trader,
        limit("BUY", price="50000"),
        limit("SELL", price="62000"),
        market("SELL", type="STOP_MARKET", stop_price="58000"),
        limit("BUY", "0.01", "2500", symbol="ETH-USDT"),
    )
    foreign = await rest(other, limit("BUY", price="50001"))
    assert await trader.cancel_all() == len(own)
    for order_id in own:
        await trader.until(order_id, "CANCELED")
    assert await statuses(other, foreign) == {"ACCEPTED"}
    assert await trader.cancel_all() == 0
    await desk.settled()
    assert (await trader.balance("USDT")).locked == "0"
    assert (await trader.balance("BTC")).locked == "0"


async def test_only_those_of_a_symbol_or_side_go(desk: Exchange) -> None:
    trader = await desk.trader()
    buy, sell, elsewhere = await rest(
        trader,
        limit("BUY", price="50000"),
        limit("SELL", price="62000"),
        limit("BUY", "0.01", "2500", symbol="ETH-USDT"),
    )
    assert await trader.cancel_all(symbol="btcusdt", side="BUY") == 1
    await trader.until(buy, "CANCELED")
    assert await statuses(trader, [sell, elsewhere]) == {"ACCEPTED"}
    assert await trader.cancel_all(symbol="ETH-USDT") == 1
    await trader.until(elsewhere, "CANCELED")
    assert await statuses(trader, [sell]) == {"ACCEPTED"}
    assert await trader.cancel_all(side="SELL") == 1
    await trader.until(sell, "CANCELED")


async def test_orders_that_the_market_has_not_seen_yet_and_more_than_one_part_go(
    desk: Exchange,
) -> None:
    trader = await desk.trader()
    placed: list[str] = []
    for first in range(0, 1_100, 220):
        items = [
            Item(create=limit("BUY", "0.001", str(50_000 + number)))
            for number in range(first, first + 220)
        ]
        placed += [result.order_id for result in await trader.submit(*items)]
    assert await trader.cancel_all() == len(set(placed)) == 1_100
    await desk.settled()
    assert (await trader.list(status="CANCELED", limit=1)).pagination.total == 1_100
    assert (await trader.balance("USDT")).locked == "0"


async def test_what_cannot_be_canceled_together_is_refused(desk: Exchange) -> None:
    trader = await desk.trader()
    unknown = order_pb2.CancelAllOrdersRequest(symbol="BTC-USDX")
    call = trader.orders.CancelAllOrders(unknown, metadata=trader.metadata())
    assert (await refused(call)).reason == "UNKNOWN_SYMBOL"
    keyed = trader.metadata(x_idempotency_key="k")
    call = trader.orders.CancelAllOrders(order_pb2.CancelAllOrdersRequest(), metadata=keyed)
    assert (await refused(call)).reason == "IDEMPOTENCY_KEY_PER_ITEM"
    for wrong in (0, 9):
        named = order_pb2.CancelAllOrdersRequest(side=wrong)  # type: ignore[arg-type]
        call = trader.orders.CancelAllOrders(named, metadata=trader.metadata())
        error = await refused(call)
        assert (error.reason, error.metadata["field"]) == ("INVALID_FIELD", "side")
