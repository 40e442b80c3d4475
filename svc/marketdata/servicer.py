"""The RPCs of marketdata.v1. Books and tickers from memory, candles from the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc

from svc.kit.call import Context
from svc.kit.clock import Clock
from svc.kit.errors import invalid
from svc.marketdata import messages
from svc.marketdata.candles import INTERVALS_MS
from svc.marketdata.feed import SignalClosedError
from svc.marketdata.figures import Figures
from svc.marketdata.follower import Follower, not_ready
from svc.marketdata.instruments import Directory, Instrument
from svc.marketdata.market import Market, View
from svc.marketdata.reading import TapeReader
from svc.marketdata.store import Table
from svc.marketdata.streams import BookMessages, Streams, TickerMessages, TradeMessages

DEFAULT_DEPTH = 100
DEFAULT_TRADES = 100
DEFAULT_CANDLES = 500
LAST_MS = 253_402_300_799_999
"""The end of the year 9999, the last that the database's times hold here."""


class MarketDataServicer(marketdata_pb2_grpc.MarketDataServiceServicer):
    """See protos/marketdata/v1/marketdata.proto for the contract of each method."""

    def __init__(
        self,
        *,
        followers: Mapping[int, Follower],
        directory: Directory,
        table: Table,
        tapes: TapeReader,
        streams: Streams,
        clock: Clock,
        figures: Figures,
    ) -> None:
        self._followers = followers
        self._directory = directory
        self._table = table
        self._tapes = tapes
        self._streams = streams
        self._clock = clock
        self._figures = figures

    async def ListTickers(
        self, request: marketdata_pb2.ListTickersRequest, context: Context
    ) -> marketdata_pb2.ListTickersResponse:
        """By symbol, those of one market at one sequence; without markets that are not ready."""
        markets = [one.market for one in self._followers.values() if not one.trouble]
        if not markets:
            raise not_ready(next(iter(self._followers.values())).trouble)
        now_ms = self._now_ms()
        tickers = [
            messages.ticker(view, market.position.sequence, now_ms)
            for market in markets
            for view in market.views.values()
        ]
        tickers.sort(key=lambda ticker: ticker.symbol)
        return marketdata_pb2.ListTickersResponse(tickers=tickers)

    async def GetTicker(
        self, request: marketdata_pb2.GetTickerRequest, context: Context
    ) -> marketdata_pb2.GetTickerResponse:
        """The ticker at the sequence of the books."""
        market, view = self._view(request.symbol)
        ticker = messages.ticker(view, market.position.sequence, self._now_ms())
        return marketdata_pb2.GetTickerResponse(ticker=ticker)

    async def GetOrderBook(
        self, request: marketdata_pb2.GetOrderBookRequest, context: Context
    ) -> marketdata_pb2.GetOrderBookResponse:
        """The best levels between two batches."""
        market, view = self._view(request.symbol)
        book = messages.order_book(view, market.position.sequence, request.depth or DEFAULT_DEPTH)
        return marketdata_pb2.GetOrderBookResponse(book=book)

    async def ListTrades(
        self, request: marketdata_pb2.ListTradesRequest, context: Context
    ) -> marketdata_pb2.ListTradesResponse:
        """From memory as far as it reaches back, from the table before."""
        (_, view), limit = self._view(request.symbol), request.limit or DEFAULT_TRADES
        if request.HasField("after"):
            trades = await self._tapes.after(view, request.after, limit)
        else:
            trades = await self._tapes.newest(view, limit)
        return marketdata_pb2.ListTradesResponse(trades=trades)

    async def ListCandles(
        self, request: marketdata_pb2.ListCandlesRequest, context: Context
    ) -> marketdata_pb2.ListCandlesResponse:
        """What is committed: at most a moment behind the tape."""
        instrument = self._find(request.symbol)
        interval = _interval(request.interval)
        from_ms, to_ms = getattr(request, "from"), request.to or self._now_ms()
        _check_range(from_ms, to_ms)
        limit = request.limit or DEFAULT_CANDLES
        if from_ms:
            found = await self._table.candles_from(instrument.id, interval, from_ms, to_ms, limit)
        else:
            found = await self._table.candles_up_to(instrument.id, interval, to_ms, limit)
        return marketdata_pb2.ListCandlesResponse(
            candles=[messages.candle(instrument, one) for one in found]
        )

    async def StreamOrderBook(
        self, request: marketdata_pb2.StreamOrderBookRequest, context: Context
    ) -> BookMessages:
        """Ends with BOOK_NOT_READY when the books are loaded again."""
        market, view = self._view(request.symbol)
        depth = request.depth or DEFAULT_DEPTH
        with self._reading("book"):
            async for message in self._streams.order_book(market, view, depth):
                yield message

    async def StreamTrades(
        self, request: marketdata_pb2.StreamTradesRequest, context: Context
    ) -> TradeMessages:
        """As StreamOrderBook."""
        market, view = self._view(request.symbol)
        after = request.after if request.HasField("after") else view.tape.last_number
        with self._reading("trades"):
            async for message in self._streams.trades(market, view, after):
                yield message

    async def StreamTicker(
        self, request: marketdata_pb2.StreamTickerRequest, context: Context
    ) -> TickerMessages:
        """As StreamOrderBook."""
        market, view = self._view(request.symbol)
        with self._reading("ticker"):
            async for message in self._streams.ticker(market, view):
                yield message

    def _find(self, symbol: str) -> Instrument:
        if self._directory.empty:
            raise not_ready(next(iter(self._followers.values())).trouble)
        return self._directory.find(symbol)

    def _view(self, symbol: str) -> tuple[Market, View]:
        instrument = self._find(symbol)
        market = self._followers[instrument.market].market
        return market, market.views[instrument.id]

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000

    @contextmanager
    def _reading(self, stream: str) -> Iterator[None]:
        with self._figures.reading(stream):
            try:
                yield
            except SignalClosedError:
                raise not_ready("they are being loaded again") from None


def _interval(text: str) -> str:
    interval = text or "1m"
    if interval not in INTERVALS_MS:
        valid = ", ".join(INTERVALS_MS)
        raise invalid(
            "INVALID_INTERVAL",
            f"there are no candles of {text!r}; the intervals are {valid}",
            field="interval",
            value=text,
            rule=f"one of {valid}",
        )
    return interval


def _check_range(from_ms: int, to_ms: int) -> None:
    for field, value in (("from", from_ms), ("to", to_ms)):
        if value > LAST_MS:
            raise _bad_range(field, value, f"at most {LAST_MS} (year 9999, unix ms)")
    if from_ms >= to_ms:
        raise _bad_range("from", from_ms, f"before `to`, which is {to_ms}")


def _bad_range(field: str, value: int, rule: str) -> Exception:
    return invalid(
        "INVALID_RANGE", f"`{field}` is {value}: must be {rule}", field=field, value=str(value),
        rule=rule,
    )  # fmt: skip
