"""The book that is made from events alone is the engine's own."""

import random
from typing import Any

import pytest
from engine.v1 import engine_pb2, records_pb2

from svc.engine.records import Command, CommandKind, InstrumentCommand, Side, pack_commands
from svc.engine.reference import ReferenceEngine
from svc.kit.decimals import Step
from svc.kit.market_events import EventBatch, parse_batch
from svc.marketdata.book import OrderBook
from svc.marketdata.instruments import Instrument
from svc.marketdata.market import BrokenChainError, Market, Position, View
from svc.marketdata.tape import Tape
from svc.marketdata.ticker import RollingDay
from tests.engine.flows import Flow
from tests.marketdata.engine_events import LOG_ID, Tapped

DEEP = 1_000_000


def read(batch: records_pb2.EventBatch) -> EventBatch:
    return parse_batch(batch.SerializeToString())


def take(market: Market, batch: records_pb2.EventBatch) -> None:
    if batch.events:
        market.apply(read(batch))


def happens(book: OrderBook, kind: str, **fields: Any) -> None:
    """Give the book an event as the engine would send it."""
    event = records_pb2.Event()
    getattr(event, kind).MergeFrom(getattr(records_pb2, MESSAGES[kind])(**fields))
    book.take(read(records_pb2.EventBatch(events=[event])).events[0])


MESSAGES = {
    "order_accepted": "OrderAccepted",
    "trade": "Trade",
    "order_canceled": "OrderEnded",
    "order_replaced": "OrderReplaced",
    "order_triggered": "OrderTriggered",
}


def accept(
    book: OrderBook, order_id: int, *, side: str, price: int, lots: int, display: int = 0
) -> None:
    happens(
        book, "order_accepted", order_id=order_id, side=side, type="LIMIT", time_in_force="GTC",
        price_ticks=price, quantity_lots=lots, display_lots=display,
    )  # fmt: skip


def wait(book: OrderBook, order_id: int, display: int) -> None:
    happens(
        book, "order_accepted", order_id=order_id, side="BUY", type="STOP_LIMIT",
        time_in_force="GTC", trigger_ticks=90, quantity_lots=5, display_lots=display,
    )  # fmt: skip


def trigger(book: OrderBook, order_id: int, *, price: int, lots: int) -> None:
    happens(
        book, "order_triggered", order_id=order_id, side="BUY", price_ticks=price,
        quantity_lots=lots,
    )  # fmt: skip


def trade(book: OrderBook, lots: int, taker: tuple[int, int], maker: tuple[int, int]) -> None:
    """`taker` and `maker`: order and what remains of it."""
    happens(
        book, "trade", side="BUY", quantity_lots=lots, taker_order_id=taker[0],
        taker_remaining_lots=taker[1], maker_order_id=maker[0], maker_remaining_lots=maker[1],
    )  # fmt: skip


def instrument(number: int) -> Instrument:
    return Instrument(number, 1, f"BASE{number}-QUOTE", False, Step(1, 2), Step(1, 5))


def empty_market(instruments: int = 2) -> Market:
    numbers = range(1, instruments + 1)
    return Market(Position(), [View(instrument(n), Tape(0), RollingDay()) for n in numbers])


