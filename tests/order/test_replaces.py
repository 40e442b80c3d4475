"""Replaces from the request to the settled terms, over the real services."""

from __future__ import annotations

import asyncio

import pytest
from order.v1 import order_pb2
from wallet.v1 import wallet_pb2

from svc.kit import ids
from svc.kit.call import HTTP_STATUS_KEY
from tests.order.exchange import Exchange, Status, Trader, limit, market, refused, trade_at, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEE = 1.0025
"""A hold covers the larger fee, 0.25 %."""


async def resting(trader: Trader, request: order_pb2.CreateOrderRequest) -> str:
    """Give an order that the market has."""
    placed = await trader.place(request)
    await trader.until(placed, "ACCEPTED")
    return placed


async def events_of(exchange: Exchange, order_id: str) -> list[str]:
    """Give the types of what happened to an order, from the first."""
    async with exchange.tables() as tables:
        rows = await tables.fetch(
            "SELECT event_type::text FROM order_events WHERE order_id = $1 ORDER BY number",
            ids.from_uuid(order_id),
        )
    return [row[0] for row in rows]


@pytest.mark.spec("sm-accepted-replace", "sm-replace-replaced", "tbl-event-types")
async def test_a_replace_gives_an_order_another_price_and_quantity_and_keeps_its_id(
    desk: Exchange,
) -> None:
    trader = await desk.trader(USDT="10000")
    order_id = await resting(trader, limit(quantity="0.01", price="50000"))
    assert (await trader.balance("USDT")).locked == "501.25"
    request = order_pb2.ReplaceOrderRequest(order_id=order_id, price="51000", quantity="0.02")
    asking = trader.orders.ReplaceOrder(request, metadata=trader.metadata())
    asked = await asking
    assert dict(await asking.initial_metadata())[HTTP_STATUS_KEY] == "202"
    assert (asked.order_id, asked.version) == (order_id, 2)
    assert asked.status == Status.REPLACE_PENDING
    order = await trader.at_version(order_id, 2)
    assert Status.Value.Name(order.status) == "ACCEPTED"
    assert (order.price, order.quantity, order.remaining_quantity) == ("51000", "0.02", "0.02")
    assert order.replace_reason == ""
    assert (await trader.balance("USDT")).locked == "1022.55"  # 51000 x 0.02 and 0.25 %
    told = await events_of(desk, order_id)
    assert told == ["created", "accepted", "replace_requested", "replaced"]


async def test_a_replace_that_needs_less_frees_it_when_the_market_has_taken_it(
    desk: Exchange,
) -> None:
    trader = await desk.trader(USDT="10000")
    order_id = await resting(trader, limit(quantity="0.02", price="50000"))
    await trader.replace(order_id, quantity="0.01", expected_version=1)
    order = await trader.at_version(order_id, 2)
    assert (order.price, order.quantity) == ("50000", "0.01")
    assert (await trader.balance("USDT")).locked == "501.25"
    await trader.replace(order_id, price="49000")
    await trader.at_version(order_id, 3)
    assert (await trader.balance("USDT")).locked == "491.225"


async def test_a_sell_holds_what_its_quantity_grows_by(desk: Exchange) -> None:
    trader = await desk.trader(BTC="1")
    order_id = await resting(trader, limit("SELL", "0.4", "70000"))
    await trader.replace(order_id, quantity="0.7")
    await trader.at_version(order_id, 2)
    assert (await trader.balance("BTC")).locked == "0.7"
    error = await refused(trader.replace(order_id, quantity="1.1"))
    assert error.reason == "INSUFFICIENT_BALANCE"
    assert (await trader.balance("BTC")).locked == "0.7"
    assert (await trader.order(order_id)).version == 2


