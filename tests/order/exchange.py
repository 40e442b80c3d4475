"""The whole order path in one process, and the traders, operators and services that use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import asyncpg
import grpc
from order.v1 import order_pb2, order_pb2_grpc
from pydantic import SecretStr
from risk.v1 import risk_pb2_grpc
from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from mesh.conservation import faults
from svc.engine.config import EngineSettings
from svc.kit import ids
from svc.kit.database import Target
from svc.kit.errors import DomainError, from_rpc
from svc.kit.host import Host
from svc.kit.identity import ACCOUNT_KEY, EDGE, SOURCE_KEY, USER_KEY, create_secrets
from svc.kit.settings import Endpoint, load_endpoints, ports_of
from svc.metadata.config import MetadataSettings
from svc.order.config import OrderSettings
from svc.order.lifecycle import CANCELABLE
from svc.risk.config import RiskSettings
from svc.topology import MARKET, engine_of

SERVICES = ("engine", "metadata", "wallet", "risk", "order")
WAIT_S = 20

Status = trading_pb2.OrderStatus
T = TypeVar("T")


class ExchangeSettings(OrderSettings, EngineSettings, MetadataSettings, RiskSettings):
    """Settings of all services of the process."""


async def until(asked: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """Ask again and again until the answer holds; every question lets the others work."""
    async with asyncio.timeout(WAIT_S):
        while not holds(answer := await asked()):
            pass
        return answer


async def refused(call: Awaitable[object]) -> DomainError:
    """Give the error of a call that must fail."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_rpc(error)
    raise AssertionError("the call was not refused")


def limit(
    side: str = "BUY", quantity: str = "0.01", price: str = "61000", **more: object
) -> order_pb2.CreateOrderRequest:
    """A limit order in BTC-USDT."""
    return market(side, quantity, **({"type": "LIMIT", "price": price} | more))


def market(
    side: str = "BUY", quantity: str = "0.01", **more: object
) -> order_pb2.CreateOrderRequest:
    """A market order in BTC-USDT."""
    fields = {"symbol": "BTC-USDT", "side": side, "type": "MARKET", "quantity": quantity}
    return order_pb2.CreateOrderRequest(**(fields | more))  # type: ignore[arg-type]


@dataclass(slots=True)
class Trader:
    """One account, as the edge lets it call."""

    account_id: int
    orders: order_pb2_grpc.OrderServiceAsyncStub
    wallet: wallet_pb2_grpc.WalletServiceAsyncStub
    headers: Mapping[str, str] = field(default_factory=dict)

    def metadata(self, **more: str) -> tuple[tuple[str, str], ...]:
        """Who calls, as the edge says it, and what the caller's own headers say."""
        uuid = ids.to_uuid(self.account_id)
        named = {key.replace("_", "-"): value for key, value in more.items()}
        said = {USER_KEY: uuid, ACCOUNT_KEY: uuid, SOURCE_KEY: "api"} | dict(self.headers) | named
        return tuple(said.items())

    async def create(
        self, request: order_pb2.CreateOrderRequest, **headers: str
    ) -> order_pb2.CreateOrderResponse:
        """Place one order."""
        return await self.orders.CreateOrder(request, metadata=self.metadata(**headers))

    async def place(self, request: order_pb2.CreateOrderRequest) -> str:
        """Place one order; its id."""
        return (await self.create(request)).order_id

    async def cancel(self, order_id: str, key: str = "") -> order_pb2.CancelOrderResponse:
        """Cancel one order."""
        request = order_pb2.CancelOrderRequest(order_id=order_id, idempotency_key=key)
        return await self.orders.CancelOrder(request, metadata=self.metadata())

    async def cancel_all(self, **fields: str) -> int:
        """Cancel all orders, or those of a symbol or side; how many were asked to go."""
        request = order_pb2.CancelAllOrdersRequest(**fields)
        answer = await self.orders.CancelAllOrders(request, metadata=self.metadata())
        return answer.requested

    async def replace(self, order_id: str, **fields: object) -> order_pb2.ReplaceOrderResponse:
        """Replace one order; what is left out stays."""
        request = order_pb2.ReplaceOrderRequest(order_id=order_id, **fields)  # type: ignore[arg-type]
        return await self.orders.ReplaceOrder(request, metadata=self.metadata())

    async def swap(
        self, order_id: str, order: order_pb2.CreateOrderRequest
    ) -> order_pb2.CancelReplaceOrderResponse:
        """Cancel one order and place another in its place."""
        request = order_pb2.CancelReplaceOrderRequest(order_id=order_id, order=order)
        return await self.orders.CancelReplaceOrder(request, metadata=self.metadata())

    async def at_version(self, order_id: str, version: int) -> order_pb2.Order:
        """Look at an order until it has this version and no request is under way."""
        return await until(
            lambda: self.order(order_id),
            lambda found: found.version == version and found.status != Status.REPLACE_PENDING,
        )

    async def submit(self, *items: order_pb2.OrderItem) -> list[order_pb2.OrderItemResult]:
        """Send a list."""
        request = order_pb2.SubmitOrdersRequest(items=items)
        answer = await self.orders.SubmitOrders(request, metadata=self.metadata())
        return list(answer.results)

    async def order(self, order_id: str) -> order_pb2.Order:
        """Look at one order."""
        request = order_pb2.GetOrderRequest(order_id=order_id)
        return (await self.orders.GetOrder(request, metadata=self.metadata())).order

    async def until(self, order_id: str, *statuses: str) -> order_pb2.Order:
        """Look at an order until it is in one of these states."""
        wanted = [Status.Value.Value(status) for status in statuses]
        return await until(lambda: self.order(order_id), lambda order: order.status in wanted)

    async def list(self, **filters: object) -> order_pb2.ListOrdersResponse:
        """List orders."""
        request = order_pb2.ListOrdersRequest(**filters)  # type: ignore[arg-type]
        return await self.orders.ListOrders(request, metadata=self.metadata())

    async def trades(self, **filters: object) -> order_pb2.ListTradesResponse:
        """List trades."""
        request = order_pb2.ListTradesRequest(**filters)  # type: ignore[arg-type]
        return await self.orders.ListTrades(request, metadata=self.metadata())

    async def balance(self, asset: str) -> wallet_pb2.Balance:
        """Look at one balance."""
        request = wallet_pb2.GetBalanceRequest(asset=asset)
        return (await self.wallet.GetBalance(request, metadata=self.metadata())).balance


