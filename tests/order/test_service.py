"""Order as a service: commands of the market, progress, figures, enumerations in its tables."""

from __future__ import annotations

import httpx
import pytest
from order.v1 import order_pb2, order_pb2_grpc
from trading.v1 import trading_pb2

from svc.kit.errors import DomainError
from svc.order.lifecycle import EventType, Status, status_of
from svc.order.terms import OrderType, Side, TimeInForce
from svc.topology import MARKET
from tests.order.exchange import Exchange, limit, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def instrument(version: int) -> order_pb2.MarketCommand:
    """A definition as metadata sends it."""
    return order_pb2.MarketCommand(
        instrument=order_pb2.InstrumentCommand(
            instrument_id=900, version=version, kind="SPOT", min_price_ticks=1,
            max_price_ticks=1_000, max_quantity_lots=1_000, state="HALTED",
        )
    )  # fmt: skip


async def test_a_command_of_the_market_is_put_into_the_log_once(desk: Exchange) -> None:
    commands = order_pb2_grpc.MarketCommandServiceStub(desk.host.channel("metadata", "order"))
    state = order_pb2.StateCommand(instrument_id=900, version=2, state="TRADING")

    async def send(*sent: order_pb2.MarketCommand) -> int:
        request = order_pb2.SubmitMarketCommandsRequest(market=MARKET, commands=sent)
        return (await commands.SubmitMarketCommands(request)).added

    assert await send(instrument(1)) == 1
    assert await send(instrument(1), order_pb2.MarketCommand(state=state)) == 1
    assert await send(instrument(1), order_pb2.MarketCommand(state=state)) == 0
    await desk.settled()
    async with desk.tables() as tables:
        known = await tables.fetchval("SELECT state FROM conditions WHERE instrument_id = 900")
    assert known == trading_pb2.MarketState.TRADING
    wrong = order_pb2.SubmitMarketCommandsRequest(market=9, commands=[instrument(1)])
    assert (await refused(commands.SubmitMarketCommands(wrong))).reason == "UNKNOWN_MARKET"
    empty = order_pb2.SubmitMarketCommandsRequest(
        market=MARKET, commands=[order_pb2.MarketCommand()]
    )
    assert (await refused(commands.SubmitMarketCommands(empty))).reason == "INVALID_COMMAND"


async def test_progress_is_where_the_market_stands(desk: Exchange) -> None:
    trader = await desk.trader()
    placed = await trader.place(limit(price="50000"))
    order = await trader.until(placed, "ACCEPTED")
    progress = await desk.settled()
    assert progress.handed_over_number == progress.settled_number == progress.outbox_number
    assert progress.applied.sequence == order.sequence
    assert (progress.unsettled_commands, list(progress.stops)) == (0, [])


async def test_methods_are_for_their_callers_alone(desk: Exchange) -> None:
    stranger = desk.host.channel("risk", "order")
    request = order_pb2.GetMarketProgressRequest(market=MARKET)
    error: DomainError = await refused(
        order_pb2_grpc.MarketCommandServiceStub(stranger).GetMarketProgress(request)
    )
    assert error.reason == "CALLER_NOT_ALLOWED"
    nobody = order_pb2_grpc.OrderServiceStub(desk.host.channel("edge", "order"))
    assert (await refused(nobody.CreateOrder(limit()))).reason == "USER_REQUIRED"


@pytest.mark.spec("slo-acceptance", "slo-outbox")
async def test_figures_have_the_names_of_the_specification(desk: Exchange) -> None:
    maker, taker = await desk.trader(), await desk.trader()
    await maker.place(limit("SELL", "0.01", "61000"))
    bought = await taker.place(limit("BUY", "0.01", "61000"))
    await taker.until(bought, "FILLED")
    await refused(taker.place(limit("BUY", "0.1", "100")))
    canceled = await taker.place(limit(price="50000"))
    await taker.cancel(canceled)
    await taker.until(canceled, "CANCELED")
    await desk.settled()
    url = f"http://127.0.0.1:{desk.host.ports('order')[1]}/metrics"
    async with httpx.AsyncClient() as client:
        text = (await client.get(url)).text
    for figure in (
        'order_created_total{side="buy",type="limit"}',
        'order_filled_total{side="sell"}',
        'order_rejected_total{reason="FAT_FINGER"}',
        "order_canceled_total ",
        'order_latency_ms_bucket{le="100.0",stage="accept"}',
        'order_latency_ms_count{stage="publish"}',
        'order_latency_ms_count{stage="process_fill"}',
        'outbox_pending_gauge{market="1"} 0.0',
    ):
        assert figure in text, figure


@pytest.mark.parametrize(
    ("function", "members"),
    [
        ("side_of", Side),
        ("type_of", OrderType),
        ("time_in_force_of", TimeInForce),
        ("status_of", Status),
        ("event_type_of", EventType),
    ],
)
async def test_tables_name_the_numbers_of_the_contract(
    desk: Exchange, function: str, members: type[Status]
) -> None:
    async with desk.tables() as tables:
        for member in members:
            label = await tables.fetchval(f"SELECT {function}($1)::text", member)
            assert label == member.name.lower()
            if members is Status:
                assert status_of(label) == member
        assert await tables.fetchval(f"SELECT {function}(99)::text") is None
