"""The engine put together: lease, journal, recovery, writer, and who may ask it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import TypeVar

import grpc
from engine.v1 import engine_pb2_grpc

from svc.engine.config import EngineSettings
from svc.engine.folder import Folder, FolderLocked
from svc.engine.follower import Follower
from svc.engine.market import Market
from svc.engine.opening import open_market
from svc.engine.roll import Roll
from svc.engine.servicer import EngineServicer
from svc.engine.snapshot_keeper import SnapshotKeeper
from svc.engine.writer import Figures, MarketWriter
from svc.kit.errors import DomainError, not_leader, unavailable
from svc.kit.lease import Lease, LeaseLost
from svc.kit.log import get_logger
from svc.kit.runtime import Runtime
from svc.kit.service import Check, Service

LOG_ID_BYTES = 16
_LOCK_RETRY_S = 0.05
_LOCK_PATIENCE_S = 0.5
"""How long the lease is kept while another process has the journal: longer than one takes to die,
too short for anybody to miss who could lead instead."""
_HOUR_NS = 3_600_000_000_000

T = TypeVar("T")

log = get_logger("engine")


def create(runtime: Runtime) -> Service:
    """The engine's composition root."""
    return EngineService(runtime, EngineSettings.of(runtime.settings))


class EngineService:
    """The life of the engine; see kit.service.Service.

    It serves as a standby until the lease of its market is its own and the journal is read: beside
    the leader's journal it waits, with a journal of its own it follows (follower.py).
    """

    name = "engine"

    def __init__(self, runtime: Runtime, settings: EngineSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._market_id = runtime.market
        self._lease_name = f"market-{runtime.market}"
        self._figures = Figures(runtime.registry)
        self._folder = Folder(settings.journal_dir / f"market-{runtime.market}")
        self._lease: Lease | None = None
        self._follower: Follower | None = None
        self._writer: MarketWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._was_locked_out = False

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        servicer = EngineServicer(self._lead, self._runtime.clock)
        engine_pb2_grpc.add_EngineServiceServicer_to_server(servicer, server)

    async def start(self) -> None:
        """Stands by; takes the market over as soon as nobody else leads it."""
        self._folder.path.mkdir(mode=0o700, exist_ok=True)
        self._spawn(self._take_over())

    async def stop(self) -> None:
        """See Service."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._follower is not None:
            await self._follower.close()
        if self._writer is not None:
            await self._writer.drain()
        is_leading = self._lease is not None and not self._lease.lost.is_set()
        if self._lease is not None:
            await self._lease.release()  # a standby with a journal of its own need not wait
        if self._writer is not None:
            await self._writer.close(take_last=is_leading)
        self._folder.unlock()

    def checks(self) -> Mapping[str, Check]:
        """The market must be led here: a standby is alive, but nobody's orders go to it."""
        return {"market": self._check_market}

    async def _take_over(self) -> None:
        database = await self._runtime.database()
        lease = self._lease = Lease(
            database, self._lease_name, self._settings.instance, self._runtime.address
        )
        journal = await asyncio.to_thread(self._folder.identity)
        roll = Roll(database, lease, self._lease_name, self._market_id, journal)
        self._follower = follower = Follower(
            self._market_id,
            self._folder,
            roll,
            self._settings.instance,
            open_market=self._open,
            peer=self._runtime.peer,
            snapshot_commands=self._settings.snapshot_commands,
        )
        market, snapshots = await self._market(lease, roll, follower)
        try:
            await roll.lead(self._settings.instance, market.log_id)
        except BaseException:
            await snapshots.close(take_last=False)
            await asyncio.to_thread(market.close)
            raise
        self._writer = MarketWriter(
            market,
            self._runtime.clock,
            self._figures,
            self._runtime.fail,
            lost=lease.lost,
            snapshots=snapshots,
            roll=roll,
            standbys_required=self._settings.standbys_required,
            standby_patience_ns=self._settings.standby_patience_ms * 1_000_000,
            retention_ns=self._settings.retention_hours * _HOUR_NS,
        )
        self._spawn(self._writer.keep_time())
        self._spawn(self._writer.snapshots.keep())
        self._spawn(self._watch(lease))
        sequence = self._writer.feed.sequence
        log.info("market_led", market=self._market_id, epoch=lease.epoch, sequence=sequence)

    async def _market(
        self, lease: Lease, roll: Roll, follower: Follower
    ) -> tuple[Market, SnapshotKeeper]:
        """The market, once the lease and its journal are ours."""
        while True:
            epoch = await self._acquire(lease, roll, follower)
            followed = await follower.take_over(epoch)
            if followed is not None:
                return followed
            if await self._lock_folder():
                new_log_id = secrets.token_bytes(LOG_ID_BYTES)
                market = await asyncio.to_thread(self._open, epoch, new_log_id)
                return market, SnapshotKeeper(market, self._settings.snapshot_commands)
            # Whoever writes there hangs: another journal on the roll may lead meanwhile.
            await lease.release()
            log.warning(
                "lease_given_back", market=self._market_id, cause="the journal is still locked"
            )

    async def _acquire(self, lease: Lease, roll: Roll, follower: Follower) -> int:
        """Follows whoever leads until the lease is ours, and our journal lacks nothing."""
        following = asyncio.create_task(follower.run())
        try:
            while True:
                acquiring = asyncio.create_task(self._acquire_in_sync(lease, roll))
                try:
                    await asyncio.wait((following, acquiring), return_when=asyncio.FIRST_COMPLETED)
                    if following.done():
                        following.result()
                    if (epoch := await acquiring) is not None:
                        return epoch
                finally:
                    await _cancelled(acquiring)
        finally:
            await _cancelled(following)

    async def _acquire_in_sync(self, lease: Lease, roll: Roll) -> int | None:
        await roll.until_it_may_lead()
        await self._until_folder_may_be_had()
        epoch = await lease.acquire()
        # Whoever led before may have struck us off while we waited; under our epoch nobody can.
        if await roll.may_lead():
            return epoch
        await lease.release()
        return None

    async def _until_folder_may_be_had(self) -> None:
        # Only when it could not be had before. The first time the lease is taken all the same, so
        # that a writer that hangs finds it lost when it wakes, and ends.
        while True:
            if not (self._was_locked_out and self._folder.is_locked_elsewhere()):
                return
            await asyncio.sleep(_LOCK_RETRY_S)

    async def _lock_folder(self) -> bool:
        """Whether the journal is ours to write before patience is over."""
        # A writer that was paused has lost its lease, and the lock goes when its process does: it
        # may append until then, which is read afterwards, and nothing later.
        self._was_locked_out = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOCK_PATIENCE_S):
                while self._was_locked_out:
                    try:
                        self._folder.lock()
                        self._was_locked_out = False
                    except FolderLocked:
                        await asyncio.sleep(_LOCK_RETRY_S)
        return not self._was_locked_out

    def _open(self, epoch: int, new_log_id: bytes) -> Market:
        return open_market(
            self._folder,
            market=self._market_id,
            epoch=epoch,
            new_log_id=new_log_id,
            clock=self._runtime.clock,
            report=lambda sentence: log.warning("recovery_passed_over", detail=sentence),
            segment_bytes=self._settings.journal_segment_bytes,
        )

    async def _watch(self, held: Lease) -> None:
        await held.lost.wait()
        raise LeaseLost(self._lease_name, held.epoch, "another engine may lead")

    def _lead(self, market: int) -> MarketWriter:
        if market != self._market_id:
            raise unavailable(
                "UNKNOWN_MARKET", f"market {market} is not led here", market=str(market)
            )
        if self._writer is None:
            raise self._not_leader()
        return self._writer

    def _not_leader(self) -> DomainError:
        return not_leader(self._follower.leader if self._follower is not None else "")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._runtime.fail(error)

    async def _check_market(self) -> None:
        if self._writer is None:
            raise self._not_leader()


async def _cancelled(task: asyncio.Task[T]) -> None:
    """Returns when it has ended."""
    task.cancel()
    await asyncio.wait([task])
