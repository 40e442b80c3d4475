"""Symbols as people type them."""

import pytest

from svc.kit.errors import DomainError
from svc.kit.symbols import SymbolIndex

INDEX = SymbolIndex(["BTC-USDT", "ETH-BTC", "A-BC", "AB-C"], ["BTCUSDT-PERP"])


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTC-USDT", "BTC-USDT"),
        ("btc-usdt", "BTC-USDT"),
        ("btcusdt", "BTC-USDT"),
        ("BTCUSDT-perp", "BTCUSDT-PERP"),
    ],
)
def test_any_case_and_spot_without_hyphen_are_understood(text: str, symbol: str) -> None:
    assert INDEX.resolve(text) == symbol


@pytest.mark.parametrize(
    ("text", "close"),
    [
        ("BTC-USTD", "BTC-USDT"),
        ("ethbtx", "ETH-BTC"),
        ("ABC", "A-BC,AB-C"),  # two spot symbols without their hyphens
        ("BTCUSDTPERP", "BTCUSDT-PERP"),  # a perpetual has no alias
        ("?", ""),
    ],
)
def test_unknown_symbol_names_close_matches(text: str, close: str) -> None:
    with pytest.raises(DomainError) as refused:
        INDEX.resolve(text)
    assert refused.value.reason == "UNKNOWN_SYMBOL"
    assert refused.value.metadata["value"] == text
    assert close in refused.value.metadata["close_matches"]
    assert bool(close) == bool(refused.value.metadata["close_matches"])
