"""The mirror's plan, carried out on a book that knows nothing of it."""

from collections import deque
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.mirror import Mirror, Place, Remove, Round, VenueBook

Levels = dict[int, int]
Captured = tuple[bool, int, int]


class Market:
    """Price-time priority in a few lines: what a plan meets."""

    def __init__(self) -> None:
        self._sides: dict[bool, dict[int, deque[list[int]]]] = {True: {}, False: {}}
        self._where: dict[int, tuple[bool, int]] = {}
        self.tape: list[Captured] = []

    def play(self, planned: Round) -> None:
        for step in planned.maker:
            self._remove(step) if isinstance(step, Remove) else self._place(step)
        for take in planned.taker:
            side = self._sides[not take.is_buy]
            best = min(side) if take.is_buy else max(side)
            assert best == take.price_ticks
            order = side[best][0]
            assert order[1] >= take.lots, "a taker trades once, with one order"
            order[1] -= take.lots
            if not order[1]:
                self._drop(not take.is_buy, best, order[0])
            self.tape.append((take.is_buy, take.price_ticks, take.lots))

    def levels(self, *, is_buy: bool) -> Levels:
        side = self._sides[is_buy]
        return {price: sum(lots for _, lots in orders) for price, orders in side.items()}

    def _place(self, step: Place) -> None:
        against = self._sides[not step.is_buy]
        if against:
            best = min(against) if step.is_buy else max(against)
            assert best > step.price_ticks if step.is_buy else best < step.price_ticks, "crossed"
        queue = self._sides[step.is_buy].setdefault(step.price_ticks, deque())
        queue.append([step.slot, step.lots])
        self._where[step.slot] = (step.is_buy, step.price_ticks)

    def _remove(self, step: Remove) -> None:
        self._drop(*self._where[step.slot], step.slot)

    def _drop(self, is_buy: bool, price: int, slot: int) -> None:  # noqa: FBT001
        side = self._sides[is_buy]
        left = deque(order for order in side[price] if order[0] != slot)
        assert len(left) == len(side[price]) - 1, "what is removed must rest"
        if left:
            side[price] = left
        else:
            del side[price]


prices = st.integers(90, 110)
lots = st.integers(1, 5)
trades = st.lists(st.tuples(st.booleans(), prices, lots), max_size=12)


@st.composite
def uncrossed_books(draw: st.DrawFn) -> tuple[Levels, Levels]:
    best_ask = draw(st.integers(92, 110))
    bids = draw(st.dictionaries(st.integers(85, best_ask - 1), lots, max_size=6))
    asks = draw(st.dictionaries(st.integers(best_ask, 115), lots, max_size=6))
    return bids, asks


def carry_out(market: Market, plan: Iterable[Round]) -> None:
    for planned in plan:
        market.play(planned)


@settings(max_examples=300)
@given(st.lists(st.tuples(trades, uncrossed_books()), min_size=1, max_size=5))
def test_whatever_the_book_says_the_tape_comes_out_and_the_next_diff_restores_the_book(
    session: list[tuple[list[Captured], tuple[Levels, Levels]]],
) -> None:
    mirror, market = Mirror(), Market()
    for captured, (bids, asks) in session:
        for is_buy, price, quantity in captured:
            carry_out(market, mirror.trade(is_buy=is_buy, price_ticks=price, lots=quantity))
        carry_out(market, mirror.restore(bids, asks))
        market.play(mirror.close())
        assert mirror.resting == (bids, asks)
        assert (market.levels(is_buy=True), market.levels(is_buy=False)) == (bids, asks)
    assert market.tape == [trade for captured, _ in session for trade in captured]


def test_a_sweep_through_resting_levels_needs_one_round_and_nothing_of_the_maker() -> None:
    mirror = Mirror()
    assert list(mirror.restore({}, {100: 2, 101: 3})) == []
    mirror.close()
    for price, quantity in ((100, 2), (101, 1)):
        assert list(mirror.trade(is_buy=True, price_ticks=price, lots=quantity)) == []
    planned = mirror.close()
    assert planned.maker == []
    assert len(planned.taker) == 2
    assert mirror.resting == ({}, {101: 2})


def test_a_trade_inside_the_spread_is_posted_exactly() -> None:
    mirror = Mirror()
    assert list(mirror.restore({99: 1}, {103: 1})) == []
    mirror.close()
    assert list(mirror.trade(is_buy=True, price_ticks=101, lots=7)) == []
    planned = mirror.close()
    assert [(p.price_ticks, p.lots) for p in planned.maker if isinstance(p, Place)] == [(101, 7)]
    assert mirror.resting == ({99: 1}, {103: 1})


def test_the_venue_book_drops_a_level_whose_quantity_becomes_nothing() -> None:
    book = VenueBook()
    book.reset([(99, 1), (98, 2)], [(101, 1)])
    book.apply([(99, 0), (97, 4)], [(101, 3)])
    assert book.best() == ({98: 2, 97: 4}, {101: 3})
