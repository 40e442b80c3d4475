"""Market data beside the real engine and metadata: what traders see is what the engine did."""

from __future__ import annotations

import random
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from marketdata.v1 import marketdata_pb2
from metadata.v1 import metadata_pb2

from svc.kit.errors import DomainError, from_rpc
from svc.kit.schema import SERVICES
from tests.marketdata.conftest import BTC_USDT, Serve, Served, until
from tests.retained import forget_events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from pathlib import Path

    from marketdata.v1.marketdata_pb2_grpc import MarketDataServiceAsyncStub

    from svc.kit.database import Database

SYMBOL = "BTC-USDT"
NOT_YET = ("BOOK_NOT_READY", "UNKNOWN_SYMBOL", "DEADLINE_PASSED", "")
FROM_2000: Any = {"from": 2_000}  # a word that Python keeps for itself


async def book_at(served: Served, sequence: int, symbol: str = SYMBOL) -> marketdata_pb2.OrderBook:
    """The book once it stands at a sequence."""
    public = served.public

    async def ask() -> marketdata_pb2.OrderBook:
        try:
            request = marketdata_pb2.GetOrderBookRequest(symbol=symbol, depth=1_000)
            return (await public.GetOrderBook(request, timeout=0.5)).book
        except grpc.aio.AioRpcError as error:
            if from_rpc(error).reason not in NOT_YET:
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
        await relay.know()
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
        await served.relay.know()
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


async def test_readers_of_streams_end_up_with_what_is_answered_to_calls(serve: Serve) -> None:
    seeded = random.Random(7)
    book_request = marketdata_pb2.StreamOrderBookRequest(symbol=SYMBOL)
    tape_request = marketdata_pb2.StreamTradesRequest(symbol="btcusdt", after=0)
    async with serve() as served, served.socket() as remote:
        await served.relay.know()
        await book_at(served, served.relay.sequence)
        books = aiter(remote.StreamOrderBook(book_request))
        tape = aiter(remote.StreamTrades(tape_request))
        reader = BookReader(await anext(books))
        for _ in range(40):
            sequence = await served.relay.submit(
                *(
                    served.relay.limit(
                        seeded.choice(["BUY", "SELL"]),
                        100 + seeded.randint(-9, 9),
                        seeded.randint(1, 9),
                    )
                    for _ in range(5)
                )
            )
        book = await book_at(served, sequence)
        while (reader.bids, reader.asks) != (levels(book.bids), levels(book.asks)):
            reader.take(await anext(books))
        listed = await remote.ListTrades(
            marketdata_pb2.ListTradesRequest(symbol=SYMBOL, after=0, limit=1_000)
        )
        assert len(listed.trades) > 50
        streamed = [(await anext(tape)).trade for _ in listed.trades]
        assert streamed == list(listed.trades)


class BookReader:
    """What a careful client makes of a book stream; refuses a gap."""

    def __init__(self, first: marketdata_pb2.StreamOrderBookResponse) -> None:
        self._sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self._sequence = 0
        self.take(first)

    def take(self, message: marketdata_pb2.StreamOrderBookResponse) -> None:
        if message.HasField("heartbeat"):
            return
        if message.HasField("snapshot"):
            self._sides = ({}, {})
        else:
            assert message.delta.previous_sequence == self._sequence
        told = message.snapshot if message.HasField("snapshot") else message.delta
        self._sequence = told.sequence
        for side, changed in zip(self._sides, (told.bids, told.asks), strict=True):
            side.update((level.price, level.quantity) for level in changed)
            for price in [price for price, quantity in side.items() if quantity == "0"]:
                del side[price]

    @property
    def bids(self) -> list[tuple[str, str]]:
        return sorted(self._sides[0].items(), key=lambda level: Decimal(level[0]), reverse=True)

    @property
    def asks(self) -> list[tuple[str, str]]:
        return sorted(self._sides[1].items(), key=lambda level: Decimal(level[0]))


