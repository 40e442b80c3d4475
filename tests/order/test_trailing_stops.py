"""Trailing stops over the real services: followed, woken, triggered, filled, released."""

from __future__ import annotations

import pytest

from tests.order.exchange import Exchange, limit, market, trade_at

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_trailing_sell_follows_the_highest_trade_and_enters_where_it_falls_back(
    desk: Exchange,
) -> None:
    await trade_at(desk, "61000")
    seller, buyer = await desk.trader(BTC="1"), await desk.trader()
    placed = await seller.place(
        market("SELL", type="STOP_MARKET", stop_price="60000", trail_offset="500")
    )
    waiting = await seller.until(placed, "ACCEPTED")
    assert (waiting.stop_price, waiting.trail_offset, waiting.trail_bps) == ("60000", "500", 0)
    assert (await seller.balance("BTC")).locked == "0.01"
    await buyer.place(limit("BUY", "0.01", "61400"))
    for price in ("62000", "61500.01"):
        await trade_at(desk, price)
    assert not (await seller.order(placed)).HasField("triggered_at")
    await trade_at(desk, "61500")
    order = await seller.until(placed, "FILLED")
    assert order.average_price == "61400"
    assert (await seller.balance("BTC")).locked == "0"


async def test_a_sleeping_buy_is_not_triggered_before_it_wakes_and_its_cap_is_of_the_first_trigger(
    desk: Exchange,
) -> None:
    await trade_at(desk, "61000")
    buyer, seller = await desk.trader(USDT="1000"), await desk.trader()
    placed = await buyer.place(
        market(type="STOP_MARKET", stop_price="62000", trail_bps=100, activation_price="60500")
    )
    asleep = await buyer.until(placed, "ACCEPTED")
    assert (asleep.trail_offset, asleep.trail_bps, asleep.activation_price) == ("", 100, "60500")
    assert (await buyer.balance("USDT")).locked == "652.6275"  # at 65,100 and 0.25 % of it
    for price in ("62000", "60500", "61104.99"):
        await trade_at(desk, price)
    assert not (await buyer.order(placed)).HasField("triggered_at")
    await seller.place(limit("SELL", "0.01", "61200"))
    await trade_at(desk, "61105")  # 60,500 and 1 %
    assert (await buyer.until(placed, "FILLED")).average_price == "61200"
    balance = await buyer.balance("USDT")
    assert (balance.locked, balance.total) == ("0", "386.47")  # 612 and 0.25 % paid


async def test_a_trailing_stop_limit_that_is_canceled_gives_everything_back(
    desk: Exchange,
) -> None:
    await trade_at(desk, "61000")
    trader = await desk.trader(BTC="1")
    placed = await trader.place(
        limit("SELL", price="59000", type="STOP_LIMIT", stop_price="60000", trail_bps=100)
    )
    await trader.until(placed, "ACCEPTED")
    await trade_at(desk, "61500")
    await trader.cancel(placed)
    await trader.until(placed, "CANCELED")
    assert (await trader.balance("BTC")).locked == "0"
