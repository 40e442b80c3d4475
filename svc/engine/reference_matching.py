"""The reference engine's matching: what an order that enters takes, and what becomes of its rest.

Invariant: no fill lies beyond the entering order's limit, cap or collar; where a market is in an
auction nothing matches, and what enters is collected.
"""

from __future__ import annotations

from bisect import insort

from svc.engine.records import (
    EventKind,
    Flag,
    MarketState,
    Reason,
    SelfTradeMode,
    Side,
    TimeInForce,
)
from svc.engine.reference_events import EventLog
from svc.engine.reference_rules import (
    MARKETS,
    NOTHING,
    RESTS,
    Book,
    Order,
    band_limit,
    is_own,
    market_limit,
    reaches,
    whole_fill_refusal,
)

MAX_LEVEL_LOTS = 1 << 62
_ANY_COST = 1 << 200  # more than any order could


class Matching(EventLog):
    """The books of a market, and what happens to orders in them."""

    def __init__(self) -> None:
        super().__init__()
        self._books: dict[int, Book] = {}
        self._orders: dict[int, Order] = {}
        self._groups: dict[int, int] = {}
        self._places = 0

    def _enter(self, book: Book, order: Order, budget: int) -> None:
        if book.allowed_lots(order, 1) == 0:
            self._end(order, EventKind.ORDER_CANCELED, Reason.REDUCE_ONLY)
        elif book.state == MarketState.AUCTION:
            self._stand(book, order)
        else:
            self._match(book, order, budget)

    def _match(self, book: Book, order: Order, budget: int) -> None:
        makers = book.opposite(order.side)
        is_market = order.order_type in MARKETS
        if is_market and not makers:
            self._end(order, EventKind.ORDER_CANCELED, Reason.NO_LIQUIDITY)
            return
        limit = order.price or (market_limit(book, order) if makers else 0)
        if order.tif in (TimeInForce.FOK, TimeInForce.FOK_BUDGET):
            nearer = min if order.side == Side.BUY else max
            reach = nearer(limit, band_limit(book, order))
            reason = whole_fill_refusal(book, self._groups, order, reach, budget)
            if reason:
                self._end(order, EventKind.ORDER_CANCELED, reason)
                return
        reason = self._sweep(book, order, limit, budget if is_market else 0)
        if reason == Reason.PRICE_BAND:
            self._leave_band(book, order)
        elif reason:
            self._end(order, EventKind.ORDER_CANCELED, reason)
        elif order.remaining == 0:
            del self._orders[order.order_id]
        elif order.tif in RESTS:
            self._stand(book, order)
        elif not is_market:
            self._end(order, EventKind.ORDER_CANCELED, Reason.IOC_REMAINDER)
        else:
            reason = Reason.PRICE_COLLAR if makers else Reason.NO_LIQUIDITY
            self._end(order, EventKind.ORDER_CANCELED, reason)

    def _leave_band(self, book: Book, order: Order) -> None:
        # The trade that would lie outside the band does not happen: the market halts, or opens an
        # auction, in which the order takes part if it may rest.
        state = MarketState.AUCTION if book.definition.band_auction else MarketState.HALTED
        is_collected = state == MarketState.AUCTION and order.tif in RESTS
        if not is_collected:
            self._end(order, EventKind.ORDER_CANCELED, Reason.PRICE_BAND)
        self._emit(
            EventKind.STATE_CHANGED, reason=Reason.PRICE_BAND, stp_mode=book.state, state=state,
            instrument_id=order.instrument_id,
        )  # fmt: skip
        self._put_state(book, state)
        if is_collected:
            self._stand(book, order)

    def _put_state(self, book: Book, state: int) -> None:
        book.state = state
        book.indicated = NOTHING

    def _trigger_stops(self, book: Book) -> None:
        # Behind all else of a command: stops enter one by one until no trigger is reached. Then
        # what trails follows, and may be reached by the last trade.
        while book.traded:
            while book.state == MarketState.TRADING and self._trigger_next(book):
                pass
            if not self._follow(book):
                break
            book.traded = [book.last_price]
        book.traded = []

    def _trigger_next(self, book: Book) -> bool:
        # Buys before sells, the nearest trigger first, a plain stop before one that trails.
        low, high = min(book.traded), max(book.traded)
        buys = [*book.buy_stops[:1], *book.trailing_buys[:1]]
        sells = [*book.sell_stops[:1], *book.trailing_sells[:1]]
        buys = [order for order in buys if order.trigger <= high]
        sells = [order for order in sells if order.trigger >= low]
        if not buys and not sells:
            return False
        if buys:
            order = min(buys, key=lambda order: order.trigger)
        else:
            order = max(sells, key=lambda order: order.trigger)
        book.queue(order).remove(order)
        order.waits = False
        order.flags |= Flag.TRIGGERED
        self._emit_order(
            EventKind.ORDER_TRIGGERED, Reason.NONE, order, order.remaining,
            maker_order_id=order.trigger,
            maker_account_id=high if order.side == Side.BUY else low,
        )  # fmt: skip
        self._enter(book, order, 0)
        return True

    def _follow(self, book: Book) -> bool:
        # By rank; what has moved stands behind what has its new trigger already.
        low, high = min(book.traded), max(book.traded)
        changed: list[Order] = []
        for trailing, sleeping, price in (
            (book.trailing_buys, book.sleeping_buys, low),
            (book.trailing_sells, book.sleeping_sells, high),
        ):
            moving = [order for order in trailing if order.followed(price) != order.trigger]
            waking = [o for o in sleeping if reaches(o.side, o.activation, price)]
            for order in moving + waking:
                book.queue(order).remove(order)
                order.activation = 0
                order.trigger = order.followed(price)
                self._stand(book, order)
            changed += moving + waking
        return bool(changed)

    def _sweep(self, book: Book, taker: Order, limit: int, budget: int) -> Reason:
        # Anything but NONE: what remains of the taker is canceled for it. Budget 0: no bound.
        makers = book.opposite(taker.side)
        left = budget or _ANY_COST
        reason = Reason.NONE
        while not reason and taker.remaining and makers:
            maker = makers[0]
            if not reaches(taker.side, limit, maker.price):
                break
            own = is_own(self._groups, taker.account_id, maker.account_id)
            may_trade = not own or taker.stp_mode == SelfTradeMode.NONE
            meet = self._trade_next if may_trade else self._prevent_self_trade
            reason, cost = meet(book, taker, maker, left)
            left -= cost
        return reason

    def _trade_next(self, book: Book, taker: Order, maker: Order, left: int) -> tuple[Reason, int]:
        # Why what remains of the taker is canceled instead, and what it has spent.
        lots = book.allowed_lots(taker, min(taker.remaining, maker.visible))
        if lots == 0:
            return Reason.REDUCE_ONLY, 0
        lots = book.allowed_lots(maker, lots)
        if lots == 0:
            self._end(maker, EventKind.ORDER_CANCELED, Reason.REDUCE_ONLY)
            return Reason.NONE, 0
        lots = min(lots, left // maker.price)
        if lots == 0:
            return Reason.BUDGET_EXHAUSTED, 0
        if not reaches(taker.side, band_limit(book, taker), maker.price):
            return Reason.PRICE_BAND, 0
        self._trade(book, taker, maker, lots)
        return Reason.NONE, lots * maker.price

    def _prevent_self_trade(
        self, _: Book, taker: Order, maker: Order, left: int
    ) -> tuple[Reason, int]:
        # The same. By decrement own lots come off an amount as if they were bought.
        if taker.stp_mode == SelfTradeMode.CANCEL_INCOMING:
            return Reason.SELF_TRADE, 0
        if taker.stp_mode != SelfTradeMode.DECREMENT_AND_CANCEL:
            self._end(maker, EventKind.ORDER_CANCELED, Reason.SELF_TRADE)
            is_both = taker.stp_mode == SelfTradeMode.CANCEL_BOTH
            return (Reason.SELF_TRADE if is_both else Reason.NONE), 0
        lots = min(taker.remaining, left // maker.price)
        if lots == 0:
            return Reason.BUDGET_EXHAUSTED, 0
        if maker.remaining > lots:
            self._shrink(maker, Reason.SELF_TRADE_DECREMENT, lots)
            return Reason.SELF_TRADE, 0
        self._end(maker, EventKind.ORDER_CANCELED, Reason.SELF_TRADE)
        if maker.remaining == taker.remaining:
            return Reason.SELF_TRADE, 0
        self._shrink(taker, Reason.SELF_TRADE_DECREMENT, maker.remaining)
        return Reason.NONE, maker.remaining * maker.price

    def _trade(self, book: Book, taker: Order, maker: Order, lots: int) -> None:
        for order in (taker, maker):
            order.remaining -= lots
            order.cumulative += lots
        maker.visible -= lots
        self._print(book, taker, maker, maker.price, lots)
        if maker.remaining == 0:
            book.queue(maker).remove(maker)
            del self._orders[maker.order_id]
        elif maker.visible == 0:
            book.queue(maker).remove(maker)
            self._stand(book, maker)

    def _print(
        self, book: Book, taker: Order, maker: Order, price: int, lots: int, **fields: int
    ) -> None:
        # A trade of orders whose lots are taken off already.
        self.trades += 1
        if not book.traded:
            book.price_before = book.last_price
        book.traded.append(price)
        book.last_price = price
        if book.definition.perpetual:
            signed = lots if taker.side == Side.BUY else -lots
            book.add_position(taker.account_id, signed)
            book.add_position(maker.account_id, -signed)
        self._emit_order(
            EventKind.TRADE, Reason.NONE, taker, lots, price_ticks=price,
            maker_order_id=maker.order_id, maker_account_id=maker.account_id,
            maker_remaining_lots=maker.remaining, maker_cumulative_lots=maker.cumulative,
            trade_number=self.trades, maker_version=maker.version, **fields,
        )  # fmt: skip

    def _stand(self, book: Book, order: Order) -> None:
        # To the back of its price, an iceberg with a fresh peak; a stop to the back of its trigger,
        # a market order that an auction collects to the back of its cap or floor.
        self._places += 1
        order.place = self._places
        order.visible = min(order.display or order.remaining, order.remaining)
        if order.waits or order.order_type in MARKETS:
            order.visible = 0
        queue = book.queue(order)
        insort(queue, order, key=Order.rank)
        level = sum(o.remaining for o in queue if o.rank()[0] == order.rank()[0])
        if level > MAX_LEVEL_LOTS:
            self._end(order, EventKind.ORDER_CANCELED, Reason.BOOK_FULL)

    def _shrink(self, order: Order, reason: Reason, lots: int) -> None:
        # Fewer than remain are taken off, hidden ones first; the order keeps its place.
        order.remaining -= lots
        order.visible = min(order.visible, order.remaining)
        self._emit_order(EventKind.ORDER_REDUCED, reason, order, lots)

    def _end(self, order: Order, kind: EventKind, reason: Reason) -> None:
        queue = self._books[order.instrument_id].queue(order)
        if order in queue:
            queue.remove(order)
        del self._orders[order.order_id]
        self._emit_order(kind, reason, order, order.remaining, remaining_lots=0)
