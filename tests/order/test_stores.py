"""What single statements promise, on the real tables."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from engine.v1 import records_pb2

from svc.kit import outbox
from svc.kit.database import Database, Target, open_database
from svc.kit.errors import DomainError
from svc.order import catalog_store, store, wire
from svc.order.instrument import Condition, MarketState
from svc.order.market import Market, Position, StopKind
from svc.order.market_commands import MarketCommands
from svc.order.store import CommandKey, PositionMovedError
from svc.order.unsettled import Unsettled
from tests.order.instruments import BTC_PERPETUAL, BTC_USDT

LOG = "ab" * 16


@pytest.fixture
async def tables(migrated_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection to empty tables of order."""
    connection = await Target(migrated_url, "order").connect()
    yield connection
    await connection.close()


@pytest.mark.spec("exec-1-dedup")
async def test_a_position_moves_only_from_where_it_stands(tables: asyncpg.Connection) -> None:
    assert await store.position(tables, 1) == Position()
    first, second = Position(LOG, 5, 2**64 - 1, 1), Position(LOG, 9, 7, 3)
    await store.move(tables, 1, Position(), first)
    assert await store.position(tables, 1) == first
    with pytest.raises(PositionMovedError):
        await store.move(tables, 1, Position(), second)
    await store.move(tables, 1, first, second)
    with pytest.raises(PositionMovedError):
        await store.move(tables, 1, first, second)
    assert await store.position(tables, 1) == second
    assert await store.position(tables, 2) == Position()


async def test_a_stop_keeps_the_time_at_which_it_began(tables: asyncpg.Connection) -> None:
    first = await store.stop(tables, 1, StopKind.EVENT, "A", "one")
    again = await store.stop(tables, 1, StopKind.EVENT, "B", "two")
    assert (again.since_unix_ns, again.reason) == (first.since_unix_ns, "B")
    log_stop = await store.stop(tables, 1, StopKind.LOG, "C", "three")
    view = await store.view(tables, 1)
    assert view.stops == {StopKind.EVENT: again, StopKind.LOG: log_stop}
    await store.resolve(tables, 1, StopKind.EVENT)
    assert (await store.view(tables, 1)).stops == {StopKind.LOG: log_stop}


async def test_a_version_begins_once_alone_in_its_batch_and_never_below_a_later_one(
    migrated_url: str, tables: asyncpg.Connection
) -> None:
    database = await open_database(Target(migrated_url, "order"))

    async def the_same() -> Database:
        return database

    commands, market = MarketCommands(the_same), Market(1, Unsettled(10))
    assert await commands.begin_version(market, 2)
    assert not await commands.begin_version(market, 2)
    assert await commands.begin_version(market, 4)
    with pytest.raises(DomainError) as refused:
        await commands.begin_version(market, 3)
    assert (refused.value.reason, refused.value.metadata) == ("VERSION_BELOW", {"version": "4"})
    await database.close()
    rows = await outbox.read_after(tables, 1, 0, 10, 10**6)
    sent = [records_pb2.CommandBatch.FromString(row.payload).commands for row in rows]
    assert [[each.begin_version.semantic_version for each in batch] for batch in sent] == [[2], [4]]
    assert [row.count for row in rows] == [1, 1]
    assert [row.digest for row in rows] == [wire.digest(row.payload) for row in rows]
    assert market.outbox_number == 2


async def test_a_command_of_the_market_is_new_once(tables: asyncpg.Connection) -> None:
    one, two = CommandKey("instrument", 4, 1), CommandKey("state", 4, 1)
    assert await store.add_commands(tables, 1, [one]) == {one}
    assert await store.add_commands(tables, 1, [one, two]) == {two}
    assert await store.add_commands(tables, 2, [one]) == {one}


async def test_conditions_come_back_as_they_were_saved(tables: asyncpg.Connection) -> None:
    halted = Condition(MarketState.HALTED, 1, 9, 0)
    trading = Condition(MarketState.TRADING, 2, 8, 5)
    await store.save_conditions(tables, 1, [(4, halted)])
    await store.save_conditions(tables, 1, [(4, trading), (5, halted)])
    assert (await store.view(tables, 1)).conditions == {4: trading, 5: halted}


@pytest.mark.spec("tbl-symbol-unique", "tbl-tick-size", "tbl-lot-size", "tbl-min-notional")
async def test_instruments_come_back_as_they_were_saved(tables: asyncpg.Connection) -> None:
    await catalog_store.save(tables, [BTC_USDT])
    await catalog_store.save(tables, [BTC_USDT, BTC_PERPETUAL])
    assert sorted(await catalog_store.load(tables), key=lambda i: i.id) == [BTC_USDT, BTC_PERPETUAL]
