"""What happens when a part is away, comes back, contradicts the others, or died half-way."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import grpc
import pytest
from engine.v1 import engine_pb2, engine_pb2_grpc
from order.v1 import order_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.engine.folder import Folder
from svc.kit import ids
from svc.kit.clock import SystemClock
from svc.kit.database import Target, open_database
from svc.order import relay
from svc.order.reconciler import Reconciler
from svc.order.session import Session
from svc.topology import MARKET
from tests.order.cutting_proxy import CuttingProxy
from tests.order.exchange import Exchange, Trader, World, limit, refused, trade_at, until

Stop, Item = order_pb2.Stop, order_pb2.OrderItem


async def open_with_trader(world: World) -> Trader:
    """Open the market once, so that it is known to trade, and make an account."""
    async with world.run() as running:
        await running.opened()
        trader = await running.trader()
        await running.balanced()
        return trader


async def reasons(trader: Trader, *prices: str) -> list[str]:
    """Why a list of orders at these prices is refused, one by one."""
    items = [Item(create=limit(price=price)) for price in prices]
    return [result.error.reason for result in await trader.submit(*items)]


@pytest.mark.spec("fail-kafka", "os-outbox", "pipe-10-publish")
async def test_orders_wait_for_an_engine_that_is_away_and_reach_it_when_it_is_back(
    world: World,
) -> None:
    account_id = (await open_with_trader(world)).account_id
    async with world.run(without="engine") as running:
        trader = running.known(account_id)
        placed = [await trader.place(limit(price="50000")) for _ in range(3)]
        assert (await trader.order(placed[0])).sequence == 0
        progress = await running.progress()
        assert progress.outbox_number - progress.settled_number >= 3
    async with world.run() as running:
        trader = running.known(account_id)
        for order_id in placed:
            await trader.until(order_id, "ACCEPTED")
        await running.balanced()


@pytest.mark.spec("exec-5-settle")
async def test_orders_show_no_fill_that_the_wallet_has_not_settled(world: World) -> None:
    account_id = (await open_with_trader(world)).account_id
    async with world.run(without="engine") as running:
        trader = running.known(account_id)
        sold = await trader.place(limit("SELL", "0.01", "61000"))
        await trader.place(limit("BUY", "0.01", "61000"))
    async with world.run(without="wallet") as running:
        trader = running.known(account_id)
        await until(running.progress, lambda p: p.handed_over_number == p.outbox_number)
        assert (await trader.order(sold)).sequence == 0
    async with world.run() as running:
        await running.known(account_id).until(sold, "FILLED")
        await running.balanced()


async def test_too_many_unsettled_orders_wait_and_are_refused_while_cancels_pass(
    world: World,
) -> None:
    account_id = (await open_with_trader(world)).account_id
    async with world.run(without="engine", order_max_unsettled=3) as running:
        trader = running.known(account_id)
        placed = [await trader.place(limit(price="50000")) for _ in range(3)]
        call = trader.orders.CreateOrder(limit(), metadata=trader.metadata(), timeout=2)
        assert (await refused(call)).reason == "TOO_MANY_UNSETTLED"
        await trader.cancel(placed[0])
    async with world.run(order_max_unsettled=3) as running:
        trader = running.known(account_id)
        await trader.until(placed[0], "CANCELED")
        await trader.place(limit(price="50000"))
        await running.balanced()


@pytest.mark.spec("cache-instrument", "pipe-4-instrument")
async def test_orders_go_on_with_what_metadata_said_last(world: World) -> None:
    account_id = (await open_with_trader(world)).account_id
    async with world.run() as running:
        trader = running.known(account_id)
        placed = await trader.place(limit(price="50000"))
        await trader.until(placed, "ACCEPTED")
    async with world.run(without="metadata") as running:
        trader = running.known(account_id)
        assert (await trader.order(placed)).symbol == "BTC-USDT"
        assert len((await trader.list(symbol="BTC-USDT")).data) == 1
        off_tick = limit(price="50000.001")
        assert (await refused(trader.place(off_tick))).reason == "PRICE_NOT_ON_TICK"
        assert await reasons(trader, "50000") == ["RISK_CHECK_UNAVAILABLE"]  # risk keeps none
        await trader.cancel(placed)
    async with world.run() as running:
        await running.known(account_id).until(placed, "CANCELED")
        await running.balanced()


async def test_everything_goes_on_after_a_restart(world: World) -> None:
    account_id = (await open_with_trader(world)).account_id
    async with world.run() as running:
        trader = running.known(account_id)
        sold = await trader.place(limit("SELL", "0.02", "61000"))
        await trader.until(sold, "ACCEPTED")
        before = (await running.progress()).applied
    async with world.run() as running:
        trader = running.known(account_id)
        assert (await running.progress()).applied == before
        await trader.place(limit("BUY", "0.01", "61000"))
        order = await trader.until(sold, "PARTIALLY_FILLED")
        assert order.filled_quantity == "0.01"
        await running.balanced()


_WITHOUT_A_DATABASE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@pytest.mark.spec("exec-1-dedup", "os-seq-dedup")
async def test_a_wallet_that_settled_before_orders_died_is_not_settled_twice(world: World) -> None:
    account_id = (await open_with_trader(world)).account_id
    async with world.run() as running, running.tables() as tables:
        trader = running.known(account_id)
        sold = await trader.place(limit("SELL", "0.01", "61000"))
        await trader.until(sold, "ACCEPTED")
        transaction = tables.transaction()
        await transaction.start()  # holds the order's row: the wallet settles, orders cannot
        await tables.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", ids.from_uuid(sold))
        await trader.place(limit("BUY", "0.01", "61000"))
        fees = "1.525"
        await until(lambda: trader.balance("USDT"), lambda b: b.total == "9999997.56")
        assert fees
        await running.host.stop()
        await transaction.rollback()
    async with world.run() as running:
        trader = running.known(account_id)
        await trader.until(sold, "FILLED")
        assert (await trader.balance("USDT")).total == "9999997.56"
        await running.balanced()


async def test_a_log_that_is_not_ours_is_handed_nothing_until_it_is_resolved(world: World) -> None:
    account_id = (await open_with_trader(world)).account_id
    journal = world.folder / "journal"
    kept = world.folder / "kept"
    journal.rename(kept)
    (journal / "market-1").mkdir(parents=True)
    # The folder that leads, so its identity says, and nothing of its log.
    shutil.copy(kept / "market-1" / "identity", journal / "market-1")
    async with world.run() as running:
        trader = running.known(account_id)
        found = await until(running.progress, lambda progress: len(progress.stops) > 0)
        assert [(stop.kind, stop.reason) for stop in found.stops] == [(Stop.LOG, "LOG_FOREIGN")]
        assert await reasons(trader, "50000") == ["MARKET_STOPPED"]
        handed_over = found.handed_over_number
        resolve = order_pb2.ResolveStopRequest(market=MARKET, kind=Stop.LOG)
        await running.markets.ResolveStop(resolve)
        again = await until(running.progress, lambda progress: len(progress.stops) > 0)
        assert again.stops[0].since_unix_ns > found.stops[0].since_unix_ns
        assert again.handed_over_number == handed_over == 0
    shutil.rmtree(journal)
    kept.rename(journal)
    async with world.run() as running:
        trader = running.known(account_id)
        await running.markets.ResolveStop(resolve)
        placed = await trader.place(limit(price="50000"))
        await trader.until(placed, "ACCEPTED")
        await running.balanced()


@pytest.mark.spec("fail-engine-event")
async def test_an_event_that_does_not_fit_stops_new_orders_and_not_cancels(world: World) -> None:
    account_id = (await open_with_trader(world)).account_id
    async with world.run() as running, running.tables() as tables:
        trader = running.known(account_id)
        sold = await trader.place(limit("SELL", "0.02", "61000"))
        await trader.until(sold, "ACCEPTED")
        resting = await trader.place(limit(price="50000"))
        await trader.until(resting, "ACCEPTED")
        spoil = "UPDATE orders SET filled_lots = filled_lots + $2 WHERE id = $1"
        await tables.execute(spoil, ids.from_uuid(sold), 1)
        await trader.place(limit("BUY", "0.01", "61000"))
        found = await until(running.progress, lambda progress: len(progress.stops) > 0)
        assert [(s.kind, s.reason) for s in found.stops] == [(Stop.EVENT, "EVENT_NOT_APPLICABLE")]
        assert str(found.applied.sequence + 2) in found.stops[0].message
        assert await reasons(trader, "50000") == ["MARKET_STOPPED"]
        await trader.cancel(resting)
        stands = await running.progress()
        assert stands.applied == found.applied
        await until(running.progress, lambda p: p.handed_over_number == p.outbox_number)
        resolve = order_pb2.ResolveStopRequest(market=MARKET, kind=Stop.EVENT)
        await running.markets.ResolveStop(resolve)
        await until(running.progress, lambda progress: len(progress.stops) > 0)  # and again
        await tables.execute(spoil, ids.from_uuid(sold), -1)
        await running.markets.ResolveStop(resolve)
        await trader.until(resting, "CANCELED")
        await trader.until(sold, "PARTIALLY_FILLED")
        await running.balanced()


def reconciler(running: Exchange, session: Session) -> Reconciler:
    """A reconciler that finds every hold old enough."""
    return Reconciler(
        session=session,
        wallet=wallet_pb2_grpc.WalletServiceStub(running.host.channel("order", "wallet")),
        clock=SystemClock(),
        age_s=0,
        pause_s=1,
    )


def hold(account_id: int, order_id: int) -> wallet_pb2.LockFundsRequest:
    """A hold as intake asks for it."""
    item = wallet_pb2.LockItem(
        order_id=order_id, version=1, account_id=account_id, instrument_id=4, side="SELL",
        maker_fee_ppm=1_500, taker_fee_ppm=2_500, spot=wallet_pb2.SpotHold(lots=1_000),
    )  # fmt: skip
    return wallet_pb2.LockFundsRequest(items=[item])


async def test_a_hold_that_no_order_stands_behind_is_given_back_for_good(world: World) -> None:
    async with world.run() as running:
        await running.opened()
        trader = await running.trader()
        live = await trader.place(limit("SELL", "0.02", "61000"))
        wallet = wallet_pb2_grpc.WalletServiceStub(running.host.channel("order", "wallet"))
        dead = ids.from_uuid(live) + 1
        await wallet.LockFunds(hold(trader.account_id, dead))
        assert (await trader.balance("BTC")).locked == "0.03"
        database = await open_database(Target(world.postgres_url, "order"))

        async def opened() -> object:
            return database

        session = Session(opened)  # type: ignore[arg-type]
        passing = reconciler(running, session)
        assert await passing.reconcile() == 1
        assert (await trader.balance("BTC")).locked == "0.02"
        await wallet.LockFunds(hold(trader.account_id, dead + 1))
        assert await passing.reconcile() == 1
        assert await reconciler(running, session).reconcile() == 0
        assert (await trader.balance("BTC")).locked == "0.02"
        late = (await wallet.LockFunds(hold(trader.account_id, dead))).results[0]
        assert late.refusal.reason == "HOLD_CLOSED"
        assert (await refused(trader.order(ids.to_uuid(dead)))).reason == "UNKNOWN_ORDER"
        assert (await trader.list()).pagination.total == 1
        await trader.until(live, "ACCEPTED")
        await session.close()
        await database.close()
        await running.balanced()


@pytest.mark.spec("fail-db")
async def test_a_transaction_that_the_database_ends_is_run_again_with_the_same_ids(
    world: World,
) -> None:
    async with world.run() as running, running.tables() as tables:
        await running.opened()
        trader = await running.trader()
        transaction = tables.transaction()
        await transaction.start()  # intake waits for the counter, its rows written
        await tables.execute("SELECT FROM outbox_counter FOR UPDATE")
        placing = asyncio.create_task(trader.place(limit(price="50000")))
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = $1"
        async with running.tables() as others:
            pid = await until(
                lambda: others.fetchval(waiting, "svc_order"), lambda found: found is not None
            )
            await others.execute("SELECT pg_terminate_backend($1)", pid)
        await transaction.rollback()
        placed = await placing
        await trader.until(placed, "ACCEPTED")
        assert (await trader.list()).pagination.total == 1
        await running.balanced()


async def test_a_commit_that_nobody_heard_of_is_found_and_not_repeated(
    world: World, servers_folder: Path
) -> None:
    folder = servers_folder / "cutting"
    folder.mkdir()
    proxy = CuttingProxy(world.postgres_url, folder)
    world.postgres_url = proxy.url
    async with proxy.run(), world.run() as running:
        await running.opened()
        trader = await running.trader()
        for number in range(3):
            proxy.armed = True
            items = [Item(create=limit(price="50000")) for _ in range(4)]
            results = await trader.submit(*items)
            assert all(result.order_id for result in results)
            assert proxy.cuts == number + 1
        for result in results:
            await trader.until(result.order_id, "ACCEPTED")
        proxy.armed = True
        await trader.cancel(results[0].order_id)
        await trader.until(results[0].order_id, "CANCELED")
        assert (await trader.list()).pagination.total == 12
        await running.balanced()


async def test_without_its_database_nothing_is_accepted_and_keys_stay_free(
    world: World, servers_folder: Path
) -> None:
    folder = servers_folder / "closing"
    folder.mkdir()
    proxy = CuttingProxy(world.postgres_url, folder)
    world.postgres_url = proxy.url
    async with proxy.run(), world.run() as running:
        await running.opened()
        trader = await running.trader()
        proxy.close_to("svc_order")
        keyed = limit(price="50000", idempotency_key="once")
        (result,) = await trader.submit(Item(create=keyed))
        assert result.error.reason == "DATABASE_UNAVAILABLE"
        for reading in (trader.list(), trader.trades(), trader.order(ids.to_uuid(1))):
            # The last try of the caller's client may end with its time.
            assert (await refused(reading)).code in _WITHOUT_A_DATABASE
        waiting = asyncio.create_task(trader.submit(Item(create=limit(price="50001"))))
        await until(lambda: trader.balance("USDT"), lambda balance: balance.locked != "0")
        proxy.open_to_all()
        (result,) = await waiting  # its funds were held: only the database knew what became of it
        assert result.order_id
        await trader.place(limit(price="50002", idempotency_key="once"))
        assert (await trader.list()).pagination.total == 2
        await running.balanced()


async def test_what_the_database_cannot_store_fails_alone(world: World) -> None:
    async with world.run() as running, running.tables() as tables:
        await running.opened()
        trader = await running.trader()
        await tables.execute(
            "ALTER TABLE open_orders ADD CHECK (client_order_id IS DISTINCT FROM 'poison')"
        )
        items = [Item(create=limit(price="50000", client_order_id=x)) for x in ("a", "poison", "b")]
        results = await trader.submit(*items)
        assert [result.error.reason for result in results] == ["", "NOT_STORED", ""]
        assert results[1].error.message == "Internal error."
        await running.settled()
        assert (await trader.list()).pagination.total == 2
        await running.released(2)
        await running.balanced()


async def test_events_that_the_database_cannot_store_stop_the_market(world: World) -> None:
    async with world.run() as running, running.tables() as tables:
        await running.opened()
        trader = await running.trader()
        await tables.execute("ALTER TABLE trades ADD CONSTRAINT none CHECK (quantity < 0)")
        await trader.place(limit("SELL", "0.01", "61000"))
        bought = await trader.place(limit("BUY", "0.01", "61000"))
        found = await until(running.progress, lambda progress: len(progress.stops) > 0)
        assert "CheckViolationError" in found.stops[0].message
        await tables.execute("ALTER TABLE trades DROP CONSTRAINT none")
        resolve = order_pb2.ResolveStopRequest(market=MARKET, kind=Stop.EVENT)
        await running.markets.ResolveStop(resolve)
        await trader.until(bought, "FILLED")
        await running.balanced()


async def test_the_outbox_keeps_what_no_snapshot_of_the_log_covers_and_no_more(
    world: World,
) -> None:
    async with world.run() as running:
        await running.opened()
        trader = await running.trader()
        resting = await trader.place(limit(price="50000"))
        await trader.until(resting, "ACCEPTED")
        async with running.tables() as tables:
            kept = await tables.fetchval("SELECT count(*) FROM outbox")
            await tables.execute("UPDATE outbox SET created_at = created_at - interval '1 day'")
    assert kept > 1
    # The engine's stop was clean: it left a snapshot.
    async with world.run() as running:
        async with running.tables() as tables:
            counted = "SELECT count(*) FROM outbox"
            await until(lambda: tables.fetchval(counted), lambda count: count == 0)
            trader = await running.trader()
            await trader.cancel(resting)
            await trader.until(resting, "CANCELED")
            await tables.execute("UPDATE outbox SET created_at = created_at - interval '1 day'")
            assert await tables.fetchval("SELECT count(*) FROM outbox") == 1
        await running.balanced()


async def test_the_log_lets_go_of_what_is_applied_and_everything_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "FORGET_PAUSE_S", 0.0)
    journal = Folder(world.folder / "journal" / f"market-{MARKET}")
    async with world.run(retention_hours=0) as running:
        await running.opened()
        trader = await running.trader()
        resting = await trader.place(limit(price="50000"))
        await trader.until(resting, "ACCEPTED")
        engine = engine_pb2_grpc.EngineServiceStub(running.host.channel("mesh", "engine"))

        async def first_segment() -> int:
            await engine.TakeSnapshot(engine_pb2.TakeSnapshotRequest(market=MARKET))
            return journal.numbers()[0]

        await until(first_segment, lambda number: number > journal.snapshots()[0] - 1 > 1)
        await trade_at(running, "55000")
        await running.balanced()
    async with world.run() as running:
        await running.opened()
        trader = running.known(trader.account_id)
        await trader.cancel(resting)
        await trader.until(resting, "CANCELED")
        await running.balanced()
