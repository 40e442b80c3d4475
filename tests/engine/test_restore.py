"""The state's records are the whole state: what is restored from them goes on in the same way."""

import os
import random
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.engine.book import Engine, chain
from svc.engine.records import (
    Command,
    CommandKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    pack_commands,
)
from svc.engine.reference import ReferenceEngine
from svc.engine.reference_restore import RestoredEngine
from svc.engine.reference_rules import Book, Order
from tests.engine.flows import Flow
from tests.engine.seeds import soak_seeds

ROOT = Path(__file__).parents[2]
SHAPES: list[dict[str, int]] = [
    {},
    {"ticks": 4, "accounts": 3},
    {"ticks": 60, "lots": 200},
    {"markets": 30},
]

# Where each field of the engine's memory stands in the state's records (docs/journal.md), or what
# it is made from again. Whoever adds a field adds it here, to export.pxd and to restore.pxd.
STATE_FIELDS = {
    "Order": {
        "id": "ORDER 16", "account_id": "ORDER 24", "remaining": "ORDER 40",
        "cumulative": "ORDER 48", "cap": "ORDER 56", "version": "ORDER 12", "traits": "ORDER 1-5",
        "prev": "the records' order", "next": "the records' order", "level": "price and side",
        "extension": "ORDER 64-96",
    },
    "Extension": {
        "display": "ORDER 72", "visible": "ORDER 64", "heap_at": "the deadlines",
        "stop": "ORDER 80-104",
    },
    "Stop": {
        "trigger": "ORDER 80", "trail_offset": "ORDER 96", "price": "ORDER 32",
        "activation": "ORDER 104",
    },
    "Level": {
        "key": "ORDER 32, 56, 80 or 104", "total": "its orders",
        "head": "its orders", "tail": "its orders", "book": "ORDER 8",
        "leaf": "memory", "side": "ORDER 1, 2 and 64",
    },
    "Node": {
        "keys": "the levels", "slots": "the levels", "count": "the levels", "prev": "the levels",
        "next": "the levels", "low": "the levels", "high": "the levels", "marks": "the levels",
        "reserved": "nothing",
    },
    "Side": {
        "root": "the levels", "height": "the levels", "last": "the levels", "best": "the levels",
        "levels": "the levels", "finger": "memory",
    },
    "Book": {
        "instrument_id": "INSTRUMENT 8", "state": "INSTRUMENT 1", "perpetual": "INSTRUMENT 2",
        "band_auction": "INSTRUMENT 3", "indicated_price": "INSTRUMENT 72",
        "indicated_lots": "INSTRUMENT 80", "indicated_surplus": "INSTRUMENT 88",
        "indicated_at": "only inside a command", "buys_follow_at": "the orders",
        "reduce_only_keys": "the orders, at most",
        "sells_follow_at": "the orders",
        "version": "INSTRUMENT 12", "state_version": "INSTRUMENT 64",
        "max_quantity": "INSTRUMENT 16", "min_ticks": "INSTRUMENT 24",
        "max_ticks": "INSTRUMENT 32", "reference_price": "INSTRUMENT 40",
        "collar_bps": "INSTRUMENT 48", "band_bps": "INSTRUMENT 52", "last_price": "INSTRUMENT 56",
        "price_before": "only inside a command", "traded_high": "only inside a command",
        "traded_low": "only inside a command", "sides": "the orders",
    },
    "Membership": {"account_id": "GROUP 16", "group": "GROUP 24"},
    "Position": {
        "account_id": "POSITION 16", "lots": "POSITION 24", "instrument_id": "POSITION 8",
        "promised": "only inside a command",
    },
    "Deadline": {"expire_ns": "ORDER 88", "order": "memory"},
    "Guess": {
        "nodes_given": "memory", "key": "memory", "book": "memory", "side": "memory",
        "leaf": "memory", "old_level": "memory", "new_level": "memory",
    },
    "State": {
        "orders": "ORDER", "order_capacity": "memory", "order_high": "memory",
        "order_mark": "memory", "level_mark": "memory", "node_mark": "memory",
        "order_free": "memory", "live_orders": "MARKET 56", "map": "the orders",
        "map_bits": "memory", "map_mark": "memory", "next_map": "memory",
        "vacant": "only inside a command",
        "levels": "the orders", "level_capacity": "memory",
        "level_high": "memory", "level_free": "memory", "nodes": "the levels",
        "node_capacity": "memory", "node_high": "memory", "node_free": "memory",
        "nodes_given": "memory", "guesses": "memory",
        "extensions": "ORDER", "extension_capacity": "memory", "extension_high": "memory",
        "extension_free": "memory", "stops": "ORDER", "stop_capacity": "memory",
        "stop_high": "memory", "stop_free": "memory", "deadlines": "the orders",
        "deadline_capacity": "memory",
        "deadline_count": "the orders", "groups": "GROUP", "group_bits": "memory",
        "group_used": "memory", "group_count": "MARKET 64", "positions": "POSITION",
        "position_bits": "memory", "position_used": "memory", "position_count": "MARKET 72",
        "books": "INSTRUMENT", "book_capacity": "memory", "book_count": "MARKET 48",
        "book_of": "INSTRUMENT 8", "events": "only inside a batch",
        "event_capacity": "memory", "event_count": "only inside a batch", "sequence": "MARKET 16",
        "running_hash": "MARKET 24", "trade_number": "MARKET 40", "time_ns": "MARKET 32",
        "auctions": "the instruments' states", "commands": "of the object, not of the market",
        "semantic_version": "MARKET 8",
    },
}  # fmt: skip
REFERENCE_FIELDS = {
    Order: {
        "order_id", "account_id", "instrument_id", "side", "order_type", "tif", "flags",
        "stp_mode", "version", "price", "cap", "remaining", "display", "expire_ns", "trigger",
        "waits", "cumulative", "visible", "place", "trail", "activation",
    },
    Book: {
        "definition", "state", "state_version", "last_price", "bids", "asks", "buy_stops",
        "sell_stops", "trailing_buys", "trailing_sells", "sleeping_buys", "sleeping_sells",
        "market_buys", "market_sells", "indicated", "traded", "price_before",
        "positions",
    },
}  # fmt: skip


