"""Orders that the applier takes from intake instead of reading them back."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.kit import ids
from svc.kit.database import Target
from svc.order import apply_store, catalog_store, intake_store
from svc.order.apply_store import StaleRowsError
from svc.order.applying import Row
from svc.order.asks import Caller, Create, Terms
from svc.order.fresh import FreshOrders
from svc.order.instrument import Instrument
from tests.order.exchange import World, limit
from tests.order.instruments import BTC_PERPETUAL, BTC_USDT
from tests.order.test_encoding import any_create

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_FIELDS = (
    "id", "account_id", "instrument_id", "side", "status", "version", "lots", "filled_lots",
    "remaining_lots", "filled_tick_lots", "price_ticks", "cap_ticks", "maker_fee_ppm",
    "taker_fee_ppm", "events", "reason", "sequence", "ended", "repriced",
    "triggered_us", "by_amount",
)  # fmt: skip


def ids_of(creates: Sequence[Create]) -> set[int]:
    return {create.order_id for create in creates}


@given(st.lists(any_create(), unique_by=lambda create: create.order_id))
def test_an_order_is_taken_once(creates: list[Create]) -> None:
    orders = FreshOrders()
    orders.begin()
    for create in creates:
        orders.add(create)
    assert orders.take({0, *ids_of(creates[1:])}).keys() == ids_of(creates[1:])
    assert orders.take(ids_of(creates)).keys() == ids_of(creates[:1])
    assert orders.take(ids_of(creates)) == {}


@given(any_create())
def test_an_order_that_somebody_changed_is_not_taken(create: Create) -> None:
    orders = FreshOrders()
    orders.begin()
    orders.add(create)
    orders.discard(create.order_id)
    assert orders.take([create.order_id]) == {}


@given(any_create())
def test_nothing_is_kept_while_nobody_applies(create: Create) -> None:
    orders = FreshOrders()
    orders.add(create)
    orders.discard(create.order_id)
    orders.begin()
    assert orders.take([create.order_id]) == {}
    orders.add(create)
    orders.end()
    orders.begin()
    assert orders.take([create.order_id]) == {}


@pytest.fixture
async def tables(migrated_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection to tables of order that have two instruments."""
    connection = await Target(migrated_url, "order").connect()
    await catalog_store.save(connection, [BTC_USDT, BTC_PERPETUAL])
    yield connection
    await connection.close()


def order(
    order_id: int, instrument: Instrument, *, side: int, lots: int, price: int, budget: int = 0
) -> Create:
    """An order as intake admits it; with a budget and without a price a buy by amount."""
    terms = Terms(
        instrument=instrument,
        side=side,
        type=1 if price else 2,
        time_in_force=1,
        self_trade_mode=1,
        price_ticks=price,
        lots=lots,
        quote_units=10**30 if budget else 0,
        expires_at_unix_ns=0,
        leverage=1,
        post_only=False,
        reduce_only=False,
        by_amount=budget > 0 and not price,
    )
    create = Create(Caller(7, 8, "api", "", None), terms, "", None)
    create.order_id = order_id
    create.cap_ticks = price or 6_200_000
    create.budget_tick_lots = budget
    return create


CREATES = (
    order(11, BTC_USDT, side=1, lots=5, price=6_100_000),
    order(12, BTC_USDT, side=1, lots=10**8, price=0, budget=10**12),
    order(14, BTC_USDT, side=1, lots=5, price=6_100_000, budget=10**12),
    order(15, BTC_USDT, side=2, lots=5, price=0),
    order(13, BTC_PERPETUAL, side=2, lots=2**40, price=610_000),
)


async def test_what_is_taken_is_what_would_be_read(tables: asyncpg.Connection) -> None:
    await intake_store.accept(tables, list(CREATES), [], NOW, None)
    orders = FreshOrders()
    orders.begin()
    for create in CREATES:
        orders.add(create)
    taken, read = (
        orders.take(ids_of(CREATES)),
        await apply_store.load(tables, ids_of(CREATES), lock=True),
    )
    assert seen(taken) == seen(read)
    assert len(read) == len(CREATES)


def seen(rows: dict[int, Row]) -> dict[int, list[object]]:
    return {number: [getattr(row, name) for name in _FIELDS] for number, row in rows.items()}


async def test_a_row_that_is_not_as_it_was_found_is_not_changed(
    tables: asyncpg.Connection,
) -> None:
    await intake_store.accept(tables, list(CREATES), [], NOW, None)
    rows = sorted((await apply_store.load(tables, ids_of(CREATES), lock=False)).items())
    await tables.execute("UPDATE orders SET events = 2 WHERE id = 12")
    before = await tables.fetch("SELECT * FROM orders ORDER BY id")
    with pytest.raises(StaleRowsError):
        async with tables.transaction():
            await apply_store.update(tables, [row for _, row in rows], [None] * len(rows), NOW)
    assert await tables.fetch("SELECT * FROM orders ORDER BY id") == before


@asynccontextmanager
async def applier_waits(world: World) -> AsyncIterator[None]:
    """Hold the row that each of the applier's transactions locks first."""
    connection = await Target(world.postgres_url, "order").connect()
    await connection.execute("SET idle_in_transaction_session_timeout = 0")
    async with connection.transaction():
        row = "SELECT epoch FROM lease_epochs WHERE name = 'applier-1' FOR UPDATE"
        assert await connection.fetchval(row)
        yield
    await connection.close()


async def test_what_another_process_has_done_to_a_fresh_order_is_not_lost(world: World) -> None:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(world.run())
        await running.opened()
        second = await stack.enter_async_context(world.second_order(running))
        trader = await running.trader()
        twin = second.known(trader.account_id)
        async with applier_waits(world):
            order_id = await trader.place(limit("BUY", "0.01", "50000"))
            await twin.cancel(order_id)
        await trader.until(order_id, "CANCELED")
        async with running.tables() as tables:
            told = await tables.fetch(
                "SELECT number, event_type FROM order_events WHERE order_id = $1 ORDER BY number",
                ids.from_uuid(order_id),
            )
        expected = ("created", "cancel_requested", "accepted", "canceled")
        assert [tuple(row) for row in told] == list(zip(itertools.count(1), expected))
        await running.released(0)
        await running.balanced()