class Exchange:
    """A running exchange."""

    def __init__(
        self, host: Host, url: str, first_account: int = 1_000, markets: int = MARKET
    ) -> None:
        """`url` is that of its database; `markets` how many there are."""
        self.host = host
        self.url = url
        self.numbers = range(MARKET, markets + 1)
        self.next_account = first_account
        self.traders: list[Trader] = []
        self.operator_wallet = wallet_pb2_grpc.WalletServiceStub(
            self.host.channel("mesh", "wallet")
        )
        self.risk = risk_pb2_grpc.RiskServiceStub(self.host.channel("mesh", "risk"))
        self.markets = order_pb2_grpc.MarketCommandServiceStub(self.host.channel("mesh", "order"))
        self.query = order_pb2_grpc.OrderQueryServiceStub(self.host.channel("mesh", "order"))

    async def trader(self, **funds: str) -> Trader:
        """A new account with these amounts; 1,000 BTC and 10,000,000 USDT where none is named."""
        self.next_account += 1
        trader = self.known(self.next_account)
        amounts = funds or {"BTC": "1000", "USDT": "10000000"}
        items = [
            wallet_pb2.CreditItem(
                transaction_id=f"{trader.account_id}-{asset}",
                account_id=trader.account_id,
                asset=asset,
                amount=amount,
            )
            for asset, amount in amounts.items()
        ]
        await self.operator_wallet.Credit(wallet_pb2.CreditRequest(items=items))
        self.traders.append(trader)
        return trader

    def known(self, account_id: int) -> Trader:
        """An account that exists."""
        return Trader(
            account_id,
            order_pb2_grpc.OrderServiceStub(self.host.channel(EDGE, "order")),
            wallet_pb2_grpc.WalletServiceStub(self.host.channel(EDGE, "wallet")),
        )

    async def progress(self, market: int = MARKET) -> order_pb2.GetMarketProgressResponse:
        """Where a market stands."""
        request = order_pb2.GetMarketProgressRequest(market=market)
        return await self.markets.GetMarketProgress(request)

    async def settled(self, market: int = MARKET) -> order_pb2.GetMarketProgressResponse:
        """Wait until everything that a market accepted is settled."""
        asked = partial(self.progress, market)
        return await until(asked, lambda found: found.settled_number == found.outbox_number)

    async def opened(self, symbol: str = "BTC-USDT", price: str = "61000") -> None:
        """Wait until an instrument trades."""
        probe = self.known(1)
        asked = limit(symbol=symbol, price=price)
        async with asyncio.timeout(WAIT_S):
            while (await refused(probe.place(asked))).reason != "INSUFFICIENT_BALANCE":
                pass

    async def released(self, live: int) -> None:
        """Wait until no more holds are open than there are live orders."""
        request = wallet_pb2.ListHoldsRequest(before_unix_ns=2**62, limit=1_000)
        wallet = wallet_pb2_grpc.WalletServiceStub(self.host.channel("mesh", "wallet"))

        async def count() -> int:
            return len((await wallet.ListHolds(request)).holds)

        await until(count, lambda found: found == live)

    async def clear(self) -> None:
        """Cancel what the traders have left, and forget them."""
        for trader in self.traders:
            for status in CANCELABLE:
                for order in (await trader.list(status=status.name, limit=200)).data:
                    await trader.cancel(order.order_id)
        self.traders.clear()
        await self.settled()

    async def balanced(self) -> None:
        """Wait until everything is settled, and find money conserved."""
        for market in self.numbers:
            await self.settled(market)
        assert await faults(self.url) == []

    @asynccontextmanager
    async def tables(self) -> AsyncIterator[asyncpg.Connection]:
        """A look into the tables of order."""
        connection = await Target(self.url, "order").connect()
        try:
            yield connection
        finally:
            await connection.close()


