"""Everything a consumer shows follows from the events alone: L3, L2, the tape, positions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from svc.engine.book import Engine
from svc.engine.records import (
    Event,
    EventKind,
    Flag,
    MarketState,
    Side,
    TimeInForce,
    pack_commands,
    split_records,
    unpack_events,
)
from svc.engine.reference_rules import MARKETS, Order, order_record, reaches
from tests.engine.flows import Flow

RESTING = (TimeInForce.GTC, TimeInForce.GTD)
GONE = (EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED)


@dataclass
class Follower:
    """A consumer that has nothing but events, and never asks back."""

    orders: dict[int, Order] = field(default_factory=dict)
    positions: Counter[tuple[int, int]] = field(default_factory=Counter)
    tape: list[tuple[int, int, int, int]] = field(default_factory=list)
    states: dict[int, int] = field(default_factory=dict)
    printed: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    places: int = 0

    def follow(self, event: Event) -> None:
        """Takes in one event; behind the last of a command what trails follows its trades."""
        self.take(event)
        if event.flags & Flag.END_OF_COMMAND:
            for instrument_id, prices in self.printed.items():
                self.trail(instrument_id, min(prices), max(prices))
            self.printed.clear()

    def trail(self, instrument_id: int, low: int, high: int) -> None:
        """Moves the triggers of trailing stops, and wakes those that sleep."""
        for order in self.orders.values():
            price = low if order.side == Side.BUY else high
            if order.instrument_id != instrument_id or not order.waits or not order.trail:
                continue
            if order.activation and not reaches(order.side, order.activation, price):
                continue
            order.activation, order.trigger = 0, order.followed(price)

    def take(self, event: Event) -> None:
        """What an event says by itself."""
        if event.kind == EventKind.ORDER_ACCEPTED:
            self.accept(event)
        elif event.kind == EventKind.TRADE:
            self.trade(event)
        elif event.kind in GONE:
            self.orders.pop(event.order_id)
        elif event.kind == EventKind.ORDER_REDUCED:
            order = self.orders[event.order_id]
            order.remaining = event.remaining_lots
            order.visible = min(order.visible, order.remaining)
        elif event.kind == EventKind.ORDER_REPLACED:
            self.replace(event)
        elif event.kind == EventKind.ORDER_TRIGGERED:
            order = self.orders[event.order_id]
            order.waits, order.flags = False, event.flags & ~Flag.END_OF_COMMAND
            order.trigger, order.activation = event.maker_order_id, 0
            self.to_the_back(order)
        elif event.kind in (EventKind.STATE_CHANGED, EventKind.INSTRUMENT_CHANGED):
            self.states[event.instrument_id] = event.state

    def accept(self, e: Event) -> None:
        """A new order, at the back of its price."""
        order = Order(
            e.order_id,
            e.account_id,
            e.instrument_id,
            e.side,
            e.order_type,
            e.tif,
            e.flags & (Flag.POST_ONLY | Flag.REDUCE_ONLY),
            e.stp_mode,
            e.version,
            e.price_ticks,
            e.cap_ticks,
            e.remaining_lots,
            e.display_lots,
            e.expire_ns,
            e.trigger_ticks,
            e.trigger_ticks > 0,
        )
        if order.waits:
            order.trail, order.activation = e.trail_or_budget, e.activation_ticks
        self.orders[e.order_id] = order
        self.to_the_back(order)

    def to_the_back(self, order: Order) -> None:
        """With a fresh peak."""
        self.places += 1
        order.place = self.places
        order.visible = min(order.display or order.remaining, order.remaining)
        if order.waits or order.order_type in MARKETS:
            order.visible = 0

    def trade(self, e: Event) -> None:
        """Both sides of a trade."""
        assert e.trade_number == len(self.tape) + 1
        self.printed[e.instrument_id].append(e.price_ticks)
        self.tape.append((e.instrument_id, e.side, e.price_ticks, e.quantity_lots))
        # In an auction nobody is the aggressor, and the buyer stands where the taker does.
        signed = e.quantity_lots if e.side != Side.SELL else -e.quantity_lots
        self.positions[e.account_id, e.instrument_id] += signed
        self.positions[e.maker_account_id, e.instrument_id] -= signed
        maker, taker = self.orders[e.maker_order_id], self.orders[e.order_id]
        maker.remaining, maker.cumulative = e.maker_remaining_lots, e.maker_cumulative_lots
        taker.remaining, taker.cumulative = e.remaining_lots, e.cumulative_lots
        if e.side == Side.NONE:
            self.show_after_uncross(taker, e.quantity_lots)
            self.show_after_uncross(maker, e.quantity_lots)
        else:
            taker.visible = min(taker.display or taker.remaining, taker.remaining)
            maker.visible -= e.quantity_lots
            if maker.visible == 0 and maker.remaining:
                self.to_the_back(maker)
        for order in (maker, taker):
            if order.remaining == 0:
                del self.orders[order.order_id]

    def show_after_uncross(self, order: Order, lots: int) -> None:
        """Also what an iceberg hides has traded; a fresh peak keeps its place."""
        if order.order_type in MARKETS:
            return
        fresh = min(order.display or order.remaining, order.remaining)
        order.visible = order.visible - lots if order.visible > lots else fresh

    def replace(self, e: Event) -> None:
        """A new price, quantity, cap or expiry."""
        order = self.orders[e.order_id]
        assert (order.price, order.remaining) == (e.old_price_ticks, e.old_remaining_lots)
        order.price, order.cap, order.version = e.price_ticks, e.cap_ticks, e.version
        order.remaining, order.expire_ns = e.remaining_lots, e.expire_ns
        order.visible = min(order.visible, order.remaining)
        if order.waits:
            order.trigger = e.trail_or_budget
        if not e.flags & Flag.KEPT_PRIORITY:
            self.to_the_back(order)

    def book(self, instrument_id: int) -> list[Order]:
        """Bids from the best on, then asks, market orders of an auction, stops that wait."""
        orders = [o for o in self.orders.values() if o.instrument_id == instrument_id]
        return sorted(orders, key=lambda order: (self.queue(order), order.side, *order.rank()))

    def queue(self, order: Order) -> int:
        """The book, the stops that wait, or the market orders that an auction has collected."""
        if order.waits:
            return 4 if order.activation else 3 if order.trail else 2
        if order.order_type in MARKETS:
            assert self.states[order.instrument_id] in (MarketState.AUCTION, MarketState.HALTED)
            return 1
        assert order.tif in RESTING
        return 0

    def l2(self, instrument_id: int) -> dict[tuple[int, int], tuple[int, int]]:
        """(visible lots, orders) by side and price."""
        levels: dict[tuple[int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for order in self.book(instrument_id):
            if self.queue(order):
                continue
            lots, count = levels[order.side, order.price]
            levels[order.side, order.price] = (lots + order.visible, count + 1)
        return levels


def by_queue(records: Iterable[bytes | memoryview]) -> tuple[list[bytes], set[bytes]]:
    """In order, and without one the trailing stops: which of one trigger is first is not told."""
    told, untold = [], set()
    for record in map(bytes, records):
        if record[64:72] == bytes(8) and record[96:104] != bytes(8):
            untold.add(record)
        else:
            told.append(record)
    return told, untold


@pytest.mark.parametrize("seed", range(200, 205))
def test_book_tape_and_positions_follow_from_the_events_alone(seed: int) -> None:
    flow, engine, follower = Flow(seed), Engine(), Follower()
    for event in unpack_events(engine.apply(pack_commands(flow.opening()), flow.time_ns)):
        follower.follow(event)
    for commands, time_ns in flow.batches(1_200, 3):
        for event in unpack_events(engine.apply(pack_commands(commands), time_ns)):
            follower.follow(event)
        flow.live = list(follower.orders)
        for instrument_id in (1, 2):
            rebuilt = [order_record(order) for order in follower.book(instrument_id)]
            assert by_queue(rebuilt) == by_queue(split_records(engine.orders(instrument_id)))
            bids, asks = engine.l2(instrument_id, 1_000)
            shown = {(Side.BUY, price): (lots, count) for price, lots, count in bids}
            shown |= {(Side.SELL, price): (lots, count) for price, lots, count in asks}
            assert shown == follower.l2(instrument_id)
            if follower.states[instrument_id] not in (MarketState.AUCTION, MarketState.HALTED):
                assert not bids or not asks or bids[0][0] < asks[0][0]
    assert len(follower.tape) == engine.trades > 100
    assert len(follower.orders) == engine.live_orders
    assert sum(follower.positions.values()) == 0


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
