"""Streams follow without a gap; a slow reader starts anew, an idle one hears a heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from engine.v1 import records_pb2
from marketdata.v1 import marketdata_pb2
from prometheus_client import CollectorRegistry

from svc.kit.clock import FakeClock
from svc.kit.decimals import Step
from svc.kit.market_events import parse_batch
from svc.marketdata.feed import SignalClosedError
from svc.marketdata.figures import Figures
from svc.marketdata.instruments import Instrument
from svc.marketdata.market import FEED_CHANGES, Market, Position, View
from svc.marketdata.reading import TapeReader
from svc.marketdata.streams import Streams
from svc.marketdata.tape import Tape
from svc.marketdata.ticker import RollingDay
from tests.marketdata.engine_events import LOG_ID

if TYPE_CHECKING:
    from svc.marketdata.store import Store

AT_ONCE = 0.0
LONG = 60.0


class Told:
    """A market of one instrument that is told what happens, batch by batch."""

    def __init__(self) -> None:
        one = Instrument(1, 1, "BTC-USDT", False, Step(1, 2), Step(1, 5))
        self.view = View(one, Tape(0), RollingDay())
        self.market = Market(Position(), [self.view])
        self.clock = FakeClock()
        self.figures = Figures(CollectorRegistry())
        self.orders = 0
        self.trades = 0

    def streams(self, store: Store, heartbeat_s: float) -> Streams:
        return Streams(TapeReader(store), self.clock, self.figures, heartbeat_s)

    def happen(self, *events: records_pb2.Event) -> None:
        position = self.market.position
        batch = records_pb2.EventBatch(
            market=1,
            log_id=LOG_ID,
            previous_hash=position.running_hash,
            running_hash=position.running_hash + 1,
            events=events,
        )
        for number, event in enumerate(batch.events, position.sequence + 1):
            event.sequence, event.instrument_id = number, 1
            event.time_unix_ns = self.clock.unix_ns()
        self.market.apply(parse_batch(batch.SerializeToString()))

    def rest(self, price: int, lots: int = 1) -> records_pb2.Event:
        self.orders += 1
        return records_pb2.Event(
            order_accepted=records_pb2.OrderAccepted(
                order_id=self.orders,
                side="BUY",
                type="LIMIT",
                time_in_force="GTC",
                price_ticks=price,
                quantity_lots=lots,
            )
        )

    def cancel(self, order_id: int) -> records_pb2.Event:
        return records_pb2.Event(order_canceled=records_pb2.OrderEnded(order_id=order_id))

    def trade(self, price: int) -> list[records_pb2.Event]:
        self.trades += 1
        maker = self.rest(price)
        trade = records_pb2.Trade(
            trade_number=self.trades,
            side="SELL",
            price_ticks=price,
            quantity_lots=1,
            maker_order_id=self.orders,
        )
        return [maker, records_pb2.Event(trade=trade)]


async def test_deltas_link_to_the_snapshot_and_to_each_other(store: Store) -> None:
    told = Told()
    told.happen(told.rest(100), told.rest(99))
    stream = told.streams(store, LONG).order_book(told.market, told.view, depth=1)
    snapshot = (await anext(stream)).snapshot
    assert (snapshot.sequence, [level.price for level in snapshot.bids]) == (2, ["1"])
    told.happen(told.rest(101))
    told.happen(records_pb2.Event(cancel_rejected=records_pb2.RequestRejected()))
    told.happen(told.cancel(2), told.cancel(1))
    first, second = (await anext(stream)).delta, (await anext(stream)).delta
    assert (first.previous_sequence, first.sequence) == (2, 3)
    assert (second.previous_sequence, second.sequence) == (3, 6)
    assert [(one.price, one.quantity) for one in second.bids] == [("1", "0"), ("0.99", "0")]


async def test_reader_that_fell_behind_gets_a_new_snapshot_and_goes_on_from_it(
    store: Store,
) -> None:
    told = Told()
    stream = told.streams(store, LONG).order_book(told.market, told.view, depth=5)
    await anext(stream)
    for price in range(1, FEED_CHANGES + 2):
        told.happen(told.rest(price))
    snapshot = (await anext(stream)).snapshot
    assert snapshot.sequence == FEED_CHANGES + 1
    assert len(snapshot.bids) == 5
    told.happen(told.rest(1))
    assert (await anext(stream)).delta.previous_sequence == FEED_CHANGES + 1


async def test_reader_just_within_the_feed_misses_nothing(store: Store) -> None:
    told = Told()
    stream = told.streams(store, LONG).order_book(told.market, told.view, depth=5)
    sequence = (await anext(stream)).snapshot.sequence
    for price in range(1, FEED_CHANGES + 1):
        told.happen(told.rest(price))
    for _ in range(FEED_CHANGES):
        delta = (await anext(stream)).delta
        assert delta.previous_sequence == sequence
        sequence = delta.sequence


async def test_idle_streams_send_heartbeats_with_the_sequence_they_stand_at(
    store: Store,
) -> None:
    told = Told()
    told.happen(*told.trade(100))
    streams = told.streams(store, AT_ONCE)
    beat = marketdata_pb2.MarketDataHeartbeat(sequence=2, time=told.clock.unix_ns() // 10**6)
    book = streams.order_book(told.market, told.view, depth=5)
    trades = streams.trades(told.market, told.view, after=1)
    ticker = streams.ticker(told.market, told.view)
    assert (await anext(book)).HasField("snapshot")
    assert (await anext(book)).heartbeat == beat
    assert (await anext(trades)).heartbeat == beat
    assert (await anext(ticker)).HasField("ticker")
    assert (await anext(ticker)).heartbeat == beat


async def test_tape_stream_starts_where_it_is_told_and_follows(store: Store) -> None:
    told = Told()
    for price in (100, 101, 102):
        told.happen(*told.trade(price))
    stream = told.streams(store, LONG).trades(told.market, told.view, after=1)
    told.happen(*told.trade(103))
    numbers = [(await anext(stream)).trade.trade_number for _ in range(3)]
    assert numbers == [2, 3, 4]
    told.happen(*told.trade(104))
    last = (await anext(stream)).trade
    assert (last.trade_number, last.price, last.sequence) == (5, "1.04", 10)


async def test_ticker_is_told_again_only_when_it_says_something_else(store: Store) -> None:
    told = Told()
    told.happen(told.rest(100))
    stream = told.streams(store, AT_ONCE).ticker(told.market, told.view)
    assert (await anext(stream)).ticker.bid_price == "1"
    told.happen(told.rest(50))
    assert (await anext(stream)).HasField("heartbeat")
    told.happen(told.rest(101))
    assert (await anext(stream)).ticker.bid_price == "1.01"


async def test_ticker_changes_when_a_day_passes_without_a_trade(store: Store) -> None:
    told = Told()
    told.happen(*told.trade(100))
    stream = told.streams(store, AT_ONCE).ticker(told.market, told.view)
    assert (await anext(stream)).ticker.trade_count == 1
    told.clock.advance(86_400 * 10**9)
    ticker = (await anext(stream)).ticker
    assert (ticker.trade_count, ticker.high_price, ticker.last_price) == (0, "", "1")


async def test_streams_end_when_the_books_are_loaded_again(store: Store) -> None:
    told = Told()
    streams = told.streams(store, LONG)
    book = streams.order_book(told.market, told.view, depth=5)
    await anext(book)
    told.market.close()
    with pytest.raises(SignalClosedError):
        await anext(book)
    with pytest.raises(SignalClosedError):
        await anext(streams.trades(told.market, told.view, after=0))
