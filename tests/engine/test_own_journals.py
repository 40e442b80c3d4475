"""A standby with its own journal has all that ever left the leader, or does not lead."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
from contextlib import suppress

import grpc
import pytest
from engine.v1 import engine_pb2, engine_pb2_grpc

from svc.engine.folder import Folder
from svc.engine.opening import open_market
from svc.engine.recovery import Recovered, recover
from svc.kit.client import connect
from svc.kit.clock import FakeClock
from svc.kit.database import Target, open_database
from tests.engine.processes import (
    ORDERS,
    Engines,
    Running,
    acknowledged,
    assert_gapless,
    lease_epoch_is,
    standing_by,
)
from tests.engine.test_servicer import order as an_order

ALL = range(1, ORDERS + 1)


async def pair(start: Engines, **settings: str) -> tuple[Running, Running]:
    """A leader of these settings, and a standby that is in sync with it."""
    primary = await start("a", **settings)
    await primary.led()
    standby = await start("b", "second")
    await primary.has_in_sync("b")
    return primary, standby


async def go_on(engine: Running, before: Running, epoch: int) -> None:
    """Hands over what is missing to the engine that leads now; nothing acknowledged is missing."""
    status = await engine.led()
    assert status.epoch == epoch
    assert status.last_number >= max(before.acknowledged, default=0)
    await engine.submit(range(max(1, status.last_number - 5), ORDERS + 1))
    assert_gapless(await engine.events())


async def roll(url: str) -> int:
    """How many journals are on the market's roll."""
    database = await open_database(Target(url, "engine"))
    try:
        async with database.transaction() as conn:
            return int(await conn.fetchval("SELECT count(*) FROM journals WHERE market = 1"))
    finally:
        await database.close()


async def stopped(engine: Running) -> None:
    """Returns when it has stopped cleanly."""
    engine.process.terminate()
    assert await engine.process.wait() == 0


def recovered(folder: Folder) -> Recovered:
    """What a start would find there."""
    reports: list[str] = []
    return recover(folder, reports.append)


def assert_same_log(*folders: Folder) -> None:
    """Each holds the same batches and makes the same events of them, to the same state."""
    found = [recovered(folder) for folder in folders]
    ends = {
        (each.last_batch, each.last_digest, each.engine.sequence, each.engine.state_hash())
        for each in found
    }
    assert len(ends) == 1
    assert found[0].last_batch == ORDERS


@pytest.mark.parametrize("after", [1, 100])
async def test_a_standby_in_sync_takes_over_with_its_own_journal(
    start: Engines, after: int
) -> None:
    async with asyncio.timeout(90):
        primary, standby = await pair(start)
        submitting = asyncio.create_task(primary.submit(ALL))
        await acknowledged(primary, after)
        primary.process.kill()
        with suppress(grpc.aio.AioRpcError):
            await submitting
        await go_on(standby, primary, 2)


async def test_a_standby_that_comes_while_orders_come_misses_none(start: Engines) -> None:
    async with asyncio.timeout(90):
        primary = await start("a")
        await primary.led()
        submitting = asyncio.create_task(primary.submit(ALL))
        await acknowledged(primary, 50)
        standby = await start("b", "second")
        await primary.has_in_sync("b")
        await submitting
        await stopped(primary)
        assert (await standby.led()).last_number == ORDERS
        assert_gapless(await standby.events())
        await stopped(standby)
        assert_same_log(start.folder(), start.folder("second"))


async def test_a_leader_that_was_paused_tells_nothing_and_comes_back_as_a_standby(
    start: Engines, migrated_url: str
) -> None:
    async with asyncio.timeout(120):
        primary, standby = await pair(start)
        submitting = asyncio.create_task(primary.submit(ALL))
        await acknowledged(primary, 100)
        primary.process.send_signal(signal.SIGSTOP)
        await lease_epoch_is(migrated_url, 2)
        status = await standby.led()
        primary.process.send_signal(signal.SIGCONT)
        with suppress(grpc.aio.AioRpcError):
            await submitting
        assert await primary.process.wait() != 0
        assert max(primary.acknowledged) <= status.last_number
        again = await start("a")
        await standby.has_in_sync("a")
        await go_on(standby, primary, 2)
        standby.process.kill()
        await again.led()
        assert_gapless(await again.events())
        await stopped(again)
        assert_same_log(start.folder(), start.folder("second"))