def test_every_field_of_the_engines_memory_is_in_the_records_or_made_from_them() -> None:
    declared = (ROOT / "svc" / "engine" / "state.pxd").read_text()
    found = {
        name: {re.split(r"[ *]+", line.split("[")[0])[-1] for line in body.strip().splitlines()}
        for name, body in re.findall(
            r"^cdef (?:packed )?struct (\w+):\n((?: {4}.*\n)+)", declared, re.MULTILINE
        )
    }
    assert found == {name: set(known) for name, known in STATE_FIELDS.items()}


def test_every_field_of_the_reference_is_known_to_its_restore() -> None:
    for kind, known in REFERENCE_FIELDS.items():
        assert {field.name for field in fields(kind)} == known


def both(commands: bytes, time_ns: int, *engines: Engine | ReferenceEngine) -> None:
    first, *others = [bytes(engine.apply(commands, time_ns)) for engine in engines]
    assert all(other == first for other in others)


def run_restored_every(flow: Flow, batches: int, size: int, every: int) -> None:
    """Compares an engine that lives on with one, and a reference, that are restored again."""
    whole, again, reference = Engine(), Engine(), ReferenceEngine()
    both(pack_commands(flow.opening()), flow.time_ns, whole, again, reference)
    for number, (commands, time_ns) in enumerate(flow.batches(batches, size)):
        both(pack_commands(commands), time_ns, whole, again, reference)
        if number % every == 0:
            records = again.state_records()
            again, reference = Engine.restored(records), RestoredEngine(records)
            flow.live = reference.live_order_ids()
            assert again.state_records() == reference.state_records() == records
            assert again.state_hash() == chain(0, records) == whole.state_hash()
            assert again.next_deadline_ns == whole.next_deadline_ns
            assert again.trades == whole.trades
            for instrument_id in whole.instruments():
                assert again.l2(instrument_id, 50) == whole.l2(instrument_id, 50)
    assert again.running_hash == whole.running_hash
    assert again.state_hash() == reference.state_hash() == whole.state_hash()


@pytest.mark.parametrize("shape", SHAPES, ids=["plain", "narrow", "deep", "markets"])
@pytest.mark.parametrize("seed", range(3))
def test_a_restored_engine_and_reference_go_on_with_the_same_events(
    seed: int, shape: dict[str, int]
) -> None:
    run_restored_every(Flow(2_000 + seed, **shape), batches=400, size=3, every=5)


