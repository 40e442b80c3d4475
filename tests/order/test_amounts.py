"""Buys that have an amount over the real services: what is held, bought, given back."""

from __future__ import annotations

import pytest
from order.v1 import order_pb2

from tests.order.exchange import Exchange, Trader, limit, market, refused, trade_at

pytestmark = pytest.mark.asyncio(loop_scope="module")


def amount_buy(amount: str) -> order_pb2.CreateOrderRequest:
    """A market buy for an amount."""
    return market(quantity="", quote_amount=amount)


async def offers(desk: Exchange) -> Trader:
    """Offer 0.01 BTC at 61,000 and as much at 61,010, where the last price is 61,000."""
    await trade_at(desk, "61000")
    seller = await desk.trader()
    for price in ("61000", "61010"):
        await seller.until(await seller.place(limit("SELL", "0.01", price)), "ACCEPTED")
    return seller


async def test_a_market_buy_by_amount_buys_what_the_amount_pays_for_with_its_fees(
    desk: Exchange,
) -> None:
    await offers(desk)
    buyer = await desk.trader(USDT="1000")
    order = await buyer.until(await buyer.place(amount_buy("1000")), "FILLED")
    assert (order.quantity, order.remaining_quantity, order.quote_amount) == ("", "", "1000")
    # 610 for the first, then 635 lots at 0.6101; the next lot would pass 1,000 with its fee.
    assert (order.filled_quantity, order.reason) == ("0.01635", "")
    assert (await buyer.balance("USDT")).locked == "0"
    assert (await buyer.balance("USDT")).total == "0.09296625"
    assert (await buyer.balance("BTC")).available == "0.01635"


async def test_a_market_buy_by_amount_that_meets_too_little_gives_the_rest_back(
    desk: Exchange,
) -> None:
    buyer = await desk.trader(USDT="2000")
    await trade_at(desk, "61000")
    nothing = await buyer.until(await buyer.place(amount_buy("1000")), "CANCELED")
    assert (nothing.reason, nothing.filled_quantity) == ("NO_LIQUIDITY", "0")
    await offers(desk)
    some = await buyer.until(await buyer.place(amount_buy("2000")), "CANCELED")
    assert (some.reason, some.filled_quantity) == ("NO_LIQUIDITY", "0.02")
    balance = await buyer.balance("USDT")
    assert (balance.locked, balance.total) == ("0", "776.84975")  # 1,220.1 and 0.25 % paid


async def test_an_amount_that_is_not_there_is_refused(desk: Exchange) -> None:
    await trade_at(desk, "61000")
    buyer = await desk.trader(USDT="999.99")
    error = await refused(buyer.place(amount_buy("1000")))
    assert error.reason == "INSUFFICIENT_BALANCE"
    order = await buyer.order(error.metadata["orderId"])
    assert (order.quantity, order.quote_amount) == ("", "1000")


@pytest.mark.spec("eng-type-fok-budget")
async def test_a_fok_budget_buy_fills_whole_within_its_budget_or_not_at_all(
    desk: Exchange,
) -> None:
    await offers(desk)
    buyer = await desk.trader(USDT="5000")
    for quantity, amount, reason in (
        ("0.02", "1223.15", "BUDGET_EXHAUSTED"),  # 1,220.1 and 0.25 % of it are 1,223.15025
        ("0.03", "3000", "FOK_NOT_FILLABLE"),
    ):
        request = limit(
            quantity=quantity, price="61010", time_in_force="FOK_BUDGET", quote_amount=amount
        )
        killed = await buyer.until(await buyer.place(request), "CANCELED")
        assert (killed.reason, killed.filled_quantity) == (reason, "0")
        assert (await buyer.balance("USDT")).locked == "0"
    request = limit(
        quantity="0.02", price="61010", time_in_force="FOK_BUDGET", quote_amount="1223.15025"
    )
    order = await buyer.until(await buyer.place(request), "FILLED")
    assert (order.quantity, order.average_price, order.quote_amount) == (
        "0.02",
        "61005",
        "1223.15025",
    )
    balance = await buyer.balance("USDT")
    assert (balance.locked, balance.total) == ("0", "3776.84975")
