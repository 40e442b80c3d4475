"""The differential slice catches each of the planted bugs, and nothing where there is none."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from svc.engine import book, reference_rules
from svc.engine.records import EventKind, OrderType, Reason, pack_commands, unpack_events
from svc.engine.reference import ReferenceEngine
from tests.engine.flows import Flow
from tests.engine.planted import (
    BUGS,
    LIE,
    SMALL_BOOK,
    SMALL_ORDERS,
    SWITCH,
    PlantedEngine,
    planted_engine,
)
from tests.engine.test_differential import SHAPES

SEEDS = range(5)
BATCHES = 1_500
HASH_EVERY = 50


@dataclass(frozen=True, slots=True)
class Step:
    """A batch and what the reference makes of it; `state_hash` is None where it is not looked at.

    `l2` is what is shown of the first instrument.
    """

    commands: bytes
    time_ns: int
    events: bytes
    state_hash: int | None
    l2: object


def recorded(flow: Flow) -> list[Step]:
    """A flow as the reference goes through it."""
    reference = ReferenceEngine()
    steps: list[Step] = []
    opening = (pack_commands(flow.opening()), flow.time_ns)
    rest = ((pack_commands(commands), at_ns) for commands, at_ns in flow.batches(BATCHES, 1))
    for records, time_ns in chain([opening], rest):
        events = reference.apply(records, time_ns)
        flow.live = reference.live_order_ids()
        state_hash = reference.state_hash() if len(steps) % HASH_EVERY == 0 else None
        steps.append(Step(records, time_ns, events, state_hash, reference.l2(1, 10)))
    return steps


@pytest.fixture(scope="session")
def recordings() -> list[list[Step]]:
    """The seeded slice, of every shape."""
    return [recorded(Flow(seed, **shape)) for seed in SEEDS for shape in SHAPES.values()]


@pytest.fixture(scope="session")
def planted() -> PlantedEngine:
    return planted_engine()


def steps_until_caught(planted: PlantedEngine, recordings: list[list[Step]]) -> int | None:
    """How many batches it takes until the engine differs from the reference; None: it does not."""
    done = 0
    for steps in recordings:
        engine = planted.module.Engine()
        for step in steps:
            done += 1
            events = bytes(engine.apply(step.commands, step.time_ns))
            if events != step.events or engine.l2(1, 10) != step.l2:
                return done
            if step.state_hash not in (None, engine.state_hash()):
                return done
    return None


@pytest.mark.parametrize("number", range(1, len(BUGS) + 1), ids=[bug.name for bug in BUGS])
def test_the_differential_slice_catches_that(
    planted: PlantedEngine, recordings: list[list[Step]], number: int
) -> None:
    planted.select(number)
    assert steps_until_caught(planted, recordings) is not None


def test_a_lie_in_an_event_alone_is_caught_though_the_book_is_right(
    planted: PlantedEngine, recordings: list[list[Step]]
) -> None:
    planted.select([bug.name for bug in BUGS].index(LIE) + 1)
    engine, steps = planted.module.Engine(), recordings[0]
    lies = sum(bytes(engine.apply(step.commands, step.time_ns)) != step.events for step in steps)
    assert lies > 0
    assert engine.l2(1, 10) == steps[-1].l2


def test_without_a_bug_the_planted_engine_is_the_reference(
    planted: PlantedEngine, recordings: list[list[Step]]
) -> None:
    planted.select(0)
    assert steps_until_caught(planted, recordings) is None


def test_a_market_that_is_full_refuses_every_kind_of_order_and_both_engines_say_so(
    planted: PlantedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_rules, "MAX_ORDERS", SMALL_ORDERS)
    planted.select(SMALL_BOOK)
    full = Counter[OrderType]()
    for seed in SEEDS:
        engine, reference = planted.module.Engine(), ReferenceEngine()
        flow = Flow(seed, weight_of_new=90, ticks=30)
        records = pack_commands(flow.opening())
        assert bytes(engine.apply(records, flow.time_ns)) == reference.apply(records, flow.time_ns)
        for commands, time_ns in flow.batches(BATCHES, 1):
            records = pack_commands(commands)
            events = reference.apply(records, time_ns)
            assert bytes(engine.apply(records, time_ns)) == events
            assert engine.live_orders <= SMALL_ORDERS
            flow.live = reference.live_order_ids()
            full += Counter(
                OrderType(event.order_type)
                for event in unpack_events(events)
                if event.kind == EventKind.ORDER_REJECTED and event.reason == Reason.BOOK_FULL
            )
        assert engine.state_hash() == reference.state_hash()
    assert set(full) == set(OrderType)


def test_there_are_at_least_twenty_bugs_and_no_two_are_the_same() -> None:
    assert len({(bug.file, bug.line, bug.wrong) for bug in BUGS}) == len(BUGS) >= 20
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_what_ships_has_neither_switch_nor_bug(planted: PlantedEngine) -> None:
    assert book.__file__ is not None
    assert SWITCH.encode() in planted.path.read_bytes()
    shipped = Path(book.__file__)
    assert SWITCH.encode() not in shipped.read_bytes()
    sources = [*shipped.parent.glob("*.pxd"), *shipped.parent.glob("*.pyx")]
    assert not [path for path in sources if re.search(r"\bplanted\b", path.read_text())]
