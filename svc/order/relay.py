"""Hands the outbox over to the log: every batch, in number order, each in the log once.

Keeps: nothing is handed to a log that contradicts the outbox or the applier; what the log has
already, it says. One leased holder at a time. At least once in the sending, once in the effect.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc, records_pb2

from svc.kit import outbox
from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED
from svc.kit.errors import from_rpc
from svc.kit.lease import Lease, LeaseLost
from svc.kit.log import get_logger
from svc.kit.patience import Patience
from svc.order import store
from svc.order.events import position_message
from svc.order.market import Market, Position, StopKind
from svc.order.metrics import Metrics
from svc.order.session import PASSING, Session
from svc.order.stopping import see
from svc.order.stops import StoppedError, stop_or_same

MOST_IN_FLIGHT = 64
"""Batches sent and not yet confirmed by the log."""
MOST_ROWS = 64
"""Batches read from the outbox at once."""
MOST_BYTES = 4 << 20
"""Bytes of them."""
POLL_S = 0.2
"""How often the outbox is read when nobody of this process has appended to it."""

FORGET_ROWS = 500
"""Batches deleted from the outbox in one statement."""
FORGET_PAUSE_S = 30.0
"""How often there is a look at whether more may be deleted, here and in the log."""

_log = get_logger("order.relay")


@dataclass(slots=True)
class _Window:
    """What was sent: up to which number, and when the batches that are not confirmed were made."""

    sent_number: int
    covered_number: int
    """Batches up to this are in a verified snapshot of the log."""
    room: asyncio.Semaphore
    made_ns: deque[tuple[int, int]]


class Relay:
    """Hands one market's batches over; `run` does so until it is cancelled."""

    def __init__(
        self,
        *,
        market: Market,
        lease: Lease,
        session: Session,
        forgetting: Session,
        engine: engine_pb2_grpc.EngineServiceAsyncStub,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._market = market
        self._lease = lease
        self._session = session
        self._forgetting = forgetting
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._patience = Patience(_log, "relay", market.id)

    async def run(self) -> None:
        """Holds the lease and hands over, until cancelled."""
        while True:
            await self._lease.acquire()
            try:
                while True:
                    await self._lead()
            except LeaseLost as error:
                _log.warning("relay_lost", market=self._market.id, error=str(error))

    async def close(self) -> None:
        """Gives the lease back; after `run` has ended."""
        await self._lease.release()
        await self._session.close()
        await self._forgetting.close()

    async def _lead(self) -> None:
        try:
            highest, applied = await self._begin()
            await self._market.until_resolved(StopKind.LOG)
            await self._converse(highest, applied)
            await asyncio.sleep(self._patience.failed("the engine ended the stream"))
        except StoppedError as error:
            await self._stop(error)
        except outbox.OutboxGapError as error:
            await self._stop(StoppedError(StopKind.LOG, "OUTBOX_GAP", str(error)))
        except grpc.aio.AioRpcError as error:
            await asyncio.sleep(self._patience.failed(str(from_rpc(error))))
        except (*DISCONNECTED, *PASSING) as error:
            await asyncio.sleep(self._patience.failed(repr(error)))

    async def _begin(self) -> tuple[int, Position]:
        """What the rows say at one moment under this lease."""
        as_of = self._market.stop_changes
        async with self._session.transaction() as conn:
            await self._lease.fence(conn)
            view = await store.view(conn, self._market.id)
        see(self._market, view, as_of)
        return view.outbox_number, view.position

    async def _converse(self, highest: int, applied: Position) -> None:
        """One conversation with the log: greets, then sends and hears until something fails."""
        call = self._engine.Submit()
        try:
            hello = engine_pb2.Hello(
                market=self._market.id, highest_number=highest, applied=position_message(applied)
            )
            with suppress(asyncio.InvalidStateError):  # over already: reading says why
                await call.write(engine_pb2.SubmitRequest(hello=hello))
            first = await call.read()
            if not isinstance(first, engine_pb2.SubmitResponse):
                return
            self._patience.worked()
            welcome = first.welcome
            self._market.handed_over(welcome.last_number, welcome.position.sequence)
            await self._send_and_hear(call, welcome)
        except grpc.aio.AioRpcError as error:
            raise stop_or_same(error) from error
        finally:
            call.cancel()

    async def _send_and_hear(self, call: _Call, welcome: engine_pb2.Welcome) -> None:
        room = asyncio.Semaphore(MOST_IN_FLIGHT)
        window = _Window(welcome.last_number, welcome.covered_number, room, deque())
        tasks = [
            asyncio.create_task(self._send_until_over(call, window)),
            asyncio.create_task(self._hear(call, window)),
            asyncio.create_task(self._forget(window)),
            asyncio.create_task(self._watch_lease()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_lease(self) -> None:
        await self._lease.lost.wait()
        raise LeaseLost(f"relay-{self._market.id}", self._lease.epoch, "another holder relays")

    async def _send_until_over(self, call: _Call, window: _Window) -> None:
        with suppress(asyncio.InvalidStateError):
            await self._send(call, window)
        await asyncio.Event().wait()  # whoever hears learns why it is over

    async def _send(self, call: _Call, window: _Window) -> None:
        told_ns = self._clock.monotonic_ns()
        while True:
            if self._clock.monotonic_ns() - told_ns >= FORGET_PAUSE_S * 1_000_000_000:
                told_ns = self._clock.monotonic_ns()
                applied = position_message(self._market.applied)
                await call.write(engine_pb2.SubmitRequest(applied=applied))
            self._market.appended.clear()
            async with self._session.reading() as conn:
                rows = await outbox.read_after(
                    conn, self._market.id, window.sent_number, MOST_ROWS, MOST_BYTES
                )
            for row in rows:
                await window.room.acquire()
                batch = records_pb2.CommandBatch.FromString(row.payload)
                batch.market, batch.number, batch.digest = self._market.id, row.number, row.digest
                window.made_ns.append((row.number, row.created_ns))
                window.sent_number = row.number
                await call.write(engine_pb2.SubmitRequest(batch=batch))
            if not rows or window.sent_number >= self._market.outbox_number:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._market.appended.wait()

    async def _hear(self, call: _Call, window: _Window) -> None:
        while True:
            response = await call.read()
            if not isinstance(response, engine_pb2.SubmitResponse):
                return
            done = response.done
            window.covered_number = done.covered_number
            now_ns = self._clock.unix_ns()
            while window.made_ns and window.made_ns[0][0] <= done.number:
                _, made_ns = window.made_ns.popleft()
                window.room.release()
                self._metrics.took("publish", max(0, now_ns - made_ns))
            self._market.handed_over(done.number, done.sequence)

    async def _forget(self, window: _Window) -> None:
        """Deletes what is settled and in a snapshot of the log, a little at a time."""
        while True:
            up_to = min(window.covered_number, self._market.settled_number)
            async with self._forgetting.reading() as conn:
                deleted = await outbox.forget(conn, self._market.id, up_to, FORGET_ROWS)
            if deleted < FORGET_ROWS:
                await asyncio.sleep(FORGET_PAUSE_S)

    async def _stop(self, error: StoppedError) -> None:
        """Hands nothing over any more, until an operator has resolved it."""
        _log.error("log_refused", market=self._market.id, reason=error.reason, cause=str(error))
        try:
            async with self._session.transaction() as conn:
                await self._lease.fence(conn)
                stop = await store.stop(conn, self._market.id, error.kind, error.reason, str(error))
        except DISCONNECTED as away:
            await asyncio.sleep(self._patience.failed(repr(away)))
        else:
            self._market.stopped(stop)


_Call = grpc.aio.StreamStreamCall[engine_pb2.SubmitRequest, engine_pb2.SubmitResponse]