async def test_engine_that_comes_late_is_waited_for(serve: Serve) -> None:
    async with serve(("metadata", "marketdata")) as served:
        request = marketdata_pb2.GetOrderBookRequest(symbol=SYMBOL)
        late = grpc.StatusCode.DEADLINE_EXCEEDED  # of the last try, when the machine is busy
        while (
            error := await refused(served.public.GetOrderBook(request, timeout=0.5))
        ).code is late:
            pass
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "BOOK_NOT_READY")
        async with serve(("engine",)) as engine:
            await engine.relay.know()
            await book_at(served, await engine.relay.trade(100, 5))


async def test_engine_that_comes_back_is_followed_from_where_it_was_left(serve: Serve) -> None:
    async with serve(("metadata", "marketdata")) as served:
        async with serve(("engine",)) as engine:
            await engine.relay.know()
            await engine.relay.submit(engine.relay.limit("BUY", 90, 5))
            await book_at(served, await engine.relay.trade(100, 5))
            number = engine.relay.number
        request = marketdata_pb2.StreamTradesRequest(symbol=SYMBOL, after=0)
        stream = aiter(served.public.StreamTrades(request))
        assert (await anext(stream)).trade.trade_number == 1
        async with serve(("engine",), number=number) as engine:
            book = await book_at(served, await engine.relay.trade(101, 5))
            assert levels(book.bids) == [("0.9", "0.00005")]
            while (message := await anext(stream)).HasField("heartbeat"):
                pass
            assert message.trade.trade_number == 2


async def test_log_that_the_tape_does_not_come_from_stops_books_but_not_history(
    serve: Serve, tmp_path: Path
) -> None:
    async with serve() as served:
        await served.relay.know()
        await book_at(served, await served.relay.trade(100, 5))
        await candles(served.public, "1m", 1)
    # The folder that leads, so its identity says, and nothing of its log.
    foreign = tmp_path / "foreign" / "market-1"
    foreign.mkdir(parents=True)
    shutil.copy(tmp_path / "journal" / "market-1" / "identity", foreign)
    async with serve(journal="foreign") as served:
        public = served.public

        async def ask() -> DomainError:
            request = marketdata_pb2.GetTickerRequest(symbol=SYMBOL)
            return await refused(public.GetTicker(request, timeout=0.5))

        error = await until(ask, lambda told: "the tape was written from log" in told.message)
        assert error.reason == "BOOK_NOT_READY"
        (candle,) = await candles(public, "1d", 1)
        assert candle.close == "1"


async def test_empty_table_begins_with_the_snapshot_where_the_start_of_the_log_is_gone(
    serve: Serve, tmp_path: Path
) -> None:
    async with serve(("metadata", "engine")) as served:
        await served.relay.know()
        await served.relay.trade(100, 5)
        await served.relay.submit(served.relay.limit("BUY", 90, 7))
        number = served.relay.number
    end = forget_events(tmp_path / "journal")
    async with serve(number=number) as served:
        book = await book_at(served, end)
        assert (book.sequence, levels(book.bids)) == (end, [("0.9", "0.00007")])
        await book_at(served, await served.relay.trade(101, 5))
        (candle,) = await candles(served.public, "1d", 1)
        assert candle.open == candle.close == "1.01"
        tape = await served.public.ListTrades(marketdata_pb2.ListTradesRequest(symbol=SYMBOL))
        assert [trade.trade_number for trade in tape.trades] == [2]
        number = served.relay.number
    async with serve(number=number) as served:
        await book_at(served, await served.relay.trade(102, 5))
        assert [one.trade_count for one in await candles(served.public, "1w", 2)] == [2]


async def test_tape_whose_next_events_are_gone_stops_until_an_operator_accepts_the_gap(
    serve: Serve, database: Database, tmp_path: Path
) -> None:
    async with serve() as served:
        await served.relay.know()
        await book_at(served, await served.relay.trade(100, 5))
        await candles(served.public, "1m", 1)
        number = served.relay.number
    async with serve(("metadata", "engine"), number=number) as served:
        await served.relay.trade(101, 5)
        await served.relay.submit(served.relay.limit("BUY", 90, 7))
        number = served.relay.number
    end = forget_events(tmp_path / "journal")
    async with serve(number=number) as served:
        public = served.public

        async def ask() -> DomainError:
            request = marketdata_pb2.GetTickerRequest(symbol=SYMBOL)
            return await refused(public.GetTicker(request, timeout=0.5))

        error = await until(ask, lambda told: "has deleted events behind it" in told.message)
        assert error.reason == "BOOK_NOT_READY"
        assert len(await candles(public, "1d", 1)) == 1
    await database.pool.execute(accepted_gap())
    async with serve(number=number) as served:
        assert levels((await book_at(served, end)).bids) == [("0.9", "0.00007")]
        await book_at(served, await served.relay.trade(102, 5))
        (candle,) = await candles(served.public, "1d", 2)
        assert (candle.trade_count, candle.open, candle.close) == (2, "1", "1.02")
        request = marketdata_pb2.ListTradesRequest(symbol=SYMBOL, after=0)
        tape = await served.public.ListTrades(request)
        assert [trade.trade_number for trade in tape.trades] == [1, 3]


