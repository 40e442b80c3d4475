"""Orders from the request to the settled trade, over the real services."""

from __future__ import annotations

import pytest

from tests.order.exchange import Exchange, Status, limit


@pytest.mark.spec("pipe-9-persist", "pipe-11-response", "sm-accepted-filled", "exec-8-filled")
async def test_two_orders_meet_and_both_sides_are_filled_and_settled(exchange: Exchange) -> None:
    seller, buyer = await exchange.trader(BTC="1"), await exchange.trader(USDT="1000")
    sold = await seller.place(limit("SELL", "0.01", "61000"))
    await seller.until(sold, "ACCEPTED")
    bought = await buyer.place(limit("BUY", "0.01", "61000"))
    await exchange.settled()
    for trader, order_id in ((seller, sold), (buyer, bought)):
        order = await trader.order(order_id)
        assert order.status == Status.FILLED
        assert (order.filled_quantity, order.remaining_quantity) == ("0.01", "0")
        assert order.average_price == "61000"
    assert (await buyer.balance("BTC")).available == "0.01"
    assert (await buyer.balance("USDT")).total == "388.475"  # 610 and 0.25 % of it paid
    assert (await seller.balance("USDT")).available == "609.085"  # 0.15 % of 610 paid
