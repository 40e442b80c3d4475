"""What meets a replace on its way: fills, cancels, ends, other replaces, and calls that died.

Requests are put into the outbox while the engine is away, so that their order is the test's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import pytest
from order.v1 import order_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit import ids
from svc.kit.clock import SystemClock
from svc.kit.database import Database, Target, open_database
from svc.order.reconciler import Reconciler
from svc.order.session import Session
from tests.order.exchange import Exchange, Status, Trader, World, limit, refused, until

FUNDS = {"BTC": "10", "ETH": "100", "SOL": "1000", "USDT": "1000000", "USD": "1000000"}
PRICES = {
    "BTC-USDT": "61000", "ETH-USDT": "2650", "SOL-USDT": "155", "BTC-USD": "61000",
    "ETH-USD": "2650", "SOL-USD": "155",
}  # fmt: skip


def in_symbol(
    symbol: str, side: str, quantity: str, price: str = "", **more: object
) -> order_pb2.CreateOrderRequest:
    """Give a limit order, at the instrument's reference price unless it says otherwise."""
    return limit(side, quantity, price or PRICES[symbol], symbol=symbol, **more)


@dataclass
class Desk:
    """An owner with one resting order in each instrument, and somebody who trades with him."""

    exchange: Exchange
    owner: Trader
    other: Trader
    resting: dict[str, str]

    def on(self, exchange: Exchange) -> Desk:
        """The same people at an exchange that has been started again."""
        owner, other = (exchange.known(each.account_id) for each in (self.owner, self.other))
        return Desk(exchange, owner, other, self.resting)

    async def take(self, symbol: str, quantity: str, side: str = "BUY") -> None:
        """Trade with the owner's order there, as soon as there is an engine."""
        await self.other.place(in_symbol(symbol, side, quantity, time_in_force="IOC"))

    async def order(self, symbol: str) -> order_pb2.Order:
        """Look at the owner's order there."""
        return await self.owner.order(self.resting[symbol])

    async def locked(self, asset: str) -> Decimal:
        """What the owner has locked."""
        return Decimal((await self.owner.balance(asset)).locked)


async def a_desk(running: Exchange) -> Desk:
    """Make the people, and the owner's orders of one unit of the base each, a buy in ETH-USD."""
    await running.opened()
    owner, other = await running.trader(**FUNDS), await running.trader(**FUNDS)
    resting = {}
    for symbol in PRICES:
        side = "BUY" if symbol == "ETH-USD" else "SELL"
        resting[symbol] = await owner.place(in_symbol(symbol, side, "1"))
    for order_id in resting.values():
        await owner.until(order_id, "ACCEPTED")
    await running.balanced()
    return Desk(running, owner, other, resting)


@pytest.mark.spec("sm-accepted-replace", "sm-replace-replaced")
async def test_whatever_comes_before_or_behind_a_replace_ends_right(world: World) -> None:
    async with world.run() as running:
        desk = await a_desk(running)
    async with world.run(without="engine") as running:
        await put_down(desk.on(running))
    async with world.run() as running:
        await comes_out(desk.on(running))
        await running.balanced()


async def put_down(desk: Desk) -> None:
    """In the order in which the engine will have them, while orders know of nothing."""
    owner, resting = desk.owner, desk.resting
    before = await desk.locked("BTC")
    await desk.take("BTC-USDT", "0.3")
    await owner.replace(resting["BTC-USDT"], quantity="0.2")
    await desk.take("ETH-USDT", "1")
    await owner.replace(resting["ETH-USDT"], quantity="3")
    await owner.replace(resting["SOL-USDT"], quantity="2")
    await owner.cancel(resting["SOL-USDT"])
    error = await refused(owner.replace(resting["SOL-USDT"], quantity="4"))
    assert error.reason == "CANCEL_UNDER_WAY"
    await owner.replace(resting["BTC-USD"], quantity="2")
    error = await refused(owner.replace(resting["BTC-USD"], quantity="4"))
    assert error.reason == "REPLACE_UNDER_WAY"
    error = await refused(owner.swap(resting["BTC-USD"], in_symbol("BTC-USD", "SELL", "1")))
    assert error.reason == "REPLACE_UNDER_WAY"
    await desk.take("BTC-USD", "0.5")
    await desk.take("ETH-USD", "0.4", "SELL")
    await owner.replace(resting["ETH-USD"], quantity="2", price="2700")
    await desk.other.place(in_symbol("SOL-USD", "BUY", "1", price="150"))
    takes = in_symbol("SOL-USD", "SELL", "3", price="150", post_only=True)
    desk.resting["new"] = (await owner.swap(resting["SOL-USD"], takes)).order_id
    await owner.cancel(resting["SOL-USD"])
    assert await desk.locked("BTC") == before + 1  # the one more of BTC-USD
    for symbol, status in {"SOL-USDT": "CANCEL_PENDING", "BTC-USD": "REPLACE_PENDING"}.items():
        assert Status.Value.Name((await desk.order(symbol)).status) == status


