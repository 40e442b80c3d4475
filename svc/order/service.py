"""The order service put together: intake, relay, applier, reconciler, queries and their RPCs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping

import grpc
from engine.v1 import engine_pb2_grpc
from metadata.v1 import metadata_pb2_grpc
from order.v1 import order_pb2_grpc
from wallet.v1 import wallet_pb2_grpc

from svc.kit.client import method_in_bytes
from svc.kit.ids import IdGenerator
from svc.kit.lease import Lease
from svc.kit.runtime import Runtime
from svc.kit.service import Check, Service
from svc.kit.settings import SettingsError
from svc.order import store
from svc.order.amends import Amends
from svc.order.applier import Applier
from svc.order.catalog import Catalog
from svc.order.config import OrderSettings
from svc.order.intake import Intake
from svc.order.intake_commit import Committer
from svc.order.key_cache import KeyCache
from svc.order.market import Market
from svc.order.market_commands import MarketCommands
from svc.order.metrics import Metrics
from svc.order.queries import Queries
from svc.order.recall import Recall
from svc.order.reconciler import Reconciler
from svc.order.relay import Relay
from svc.order.servicer import MarketCommandServicer, OrderQueryServicer, OrderServicer
from svc.order.session import Session
from svc.order.stopping import Stops
from svc.order.unsettled import Unsettled
from svc.topology import engine_of

_PRE_TRADE_CHECK = "/risk.v1.RiskService/PreTradeCheck"
_LOCK_FUNDS = "/wallet.v1.WalletService/LockFunds"
_SETTLE_TRADE = "/wallet.v1.WalletService/SettleTrade"


def create(runtime: Runtime) -> Service:
    """Order's composition root."""
    return OrderService(runtime, OrderSettings.of(runtime.settings))


class OrderService:
    """The life of order; see kit.service.Service."""

    name = "order"

    def __init__(self, runtime: Runtime, settings: OrderSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._metrics = Metrics(runtime.registry)
        self._wallet = wallet_pb2_grpc.WalletServiceStub(runtime.channel("wallet"))
        metadata = metadata_pb2_grpc.MetadataServiceStub(runtime.channel("metadata"))
        self._markets = {
            number: Market(number, Unsettled(settings.order_max_unsettled))
            for number in range(1, settings.markets + 1)
        }
        self._catalog = Catalog(metadata, runtime.database, self._markets.keys())
        for market in self._markets.values():
            self._metrics.watch_outbox(market)
        self._stops = Stops(runtime.database)
        self._queries = Queries(runtime.database, runtime.redis())
        self._deciding = Session(runtime.database)
        self._committing = Session(runtime.database)
        self._ids: IdGenerator | None = None
        self._intake = self._new_intake()
        self._workers: list[Relay | Applier] = []
        self._reconciler = self._new_reconciler()
        self._tasks: list[asyncio.Task[None]] = []

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        order_pb2_grpc.add_OrderServiceServicer_to_server(
            OrderServicer(self._intake, self._catalog, self._queries), server
        )
        order_pb2_grpc.add_OrderQueryServiceServicer_to_server(
            OrderQueryServicer(self._catalog, self._queries), server
        )
        commands = MarketCommands(self._runtime.database)
        order_pb2_grpc.add_MarketCommandServiceServicer_to_server(
            MarketCommandServicer(self._markets, commands, self._stops), server
        )

    async def start(self) -> None:
        """Loads instruments and the market's view; then takes orders, while the tasks begin.

        Waits neither for metadata nor for the engine: orders wait for what only they can say.
        """
        database = await self._runtime.database()
        async with database.transaction() as conn:
            highest = await store.highest_order(conn)
            self._check_all_served(await store.highest_market(conn))
        self._ids = IdGenerator(self._settings.order_id_writer, self._runtime.clock, highest)
        await self._catalog.load()
        for market in self._markets.values():
            await self._stops.load(market)
            self._workers += await self._workers_of(market)
        for worker in self._workers:
            self._spawn(worker.run())
        self._spawn(self._reconciler.run())
        self._spawn(self._catalog.run())
        self._spawn(self._stops.watch(self._markets))

    async def stop(self) -> None:
        """Answers what was taken, then gives the leases back."""
        await self._intake.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        sessions = (self._deciding, self._committing)
        for part in (*self._workers, self._reconciler, *sessions):
            await part.close()

    def checks(self) -> Mapping[str, Check]:
        """Only the database: without the rest it still takes cancels and shows orders."""
        return {"postgres": self._check_database}

    async def _check_database(self) -> None:
        await (await self._runtime.database()).check()

    def _check_all_served(self, highest_market: int) -> None:
        if highest_market > len(self._markets):
            raise SettingsError(
                f"MESH_MARKETS is {len(self._markets)}: market {highest_market} has orders, "
                f"must be {highest_market} or more"
            )

    async def _workers_of(self, market: Market) -> tuple[Relay, Applier]:
        channel = self._runtime.channel(engine_of(market.id))
        engine = engine_pb2_grpc.EngineServiceStub(channel)
        return (
            self._new_relay(market, engine, await self._lease("relay", market)),
            self._new_applier(market, engine, await self._lease("applier", market)),
        )

    async def _lease(self, part: str, market: Market) -> Lease:
        database = await self._runtime.database()
        name = f"{part}-{market.id}"
        return Lease(database, name, self._settings.instance, self._runtime.address)

    def _next_order_id(self) -> int:
        assert self._ids is not None, "calls are let in after start()"
        return self._ids.next()

    def _new_intake(self) -> Intake:
        cache = KeyCache(self._runtime.redis(), self._runtime.clock)
        check = method_in_bytes(self._runtime.channel("risk"), _PRE_TRADE_CHECK)
        return Intake(
            markets=self._markets,
            recall=Recall(cache, self._deciding, self._committing, self._next_order_id),
            amends=Amends(
                session=self._deciding,
                catalog=self._catalog,
                markets=self._markets,
                pre_trade_check=check,
                wallet=self._wallet,
                clock=self._runtime.clock,
            ),
            pre_trade_check=check,
            lock_funds=method_in_bytes(self._runtime.channel("wallet"), _LOCK_FUNDS),
            wallet=self._wallet,
            committer=Committer(self._committing, self._markets, self._runtime.clock),
            clock=self._runtime.clock,
            metrics=self._metrics,
            log_orders=self._settings.log_level == "debug",
        )

    def _new_relay(
        self, market: Market, engine: engine_pb2_grpc.EngineServiceAsyncStub, lease: Lease
    ) -> Relay:
        return Relay(
            market=market,
            lease=lease,
            session=Session(self._runtime.database),
            forgetting=Session(self._runtime.database),
            engine=engine,
            clock=self._runtime.clock,
            metrics=self._metrics,
        )

    def _new_applier(
        self, market: Market, engine: engine_pb2_grpc.EngineServiceAsyncStub, lease: Lease
    ) -> Applier:
        return Applier(
            market=market,
            lease=lease,
            session=Session(self._runtime.database),
            catalog=self._catalog,
            engine=engine,
            settle_trade=method_in_bytes(self._runtime.channel("wallet"), _SETTLE_TRADE),
            clock=self._runtime.clock,
            metrics=self._metrics,
            log_orders=self._settings.log_level == "debug",
        )

    def _new_reconciler(self) -> Reconciler:
        return Reconciler(
            session=Session(self._runtime.database),
            wallet=self._wallet,
            clock=self._runtime.clock,
            age_s=self._settings.order_hold_age_s,
            pause_s=self._settings.order_reconcile_s,
        )

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._runtime.fail(error)
