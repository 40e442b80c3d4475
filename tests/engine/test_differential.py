"""The engine against the reference: every event, and the whole state's hash behind each command."""

from __future__ import annotations

import pytest

from svc.engine.book import Engine, chain
from svc.engine.records import (
    CommandKind,
    EventKind,
    Reason,
    unpack_commands,
    unpack_events,
)
from svc.engine.reference import ReferenceEngine
from tests.engine.flows import AnyCommand, Flow
from tests.engine.seeds import soak_seeds

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
    "markets": {"ticks": 8, "markets": 20, "auctions": 12},
}
"""In the huge one prices times lots leave 64 bits."""

SIZES = (*[1] * 10, 2, 3, 8, 16)
STATE_EVERY = 1_000
SLICE_COMMANDS = 1_500
SOAK_COMMANDS = 60_000
MOST_UNKNOWN = 0.3
NAMING = {
    CommandKind.CANCEL,
    CommandKind.REPLACE,
    CommandKind.MOVE,
    CommandKind.REDUCE,
    CommandKind.CANCEL_REPLACE,
}


class Comparison:
    """The reference, and two engines: one gets whole batches, one each command by itself.

    Behind each command of the second all its events, the hash over the whole state and the next
    deadline are the reference's, behind each batch so are the first one's. Behind every thousandth
    command the records of the state and the levels are. A VERSION command begins one only where it
    stands alone, so a batch that has one is compared as a whole.
    """

    def __init__(self) -> None:
        self.reference, self.single, self.batched = ReferenceEngine(), Engine(), Engine()
        self.commands = self.named = self.unknown = 0

    def apply(self, commands: list[AnyCommand], time_ns: int) -> None:
        steps = [command.pack() for command in commands]
        whole = b"".join(steps)
        if not steps or any(command.kind == CommandKind.VERSION for command in commands):
            steps = [whole]
        events = b"".join(self._step(step, time_ns) for step in steps)
        assert bytes(self.batched.apply(whole, time_ns)) == events, commands
        assert self.batched.state_hash() == self.single.state_hash(), commands
        self._count(commands, events)

    def compare_states(self) -> None:
        assert self.single.state_records() == self.reference.state_records()
        assert self.single.state_hash() == self.reference.state_hash()
        for instrument_id in self.single.instruments():
            assert self.single.l2(instrument_id, 10) == self.reference.l2(instrument_id, 10)

    def _step(self, records: bytes, time_ns: int) -> bytes:
        expected = self.reference.apply(records, time_ns)
        made = bytes(self.single.apply(records, time_ns))
        assert made == expected, (
            unpack_commands(records), unpack_events(expected), unpack_events(made),
        )  # fmt: skip
        state = self.reference.state_records()
        assert self.single.state_hash() == chain(0, state), unpack_commands(records)
        assert self.single.next_deadline_ns == self.reference.next_deadline_ns
        return expected

    def _count(self, commands: list[AnyCommand], events: bytes) -> None:
        before = self.commands // STATE_EVERY
        self.commands += len(commands)
        if self.commands // STATE_EVERY > before:
            self.compare_states()
        self.named += sum(command.kind in NAMING for command in commands)
        self.unknown += sum(
            event.reason == Reason.UNKNOWN_ORDER and event.kind != EventKind.ORDER_REJECTED
            for event in unpack_events(events)
        )


def run_flow(flow: Flow, count: int) -> None:
    """Compares `count` commands, in batches of one and more, most of which find their order."""
    comparison = Comparison()
    comparison.apply(flow.opening(), flow.time_ns)
    while comparison.commands < count:
        for commands, time_ns in flow.batches(1, flow.random.choice(SIZES)):
            comparison.apply(commands, time_ns)
        flow.live = comparison.reference.live_order_ids()
    comparison.compare_states()
    assert comparison.unknown < MOST_UNKNOWN * comparison.named


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_random_flows_make_the_same_events_and_states(seed: int, shape: dict[str, int]) -> None:
    run_flow(Flow(seed, **shape), SLICE_COMMANDS)


@pytest.mark.soak
@pytest.mark.parametrize("seed", soak_seeds(42))
def test_long_random_flows_make_the_same_events_and_states(seed: int) -> None:
    shape = list(SHAPES.values())[seed % len(SHAPES)]
    run_flow(Flow(seed, **shape), SOAK_COMMANDS)
