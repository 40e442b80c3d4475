"""The messages of marketdata.v1, made from what is in memory and what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from marketdata.v1 import marketdata_pb2
from trading.v1 import trading_pb2

from svc.kit.ids import to_uuid
from svc.marketdata.candles import Candle
from svc.marketdata.instruments import Instrument
from svc.marketdata.market import Delta, View
from svc.marketdata.store import StoredTrade
from svc.marketdata.tape import Trade, trade_id

_SIDES = (trading_pb2.Side.UNSPECIFIED, trading_pb2.Side.BUY, trading_pb2.Side.SELL)


def ticker(view: View, sequence: int, now_ms: int) -> marketdata_pb2.Ticker:
    """The ticker of an instrument at a sequence."""
    one, day, (bid, ask) = view.instrument, view.day.at(now_ms), view.book.best()
    return marketdata_pb2.Ticker(
        symbol=one.symbol,
        last_price=one.price(day.last_ticks),
        bid_price=one.price(bid[0]) if bid else "",
        bid_quantity=one.quantity(bid[1]) if bid else "",
        ask_price=one.price(ask[0]) if ask else "",
        ask_quantity=one.quantity(ask[1]) if ask else "",
        open_price=one.price(day.open_ticks),
        high_price=one.price(day.high_ticks),
        low_price=one.price(day.low_ticks),
        volume=one.quantity(day.lots),
        quote_volume=one.notional(day.tick_lots),
        trade_count=day.trades,
        sequence=sequence,
        time=view.time_ms,
    )


def order_book(view: View, sequence: int, depth: int) -> marketdata_pb2.OrderBook:
    """The best `depth` levels a side at a sequence."""
    bids, asks = view.book.levels(depth)
    return marketdata_pb2.OrderBook(
        symbol=view.instrument.symbol,
        sequence=sequence,
        bids=_levels(view.instrument, bids),
        asks=_levels(view.instrument, asks),
        time=view.time_ms,
    )


def book_delta(
    instrument: Instrument, delta: Delta, previous_sequence: int
) -> marketdata_pb2.BookDelta:
    """A changed batch, best levels first, for a reader who stands at the previous sequence."""
    return marketdata_pb2.BookDelta(
        previous_sequence=previous_sequence,
        sequence=delta.sequence,
        bids=_levels(instrument, _sorted(delta.change.bids, best_is_highest=True)),
        asks=_levels(instrument, _sorted(delta.change.asks, best_is_highest=False)),
        time=delta.time_ms,
    )


def public_trade(instrument: Instrument, trade: Trade) -> marketdata_pb2.PublicTrade:
    """A trade from memory."""
    return marketdata_pb2.PublicTrade(
        id=to_uuid(trade_id(instrument.market, trade.number)),
        trade_number=trade.number,
        symbol=instrument.symbol,
        price=instrument.price(trade.price_ticks),
        quantity=instrument.quantity(trade.lots),
        side=_SIDES[trade.side],
        time=trade.time_unix_ns // 1_000_000,
        sequence=trade.sequence,
    )


def stored_trade(instrument: Instrument, trade: StoredTrade) -> marketdata_pb2.PublicTrade:
    """A trade from the table."""
    return marketdata_pb2.PublicTrade(
        id=to_uuid(trade_id(instrument.market, trade.number)),
        trade_number=trade.number,
        symbol=instrument.symbol,
        price=trade.price,
        quantity=trade.quantity,
        side=_SIDES[trade.side],
        time=trade.time_ms,
        sequence=trade.sequence,
    )


def candle(instrument: Instrument, one: Candle) -> marketdata_pb2.Candle:
    """A candle."""
    return marketdata_pb2.Candle(
        open_time=one.open_ms,
        open=instrument.price(one.open_ticks),
        high=instrument.price(one.high_ticks),
        low=instrument.price(one.low_ticks),
        close=instrument.price(one.close_ticks),
        volume=instrument.quantity(one.lots),
        quote_volume=instrument.notional(one.tick_lots),
        trade_count=one.trades,
    )


def _sorted(changed: Mapping[int, int], *, best_is_highest: bool) -> list[tuple[int, int]]:
    return sorted(changed.items(), reverse=best_is_highest)


def _levels(
    instrument: Instrument, levels: Iterable[tuple[int, int]]
) -> list[marketdata_pb2.Level]:
    return [
        marketdata_pb2.Level(price=instrument.price(price), quantity=instrument.quantity(lots))
        for price, lots in levels
    ]
