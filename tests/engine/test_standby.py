"""Two engines on one journal: the standby takes over without losing or doubling anything."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import grpc
import pytest

from svc.engine.journal_reader import JournalError
from svc.engine.records import SEMANTIC_VERSION
from svc.engine.recovery import recover
from tests.engine.processes import (
    ORDERS,
    Engines,
    Running,
    acknowledged,
    assert_gapless,
    lease_epoch_is,
    nobody_leads,
    standing_by,
)


async def go_on(engine: Running, before: Running) -> None:
    """Hands over what is missing to the engine that leads now; nothing acknowledged is missing."""
    status = await engine.led()
    assert status.epoch > 1
    assert status.last_number >= max(before.acknowledged)
    await engine.submit(range(max(1, status.last_number - 5), ORDERS + 1))
    assert_gapless(await engine.events())


@pytest.mark.parametrize("after", [1, 100])
async def test_a_standby_takes_over_when_the_primary_is_killed(start: Engines, after: int) -> None:
    async with asyncio.timeout(90):
        primary = await start("a")
        await primary.led()
        standby = await start("b")
        await standing_by(standby)
        submitting = asyncio.create_task(primary.submit(range(1, ORDERS + 1)))
        await acknowledged(primary, after)
        primary.process.kill()
        with suppress(grpc.aio.AioRpcError):
            await submitting
        await go_on(standby, primary)


async def test_a_writer_that_was_paused_appends_nothing_that_its_successor_does_not_have(
    start: Engines, migrated_url: str
) -> None:
    async with asyncio.timeout(90):
        primary = await start("a")
        await primary.led()
        standby = await start("b")
        await standing_by(standby)
        submitting = asyncio.create_task(primary.submit(range(1, ORDERS + 1)))
        await acknowledged(primary, 100)
        primary.process.send_signal(signal.SIGSTOP)
        await lease_epoch_is(migrated_url, 2)
        await standing_by(standby)
        primary.process.send_signal(signal.SIGCONT)
        with suppress(grpc.aio.AioRpcError):
            await submitting
        assert await primary.process.wait() != 0
        await go_on(standby, primary)


async def test_a_journal_that_is_locked_costs_the_lease_until_it_is_free(
    start: Engines, migrated_url: str
) -> None:
    async with asyncio.timeout(90):
        primary = await start("a")
        await primary.led()
        standby = await start("b")
        await standing_by(standby)
        await primary.submit(range(1, 101))
        primary.process.send_signal(signal.SIGSTOP)
        await standby.said("lease_given_back")
        await nobody_leads(migrated_url)
        primary.process.kill()
        status = await standby.led()
        assert (status.epoch, status.last_number) == (3, 100)


async def test_a_clean_stop_leaves_a_snapshot_and_the_next_start_begins_with_it(
    start: Engines,
) -> None:
    async with asyncio.timeout(90):
        first = await start("a")
        await first.led()
        await first.submit(range(1, 101))
        first.process.terminate()
        assert await first.process.wait() == 0
        assert len(start.folder().snapshots()) == 1
        second = await start("b")
        assert (await second.led()).last_number == 100
        found = await second.statistics()
        assert (found.commands, found.live_orders) == (0, 99)
        assert found.covered.last_number == 100
        await second.submit(range(95, ORDERS + 1))
        assert_gapless(await second.events())


async def test_an_engine_ends_behind_a_later_version_and_leaves_the_snapshot_it_begins_with(
    start: Engines,
) -> None:
    async with asyncio.timeout(90):
        engine = await start("a")
        holds = (await engine.led()).last_number
        assert (await engine.statistics()).semantic_version == SEMANTIC_VERSION
        with pytest.raises(grpc.aio.AioRpcError):
            await engine.submit(range(1, ORDERS + 1), version_at=101)
        assert holds < max(engine.acknowledged, default=1) <= 100
        assert await engine.process.wait() != 0
        folder = start.folder()
        assert folder.snapshots() == folder.numbers()[-1:]
        with pytest.raises(JournalError, match=f"is of semantic version {SEMANTIC_VERSION + 1}"):
            recover(folder, print)
        again = await start("b")
        assert await again.process.wait() != 0