async def test_a_journal_that_may_lack_something_never_leads(start: Engines) -> None:
    async with asyncio.timeout(90):
        primary = await start("a")
        await primary.led()
        await primary.submit(range(1, 101))
        primary.process.kill()
        await primary.process.wait()
        stranger = await start("b", "second")
        await stranger.said("journal_not_in_sync_waiting")
        again = await start("a")
        await again.has_in_sync("b")
        status = await again.status()
        assert (status.epoch, status.last_number) == (2, 100)
        await stopped(again)
        assert (await stranger.led()).last_number == 100


async def test_nothing_leaves_the_leader_that_a_standby_has_not_synced_or_was_struck_off_for(
    start: Engines, migrated_url: str
) -> None:
    async with asyncio.timeout(90):
        primary, standby = await pair(start, MESH_STANDBY_PATIENCE_MS="3000")
        assert await roll(migrated_url) == 2
        standby.process.send_signal(signal.SIGSTOP)
        await primary.submit([1])
        assert primary.acknowledged == [1]
        assert await roll(migrated_url) == 1
        standby.process.send_signal(signal.SIGCONT)
        await primary.has_in_sync("b")
        assert await roll(migrated_url) == 2
        primary.process.kill()
        await go_on(standby, primary, 2)


async def test_a_leader_that_must_have_a_standby_says_nothing_without_one(
    start: Engines, migrated_url: str
) -> None:
    async with asyncio.timeout(90):
        primary = await start("a", MESH_STANDBYS_REQUIRED="1")
        await primary.said("market_led")
        submitting = asyncio.create_task(primary.submit(ALL))
        assert await roll(migrated_url) == 1
        assert not primary.acknowledged
        standby = await start("b", "second")
        await acknowledged(primary, 1)
        assert await roll(migrated_url) == 2
        await submitting
        primary.process.kill()
        await go_on(standby, primary, 2)


async def test_what_only_a_dead_leader_holds_is_set_aside_when_it_comes_back(
    start: Engines,
) -> None:
    async with asyncio.timeout(90):
        primary, standby = await pair(start)
        await primary.submit(range(1, 101))
        primary.process.kill()
        await primary.process.wait()
        mine = open_market(
            start.folder(), market=1, epoch=1, new_log_id=secrets.token_bytes(16),
            clock=FakeClock(1 << 62), report=print,
        )  # fmt: skip
        mine.submit([an_order(101)])
        mine.close()
        await standby.led()
        await start("a")
        await standby.has_in_sync("a")
        aside = sorted(path.name for path in start.folder().path.glob("*.diverged-*"))
        assert aside
        assert all(".journal.diverged-" in name for name in aside)
        await standby.submit(range(95, ORDERS + 1))
        assert_gapless(await standby.events())
        await standby.has_in_sync("a")
        standby.process.kill()
        await standby.process.wait()
        assert_same_log(start.folder("second"))


async def test_two_standbys_follow_and_the_first_to_hold_the_lease_is_followed_by_the_other(
    start: Engines,
) -> None:
    async with asyncio.timeout(120):
        primary = await start("a")
        await primary.led()
        others = {name: await start(name, name) for name in ("b", "c")}
        await primary.has_in_sync("b", "c")
        await primary.submit(range(1, 101))
        primary.process.kill()
        leading = [asyncio.create_task(other.led(), name=name) for name, other in others.items()]
        done, waiting = await asyncio.wait(leading, return_when=asyncio.FIRST_COMPLETED)
        (leader,) = {task.get_name() for task in done}
        for task in waiting:
            task.cancel()
        (follower,) = set(others) - {leader}
        await others[leader].has_in_sync(follower)
        await standing_by(others[follower])
        await go_on(others[leader], primary, 2)
        others[leader].process.kill()
        await go_on(others[follower], others[leader], 3)


