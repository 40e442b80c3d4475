"""Proves that what came out of the exchange is what the capture says.

Owns the comparison, and shares no code with the path that made the orders: expected books, tape
and candles come from `audit_book`, which reads the captured text again by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import grpc
from marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc
from order.v1 import order_pb2, order_pb2_grpc
from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from mesh import audit_book
from mesh.desk import patiently

_PATIENCE_NS = 30_000_000_000
_PAUSE_S = 0.005
_PAGE = 1000
DEPTH = 20


class ProofError(Exception):
    """Something differs. The message says what, where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Funds:
    """Total and locked amount of an account in one asset."""

    total: Decimal
    locked: Decimal


class Proof:
    """Looks at one instrument from outside, as any trader could."""

    def __init__(self, channel: grpc.aio.Channel, symbol: str, paths: Sequence[Path]) -> None:
        self._market = marketdata_pb2_grpc.MarketDataServiceStub(channel)
        self._orders = order_pb2_grpc.OrderServiceStub(channel)
        self._wallet = wallet_pb2_grpc.WalletServiceStub(channel)
        self._symbol = symbol
        self._paths = paths
        self._books = audit_book.books(paths)
        self._books_seen = 0
        self.moments = 0

    async def sequence_of(self, token: str, order_id: str) -> int:
        """Sequence of the last market event of an order, once there is one."""
        request = order_pb2.GetOrderRequest(order_id=order_id)
        deadline_ns = time.monotonic_ns() + _PATIENCE_NS
        while time.monotonic_ns() < deadline_ns:
            answer = await patiently(
                lambda: self._orders.GetOrder(request, metadata=_bearer(token))
            )
            order = answer.order
            if order.status not in _ON_THE_WAY:
                return order.sequence
            await asyncio.sleep(_PAUSE_S)
        raise ProofError(f"order {order_id} did not reach the market within 30 s")

    async def book(self, number: int, sequence: int) -> None:
        """The exchange's best levels equal the file's after its `number`-th book change.

        `sequence` is that of the last event the book must contain.
        """
        while self._books_seen < number:
            _, expected = next(self._books)
            self._books_seen += 1
        bids, asks = expected.top(DEPTH)
        book = await self._book_at(sequence)
        _compare(f"bids after book change {number}", _levels(book.bids), bids)
        _compare(f"asks after book change {number}", _levels(book.asks), asks)
        self.moments += 1

    async def tape(self) -> list[marketdata_pb2.PublicTrade]:
        """Our tape in the order of our events equals the captured one, trade by trade."""
        ours = await self._all_trades(sum(1 for _ in audit_book.trades(self._paths)))
        if sorted(trade.sequence for trade in ours) != [trade.sequence for trade in ours]:
            raise ProofError("the tape is not in the order of the events")
        captured = [
            (trade.price, trade.quantity, "SELL" if trade.buyer_is_maker else "BUY")
            for trade in audit_book.trades(self._paths)
        ]
        tape = [(t.price, t.quantity, trading_pb2.Side.Value.Name(t.side)) for t in ours]
        _compare("the tape", tape, captured)
        return ours

    async def candles(self, tape: Sequence[marketdata_pb2.PublicTrade]) -> int:
        """Our 1-minute candles equal those of the file's trades at the times of our tape."""
        times = [trade.time for trade in tape]
        expected = audit_book.minute_candles(
            (time_ms, trade.price, trade.quantity)
            for time_ms, trade in zip(times, audit_book.trades(self._paths), strict=True)
        )
        ours = [
            audit_book.MinuteCandle(
                open_time_ms=candle.open_time,
                open=candle.open,
                high=candle.high,
                low=candle.low,
                close=candle.close,
                volume=candle.volume,
                quote_volume=candle.quote_volume,
                trade_count=candle.trade_count,
            )
            for candle in await self._all_candles(times)
        ]
        _compare("the 1-minute candles", ours, expected)
        return len(ours)

    async def funds(self, token: str) -> dict[str, Funds]:
        """Balances of the bearer by asset."""
        answer = await patiently(
            lambda: self._wallet.ListBalances(
                wallet_pb2.ListBalancesRequest(), metadata=_bearer(token)
            )
        )
        return {b.asset: Funds(Decimal(b.total), Decimal(b.locked)) for b in answer.balances}

    async def fees(self, token: str) -> Decimal:
        """Sum of the fees on all trades of the bearer in this instrument."""
        total = Decimal(0)
        request = order_pb2.ListTradesRequest(symbol=self._symbol, limit=500)
        while True:
            page = await patiently(
                lambda: self._orders.ListTrades(request, metadata=_bearer(token))
            )
            total += sum(Decimal(trade.fee) for trade in page.data)
            if not page.pagination.next_cursor:
                return total
            request.cursor = page.pagination.next_cursor

    async def _book_at(self, sequence: int) -> marketdata_pb2.OrderBook:
        request = marketdata_pb2.GetOrderBookRequest(symbol=self._symbol, depth=DEPTH)
        deadline_ns = time.monotonic_ns() + _PATIENCE_NS
        while time.monotonic_ns() < deadline_ns:
            book = (await patiently(lambda: self._market.GetOrderBook(request))).book
            if book.sequence >= sequence:
                return book
            await asyncio.sleep(_PAUSE_S)
        raise ProofError(f"the book did not reach sequence {sequence} within 30 s")

    async def _all_trades(self, count: int) -> list[marketdata_pb2.PublicTrade]:
        trades: list[marketdata_pb2.PublicTrade] = []
        deadline_ns = time.monotonic_ns() + _PATIENCE_NS
        after = 0
        newest = marketdata_pb2.ListTradesRequest(symbol=self._symbol, limit=_PAGE)
        while len(trades) < count and time.monotonic_ns() < deadline_ns:
            newest.after = after
            page = (await patiently(lambda: self._market.ListTrades(newest))).trades
            trades.extend(page)
            if page:
                after = page[-1].trade_number
            else:
                await asyncio.sleep(_PAUSE_S)
        return trades

    async def _all_candles(self, times: Sequence[int]) -> list[marketdata_pb2.Candle]:
        candles: list[marketdata_pb2.Candle] = []
        request = marketdata_pb2.ListCandlesRequest(symbol=self._symbol, interval="1m", limit=_PAGE)
        setattr(request, "from", times[0] - times[0] % 60_000)
        request.to = times[-1] + 60_000
        while page := (await patiently(lambda: self._market.ListCandles(request))).candles:
            candles.extend(page)
            setattr(request, "from", page[-1].open_time + 60_000)
        return candles


_ON_THE_WAY = (
    trading_pb2.OrderStatus.NEW,
    trading_pb2.OrderStatus.CANCEL_PENDING,
    trading_pb2.OrderStatus.REPLACE_PENDING,
)


def evenly(total: int, count: int) -> frozenset[int]:
    """`count` numbers from 1 to `total`, evenly apart, the last of them `total`."""
    return frozenset(total * number // count for number in range(1, count + 1)) - {0}


def _bearer(token: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token}"),)


def _levels(levels: Iterable[marketdata_pb2.Level]) -> list[tuple[str, str]]:
    return [(level.price, level.quantity) for level in levels]


def _compare(what: str, ours: Sequence[object], expected: Sequence[object]) -> None:
    for number, (one, other) in enumerate(zip(ours, expected, strict=False), start=1):
        if one != other:
            raise ProofError(f"{what} differs at {number}: {one}, expected {other}")
    if len(ours) != len(expected):
        raise ProofError(f"{what}: {len(ours)} rows, expected {len(expected)}")
