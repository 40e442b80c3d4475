"""What a well-formed order asks for, and what may enter a market at a moment."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from order.v1 import order_pb2
from trading.v1 import trading_pb2

from svc.engine.reference_rules import bound
from svc.kit.decimals import format_steps, format_units
from svc.kit.errors import DomainError
from svc.order import admission, terms
from svc.order.asks import Terms
from svc.order.instrument import Instrument, MarketState
from svc.order.terms import OrderType, SelfTradeMode, Side, TimeInForce
from tests.bad_bodies import BadRequest
from tests.bad_requests import BAD_REQUESTS
from tests.order.instruments import BTC_PERPETUAL, BTC_USDT, open_market

NOW_NS = 1_767_225_600_000_000_000
LATER_NS = NOW_NS + 1

# What the servicer refuses before terms are read.
BY_THE_CONTRACT = ("INVALID_FIELD", "UNKNOWN_SYMBOL")


def request(**fields: object) -> order_pb2.CreateOrderRequest:
    good: dict[str, object] = {
        "symbol": "BTC-USDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": "0.01",
        "price": "61000",
    }
    return order_pb2.CreateOrderRequest(**(good | fields))  # type: ignore[arg-type]


def market(**fields: object) -> order_pb2.CreateOrderRequest:
    return request(**({"type": OrderType.MARKET, "price": ""} | fields))


def read(
    asked: order_pb2.CreateOrderRequest, instrument: Instrument = BTC_USDT, expires_ns: int = 0
) -> Terms:
    return terms.read(asked, instrument, expires_ns)


@pytest.mark.spec(
    "val-qty-positive",
    "val-qty-lot",
    "val-qty-max",
    "val-price-positive",
    "val-price-tick",
    "val-notional",
    "val-leverage",
    "val-tif-market",
    "val-gtd",
    "val-post-only",
    "val-reduce-only",
    "num-decimal-strings",
)
@pytest.mark.parametrize(
    "bad",
    [bad for bad in BAD_REQUESTS if bad.reason not in BY_THE_CONTRACT],
    ids=lambda bad: bad.name,
)
def test_a_bad_request_names_its_field_value_rule_and_nearest_valid_value(bad: BadRequest) -> None:
    asked = json_format.ParseDict(dict(bad.body), order_pb2.CreateOrderRequest())
    perpetual = asked.symbol == BTC_PERPETUAL.symbol
    instrument = BTC_PERPETUAL if perpetual else BTC_USDT
    condition = open_market(MarketState.HALTED if perpetual else MarketState.TRADING)
    expires_ns = asked.expires_at.ToNanoseconds() if asked.HasField("expires_at") else 0
    with pytest.raises(DomainError) as refused:
        admission.check(terms.read(asked, instrument, expires_ns), condition, NOW_NS)
    assert (refused.value.code, refused.value.reason) == (bad.code, bad.reason)
    assert bad.metadata.items() <= refused.value.metadata.items()
    for nearest in ("nearestBelow", "nearestAbove"):
        assert (nearest in refused.value.metadata) == (nearest in bad.metadata) or not bad.metadata


def test_the_nearest_valid_values_are_valid() -> None:
    for bad in BAD_REQUESTS:
        named = bad.metadata.get("field")
        if named not in ("quantity", "price", "quote_amount"):
            continue
        for nearest in ("nearestBelow", "nearestAbove"):
            if nearest in bad.metadata and bad.reason != "PRICE_NOT_POSITIVE":
                body = json_format.ParseDict(dict(bad.body), order_pb2.CreateOrderRequest())
                if bad.reason.startswith("QUANTITY") and nearest == "nearestAbove":
                    body.price = "600000"  # so that one lot is worth the smallest notional
                setattr(body, named, bad.metadata[nearest])
                assert read(body).instrument is BTC_USDT


@pytest.mark.spec("val-tif-limit")
def test_a_limit_order_counts_in_ticks_and_lots_and_is_good_till_canceled() -> None:
    found = read(request(quantity="0.010", price="61000.50"))
    assert (found.price_ticks, found.lots, found.time_in_force) == (6_100_050, 1_000, 1)
    assert (found.leverage, found.self_trade_mode) == (1, SelfTradeMode.NONE)
    assert admission.notional_units(found, found.price_ticks, 0) == 610_005 * 10**10 // 1_000
    for tif in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK):
        assert read(request(time_in_force=tif)).time_in_force == tif
    gtd = read(request(time_in_force=TimeInForce.GTD), expires_ns=LATER_NS)
    assert gtd.expires_at_unix_ns == LATER_NS


@pytest.mark.spec("val-tif-market", "tbl-price-null")
def test_a_market_order_is_immediate_or_cancel_and_has_no_price() -> None:
    found = read(market())
    assert (found.price_ticks, found.time_in_force) == (0, TimeInForce.IOC)
    assert read(market(time_in_force=TimeInForce.FOK)).time_in_force == TimeInForce.FOK


@pytest.mark.spec("os-market-sizing")
def test_a_market_buy_is_capped_a_collar_above_the_reference_and_a_sell_below_it() -> None:
    reference = 6_100_001
    assert admission.cap_ticks(read(market()), reference) == 6_405_001  # 6,405,001.05 down
    sell = read(market(side=Side.SELL))
    assert admission.cap_ticks(sell, reference) == 5_795_001  # 5,795,000.95 up
    whole = replace(BTC_USDT, collar_bps=10_000)
    assert admission.cap_ticks(read(market(side=Side.SELL), whole), reference) == 1
    assert admission.cap_ticks(read(request()), reference) == 6_100_000
    assert admission.cap_ticks(read(market()), 0) == 0


def stop(**fields: object) -> order_pb2.CreateOrderRequest:
    return market(**({"type": OrderType.STOP_MARKET, "stop_price": "62000"} | fields))


@pytest.mark.spec("tbl-stop-price")
def test_a_stop_counts_its_trigger_in_ticks_and_has_the_times_in_force_of_what_it_becomes() -> None:
    found = read(stop())
    assert (found.stop_ticks, found.price_ticks, found.lots) == (6_200_000, 0, 1_000)
    assert found.time_in_force == TimeInForce.IOC
    limited = read(stop(type=OrderType.STOP_LIMIT, price="61900.5"))
    assert (limited.stop_ticks, limited.price_ticks) == (6_200_000, 6_190_050)
    assert limited.time_in_force == TimeInForce.GTC
    assert admission.cap_ticks(limited, 6_100_000) == 6_190_050
    assert read(request()).stop_ticks == 0


@given(
    side=st.sampled_from(Side),
    stop_ticks=st.integers(1, 10**15),
    collar_bps=st.integers(1, 9_999),
    reference=st.integers(0, 10**15),
)
def test_a_stop_market_order_goes_as_far_from_its_trigger_as_the_engine_lets_it(
    side: Side, stop_ticks: int, collar_bps: int, reference: int
) -> None:
    instrument = replace(BTC_USDT, collar_bps=collar_bps, min_notional_tick_lots=1)
    text = format_steps(stop_ticks, instrument.tick)
    if stop_ticks > instrument.tick.limit:
        return
    found = read(stop(side=side, stop_price=text), instrument)
    cap = admission.cap_ticks(found, reference)
    exact = Fraction(stop_ticks) * (10_000 + (collar_bps if side == Side.BUY else -collar_bps))
    assert cap == (floor(exact / 10_000) if side == Side.BUY else ceil(exact / 10_000))
    assert cap == bound(side, stop_ticks, collar_bps)
    weighed = cap if side == Side.BUY else stop_ticks
    units = weighed * 1_000 * instrument.quote_units_per_tick_lot
    assert admission.notional_units(found, cap, reference) == units


def test_a_trailing_stop_has_a_distance_in_ticks_or_basis_points_and_may_sleep() -> None:
    by_offset = read(stop(trail_offset="100.5"))
    assert (by_offset.trail, by_offset.activation_ticks) == (10_050, 0)
    by_bps = read(stop(trail_bps=50, activation_price="61000"))
    assert (by_bps.trail, by_bps.activation_ticks) == (-50, 6_100_000)
    sell = read(stop(side=Side.SELL, stop_price="60000", trail_bps=1, activation_price="60000.01"))
    assert sell.activation_ticks == 6_000_001
    assert admission.cap_ticks(by_bps, 0) == 6_510_000  # from the first trigger
    assert admission.cap_ticks(sell, 0) == 5_700_000


def test_a_stop_below_the_smallest_notional_at_its_trigger_is_refused() -> None:
    with pytest.raises(DomainError) as refused:
        admission.cap_ticks(read(stop(quantity="0.00008")), 7_000_000)
    assert refused.value.metadata["nearestAbove"] == "0.00009"


def test_a_trigger_lies_within_the_market_s_prices() -> None:
    condition = replace(open_market(), min_price_ticks=100, max_price_ticks=6_199_999)
    with pytest.raises(DomainError) as refused:
        admission.check(read(stop()), condition, NOW_NS)
    assert refused.value.reason == "PRICE_OUT_OF_RANGE"
    assert refused.value.metadata["field"] == "stop_price"
    assert refused.value.metadata["nearestBelow"] == "61999.99"
    asleep = stop(stop_price="61000", trail_bps=5, activation_price="0.99")
    with pytest.raises(DomainError) as refused:
        admission.check(read(asleep), condition, NOW_NS)
    assert refused.value.metadata["field"] == "activation_price"


@given(lots=st.integers(1, 10**8), display_lots=st.integers(1, 10**8))
def test_an_iceberg_shows_at_most_all_of_it_and_at_least_a_hundredth(
    lots: int, display_lots: int
) -> None:
    instrument = replace(BTC_USDT, min_notional_tick_lots=1)
    asked = request(
        quantity=format_steps(lots, instrument.lot),
        display_quantity=format_steps(display_lots, instrument.lot),
    )
    if Fraction(lots, 100) <= display_lots <= lots:
        assert read(asked, instrument).display_lots == display_lots
        return
    with pytest.raises(DomainError) as refused:
        read(asked, instrument)
    nearest = {"nearestBelow", "nearestAbove"} & refused.value.metadata.keys()
    asked.display_quantity = refused.value.metadata[nearest.pop()]
    assert read(asked, instrument).display_lots in (lots, -(-lots // 100))


def test_the_reference_is_the_last_trade_else_what_operators_set() -> None:
    condition = open_market()
    assert admission.reference_ticks(BTC_USDT, condition) == 6_100_000
    condition.last_price_ticks = 5_900_000
    assert admission.reference_ticks(BTC_USDT, condition) == 5_900_000


def test_a_market_order_below_the_smallest_notional_at_the_reference_is_refused() -> None:
    with pytest.raises(DomainError) as refused:
        admission.cap_ticks(read(market(quantity="0.00008")), 6_100_000)
    assert refused.value.reason == "NOTIONAL_TOO_SMALL"
    assert refused.value.metadata["nearestAbove"] == "0.00009"


def by_amount(units: int, instrument: Instrument) -> Terms:
    """A market buy for an amount of the quote asset."""
    text = format_units(units, instrument.quote_scale)
    return read(market(quantity="", quote_amount=text), instrument)


def test_a_market_buy_by_amount_has_no_quantity_but_the_largest_and_is_not_too_small() -> None:
    found = by_amount(5 * 10**10, BTC_USDT)
    assert (found.by_amount, found.lots) == (True, BTC_USDT.max_quantity_lots)
    assert found.quote_units == 5 * 10**10
    assert admission.cap_ticks(found, 6_100_000) == 6_405_000
    assert not read(market()).by_amount


def test_a_fok_budget_buy_has_a_quantity_a_price_and_a_budget_for_all_of_it() -> None:
    found = read(request(time_in_force=TimeInForce.FOK_BUDGET, quote_amount="600"))
    assert (found.by_amount, found.lots, found.price_ticks) == (False, 1_000, 6_100_000)
    # 600 USDT are 5,985,037,406 tick x lots, 598.5037406 USDT, and 0.25 % of it, rounded down.
    assert admission.budget_tick_lots(found) == 5_985_037_406


def test_risk_weighs_a_market_sell_at_the_reference_and_a_buy_at_its_cap() -> None:
    lots_units = 1_000 * BTC_USDT.quote_units_per_tick_lot
    buy, sell = read(market()), read(market(side=Side.SELL))
    assert admission.notional_units(buy, 6_405_000, 6_100_000) == 6_405_000 * lots_units
    assert admission.notional_units(sell, 5_795_000, 6_100_000) == 6_100_000 * lots_units
    amount = by_amount(100 * 10**10, BTC_USDT)
    assert admission.notional_units(amount, 6_405_000, 6_100_000) == 100 * 10**10


@given(
    amount=st.integers(5 * 10**10, 461168601840 * 10**10),
    maker=st.integers(-5_000, 5_000),
    taker=st.integers(-5_000, 5_000),
)
def test_a_budget_and_its_fee_never_exceed_the_amount_held(
    amount: int, maker: int, taker: int
) -> None:
    instrument = replace(BTC_USDT, maker_fee_ppm=maker, taker_fee_ppm=taker)
    budget = admission.budget_tick_lots(by_amount(amount, instrument))
    rate, unit = max(maker, taker, 0), instrument.quote_units_per_tick_lot
    assert budget * unit * (1_000_000 + rate) <= amount * 1_000_000
    assert (budget + 1) * unit * (1_000_000 + rate) > amount * 1_000_000


@pytest.mark.parametrize(
    ("state", "asked", "reason"),
    [
        (MarketState.UNKNOWN, request(), "MARKET_NOT_OPEN"),
        (MarketState.CANCEL_ONLY, request(), "MARKET_CANCEL_ONLY"),
        (MarketState.HALTED, request(), "MARKET_HALTED"),
        (MarketState.DELISTED, request(), "MARKET_DELISTED"),
        (MarketState.POST_ONLY, request(), "MARKET_POST_ONLY"),
        (MarketState.LIMIT_ONLY, market(), "MARKET_LIMIT_ONLY"),
        (MarketState.AUCTION, market(time_in_force=TimeInForce.FOK), "MARKET_AUCTION"),
        (MarketState.AUCTION, request(post_only=True), "MARKET_AUCTION"),
        (MarketState.AUCTION, request(time_in_force=TimeInForce.IOC), "MARKET_AUCTION"),
    ],
)
def test_a_market_lets_through_only_what_its_state_allows(
    state: MarketState, asked: order_pb2.CreateOrderRequest, reason: str
) -> None:
    with pytest.raises(DomainError) as refused:
        admission.check(read(asked), open_market(state), NOW_NS)
    assert refused.value.reason == reason
    assert refused.value.metadata == {"symbol": "BTC-USDT", "state": state.name}


def test_self_trade_modes_and_post_only_reach_the_terms() -> None:
    asked = request(post_only=True, self_trade_mode=SelfTradeMode.CANCEL_BOTH)
    assert read(asked).post_only
    assert read(asked).self_trade_mode == SelfTradeMode.CANCEL_BOTH


def test_orders_that_rest_enter_a_limit_only_market_and_an_auction() -> None:
    for state in (MarketState.TRADING, MarketState.LIMIT_ONLY, MarketState.AUCTION):
        admission.check(read(request()), open_market(state), NOW_NS)


@pytest.mark.spec("val-gtd")
def test_an_order_that_expires_now_has_expired() -> None:
    gtd = read(request(time_in_force=TimeInForce.GTD), expires_ns=NOW_NS)
    with pytest.raises(DomainError, match="future"):
        admission.check(gtd, open_market(), NOW_NS)
    admission.check(gtd, open_market(), NOW_NS - 1)


@pytest.mark.spec("val-leverage")
def test_a_perpetual_takes_leverage_up_to_its_own_and_reduce_only() -> None:
    asked = request(leverage=10, reduce_only=True)
    assert read(asked, BTC_PERPETUAL).leverage == 10
    with pytest.raises(DomainError, match="above the 10"):
        read(request(leverage=11), BTC_PERPETUAL)


def test_enumerations_have_the_numbers_of_the_contract() -> None:
    for ours, contract in (
        (Side, trading_pb2.Side.Value),
        (OrderType, trading_pb2.OrderType.Value),
        (TimeInForce, trading_pb2.TimeInForce.Value),
        (SelfTradeMode, trading_pb2.SelfTradeMode.Value),
    ):
        assert {m.name: int(m) for m in ours} | {"UNSPECIFIED": 0} == dict(contract.items())
    states = {m.name: int(m) for m in MarketState if m is not MarketState.UNKNOWN}
    assert states | {"UNSPECIFIED": 0} == dict(trading_pb2.MarketState.Value.items())
