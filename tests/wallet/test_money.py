"""Holds, fees and budgets: the inequalities on which "a hold covers the fill" rests."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, trunc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.wallet import money

around_words = st.one_of(
    st.integers(0, 10**6),
    st.integers(2**62, 2**65),
    st.sampled_from([2**bits + step for bits in (31, 32, 63, 64, 126, 127) for step in (-1, 0, 1)]),
)
"""Small, and on both sides of what machine words hold."""

ticks = st.integers(1, 10**12)
quantities = st.integers(1, 10**12)
units = st.integers(1, 10**20)
rates = st.integers(-money.PPM, money.PPM)


@st.composite
def fills(draw: st.DrawFn, lots: int, cap: int) -> list[tuple[int, int, bool]]:
    """Fills (price, lots, whether as taker) of at most ``lots`` at or below ``cap``."""
    made: list[tuple[int, int, bool]] = []
    while lots and len(made) < 12 and draw(st.booleans()):
        part = draw(st.integers(1, lots))
        made.append((draw(st.integers(1, cap)), part, draw(st.booleans())))
        lots -= part
    return made


@given(ticks, quantities, units, rates, rates)
def test_a_buy_hold_is_value_and_larger_fee_rounded_up(
    cap: int, lots: int, unit: int, maker: int, taker: int
) -> None:
    rate = money.hold_rate(maker, taker)
    exact = Fraction(cap * lots * unit) * (1 + Fraction(max(maker, taker, 0), money.PPM))
    assert money.buy_hold(cap, lots, unit, rate) == ceil(exact)


@given(around_words, around_words, around_words, st.integers(0, money.PPM))
def test_a_hold_is_exact_on_both_sides_of_what_machine_words_hold(
    cap: int, lots: int, unit: int, rate: int
) -> None:
    value = cap * lots * unit
    assert money.buy_hold(cap, lots, unit, rate) == value + ceil(Fraction(value * rate, money.PPM))
    assert money.sell_hold(lots, unit) == lots * unit


@given(around_words, rates)
def test_a_fee_is_exact_on_both_sides_of_what_machine_words_hold(amount: int, rate: int) -> None:
    assert money.fee(amount, rate) == trunc(Fraction(amount * rate, money.PPM))


@given(st.integers(0, 10**37), rates)
def test_a_fee_is_rounded_towards_zero_on_both_sides_of_it(amount: int, rate: int) -> None:
    assert money.fee(amount, rate) == trunc(Fraction(amount * rate, money.PPM))


@pytest.mark.parametrize(("rate", "expected"), [(1_500, 0), (-1_500, 0), (0, 0)])
def test_a_fee_below_one_unit_is_nothing(rate: int, expected: int) -> None:
    assert money.fee(666, rate) == expected


@given(st.data(), ticks, quantities, units, st.tuples(rates, rates))
def test_each_fill_releases_at_least_what_it_costs(
    data: st.DataObject, cap: int, lots: int, unit: int, maker_taker: tuple[int, int]
) -> None:
    maker, taker = maker_taker
    rate = money.hold_rate(maker, taker)
    held = money.buy_hold(cap, lots, unit, rate)
    for price, part, as_taker in data.draw(fills(lots, cap)):
        quote = price * part * unit
        cost = quote + money.fee(quote, taker if as_taker else maker)
        lots -= part
        left = money.buy_hold(cap, lots, unit, rate)
        assert held - left >= cost
        held = left
    assert held == money.buy_hold(cap, lots, unit, rate)


@given(st.integers(1, 10**6), st.integers(1, 50), st.integers(1, 9), rates)
def test_filled_lot_by_lot_a_hold_still_covers_every_fee(
    cap: int, lots: int, unit: int, rate: int
) -> None:
    held = money.buy_hold(cap, lots, unit, money.hold_rate(rate, rate))
    quote = cap * unit
    assert held >= lots * (quote + money.fee(quote, rate))


@given(st.data(), st.integers(0, 10**30), units, rates)
def test_what_a_budget_buys_is_covered_by_the_amount(
    data: st.DataObject, amount: int, unit: int, taker: int
) -> None:
    rate = money.hold_rate(taker, taker)
    left = money.budget(amount, rate, unit)
    spent = 0
    for _ in range(data.draw(st.integers(0, 12))):
        tick_lots = data.draw(st.integers(0, left))
        left -= tick_lots
        quote = tick_lots * unit
        spent += quote + money.fee(quote, taker)
    assert spent <= amount


@given(st.integers(0, 10**30), units, st.integers(0, money.PPM))
def test_a_budget_is_the_largest_that_the_amount_covers(amount: int, unit: int, rate: int) -> None:
    tick_lots = money.budget(amount, rate, unit)
    assert money.buy_hold(1, tick_lots, unit, rate) <= amount
    assert (tick_lots + 1) * unit * (money.PPM + rate) > amount * money.PPM


orders = st.tuples(ticks, quantities)


@given(st.data(), orders, orders, units, st.integers(0, money.PPM))
def test_what_a_replace_adds_covers_it_whatever_fills_first(
    data: st.DataObject, old: tuple[int, int], asked: tuple[int, int], unit: int, rate: int
) -> None:
    (old_cap, old_lots), (cap, lots) = old, asked
    added = money.added_buy_hold(
        old_cap_ticks=old_cap,
        old_lots=old_lots,
        cap_ticks=cap,
        lots=lots,
        quote_units=unit,
        rate_ppm=rate,
    )
    filled = data.draw(st.integers(0, min(old_lots, lots)))
    before = money.buy_hold(old_cap, old_lots - filled, unit, rate)
    assert before + added >= money.buy_hold(cap, lots - filled, unit, rate)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_a_replace_is_covered_at_every_fill_where_units_are_few(
    old_cap: int, old_lots: int, cap: int, lots: int
) -> None:
    for rate in (0, 1, 333_333, 999_999):
        added = money.added_buy_hold(
            old_cap_ticks=old_cap,
            old_lots=old_lots,
            cap_ticks=cap,
            lots=lots,
            quote_units=1,
            rate_ppm=rate,
        )
        for filled in range(min(old_lots, lots) + 1):
            before = money.buy_hold(old_cap, old_lots - filled, 1, rate)
            assert before + added >= money.buy_hold(cap, lots - filled, 1, rate)


@given(quantities, quantities, st.integers(0, money.PPM))
def test_a_replace_that_raises_nothing_adds_nothing(old: int, lots: int, rate: int) -> None:
    lots = min(old, lots)
    assert money.added_sell_hold(old_lots=old, lots=lots, base_units=7) == 0
    added = money.added_buy_hold(
        old_cap_ticks=9, old_lots=old, cap_ticks=9, lots=lots, quote_units=3, rate_ppm=rate
    )
    assert added == 0


@given(st.data(), quantities, quantities, units)
def test_what_a_sell_replace_adds_covers_it_whatever_fills_first(
    data: st.DataObject, old_lots: int, lots: int, unit: int
) -> None:
    added = money.added_sell_hold(old_lots=old_lots, lots=lots, base_units=unit)
    filled = data.draw(st.integers(0, min(old_lots, lots)))
    assert money.sell_hold(old_lots - filled, unit) + added >= money.sell_hold(lots - filled, unit)
