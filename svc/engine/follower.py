"""A standby that follows the market's leader into a journal of its own, ready to go on from it.

Invariant: the journal holds a part of the leader's log, from its beginning or from a snapshot that
the leader gave, and the engine is where the journal ends; a place is answered as synced when all up
to it is on the disk here. What the journal holds and the leader's log does not is set aside: nobody
was ever told of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc

from svc.engine.feed import position_message
from svc.engine.folder import Folder, FolderLocked
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market, Taken
from svc.engine.roll import REPEATED, Leading, Roll
from svc.engine.snapshot import receive
from svc.engine.snapshot_keeper import SnapshotKeeper
from svc.engine.status import LogEnd, Position
from svc.kit.errors import from_rpc
from svc.kit.log import get_logger
from svc.kit.patience import Patience

T = TypeVar("T")
Open = Callable[[int, bytes], Market]
_Call = grpc.aio.StreamStreamCall[engine_pb2.FollowRequest, engine_pb2.FollowResponse]

LEADER_SILENT_S = 5.0
"""A leader that sends not even a sign of life for so long is called anew."""
_LOOK_S = 0.2
_DIVERGED = frozenset(("LOG_FOREIGN", "LOG_BEHIND_CONSUMER", "HASH_MISMATCH", "JOURNAL_DIVERGED"))
_TOO_OLD = frozenset(("EVENTS_NOT_RETAINED", "SEMANTIC_VERSION_PASSED"))

_log = get_logger("engine.follower")


class Follower:
    """Follows one market until it is stopped. For one event loop."""

    def __init__(
        self,
        market: int,
        folder: Folder,
        roll: Roll,
        instance: str,
        *,
        open_market: Open,
        peer: Callable[[str], grpc.aio.Channel],
        snapshot_commands: int,
    ) -> None:
        """`open_market` gets an epoch and the id that a log would begin with, and blocks.

        `peer` gives a channel to another engine by its address.
        """
        self._number = market
        self._folder = folder
        self._roll = roll
        self._instance = instance
        self._open_market = open_market
        self._peer = peer
        self._snapshot_commands = snapshot_commands
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"standby-{market}")
        self._patience = Patience(_log, "standby", market)
        self._is_failed = False
        self._opened: _Opened | None = None
        self.leader = ""
        """Where the leader was called last; empty when nobody leads."""

    async def run(self) -> None:
        """Follows whoever leads, until cancelled. Raises JournalError when that cannot go on."""
        while True:
            cause = ""
            try:
                leading = await self._roll.leading()
            except REPEATED as error:
                leading, cause = None, f"database away: {error!r}"
            self.leader = leading.address if leading is not None else ""
            if leading is not None and leading.holder != self._instance:
                try:
                    await self._follow(leading)
                except grpc.aio.AioRpcError as error:
                    cause = f"{error.code().name}: {error.details()}"
                except _LeaderSilentError:
                    cause = f"the leader at {leading.address} said nothing for {LEADER_SILENT_S} s"
                except JournalError:
                    self._is_failed = True
                    raise
            await asyncio.sleep(self._patience.failed(cause) if cause else _LOOK_S)

    async def take_over(self, epoch: int) -> tuple[Market, SnapshotKeeper] | None:
        """The market that was followed, to be led from here on; None when none was.

        `run` has ended. The folder is locked if there is a market. A snapshot may still be written;
        nobody waits for it.
        """
        opened = self._opened
        if opened is None:
            return None
        opened.keeping.cancel()
        await self._blocking(opened.market.begin_epoch, epoch)
        self._opened = None
        return opened.market, opened.snapshots

    async def close(self) -> None:
        """Leaves a snapshot and closes the journal, if one was followed into; `run` has ended."""
        await self._let_go(take_last=not self._is_failed)
        await asyncio.to_thread(self._executor.shutdown)

    async def _follow(self, leading: Leading) -> None:
        """Follows this leader until its stream ends. Raises AioRpcError, JournalError."""
        if leading.journal in {None, self._roll.journal} or leading.log_id is None:
            await self._let_go()  # it needs this folder, or is not ready yet
            return
        if self._opened is not None and self._opened.epoch != leading.epoch:
            await self._let_go()
        channel = self._peer(leading.address)
        stub = engine_pb2_grpc.EngineServiceStub(channel)
        try:
            while True:
                if self._opened is None:
                    self._opened = await self._open(leading.epoch, leading.log_id)
                if self._opened is None:
                    return
                refused = await self._streamed(stub, self._opened)
                if refused is None:
                    return
                if from_rpc(refused).reason in _TOO_OLD:
                    await self._begin_with_snapshot(stub, refused)
                else:
                    await self._drop_end(leading, self._opened, refused)
        finally:
            await channel.close()

    async def _open(self, epoch: int, log_id: bytes) -> _Opened | None:
        try:
            self._folder.lock()
        except FolderLocked:  # by another standby, which follows into it
            return None
        try:
            if not await self._blocking(self._folder.numbers):
                # A snapshot that was to begin a journal here, and the process ended before it did.
                await self._set_aside(self._folder.snapshots(), "no segment goes on from it")
            market = await self._blocking(self._open_market, epoch, log_id)
        except BaseException:
            self._folder.unlock()
            raise
        begin = market.begin_snapshot
        keeper = SnapshotKeeper(market, self._snapshot_commands)
        keeper.begin_by(lambda: self._blocking(begin))
        _log.info("standing_by", market=self._number, epoch=epoch)
        return _Opened(market, epoch, keeper)

    async def _let_go(self, *, take_last: bool = False) -> None:
        try:
            await self._close_market(take_last=take_last)
        finally:
            self._folder.unlock()

    async def _close_market(self, *, take_last: bool) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.keeping.cancel()
            await opened.snapshots.close(take_last=take_last)
            await self._blocking(opened.market.close)

    async def _begin_with_snapshot(
        self, stub: engine_pb2_grpc.EngineServiceAsyncStub, error: grpc.aio.AioRpcError
    ) -> None:
        """Begins where the leader's log does, in the place of a journal that ends before that."""
        if await self._roll.may_lead():
            raise error
        request = engine_pb2.FetchSnapshotRequest(market=self._number)
        parts = [response.part async for response in stub.FetchSnapshot(request)]
        try:
            await self._close_market(take_last=False)
            numbers = {*self._folder.numbers(), *self._folder.snapshots()}
            await self._set_aside(sorted(numbers), error.details() or "")
            await self._blocking(receive, self._folder, parts)
        finally:
            self._folder.unlock()
        _log.info("begun_with_snapshot", market=self._number, bytes=sum(map(len, parts)))

    async def _drop_end(
        self, leading: Leading, opened: _Opened, error: grpc.aio.AioRpcError
    ) -> None:
        """Takes the newest segments out of the log: what they end with is not the leader's."""
        if await self._roll.may_lead():
            raise error  # it lacks nothing: it is the leader that has to see that
        cause = error.details() or ""
        held = await self._blocking(opened.market.log_end)
        is_empty = held.time_ns == 0
        if is_empty == (held.position.log_id == leading.log_id):
            why = f"{cause}; to follow from the log's start, move {self._folder.path} away"
            raise JournalError("JOURNAL_FOREIGN", why)
        try:
            await self._close_market(take_last=False)
            numbers = await self._blocking(self._folder.numbers)
            # The one that was begun to follow, which is empty, and the one it goes on from.
            await self._set_aside(numbers[-2:], cause)
        finally:
            self._folder.unlock()

    async def _set_aside(self, numbers: Sequence[int], cause: str) -> None:
        # From the last: what is left at any time is a log.
        for number in reversed(numbers):
            await self._blocking(self._folder.set_aside, number)
            name = self._folder.file_name(number)
            _log.warning("segment_set_aside", market=self._number, file=name, cause=cause)

    async def _streamed(
        self, stub: engine_pb2_grpc.EngineServiceAsyncStub, opened: _Opened
    ) -> grpc.aio.AioRpcError | None:
        """Follows to its end; returns the leader's refusal of our journal, if there is one."""
        try:
            await self._stream(stub, opened)
        except grpc.aio.AioRpcError as error:
            if from_rpc(error).reason not in _DIVERGED | _TOO_OLD:
                raise
            return error.with_traceback(None)
        return None

    async def _stream(self, stub: engine_pb2_grpc.EngineServiceAsyncStub, opened: _Opened) -> None:
        opened.positions.clear()
        end = await self._blocking(opened.market.log_end)
        call = stub.Follow()
        try:
            await _write(call, self._hello(end, opened.epoch))
            while True:
                sent = await _read(call)
                if not isinstance(sent, engine_pb2.FollowResponse):
                    return
                await self._take(opened, sent, call)
        finally:
            call.cancel()

    def _hello(self, end: LogEnd, epoch: int) -> engine_pb2.FollowRequest:
        return engine_pb2.FollowRequest(
            hello=engine_pb2.FollowHello(
                market=self._number,
                journal=self._roll.journal,
                instance=self._instance,
                last_number=end.last_batch,
                last_digest=end.last_digest,
                time_unix_ns=end.time_ns,
                position=position_message(end.position),
                epoch=epoch,
            )
        )

    async def _take(self, opened: _Opened, sent: engine_pb2.FollowResponse, call: _Call) -> None:
        market = opened.market
        market.release(sent.released_sequence)
        taken = await self._blocking(_store, market, sent.frames)
        if sent.place:
            await _write(call, engine_pb2.FollowRequest(synced=sent.place))
        position, unsaved_commands = await self._blocking(_finish, market, taken)
        opened.snapshots.note(unsaved_commands)
        self._patience.worked()
        if sent.place and not (opened.positions and opened.positions[-1][0] == sent.place):
            opened.positions.append((sent.place, position))
        self._compare(opened, sent)

    def _compare(self, opened: _Opened, sent: engine_pb2.FollowResponse) -> None:
        """Refuses to go on when our engine made other events of the same commands."""
        positions = opened.positions
        while positions and positions[0][0] < sent.matched_place:
            positions.popleft()
        if positions and positions[0][0] == sent.matched_place:
            ours, theirs = positions[0][1], sent.matched
            if (ours.sequence, ours.running_hash) != (theirs.sequence, theirs.running_hash):
                raise JournalError(
                    "REPLAY_DIVERGED",
                    f"the leader's events end at {theirs.sequence} with hash "
                    f"{theirs.running_hash:016x}, of the same commands ours end at "
                    f"{ours.sequence} with {ours.running_hash:016x}",
                )

    async def _blocking(self, work: Callable[..., T], *arguments: object) -> T:
        # What has begun is waited for even when the caller is cancelled: a batch is taken whole.
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._executor, work, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            with suppress(Exception):
                await running
            raise


class _Opened:
    """The market while it is followed."""

    def __init__(self, market: Market, epoch: int, snapshots: SnapshotKeeper) -> None:
        self.market = market
        self.epoch = epoch
        self.snapshots = snapshots
        self.keeping = asyncio.create_task(snapshots.keep())
        self.positions: deque[tuple[int, Position]] = deque()
        """Where our events ended at the places told last."""


class _LeaderSilentError(Exception):
    """It has sent not even a sign of life."""


async def _read(call: _Call) -> object:
    try:
        async with asyncio.timeout(LEADER_SILENT_S):
            return await call.read()
    except TimeoutError:
        raise _LeaderSilentError from None


async def _write(call: _Call, request: engine_pb2.FollowRequest) -> None:
    with suppress(asyncio.InvalidStateError):  # it is over: the next read says why
        await call.write(request)


def _store(market: Market, frames: bytes) -> Taken:
    taken = market.follow(frames)
    market.store(taken)
    return taken


def _finish(market: Market, taken: Taken) -> tuple[Position, int]:
    market.finish(taken)
    status = market.status()
    return status.position, status.unsaved_commands
