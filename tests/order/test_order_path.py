"""Orders from the request to the settled trade, over the real services."""

from __future__ import annotations

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from order.v1 import order_pb2
from risk.v1 import risk_pb2
from trading.v1 import trading_pb2

from svc.kit import ids, log
from svc.kit.call import HTTP_STATUS_KEY
from tests.order.exchange import Exchange, Status, World, limit, market, refused, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def name(status: int) -> str:
    """Give the name of an order's state."""
    return Status.Value.Name(status)


@pytest.mark.spec("pipe-9-persist", "sm-accepted-filled", "exec-8-filled", "os-settle-on-fill")
async def test_two_orders_meet_and_both_sides_are_filled_and_settled(desk: Exchange) -> None:
    seller, buyer = await desk.trader(BTC="1"), await desk.trader(USDT="1000")
    sold = await seller.place(limit("SELL", "0.01", "61000"))
    resting = await seller.until(sold, "ACCEPTED")
    assert (resting.filled_quantity, resting.average_price) == ("0", "")
    bought = await buyer.place(limit("BUY", "0.01", "61000"))
    for trader, order_id in ((seller, sold), (buyer, bought)):
        order = await trader.until(order_id, "FILLED")
        assert (order.filled_quantity, order.remaining_quantity) == ("0.01", "0")
        assert order.average_price == "61000"
    assert (await buyer.balance("BTC")).available == "0.01"
    assert (await buyer.balance("USDT")).total == "388.475"  # 610 and 0.25 % of it paid
    assert (await seller.balance("USDT")).available == "609.085"  # 0.15 % of 610 paid


async def test_instruments_listed_in_a_row_are_traded_as_soon_as_their_market_is(
    desk: Exchange,
) -> None:
    trader = await desk.trader()
    metadata = metadata_pb2_grpc.MetadataServiceStub(desk.host.channel("mesh", "metadata"))
    known = await metadata.ListInstruments(metadata_pb2.ListInstrumentsRequest())
    late = next(row for row in known.instruments if row.symbol == "BTC-USDT")
    for number in (701, 702, 703):
        late.id, late.symbol = number, f"BTC-USDT-LATE{number}"
        await metadata.PutInstruments(metadata_pb2.PutInstrumentsRequest(instruments=[late]))

        async def states(number: int = number) -> int:
            rows = (
                await metadata.ListInstruments(metadata_pb2.ListInstrumentsRequest())
            ).instruments
            return next(row.state for row in rows if row.id == number)

        await until(states, lambda state: state == trading_pb2.MarketState.TRADING)
        await desk.settled()
        request = limit(price="50000")
        request.symbol = late.symbol
        await trader.until(await trader.place(request), "ACCEPTED")


@pytest.mark.spec("api-202", "pipe-11-response", "sm-new-accepted")
async def test_orders_and_cancels_are_answered_202_with_id_and_state(desk: Exchange) -> None:
    trader = await desk.trader()
    placing = trader.orders.CreateOrder(limit(price="50000"), metadata=trader.metadata())
    placed = await placing
    assert dict(await placing.initial_metadata())[HTTP_STATUS_KEY] == "202"
    assert (name(placed.status), placed.message) == ("NEW", "Order accepted.")
    await trader.until(placed.order_id, "ACCEPTED")
    request = order_pb2.CancelOrderRequest(order_id=placed.order_id)
    canceling = trader.orders.CancelOrder(request, metadata=trader.metadata())
    canceled = await canceling
    assert dict(await canceling.initial_metadata())[HTTP_STATUS_KEY] == "202"
    assert (canceled.order_id, name(canceled.status)) == (placed.order_id, "CANCEL_PENDING")
    await trader.until(placed.order_id, "CANCELED")