def accepted_gap() -> str:
    """The statement with which an operator accepts it, as the service's page gives it."""
    page = (SERVICES / "marketdata" / "README.md").read_text("utf-8")
    return page.split("```sql\n")[1].split("```")[0]


async def test_history_and_books_are_served_while_metadata_is_away(serve: Serve) -> None:
    async with serve() as served:
        await served.relay.know()
        before = await book_at(served, await served.relay.trade(100, 5))
        number = served.relay.number
    async with serve(("engine", "marketdata"), number=number) as served:
        assert await book_at(served, before.sequence) == before


async def test_instrument_that_is_listed_later_is_learned_from_its_first_event(
    serve: Serve,
) -> None:
    async with serve() as served:
        await served.relay.know()
        await book_at(served, served.relay.sequence)
        listed = await served.metadata.ListInstruments(metadata_pb2.ListInstrumentsRequest())
        late = next(one for one in listed.instruments if one.id == BTC_USDT)
        late.id, late.symbol = 4_711, "BTC-USDT-LATE"
        await served.metadata.PutInstruments(metadata_pb2.PutInstrumentsRequest(instruments=[late]))
        book = await book_at(served, await served.relay.know(4_711), "btcusdtlate")
        assert book.symbol == "BTC-USDT-LATE"


@pytest.mark.parametrize(
    ("method", "request_", "reason", "said"),
    [
        ("GetTicker", marketdata_pb2.GetTickerRequest(symbol="BTC-EUR"), "UNKNOWN_SYMBOL", "BTC-"),
        ("GetTicker", marketdata_pb2.GetTickerRequest(), "INVALID_FIELD", "symbol"),
        (
            "GetOrderBook",
            marketdata_pb2.GetOrderBookRequest(symbol=SYMBOL, depth=1_001),
            "INVALID_FIELD",
            "depth",
        ),
        (
            "ListCandles",
            marketdata_pb2.ListCandlesRequest(symbol=SYMBOL, interval="2m"),
            "INVALID_INTERVAL",
            "1m, 5m, 15m, 1h, 4h, 1d, 1w",
        ),
        (
            "ListCandles",
            marketdata_pb2.ListCandlesRequest(symbol=SYMBOL, to=2_000, **FROM_2000),
            "INVALID_RANGE",
            "`from` is 2000: must be before `to`, which is 2000",
        ),
        (
            "ListCandles",
            marketdata_pb2.ListCandlesRequest(symbol=SYMBOL, to=2**63 - 1),
            "INVALID_RANGE",
            "`to` is 9223372036854775807: must be at most 253402300799999",
        ),
        (
            "ListTrades",
            marketdata_pb2.ListTradesRequest(symbol=SYMBOL, limit=1_001),
            "INVALID_FIELD",
            "limit",
        ),
    ],
)
async def test_bad_request_is_told_what_would_be_right(
    serve: Serve, method: str, request_: object, reason: str, said: str
) -> None:
    async with serve() as served:
        await book_at(served, 0)
        error = await refused(getattr(served.public, method)(request_))
        assert error.reason == reason
        assert said in error.message


async def test_trades_beyond_the_last_number_are_none(serve: Serve) -> None:
    async with serve() as served:
        await served.relay.know()
        await book_at(served, await served.relay.trade(100, 5))
        request = marketdata_pb2.ListTradesRequest(symbol=SYMBOL, after=2**63 - 1)
        assert not (await served.public.ListTrades(request)).trades


async def refused(call: Awaitable[object]) -> DomainError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc(caught.value)