async def test_a_standby_elsewhere_leads_when_the_one_beside_the_leader_cannot(
    start: Engines, migrated_url: str
) -> None:
    async with asyncio.timeout(120):
        primary, elsewhere = await pair(start)
        await elsewhere.said("journal_not_in_sync_going_on")  # from here on it waits for the lease
        beside = await start("c")
        await standing_by(beside)
        submitting = asyncio.create_task(primary.submit(ALL))
        await acknowledged(primary, 100)
        primary.process.send_signal(signal.SIGSTOP)
        # So that it is the one beside it that gets the lease.
        elsewhere.process.send_signal(signal.SIGSTOP)
        await lease_epoch_is(migrated_url, 2)
        elsewhere.process.send_signal(signal.SIGCONT)
        await go_on(elsewhere, primary, 3)
        primary.process.kill()
        with suppress(grpc.aio.AioRpcError):
            await submitting
        await elsewhere.has_in_sync("c")
        elsewhere.process.kill()
        await beside.led()
        assert_gapless(await beside.events())


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "paused"])
async def test_callers_that_know_both_addresses_find_whoever_leads(
    start: Engines, end: signal.Signals
) -> None:
    async with asyncio.timeout(90):
        primary, standby = await pair(start)
        await standing_by(standby)
        target = f"ipv4:127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        async with connect(target, primary.identity) as channel:
            stub = engine_pb2_grpc.EngineServiceStub(channel)
            ask = engine_pb2.GetStatusRequest(market=1)
            assert (await stub.GetStatus(ask, timeout=30)).epoch == 1
            await primary.submit(range(1, 101))
            primary.process.send_signal(end)
            status = await stub.GetStatus(ask, timeout=60)
            assert (status.epoch, status.last_number) == (2, 100)


async def test_a_standby_that_was_struck_off_gives_the_lease_back(
    start: Engines, migrated_url: str
) -> None:
    async with asyncio.timeout(90):
        primary, standby = await pair(start, MESH_STANDBY_PATIENCE_MS="3000")
        await standby.said("journal_not_in_sync_going_on")  # from here on it waits for the lease
        standby.process.send_signal(signal.SIGSTOP)
        await primary.submit(range(1, 101))
        primary.process.kill()
        await primary.process.wait()
        standby.process.send_signal(signal.SIGCONT)
        await lease_epoch_is(migrated_url, 2)
        again = await start("a")
        await again.has_in_sync("b")
        status = await again.status()
        assert (status.epoch, status.last_number) == (3, 100)


async def test_a_journal_of_another_log_is_refused_and_left_as_it_is(start: Engines) -> None:
    async with asyncio.timeout(90):
        (start.folder("second").path).mkdir(parents=True)
        foreign = open_market(
            start.folder("second"), market=1, epoch=1, new_log_id=secrets.token_bytes(16),
            clock=FakeClock(1), report=print,
        )  # fmt: skip
        foreign.submit([an_order(1)])
        foreign.close()
        primary = await start("a")
        await primary.led()
        await primary.submit(range(1, 11))
        standby = await start("b", "second")
        assert await standby.process.wait() != 0
        assert "JOURNAL_FOREIGN" in standby.log.read_text()
        assert not list(start.folder("second").path.glob("*.diverged-*"))
        assert recovered(start.folder("second")).last_batch == 1


async def test_a_folder_in_which_nothing_but_a_log_was_begun_follows(start: Engines) -> None:
    async with asyncio.timeout(90):
        (start.folder("second").path).mkdir(parents=True)
        begun = open_market(
            start.folder("second"), market=1, epoch=1, new_log_id=secrets.token_bytes(16),
            clock=FakeClock(1), report=print,
        )  # fmt: skip
        begun.close()
        primary = await start("a")
        await primary.led()
        await primary.submit(range(1, 11))
        await start("b", "second")
        await primary.has_in_sync("b")


