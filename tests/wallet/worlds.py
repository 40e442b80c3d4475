"""Small worlds for tests of the ledger: three assets, two instruments, a few accounts."""

from __future__ import annotations

from svc.wallet.instruments import Asset, Catalog, Instrument
from svc.wallet.memory import HoldAsk

BTC = Asset(1, "BTC", 8)
ETH = Asset(2, "ETH", 18)
USDT = Asset(3, "USDT", 6)

BTC_USDT = Instrument(
    1, "BTC-USDT", perpetual=False, base=BTC, quote=USDT, base_units=7, quote_units=3
)
ETH_USDT = Instrument(
    2, "ETH-USDT", perpetual=False, base=ETH, quote=USDT, base_units=10**15, quote_units=10
)
BTC_PERP = Instrument(
    3, "BTCUSDT-PERP", perpetual=True, base=BTC, quote=USDT, base_units=1, quote_units=1
)

MARKET = 1
LOG = "0123456789abcdef0123456789abcdef"


def small_catalog() -> Catalog:
    """The catalog of the small world."""
    catalog = Catalog()
    catalog.add((BTC, ETH, USDT), (BTC_USDT, ETH_USDT, BTC_PERP))
    return catalog


_ASK_FIELDS = (
    "order_id", "version", "account_id", "instrument_id", "side", "cap_ticks", "lots",
    "quote_amount", "maker_ppm", "taker_ppm",
)  # fmt: skip


def other(ask: HoldAsk, **changed: int) -> HoldAsk:
    """The same ask with some of its fields changed."""
    return HoldAsk(**{name: getattr(ask, name) for name in _ASK_FIELDS} | changed)
