# cython: language_level=3, overflowcheck=True
"""The order book of one instrument, kept order by order from the engine's events alone.

Keeps: between batches a level's quantity is the sum of what its resting orders show. An order that
comes in shows nothing before the batch that brought it is over, so what it trades at once never
stands in a level, and the book is crossed only where the engine itself lets orders rest crossed
(an auction). Pure: prices in ticks, quantities in lots.
"""

cimport cython
from libc.stdint cimport int64_t

from svc.kit.market_events cimport (
    ORDER_ACCEPTED,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_REDUCED,
    ORDER_REPLACED,
    ORDER_TRIGGERED,
    TRADE,
    Event,
)

from bisect import bisect_left, insort

cdef enum:
    BUY = 1
    # Numbers of trading.v1 OrderType and TimeInForce.
    LIMIT = 1
    STOP_LIMIT = 3
    GTC = 1
    GTD = 4


@cython.final
cdef class BookChange:
    """Levels that a batch changed, price to new quantity; 0: the level is gone."""

    cdef readonly dict bids
    cdef readonly dict asks


@cython.final
cdef class Side:
    """Visible quantity by price. `_keys` is sorted with the best price last.

    Most changes happen near the best price: at the end of a list they move little memory, however
    deep the book is.
    """

    cdef dict lots
    cdef list _keys
    cdef int _sign
    cdef dict _before

    def __cinit__(self, int sign):
        self.lots = {}
        self._keys = []
        self._sign = sign
        self._before = {}

    cdef int add(self, int64_t at, int64_t lots) except -1:
        price = at
        cdef int64_t now = self.lots.get(price, 0)
        if price not in self._before:
            self._before[price] = now
        if not now:
            insort(self._keys, self._sign * at)
        self.lots[price] = now + lots
        return 0

    cdef int take(self, int64_t at, int64_t lots) except -1:
        price = at
        cdef int64_t now = self.lots[price]
        if price not in self._before:
            self._before[price] = now
        if now > lots:
            self.lots[price] = now - lots
            return 0
        assert now == lots, "a level holds what its orders show"
        del self.lots[price]
        del self._keys[bisect_left(self._keys, self._sign * at)]
        return 0

    cdef list top(self, int depth):
        prices = [self._sign * key for key in reversed(self._keys[-depth:])]
        return [(price, self.lots[price]) for price in prices]

    cdef object best(self):
        if not self._keys:
            return None
        price = self._sign * self._keys[-1]
        return price, self.lots[price]

    cdef dict drain(self):
        changed = {}
        for price, old in self._before.items():
            now = self.lots.get(price, 0)
            if now != old:
                changed[price] = now
        self._before.clear()
        return changed


@cython.final
@cython.freelist(1_024)
cdef class Order:
    cdef Side side
    cdef int64_t price, remaining, display, visible
    cdef bint shown

    def __cinit__(self, Side side, int64_t price, int64_t remaining, int64_t display):
        self.side = side
        self.price, self.remaining, self.display = price, remaining, display
        self.visible = self.peak()

    cdef int64_t peak(self) noexcept:
        return min(self.display, self.remaining) if self.display else self.remaining


