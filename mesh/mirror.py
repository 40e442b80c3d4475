"""Plans how two accounts re-enact a captured session.

Owns the picture of what the maker has resting. It turns the venue's book and tape into rounds; a
round is a list for the maker, then a list for the taker. The invariant: when the maker's list has
reached the market before the taker's, every order of the taker trades once, with one order of the
maker, at the captured price and quantity, in the order of the tape.

Prices are ticks, quantities lots. No I/O here.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MIRRORED_LEVELS = 20


@dataclass(frozen=True, slots=True)
class Place:
    """The maker posts a limit order. `slot` names it until the exchange has given an id."""

    slot: int
    is_buy: bool
    price_ticks: int
    lots: int


@dataclass(frozen=True, slots=True)
class Remove:
    """The maker cancels the order of an earlier `Place`."""

    slot: int


@dataclass(frozen=True, slots=True)
class Take:
    """The taker sends an IOC order that trades whole."""

    is_buy: bool
    price_ticks: int
    lots: int


@dataclass(slots=True)
class Round:
    """What the maker does first, then what the taker does."""

    maker: list[Place | Remove] = field(default_factory=list)
    taker: list[Take] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.maker or self.taker)


@dataclass(slots=True)
class _Resting:
    slot: int
    lots: int
    claimed_lots: int = 0
    """How much of it the takers of the open round will trade."""


class VenueBook:
    """The venue's whole book: price ticks to lots a side, from a snapshot and diffs."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def reset(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Start over from a snapshot."""
        self.bids = dict(bids)
        self.asks = dict(asks)

    def apply(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Set levels to their new quantities; 0 removes."""
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, lots in levels:
                if lots:
                    side[price] = lots
                else:
                    side.pop(price, None)

    def best(self) -> tuple[dict[int, int], dict[int, int]]:
        """The best levels of bids and asks that the maker mirrors."""
        bids = heapq.nlargest(MIRRORED_LEVELS, self.bids)
        asks = heapq.nsmallest(MIRRORED_LEVELS, self.asks)
        return {p: self.bids[p] for p in bids}, {p: self.asks[p] for p in asks}


class Mirror:
    """Plans rounds. At most one order that is not spoken for rests at a price and side."""

    def __init__(self) -> None:
        self._bids: dict[int, _Resting] = {}
        self._asks: dict[int, _Resting] = {}
        self._claimed_bids: set[int] = set()
        self._claimed_asks: set[int] = set()
        self._round = Round()
        self._placed: dict[int, Place] = {}
        self._last_slot = 0

    @property
    def resting(self) -> tuple[dict[int, int], dict[int, int]]:
        """Lots by price of bids and asks that rest once every planned round has happened."""
        bids = {price: order.lots for price, order in self._bids.items()}
        return bids, {price: order.lots for price, order in self._asks.items()}

    def trade(self, *, is_buy: bool, price_ticks: int, lots: int) -> Iterator[Round]:
        """Plan one captured trade; yields the open round if the trade cannot join it."""
        if self._must_wait(is_buy=is_buy, price=price_ticks, lots=lots):
            yield self.close()
        makers = self._asks if is_buy else self._bids
        for price in [p for p in makers if _is_ahead(p, price_ticks, is_buy=is_buy)]:
            self._remove(makers, price)
        target = makers.get(price_ticks)
        if target is None or target.lots < lots:
            target = self._post_exactly(is_buy=is_buy, price=price_ticks, lots=lots)
        target.lots -= lots
        target.claimed_lots += lots
        if target.lots == 0:
            del makers[price_ticks]
        (self._claimed_asks if is_buy else self._claimed_bids).add(price_ticks)
        self._round.taker.append(Take(is_buy, price_ticks, lots))

    def restore(self, bids: dict[int, int], asks: dict[int, int]) -> Iterator[Round]:
        """Plan that exactly these levels rest; yields the open round if takers are in it."""
        if self._round.taker:
            yield self.close()
        sides = ((True, self._bids, bids), (False, self._asks, asks))
        for _, resting, wanted in sides:
            for price in [p for p, order in resting.items() if order.lots != wanted.get(p)]:
                self._remove(resting, price)
        for is_buy, resting, wanted in sides:
            for price in wanted.keys() - resting.keys():
                self._place(resting, is_buy=is_buy, price=price, lots=wanted[price])

    def close(self) -> Round:
        """The open round, which is over; a new one begins."""
        done, self._round = self._round, Round()
        for order in (*self._bids.values(), *self._asks.values()):
            order.claimed_lots = 0
        self._claimed_bids.clear()
        self._claimed_asks.clear()
        self._placed.clear()
        return done

    def _must_wait(self, *, is_buy: bool, price: int, lots: int) -> bool:
        """Whether the maker's part of this trade would disturb takers planned before it.

        All of the maker's list happens before the first taker, so orders that are spoken for are
        still in the book then: none of them may be removed, overtaken or crossed.
        """
        makers, claimed, crossed = (
            (self._asks, self._claimed_asks, self._claimed_bids)
            if is_buy
            else (self._bids, self._claimed_bids, self._claimed_asks)
        )
        if any(o.claimed_lots and _is_ahead(p, price, is_buy=is_buy) for p, o in makers.items()):
            return True
        target = makers.get(price)
        if target is not None and target.lots >= lots:
            return False
        return (
            (target is not None and target.claimed_lots > 0)
            or any(_is_ahead(price, p, is_buy=is_buy) for p in claimed)
            or any(not _is_ahead(p, price, is_buy=is_buy) for p in crossed)
        )

    def _post_exactly(self, *, is_buy: bool, price: int, lots: int) -> _Resting:
        makers, crossed = (self._asks, self._bids) if is_buy else (self._bids, self._asks)
        if price in makers:
            self._remove(makers, price)
        for p in [p for p in crossed if not _is_ahead(p, price, is_buy=is_buy)]:
            self._remove(crossed, p)
        return self._place(makers, is_buy=not is_buy, price=price, lots=lots)

    def _place(
        self, resting: dict[int, _Resting], *, is_buy: bool, price: int, lots: int
    ) -> _Resting:
        self._last_slot += 1
        place = Place(self._last_slot, is_buy, price, lots)
        self._round.maker.append(place)
        self._placed[place.slot] = place
        order = resting[price] = _Resting(place.slot, lots)
        return order

    def _remove(self, resting: dict[int, _Resting], price: int) -> None:
        slot = resting.pop(price).slot
        place = self._placed.pop(slot, None)
        if place is None:
            self._round.maker.append(Remove(slot))
        else:
            # Nobody has seen it yet.
            self._round.maker.remove(place)


def _is_ahead(price: int, other: int, *, is_buy: bool) -> bool:
    """Whether an incoming order of that side meets a resting one at `price` before `other`."""
    return price < other if is_buy else price > other