@pytest.mark.spec("sm-accepted-partial", "sm-partial-filled", "tbl-avg-price", "tbl-filled-qty")
async def test_fills_at_several_prices_make_an_average_of_them(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader()
    await seller.place(limit("SELL", "0.0001", "60000.01"))
    await seller.place(limit("SELL", "0.0002", "60000.02"))
    bought = await buyer.place(limit("BUY", "0.001", "60000.02"))
    order = await buyer.until(bought, "PARTIALLY_FILLED")
    assert (order.filled_quantity, order.remaining_quantity) == ("0.0003", "0.0007")
    assert order.average_price == "60000.016666666666666667"
    await seller.place(limit("SELL", "0.0007", "60000.02"))
    assert (await buyer.until(bought, "FILLED")).remaining_quantity == "0"


@pytest.mark.spec("sm-partial-cancel", "sm-cancel-canceled", "os-unlock")
async def test_a_cancel_of_the_rest_keeps_the_fills_and_frees_the_funds(desk: Exchange) -> None:
    seller, buyer = await desk.trader(BTC="1"), await desk.trader()
    sold = await seller.place(limit("SELL", "0.5", "61000"))
    await buyer.place(limit("BUY", "0.2", "61000"))
    await seller.until(sold, "PARTIALLY_FILLED")
    assert (await seller.balance("BTC")).locked == "0.3"
    await seller.cancel(sold)
    order = await seller.until(sold, "CANCELED")
    assert (order.filled_quantity, order.remaining_quantity) == ("0.2", "0.3")
    assert order.reason == "CANCEL_REQUESTED"
    assert (await seller.balance("BTC")).locked == "0"


async def test_ioc_fills_what_it_can_and_fok_all_or_nothing(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader()
    await seller.place(limit("SELL", "0.01", "61000"))
    killed = await buyer.place(limit("BUY", "0.02", "61000", time_in_force="FOK"))
    assert (await buyer.until(killed, "CANCELED")).reason == "FOK_NOT_FILLABLE"
    taken = await buyer.place(limit("BUY", "0.02", "61000", time_in_force="IOC"))
    rest = await buyer.until(taken, "CANCELED")
    assert (rest.filled_quantity, rest.reason) == ("0.01", "IOC_REMAINDER")


@pytest.mark.spec("os-market-sizing", "val-tif-market")
async def test_a_market_order_trades_within_its_collar_only(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader()
    await seller.place(limit("SELL", "0.01", "60000"))
    await desk.settled()
    filled = await buyer.place(market("BUY", "0.01"))
    assert (await buyer.until(filled, "FILLED")).average_price == "60000"
    await seller.place(limit("SELL", "0.01", "63000.01"))  # 5 % and a tick above the last trade
    beyond = await buyer.place(market("BUY", "0.01"))
    order = await buyer.until(beyond, "CANCELED")
    assert (order.filled_quantity, order.reason, order.price) == ("0", "PRICE_COLLAR", "")
    nobody = await seller.place(market("SELL", "0.01"))
    assert (await seller.until(nobody, "CANCELED")).reason == "NO_LIQUIDITY"


@pytest.mark.spec("val-gtd", "sm-expired", "tbl-expires-at")
async def test_a_gtd_order_expires_without_any_traffic(desk: Exchange) -> None:
    trader = await desk.trader()
    expires_at = Timestamp()
    expires_at.GetCurrentTime()
    expires_at.FromNanoseconds(expires_at.ToNanoseconds() + 500_000_000)
    placed = await trader.place(limit(price="50000", time_in_force="GTD", expires_at=expires_at))
    order = await trader.until(placed, "EXPIRED")
    assert order.expires_at.ToNanoseconds() == expires_at.ToNanoseconds() // 1_000 * 1_000
    assert (await trader.balance("USDT")).locked == "0"


@pytest.mark.spec("tbl-post-only", "val-post-only", "sm-new-rejected")
async def test_a_post_only_order_that_would_take_is_rejected_by_the_market(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader()
    await seller.place(limit("SELL", "0.01", "61000"))
    taking = await buyer.place(limit("BUY", "0.01", "61000", post_only=True))
    order = await buyer.until(taking, "REJECTED")
    assert order.reason == "POST_ONLY_WOULD_TAKE"
    assert (await buyer.balance("USDT")).locked == "0"
    resting = await buyer.place(limit("BUY", "0.01", "60999.99", post_only=True))
    assert (await buyer.until(resting, "ACCEPTED")).post_only


async def test_self_trade_prevention_reduces_the_larger_order_without_a_trade(
    desk: Exchange,
) -> None:
    trader = await desk.trader(BTC="1", USDT="100000")
    sold = await trader.place(limit("SELL", "0.5", "61000"))
    bought = await trader.place(
        limit("BUY", "0.2", "61000", self_trade_mode="DECREMENT_AND_CANCEL")
    )
    assert (await trader.until(bought, "CANCELED")).reason == "SELF_TRADE"
    await desk.settled()
    rest = await trader.order(sold)
    assert (name(rest.status), rest.remaining_quantity) == ("ACCEPTED", "0.3")
    assert (await trader.balance("BTC")).locked == "0.3"
    assert list((await trader.trades()).data) == []


async def test_a_trade_with_oneself_is_listed_for_both_sides(desk: Exchange) -> None:
    trader = await desk.trader(BTC="1", USDT="1000")
    sold = await trader.place(limit("SELL", "0.01", "61000"))
    bought = await trader.place(limit("BUY", "0.01", "61000"))
    await trader.until(bought, "FILLED")
    buy, sell = sorted((await trader.trades()).data, key=lambda trade: trade.side)
    assert (buy.order_id, buy.maker, buy.fee) == (bought, False, "1.525")
    assert (sell.order_id, sell.maker, sell.fee) == (sold, True, "0.915")
    assert buy.trade_id == sell.trade_id
    assert (await trader.balance("USDT")).total == "997.56"


@pytest.mark.spec("os-audit-trail", "tbl-event-fields", "tbl-event-types", "tbl-event-trace")
async def test_every_change_of_an_order_is_an_event_without_a_gap(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader()
    sold = await seller.place(limit("SELL", "0.02", "61000"))
    await buyer.place(limit("BUY", "0.01", "61000"))
    await seller.until(sold, "PARTIALLY_FILLED")
    await seller.cancel(sold)
    await seller.until(sold, "CANCELED")
    async with desk.tables() as tables:
        events = await tables.fetch(
            "SELECT number, event_type::text, prev_status::text, new_status::text, "
            "filled_qty::text, fill_price::text, trade_id IS NOT NULL AS traded, reason, "
            "trace_id IS NOT NULL AS traced FROM order_events WHERE order_id = $1 ORDER BY number",
            ids.from_uuid(sold),
        )
    quantity, price = "0.010000000000000000", "61000.000000000000000000"
    assert [tuple(event) for event in events] == [
        (1, "created", None, "new", None, None, False, None, True),
        (2, "accepted", "new", "accepted", None, None, False, None, False),
        (
            3, "partially_filled", "accepted", "partially_filled", quantity, price, True, None,
            False,
        ),
        (
            4, "cancel_requested", "partially_filled", "cancel_pending", None, None, False, None,
            True,
        ),
        (5, "canceled", "cancel_pending", "canceled", None, None, False, "CANCEL_REQUESTED", False),
    ]  # fmt: skip


@pytest.mark.spec("fail-wallet-lock", "pipe-8-lock", "os-lock-before-accept")
async def test_without_funds_the_order_is_rejected_and_the_error_names_it(desk: Exchange) -> None:
    trader = await desk.trader(USDT="611.52")  # 610 and 0.25 % of it are 611.525
    error = await refused(trader.place(limit("BUY", "0.01", "61000")))
    assert error.reason == "INSUFFICIENT_BALANCE"
    order = await trader.order(error.metadata["orderId"])
    assert (name(order.status), order.reason) == ("REJECTED", "INSUFFICIENT_BALANCE")
    assert (order.quantity, order.filled_quantity) == ("0.01", "0")
    assert (await trader.balance("USDT")).locked == "0"


@pytest.mark.spec("pipe-7-risk", "os-pretrade", "flow-3-fat-finger")
async def test_what_risk_refuses_is_a_rejected_order_without_a_hold(desk: Exchange) -> None:
    trader = await desk.trader()
    error = await refused(trader.place(limit("BUY", "0.1", "100")))
    assert error.reason == "FAT_FINGER"
    assert error.metadata["status"] == "REJECTED"
    order = await trader.order(error.metadata["orderId"])
    assert (name(order.status), order.reason) == ("REJECTED", "FAT_FINGER")
    assert (await trader.balance("USDT")).locked == "0"


async def test_a_cancel_names_what_is_wrong_with_it(desk: Exchange) -> None:
    owner, other = await desk.trader(), await desk.trader()
    placed = await owner.place(limit(price="50000"))
    assert (await refused(other.cancel(placed))).reason == "UNKNOWN_ORDER"
    assert (await refused(owner.cancel(ids.to_uuid(7)))).reason == "UNKNOWN_ORDER"
    assert (await refused(owner.cancel("7"))).reason == "INVALID_ORDER_ID"
    await owner.cancel(placed)
    await owner.until(placed, "CANCELED")
    error = await refused(owner.cancel(placed))
    assert (error.reason, error.metadata["status"]) == ("ORDER_NOT_LIVE", "CANCELED")


async def test_a_second_cancel_is_answered_like_the_first_and_sent_once(desk: Exchange) -> None:
    trader = await desk.trader()
    placed = await trader.place(limit(price="50000"))
    item = order_pb2.OrderItem(cancel=order_pb2.CancelOrderRequest(order_id=placed))
    first, second = await trader.submit(item, item)
    assert (name(first.status), name(second.status)) == ("CANCEL_PENDING", "CANCEL_PENDING")
    await trader.until(placed, "CANCELED")
    async with desk.tables() as tables:
        count = await tables.fetchval(
            "SELECT count(*) FROM order_events WHERE order_id = $1", ids.from_uuid(placed)
        )
    assert count == 4  # created, cancel requested, accepted (it came after), canceled


@pytest.mark.spec("oms-fat-finger", "or-risk-mandatory")
async def test_a_kill_switch_stops_new_orders_and_no_cancel(desk: Exchange) -> None:
    trader, other = await desk.trader(), await desk.trader()
    placed = await trader.place(limit(price="50000"))
    switch = risk_pb2.KillSwitch(scope="ACCOUNT", id=trader.account_id, note="test")
    await desk.risk.SetKillSwitch(risk_pb2.SetKillSwitchRequest(kill_switch=switch, thrown=True))
    error = await refused(trader.place(limit(price="50000")))
    assert error.reason == "KILL_SWITCH"
    await trader.cancel(placed)
    await trader.until(placed, "CANCELED")
    await other.place(limit(price="50000"))
    await desk.risk.SetKillSwitch(risk_pb2.SetKillSwitchRequest(kill_switch=switch))
    await trader.place(limit(price="50000"))


@pytest.mark.spec("obs-json-logs", "obs-log-prices")
async def test_each_order_is_logged_at_debug_level(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log._Output, "level", log.DEBUG)  # noqa: SLF001  as configure does
    async with world.run(log_level="debug") as running:
        await running.opened()
        trader = await running.trader()
        placed = await trader.place(limit(price="50000.5"))
        await trader.until(placed, "ACCEPTED")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    committed, changed = (
        next(line for line in lines if line["event"] == event and line["order_id"] == placed)
        for event in ("order_committed", "order_changed")
    )
    assert (committed["status"], committed["side"], committed["type"]) == ("NEW", "BUY", "LIMIT")
    assert (committed["price"], committed["quantity"]) == ("50000.5", "0.01")
    assert (changed["status"], changed["change"]) == ("ACCEPTED", "ACCEPTED")
    assert committed["account_id"] == changed["account_id"] == ids.to_uuid(trader.account_id)
