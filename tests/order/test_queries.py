"""Lists of orders and trades: order, filters, pages, totals, and whose they are."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from order.v1 import order_pb2
from sqlalchemy import create_engine, select
from trading.v1 import trading_pb2

from svc.kit import ids
from svc.order.queries import EXACT_TOTAL
from svc.order.tables import IS_END, order_events
from tests.order.exchange import Exchange, Trader, limit, refused, until

_SHOWN = {"literal_binds": True}

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def some(desk: Exchange) -> tuple[Trader, list[str]]:
    """A trader with a filled, a canceled, a rejected and two resting orders, in that order."""
    trader, other = await desk.trader(), await desk.trader()
    filled = await trader.place(limit("BUY", "0.01", "61000", client_order_id="a-1"))
    await other.place(limit("SELL", "0.01", "61000"))
    await trader.until(filled, "FILLED")
    canceled = await trader.place(limit("BUY", "0.01", "50000", client_order_id="a-2"))
    await trader.cancel(canceled)
    await trader.until(canceled, "CANCELED")
    error = await refused(trader.place(limit("SELL", "900", "61000")))
    first = await trader.place(limit("SELL", "0.01", "70000", client_order_id="b_1"))
    await trader.until(first, "ACCEPTED")
    second = await trader.place(limit("SELL", "0.01", "70001"))
    await trader.until(second, "ACCEPTED")
    return trader, [filled, canceled, error.metadata["orderId"], first, second]


def ids_of(answer: order_pb2.ListOrdersResponse) -> list[str]:
    return [order.order_id for order in answer.data]


@pytest.mark.spec("api-list-order", "api-list-shape", "tbl-updated-at")
async def test_the_last_change_comes_first(desk: Exchange) -> None:
    trader, order_ids = await some(desk)
    answer = await trader.list()
    assert ids_of(answer) == order_ids[::-1]
    assert (answer.pagination.page, answer.pagination.limit, answer.pagination.total) == (1, 50, 5)
    assert answer.pagination.next_cursor == ""
    await trader.cancel(order_ids[3])
    await trader.until(order_ids[3], "CANCELED")
    changed = await trader.list()
    assert ids_of(changed)[0] == order_ids[3]
    times = [order.updated_at.ToNanoseconds() for order in changed.data]
    assert times == sorted(times, reverse=True)


@pytest.mark.spec("api-list-params")
async def test_filters_hold_together(desk: Exchange) -> None:
    trader, (filled, canceled, rejected, first, second) = await some(desk)
    for filters, expected in (
        ({"status": "filled"}, [filled]),
        ({"status": "Accepted"}, [second, first]),
        ({"type": "LIMIT", "status": "rejected"}, [rejected]),
        ({"type": "market"}, []),
        ({"symbol": "btcusdt", "status": "CANCELED"}, [canceled]),
        ({"symbol": "ETH-USDT"}, []),
        ({"search": "a-"}, [canceled, filled]),
        ({"search": "b_"}, [first]),
        ({"search": "_"}, [first]),
        ({"search": "%"}, []),
        ({"search": rejected}, [rejected]),
    ):
        answer = await trader.list(**filters)
        assert ids_of(answer) == expected, filters
        assert answer.pagination.total == len(expected), filters


async def test_dates_bound_the_creation_from_inside_and_outside(desk: Exchange) -> None:
    trader, order_ids = await some(desk)
    created = (await trader.order(order_ids[3])).created_at
    later = await trader.list(from_date=created)
    assert ids_of(later) == [order_ids[4], order_ids[3]]
    earlier = await trader.list(to_date=created)
    assert ids_of(earlier) == order_ids[2::-1]
    assert ids_of(await trader.list(from_date=created, to_date=created)) == []
    live = await trader.list(from_date=created, to_date=_after(created), status="accepted")
    assert ids_of(live) == [order_ids[3]]


def _after(time: Timestamp) -> Timestamp:
    """A microsecond later."""
    later = Timestamp()
    later.FromNanoseconds(time.ToNanoseconds() + 1_000)
    return later


@pytest.mark.parametrize("status", ["", "accepted", "canceled"])
async def test_pages_by_number_and_by_cursor_show_every_order_once(
    desk: Exchange, status: str
) -> None:
    trader = await desk.trader()
    items = [order_pb2.OrderItem(create=limit(price=str(50_000 + n))) for n in range(23)]
    placed = [result.order_id for result in await trader.submit(*items)]
    ended = placed[::3]
    for order_id in ended:
        await trader.cancel(order_id)
    await desk.settled()
    wanted = {"": placed, "canceled": ended, "accepted": [p for p in placed if p not in ended]}
    by_number = [
        order_id
        for page in (1, 2, 3)
        for order_id in ids_of(await trader.list(page=page, limit=10, status=status))
    ]
    by_cursor, cursor, times = [], "", []
    while True:
        answer = await trader.list(limit=10, status=status, cursor=cursor)
        by_cursor += ids_of(answer)
        times += [order.updated_at.ToNanoseconds() for order in answer.data]
        cursor = answer.pagination.next_cursor
        if not cursor:
            break
        assert len(answer.data) == 10
    assert by_number == by_cursor
    assert sorted(by_number) == sorted(wanted[status])
    assert times == sorted(times, reverse=True)
    last = await trader.list(page=4, limit=10, status=status)
    assert (list(last.data), last.pagination.total) == ([], len(wanted[status]))


async def test_orders_that_ended_are_found_by_their_index(desk: Exchange) -> None:
    wanted = select(order_events.c.order_id).where(order_events.c.account_id == 1, IS_END)
    query = str(wanted.compile(create_engine("postgresql+asyncpg://"), compile_kwargs=_SHOWN))
    async with desk.tables() as tables, tables.transaction():
        await tables.execute("SET LOCAL enable_seqscan = off")
        plan = await tables.fetch(f"EXPLAIN {query}")
    assert any("order_events_that_end" in line["QUERY PLAN"] for line in plan)


async def test_a_cursor_belongs_to_its_account_and_its_filters(desk: Exchange) -> None:
    trader, _ = await some(desk)
    other = await desk.trader()
    cursor = (await trader.list(limit=2)).pagination.next_cursor
    assert len((await trader.list(limit=2, cursor=cursor)).data) == 2
    for call in (
        other.list(cursor=cursor),
        trader.list(cursor=cursor, status="filled"),
        trader.list(cursor="AAAA"),
    ):
        assert (await refused(call)).reason == "INVALID_CURSOR"
    assert (await refused(trader.list(page=2, cursor=cursor))).reason == "PAGE_WITH_CURSOR"


async def test_a_filter_that_names_nothing_is_refused(desk: Exchange) -> None:
    trader = await desk.trader()
    error = await refused(trader.list(status="sleeping"))
    assert (error.reason, error.metadata["field"]) == ("INVALID_FIELD", "status")
    assert (await refused(trader.list(type="iceberg"))).metadata["field"] == "type"
    assert (await refused(trader.list(symbol="BTC-USDX"))).reason == "UNKNOWN_SYMBOL"
    assert (await refused(trader.list(limit=201))).reason == "INVALID_FIELD"


@pytest.mark.spec("api-count-cache")
async def test_a_large_total_is_counted_once_in_five_minutes(desk: Exchange) -> None:
    trader, order_ids = await some(desk)
    async with desk.tables() as tables:
        columns = await tables.fetchval(
            "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute "
            "WHERE attrelid = 'orders'::regclass AND attnum > 0 AND attname <> 'id'"
        )
        await tables.execute(
            f"INSERT INTO orders (id, {columns}) SELECT n, {columns} "  # noqa: S608
            "FROM orders, generate_series(1::bigint, $2::bigint) AS n WHERE id = $1",
            ids.from_uuid(order_ids[0]),
            EXACT_TOTAL,
        )
        assert (await trader.list()).pagination.total == EXACT_TOTAL + 5
        await tables.execute("DELETE FROM orders WHERE id = 1")
        assert (await trader.list()).pagination.total == EXACT_TOTAL + 5
        await tables.execute("DELETE FROM orders WHERE id <= $1", EXACT_TOTAL)
    assert (await trader.list(status="filled")).pagination.total == 1


async def test_nobody_sees_orders_of_another_account(desk: Exchange) -> None:
    trader, order_ids = await some(desk)
    other = await desk.trader()
    for order_id in order_ids:
        assert (await refused(other.order(order_id))).reason == "UNKNOWN_ORDER"
    assert (await refused(other.order("client:b_1"))).reason == "UNKNOWN_ORDER"
    assert (await trader.order("client:b_1")).order_id == order_ids[3]
    assert ids_of(await other.list()) == []
    assert (await refused(trader.order("nonsense"))).reason == "UNKNOWN_ORDER"


@pytest.mark.spec("grpc-by-user", "os-grpc-port")
async def test_other_services_read_an_account_page_by_page(desk: Exchange) -> None:
    trader, order_ids = await some(desk)
    request = order_pb2.GetOrdersByUserRequest(account_id=trader.account_id, limit=3)
    first = await desk.query.GetOrdersByUser(request)
    request.cursor = first.next_cursor
    second = await desk.query.GetOrdersByUser(request)
    assert [o.order_id for o in [*first.orders, *second.orders]] == order_ids[::-1]
    assert second.next_cursor == ""


@pytest.mark.spec("api-trades-own")
async def test_trades_come_newest_first_with_fees_and_pages(desk: Exchange) -> None:
    maker, taker = await desk.trader(), await desk.trader()
    resting = [await maker.place(limit("SELL", "0.01", str(61_000 + n))) for n in range(5)]
    bought = await taker.place(limit("BUY", "0.05", "61004"))
    await taker.until(bought, "FILLED")
    trades = list((await taker.trades()).data)
    assert [trade.price for trade in trades] == ["61004", "61003", "61002", "61001", "61000"]
    newest = trades[0]
    assert (newest.order_id, newest.symbol, newest.maker) == (bought, "BTC-USDT", False)
    assert newest.side == trading_pb2.Side.BUY
    assert (newest.quantity, newest.fee, newest.fee_currency) == ("0.01", "1.5251", "USDT")
    pages, cursor = [], ""
    while True:
        answer = await taker.trades(limit=2, cursor=cursor)
        pages.append(len(answer.data))
        cursor = answer.pagination.next_cursor
        if not cursor:
            break
    assert pages == [2, 2, 1]
    (of_order,) = (await maker.trades(order_id=resting[2])).data
    assert (of_order.order_id, of_order.maker, of_order.fee) == (resting[2], True, "0.91503")
    assert len((await taker.trades(symbol="BTC-USDT")).data) == 5
    assert len((await taker.trades(symbol="ETH-USDT")).data) == 0
    assert len((await taker.trades(order_id=resting[2])).data) == 0


async def test_a_list_shows_an_order_at_once(desk: Exchange) -> None:
    trader = await desk.trader()
    for count in range(1, 4):
        placed = await trader.place(limit(price="50000"))
        answer = await trader.list()
        assert (ids_of(answer)[0], answer.pagination.total) == (placed, count)
        await until(lambda: trader.order(placed), lambda order: order.sequence > 0)  # noqa: B023