async def comes_out(desk: Desk) -> None:
    """Each order where its requests and the fills have brought it, and the holds with them."""
    await desk.exchange.settled()
    below = await desk.order("BTC-USDT")
    assert (Status.Value.Name(below.status), below.reason) == ("CANCELED", "BELOW_EXECUTED")
    assert (below.filled_quantity, below.remaining_quantity) == ("0.3", "0.7")
    whole = await desk.order("ETH-USDT")
    assert (Status.Value.Name(whole.status), whole.version) == ("FILLED", 1)
    assert (whole.replace_reason, whole.quantity) == ("UNKNOWN_ORDER", "1")
    overtaken = await desk.order("SOL-USDT")
    assert Status.Value.Name(overtaken.status) == "CANCELED"
    assert (overtaken.version, overtaken.quantity) == (2, "2")
    grown = await desk.order("BTC-USD")
    assert Status.Value.Name(grown.status) == "PARTIALLY_FILLED"
    assert (grown.version, grown.filled_quantity, grown.remaining_quantity) == (2, "0.5", "1.5")
    bought = await desk.order("ETH-USD")
    assert (bought.version, bought.filled_quantity, bought.remaining_quantity) == (2, "0.4", "1.6")
    gone = await desk.order("SOL-USD")
    assert (Status.Value.Name(gone.status), gone.filled_quantity) == ("CANCELED", "0")
    refused_one = await desk.owner.order(desk.resting["new"])
    assert Status.Value.Name(refused_one.status) == "REJECTED"
    assert refused_one.reason == "POST_ONLY_WOULD_TAKE"
    held = {asset: await desk.locked(asset) for asset in FUNDS}
    assert held == {
        "BTC": Decimal("1.5"), "ETH": 0, "SOL": 0, "USDT": 0,
        "USD": Decimal("1.6") * 2700 * Decimal("1.0025"),
    }  # fmt: skip


async def test_what_a_call_that_died_has_held_more_is_given_back_and_nothing_else(
    world: World,
) -> None:
    async with world.run() as running:
        desk = await a_desk(running)
    async with world.run(without="engine") as running:
        desk = desk.on(running)
        wallet = wallet_pb2_grpc.WalletServiceStub(running.host.channel("order", "wallet"))
        dead = ids.from_uuid(desk.resting["BTC-USDT"])
        await wallet.LockFunds(lock(desk.owner, dead, version=2, lots=300_000))
        assert await desk.locked("BTC") == 4  # two orders, and two more
        error = await refused(desk.owner.replace(desk.resting["BTC-USDT"], quantity="2"))
        assert error.reason == "TRY_AGAIN"
        await desk.owner.replace(desk.resting["BTC-USD"], quantity="2")
        assert await desk.locked("BTC") == 5
        database = await open_database(Target(world.postgres_url, "order"))
        for given_back in (1, 0):
            passing = reconciler(running, database)
            assert await passing.reconcile() == given_back
            await passing.close()
        assert await desk.locked("BTC") == 3
        again = await desk.owner.replace(desk.resting["BTC-USDT"], quantity="2")
        assert again.version == 3  # the version of the call that died is used up
        await database.close()
    async with world.run() as running:
        desk = desk.on(running)
        await desk.owner.at_version(desk.resting["BTC-USDT"], 3)
        await desk.owner.at_version(desk.resting["BTC-USD"], 2)
        assert await desk.locked("BTC") == 4
        await running.balanced()


async def test_a_replace_that_comes_too_late_gives_back_at_once_what_it_held_more(
    world: World,
) -> None:
    """The order is canceled between the replace's hold and its transaction."""
    async with world.run() as running, running.tables() as tables:
        desk = await a_desk(running)
        order_id = desk.resting["BTC-USDT"]
        transaction = tables.transaction()
        await transaction.start()  # both batches wait for the order, the cancel first
        await tables.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        number = ids.from_uuid(order_id)
        await tables.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", number)
        canceling = asyncio.create_task(desk.owner.cancel(order_id))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        async with running.tables() as others:
            await until(lambda: others.fetchval(waiting), lambda found: found > 0)
            replacing = asyncio.create_task(refused(desk.owner.replace(order_id, quantity="3")))
            await until(lambda: desk.locked("BTC"), lambda found: found == 4)
        await transaction.rollback()
        await canceling
        assert (await replacing).reason in ("CANCEL_UNDER_WAY", "ORDER_NOT_LIVE")
        await desk.owner.until(order_id, "CANCELED")
        await until(lambda: desk.locked("BTC"), lambda found: found == 1)
        await running.balanced()


def lock(owner: Trader, order_id: int, *, version: int, lots: int) -> wallet_pb2.LockFundsRequest:
    """Give the request that a call makes just before it dies."""
    item = wallet_pb2.LockItem(
        order_id=order_id, version=version, account_id=owner.account_id, instrument_id=4,
        side="SELL", maker_fee_ppm=1_500, taker_fee_ppm=2_500,
        spot=wallet_pb2.SpotHold(lots=lots),
    )  # fmt: skip
    return wallet_pb2.LockFundsRequest(items=[item])


def reconciler(running: Exchange, database: Database) -> Reconciler:
    """Give one that finds every hold old enough."""

    async def opened() -> Database:
        return database

    return Reconciler(
        session=Session(opened),
        wallet=wallet_pb2_grpc.WalletServiceStub(running.host.channel("order", "wallet")),
        clock=SystemClock(),
        age_s=0,
        pause_s=1,
    )
