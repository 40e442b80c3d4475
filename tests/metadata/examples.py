"""Assets and instruments that pass every rule, to change one value of in a test."""

from svc.metadata.catalog import Asset, Catalog, Definition, Kind, Listed, State, Terms

USDT = Asset(id=2, symbol="USDT", name="Tether", ledger_scale=10)
BTC = Asset(id=4, symbol="BTC", name="Bitcoin", ledger_scale=12)
ASSETS = (USDT, BTC)

TERMS = Terms(
    min_notional="5",
    max_quantity="1000",
    max_leverage=1,
    collar_bps=500,
    reference_price="61000",
    maker_fee_ppm=1500,
    taker_fee_ppm=2500,
)
SPOT = Definition(
    id=4,
    symbol="BTC-USDT",
    kind=Kind.SPOT,
    market=1,
    base_asset="BTC",
    quote_asset="USDT",
    tick_size="0.01",
    lot_size="0.00001",
    terms=TERMS,
    initial_state=State.TRADING,
)
PERPETUAL = Definition(
    id=13,
    symbol="BTCUSDT-PERP",
    kind=Kind.PERPETUAL,
    market=1,
    base_asset="BTC",
    quote_asset="USDT",
    tick_size="0.1",
    lot_size="0.001",
    terms=TERMS,
    initial_state=State.HALTED,
)
LISTED = Listed(SPOT, version=1, wished_state=State.TRADING, state_version=1, known=None)
CATALOG = Catalog({asset.id: asset for asset in ASSETS}, {SPOT.id: LISTED})
