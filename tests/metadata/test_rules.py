"""What the catalog lets in, and what a refusal says."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.metadata.catalog import Asset, Catalog, Definition, Known, Problem, State
from svc.metadata.rules import check, check_wish
from svc.metadata.steps import canonical, exact, text, units
from tests.metadata.examples import ASSETS, BTC, CATALOG, LISTED, PERPETUAL, SPOT, TERMS, USDT


def refusal(definition: Definition, *, assets: tuple[Asset, ...] = ASSETS) -> Problem:
    """The only problem of listing a definition as new."""
    (problem,) = check(Catalog(), assets, [definition], markets=1)
    return problem


def test_realistic_spot_and_perpetual_instruments_are_taken() -> None:
    assert check(Catalog(), ASSETS, [SPOT, PERPETUAL], markets=1) == []


def test_units_are_what_a_trade_moves() -> None:
    found = units(SPOT, BTC, USDT)
    assert found.base_units_per_lot == 10_000_000  # 0.00001 BTC at 12 decimals
    assert found.quote_units_per_tick_lot == 1_000  # 0.01 x 0.00001 USDT at 10 decimals
    assert found.max_quantity_lots == 100_000_000
    assert found.reference_price_ticks == 6_100_000
    assert found.max_price_ticks * found.max_quantity_lots <= 2**62


def test_lot_below_the_base_unit_is_refused_with_the_lot_that_is_right() -> None:
    problem = refusal(SPOT, assets=(USDT, replace(BTC, ledger_scale=4)))
    assert (problem.reason, problem.field, problem.value) == (
        "NOT_WHOLE_UNITS",
        "lot_size",
        "0.00001",
    )
    assert "ledger_scale 4" in problem.rule
    assert problem.right == "lot_size 0.0001 is right, or an asset with ledger_scale 5"


def test_tick_times_lot_below_the_quote_unit_is_refused() -> None:
    problem = refusal(SPOT, assets=(replace(USDT, ledger_scale=6), BTC))
    assert problem.reason == "NOT_WHOLE_UNITS"
    assert "tick_size 0.01 x lot_size is 0.0000001 USDT" in problem.rule
    assert problem.right == "lot_size 0.0001 is right, or an asset with ledger_scale 7"


@st.composite
def steps(draw: st.DrawFn) -> str:
    """A tick or lot with up to eight decimals."""
    scale = draw(st.integers(0, 8))
    return text(Fraction(draw(st.integers(1, 1_000)), 10**scale))


@given(tick=steps(), lot=steps(), base_scale=st.integers(0, 18), quote_scale=st.integers(0, 24))
def test_every_accepted_step_is_whole_units_and_every_refused_one_is_not(
    tick: str, lot: str, base_scale: int, quote_scale: int
) -> None:
    assets = (replace(USDT, ledger_scale=quote_scale), replace(BTC, ledger_scale=base_scale))
    terms = replace(TERMS, min_notional="0", max_quantity=lot, reference_price="")
    definition = replace(SPOT, tick_size=tick, lot_size=lot, terms=terms)
    problems = check(Catalog(), assets, [definition], markets=1)
    base, quote = exact(lot) * 10**base_scale, exact(tick) * exact(lot) * 10**quote_scale
    whole = base.denominator == 1 and quote.denominator == 1
    assert whole == (not any(p.reason == "NOT_WHOLE_UNITS" for p in problems))
    if not problems:
        found = units(definition, assets[1], assets[0])
        assert (found.base_units_per_lot, found.quote_units_per_tick_lot) == (base, quote)


@given(tick=steps(), lot=steps(), base_scale=st.integers(0, 18), quote_scale=st.integers(0, 18))
def test_the_lot_a_refusal_names_is_taken(
    tick: str, lot: str, base_scale: int, quote_scale: int
) -> None:
    assets = (replace(USDT, ledger_scale=quote_scale), replace(BTC, ledger_scale=base_scale))

    def refused_lots(lot_size: str) -> list[Fraction]:
        terms = replace(TERMS, min_notional="0", max_quantity=lot_size, reference_price="")
        definition = replace(SPOT, tick_size=tick, lot_size=lot_size, terms=terms)
        problems = check(Catalog(), assets, [definition], markets=1)
        refused = [p for p in problems if p.reason == "NOT_WHOLE_UNITS"]
        return [exact(p.right.split()[1]) for p in refused]

    named = refused_lots(lot)
    assert not named or refused_lots(text(max(named))) == []


@pytest.mark.parametrize(
    ("changed", "field", "reason", "right"),
    [
        (replace(TERMS, max_quantity="0.000015"), "max_quantity", "NOT_ON_STEP", "0.00001 or"),
        (replace(TERMS, reference_price="61000.005"), "reference_price", "NOT_ON_STEP", "61000 or"),
        (
            replace(TERMS, min_notional="0.00000000001"),
            "min_notional",
            "NOT_ON_STEP",
            "0.0000000001",
        ),
        (replace(TERMS, max_quantity="1e3"), "max_quantity", "INVALID_DECIMAL", '"0.01"'),
        (replace(TERMS, max_quantity="0"), "max_quantity", "INVALID_DECIMAL", '"0.01"'),
        (replace(TERMS, max_quantity="10000000000"), "max_quantity", "OUT_OF_RANGE", "at most "),
        (replace(TERMS, max_leverage=2), "max_leverage", "OUT_OF_RANGE", "the nearest is 1"),
        (replace(TERMS, collar_bps=0), "collar_bps", "OUT_OF_RANGE", "the nearest is 1"),
        (replace(TERMS, collar_bps=10_000), "collar_bps", "OUT_OF_RANGE", "the nearest is 9999"),
        (replace(TERMS, band_bps=-1), "band_bps", "OUT_OF_RANGE", "the nearest is 0"),
        (replace(TERMS, band_bps=10_000), "band_bps", "OUT_OF_RANGE", "the nearest is 9999"),
        (replace(TERMS, band_auction=True), "band_auction", "NO_BAND", "set band_bps"),
        (replace(TERMS, taker_fee_ppm=-1), "taker_fee_ppm", "OUT_OF_RANGE", "the nearest is 0"),
        (replace(TERMS, maker_fee_ppm=-2501), "maker_fee_ppm", "OUT_OF_RANGE", "-2500"),
    ],
)
def test_terms_out_of_bounds_are_refused_with_the_nearest_that_is_right(
    changed: object, field: str, reason: str, right: str
) -> None:
    problems = check(Catalog(), ASSETS, [replace(SPOT, terms=changed)], markets=1)  # type: ignore[arg-type]
    found = next(problem for problem in problems if problem.field == field)
    assert found.reason == reason
    assert right in found.right


@pytest.mark.parametrize(
    "symbol", ["BTCUSDT", "BTC-USDT-PERP", "USDT-BTC", "BTC-USDT-", "btc-usdt"]
)
def test_spot_symbol_that_does_not_name_its_assets_is_refused(symbol: str) -> None:
    problem = refusal(replace(SPOT, symbol=symbol))
    assert (problem.reason, problem.right) == ("INVALID_SYMBOL", "BTC-USDT is right")


def test_spot_symbol_may_have_a_suffix_beside_the_plain_one() -> None:
    second = replace(SPOT, id=100, symbol="BTC-USDT-REPLAY")
    assert check(CATALOG, [], [second], markets=1) == []


def test_perpetual_may_not_be_listed_or_wished_trading() -> None:
    problem = refusal(replace(PERPETUAL, initial_state=State.TRADING))
    assert problem.reason == "PERPETUAL_NOT_TRADABLE"
    listed = replace(LISTED, definition=PERPETUAL, wished_state=State.HALTED)
    wish = check_wish(listed, State.TRADING)
    assert wish is not None
    assert wish.reason == "PERPETUAL_NOT_TRADABLE"
    assert check_wish(listed, State.DELISTED) is None


def test_a_spot_market_may_open_with_an_auction_and_go_back_to_one() -> None:
    assert check(CATALOG, [], [replace(SPOT, initial_state=State.AUCTION)], markets=1) == []
    assert check_wish(LISTED, State.AUCTION) is None


@given(lots=st.integers(1, 10**16), tick=st.integers(1, 10**16))
def test_what_is_accepted_fits_the_engines_and_the_ledgers_numbers(lots: int, tick: int) -> None:
    terms = replace(
        TERMS,
        min_notional="0",
        max_quantity=text(Fraction(lots, 10**5)),
        reference_price=text(Fraction(tick, 100)),
    )
    definition = replace(SPOT, terms=terms)
    if check(Catalog(), ASSETS, [definition], markets=1):
        return
    found = units(definition, BTC, USDT)
    assert found.max_quantity_lots <= 10**15
    assert found.reference_price_ticks * 10 <= found.max_price_ticks <= 10**15
    assert found.max_price_ticks * found.max_quantity_lots < 2**63
    assert found.max_price_ticks * found.max_quantity_lots * 1_000 < 10**38


def test_delisted_instrument_never_comes_back() -> None:
    refused = check_wish(replace(LISTED, wished_state=State.DELISTED), State.TRADING)
    assert refused is not None
    assert refused.reason == "MARKET_DELISTED"


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("tick_size", replace(SPOT, tick_size="0.1")),
        ("lot_size", replace(SPOT, lot_size="0.0001")),
        ("symbol", replace(SPOT, symbol="BTC-USDT-B")),
    ],
)
def test_what_the_log_depends_on_never_changes(field: str, changed: Definition) -> None:
    (problem,) = check(CATALOG, [], [changed], markets=1)
    assert (problem.reason, problem.field) == ("IMMUTABLE", field)
    assert "never changes" in problem.rule


def test_scale_and_symbol_of_an_asset_never_change_but_its_name_may() -> None:
    (scale,) = check(CATALOG, [replace(USDT, ledger_scale=12)], [], markets=1)
    assert (scale.reason, scale.field) == ("IMMUTABLE", "ledger_scale")
    problems = check(CATALOG, [replace(USDT, symbol="USDX")], [], markets=1)
    assert ("IMMUTABLE", "symbol") in {(p.reason, p.field) for p in problems}
    assert check(CATALOG, [replace(USDT, name="Tether USD")], [], markets=1) == []


def test_symbol_of_another_id_and_id_twice_are_refused() -> None:
    (taken,) = check(CATALOG, [], [replace(SPOT, id=5)], markets=1)
    assert (taken.reason, taken.right) == ("SYMBOL_TAKEN", "use id 4 or another symbol")
    twice = check(Catalog(), ASSETS, [SPOT, replace(SPOT, symbol="BTC-USDT-B")], markets=1)
    assert [problem.reason for problem in twice] == ["DUPLICATE"]


def test_market_without_an_engine_is_refused() -> None:
    problem = refusal(replace(SPOT, market=2))
    assert (problem.reason, problem.field) == ("UNKNOWN_MARKET", "market")
    assert problem.right == "1 to 1 is right; MESH_MARKETS adds more"
    assert check(Catalog(), ASSETS, [replace(SPOT, market=2)], markets=2) == []
    for wrong in (0, -1, 3):
        (problem,) = check(Catalog(), ASSETS, [replace(SPOT, market=wrong)], markets=2)
        assert problem.value == str(wrong)


def test_unknown_asset_is_refused_with_those_there_are() -> None:
    problem = refusal(replace(SPOT, symbol="XBT-USDT", base_asset="XBT"))
    assert (problem.reason, problem.field) == ("UNKNOWN_ASSET", "base_asset")
    assert problem.right == "one of BTC, USDT"


def test_all_problems_are_found_at_once() -> None:
    terms = replace(TERMS, max_leverage=0, collar_bps=0, min_notional="five")
    problems = check(Catalog(), ASSETS, [replace(SPOT, id=0, terms=terms)], markets=1)
    assert {problem.field for problem in problems} == {
        "id",
        "max_leverage",
        "collar_bps",
        "min_notional",
    }


def test_needless_zeros_are_the_same_decimal() -> None:
    written = replace(SPOT, tick_size="0.010", terms=replace(TERMS, max_quantity="1000.00"))
    assert canonical(written) == SPOT


def test_a_known_state_counts_as_status_and_an_unknown_one_is_halted() -> None:
    assert LISTED.status is State.HALTED
    known = Known(version=1, state=State.TRADING, state_version=1, sequence=7)
    assert replace(LISTED, known=known).status is State.TRADING
