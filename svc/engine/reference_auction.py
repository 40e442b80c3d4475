"""The reference engine's auctions: the price at which most trades, and the trades at that price.

Invariant: outside AUCTION and HALTED no book is crossed and no market order rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from svc.engine.records import EventKind, Flag, MarketState, Reason, Side
from svc.engine.reference_matching import MAX_LEVEL_LOTS, Matching
from svc.engine.reference_rules import ANY_PRICE, NOTHING, Book, Indication, Order, reaches


def buyers(book: Book) -> list[Order]:
    """Collected buy orders by price, market orders before limit orders of one price, then time."""
    return sorted(book.market_buys + book.bids, key=lambda o: (-o.reach(), o.price > 0, o.place))


def sellers(book: Book) -> list[Order]:
    """Collected sell orders in the same order."""
    return sorted(book.market_sells + book.asks, key=lambda o: (o.reach(), o.price > 0, o.place))


def lots_taking_part(book: Book) -> dict[Order, int]:
    """The lots with which each collected order takes part in the uncross.

    All, but of a reduce-only order what its account's position leaves behind the account's orders
    of its side that would trade before it. Orders on the other side only add to that.
    """
    buys, sells = buyers(book), sellers(book)
    taking_part = {order: order.remaining for order in buys + sells}
    if not book.definition.perpetual or not buys or not sells:
        return taking_part
    highest, lowest = buys[0].reach(), sells[0].reach()
    could_trade = [order for order in buys if order.reach() >= lowest]
    could_trade += [order for order in sells if order.reach() <= highest]
    used: Counter[int] = Counter()
    for order in could_trade:
        held = book.positions[order.account_id]
        held = max(0, -held if order.side == Side.BUY else held)
        lots = max(0, min(order.remaining, held - used[order.account_id]))
        used[order.account_id] += lots
        if order.flags & Flag.REDUCE_ONLY:
            taking_part[order] = lots
    return taking_part


def indication(book: Book) -> Indication:
    """The auction's price: largest volume, smallest surplus, market pressure, reference price.

    Only limits of limit orders come into question, as on Xetra. Where none of them lies among the
    prices of largest volume (market orders alone meet) it is the reference price, brought within
    these.
    """
    lots_of = {order: lots for order, lots in lots_taking_part(book).items() if lots}
    buys = [(order.reach(), lots) for order, lots in lots_of.items() if order.side == Side.BUY]
    sells = [(order.reach(), lots) for order, lots in lots_of.items() if order.side == Side.SELL]

    def demand(price: int) -> int:
        return sum(lots for limit, lots in buys if limit >= price)

    def supply(price: int) -> int:
        return sum(lots for limit, lots in sells if limit <= price)

    def volume(price: int) -> int:
        return min(demand(price), supply(price))

    reached = {limit for limit, _ in buys + sells}
    most = max(map(volume, reached), default=0)
    if most == 0:
        return NOTHING
    possible = [price for price in reached if volume(price) == most]
    limits = {order.price for order in lots_of if order.price}
    price = _choose(
        book,
        min(possible),
        max(possible),
        limits.intersection(possible),
        lambda price: demand(price) - supply(price),
    )
    if price == 0:
        return NOTHING
    surplus = demand(price) - supply(price)
    bounded = max(-MAX_LEVEL_LOTS, min(surplus, MAX_LEVEL_LOTS))
    return Indication(price, min(volume(price), MAX_LEVEL_LOTS), bounded)


def _choose(
    book: Book, low: int, high: int, limits: Iterable[int], surplus: Callable[[int], int]
) -> int:
    # Among prices of one volume; 0 when market orders alone meet and nothing says at which price.
    reference = book.last_price or book.definition.reference_price_ticks
    least = min((abs(surplus(price)) for price in limits), default=0)
    best = [price for price in limits if abs(surplus(price)) == least]
    if not best:
        reference = reference or low or high
        return 0 if reference == ANY_PRICE else max(low, min(reference, high))
    if all(surplus(price) > 0 for price in best):
        return max(best)
    if all(surplus(price) < 0 for price in best):
        return min(best)
    return max(min(best), min(reference, max(best)))


class Auctions(Matching):
    """Collects nothing by itself: what enters a market that is in an auction simply stands."""

    def _uncross(self, book: Book) -> None:
        # Trades what is collected at one price, then cancels what may not rest.
        self._trim(book)
        price = indication(book).price
        while price:
            buys, sells = buyers(book)[:1], sellers(book)[:1]
            if not buys or not sells or not sells[0].reach() <= price <= buys[0].reach():
                break
            self._trade_collected(book, buys[0], sells[0], price)
        for order in [*book.market_buys, *book.market_sells]:
            is_reached = price == 0 or reaches(order.side, order.reach(), price)
            reason = Reason.NO_LIQUIDITY if is_reached else Reason.PRICE_COLLAR
            self._end(order, EventKind.ORDER_CANCELED, reason)

    def _trim(self, book: Book) -> None:
        # By rank, buys first: what does not take part goes for good.
        for order, lots in lots_taking_part(book).items():
            if lots == 0:
                self._end(order, EventKind.ORDER_CANCELED, Reason.REDUCE_ONLY)
            elif lots < order.remaining:
                self._shrink(order, Reason.REDUCE_ONLY, order.remaining - lots)

    def _trade_collected(self, book: Book, buyer: Order, seller: Order, price: int) -> None:
        lots = min(buyer.remaining, seller.remaining)
        for order in (buyer, seller):
            order.remaining -= lots
            order.cumulative += lots
            if order.visible > lots:
                order.visible -= lots
            elif order.price:
                order.visible = min(order.display or order.remaining, order.remaining)
        self._print(book, buyer, seller, price, lots, side=Side.NONE)
        for order in (buyer, seller):
            if order.remaining == 0:
                book.queue(order).remove(order)
                del self._orders[order.order_id]

    def _indicate(self) -> None:
        # Behind the events of a command: what each auction it has touched would print now.
        touched = dict.fromkeys(event.instrument_id for event in self._events)
        for instrument_id in touched:
            book = self._books.get(instrument_id)
            if book is None or book.state != MarketState.AUCTION:
                continue
            now = indication(book)
            if now != book.indicated:
                book.indicated = now
                self._emit(
                    EventKind.INDICATIVE_PRICE, instrument_id=instrument_id,
                    price_ticks=now.price, quantity_lots=now.lots, remaining_lots=now.surplus,
                )  # fmt: skip
