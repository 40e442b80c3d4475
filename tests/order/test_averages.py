"""Average prices against exact fractions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from svc.kit.decimals import Step, parse
from svc.order.averages import SCALE, average_price

FILLS = st.lists(st.tuples(st.integers(1, 10**12), st.integers(1, 10**15)), min_size=1, max_size=20)


@given(
    fills=FILLS, tick=st.sampled_from([Step.parse(t) for t in ("0.01", "0.5", "25", "0.000001")])
)
def test_an_average_is_the_nearest_of_18_decimals(fills: list[tuple[int, int]], tick: Step) -> None:
    value, lots = sum(ticks * lots for ticks, lots in fills), sum(lots for _, lots in fills)
    text = average_price(value, lots, tick)
    assert text is not None
    unscaled, scale = parse(text)
    exact = Fraction(value, lots) * Fraction(tick.unscaled, 10**tick.scale)
    assert scale <= SCALE
    assert Fraction(unscaled, 10**scale) == Fraction(round(exact * 10**SCALE), 10**SCALE)


def test_a_tie_goes_to_the_even_neighbour() -> None:
    finest = Step.parse("0." + "0" * 17 + "1")
    assert average_price(1, 2, finest) == "0"
    assert average_price(3, 2, finest) == "0.000000000000000002"
    assert average_price(5, 2, finest) == "0.000000000000000002"


def test_without_a_fill_there_is_no_average() -> None:
    assert average_price(0, 0, Step.parse("0.01")) is None
