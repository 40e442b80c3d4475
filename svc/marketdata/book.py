"""The order book of one instrument, kept order by order from the engine's events alone.

Keeps: between batches a level's quantity is the sum of what its resting orders show. An order that
comes in shows nothing before the batch that brought it is over, so what it trades at once never
stands in a level, and the book is crossed only where the engine itself lets orders rest crossed
(an auction). Pure: prices in ticks, quantities in lots.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass

Levels = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class BookChange:
    """Levels that a batch changed, price to new quantity; 0: the level is gone."""

    bids: Mapping[int, int]
    asks: Mapping[int, int]


class _Side:
    """Visible quantity by price. `_keys` is sorted with the best price last.

    Most changes happen near the best price: at the end of a list they move little memory, however
    deep the book is.
    """

    __slots__ = ("_before", "_keys", "_sign", "lots")

    def __init__(self, sign: int) -> None:
        self.lots: dict[int, int] = {}
        self._keys: list[int] = []
        self._sign = sign
        self._before: dict[int, int] = {}

    def add(self, price: int, lots: int) -> None:
        now = self.lots.get(price, 0)
        if price not in self._before:
            self._before[price] = now
        if not now:
            insort(self._keys, self._sign * price)
        self.lots[price] = now + lots

    def take(self, price: int, lots: int) -> None:
        now = self.lots[price]
        if price not in self._before:
            self._before[price] = now
        if now > lots:
            self.lots[price] = now - lots
            return
        assert now == lots, "a level holds what its orders show"
        del self.lots[price]
        del self._keys[bisect_left(self._keys, self._sign * price)]

    def top(self, depth: int) -> Levels:
        prices = [self._sign * key for key in reversed(self._keys[-depth:])]
        return [(price, self.lots[price]) for price in prices]

    def best(self) -> tuple[int, int] | None:
        if not self._keys:
            return None
        price = self._sign * self._keys[-1]
        return price, self.lots[price]

    def drain(self) -> dict[int, int]:
        if not self._before:
            return {}
        get = self.lots.get
        changed = {
            price: now for price, old in self._before.items() if (now := get(price, 0)) != old
        }
        self._before.clear()
        return changed


class _Order:
    __slots__ = ("display", "price", "remaining", "shown", "side", "visible")

    def __init__(self, side: _Side, price: int, remaining: int, display: int) -> None:
        self.side = side
        self.price = price
        self.remaining = remaining
        self.display = display
        self.visible = min(display, remaining) if display else remaining
        self.shown = False


class OrderBook:
    """Resting orders and the levels they make.

    The methods are the engine's events about one order, in their order; `end_batch` closes the
    batch. An order that never rests (market, IOC, FOK) is not told to the book at all; its trades
    are.
    """

    __slots__ = ("_asks", "_bids", "_incoming", "_orders", "_waiting")

    def __init__(self) -> None:
        self._bids = _Side(1)
        self._asks = _Side(-1)
        self._orders: dict[int, _Order] = {}
        self._incoming: list[_Order] = []
        self._waiting: dict[int, int] = {}

    def restore(
        self, order_id: int, *, bid: bool, price: int, remaining: int, visible: int, display: int
    ) -> None:
        """Put in an order of a snapshot.

        One that shows nothing is a stop that waits, or a market order that an auction collected.
        """
        if not visible:
            self._waiting[order_id] = display
            return
        side = self._bids if bid else self._asks
        order = _Order(side, price, remaining, display)
        order.visible = visible
        order.shown = True
        side.add(price, visible)
        self._orders[order_id] = order

    def accept(self, order_id: int, *, bid: bool, price: int, lots: int, display: int) -> None:
        """Take in an order that may rest; `display` 0 shows all of it."""
        order = _Order(self._bids if bid else self._asks, price, lots, display)
        self._orders[order_id] = order
        self._incoming.append(order)

    def wait(self, order_id: int, display: int) -> None:
        """Take in a stop that waits for its trigger."""
        self._waiting[order_id] = display

    def trigger(self, order_id: int, *, bid: bool, price: int, lots: int) -> None:
        """Let a stop that waited enter; price 0: as a market order, which never rests."""
        display = self._waiting.pop(order_id, 0)
        if price:
            self.accept(order_id, bid=bid, price=price, lots=lots, display=display)

    def trade(
        self,
        lots: int,
        taker_id: int,
        taker_remaining: int,
        maker_id: int,
        maker_remaining: int,
        *,
        auction: bool = False,
    ) -> None:
        """Execute a trade; in an auction both orders stood before, or are market orders."""
        taker = self._orders.get(taker_id)
        if taker is None:
            self._waiting.pop(taker_id, None)
        elif not taker_remaining:
            self._drop(taker_id, taker)
        elif taker.shown or auction:
            self._execute(taker, lots, taker_remaining)
        else:
            taker.remaining = taker_remaining
            taker.visible = _peak(taker)
        maker = self._orders.get(maker_id)
        if maker is None:
            assert auction, "who makes a trade stands in the book"
            self._waiting.pop(maker_id, None)
        elif maker_remaining:
            self._execute(maker, lots, maker_remaining)
        else:
            self._drop(maker_id, maker)

    def reduce(self, order_id: int, remaining: int) -> None:
        """Take quantity off an order; the hidden part goes first."""
        order = self._orders.get(order_id)
        if order is not None:
            order.remaining = remaining
            self._show(order, min(order.visible, remaining))

    def replace(self, order_id: int, *, price: int, remaining: int, kept_priority: bool) -> None:
        """Change price and quantity; without its priority the order comes in anew."""
        order = self._orders.get(order_id)
        if order is None:
            return  # a stop that waits
        if kept_priority:
            assert price == order.price, "priority is kept at the same price alone"
            self.reduce(order_id, remaining)
            return
        self._drop(order_id, order)
        bid = order.side is self._bids
        self.accept(order_id, bid=bid, price=price, lots=remaining, display=order.display)

    def end(self, order_id: int) -> None:
        """Remove an order that was canceled or expired, or a stop that waited."""
        order = self._orders.get(order_id)
        if order is not None:
            self._drop(order_id, order)
        else:
            self._waiting.pop(order_id, None)

    def end_batch(self) -> BookChange | None:
        """Close the batch: what came in and still remains is shown. None: no level changed."""
        for order in self._incoming:
            if order.remaining and not order.shown:
                order.shown = True
                order.side.add(order.price, order.visible)
        self._incoming.clear()
        bids, asks = self._bids.drain(), self._asks.drain()
        return BookChange(bids, asks) if bids or asks else None

    def levels(self, depth: int) -> tuple[Levels, Levels]:
        """Bids and asks as (price, quantity), from the best on, at most `depth` > 0 each."""
        return self._bids.top(depth), self._asks.top(depth)

    def best(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Best bid and best ask as (price, quantity)."""
        return self._bids.best(), self._asks.best()

    def _execute(self, order: _Order, lots: int, remaining: int) -> None:
        order.remaining = remaining
        # A peak that is used up is refreshed. An auction may execute more than the peak.
        self._show(order, order.visible - lots if order.visible > lots else _peak(order))

    def _show(self, order: _Order, visible: int) -> None:
        less = order.visible - visible
        order.visible = visible
        if order.shown and less > 0:
            order.side.take(order.price, less)
        elif order.shown and less < 0:
            order.side.add(order.price, -less)

    def _drop(self, order_id: int, order: _Order) -> None:
        del self._orders[order_id]
        order.remaining = 0
        if order.shown:
            order.side.take(order.price, order.visible)


def _peak(order: _Order) -> int:
    return min(order.display, order.remaining) if order.display else order.remaining
