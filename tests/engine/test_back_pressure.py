"""What a market holds for those who are faster, or slower, than it is has a bound."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from engine.v1 import engine_pb2, records_pb2
from prometheus_client import CollectorRegistry

from svc.engine.journal import Batch
from tests.engine.lossy import digest_of
from tests.engine.test_servicer import Led, definition, order

MOST_IN_FLIGHT = 64
MOST_WAITING = 256
MOST_IN_A_GROUP = 64
TURNS = 200
"""Of the event loop: as many as a reader without a bound would need for what it must not read."""


@pytest.fixture
async def led(tmp_path: Path) -> AsyncIterator[Led]:
    market = Led(tmp_path)
    await market.submit(definition(1))
    yield market
    await market.close()


def reduction(number: int) -> engine_pb2.SubmitRequest:
    """A batch of one command, which is refused: what it says does not matter here."""
    command = records_pb2.Command(
        reduce_order=records_pb2.ReduceOrder(order_id=number, quantity_lots=1)
    )
    batch = records_pb2.CommandBatch(
        market=1, number=number, digest=digest_of(bytes([number])), commands=[command]
    )
    return engine_pb2.SubmitRequest(batch=batch)


async def test_a_relay_whose_answers_nobody_reads_is_read_no_further_than_64_batches(
    led: Led,
) -> None:
    read: list[int] = []

    async def requests() -> AsyncIterator[engine_pb2.SubmitRequest]:
        yield engine_pb2.SubmitRequest(hello=engine_pb2.Hello(market=1, highest_number=1))
        for number in range(2, 202):
            read.append(number)
            yield reduction(number)

    answers = led.servicer.Submit(requests(), cast("Any", None))
    assert (await anext(answers)).HasField("welcome")
    assert (await anext(answers)).done.number == 2
    for _ in range(TURNS):
        await asyncio.sleep(0)
    # The first one has been answered and is not known to have arrived; one more has been read.
    assert len(read) == MOST_IN_FLIGHT + 1
    assert [each.done.number async for each in answers] == list(range(3, 202))


def figure(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(name, labels)
    assert found is not None
    return found


async def test_of_a_thousand_batches_at_once_256_wait_and_the_others_stand_in_line(
    led: Led,
) -> None:
    tasks = [asyncio.create_task(led.writer.submit(order(number))) for number in range(2, 1_002)]
    await asyncio.sleep(0)
    waiting = figure(led.registry, "engine_batches_waiting")
    assert waiting == MOST_WAITING
    while not tasks[-1].done():
        assert figure(led.registry, "engine_batches_waiting") <= MOST_WAITING
        await asyncio.sleep(0)
    assert [(await task).number for task in tasks] == list(range(2, 1_002))
    groups = figure(led.registry, "engine_group_batches_count")
    assert figure(led.registry, "engine_group_batches_bucket", le=f"{MOST_IN_A_GROUP}.0") == groups
    assert groups >= 1_000 // MOST_IN_A_GROUP


async def test_a_slow_reader_is_served_from_the_journal_and_misses_nothing(
    led: Led, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.engine.feed.KEPT_EVENTS", 10)
    stream = led.follow()
    first = (await anext(stream)).batch
    batches: list[Batch] = [order(number) for number in range(2, 300)]
    await led.submit(*batches)
    # What it needs next has been let go: nothing is kept for it.
    assert led.writer.feed.after(first.events[-1].sequence) is None
    told, running_hash = 1, first.running_hash
    while told < led.writer.feed.sequence:
        batch = (await anext(stream)).batch
        assert batch.previous_hash == running_hash
        assert [event.sequence for event in batch.events] == [told + 1]
        told, running_hash = batch.events[-1].sequence, batch.running_hash
    assert running_hash == led.writer.feed.running_hash
    assert told == 1 + len(batches)