async def forgetful(engine: Running, folder: Folder) -> None:
    """Its log begins with a snapshot from here on; everything so far is said to be applied."""
    before = folder.numbers()[-1]
    for _ in range(3):
        await engine.snapshot(applied=True)
    assert folder.numbers()[0] > before


async def shortened(start: Engines) -> Running:
    """A leader of a hundred batches, of whose log only the end is there."""
    primary = await start("a", MESH_RETENTION_HOURS="0")
    await primary.led()
    await primary.submit(range(1, 101))
    await forgetful(primary, start.folder())
    return primary


async def test_a_standby_begins_with_a_snapshot_where_the_log_reaches_no_further_back(
    start: Engines,
) -> None:
    async with asyncio.timeout(90):
        primary = await shortened(start)
        standby = await start("b", "second")
        await primary.has_in_sync("b")
        assert start.folder("second").numbers()[0] == start.folder().numbers()[0]
        submitting = asyncio.create_task(primary.submit(range(101, ORDERS + 1)))
        await acknowledged(primary, 150)
        primary.process.kill()
        with suppress(grpc.aio.AioRpcError):
            await submitting
        status = await standby.led()
        assert status.last_number >= max(primary.acknowledged)
        await standby.submit(range(status.last_number, ORDERS + 1))
        await start("a")
        await standby.has_in_sync("a")
        await stopped(standby)
        assert_same_log(start.folder(), start.folder("second"))


async def test_a_standby_that_was_away_for_too_long_sets_its_journal_aside_and_begins_anew(
    start: Engines,
) -> None:
    async with asyncio.timeout(90):
        primary, standby = await pair(start, MESH_RETENTION_HOURS="0")
        await primary.submit(range(1, 51))
        standby.process.kill()
        await standby.process.wait()
        mine = start.folder("second")
        had = mine.numbers()
        await primary.submit(range(51, 101))
        await forgetful(primary, start.folder())
        await start("b", "second")
        await primary.has_in_sync("b")
        aside = {path.name.split(".")[0] for path in mine.path.glob("*.journal.diverged-*")}
        assert {f"{number:020d}" for number in had} <= aside
        await primary.submit(range(101, ORDERS + 1))
        await primary.has_in_sync("b")
        primary.process.kill()
        await primary.process.wait()
        assert_same_log(start.folder(), mine)


async def test_a_leader_that_says_nothing_without_a_standby_gives_one_its_snapshot(
    start: Engines,
) -> None:
    async with asyncio.timeout(90):
        primary = await shortened(start)
        await stopped(primary)
        again = await start("a", MESH_STANDBYS_REQUIRED="1")
        await again.said("market_led")
        standby = await start("b", "second")
        await again.submit(range(100, 151))
        again.process.kill()
        assert (await standby.led()).last_number == 150


async def test_a_snapshot_that_was_to_begin_a_journal_and_did_not_is_out_of_the_way(
    start: Engines,
) -> None:
    async with asyncio.timeout(90):
        primary = await shortened(start)
        mine = start.folder("second")
        mine.path.mkdir(parents=True)
        newest = start.folder().snapshot_name(start.folder().snapshots()[-1])
        shutil.copy(start.folder().path / newest, mine.path / newest)
        await start("b", "second")
        await primary.has_in_sync("b")


async def test_a_standby_lets_go_of_what_its_leader_lets_go_of(start: Engines) -> None:
    async with asyncio.timeout(90):
        primary, standby = await pair(start, MESH_RETENTION_HOURS="0")
        mine = start.folder("second")
        for first in (1, 101, 201):
            await primary.submit(range(first, first + 100))
            await primary.snapshot(applied=True)
            await stopped(standby)  # which leaves a snapshot
            standby = await start("b", "second")
            await primary.has_in_sync("b")
        assert len(mine.snapshots()) == 3
        assert mine.numbers()[0] == mine.snapshots()[0] > 1
        await stopped(primary)
        assert (await standby.led()).last_number == ORDERS