async def trade_at(exchange: Exchange, price: str, quantity: str = "0.01") -> None:
    """Let two traders of no interest make the last price; the book behind it stays as it was."""
    seller, buyer = await exchange.trader(), await exchange.trader()
    sold = await seller.place(limit("SELL", quantity, price))
    await seller.until(sold, "ACCEPTED")
    await buyer.place(limit("BUY", quantity, price))
    await seller.until(sold, "FILLED")


@dataclass(slots=True)
class World:
    """Where exchanges run: a database, a cache and a folder that outlive them."""

    postgres_url: str
    redis_url: str
    folder: Path

    def __post_init__(self) -> None:
        create_secrets(self.folder / "secrets", [*SERVICES, "mesh", EDGE])
        (self.folder / "journal").mkdir(exist_ok=True)

    def settings(self, **changes: object) -> ExchangeSettings:
        """Settings of the one process."""
        return ExchangeSettings(
            postgres_url=SecretStr(self.postgres_url),
            redis_url=SecretStr(self.redis_url),
            secrets_dir=self.folder / "secrets",
            journal_dir=self.folder / "journal",
            drain_ms=0,
            instance="test",
            **changes,  # type: ignore[arg-type]
        )

    @asynccontextmanager
    async def run(
        self, without: str = "", markets: int = MARKET, **changes: object
    ) -> AsyncIterator[Exchange]:
        """Run an exchange inside the context, with these settings, `without` one of its services.

        Whoever calls that one finds nobody at its address.
        """
        services = [engine_of(market) for market in range(MARKET + 1, markets + 1)] + [*SERVICES]
        environ = {port: "0" for name in services for port in ports_of(name)}
        endpoints = dict(load_endpoints(environ | {"MESH_MARKETS": str(markets)}))
        if without:
            nobody = replace(endpoints[without], target=f"unix:{self.folder}/nobody")
            endpoints[without] = nobody
        names = [name for name in services if name != without]
        async with self.hosting(
            names, self.settings(markets=markets, **changes), endpoints
        ) as host:
            yield Exchange(host, self.postgres_url, markets=markets)

    @asynccontextmanager
    async def second_order(self, first: Exchange) -> AsyncIterator[Exchange]:
        """Run another instance of order beside an exchange, as another process would."""
        ports = {"ORDER_GRPC_PORT": "0", "ORDER_HTTP_PORT": "0"}
        endpoints = dict(load_endpoints(ports))
        for name in SERVICES:
            if name != "order":
                target = f"127.0.0.1:{first.host.ports(name)[0]}"
                endpoints[name] = replace(endpoints[name], target=target)
        settings = self.settings(order_id_writer=1).model_copy(update={"instance": "second"})
        async with self.hosting(["order"], settings, endpoints) as host:
            yield Exchange(host, self.postgres_url)

    @asynccontextmanager
    async def hosting(
        self, names: Sequence[str], settings: ExchangeSettings, endpoints: Mapping[str, Endpoint]
    ) -> AsyncIterator[Host]:
        """Run services inside the context."""
        host = Host(names, settings, endpoints)
        try:
            await host.start()
            yield host
            if host.failed.done():
                raise host.failed.result()
        finally:
            await host.stop()
