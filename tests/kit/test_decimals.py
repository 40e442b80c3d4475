"""Decimal text and integers, against the standard library's exact decimals."""

from decimal import Context, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from svc.kit.decimals import (
    MAX_INT64,
    MAX_LEDGER_UNITS,
    DecimalError,
    Malformed,
    NotOnStep,
    Step,
    TooLarge,
    format_steps,
    format_units,
    parse,
    to_steps,
)

EXACT = Context(prec=120)
scales = st.integers(0, 18)
unscaled_steps = st.sampled_from([1, 2, 5, 10, 25, 125, 1_000, 7])
texts = st.from_regex(r"\A(0|[1-9][0-9]{0,20})(\.[0-9]{1,16})?\Z")


def decimal(unscaled: int, scale: int) -> Decimal:
    return EXACT.scaleb(Decimal(unscaled), -scale)


@given(texts)
def test_parsing_keeps_the_exact_value_in_the_smallest_scale(text: str) -> None:
    unscaled, scale = parse(text)
    assert decimal(unscaled, scale) == Decimal(text)
    assert scale == 0 or unscaled % 10


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 38))
@example(0, 5)
@example(-1, 18)
def test_formatting_is_exact_and_canonical(unscaled: int, scale: int) -> None:
    text = format_units(unscaled, scale)
    assert EXACT.create_decimal(text) == decimal(unscaled, scale)
    whole, point, fraction = text.removeprefix("-").partition(".")
    assert whole == "0" or whole[0] != "0"
    assert bool(point) == bool(fraction)
    assert not fraction.endswith("0")
    assert text != "-0"


@given(st.integers(0, 10**30), st.integers(0, 8))
def test_what_was_written_reads_back(unscaled: int, scale: int) -> None:
    back, back_scale = parse(format_units(unscaled, scale))
    assert decimal(back, back_scale) == decimal(unscaled, scale)


@given(texts, unscaled_steps, scales)
@example("1.50", 1, 1)
@example("0.000", 1, 0)
@example("1.505", 25, 3)
def test_steps_are_the_quotient_or_a_refusal_with_both_neighbours(
    text: str, unscaled: int, scale: int
) -> None:
    step = Step(unscaled, scale, limit=MAX_LEDGER_UNITS)
    quotient, rest = EXACT.divmod(Decimal(text), decimal(unscaled, scale))
    if not rest:
        assert to_steps(text, step) == int(quotient)
        return
    with pytest.raises(NotOnStep) as refusal:
        to_steps(text, step)
    below, above = Decimal(refusal.value.below), Decimal(refusal.value.above)
    assert below < Decimal(text) < above
    assert EXACT.subtract(above, below) == decimal(unscaled, scale)
    assert to_steps(refusal.value.below, step) == int(quotient)
    assert to_steps(refusal.value.above, step) == int(quotient) + 1


@given(st.integers(0, MAX_INT64), unscaled_steps, scales)
def test_steps_written_and_read_are_the_same_steps(steps: int, unscaled: int, scale: int) -> None:
    step = Step(unscaled, scale)
    text = format_steps(steps, step)
    if sum(character.isdigit() for character in text) <= 38:
        assert to_steps(text, step) == steps


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".5",
        "01",
        "00",
        "00.5",
        "-1",
        "+1",
        "1e3",
        "1E-3",
        "1_000",
        "1,5",
        " 1",
        "1 ",
        "1\n",
        "1.5.2",
        "NaN",
        "Infinity",
        "0x10",
        "\u0661",
        "\u00b2",
        "\uff11",
        "1.\u0662",
        "1" * 39,
        "0." + "1" * 38,
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    for read in (parse, lambda text: to_steps(text, Step(1, 2))):
        with pytest.raises(Malformed):
            read(text)


@given(st.text(max_size=50))
def test_whatever_is_accepted_is_a_plain_decimal(text: str) -> None:
    try:
        unscaled, scale = parse(text)
    except Malformed:
        return
    assert text.isascii()
    assert EXACT.create_decimal(text) == decimal(unscaled, scale)


def test_38_digits_are_accepted() -> None:
    assert parse("9" * 38) == (10**38 - 1, 0)
    assert parse("0." + "9" * 37) == (10**37 - 1, 37)


def test_the_largest_step_count_is_accepted_and_the_next_refused() -> None:
    step = Step(5, 3)
    largest = format_steps(MAX_INT64, step)
    assert to_steps(largest, step) == MAX_INT64
    with pytest.raises(TooLarge) as refusal:
        to_steps(format_steps(MAX_INT64 + 1, step), step)
    assert refusal.value.limit == largest


def test_a_refused_price_names_step_and_neighbours() -> None:
    with pytest.raises(NotOnStep) as refusal:
        to_steps("43210.567", Step.parse("0.01"))
    assert str(refusal.value) == (
        "43210.567 is not a multiple of 0.01: nearest are 43210.56 and 43210.57"
    )


def test_a_long_malformed_text_is_not_repeated_whole() -> None:
    with pytest.raises(Malformed) as refusal:
        parse("9" * 10_000)
    assert len(str(refusal.value)) < 250


def test_a_step_is_written_as_it_counts() -> None:
    assert str(Step.parse("0.010")) == "0.01"
    assert Step.parse("0.010") == Step(1, 2)
    assert str(Step.parse("25")) == "25"


@pytest.mark.parametrize("text", ["0", "0.00", "-0.01", "x"])
def test_a_step_must_be_a_positive_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        Step.parse(text)


def test_every_refusal_is_a_decimal_error() -> None:
    assert all(issubclass(kind, DecimalError) for kind in (Malformed, NotOnStep, TooLarge))
