"""A standby believes its leader's commands, and compares what its own engine makes of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from engine.v1 import engine_pb2
from prometheus_client import CollectorRegistry
from trading.v1 import trading_pb2
from typing_extensions import Buffer

from svc.engine import follower as follower_module
from svc.engine.folder import Folder
from svc.engine.follower import Follower
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.roll import Leading, Roll
from svc.engine.snapshot_keeper import SnapshotKeeper
from svc.engine.status import LogEnd, Position
from svc.engine.writer import Figures, MarketWriter
from svc.kit.client import dial
from svc.kit.clock import FakeClock
from tests.engine.flows import START_NS
from tests.engine.lossy import LOG_ID, a_market, flow_batches
from tests.engine.test_servicer import NobodyElse, order

NO_LOG = LogEnd(0, b"", 0, Position(b"", 0, 0))


@dataclass
class FakeLeader:
    """Sends all that its market holds, and then where it says that the events end."""

    market: Market
    claims: Position
    synced: list[int] = field(default_factory=list)
    had: asyncio.Event = field(default_factory=asyncio.Event)

    def handler(self) -> grpc.GenericRpcHandler:
        """The one method of the service that it has."""
        follow = grpc.stream_stream_rpc_method_handler(
            self.follow,
            engine_pb2.FollowRequest.FromString,
            engine_pb2.FollowResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler("engine.v1.EngineService", {"Follow": follow})

    async def follow(
        self, request_iterator: AsyncIterator[engine_pb2.FollowRequest], context: object
    ) -> AsyncIterator[engine_pb2.FollowResponse]:
        hello = (await anext(request_iterator)).hello
        frames, _ = self.market.commands_from(self.market.place_behind(end_of(hello)), 1 << 20)
        yield engine_pb2.FollowResponse(frames=frames, place=7)
        self.synced.append((await anext(request_iterator)).synced)
        yield engine_pb2.FollowResponse(
            place=8,
            matched_place=7,
            matched=trading_pb2.LogPosition(
                log_id=self.claims.log_id.hex(),
                sequence=self.claims.sequence,
                running_hash=self.claims.running_hash,
            ),
        )
        self.synced.append((await anext(request_iterator)).synced)
        self.had.set()
        await asyncio.Event().wait()


def end_of(hello: engine_pb2.FollowHello) -> LogEnd:
    if not hello.last_number:
        return NO_LOG
    at = hello.position
    position = Position(bytes.fromhex(at.log_id), at.sequence, at.running_hash)
    return LogEnd(hello.last_number, hello.last_digest, hello.time_unix_ns, position)


@dataclass
class LedElsewhere:
    """A roll on which another journal leads, at this address."""

    address: str
    journal: str = "cd" * 16

    async def leading(self) -> Leading:
        return Leading("a", self.address, 1, "ab" * 16, LOG_ID)


class HeldFolder(Folder):
    """Its snapshots wait for the test before they are on the disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self._writing = threading.Lock()

    def save_snapshot(self, number: int, parts: Sequence[Buffer]) -> None:
        assert self._writing.acquire(blocking=False), "two snapshots are written at a time"
        self.begun.set()
        assert self.go_on.wait(60)
        super().save_snapshot(number, parts)
        self._writing.release()


@pytest.fixture
async def leader(tmp_path: Path) -> AsyncIterator[tuple[FakeLeader, Follower]]:
    """A leader with ten batches and a follower with none."""
    async with following(tmp_path, Folder(tmp_path / "follower")) as found:
        yield found


