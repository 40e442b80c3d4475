"""Two markets: instruments of each have an engine, a log and a settlement of their own.

Accounts and their money are one: what is locked in one market cannot be spent in the other.
"""

from __future__ import annotations

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
from svc.order.reconciler import Reconciler
from svc.order.session import Session
from tests.order.exchange import SERVICES, Exchange, Trader, World, limit, refused, until

Stop = order_pb2.Stop
MarketState = trading_pb2.MarketState.Value
BTC, ETH = "BTC-USDT", "ETH-USDT"
ETH_ID = 5
SECOND = 2


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
        first, second = await exchange.progress(1), await exchange.progress(SECOND)
        assert first.settled_number == first.outbox_number
        assert (second.settled_number, second.unsettled_commands) == (second.outbox_number - 1, 1)
    async with running(world, two_markets_file) as exchange:
        trader = exchange.known(account)
        await trader.until(waiting, "ACCEPTED")
        await trader.cancel(waiting)
        await trader.cancel(placed)
        await trader.until(waiting, "CANCELED")
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
