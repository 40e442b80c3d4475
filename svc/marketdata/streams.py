"""What readers of streams are sent: a start, then what changes, a heartbeat when nothing does.

Keeps: the messages of a stream follow each other without a gap, or say by a new snapshot that
there was one. A reader holds a place, not a queue: however slowly it reads, nothing piles up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from marketdata.v1 import marketdata_pb2

from svc.kit.clock import Clock
from svc.marketdata import messages
from svc.marketdata.figures import Figures
from svc.marketdata.market import Market, View
from svc.marketdata.reading import TapeReader

HEARTBEAT_S = 1.0
TICKER_PAUSE_S = 0.1
_PAGE = 100

BookMessages = AsyncIterator[marketdata_pb2.StreamOrderBookResponse]
TradeMessages = AsyncIterator[marketdata_pb2.StreamTradesResponse]
TickerMessages = AsyncIterator[marketdata_pb2.StreamTickerResponse]


class Streams:
    """Makes the messages of each kind of stream; SignalClosedError ends one."""

    def __init__(
        self,
        tapes: TapeReader,
        clock: Clock,
        figures: Figures,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._tapes = tapes
        self._clock = clock
        self._figures = figures
        self._heartbeat_s = heartbeat_s

    async def order_book(self, market: Market, view: View, depth: int) -> BookMessages:
        """A snapshot and each change after it; a new snapshot to a reader that fell behind."""
        place, sequence = view.deltas.end, market.position.sequence
        yield _snapshot(market, view, depth)
        while True:
            if not await view.deltas.signal.passed(place, self._heartbeat_s):
                yield marketdata_pb2.StreamOrderBookResponse(heartbeat=self._heartbeat(market))
                continue
            deltas = view.deltas.since(place)
            if deltas is None:
                self._figures.resets.inc()
                place, sequence = view.deltas.end, market.position.sequence
                yield _snapshot(market, view, depth)
                continue
            for delta in deltas:
                message = messages.book_delta(view.instrument, delta, sequence)
                place, sequence = place + 1, delta.sequence
                yield marketdata_pb2.StreamOrderBookResponse(delta=message)

    async def trades(self, market: Market, view: View, after: int) -> TradeMessages:
        """The trades with a number above `after`, those to come included."""
        while True:
            seen = view.trades.count
            page = await self._tapes.after(view, after, _PAGE)
            for trade in page:
                after = trade.trade_number
                yield marketdata_pb2.StreamTradesResponse(trade=trade)
            if not page and not await view.trades.passed(seen, self._heartbeat_s):
                yield marketdata_pb2.StreamTradesResponse(heartbeat=self._heartbeat(market))

    async def ticker(self, market: Market, view: View) -> TickerMessages:
        """The ticker now, then when it says something else, with a pause after each."""
        told = marketdata_pb2.Ticker()
        while True:
            seen = view.ticker.count
            ticker = messages.ticker(view, market.position.sequence, self._now_ms())
            if not _says_the_same(ticker, told):
                told = ticker
                yield marketdata_pb2.StreamTickerResponse(ticker=ticker)
                await asyncio.sleep(TICKER_PAUSE_S)
            elif not await view.ticker.passed(seen, self._heartbeat_s):
                yield marketdata_pb2.StreamTickerResponse(heartbeat=self._heartbeat(market))

    def _heartbeat(self, market: Market) -> marketdata_pb2.MarketDataHeartbeat:
        return marketdata_pb2.MarketDataHeartbeat(
            sequence=market.position.sequence, time=self._now_ms()
        )

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000


def _snapshot(market: Market, view: View, depth: int) -> marketdata_pb2.StreamOrderBookResponse:
    book = messages.order_book(view, market.position.sequence, depth)
    return marketdata_pb2.StreamOrderBookResponse(snapshot=book)


def _says_the_same(one: marketdata_pb2.Ticker, other: marketdata_pb2.Ticker) -> bool:
    """Whether two tickers differ at most in where and when they stand."""
    moved = marketdata_pb2.Ticker()
    moved.CopyFrom(other)
    moved.sequence, moved.time = one.sequence, one.time
    return moved == one
