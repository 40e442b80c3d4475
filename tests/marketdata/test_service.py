"""Market data beside the real engine and metadata: what traders see is what the engine did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from marketdata.v1 import marketdata_pb2

from svc.kit.errors import from_rpc
from tests.marketdata.conftest import Serve, Served, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from marketdata.v1.marketdata_pb2_grpc import MarketDataServiceAsyncStub

SYMBOL = "BTC-USDT"


async def book_at(served: Served, sequence: int) -> marketdata_pb2.OrderBook:
    """The book once it stands at a sequence."""
    public = served.public

    async def ask() -> marketdata_pb2.OrderBook:
        try:
            request = marketdata_pb2.GetOrderBookRequest(symbol=SYMBOL)
            return (await public.GetOrderBook(request, timeout=0.5)).book
        except grpc.aio.AioRpcError as error:
            if from_rpc(error).reason not in ("BOOK_NOT_READY", ""):
                raise
            return marketdata_pb2.OrderBook()

    return await until(ask, lambda book: book.sequence >= sequence)


async def candles(
    public: MarketDataServiceAsyncStub, interval: str, trades: int
) -> list[marketdata_pb2.Candle]:
    """The candles of an interval once they hold so many trades."""

    async def ask() -> marketdata_pb2.ListCandlesResponse:
        request = marketdata_pb2.ListCandlesRequest(symbol=SYMBOL, interval=interval)
        return await public.ListCandles(request)

    found = await until(ask, lambda got: sum(one.trade_count for one in got.candles) >= trades)
    return list(found.candles)


def levels(side: Iterable[marketdata_pb2.Level]) -> list[tuple[str, str]]:
    return [(level.price, level.quantity) for level in side]


@pytest.mark.spec("gw4-markets", "md-api")
async def test_orders_show_up_in_book_tape_ticker_and_candles(serve: Serve) -> None:
    async with serve() as served:
        relay, public = served.relay, served.public
        await relay.list_instrument()
        await relay.submit(
            relay.limit("BUY", 6_000_000, 150_000),
            relay.limit("BUY", 5_999_950, 1),
            relay.limit("SELL", 6_000_100, 200_000),
        )
        sequence = await relay.submit(relay.limit("BUY", 6_000_200, 50_000))
        book = await book_at(served, sequence)
        assert levels(book.bids) == [("60000", "1.5"), ("59999.5", "0.00001")]
        assert levels(book.asks) == [("60001", "1.5")]
        tape = await public.ListTrades(marketdata_pb2.ListTradesRequest(symbol=SYMBOL))
        (trade,) = tape.trades
        assert (trade.trade_number, trade.price, trade.quantity) == (1, "60001", "0.5")
        assert trade.side == 1
        ticker = (await public.GetTicker(marketdata_pb2.GetTickerRequest(symbol="btcusdt"))).ticker
        assert (ticker.symbol, ticker.last_price, ticker.volume) == (SYMBOL, "60001", "0.5")
        assert (ticker.bid_price, ticker.ask_price) == ("60000", "60001")
        assert ticker.quote_volume == "30000.5"
        for interval in ("1m", "5m", "15m", "1h", "4h", "1d", "1w"):
            (candle,) = await candles(public, interval, 1)
            assert (candle.open, candle.close, candle.volume) == ("60001", "60001", "0.5")
        tickers = await public.ListTickers(marketdata_pb2.ListTickersRequest())
        symbols = [one.symbol for one in tickers.tickers]
        assert symbols == sorted(symbols)
        assert SYMBOL in symbols


async def test_restart_goes_on_where_the_table_stands_and_counts_nothing_twice(
    serve: Serve,
) -> None:
    async with serve() as served:
        await served.relay.list_instrument()
        for price in range(100, 110):
            sequence = await served.relay.trade(price, 3)
        await served.relay.submit(served.relay.limit("BUY", 99, 7))
        before = await book_at(served, sequence + 1)
        await candles(served.public, "1m", 4)  # the others may or may not be committed
        number = served.relay.number
    async with serve(number=number) as served:
        book = await book_at(served, before.sequence)
        assert levels(book.bids) == levels(before.bids) == [("0.99", "0.00007")]
        request = marketdata_pb2.ListTradesRequest(symbol=SYMBOL, after=0)
        tape = await served.public.ListTrades(request)
        assert [one.trade_number for one in tape.trades] == list(range(1, 11))
        sequence = await served.relay.trade(120, 3)
        await book_at(served, sequence)
        (day,) = await candles(served.public, "1w", 11)
        assert (day.open, day.high, day.low, day.close) == ("1", "1.2", "1", "1.2")
        assert (day.trade_count, day.volume) == (11, "0.00033")
        ticker = (
            await served.public.GetTicker(marketdata_pb2.GetTickerRequest(symbol=SYMBOL))
        ).ticker
        assert (ticker.trade_count, ticker.last_price, ticker.low_price) == (11, "1.2", "1")
