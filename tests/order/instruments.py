"""The instruments that the tests of orders trade, as metadata's file defines them."""

from __future__ import annotations

from dataclasses import replace

from svc.kit.decimals import Step
from svc.order.instrument import Condition, Instrument, MarketState

MAX_PRICE_TICKS = 2**62 // 100_000_000

BTC_USDT = Instrument(
    id=4,
    symbol="BTC-USDT",
    market=1,
    version=1,
    perpetual=False,
    base_asset="BTC",
    quote_asset="USDT",
    quote_scale=10,
    tick=Step.parse("0.01", MAX_PRICE_TICKS),
    lot=Step.parse("0.00001"),
    quote_units_per_tick_lot=1_000,
    min_notional="5",
    min_notional_tick_lots=50_000_000,
    max_quantity_lots=100_000_000,
    max_leverage=1,
    collar_bps=500,
    reference_price_ticks=6_100_000,
    maker_fee_ppm=1_500,
    taker_fee_ppm=2_500,
)

BTC_PERPETUAL = replace(
    BTC_USDT,
    id=13,
    symbol="BTCUSDT-PERP",
    perpetual=True,
    tick=Step.parse("0.1", MAX_PRICE_TICKS),
    lot=Step.parse("0.001"),
    quote_units_per_tick_lot=1_000_000,
    min_notional_tick_lots=50_000,
    max_quantity_lots=1_000_000,
    max_leverage=10,
    reference_price_ticks=610_000,
)


def open_market(state: MarketState = MarketState.TRADING) -> Condition:
    """The condition of a market that the engine knows."""
    return Condition(state=state, min_price_ticks=1, max_price_ticks=MAX_PRICE_TICKS)
