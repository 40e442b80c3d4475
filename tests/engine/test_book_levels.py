"""GetBook: the levels that the orders make, at the position that they have, or a clear refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from engine.v1 import engine_pb2
from trading.v1 import trading_pb2

from mesh.__main__ import main
from mesh.engine import book_lines
from svc.engine.records import (
    Command,
    CommandKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    pack_commands,
)
from svc.engine.reference import ReferenceEngine
from svc.engine.servicer import MOST_LEVELS
from svc.kit.errors import DomainError
from tests.engine.flows import START_NS
from tests.engine.lossy import flow_batches, numbered
from tests.engine.test_servicer import Led

NO_CONTEXT = cast("Any", None)
Levels = list[tuple[int, int, int]]


@pytest.fixture
async def led(tmp_path: Path) -> AsyncIterator[Led]:
    market = Led(tmp_path)
    yield market
    await market.close()


async def book(led: Led, instrument_id: int, depth: int = 0) -> engine_pb2.GetBookResponse:
    request = engine_pb2.GetBookRequest(market=1, instrument_id=instrument_id, depth=depth)
    return await led.servicer.GetBook(request, NO_CONTEXT)


def told(levels: Any) -> Levels:
    return [(level.price_ticks, level.lots, level.orders) for level in levels]


def levels_of(orders: list[engine_pb2.LiveOrder], side: str) -> Levels:
    """What orders of one side and instrument show, in their order: from the best price on."""
    found: dict[int, tuple[int, int]] = {}
    for order in orders:
        if order.side == trading_pb2.Side.Value.Value(side) and order.visible_lots:
            lots, count = found.get(order.price_ticks, (0, 0))
            found[order.price_ticks] = (lots + order.visible_lots, count + 1)
    return [(price, lots, count) for price, (lots, count) in found.items()]


@pytest.mark.parametrize("seed", range(5))
async def test_the_levels_are_those_of_the_orders_and_of_the_reference(led: Led, seed: int) -> None:
    reference = ReferenceEngine()
    batches = list(flow_batches(seed, 80))
    for batch in batches:
        reference.apply(batch.commands, START_NS)
    await led.submit(*batches)
    request = engine_pb2.SnapshotOrdersRequest(market=1)
    parts = [part async for part in led.servicer.SnapshotOrders(request, NO_CONTEXT)]
    orders = [order for part in parts for order in part.orders]
    shown = 0
    for state in parts[0].instruments:
        of_instrument = [o for o in orders if o.instrument_id == state.instrument_id]
        whole = await book(led, state.instrument_id)
        assert whole.position == parts[0].position == led.writer.position()
        bids, asks = told(whole.bids), told(whole.asks)
        assert (bids, asks) == (levels_of(of_instrument, "BUY"), levels_of(of_instrument, "SELL"))
        expected = reference.l2(state.instrument_id, MOST_LEVELS)
        assert (bids, asks) == (list(expected[0]), list(expected[1]))
        top = await book(led, state.instrument_id, 2)
        assert (told(top.bids), told(top.asks)) == (bids[:2], asks[:2])
        shown += len(bids) + len(asks)
    assert shown > 4


async def test_what_cannot_be_shown_is_refused_with_what_would_be_right(led: Led) -> None:
    await led.submit(*flow_batches(3, 1))
    with pytest.raises(DomainError, match="has no instrument 65000") as refused:
        await book(led, 65_000)
    assert refused.value.reason == "UNKNOWN_INSTRUMENT"
    with pytest.raises(DomainError, match=f"depth {MOST_LEVELS + 1} is above") as refused:
        await book(led, 1, MOST_LEVELS + 1)
    assert refused.value.reason == "DEPTH_TOO_GREAT"
    await book(led, 1, MOST_LEVELS)


def bid(number: int) -> Command:
    """One that rests at a price of its own."""
    return Command(
        CommandKind.NEW, side=Side.BUY, order_type=OrderType.LIMIT, tif=TimeInForce.GTC,
        stp_mode=SelfTradeMode.NONE, instrument_id=9, version=1, order_id=number, account_id=1,
        price_ticks=number, quantity_lots=1,
    )  # fmt: skip


async def test_all_of_a_book_that_is_too_deep_for_one_answer_is_refused(led: Led) -> None:
    instrument = InstrumentCommand(9, 1, MarketState.TRADING, max_quantity_lots=10)
    numbers = range(1, MOST_LEVELS + 2)
    parts = [numbers[start : start + 2_000] for start in range(0, len(numbers), 2_000)]
    await led.submit(numbered(pack_commands([instrument]), 1))
    for number, part in enumerate(parts, start=2):
        await led.submit(numbered(pack_commands([bid(order_id) for order_id in part]), number))
    with pytest.raises(DomainError, match="SnapshotOrders") as refused:
        await book(led, 9)
    assert refused.value.reason == "BOOK_TOO_DEEP"
    top = await book(led, 9, MOST_LEVELS)
    assert (len(top.bids), top.bids[0].price_ticks) == (MOST_LEVELS, MOST_LEVELS + 1)


def test_the_operator_sees_sells_above_buys_and_the_best_of_both_in_the_middle() -> None:
    def level(price: int) -> engine_pb2.BookLevel:
        return engine_pb2.BookLevel(price_ticks=price, lots=5, orders=2)

    shown = engine_pb2.GetBookResponse(bids=[level(99), level(98)], asks=[level(101), level(102)])
    rows = [line.split() for line in book_lines(shown)][1:-1]
    assert [row[:2] for row in rows] == [
        ["sell", "102"], ["sell", "101"], ["buy", "99"], ["buy", "98"],
    ]  # fmt: skip


def test_the_command_says_how_it_is_used_and_what_is_not_running(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["engine", "book", "--help"])
    assert "mesh engine book 1 --depth 0 --json" in shown.output
    ran = CliRunner().invoke(main, ["engine", "book", "1", "--home", str(tmp_path)])
    assert ran.exit_code == 1
    assert "no exchange runs" in ran.output
