"""The tree of price levels against a sorted dictionary: deep, wide, swinging and emptied books."""

import random

import pytest

from svc.engine.book import Engine
from svc.engine.records import Side, pack_commands
from tests.engine.desk import BUY, Desk


def assert_levels(desk: Desk, expected: dict[int, int]) -> None:
    bids = [(price, lots, 1) for price, lots in sorted(expected.items(), reverse=True)]
    assert desk.engine.l2(1, 10**6)[0] == bids


def a_price(shape: str, step: int, draw: random.Random) -> int:
    if shape == "deepening":
        return 10**9 - step
    if shape == "rising":
        return step + 1
    if shape == "wide":
        return draw.randint(1, 10**12)
    return 10**6 + draw.randint(-400, 400) + (step // 500 % 7) * 100_000


@pytest.mark.parametrize("shape", ["deepening", "rising", "wide", "swinging"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_levels_come_and_go_like_in_a_sorted_dictionary(shape: str, keep: float) -> None:
    desk, draw = Desk(Engine()), random.Random(f"{shape}{keep}")
    by_id: dict[int, int] = {}
    taken: dict[int, int] = {}
    for step in range(6_000):
        price = a_price(shape, step, draw)
        if price not in taken:
            desk.new(step + 1, BUY, price, step + 1)
            taken[price] = step + 1
            by_id[step + 1] = price
        if by_id and draw.random() > keep:
            order_id = draw.choice(list(by_id)[:200])
            desk.cancel(order_id)
            del taken[by_id.pop(order_id)]
        if step % 1_000 == 0:
            assert_levels(desk, taken)
    assert_levels(desk, taken)
    for order_id in draw.sample(list(by_id), len(by_id)):
        desk.cancel(order_id)
    assert_levels(desk, {})


def test_memory_of_levels_that_are_gone_is_used_again() -> None:
    desk = Desk(Engine())
    for order_id in range(1, 3_000):
        desk.new(order_id, BUY, order_id, 1)
    for order_id in range(1, 3_000):
        desk.cancel(order_id)
    assert isinstance(desk.engine, Engine)
    reached = desk.engine.memory_bytes
    for order_id in range(1, 3_000):
        desk.new(order_id, BUY, 10**9 - order_id, 1)
    assert desk.engine.memory_bytes == reached


def test_a_view_of_events_stays_good_while_it_is_held() -> None:
    desk = Desk(Engine())
    held = desk.engine.apply(pack_commands([desk.order(1, Side.BUY, 100, 5)]), desk.time_ns)
    before = bytes(held)
    desk.new(2, BUY, 101, 5)
    assert bytes(held) == before
