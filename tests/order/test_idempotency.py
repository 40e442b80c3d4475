"""One key, one order: over repetition, races, lost caches and lost processes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from order.v1 import order_pb2
from redis import Redis

from mesh.embedded import Valkey
from tests.order.exchange import Exchange, Trader, World, limit, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


UNAVAILABLE = 14
"""Of google.rpc.Code."""


async def orders_of(trader: Trader) -> int:
    """How many orders the account has."""
    return (await trader.list()).pagination.total


@pytest.mark.spec("os-idem-redis", "pipe-2-idempotency", "cache-idem")
async def test_the_same_key_and_body_give_the_first_answer(desk: Exchange, valkey: Valkey) -> None:
    trader = await desk.trader()
    request = limit(price="50000", idempotency_key="once")
    first = await trader.create(request)
    again = await trader.create(request)
    by_header = await trader.create(limit(price="50000"), x_idempotency_key="once")
    assert first == again == by_header
    assert await orders_of(trader) == 1
    cache = Redis.from_url(valkey.url)
    life_s = int(cache.ttl(f"order:idem:{trader.account_id}:once"))
    assert 86_000 < life_s <= 86_400
    cache.close()


async def test_a_key_with_another_body_is_refused(desk: Exchange) -> None:
    trader = await desk.trader()
    await trader.create(limit(price="50000", idempotency_key="once"))
    error = await refused(trader.create(limit(price="50001", idempotency_key="once")))
    assert (error.reason, error.code.name) == ("IDEMPOTENCY_KEY_REUSED", "ALREADY_EXISTS")
    assert await orders_of(trader) == 1


async def test_a_key_is_the_account_s_own(desk: Exchange) -> None:
    one, other = await desk.trader(), await desk.trader()
    await one.create(limit(price="50000", idempotency_key="once"))
    await other.create(limit(price="50001", idempotency_key="once"))


@pytest.mark.spec("os-idem-db", "tbl-idem-unique")
async def test_the_answer_outlives_the_cache(desk: Exchange, valkey: Valkey) -> None:
    trader = await desk.trader()
    first = await trader.create(limit(price="50000", idempotency_key="once"))
    valkey.flush()
    assert await trader.create(limit(price="50000", idempotency_key="once")) == first
    valkey.flush()
    error = await refused(trader.create(limit(price="50001", idempotency_key="once")))
    assert error.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_what_an_earlier_release_left_in_the_cache_is_as_good_as_lost(
    desk: Exchange, valkey: Valkey
) -> None:
    trader = await desk.trader()
    cache = Redis.from_url(valkey.url)
    cache.set(f"order:idem:{trader.account_id}:once", f"5:{bytes(16).hex()}")
    cache.close()
    first = await trader.create(limit(price="50000", idempotency_key="once"))
    assert await trader.create(limit(price="50000", idempotency_key="once")) == first


async def test_the_answer_comes_before_a_refusal_that_a_forgetful_cache_let_through(
    desk: Exchange, valkey: Valkey
) -> None:
    trader = await desk.trader()
    request = limit(price="50000", client_order_id="mine", idempotency_key="once")
    first = await trader.create(request)
    valkey.flush()
    assert await trader.create(request) == first


async def test_one_list_sent_many_times_at_once_is_carried_out_once(desk: Exchange) -> None:
    trader = await desk.trader()
    items = [
        order_pb2.OrderItem(create=limit(price="50000", idempotency_key=str(number)))
        for number in range(40)
    ]
    answers = await asyncio.gather(*(trader.submit(*items) for _ in range(20)))
    placed = {tuple(result.order_id for result in answer) for answer in answers}
    assert len(placed) == 1
    assert "" not in placed.pop()
    assert await orders_of(trader) == 40


async def test_a_refusal_by_the_wallet_is_the_answer_too(desk: Exchange) -> None:
    trader = await desk.trader(USDT="1")
    request = limit(price="50000", idempotency_key="once")
    first, again = await refused(trader.create(request)), await refused(trader.create(request))
    assert (first.reason, first.message) == (again.reason, again.message)
    assert first.metadata == again.metadata
    assert await orders_of(trader) == 1


async def test_an_order_that_may_not_enter_leaves_its_key_free(desk: Exchange) -> None:
    trader = await desk.trader()
    halted = limit(price="50000", idempotency_key="once")
    halted.symbol = "BTCUSDT-PERP"
    assert (await refused(trader.create(halted))).reason == "MARKET_HALTED"
    await trader.create(limit(price="50000", idempotency_key="once"))


async def test_many_calls_at_once_with_one_key_make_one_order(desk: Exchange) -> None:
    trader = await desk.trader()
    request = limit(price="50000", idempotency_key="once")
    answers = await asyncio.gather(*(trader.create(request) for _ in range(20)))
    assert len({answer.order_id for answer in answers}) == 1
    assert await orders_of(trader) == 1


async def test_one_key_twice_in_a_list_makes_one_order(desk: Exchange) -> None:
    trader = await desk.trader()
    same = order_pb2.OrderItem(create=limit(price="50000", idempotency_key="once"))
    other = order_pb2.OrderItem(create=limit(price="50001", idempotency_key="once"))
    first, again, reused = await trader.submit(same, same, other)
    assert first.order_id == again.order_id
    assert reused.error.reason == "IDEMPOTENCY_KEY_REUSED"
    assert await orders_of(trader) == 1


async def test_a_cancel_has_a_key_as_well(desk: Exchange) -> None:
    trader = await desk.trader()
    placed = await trader.place(limit(price="50000"))
    first = await trader.cancel(placed, key="once")
    await trader.until(placed, "CANCELED")
    assert await trader.cancel(placed, key="once") == first
    assert (await refused(trader.cancel(placed))).reason == "ORDER_NOT_LIVE"


async def test_a_cancel_by_the_client_s_own_id_has_its_answer_after_the_order_is_gone(
    desk: Exchange,
) -> None:
    trader = await desk.trader()
    mine = limit(price="50000", client_order_id="mine")
    placed = await trader.place(mine)
    first = await trader.cancel("client:mine", key="once")
    await trader.until(placed, "CANCELED")
    another = await trader.place(mine)
    assert await trader.cancel("client:mine", key="once") == first
    assert (await trader.until(another, "ACCEPTED")).order_id == another
    error = await refused(trader.cancel("client:yours", key="twice"))
    assert (error.reason, error.metadata) == ("UNKNOWN_ORDER", {"orderId": "client:yours"})


async def test_a_client_order_id_is_unique_among_open_orders_only(desk: Exchange) -> None:
    trader, other = await desk.trader(), await desk.trader()
    mine = limit(price="50000", client_order_id="mine")
    placed = await trader.place(mine)
    error = await refused(trader.place(mine))
    assert error.reason == "DUPLICATE_CLIENT_ORDER_ID"
    assert error.metadata == {"clientOrderId": "mine", "orderId": placed}
    await other.place(mine)
    assert (await trader.order("client:mine")).order_id == placed
    assert (await trader.cancel("client:mine")).order_id == placed
    await trader.until(placed, "CANCELED")
    assert (await refused(trader.order("client:mine"))).reason == "UNKNOWN_ORDER"
    assert await trader.place(mine) != placed


async def test_one_client_order_id_twice_in_a_list_makes_one_order(desk: Exchange) -> None:
    trader = await desk.trader()
    item = order_pb2.OrderItem(create=limit(price="50000", client_order_id="mine"))
    first, second = await trader.submit(item, item)
    assert second.error.reason == "DUPLICATE_CLIENT_ORDER_ID"
    assert second.error.metadata["orderId"] == first.order_id
    assert (await trader.balance("USDT")).locked == "501.25"


@pytest.mark.spec("fail-risk-down")
async def test_without_risk_nothing_is_done_and_the_key_stays_free(world: World) -> None:
    async with world.run() as running:
        await running.opened()
        trader = await running.trader()
    request = limit(price="50000", idempotency_key="once")
    async with world.run(without="risk") as running:
        known = running.known(trader.account_id)
        (result,) = await known.submit(order_pb2.OrderItem(create=request))
        assert result.error.reason == "RISK_CHECK_UNAVAILABLE"
        assert result.error.code == UNAVAILABLE
        assert await orders_of(known) == 0
    async with world.run() as running:
        known = running.known(trader.account_id)
        await known.create(limit(price="50001", idempotency_key="once"))
        assert await orders_of(known) == 1
        await running.balanced()


async def test_without_the_cache_the_table_keeps_keys_apart(world: World, tmp_path: Path) -> None:
    world.redis_url = f"unix://{tmp_path}/nobody"
    async with world.run() as running:
        await running.opened()
        trader = await running.trader()
        request = limit(price="50000", idempotency_key="once")
        first = await trader.create(request)
        answers = await asyncio.gather(*(trader.create(request) for _ in range(5)))
        assert {answer.order_id for answer in answers} == {first.order_id}
        await running.balanced()


async def test_two_instances_make_one_order_of_one_key(world: World, tmp_path: Path) -> None:
    world.redis_url = f"unix://{tmp_path}/nobody"  # so that only the table can decide
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(world.run())
        await running.opened()
        second = await stack.enter_async_context(world.second_order(running))
        trader = await running.trader()
        twin = second.known(trader.account_id)
        for number in range(10):
            request = limit(price="50000", idempotency_key=str(number))
            answers = await asyncio.gather(
                *(caller.create(request) for caller in (trader, twin) for _ in range(4))
            )
            assert len({answer.order_id for answer in answers}) == 1
        assert await orders_of(trader) == 10
        named = limit(price="50000", client_order_id="mine")
        placing = (caller.place(named) for caller in (trader, twin))
        outcomes = await asyncio.gather(*placing, return_exceptions=True)
        assert sum(isinstance(outcome, str) for outcome in outcomes) == 1
        await running.released(11)
        await running.balanced()
