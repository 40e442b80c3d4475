"""Icebergs over the real services: what is shown, what is held, what trades."""

from __future__ import annotations

import pytest

from tests.order.exchange import Exchange, limit

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_iceberg_holds_all_of_it_shows_a_part_and_queues_again_with_each(
    desk: Exchange,
) -> None:
    seller, second, buyer = await desk.trader(BTC="1"), await desk.trader(), await desk.trader()
    hidden = await seller.place(limit("SELL", "0.03", "61000", display_quantity="0.01"))
    assert (await seller.until(hidden, "ACCEPTED")).display_quantity == "0.01"
    assert (await seller.balance("BTC")).locked == "0.03"
    shown = await second.place(limit("SELL", "0.01", "61000"))
    await second.until(shown, "ACCEPTED")
    # The first part, then the order behind it, then half of the second part.
    bought = await buyer.place(limit("BUY", "0.025", "61000"))
    await buyer.until(bought, "FILLED")
    assert (await second.order(shown)).filled_quantity == "0.01"
    rest = await seller.order(hidden)
    assert (rest.filled_quantity, rest.remaining_quantity) == ("0.015", "0.015")
    assert (await seller.balance("BTC")).locked == "0.015"
    await seller.cancel(hidden)
    await seller.until(hidden, "CANCELED")
    balance = await seller.balance("BTC")
    assert (balance.locked, balance.total) == ("0", "0.985")


async def test_an_iceberg_that_takes_uses_all_of_it_and_rests_with_a_part(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader(USDT="2000")
    await seller.place(limit("SELL", "0.015", "61000"))
    placed = await buyer.place(limit("BUY", "0.03", "61000", display_quantity="0.01"))
    order = await buyer.until(placed, "PARTIALLY_FILLED")
    assert (order.filled_quantity, order.remaining_quantity) == ("0.015", "0.015")
    await seller.place(limit("SELL", "0.015", "61000"))
    assert (await buyer.until(placed, "FILLED")).average_price == "61000"
    balance = await buyer.balance("USDT")
    # 1,830 paid, and of it 0.25 % for what was taken and 0.15 % for what was made.
    assert (balance.locked, balance.total) == ("0", "166.34")
