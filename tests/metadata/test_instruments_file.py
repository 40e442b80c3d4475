"""The operator's file: the one we ship, and every mistake told with its line."""

from pathlib import Path

import pytest

import svc.metadata
from svc.metadata.catalog import Catalog, CatalogError, Kind, State
from svc.metadata.instruments_file import InstrumentsFileError, parse
from svc.metadata.rules import check

SHIPPED = (Path(svc.metadata.__file__).parent / "instruments.toml").read_text()


def mistakes(text: str) -> tuple[str, ...]:
    """Everything that is said about a wrong file; it must be wrong."""
    try:
        file = parse(text, "instruments.toml")
    except InstrumentsFileError as refused:
        return refused.mistakes
    problems = check(Catalog(), file.assets, file.instruments, markets=1)
    assert problems
    return file.refused(CatalogError(problems)).mistakes


def line_of(text: str, part: str) -> int:
    """The number of the first line with this part."""
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.spec("or-market-configs")
def test_shipped_file_lists_twelve_pairs_over_four_quotes_with_their_bounds() -> None:
    file = parse(SHIPPED, "instruments.toml")
    assert check(Catalog(), file.assets, file.instruments, markets=1) == []
    spot = [row for row in file.instruments if row.kind is Kind.SPOT]
    assert len(spot) == 12
    assert {row.quote_asset for row in spot} == {"USD", "USDT", "BRL", "BTC"}
    assert {row.initial_state for row in spot} == {State.TRADING}
    assert {row.terms.maker_fee_ppm for row in spot} == {1_500}
    assert {row.terms.taker_fee_ppm for row in spot} == {2_500}
    assert all(row.terms.reference_price for row in spot)
    (perpetual,) = set(file.instruments) - set(spot)
    assert (perpetual.symbol, perpetual.initial_state) == ("BTCUSDT-PERP", State.HALTED)


def test_what_is_not_toml_is_told_with_its_line() -> None:
    (mistake,) = mistakes("[[assets]\n")
    assert "line 1" in mistake


def test_misspelt_missing_and_mistyped_keys_are_all_told_with_their_lines() -> None:
    text = (
        SHIPPED.replace("collar_bps = 500", "colar_bps = 500")
        .replace('tick_size = "0.1"\n', "tick_size = 0.1\n")
        .replace("ledger_scale = 18", 'ledger_scale = "18"', 1)
    )
    found = mistakes(text)
    colar, price = line_of(text, "colar_bps"), line_of(text, "tick_size = 0.1\n")
    scale = line_of(text, 'ledger_scale = "18"')
    assert (
        f"line {colar}: instrument BTC-USD: colar_bps is no key; did you mean collar_bps?" in found
    )
    assert (
        f"line {price}: instrument BTCUSDT-PERP: tick_size is '0.1'; decimals are written as "
        'strings; "0.1" in quotes is right'
    ) in found
    assert any(f"line {scale}: asset ETH: ledger_scale is '18'" in mistake for mistake in found)
    assert sum("collar_bps is missing" in mistake for mistake in found) == 13


def test_rules_that_are_broken_are_told_with_line_and_instrument() -> None:
    text = SHIPPED.replace('reference_price = "341600"', 'reference_price = "341600.5"').replace(
        'symbol = "ETH-BTC"', 'symbol = "ETHBTC"'
    )
    reference, symbol = line_of(text, "341600.5"), line_of(text, '"ETHBTC"')
    first, second = mistakes(text)
    assert first == (
        f"line {reference}: instrument BTC-BRL: reference_price is '341600.5'; must be a multiple "
        "of tick_size 1; the nearest: 341600 or 341601"
    )
    assert second.startswith(f"line {symbol}: instrument ETHBTC: symbol is 'ETHBTC'; ")
    assert second.endswith("; ETH-BTC is right")


def test_mistake_in_the_defaults_is_told_once_at_its_line() -> None:
    text = SHIPPED.replace("collar_bps = 500", "collar_bps = 50000")
    (mistake,) = mistakes(text)
    assert mistake.startswith(f"line {line_of(text, 'collar_bps = 50000')}: ")


@pytest.mark.parametrize(
    "text", ["instrument = []", "assets = 3", "instruments = [7]", "defaults = 1\n[[instruments]]"]
)
def test_other_shapes_are_mistakes_not_crashes(text: str) -> None:
    assert mistakes(text)
