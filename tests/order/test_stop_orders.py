"""Stop orders over the real services: held, waiting, triggered, filled, released."""

from __future__ import annotations

import pytest
from order.v1 import order_pb2

from svc.kit import ids
from tests.order.exchange import Exchange, Status, limit, market, trade_at

pytestmark = pytest.mark.asyncio(loop_scope="module")


def stop_market(side: str, stop: str) -> order_pb2.CreateOrderRequest:
    """A stop-market order of 0.01 BTC."""
    return market(side, type="STOP_MARKET", stop_price=stop)


def stop_limit(side: str, stop: str, price: str) -> order_pb2.CreateOrderRequest:
    """A stop-limit order of 0.01 BTC."""
    return limit(side, price=price, type="STOP_LIMIT", stop_price=stop)


def name(status: int) -> str:
    """Give the name of an order's state."""
    return Status.Value.Name(status)


@pytest.mark.spec("tbl-stop-price", "tbl-price-null")
async def test_a_stop_market_buy_holds_its_cap_waits_and_enters_when_its_trigger_trades(
    desk: Exchange,
) -> None:
    await trade_at(desk, "61000")
    buyer, seller = await desk.trader(USDT="1000"), await desk.trader()
    placed = await buyer.place(stop_market("BUY", "62000"))
    waiting = await buyer.until(placed, "ACCEPTED")
    assert (waiting.stop_price, waiting.price) == ("62000", "")
    assert not waiting.HasField("triggered_at")
    # 62,000 and the collar of 5 % are 65,100; times 0.01 and 0.25 % of it.
    assert (await buyer.balance("USDT")).locked == "652.6275"
    await seller.place(limit("SELL", "0.02", "62100"))
    await trade_at(desk, "62000")
    order = await buyer.until(placed, "FILLED")
    assert (order.average_price, order.filled_quantity) == ("62100", "0.01")
    assert order.HasField("triggered_at")
    balance = await buyer.balance("USDT")
    assert (balance.locked, balance.total) == ("0", "377.4475")  # 621 and 0.25 % of it paid
    async with desk.tables() as tables:
        events = await tables.fetch(
            "SELECT event_type::text, prev_status::text, new_status::text FROM order_events "
            "WHERE order_id = $1 ORDER BY number",
            ids.from_uuid(placed),
        )
    assert [tuple(event) for event in events] == [
        ("created", None, "new"),
        ("accepted", "new", "accepted"),
        ("triggered", "accepted", "accepted"),
        ("filled", "accepted", "filled"),
    ]


async def test_a_stop_limit_sell_holds_its_quantity_and_rests_at_its_price_once_triggered(
    desk: Exchange,
) -> None:
    await trade_at(desk, "61000")
    seller, buyer = await desk.trader(BTC="1"), await desk.trader()
    placed = await seller.place(stop_limit("SELL", "60500", "60400"))
    await seller.until(placed, "ACCEPTED")
    assert (await seller.balance("BTC")).locked == "0.01"
    await trade_at(desk, "60499")
    await desk.settled()
    resting = await seller.order(placed)
    assert (name(resting.status), resting.price) == ("ACCEPTED", "60400")
    assert resting.HasField("triggered_at")
    await buyer.place(limit("BUY", "0.01", "60400"))
    assert (await seller.until(placed, "FILLED")).average_price == "60400"
    assert (await seller.balance("BTC")).locked == "0"
    assert (await seller.balance("USDT")).total == "603.094"  # 604 less 0.15 %


@pytest.mark.parametrize(("side", "stop"), [("BUY", "63000"), ("SELL", "59000")])
async def test_a_stop_that_is_canceled_before_its_trigger_gives_everything_back(
    desk: Exchange, side: str, stop: str
) -> None:
    await trade_at(desk, "61000")
    trader = await desk.trader(BTC="1", USDT="1000")
    for request in (stop_market(side, stop), stop_limit(side, stop, stop)):
        placed = await trader.place(request)
        await trader.until(placed, "ACCEPTED")
        await trader.cancel(placed)
        canceled = await trader.until(placed, "CANCELED")
        assert (canceled.reason, canceled.HasField("triggered_at")) == ("CANCEL_REQUESTED", False)
        for asset, total in (("BTC", "1"), ("USDT", "1000")):
            balance = await trader.balance(asset)
            assert (balance.locked, balance.total) == ("0", total)


async def test_a_stop_whose_trigger_has_traded_already_is_rejected_and_holds_nothing(
    desk: Exchange,
) -> None:
    await trade_at(desk, "61000")
    trader = await desk.trader(BTC="1", USDT="1000")
    for request in (
        stop_market("BUY", "61000"),
        stop_market("SELL", "61000.5"),
        stop_limit("BUY", "60999", "60999"),
    ):
        rejected = await trader.until(await trader.place(request), "REJECTED")
        assert rejected.reason == "STOP_WOULD_TRIGGER"
    await desk.settled()
    assert (await trader.balance("BTC")).locked == "0"
    assert (await trader.balance("USDT")).locked == "0"


async def test_a_triggered_stop_market_sell_goes_no_further_than_its_floor(
    desk: Exchange,
) -> None:
    await trade_at(desk, "61000")
    seller, buyer = await desk.trader(BTC="1"), await desk.trader()
    placed = await seller.place(stop_market("SELL", "60000"))
    await seller.until(placed, "ACCEPTED")
    await buyer.place(limit("BUY", "0.01", "56999.99"))  # 60,000 less 5 % is 57,000
    await trade_at(desk, "60000")
    order = await seller.until(placed, "CANCELED")
    assert (order.reason, order.filled_quantity) == ("PRICE_COLLAR", "0")
    assert order.HasField("triggered_at")
    balance = await seller.balance("BTC")
    assert (balance.locked, balance.total) == ("0", "1")
