"""Two markets: instruments of each have an engine, a log and a settlement of their own.

Accounts and their money are one: what is locked in one market cannot be spent in the other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from engine.v1 import engine_pb2, engine_pb2_grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from order.v1 import order_pb2
from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit import ids
from svc.kit.clock import SystemClock
from svc.kit.database import Target, open_database
from svc.kit.settings import SettingsError, load_endpoints, ports_of
from svc.metadata.catalog import Definition
from svc.metadata.instruments_file import parse
from svc.metadata.wire import definition_message
from svc.order.reconciler import Reconciler
from svc.order.session import Session
from tests.order.exchange import SERVICES, Exchange, Status, Trader, World, limit, refused, until

Stop = order_pb2.Stop
MarketState = trading_pb2.MarketState.Value
BTC, ETH = "BTC-USDT", "ETH-USDT"
ETH_ID = 5
SECOND = 2


@pytest.fixture
def without_eth_file(two_markets_file: Path) -> Path:
    """Give the shipped instruments without ETH-USDT."""
    head, *rows = two_markets_file.read_text("utf-8").split("[[instruments]]")
    path = two_markets_file.with_name("without-eth.toml")
    kept = [row for row in rows if f'"{ETH}"' not in row]
    path.write_text("[[instruments]]".join([head, *kept]), "utf-8")
    return path


@pytest.fixture
def eth(two_markets_file: Path) -> Definition:
    """Give ETH-USDT as the operator defines it."""
    listed = parse(two_markets_file.read_text("utf-8"), "").instruments
    (found,) = (one for one in listed if one.symbol == ETH)
    return found


@asynccontextmanager
async def running(
    world: World, two_markets_file: Path, without: str = ""
) -> AsyncIterator[Exchange]:
    """An exchange of two markets; both trade, unless one engine is missing."""
    async with world.run(without, markets=2, instruments_file=two_markets_file) as exchange:
        await exchange.opened()
        if without != "engine-2":
            await exchange.opened(ETH, "2650")
        yield exchange


def in_eth(side: str, quantity: str, price: str) -> order_pb2.CreateOrderRequest:
    """A limit order in the second market."""
    return limit(side, quantity, price, symbol=ETH)


async def funded(exchange: Exchange) -> Trader:
    """An account with coins of both markets and the dollars of both."""
    return await exchange.trader(BTC="10", ETH="100", USDT="100000")


async def test_orders_of_one_list_go_each_to_its_market(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange:
        seller, buyer = await funded(exchange), await funded(exchange)
        sold = [
            await seller.place(limit("SELL", "1", "61000")),
            await seller.place(in_eth("SELL", "10", "2650")),
        ]
        for order_id in sold:
            await seller.until(order_id, "ACCEPTED")
        results = await buyer.submit(
            order_pb2.OrderItem(create=in_eth("BUY", "10", "2650")),
            order_pb2.OrderItem(create=limit("BUY", "1", "61000")),
            order_pb2.OrderItem(create=in_eth("BUY", "10", "2650")),
        )
        bought = [result.order_id for result in results[:2]]
        assert results[2].error.reason == "INSUFFICIENT_BALANCE", "both markets spend one balance"
        for order_id in bought:
            await buyer.until(order_id, "FILLED")
        traded = (await buyer.trades()).data
        numbers = {(ids.from_uuid(one.trade_id) >> 40, one.symbol) for one in traded}
        assert numbers == {(1, BTC), (SECOND, ETH)}
        first, second = await exchange.settled(1), await exchange.settled(SECOND)
        assert first.applied.log_id != second.applied.log_id
        async with exchange.tables() as tables:
            rows = await tables.fetch("SELECT DISTINCT market, instrument_id FROM orders")
        assert {tuple(row) for row in rows} == {(1, 4), (SECOND, ETH_ID)}
        await exchange.balanced()


async def test_orders_for_an_engine_that_is_away_wait_and_keep_nobody_waiting(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange:
        trader = await funded(exchange)
        account = trader.account_id
        await exchange.balanced()
    async with running(world, two_markets_file, without="engine-2") as exchange:
        trader = exchange.known(account)
        waiting = await trader.place(in_eth("SELL", "1", "2650"))
        placed = await trader.place(limit("SELL", "1", "61000"))
        await trader.until(placed, "ACCEPTED")
        assert (await trader.order(waiting)).status == order_pb2.Order(status="NEW").status
        assert (await exchange.settled(1)).unsettled_commands == 0
        assert (await exchange.progress(SECOND)).unsettled_commands == 1
    async with running(world, two_markets_file) as exchange:
        trader = exchange.known(account)
        await trader.until(waiting, "ACCEPTED")
        await trader.cancel(waiting)
        await trader.cancel(placed)
        await trader.until(waiting, "CANCELED")
        await exchange.balanced()


async def test_a_list_that_waits_for_room_in_one_market_holds_none_in_the_other(
    world: World, two_markets_file: Path
) -> None:
    most = 4
    async with running(world, two_markets_file) as exchange:
        account = (await funded(exchange)).account_id
        await exchange.balanced()
    changes = {"order_max_unsettled": most, "instruments_file": two_markets_file}
    async with world.run("engine-2", markets=2, **changes) as exchange:
        await exchange.opened()
        trader = exchange.known(account)
        for _ in range(most):
            await trader.place(in_eth("SELL", "0.1", "2650"))
        both = [order_pb2.OrderItem(create=limit("SELL", "0.1", "61000")) for _ in range(most)]
        both.append(order_pb2.OrderItem(create=in_eth("SELL", "0.1", "2650")))
        given_up = asyncio.create_task(trader.submit(*both))
        waiting = asyncio.create_task(trader.submit(*both))
        # Both wait for the second market, and leave the first to others.
        placed = [await trader.place(limit("SELL", "0.1", "61000")) for _ in range(3 * most)]
        assert not given_up.done()
        assert not waiting.done()
        given_up.cancel()
        *first, last = await waiting
        assert last.error.reason == "TOO_MANY_UNSETTLED"
        for order_id in [*placed, *(result.order_id for result in first)]:
            await trader.until(order_id, "ACCEPTED")
        assert (await exchange.settled(1)).unsettled_commands == 0
        assert await trader.cancel_all() == 4 * most + most
    async with running(world, two_markets_file) as exchange:
        await exchange.balanced()


async def test_orders_of_the_second_market_are_replaced(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange:
        trader = await funded(exchange)
        placed = await trader.place(in_eth("BUY", "1", "2600"))
        await trader.until(placed, "ACCEPTED")
        await trader.replace(placed, price="2610", quantity="2")
        await trader.at_version(placed, 2)
        swapped = (await trader.swap(placed, in_eth("BUY", "1", "2620"))).order_id
        await trader.until(placed, "CANCELED")
        await trader.until(swapped, "ACCEPTED")
        error = await refused(trader.swap(swapped, limit("BUY", "0.01", "61000")))
        assert error.reason == "REPLACES_ANOTHER_KIND"
        await trader.cancel(swapped)
        await trader.until(swapped, "CANCELED")
        await exchange.balanced()


async def test_a_market_is_added_to_an_exchange_that_has_one(
    world: World, two_markets_file: Path, without_eth_file: Path
) -> None:
    async with world.run(instruments_file=without_eth_file) as exchange:
        await exchange.opened()
        trader = await funded(exchange)
        placed = await trader.place(limit("SELL", "1", "61000"))
        await trader.until(placed, "ACCEPTED")
        await exchange.balanced()
    async with running(world, two_markets_file) as exchange:
        trader = exchange.known(trader.account_id)
        added = await trader.place(in_eth("SELL", "1", "2650"))
        await trader.until(added, "ACCEPTED")
        assert await trader.cancel_all() == len((placed, added))
        await trader.until(placed, "CANCELED")
        await exchange.balanced()


async def test_an_instance_that_serves_fewer_markets_refuses_orders_of_the_others(
    world: World, eth: Definition, without_eth_file: Path
) -> None:
    put = metadata_pb2.PutInstrumentsRequest(instruments=[definition_message(eth)])
    async with world.run(markets=2, instruments_file=without_eth_file) as exchange:
        await exchange.opened()
        async with world.second_order(exchange) as second:  # which serves one market
            channel = exchange.host.channel("mesh", "metadata")
            await metadata_pb2_grpc.MetadataServiceStub(channel).PutInstruments(put)
            await exchange.opened(ETH, "2650")
            trader = await funded(exchange)
            resting = await trader.place(in_eth("SELL", "1", "2650"))
            await trader.until(resting, "ACCEPTED")
            other = second.known(trader.account_id)
            assert (await other.order(resting)).symbol in ("", ETH)
            named = order_pb2.CancelOrderRequest(order_id=resting)
            placed, canceled, replaced = await other.submit(
                order_pb2.OrderItem(create=limit("SELL", "1", "61000")),
                order_pb2.OrderItem(cancel=named),
                order_pb2.OrderItem(
                    replace=order_pb2.ReplaceOrderRequest(order_id=resting, price="2660")
                ),
            )
            assert canceled.error.reason == "MARKET_NOT_SERVED"
            assert replaced.error.reason in ("MARKET_NOT_SERVED", "TRY_AGAIN")
            await other.until(placed.order_id, "ACCEPTED")
            assert (await trader.order(resting)).status == Status.ACCEPTED
            assert await trader.cancel_all() == len((resting, placed))
            await trader.until(resting, "CANCELED")
            await exchange.balanced()


async def test_a_stop_of_one_market_leaves_the_other_alone(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange, exchange.tables() as tables:
        trader = await funded(exchange)
        resting = await trader.place(in_eth("SELL", "1", "2650"))
        await trader.until(resting, "ACCEPTED")
        spoil = "UPDATE orders SET filled_lots = filled_lots + $2 WHERE id = $1"
        await tables.execute(spoil, ids.from_uuid(resting), 1)
        await trader.place(in_eth("BUY", "0.5", "2650"))
        stopped = await until(
            lambda: exchange.progress(SECOND), lambda progress: len(progress.stops) > 0
        )
        assert [stop.kind for stop in stopped.stops] == [Stop.EVENT]
        # In a list, for a call that is refused so is repeated until its deadline.
        (result,) = await trader.submit(order_pb2.OrderItem(create=in_eth("BUY", "1", "2650")))
        assert (result.error.reason, result.error.metadata["market"]) == ("MARKET_STOPPED", "2")
        placed = await trader.place(limit("SELL", "1", "61000"))
        await trader.until(placed, "ACCEPTED")
        assert list((await exchange.progress(1)).stops) == []
        await tables.execute(spoil, ids.from_uuid(resting), -1)
        await exchange.markets.ResolveStop(
            order_pb2.ResolveStopRequest(market=SECOND, kind=Stop.EVENT)
        )
        await exchange.balanced()


async def test_all_orders_of_both_markets_are_canceled_by_one_call(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange:
        trader = await funded(exchange)
        placed = [
            await trader.place(limit("SELL", "1", "61000")),
            await trader.place(in_eth("SELL", "1", "2650")),
        ]
        assert await trader.cancel_all() == len(placed)
        for order_id in placed:
            await trader.until(order_id, "CANCELED")
        await exchange.balanced()
        assert (await trader.balance("ETH")).locked == "0"


async def test_random_orders_over_both_markets_settle_exactly(
    world: World, two_markets_file: Path
) -> None:
    choice = random.Random(5)
    async with running(world, two_markets_file) as exchange:
        traders = [await funded(exchange) for _ in range(4)]
        for _ in range(40):
            items = []
            for _ in range(choice.randint(1, 12)):
                side = choice.choice(("BUY", "SELL"))
                if choice.random() < 0.5:
                    price = str(61_000 + choice.randint(-5, 5))
                    create = limit(side, f"0.{choice.randint(1, 9)}", price)
                else:
                    price = str(2_650 + choice.randint(-5, 5))
                    create = in_eth(side, f"{choice.randint(1, 9)}", price)
                items.append(order_pb2.OrderItem(create=create))
            await choice.choice(traders).submit(*items)
        await exchange.balanced()
        async with exchange.tables() as tables:
            traded = await tables.fetch(
                "SELECT trade_id >> 40 AS market, count(*) FROM trades GROUP BY 1"
            )
        assert sorted(row["market"] for row in traded) == [1, SECOND]
        async with exchange.tables() as tables:
            strays = await tables.fetchval(
                "SELECT count(*) FROM trades AS t JOIN orders AS o ON o.id = t.order_id "
                "WHERE t.trade_id >> 40 <> o.market"
            )
        assert strays == 0


async def test_an_engine_leads_its_own_market_alone(world: World, two_markets_file: Path) -> None:
    async with running(world, two_markets_file) as exchange:
        for name, own, other in (("engine", 1, SECOND), ("engine-2", SECOND, 1)):
            engine = engine_pb2_grpc.EngineServiceStub(exchange.host.channel("mesh", name))
            await engine.GetStatus(engine_pb2.GetStatusRequest(market=own))
            error = await refused(
                engine.GetStatistics(engine_pb2.GetStatisticsRequest(market=other))
            )
            assert (error.reason, error.metadata["market"]) == ("UNKNOWN_MARKET", str(other))


async def test_a_hold_without_an_order_is_closed_in_the_market_of_its_instrument(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange:
        trader = await funded(exchange)
        wallet = wallet_pb2_grpc.WalletServiceStub(exchange.host.channel("order", "wallet"))
        item = wallet_pb2.LockItem(
            order_id=77, version=1, account_id=trader.account_id, instrument_id=ETH_ID,
            side="SELL", maker_fee_ppm=1_500, taker_fee_ppm=2_500,
            spot=wallet_pb2.SpotHold(lots=1_000),
        )  # fmt: skip
        await wallet.LockFunds(wallet_pb2.LockFundsRequest(items=[item]))
        database = await open_database(Target(world.postgres_url, "order"))

        async def opened() -> object:
            return database

        session = Session(opened)  # type: ignore[arg-type]
        reconciler = Reconciler(
            session=session, wallet=wallet, clock=SystemClock(), age_s=0, pause_s=1
        )
        assert await reconciler.reconcile() == 1
        await reconciler.close()
        await database.close()
        async with exchange.tables() as tables:
            assert await tables.fetchval("SELECT market FROM orders WHERE id = 77") == SECOND
        await exchange.balanced()


async def test_metadata_learns_the_states_of_each_market_from_its_engine(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange:
        metadata = metadata_pb2_grpc.MetadataServiceStub(exchange.host.channel("edge", "metadata"))

        async def states() -> set[str]:
            listed = await metadata.ListMarkets(metadata_pb2.ListMarketsRequest())
            shown = {market.symbol: market.status for market in listed.markets}
            return {MarketState.Name(shown[symbol]) for symbol in (BTC, ETH)}

        await until(states, lambda found: found == {"TRADING"})


async def test_instruments_of_a_market_that_order_does_not_serve_yet_are_unknown_to_it(
    world: World, two_markets_file: Path
) -> None:
    # As between the restarts of metadata and order, when a market is added.
    anywhere = {port: "0" for name in (*SERVICES, "engine-2") for port in ports_of(name)}
    listing = world.settings(markets=2, instruments_file=two_markets_file)
    endpoints = dict(load_endpoints(anywhere | {"MESH_MARKETS": "2"}))
    async with world.hosting(["metadata"], listing, endpoints) as metadata:
        target = f"127.0.0.1:{metadata.ports('metadata')[0]}"
        endpoints["metadata"] = replace(endpoints["metadata"], target=target)
        others = [name for name in SERVICES if name != "metadata"]
        async with world.hosting(others, world.settings(), endpoints) as host:
            trader = Exchange(host, world.postgres_url).known(1)
            assert (await refused(trader.place(limit()))).reason == "MARKET_NOT_OPEN"
            assert (await refused(trader.place(in_eth("BUY", "1", "2650")))).reason == (
                "UNKNOWN_SYMBOL"
            )


async def test_fewer_markets_than_there_are_do_not_start(
    world: World, two_markets_file: Path
) -> None:
    async with running(world, two_markets_file) as exchange:
        trader = await funded(exchange)
        await trader.cancel(await trader.place(in_eth("SELL", "1", "2650")))
        await exchange.balanced()
    with pytest.raises(SettingsError, match=r"MESH_MARKETS is 1: ETH-USDT is of market 2, must be"):
        async with world.run():
            pass
    with pytest.raises(SettingsError, match=r"MESH_MARKETS is 1: market 2 has orders, must be 2"):
        async with world.run(without="metadata"):
            pass