@cython.final
cdef class OrderBook:
    """Resting orders and the levels they make.

    `take` is given the engine's events, in their order; `end_batch` closes the batch. An order
    that never rests (market, IOC, FOK) leaves no trace but its trades.
    """

    cdef Side _bids
    cdef Side _asks
    cdef dict _orders    # by id
    cdef list _incoming
    cdef dict _waiting   # visible part of stops that wait, by id

    def __cinit__(self):
        self._bids = Side(1)
        self._asks = Side(-1)
        self._orders = {}
        self._incoming = []
        self._waiting = {}

    def restore(
        self, order_id, *, bint bid, int64_t price, int64_t remaining, int64_t visible, display
    ):
        """Put in an order of a snapshot.

        One that shows nothing is a stop that waits, or a market order that an auction collected.
        """
        cdef Order order
        if not visible:
            self._waiting[order_id] = display
            return
        order = Order(self._bids if bid else self._asks, price, remaining, display)
        order.visible = visible
        order.shown = True
        order.side.add(price, visible)
        self._orders[order_id] = order

    def take(self, Event event not None):
        """Whatever the event does to the book; most kinds do nothing."""
        cdef int kind = event.kind
        if kind == TRADE:
            self._trade(event)
        elif kind == ORDER_ACCEPTED:
            self._enter(event)
        elif kind == ORDER_CANCELED or kind == ORDER_EXPIRED:
            self._end(event.order_id)
        elif kind == ORDER_REPLACED:
            self._replace(event)
        elif kind == ORDER_TRIGGERED:
            self._trigger(event)
        elif kind == ORDER_REDUCED:
            self._reduce(event.order_id, event.remaining_lots)
        # A rejected order was never in the book; its id may be that of another order that is.

    def end_batch(self):
        """Close the batch: what came in and still remains is shown. None: no level changed."""
        cdef Order order
        cdef BookChange change
        for order in self._incoming:
            if order.remaining and not order.shown:
                order.shown = True
                order.side.add(order.price, order.visible)
        self._incoming.clear()
        bids, asks = self._bids.drain(), self._asks.drain()
        if not (bids or asks):
            return None
        change = BookChange.__new__(BookChange)
        change.bids, change.asks = bids, asks
        return change

    def levels(self, int depth):
        """Bids and asks as (price, quantity), from the best on, at most `depth` > 0 each."""
        return self._bids.top(depth), self._asks.top(depth)

    def best(self):
        """Best bid and best ask as (price, quantity)."""
        return self._bids.best(), self._asks.best()

    cdef int _enter(self, Event event) except -1:
        if event.trigger_ticks:
            self._waiting[event.order_id] = event.display_lots
        elif (event.time_in_force == GTC or event.time_in_force == GTD) and (
            event.type == LIMIT or event.type == STOP_LIMIT
        ):
            self._accept(event, event.quantity_lots, event.display_lots)
        return 0

    cdef int _accept(self, Event event, int64_t lots, int64_t display) except -1:
        side = self._bids if event.side == BUY else self._asks
        order = Order(side, event.price_ticks, lots, display)
        self._orders[event.order_id] = order
        self._incoming.append(order)
        return 0

    cdef int _trigger(self, Event event) except -1:
        display = self._waiting.pop(event.order_id, 0)
        if event.price_ticks:  # else it enters as a market order, which never rests
            self._accept(event, event.quantity_lots, display)
        return 0

    cdef int _trade(self, Event event) except -1:
        """In an auction both orders stood before, or are market orders."""
        cdef bint auction = event.side == 0
        cdef int64_t lots = event.quantity_lots
        cdef Order taker = self._orders.get(event.taker_order_id)
        cdef Order maker
        if taker is None:
            self._waiting.pop(event.taker_order_id, None)
        elif not event.taker_remaining_lots:
            self._drop(event.taker_order_id, taker)
        elif taker.shown or auction:
            _execute(taker, lots, event.taker_remaining_lots)
        else:
            taker.remaining = event.taker_remaining_lots
            taker.visible = taker.peak()
        maker = self._orders.get(event.maker_order_id)
        if maker is None:
            assert auction, "who makes a trade stands in the book"
            self._waiting.pop(event.maker_order_id, None)
        elif event.maker_remaining_lots:
            _execute(maker, lots, event.maker_remaining_lots)
        else:
            self._drop(event.maker_order_id, maker)
        return 0

    cdef int _reduce(self, int64_t order_id, int64_t remaining) except -1:
        """The hidden part goes first."""
        cdef Order order = self._orders.get(order_id)
        if order is not None:
            order.remaining = remaining
            _show(order, min(order.visible, remaining))
        return 0

    cdef int _replace(self, Event event) except -1:
        """Without its priority the order comes in anew."""
        cdef Order order = self._orders.get(event.order_id)
        if order is None:
            return 0  # a stop that waits
        if event.kept_priority:
            assert event.price_ticks == order.price, "priority is kept at the same price alone"
            return self._reduce(event.order_id, event.remaining_lots)
        self._drop(event.order_id, order)
        replaced = Order(order.side, event.price_ticks, event.remaining_lots, order.display)
        self._orders[event.order_id] = replaced
        self._incoming.append(replaced)
        return 0

    cdef int _end(self, int64_t order_id) except -1:
        cdef Order order = self._orders.get(order_id)
        if order is not None:
            self._drop(order_id, order)
        else:
            self._waiting.pop(order_id, None)
        return 0

    cdef int _drop(self, int64_t order_id, Order order) except -1:
        del self._orders[order_id]
        order.remaining = 0
        if order.shown:
            order.side.take(order.price, order.visible)
        return 0


cdef int _execute(Order order, int64_t lots, int64_t remaining) except -1:
    order.remaining = remaining
    # A peak that is used up is refreshed. An auction may execute more than the peak.
    return _show(order, order.visible - lots if order.visible > lots else order.peak())


cdef int _show(Order order, int64_t visible) except -1:
    cdef int64_t less = order.visible - visible
    order.visible = visible
    if order.shown and less > 0:
        order.side.take(order.price, less)
    elif order.shown and less < 0:
        order.side.add(order.price, -less)
    return 0