@given(seed=st.integers(0, 2**32), size=st.integers(1, 6), every=st.integers(1, 12))
@settings(max_examples=15)
def test_any_flow_goes_on_after_any_restore(seed: int, size: int, every: int) -> None:
    run_restored_every(Flow(seed, ticks=6), batches=60, size=size, every=every)


@pytest.mark.soak
@pytest.mark.parametrize("seed", soak_seeds(40))
def test_long_flows_go_on_after_many_restores(seed: int) -> None:
    run_restored_every(Flow(seed, **SHAPES[seed % len(SHAPES)]), batches=20_000, size=2, every=97)


def test_a_deep_book_of_many_levels_comes_back_whole() -> None:
    draw, engine = random.Random(5), Engine()
    instrument = InstrumentCommand(1, 1, MarketState.TRADING, 1_000)
    orders = [
        Command(
            CommandKind.NEW, side=Side.BUY if at % 2 else Side.SELL, order_type=OrderType.LIMIT,
            tif=TimeInForce.GTC, stp_mode=SelfTradeMode.NONE, instrument_id=1, version=1,
            order_id=at, account_id=1, quantity_lots=at,
            price_ticks=draw.randint(1, 10**9) + (0 if at % 2 else 10**12),
        )
        for at in range(1, 1_001)
    ]  # fmt: skip
    moves = [
        replace(order, kind=CommandKind.MOVE, price_ticks=order.price_ticks + 7)
        for order in draw.sample(orders, 500)
    ]
    engine.apply(pack_commands([instrument, *orders]), 1)
    restored = Engine.restored(engine.state_records())
    assert restored.live_orders == 1_000
    both(pack_commands(moves), 2, engine, restored)
    assert restored.state_records() == engine.state_records()


def test_records_that_are_no_state_are_refused_and_name_the_first_that_is_not() -> None:
    engine = Engine()
    engine.apply(pack_commands(Flow(1).opening()), 1)
    market, first, second = (engine.state_records()[at : at + 128] for at in (0, 128, 256))
    for bad, place in (
        (b"", 0),
        (first + second, 0),
        (market + first, 0),
        (market + first + first, 2),
        (market + first + b"\x09" + second[1:], 2),
        (market + first + second + bytes(5), 3),
    ):
        with pytest.raises(ValueError, match=rf"record {place} belongs to none"):
            Engine.restored(bad)


@given(draw=st.randoms(use_true_random=False), changes=st.integers(1, 6))
@settings(max_examples=60)
def test_altered_records_are_refused_or_make_a_state_that_can_be_looked_at(
    draw: random.Random, changes: int
) -> None:
    flow, engine = Flow(draw.randint(0, 99)), Engine()
    engine.apply(pack_commands(flow.opening()), flow.time_ns)
    for commands, time_ns in flow.batches(60, 3):
        engine.apply(pack_commands(commands), time_ns)
    records = bytearray(engine.state_records())
    for _ in range(changes):
        records[draw.randrange(len(records))] = draw.randint(0, 255)
    try:
        restored = Engine.restored(bytes(records))
    except ValueError:
        return
    assert len(restored.state_records()) == len(records)


PROGRAM = """
from svc.engine.book import Engine
from svc.engine.records import pack_commands
from tests.engine.flows import Flow
flow, engine = Flow(21), Engine()
engine.apply(pack_commands(flow.opening()), flow.time_ns)
for number, (commands, time_ns) in enumerate(flow.batches(2_000, 3)):
    engine.apply(pack_commands(commands), time_ns)
    if number % 50 == 0:
        engine = Engine.restored(engine.state_records())
print(engine.sequence, engine.running_hash, engine.state_hash())
"""


def outcome(program: str, hash_seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    return ran.stdout


def test_neither_restores_nor_the_hash_seed_change_anything() -> None:
    without = PROGRAM.replace("number % 50 == 0", "False")
    assert outcome(without, "0") == outcome(PROGRAM, "0")
    assert outcome(PROGRAM, "0") == outcome(PROGRAM, "1") == outcome(PROGRAM, "random")