async def test_what_is_filled_counts_and_is_not_held_again(desk: Exchange) -> None:
    seller, buyer = await desk.trader(BTC="1"), await desk.trader()
    order_id = await resting(seller, limit("SELL", "0.5", "61000"))
    await buyer.place(limit("BUY", "0.2", "61000"))
    await seller.until(order_id, "PARTIALLY_FILLED")
    await seller.replace(order_id, quantity="0.6", price="61500")
    order = await seller.at_version(order_id, 2)
    assert Status.Value.Name(order.status) == "PARTIALLY_FILLED"
    assert (order.filled_quantity, order.remaining_quantity) == ("0.2", "0.4")
    assert (await seller.balance("BTC")).locked == "0.4"
    error = await refused(seller.replace(order_id, quantity="0.2"))
    assert (error.reason, error.metadata["rule"]) == ("QUANTITY_NOT_ABOVE_FILLED", "above 0.2")
    assert error.metadata["nearestAbove"] == "0.20001"
    await buyer.place(limit("BUY", "0.4", "61500"))
    assert (await seller.until(order_id, "FILLED")).average_price == "61333.333333333333333333"
    assert (await seller.balance("BTC")).locked == "0"


async def test_a_buy_that_was_filled_in_part_holds_for_what_works_alone(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader(USDT="100000")
    order_id = await resting(buyer, limit("BUY", "0.5", "60000"))
    await seller.place(limit("SELL", "0.2", "60000"))
    await buyer.until(order_id, "PARTIALLY_FILLED")
    await buyer.replace(order_id, price="61000", quantity="0.4")
    await buyer.at_version(order_id, 2)
    assert (await buyer.balance("USDT")).locked == "12230.5"  # 61000 x 0.2 and 0.25 %
    await buyer.cancel(order_id)
    await buyer.until(order_id, "CANCELED")
    assert (await buyer.balance("USDT")).locked == "0"


async def test_the_place_in_the_queue_is_kept_by_fewer_lots_and_lost_by_more(
    desk: Exchange,
) -> None:
    first, second, taker = await desk.trader(), await desk.trader(), await desk.trader()
    one = await resting(first, limit("SELL", "0.02", "60000"))
    two = await resting(second, limit("SELL", "0.02", "60000"))
    await first.replace(one, quantity="0.01")
    await first.at_version(one, 2)
    await taker.place(limit("BUY", "0.01", "60000"))
    await first.until(one, "FILLED")
    three = await resting(first, limit("SELL", "0.02", "60000"))
    await second.replace(two, quantity="0.03")
    await second.at_version(two, 2)
    await taker.place(limit("BUY", "0.02", "60000"))
    await first.until(three, "FILLED")
    assert (await second.order(two)).filled_quantity == "0"


async def test_a_replace_that_crosses_trades_at_once(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader(USDT="10000")
    await resting(seller, limit("SELL", "0.01", "60000"))
    order_id = await resting(buyer, limit("BUY", "0.02", "50000"))
    await buyer.replace(order_id, price="60500")
    order = await buyer.until(order_id, "PARTIALLY_FILLED")
    assert (order.version, order.average_price, order.remaining_quantity) == (2, "60000", "0.01")
    assert (await buyer.balance("USDT")).locked == "606.5125"


async def test_a_refused_replace_leaves_all_as_it_was_and_says_why(desk: Exchange) -> None:
    seller, buyer = await desk.trader(), await desk.trader(USDT="10000")
    await resting(seller, limit("SELL", "0.01", "60000"))
    order_id = await resting(buyer, limit("BUY", "0.01", "50000", post_only=True))
    await buyer.replace(order_id, price="60000")
    order = await until(lambda: buyer.order(order_id), lambda found: found.replace_reason != "")
    assert Status.Value.Name(order.status) == "ACCEPTED"
    assert order.replace_reason == "POST_ONLY_WOULD_TAKE"
    assert (order.version, order.price, order.reason) == (1, "50000", "")
    assert (await buyer.balance("USDT")).locked == "501.25"
    again = await buyer.replace(order_id, price="55000")
    order = await buyer.at_version(order_id, again.version)
    assert (order.price, order.replace_reason) == ("55000", "")
    assert again.version > 2  # the refused version is not used again
    assert (await buyer.balance("USDT")).locked == "551.375"
    told = await events_of(desk, order_id)
    assert told[2:] == [
        "replace_requested", "replace_rejected", "replace_requested", "replaced",
    ]  # fmt: skip


async def test_a_stop_that_waits_takes_another_trigger_and_another_cap(desk: Exchange) -> None:
    trader = await desk.trader(USDT="10000")
    await trade_at(desk, "60000")
    stop = await resting(
        trader, market("BUY", "0.01", type="STOP_MARKET", stop_price="65000")
    )  # fmt: skip
    assert (await trader.balance("USDT")).locked == "684.20625"  # 5 % above the trigger, and fee
    await trader.replace(stop, stop_price="66000", quantity="0.02")
    order = await trader.at_version(stop, 2)
    assert (order.stop_price, order.quantity, order.price) == ("66000", "0.02", "")
    assert (await trader.balance("USDT")).locked == "1389.465"
    await trader.replace(stop, quantity="0.01")
    await trader.at_version(stop, 3)
    assert (await trader.balance("USDT")).locked == "694.7325"
    error = await refused(trader.replace(stop, price="66000"))
    assert error.reason == "PRICE_NOT_ALLOWED"
    await trade_at(desk, "66000")
    await trader.until(stop, "CANCELED", "FILLED")


async def test_a_trailing_stop_keeps_its_trigger_and_may_change_its_quantity(
    desk: Exchange,
) -> None:
    trader = await desk.trader()
    await trade_at(desk, "60000")
    stop = await resting(
        trader,
        market("SELL", "0.01", type="STOP_MARKET", stop_price="58000", trail_offset="500"),
    )
    error = await refused(trader.replace(stop, stop_price="57000"))
    assert error.reason == "STOP_PRICE_NOT_ALLOWED"
    await trader.replace(stop, quantity="0.02")
    order = await trader.at_version(stop, 2)
    assert (order.stop_price, order.quantity) == ("58000", "0.02")


async def test_a_replace_by_the_callers_own_id_reaches_the_open_order(desk: Exchange) -> None:
    trader = await desk.trader()
    order_id = await resting(trader, limit(price="50000", client_order_id="mine-1"))
    asked = await trader.replace("client:mine-1", price="50001")
    assert asked.order_id == order_id
    await trader.at_version(order_id, 2)
    error = await refused(trader.replace("client:other", price="50001"))
    assert error.reason == "UNKNOWN_ORDER"


async def test_a_list_replaces_places_and_cancels(desk: Exchange) -> None:
    trader = await desk.trader()
    order_id = await resting(trader, limit(price="50000"))
    replace = order_pb2.ReplaceOrderRequest(order_id=order_id, price="50001")
    results = await trader.submit(
        order_pb2.OrderItem(replace=replace),
        order_pb2.OrderItem(create=limit(price="49000")),
        order_pb2.OrderItem(replace=replace),
        order_pb2.OrderItem(cancel=order_pb2.CancelOrderRequest(order_id=order_id)),
    )
    assert [result.error.reason for result in results] == ["", "", "REPLACE_UNDER_WAY", ""]
    assert results[0].status == Status.REPLACE_PENDING
    assert results[3].status == Status.CANCEL_PENDING
    order = await trader.until(order_id, "CANCELED")
    assert (order.version, order.price) == (2, "50001")  # the cancel came behind it


async def test_a_key_makes_a_replace_happen_once(desk: Exchange) -> None:
    trader = await desk.trader()
    order_id = await resting(trader, limit(price="50000"))
    asked = await trader.replace(order_id, price="50001", idempotency_key="k")
    await trader.at_version(order_id, 2)
    again = await trader.replace(order_id, price="50001", idempotency_key="k")
    assert again == asked
    error = await refused(trader.replace(order_id, price="50002", idempotency_key="k"))
    assert error.reason == "IDEMPOTENCY_KEY_REUSED"
    await desk.settled()
    assert (await trader.order(order_id)).version == 2


async def test_a_refused_replace_leaves_its_key_free(desk: Exchange) -> None:
    trader = await desk.trader(USDT="600")
    order_id = await resting(trader, limit(quantity="0.01", price="50000"))
    error = await refused(trader.replace(order_id, price="60000", idempotency_key="k"))
    assert error.reason == "INSUFFICIENT_BALANCE"
    await desk.operator_wallet.Credit(credit(trader, "USDT", "100"))
    await trader.replace(order_id, price="60000", idempotency_key="k")
    await trader.at_version(order_id, 2)


def credit(trader: Trader, asset: str, amount: str) -> wallet_pb2.CreditRequest:
    """Give a payment."""
    item = wallet_pb2.CreditItem(
        transaction_id=f"more-{trader.account_id}",
        account_id=trader.account_id,
        asset=asset,
        amount=amount,
    )
    return wallet_pb2.CreditRequest(items=[item])


@pytest.mark.parametrize(
    ("fields", "reason", "metadata"),
    [
        ({}, "NOTHING_TO_CHANGE", {}),
        ({"price": "50000", "quantity": "0.01"}, "NOTHING_TO_CHANGE", {}),
        (
            {"price": "50000.001"},
            "PRICE_NOT_ON_TICK",
            {"nearestBelow": "50000", "nearestAbove": "50000.01"},
        ),
        ({"price": "0"}, "PRICE_NOT_POSITIVE", {"field": "price"}),
        ({"price": "fifty"}, "INVALID_DECIMAL", {"field": "price"}),
        ({"quantity": "0.000001"}, "QUANTITY_NOT_ON_LOT", {"field": "quantity"}),
        ({"quantity": "1001"}, "QUANTITY_TOO_LARGE", {"nearestBelow": "1000"}),
        ({"quantity": "0.00001"}, "NOTIONAL_TOO_SMALL", {"nearestAbove": "0.0001"}),
        ({"stop_price": "51000"}, "STOP_PRICE_NOT_ALLOWED", {"field": "stop_price"}),
        ({"price": "51000", "expected_version": 2}, "VERSION_CONFLICT", {"rule": "equal to 1"}),
        ({"price": "51000", "expected_version": -1}, "INVALID_FIELD", {}),
        ({"price": "900000"}, "FAT_FINGER", {}),
    ],
)
async def test_a_wrong_replace_is_told_what_is_wrong_and_changes_nothing(
    desk: Exchange, fields: dict[str, object], reason: str, metadata: dict[str, str]
) -> None:
    trader = await desk.trader()
    order_id = await resting(trader, limit(quantity="0.01", price="50000"))
    error = await refused(trader.replace(order_id, **fields))
    assert error.reason == reason
    assert metadata.items() <= error.metadata.items()
    await desk.settled()
    order = await trader.order(order_id)
    assert (Status.Value.Name(order.status), order.version) == ("ACCEPTED", 1)
    assert (await trader.balance("USDT")).locked == "501.25"


async def test_an_order_that_is_not_the_accounts_or_not_live_is_not_replaced(
    desk: Exchange,
) -> None:
    trader, other = await desk.trader(), await desk.trader()
    order_id = await resting(trader, limit(price="50000"))
    for name in (order_id, ids.to_uuid(12345)):
        error = await refused(other.replace(name, price="50001"))
        assert (error.reason, error.metadata["orderId"]) == ("UNKNOWN_ORDER", name)
    assert (await refused(trader.replace("no id", price="1"))).reason == "INVALID_ORDER_ID"
    await trader.cancel(order_id)
    await trader.until(order_id, "CANCELED")
    error = await refused(trader.replace(order_id, price="50001"))
    assert (error.reason, error.metadata["status"]) == ("ORDER_NOT_LIVE", "CANCELED")


async def test_many_replaces_of_one_order_at_once_happen_one_after_the_other(
    desk: Exchange,
) -> None:
    trader = await desk.trader(USDT="10000")
    order_id = await resting(trader, limit(quantity="0.01", price="50000"))
    asked = await asyncio.gather(
        *(trader.replace(order_id, price=str(50001 + n)) for n in range(20)),
        return_exceptions=True,
    )
    taken = [answer for answer in asked if not isinstance(answer, BaseException)]
    assert taken
    await desk.settled()
    last = taken[-1]
    order = await trader.at_version(order_id, max(answer.version for answer in taken))
    assert order.version >= last.version
    locked = float((await trader.balance("USDT")).locked)
    assert locked == pytest.approx(float(order.price) * 0.01 * FEE)
    assert len({answer.version for answer in taken}) == len(taken)
