"""Lists and streams of orders: results in order, and the log in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from order.v1 import order_pb2

from svc.order.streaming import MOST_IN_FLIGHT
from tests.order.exchange import Exchange, Trader, limit, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

Item, Cancel = order_pb2.OrderItem, order_pb2.CancelOrderRequest


async def sequences(trader: Trader, order_ids: list[str]) -> list[int]:
    """The market's event that each order saw first, here its acknowledgement."""
    return [(await trader.until(order_id, "ACCEPTED")).sequence for order_id in order_ids]


async def test_items_of_a_list_reach_the_market_in_their_order(desk: Exchange) -> None:
    trader = await desk.trader()
    items = [Item(create=limit(price=str(50_000 + number))) for number in range(100)]
    results = await trader.submit(*items)
    order_ids = [result.order_id for result in results]
    prices = [(await trader.order(order_id)).price for order_id in order_ids]
    assert prices == [str(50_000 + number) for number in range(100)]
    seen = await sequences(trader, order_ids)
    assert seen == sorted(seen)


async def test_a_list_mixes_orders_and_cancels_of_one_account(desk: Exchange) -> None:
    trader, other = await desk.trader(), await desk.trader()
    mine, foreign = (
        await trader.place(limit(price="50000")),
        await other.place(limit(price="50000")),
    )
    results = await trader.submit(
        Item(cancel=Cancel(order_id=mine)),
        Item(create=limit(price="50001")),
        Item(cancel=Cancel(order_id=foreign)),
        Item(cancel=Cancel(order_id=mine)),
    )
    assert [result.error.reason for result in results] == ["", "", "UNKNOWN_ORDER", ""]
    assert results[0].order_id == results[3].order_id == mine
    await trader.until(mine, "CANCELED")
    assert (await other.until(foreign, "ACCEPTED")).status


async def test_orders_and_cancels_keep_their_order_in_the_log(desk: Exchange) -> None:
    trader = await desk.trader()
    first = [await trader.place(limit(price="50000")) for _ in range(2)]
    results = await trader.submit(
        Item(create=limit(price="50001")),
        Item(cancel=Cancel(order_id=first[1])),
        Item(create=limit(price="50002")),
        Item(cancel=Cancel(order_id=first[0])),
    )
    await desk.settled()
    seen = [(await trader.order(result.order_id)).sequence for result in results]
    assert seen == sorted(seen)
    assert len(set(seen)) == 4


async def test_funds_are_decided_item_by_item(desk: Exchange) -> None:
    trader = await desk.trader(USDT="1000")
    items = [Item(create=limit("BUY", "0.01", "50000")) for _ in range(3)]  # 501.25 each
    results = await trader.submit(*items)
    assert [r.error.reason for r in results] == ["", "INSUFFICIENT_BALANCE", "INSUFFICIENT_BALANCE"]
    rejected = await trader.order(results[2].order_id)
    assert results[2].status == rejected.status
    assert results[2].error.metadata["orderId"] == results[2].order_id


async def test_a_list_has_1_to_256_items(desk: Exchange) -> None:
    trader = await desk.trader()
    assert (await refused(trader.submit())).metadata["rule"] == "repeated.min_items"
    too_many = [Item()] * 257
    assert (await refused(trader.submit(*too_many))).metadata["rule"] == "repeated.max_items"


async def test_a_list_takes_no_key_for_all(desk: Exchange) -> None:
    trader = await desk.trader()
    request = order_pb2.SubmitOrdersRequest(items=[Item(create=limit())])
    call = trader.orders.SubmitOrders(request, metadata=trader.metadata(x_idempotency_key="k"))
    assert (await refused(call)).reason == "IDEMPOTENCY_KEY_PER_ITEM"


async def test_a_stream_answers_each_item_in_order(desk: Exchange) -> None:
    trader = await desk.trader()

    async def items() -> AsyncIterator[order_pb2.StreamOrdersRequest]:
        for number in range(300):
            price = "bad" if number % 100 == 7 else str(50_000 + number)
            yield order_pb2.StreamOrdersRequest(item=Item(create=limit(price=price)))

    call = trader.orders.StreamOrders(items(), metadata=trader.metadata())
    results = [response.result async for response in call]
    assert len(results) == 300
    refused_ones = [n for n, result in enumerate(results) if result.HasField("error")]
    assert refused_ones == [7, 107, 207]
    good = [result.order_id for result in results if result.order_id]
    prices = [(await trader.order(order_id)).price for order_id in good[:20]]
    assert prices == [str(50_000 + n) for n in range(21) if n != 7]
    seen = await sequences(trader, good)
    assert seen == sorted(seen)


async def test_a_stream_is_a_conversation(desk: Exchange) -> None:
    trader = await desk.trader()
    call = trader.orders.StreamOrders(metadata=trader.metadata())

    async def ask(item: order_pb2.OrderItem) -> str:
        await call.write(order_pb2.StreamOrdersRequest(item=item))
        response = await call.read()
        assert isinstance(response, order_pb2.StreamOrdersResponse)
        return response.result.order_id

    for price in ("50000", "50001"):
        placed = await ask(Item(create=limit(price=price)))
        assert await ask(Item(cancel=Cancel(order_id=placed))) == placed
        await trader.until(placed, "CANCELED")
    await call.done_writing()
    assert not isinstance(await call.read(), order_pb2.StreamOrdersResponse)


async def test_a_stream_whose_answers_nobody_takes_is_read_no_further(desk: Exchange) -> None:
    trader = await desk.trader()
    read = 0

    async def items() -> AsyncIterator[order_pb2.StreamOrdersRequest]:
        nonlocal read
        while True:
            read += 1
            yield order_pb2.StreamOrdersRequest(item=Item(create=limit(price="bad")))

    call = trader.orders.StreamOrders(items(), metadata=trader.metadata())
    await call.read()
    before = -1
    while read != before:  # until nothing moves any more
        before = read
        for _ in range(10):
            await trader.balance("USDT")
    # Its queue, the one being decided, and what the windows of the transport hold both ways.
    assert MOST_IN_FLIGHT < read < 4 * MOST_IN_FLIGHT
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.read()
