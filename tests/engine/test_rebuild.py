"""Everything a consumer shows follows from the streamed events alone: L3, L2, tape, positions.

Also the place of every order in its queue, and of every stop among those of its trigger.
"""

from __future__ import annotations

import pytest

from svc.engine.book import Engine
from svc.engine.records import (
    Event,
    EventKind,
    MarketState,
    OrderType,
    Side,
    pack_commands,
    split_records,
)
from svc.engine.wire import unpack_events
from tests.engine.consumer import Consumer
from tests.engine.desk import BUY, INSTRUMENT, SELL, Desk, kinds
from tests.engine.flows import Flow

MARKET, GROUP = 1, 4


def rebuildable(engine: Engine) -> list[bytes]:
    """The state but the market's own record and the groups, of which no event tells."""
    records = map(bytes, split_records(engine.state_records()))
    return [record for record in records if record[0] not in (MARKET, GROUP)]


@pytest.mark.parametrize("seed", range(200, 208))
def test_all_that_is_live_follows_from_the_events_alone(seed: int) -> None:
    shape = {"auctions": 8 if seed % 2 else 20, "markets": 20 * (seed % 3)}
    flow, engine, consumer = Flow(seed, **shape), Engine(), Consumer()
    consumer.follow(unpack_events(engine.apply(pack_commands(flow.opening()), flow.time_ns)).events)
    for commands, time_ns in flow.batches(1_200, 3):
        consumer.follow(unpack_events(engine.apply(pack_commands(commands), time_ns)).events)
        flow.live = list(consumer.orders)
        assert consumer.records() == rebuildable(engine)
        for instrument_id in engine.instruments():
            bids, asks = engine.l2(instrument_id, 1_000)
            shown = {(Side.BUY, price): (lots, count) for price, lots, count in bids}
            shown |= {(Side.SELL, price): (lots, count) for price, lots, count in asks}
            assert shown == consumer.l2(instrument_id)
            state = consumer.books[instrument_id].state
            if state not in (MarketState.AUCTION, MarketState.HALTED):
                assert not bids or not asks or bids[0][0] < asks[0][0]
    assert len(consumer.tape) == engine.trades > 100
    assert len(consumer.orders) == engine.live_orders
    assert sum(consumer.positions.values()) == 0


def test_a_stop_that_moved_before_another_entered_stands_before_one_that_moved_behind_it() -> None:
    engine, consumer = Engine(), Consumer()
    desk = Desk(engine)

    def followed(events: list[Event]) -> list[EventKind]:
        packed = b"".join(event.pack() for event in events)
        consumer.follow(unpack_events(packed).events)
        return kinds(events)

    def trailing(order_id: int, side: Side, trigger: int, trail: int) -> None:
        limit = 1_100 if side == BUY else 1
        terms = {"order_type": OrderType.STOP_LIMIT, "trigger_ticks": trigger}
        followed(desk.new(order_id, side, limit, 1, trail_offset_ticks=trail, **terms))

    followed(desk.instrument())
    followed(desk.new(900, SELL, 1_000, 1))
    followed(desk.new(901, BUY, 1_000, 1))
    trailing(1, BUY, 1_100, 5)
    trailing(2, SELL, 500, 501)
    trailing(3, SELL, 500, -5_000)
    for order_id, price in ((10, 990), (11, 1_001), (12, 1_002)):
        followed(desk.new(order_id, SELL, price, 1))
    # 990 pulls the first stop to 995, 1,001 moves the third to 501; the first enters and prints
    # 1,002, which moves the second to 501 too.
    assert followed(desk.new(20, BUY, 1_001, 2)) == [
        EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.TRADE, EventKind.ORDER_TRIGGERED,
        EventKind.TRADE,
    ]  # fmt: skip
    assert [(o.order_id, o.trigger) for o in consumer.live(INSTRUMENT)] == [(3, 501), (2, 501)]
    assert consumer.records() == rebuildable(engine)


def test_the_visible_lots_of_the_records_sum_up_to_the_levels() -> None:
    flow, engine = Flow(7, weight_of_new=100), Engine()
    engine.apply(pack_commands(flow.opening()), flow.time_ns)
    for commands, time_ns in flow.batches(300, 3):
        engine.apply(pack_commands(commands), time_ns)
    visible = sum(
        int.from_bytes(record[64:72], "little") for record in split_records(engine.orders(1))
    )
    bids, asks = engine.l2(1, 10_000)
    assert visible == sum(lots for _, lots, _ in bids + asks) > 0
