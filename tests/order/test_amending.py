"""What an order would be after a replace, and each rule that refuses one."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from svc.kit.errors import DomainError
from svc.order import amending
from svc.order.amending import Standing
from svc.order.changes import Amended, Wanted
from svc.order.instrument import MarketState
from svc.order.lifecycle import LIVE, Status
from svc.order.terms import OrderType, Side
from tests.order.instruments import BTC_USDT, open_market

BUY = Standing(
    order_id=7, account_id=1, instrument_id=4, side=Side.BUY, type=OrderType.LIMIT,
    status=Status.PARTIALLY_FILLED, version=2, next_version=5, filled_lots=300,
    remaining_lots=700, price_ticks=6_000_000, cap_ticks=6_000_000, stop_ticks=0, display_lots=0,
    leverage=1, is_trailing=False, is_triggered=False, has_amount=False, maker_fee_ppm=10,
    taker_fee_ppm=20,
)  # fmt: skip
STOP = replace(
    BUY, type=OrderType.STOP_MARKET, price_ticks=0, cap_ticks=6_510_000, stop_ticks=6_200_000,
    filled_lots=0, remaining_lots=1_000, status=Status.ACCEPTED,
)  # fmt: skip


def amended(order: Standing = BUY, **wanted: str) -> Amended:
    """Give the order as it would be in an open market."""
    return amending.amend(Wanted(**wanted), order, BTC_USDT, open_market())  # type: ignore[arg-type]


def refused(order: Standing = BUY, **wanted: str) -> DomainError:
    """Give the error of a replace that must be refused."""
    with pytest.raises(DomainError) as error:
        amended(order, **wanted)
    return error.value


def test_what_is_held_for_is_what_works_and_not_the_total() -> None:
    found = amended(quantity="0.02", price="61000")
    assert (found.terms.lots, found.remaining_lots, found.new_lots) == (2_000, 1_700, 2_000)
    assert (found.new_price_ticks, found.cap_ticks, found.new_cap_ticks) == (
        6_100_000,
        6_100_000,
        0,
    )
    assert (found.maker_fee_ppm, found.taker_fee_ppm) == (10, 20)  # those it was accepted with


def test_the_version_is_one_that_nobody_has_asked_for() -> None:
    found = amended(quantity="0.02")
    assert (found.from_version, found.version) == (2, 5)


def test_what_is_not_asked_for_stays_and_the_command_leaves_it_alone() -> None:
    priced, sized = amended(price="59999.99"), amended(quantity="0.009")
    assert (priced.new_lots, priced.remaining_lots, priced.terms.lots) == (0, 700, 1_000)
    assert (sized.new_price_ticks, sized.cap_ticks, sized.remaining_lots) == (0, 6_000_000, 600)
    assert (priced.grows, sized.grows) == (True, False)  # risk weighs what may be worse
    assert amended(quantity="0.011").grows


def test_a_stop_market_order_gets_the_cap_of_its_new_trigger_and_else_keeps_its_own() -> None:
    moved = amended(STOP, stop_price="61000")
    assert (moved.new_stop_ticks, moved.cap_ticks, moved.new_cap_ticks) == (
        6_100_000,
        6_405_000,
        6_405_000,
    )
    sized = amended(STOP, quantity="0.02")
    assert (sized.new_stop_ticks, sized.new_cap_ticks) == (0, 6_510_000)


@pytest.mark.parametrize(
    ("order", "wanted", "reason", "metadata"),
    [
        (BUY, {}, "NOTHING_TO_CHANGE", {}),
        (BUY, {"price": "60000", "quantity": "0.01"}, "NOTHING_TO_CHANGE", {}),
        (
            BUY,
            {"quantity": "0.003"},
            "QUANTITY_NOT_ABOVE_FILLED",
            {"rule": "above 0.003", "nearestAbove": "0.00301"},
        ),
        (BUY, {"quantity": "0.001"}, "QUANTITY_NOT_ABOVE_FILLED", {"value": "0.001"}),
        (BUY, {"price": "60000.001"}, "PRICE_NOT_ON_TICK", {"nearestBelow": "60000"}),
        (BUY, {"quantity": "1000.00001"}, "QUANTITY_TOO_LARGE", {"nearestBelow": "1000"}),
        (BUY, {"stop_price": "61000"}, "STOP_PRICE_NOT_ALLOWED", {}),
        (
            replace(BUY, filled_lots=0),
            {"quantity": "0.00001"},
            "NOTIONAL_TOO_SMALL",
            {"nearestAbove": "0.00009"},
        ),
        (
            replace(BUY, display_lots=10),
            {"quantity": "0.02"},
            "QUANTITY_TOO_LARGE",
            {"nearestBelow": "0.01"},
        ),
        (STOP, {"price": "61000"}, "PRICE_NOT_ALLOWED", {"rule": "limit orders only"}),
        (replace(STOP, is_trailing=True), {"stop_price": "61000"}, "STOP_PRICE_NOT_ALLOWED", {}),
        (replace(STOP, is_triggered=True), {"stop_price": "61000"}, "STOP_TRIGGERED", {}),
        (replace(BUY, type=OrderType.MARKET), {"price": "1"}, "ORDER_NOT_REPLACEABLE", {}),
        (replace(BUY, has_amount=True), {"price": "1"}, "ORDER_NOT_REPLACEABLE", {}),
        (replace(BUY, status=Status.NEW), {"price": "1"}, "ORDER_NOT_ACCEPTED_YET", {}),
        (replace(BUY, status=Status.CANCEL_PENDING), {"price": "1"}, "CANCEL_UNDER_WAY", {}),
        (replace(BUY, status=Status.REPLACE_PENDING), {"price": "1"}, "REPLACE_UNDER_WAY", {}),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(
    order: Standing, wanted: dict[str, str], reason: str, metadata: dict[str, str]
) -> None:
    error = refused(order, **wanted)
    assert error.reason == reason
    assert metadata.items() <= error.metadata.items()


@pytest.mark.parametrize("status", [status for status in Status if status not in LIVE])
def test_an_order_that_has_ended_is_not_replaced(status: Status) -> None:
    error = refused(replace(BUY, status=status), price="1")
    assert (error.reason, error.metadata["status"]) == ("ORDER_NOT_LIVE", status.name)


def test_another_version_than_the_expected_one_is_a_conflict() -> None:
    for expected, reason in ((2, None), (1, "VERSION_CONFLICT"), (3, "VERSION_CONFLICT")):
        error = amending.refusal(7, Status.ACCEPTED, 2, expected)
        assert (error and error.reason) == reason
        if error is not None:
            assert error.code is grpc.StatusCode.ABORTED


@pytest.mark.parametrize("state", MarketState)
def test_a_market_that_takes_nothing_new_takes_no_change_and_the_others_do(
    state: MarketState,
) -> None:
    taken = (
        MarketState.TRADING, MarketState.LIMIT_ONLY, MarketState.POST_ONLY, MarketState.AUCTION,
    )  # fmt: skip
    wanted = Wanted(quantity="0.02")
    if state in taken:
        assert amending.amend(wanted, BUY, BTC_USDT, open_market(state)).new_lots == 2_000
        return
    with pytest.raises(DomainError, match="BTC-USDT"):
        amending.amend(wanted, BUY, BTC_USDT, open_market(state))
