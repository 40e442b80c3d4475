"""The engine against the reference, command by command: every event, hash and state."""

import os

import pytest

from svc.engine.book import Engine
from svc.engine.records import EventKind, pack_commands, unpack_commands, unpack_events
from svc.engine.reference import ReferenceEngine
from tests.engine.flows import Flow

SHAPES: dict[str, dict[str, int]] = {
    "plain": {},
    "narrow": {"ticks": 4, "accounts": 3},
    "wide": {
        "price": 500_000_000_000,
        "ticks": 400_000_000_000,
        "accounts": 50,
        "weight_of_new": 150,
    },
    "huge": {"price": 400_000_000_000_000, "ticks": 3, "lots": 100_000},
    "colliding": {"ticks": 8, "colliding": 1},
    "calls": {"ticks": 8, "accounts": 4, "weight_of_new": 70, "auctions": 30},
}
"""In the huge one prices times lots leave 64 bits."""


def assert_same(engine: Engine, reference: ReferenceEngine, commands: bytes, time_ns: int) -> None:
    """Applies a batch to both and compares its events, and every order that they name."""
    expected = reference.apply(commands, time_ns)
    made = engine.apply(commands, time_ns)
    events = unpack_events(expected)
    assert bytes(made) == expected, (unpack_commands(commands), events, unpack_events(made))
    for order_id in {event.order_id for event in events} | {
        event.maker_order_id for event in events if event.kind == EventKind.TRADE
    }:
        assert engine.order(order_id) == reference.order(order_id)
    assert engine.running_hash == reference.running_hash
    assert engine.next_deadline_ns == reference.next_deadline_ns


def run_flow(flow: Flow, batches: int, size: int, state_every: int) -> None:
    engine, reference = Engine(), ReferenceEngine()
    assert_same(engine, reference, pack_commands(flow.opening()), flow.time_ns)
    for number, (commands, time_ns) in enumerate(flow.batches(batches, size)):
        assert_same(engine, reference, pack_commands(commands), time_ns)
        if number % state_every == 0:
            flow.live = reference.live_order_ids()
            assert engine.state_records() == reference.state_records()
            assert engine.state_hash() == reference.state_hash()
            assert engine.l2(1, 10) == reference.l2(1, 10)
    assert engine.state_hash() == reference.state_hash()
    assert engine.live_orders == reference.live_orders


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_random_flows_make_the_same_events_and_states(seed: int, shape: dict[str, int]) -> None:
    run_flow(Flow(seed, **shape), batches=1_500, size=1, state_every=7)


@pytest.mark.parametrize("seed", range(100, 103))
def test_the_cut_into_batches_does_not_matter_to_the_comparison(seed: int) -> None:
    run_flow(Flow(seed), batches=60, size=64, state_every=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_000 + int(os.environ.get("MESH_SOAK_SEEDS", "40"))))
def test_long_random_flows_make_the_same_events_and_states(seed: int) -> None:
    shape = list(SHAPES.values())[seed % len(SHAPES)]
    run_flow(Flow(seed, **shape), batches=25_000, size=2, state_every=1_000)