def l2(engine: ReferenceEngine, number: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    bids, asks = engine.l2(number, DEEP)
    return [level[:2] for level in bids], [level[:2] for level in asks]


def assert_same_books(market: Market, engine: ReferenceEngine) -> None:
    for number, view in market.views.items():
        assert view.book.levels(DEEP) == l2(engine, number)


def snapshot(engine: ReferenceEngine, instruments: int = 2) -> list[engine_pb2.LiveOrder]:
    books = engine._books  # noqa: SLF001 (it has no snapshot to ask for)
    return [
        engine_pb2.LiveOrder(
            order_id=order.order_id,
            instrument_id=number,
            side="BUY" if order.side == Side.BUY else "SELL",
            price_ticks=order.price,
            remaining_lots=order.remaining,
            visible_lots=order.visible,
            display_lots=order.display,
        )
        for number in range(1, instruments + 1)
        for order in books[number].live()
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1, 9])
def test_random_flows_of_all_features_give_the_same_levels_after_each_batch(
    seed: int, size: int
) -> None:
    engine, market = ReferenceEngine(), empty_market()
    tapped, flow = Tapped(engine), Flow(seed, weight_of_new=60)
    take(market, tapped.apply(pack_commands(flow.opening()), flow.time_ns))
    for number, (commands, time_ns) in enumerate(flow.batches(800 // size, size)):
        batch = tapped.apply(pack_commands(commands), time_ns)
        assert not market.unknown(read(batch))
        take(market, batch)
        assert_same_books(market, engine)
        if number % 7 == 0:
            flow.live = engine.live_order_ids()


@pytest.mark.parametrize("seed", range(20, 24))
def test_book_from_a_snapshot_goes_on_like_one_from_the_start(seed: int) -> None:
    engine = ReferenceEngine()
    tapped, flow = Tapped(engine), Flow(seed, weight_of_new=70)
    early = [tapped.apply(pack_commands(flow.opening()), flow.time_ns)]
    early += [tapped.apply(pack_commands(c), t) for c, t in flow.batches(300, 2)]
    market = empty_market()
    market.restore(engine.sequence, snapshot(engine))
    assert_same_books(market, engine)
    for batch in early:  # the tape is behind the book and catches up
        assert not market.ready
        take(market, batch)
    assert market.ready
    for commands, time_ns in flow.batches(300, 2):
        take(market, tapped.apply(pack_commands(commands), time_ns))
        assert_same_books(market, engine)
        flow.live = engine.live_order_ids()


def test_deltas_lead_from_any_snapshot_to_the_book_as_it_stands() -> None:
    engine, market = ReferenceEngine(), empty_market()
    tapped, flow = Tapped(engine), Flow(77, weight_of_new=60)
    take(market, tapped.apply(pack_commands(flow.opening()), flow.time_ns))
    view, seeded = market.views[1], random.Random(5)
    place, bids, asks = 0, dict[int, int](), dict[int, int]()
    for commands, time_ns in flow.batches(600, 3):
        take(market, tapped.apply(pack_commands(commands), time_ns))
        deltas = view.deltas.since(place)
        assert deltas is not None
        for delta in deltas:
            for side, changed in ((bids, delta.change.bids), (asks, delta.change.asks)):
                for price, lots in changed.items():
                    assert side.get(price, 0) != lots, "a delta names what changed, no more"
                    side[price] = lots
                    if not lots:
                        del side[price]
        place = view.deltas.end
        assert (sorted(bids.items(), reverse=True), sorted(asks.items())) == view.book.levels(DEEP)
        if seeded.random() < 0.1:
            bids, asks = (dict(side) for side in view.book.levels(DEEP))
    assert place > 100


def test_batch_in_which_an_order_comes_and_goes_changes_no_level() -> None:
    book = OrderBook()
    accept(book, 1, side="BUY", price=100, lots=5)
    happens(book, "order_canceled", order_id=1)
    assert book.end_batch() is None


def test_incoming_order_that_fills_whole_touches_only_the_levels_it_takes() -> None:
    book = OrderBook()
    accept(book, 1, side="SELL", price=100, lots=5)
    book.end_batch()
    accept(book, 2, side="BUY", price=101, lots=3)
    assert book.levels(9) == ([], [(100, 5)])
    trade(book, 3, taker=(2, 0), maker=(1, 2))
    change = book.end_batch()
    assert change is not None
    assert (change.bids, change.asks) == ({}, {100: 2})


def test_stop_shows_nothing_until_it_is_triggered() -> None:
    book = OrderBook()
    wait(book, 1, display=2)
    assert book.end_batch() is None
    trigger(book, 1, price=100, lots=5)
    book.end_batch()
    assert book.levels(9) == ([(100, 2)], [])


def test_stop_from_a_snapshot_waits_with_its_peak() -> None:
    book = OrderBook()
    book.restore(1, bid=True, price=100, remaining=5, visible=0, display=2)
    assert book.levels(9) == ([], [])
    trigger(book, 1, price=100, lots=5)
    book.end_batch()
    assert book.levels(9) == ([(100, 2)], [])


def test_stop_that_is_canceled_or_replaced_while_it_waits_leaves_the_book_alone() -> None:
    book = OrderBook()
    wait(book, 1, display=0)
    happens(book, "order_replaced", order_id=1, price_ticks=90, remaining_lots=4)
    assert book.end_batch() is None
    happens(book, "order_canceled", order_id=1)
    assert book.end_batch() is None


def test_stop_market_order_never_rests() -> None:
    book = OrderBook()
    accept(book, 1, side="SELL", price=100, lots=5)
    wait(book, 2, display=0)
    book.end_batch()
    trigger(book, 2, price=0, lots=9)
    trade(book, 5, taker=(2, 4), maker=(1, 0))
    happens(book, "order_canceled", order_id=2)
    book.end_batch()
    assert book.levels(9) == ([], [])


def test_auction_trades_two_orders_that_rest_crossed() -> None:
    book = OrderBook()
    accept(book, 1, side="BUY", price=105, lots=10, display=2)
    accept(book, 2, side="SELL", price=95, lots=7)
    book.end_batch()
    assert book.levels(9) == ([(105, 2)], [(95, 7)])
    trade(book, 6, taker=(1, 4), maker=(2, 1))
    book.end_batch()
    assert book.levels(9) == ([(105, 2)], [(95, 1)])


def test_rejected_order_with_the_id_of_a_live_one_leaves_it_in_the_book() -> None:
    engine, market = ReferenceEngine(), empty_market(instruments=1)
    tapped = Tapped(engine)
    order = Command(
        CommandKind.NEW, side=1, order_type=1, tif=1, stp_mode=1, instrument_id=1, version=1,
        order_id=5, account_id=1, price_ticks=10, quantity_lots=3,
    )  # fmt: skip
    opening = InstrumentCommand(1, 1, 1, 100)
    market.apply(read(tapped.apply(pack_commands([opening, order, order]), 1)))
    assert market.views[1].book.levels(9) == ([(10, 3)], [])
    assert market.position.log_id == LOG_ID


def test_batch_says_which_instruments_it_tells_of_and_which_it_needs() -> None:
    refused = records_pb2.Event(
        instrument_id=7, order_rejected=records_pb2.OrderEnded(reason="UNKNOWN_INSTRUMENT")
    )
    changed = records_pb2.Event(
        instrument_id=8, instrument_changed=records_pb2.InstrumentChanged(version=1)
    )
    taken = records_pb2.Event(instrument_id=9, order_accepted=records_pb2.OrderAccepted())
    listed = records_pb2.Event(instrument_id=9, instrument_changed=changed.instrument_changed)
    market = empty_market()
    assert market.unknown(read(records_pb2.EventBatch(events=[refused]))) == {}
    assert market.unknown(read(records_pb2.EventBatch(events=[refused, changed]))) == {8: False}
    assert market.unknown(read(records_pb2.EventBatch(events=[listed, taken]))) == {9: True}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"log_id": "f" * 32}, "a batch of log ffff"),
        ({"previous_hash": 5}, "the hash before event 3 is 0000000000000005"),
        ({"first": 4}, "event 4 came after 2"),
        ({"first": 2}, "event 2 came after 2"),
    ],
)
def test_batch_that_does_not_continue_the_log_changes_nothing(
    changed: dict[str, Any], said: str
) -> None:
    market = empty_market()
    market.apply(read(_accepting(first=1, count=2)))
    with pytest.raises(BrokenChainError, match=said):
        market.apply(read(_accepting(**({"first": 3, "count": 1, "previous_hash": 2} | changed))))
    assert market.position == Position(LOG_ID, 2, 2)
    assert market.views[1].book.levels(9) == ([(1, 1), (2, 1)][::-1], [])


def _accepting(
    first: int, count: int, previous_hash: int = 0, log_id: str = LOG_ID
) -> records_pb2.EventBatch:
    return records_pb2.EventBatch(
        log_id=log_id,
        previous_hash=previous_hash,
        running_hash=first + count - 1,
        events=[
            records_pb2.Event(
                sequence=number,
                instrument_id=1,
                order_accepted=records_pb2.OrderAccepted(
                    order_id=number,
                    side="BUY",
                    type="LIMIT",
                    time_in_force="GTC",
                    price_ticks=number,
                    quantity_lots=1,
                ),
            )
            for number in range(first, first + count)
        ],
    )
