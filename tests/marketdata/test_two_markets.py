"""Market data of two engines: each market's books stand where its own log does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import httpx
import pytest
from engine.v1 import engine_pb2_grpc, records_pb2
from marketdata.v1 import marketdata_pb2

from svc.kit.errors import from_rpc
from svc.kit.settings import SettingsError
from tests.marketdata.conftest import ALL, Relay, Serve, Served, until

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from svc.kit.database import Database

BTC, ETH = "BTC-USDT", "ETH-USDT"
ETH_ID = 5
BOTH = ("metadata", "engine", "engine-2", "marketdata")


@pytest.fixture(autouse=True)
def _instruments(two_markets_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_INSTRUMENTS_FILE", str(two_markets_file))


def relay_of(served: Served, name: str) -> Relay:
    """Order's relay of the second market."""
    return Relay(engine_pb2_grpc.EngineServiceStub(served.host.channel("order", name)), market=2)


async def reason(call: Awaitable[object]) -> str:
    """Why a call is refused; empty when it is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_rpc(error).reason
    return ""


async def trades(served: Served, symbol: str, count: int) -> list[marketdata_pb2.PublicTrade]:
    """The tape of an instrument, newest first, once it holds so many trades."""
    request = marketdata_pb2.ListTradesRequest(symbol=symbol)
    last = marketdata_pb2.ListTradesResponse()

    async def ask() -> str:
        nonlocal last
        try:
            last = await served.public.ListTrades(request)
        except grpc.aio.AioRpcError as error:
            return from_rpc(error).reason
        return ""

    await until(ask, lambda refused: not refused and len(last.trades) >= count)
    return list(last.trades)


async def test_each_instrument_shows_what_its_own_engine_did(serve: Serve) -> None:
    async with serve(BOTH, markets=2) as served:
        other = relay_of(served, "engine-2")
        await served.relay.know()
        await other.know(ETH_ID)
        for price in (100, 101, 102):
            await served.relay.trade(price, 3)
        await other.submit(
            *(_of_eth(other, side, 200) for side in ("SELL", "BUY")),
        )
        first, second = await trades(served, BTC, 3), await trades(served, ETH, 1)
        assert [trade.price for trade in first] == ["1.02", "1.01", "1"]
        assert [(trade.price, trade.trade_number) for trade in second] == [("2", 1)]
        assert second[0].id != first[-1].id, "numbers begin at 1 in every market, ids differ"
        listed = await served.public.ListTickers(marketdata_pb2.ListTickersRequest())
        by_symbol = {ticker.symbol: ticker for ticker in listed.tickers}
        assert [ticker.symbol for ticker in listed.tickers] == sorted(by_symbol)
        assert (by_symbol[BTC].last_price, by_symbol[ETH].last_price) == ("1.02", "2")
        assert by_symbol[BTC].sequence != by_symbol[ETH].sequence
        shown = await _figures(served)
        assert f'marketdata_sequence{{market="2"}} {by_symbol[ETH].sequence}' in shown


async def test_a_market_without_an_engine_leaves_the_books_of_the_other(serve: Serve) -> None:
    async with serve(ALL, markets=2) as served:
        await served.relay.know()
        await served.relay.trade(100, 3)
        assert [trade.price for trade in await trades(served, BTC, 1)] == ["1"]
        asked = marketdata_pb2.GetOrderBookRequest(symbol=ETH)
        assert await reason(served.public.GetOrderBook(asked)) == "BOOK_NOT_READY"
        listed = await served.public.ListTickers(marketdata_pb2.ListTickersRequest())
        symbols = [ticker.symbol for ticker in listed.tickers]
        assert BTC in symbols
        assert ETH not in symbols
        _, port = served.host.ports("marketdata")
        async with httpx.AsyncClient(trust_env=False) as client:
            ready = await client.get(f"http://127.0.0.1:{port}/ready")
        assert ready.status_code == httpx.codes.OK
        shown = await _figures(served)
        assert 'marketdata_books{market="1"} 1.0' in shown
        assert 'marketdata_books{market="2"} 0.0' in shown


async def test_without_any_books_it_is_not_ready_and_says_why_of_each_market(serve: Serve) -> None:
    async with serve(("metadata", "marketdata"), markets=2) as served:
        _, port = served.host.ports("marketdata")
        async with httpx.AsyncClient(trust_env=False) as client:
            ready = await client.get(f"http://127.0.0.1:{port}/ready")
        assert ready.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "market 1: " in ready.text
        assert "market 2: " in ready.text
        every = served.public.ListTickers(marketdata_pb2.ListTickersRequest())
        assert await reason(every) == "BOOK_NOT_READY"


async def test_fewer_markets_than_have_tapes_do_not_start(serve: Serve) -> None:
    async with serve(BOTH, markets=2) as served:
        other = relay_of(served, "engine-2")
        await other.know(ETH_ID)
        await other.submit(*(_of_eth(other, side, 200) for side in ("SELL", "BUY")))
        await trades(served, ETH, 1)

        async def stored() -> int:
            request = marketdata_pb2.ListCandlesRequest(symbol=ETH)
            return len((await served.public.ListCandles(request)).candles)

        await until(stored, lambda candles: candles == 1)
    with pytest.raises(SettingsError, match="MESH_MARKETS is 1: market 2 has a tape, must be 2"):
        async with serve(("marketdata",)):
            pass


async def test_a_fault_in_one_markets_tape_is_tried_again_and_ends_no_other(
    serve: Serve, database: Database
) -> None:
    async with serve(BOTH, markets=2) as served:
        other = relay_of(served, "engine-2")
        await served.relay.know()
        await other.know(ETH_ID)
        async with database.transaction() as connection:
            # The number of the trade to come, taken by a row that nobody wrote.
            await connection.execute(
                "INSERT INTO trades (time, symbol, trade_id, price, quantity, side, sequence) "
                "VALUES (now(), $1, (2::bigint << 40) | 1, 1, 1, 'buy', 1)", ETH,
            )  # fmt: skip
        await other.submit(*(_of_eth(other, side, 200) for side in ("SELL", "BUY")))
        # Not asked for a book, for a call that is refused so is repeated until there is one.
        await until(lambda: _figures(served), lambda shown: 'books{market="2"} 0.0' in shown)
        await served.relay.trade(100, 3)
        assert [trade.price for trade in await trades(served, BTC, 1)] == ["1"]
        async with database.transaction() as connection:
            await connection.execute("DELETE FROM trades WHERE symbol = $1", ETH)
        assert [trade.price for trade in await trades(served, ETH, 1)] == ["2"]


def _of_eth(relay: Relay, side: str, price_ticks: int) -> records_pb2.Command:
    command = relay.limit(side, price_ticks, 5)
    command.new_order.instrument_id = ETH_ID
    return command


async def _figures(served: Served) -> str:
    _, port = served.host.ports("marketdata")
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"http://127.0.0.1:{port}/metrics")).text