@asynccontextmanager
async def following(
    tmp_path: Path, folder: Folder, snapshot_commands: int = 1_000_000
) -> AsyncIterator[tuple[FakeLeader, Follower]]:
    for name in ("leader", "follower"):
        (tmp_path / name).mkdir()
    market = a_market(Folder(tmp_path / "leader"))
    market.submit(list(flow_batches(3, 10)))
    fake = FakeLeader(market, market.status().position)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((fake.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    follower = Follower(
        1, folder, cast("Roll", LedElsewhere(f"127.0.0.1:{port}")), "b",
        open_market=lambda epoch, _: a_market(folder, epoch=epoch), peer=dial,
        snapshot_commands=snapshot_commands,
    )  # fmt: skip
    yield fake, follower
    await follower.close()
    await server.stop(0)
    market.close()


async def taken_over(follower: Follower, epoch: int) -> Market:
    """The market, without its snapshots."""
    taken = await follower.take_over(epoch)
    assert taken is not None
    market, snapshots = taken
    await snapshots.close(take_last=False)
    return market


async def test_a_standby_has_what_it_says_and_goes_on_from_there(
    leader: tuple[FakeLeader, Follower],
) -> None:
    fake, follower = leader
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(60):
        await fake.had.wait()
    running.cancel()
    await asyncio.wait([running])
    assert fake.synced == [7, 8]
    market = await taken_over(follower, 5)
    assert market.log_end() == fake.market.log_end()
    assert market.status().epoch == 5
    market.close()


async def test_a_standby_whose_engine_makes_other_events_ends(
    leader: tuple[FakeLeader, Follower],
) -> None:
    fake, follower = leader
    told = fake.claims
    fake.claims = Position(told.log_id, told.sequence, told.running_hash ^ 1)
    with pytest.raises(JournalError, match="REPLAY_DIVERGED: the leader's events end at"):
        async with asyncio.timeout(60):
            await follower.run()


async def test_a_standby_that_is_cut_off_calls_again_and_goes_on(
    leader: tuple[FakeLeader, Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, follower = leader
    monkeypatch.setattr("svc.engine.follower.LEADER_SILENT_S", 0.3)
    running = asyncio.create_task(follower.run())
    while len(fake.synced) < 6:  # it is silent each time
        fake.had.clear()
        async with asyncio.timeout(60):
            await fake.had.wait()
    running.cancel()
    await asyncio.wait([running])
    market = await taken_over(follower, 2)
    assert market.log_end() == fake.market.log_end()
    market.close()


async def test_an_answer_that_cannot_be_given_does_not_make_it_forget_what_it_stored(
    leader: tuple[FakeLeader, Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, follower = leader
    written = follower_module._write  # noqa: SLF001
    failures = iter((True,))

    async def write(call: Any, request: engine_pb2.FollowRequest) -> None:
        if request.HasField("synced") and next(failures, False):
            details = "the connection is gone"
            empty = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, empty, empty, details)
        await written(call, request)

    monkeypatch.setattr(follower_module, "_write", write)
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(60):
        await fake.had.wait()
    running.cancel()
    await asyncio.wait([running])
    market = await taken_over(follower, 2)
    assert market.log_end() == fake.market.log_end()
    market.close()


async def taken_over_meanwhile(
    follower: Follower, folder: HeldFolder
) -> tuple[Market, SnapshotKeeper]:
    """What is taken over while a snapshot of it is written."""
    running = asyncio.create_task(follower.run())
    assert await asyncio.to_thread(folder.begun.wait, 60)
    running.cancel()
    await asyncio.wait([running])
    async with asyncio.timeout(30):
        taken = await follower.take_over(2)
    assert taken is not None
    return taken


async def test_a_market_is_led_while_a_snapshot_that_its_standby_began_is_written(
    tmp_path: Path,
) -> None:
    folder = HeldFolder(tmp_path / "follower")
    async with following(tmp_path, folder, snapshot_commands=1) as (_, follower):
        market, snapshots = await taken_over_meanwhile(follower, folder)
        failures: list[BaseException] = []
        writer = MarketWriter(
            market, FakeClock(START_NS), Figures(CollectorRegistry()), failures.append,
            lost=asyncio.Event(), snapshots=snapshots, roll=NobodyElse(),
            standbys_required=0, standby_patience_ns=0,
            retention_ns=0,
        )  # fmt: skip
        last = market.status().last_batch
        await writer.submit(order(last + 1))
        another = asyncio.create_task(writer.snapshots.take())
        await writer.submit(order(last + 2))
        assert folder.snapshots() == []
        folder.go_on.set()
        covered = await another
        assert covered.last_batch in {last + 1, last + 2}
        assert folder.snapshots()[-1] == covered.segment
        await writer.drain()
        await writer.close(take_last=False)
        assert failures == []
    assert not [left for left in threading.enumerate() if left.name.startswith("snapshot-")]


async def test_a_writer_that_stops_leaves_no_snapshot_that_its_standby_began_behind(
    tmp_path: Path,
) -> None:
    folder = HeldFolder(tmp_path / "follower")
    async with following(tmp_path, folder, snapshot_commands=1) as (_, follower):
        market, snapshots = await taken_over_meanwhile(follower, folder)
        closing = asyncio.create_task(snapshots.close(take_last=False))
        folder.go_on.set()
        await closing
        assert len(folder.snapshots()) == 1
        market.close()
    assert not [left for left in threading.enumerate() if left.name.startswith("snapshot-")]
