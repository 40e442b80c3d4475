"""What risk lets through, and what a refusal says."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.kit.decimals import Step, parse, to_steps
from svc.risk.checks import LIMIT, MARKET, Limits, bounds
from svc.risk.rulebook import Scope, Switch
from tests.risk.examples import ACCOUNT, BTC_USDT, DEFAULTS, REFERENCE, Checked, rulebook

STOP_LIMIT = 3


def test_order_within_the_defaults_passes() -> None:
    assert rulebook().check(Checked()) is None


def test_quantity_above_the_accounts_limit_names_the_largest_that_is_right() -> None:
    book = rulebook(replace(DEFAULTS, max_quantity="1.5"))
    assert book.check(Checked(lots=150_000)) is None
    refusal = book.check(Checked(lots=150_001))
    assert refusal is not None
    assert refusal.reason == "MAX_QUANTITY_EXCEEDED"
    assert refusal.message == (
        "quantity 1.50001 BTC is above the account's limit of 1.5 BTC an order; "
        "at most 1.5 is right"
    )
    assert refusal.variables["nearest_valid_quantity"] == "1.5"


def test_notional_above_the_accounts_limit_names_the_largest_quantity_at_that_price() -> None:
    book = rulebook(replace(DEFAULTS, max_notional="61000"))
    assert book.check(Checked(lots=100_000)) is None
    refusal = book.check(Checked(lots=100_001))
    assert refusal is not None
    assert refusal.reason == "MAX_NOTIONAL_EXCEEDED"
    assert refusal.message == (
        "notional 61000.61 USDT is above the account's limit of 61000 USDT an order; "
        "at this price at most 1 BTC is right"
    )


@pytest.mark.spec("flow-3-fat-finger")
def test_limit_price_too_far_from_the_reference_names_both_ends_that_are_right() -> None:
    low, high = 4_880_000, 7_320_000
    assert rulebook().check(Checked(price_ticks=low)) is None
    assert rulebook().check(Checked(price_ticks=high)) is None
    refusal = rulebook().check(Checked(price_ticks=high + 1))
    assert refusal is not None
    assert refusal.reason == "FAT_FINGER"
    assert refusal.message == (
        "price 73200.01 USDT lies 2001 bps from the reference price 61000; the account's limit "
        "is 2000 bps: 48800 to 73200 is right"
    )
    below = rulebook().check(Checked(price_ticks=low - 1))
    assert below is not None
    assert below.variables["nearest_valid_price"] == "48800"


@pytest.mark.spec("flow-3-fat-finger")
@pytest.mark.parametrize("kind", [MARKET, STOP_LIMIT])
def test_fat_finger_looks_at_limit_orders_only(kind: int) -> None:
    assert rulebook().check(Checked(type=kind, price_ticks=REFERENCE * 2)) is None


@pytest.mark.spec("flow-3-slippage", "or-slippage-guard", "or-slippage-message")
def test_market_order_without_a_reference_says_no_recent_trade_price() -> None:
    refusal = rulebook().check(Checked(type=MARKET, reference_ticks=0))
    assert refusal is not None
    assert refusal.reason == "NO_REFERENCE_PRICE"
    assert "no recent trade price" in refusal.message
    assert rulebook().check(Checked(type=LIMIT, reference_ticks=0)) is None


@pytest.mark.spec("or-last-price-use")
def test_one_reference_serves_fat_finger_and_slippage_guard() -> None:
    assert rulebook().check(Checked(type=MARKET, reference_ticks=REFERENCE)) is None
    assert (
        rulebook().check(Checked(price_ticks=REFERENCE, reference_ticks=REFERENCE * 2)) is not None
    )


@pytest.mark.spec("flow-3-order", "ord-4-risk")
def test_the_first_rule_in_the_order_of_the_contract_decides() -> None:
    strict = Limits(max_notional="1", max_quantity="0.1", fat_finger_bps=1)
    book = rulebook(strict)
    book.throw(Switch(Scope.ACCOUNT, ACCOUNT, "under review"))

    def reason() -> str:
        refusal = book.check(Checked(price_ticks=REFERENCE * 2))
        return refusal.reason if refusal else ""

    assert reason() == "KILL_SWITCH"
    book.release(Scope.ACCOUNT, ACCOUNT)
    assert reason() == "MAX_QUANTITY_EXCEEDED"
    book.set_limits(ACCOUNT, replace(strict, max_quantity="0"))
    assert reason() == "MAX_NOTIONAL_EXCEEDED"
    book.set_limits(ACCOUNT, replace(strict, max_quantity="0", max_notional="0"))
    assert reason() == "FAT_FINGER"


def test_zero_is_no_limit_and_less_than_one_step_lets_nothing_through() -> None:
    free = Limits(max_notional="0", max_quantity="0", fat_finger_bps=0)
    assert rulebook(free).check(Checked(price_ticks=REFERENCE * 50, lots=10**9)) is None
    tiny = replace(free, max_quantity="0.000001")
    refusal = rulebook(tiny).check(Checked(lots=1))
    assert refusal is not None
    assert refusal.variables["nearest_valid_quantity"] == "0"


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        (Switch(Scope.GLOBAL, 0, "exchange under maintenance"), "all trading is"),
        (Switch(Scope.ACCOUNT, ACCOUNT, ""), "trading of this account is"),
        (Switch(Scope.INSTRUMENT, BTC_USDT.id, "delisting"), "trading in this market is"),
    ],
)
def test_kill_switch_stops_what_it_names_until_it_is_released(switch: Switch, words: str) -> None:
    book = rulebook()
    book.throw(switch)
    refusal = book.check(Checked())
    assert refusal is not None
    assert refusal.reason == "KILL_SWITCH"
    assert refusal.message.startswith(words)
    assert switch.note in refusal.message
    book.release(switch.scope, switch.id)
    assert book.check(Checked()) is None


def test_kill_switch_of_another_account_or_instrument_stops_nobody_else() -> None:
    book = rulebook()
    book.throw(Switch(Scope.ACCOUNT, ACCOUNT + 1, ""))
    book.throw(Switch(Scope.INSTRUMENT, BTC_USDT.id + 1, ""))
    assert book.check(Checked()) is None


def test_unlisted_instrument_is_refused_by_its_id() -> None:
    refusal = rulebook().check(Checked(instrument_id=99))
    assert refusal is not None
    assert (refusal.reason, refusal.variables) == ("UNKNOWN_INSTRUMENT", {"instrument_id": "99"})


def test_limits_of_an_account_count_in_place_of_the_defaults_from_the_next_order_on() -> None:
    book = rulebook()
    assert book.check(Checked(price_ticks=REFERENCE * 2)) is not None
    book.set_limits(ACCOUNT, replace(DEFAULTS, fat_finger_bps=0))
    assert book.check(Checked(price_ticks=REFERENCE * 2)) is None


decimal_texts = st.builds(
    lambda whole, part: f"{whole}.{part:08}".rstrip("0").rstrip("."),
    st.integers(0, 10**9),
    st.integers(0, 10**8 - 1),
)


@given(limit=decimal_texts, lots=st.integers(1, 10**15))
def test_quantity_passes_exactly_when_it_is_within_the_written_limit(limit: str, lots: int) -> None:
    book = rulebook(replace(DEFAULTS, max_quantity=limit, max_notional="0"))
    unscaled, scale = parse(limit)
    within = unscaled == 0 or Fraction(lots, 10**5) <= Fraction(unscaled, 10**scale)
    refusal = book.check(Checked(lots=lots))
    assert (refusal is None) == within
    if refusal is not None:
        nearest = to_steps(refusal.variables["nearest_valid_quantity"], BTC_USDT.lot)
        assert nearest < lots
        assert nearest == 0 or book.check(Checked(lots=nearest)) is None
        assert book.check(Checked(lots=nearest + 1)) is not None


@given(limit=st.integers(1, 10**9), lots=st.integers(1, 10**9), price=st.integers(1, 10**9))
def test_notional_passes_exactly_within_the_limit_and_the_named_quantity_passes(
    limit: int, lots: int, price: int
) -> None:
    book = rulebook(replace(DEFAULTS, max_notional=str(limit), fat_finger_bps=0))
    refusal = book.check(Checked(lots=lots, price_ticks=price))
    assert (refusal is None) == (Fraction(lots, 10**5) * Fraction(price, 100) <= limit)
    if refusal is not None:
        nearest = to_steps(refusal.variables["nearest_valid_quantity"], BTC_USDT.lot)
        assert nearest == 0 or book.check(Checked(lots=nearest, price_ticks=price)) is None
        assert book.check(Checked(lots=nearest + 1, price_ticks=price)) is not None


@given(bps=st.integers(1, 20_000), reference=st.integers(1, 10**9), price=st.integers(1, 3 * 10**9))
def test_limit_price_passes_exactly_within_the_distance_and_the_named_price_passes(
    bps: int, reference: int, price: int
) -> None:
    book = rulebook(replace(DEFAULTS, max_notional="0", fat_finger_bps=bps))
    refusal = book.check(Checked(price_ticks=price, reference_ticks=reference, lots=1))
    distance = Fraction(abs(price - reference), reference)
    assert (refusal is None) == (distance <= Fraction(bps, 10_000))
    if refusal is not None:
        named = to_steps(refusal.variables["nearest_valid_price"], BTC_USDT.tick)
        assert book.check(Checked(price_ticks=named, reference_ticks=reference, lots=1)) is None
        further = named + (1 if price > reference else -1)
        assert further == 0 or book.check(
            Checked(price_ticks=further, reference_ticks=reference, lots=1)
        )


def test_limits_convert_once_per_instrument_in_its_own_units() -> None:
    limits = Limits("0.00000000019", "0.000015", 100)
    found = bounds(limits, BTC_USDT)
    assert (found.max_notional_units, found.max_lots) == (1, 1)
    coarse = replace(BTC_USDT, lot=Step.parse("0.0005"))
    assert bounds(replace(limits, max_quantity="0.0012"), coarse).max_lots == 2
