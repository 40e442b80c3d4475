"""What is refused for itself, and how a refusal says it."""

from __future__ import annotations

import pytest

from svc.wallet.asks import CreditAsk, Refusal
from svc.wallet.instruments import Asset, CatalogChangedError
from svc.wallet.ledger import Ledger
from svc.wallet.memory import BUY, SELL, HoldAsk, HoldKey, Memory
from tests.wallet.worlds import BTC, USDT, other, small_catalog

GOOD = HoldAsk(
    order_id=1,
    version=1,
    account_id=1,
    instrument_id=1,
    side=BUY,
    cap_ticks=10,
    lots=5,
    quote_amount=0,
    maker_ppm=1_000,
    taker_ppm=2_000,
)


@pytest.fixture
def ledger() -> Ledger:
    """Fund account 1 with 1,000 units of quote and of base."""
    made = Ledger(Memory(ledger=1), small_catalog())
    for asset in (USDT, BTC):
        made.credit(CreditAsk(asset.symbol, 1, asset.asset_id, 1_000, ""))
    return made


def refusal(result: int | Refusal) -> Refusal:
    """The refusal that it must be."""
    assert isinstance(result, Refusal)
    return result


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_id", 0),
        ("version", 0),
        ("account_id", 0),
        ("account_id", -2),
        ("side", 0),
        ("side", 3),
        ("cap_ticks", 0),
        ("lots", 0),
        ("lots", -1),
        ("quote_amount", -1),
        ("maker_ppm", 1_000_001),
        ("taker_ppm", -1_000_001),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused_with_its_field(
    ledger: Ledger, field: str, value: int
) -> None:
    found = refusal(ledger.lock(other(GOOD, **{field: value}), 1))
    assert found.reason == "INVALID_HOLD"
    assert found.metadata == {"field": field, "value": str(value)}
    assert found.message.startswith(f"{field} {value} must")


def test_a_sell_by_quote_amount_is_refused(ledger: Ledger) -> None:
    found = refusal(ledger.lock(other(GOOD, side=SELL, quote_amount=5), 1))
    assert found.metadata == {"field": "quote_amount", "value": "5"}


def test_a_sell_needs_no_cap(ledger: Ledger) -> None:
    assert ledger.lock(other(GOOD, side=SELL, cap_ticks=0), 1) == 35


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", 2),
        ("instrument_id", 2),
        ("side", SELL),
        ("maker_ppm", 999),
        ("taker_ppm", 2_001),
        ("quote_amount", 7),
    ],
)
def test_a_replace_changes_cap_and_quantity_alone(ledger: Ledger, field: str, value: int) -> None:
    ledger.lock(GOOD, 1)
    found = refusal(ledger.lock(other(GOOD, version=2, **{field: value}), 1))
    assert (found.reason, found.metadata["field"]) == ("INVALID_HOLD", field)


def test_one_replace_at_a_time(ledger: Ledger) -> None:
    assert ledger.lock(GOOD, 1) == 151
    assert ledger.lock(other(GOOD, version=2, lots=6), 1) == 32
    assert refusal(ledger.lock(other(GOOD, version=3), 1)).reason == "REPLACE_UNDER_WAY"
    assert ledger.unlock(HoldKey(1, 2)) == 32
    assert ledger.lock(other(GOOD, version=3), 1) == 0


def test_what_never_changes_of_an_asset_stops_the_ledger_when_it_does() -> None:
    catalog = small_catalog()
    with pytest.raises(CatalogChangedError):
        catalog.add([Asset(BTC.asset_id, "BTC", 9)], [])
