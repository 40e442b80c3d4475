"""engine.v1 on the wire: thin, for the market's writer and its feed do the work."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress

from engine.v1 import engine_pb2, engine_pb2_grpc, records_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from trading.v1 import trading_pb2

from svc.engine import wire
from svc.engine.feed import last_sequence, position_message, without_orders
from svc.engine.journal import Batch
from svc.engine.live_orders import live_orders
from svc.engine.market import Outcome
from svc.engine.records import SEMANTIC_VERSION
from svc.engine.snapshot import Covered
from svc.engine.standbys import Shipment, Standbys
from svc.engine.status import LogEnd, Position
from svc.engine.writer import MarketWriter
from svc.kit.call import Context
from svc.kit.clock import Clock
from svc.kit.errors import DomainError, failed_precondition, invalid, not_found, unavailable
from svc.kit.pipeline import Phase

HEARTBEAT_NS = 1_000_000_000
_MOST_IN_FLIGHT = 64
_ORDERS_A_PART = 4096
MOST_LEVELS = 10_000
"""Of either side of a book in one answer."""
_SNAPSHOT_PART_BYTES = 1 << 20


class EngineServicer(engine_pb2_grpc.EngineServiceServicer):
    """Serves the markets that `lead` finds; it raises NOT_LEADER for one that is led elsewhere."""

    def __init__(self, lead: Callable[[int], MarketWriter], clock: Clock) -> None:
        self._lead = lead
        self._clock = clock

    async def Submit(
        self, request_iterator: AsyncIterator[engine_pb2.SubmitRequest], context: Context
    ) -> AsyncIterator[engine_pb2.SubmitResponse]:
        """See the contract."""
        hello = (await anext(request_iterator)).hello
        writer = self._lead(hello.market)
        applied = _position(hello.applied)
        await writer.check_relay(hello.highest_number, applied)
        await writer.release(applied)
        status = await writer.status()
        yield engine_pb2.SubmitResponse(
            welcome=engine_pb2.Welcome(
                last_number=status.last_batch,
                position=writer.position(),
                covered_number=status.covered.last_batch,
            )
        )
        async with aclosing(_in_order(writer, request_iterator)) as outcomes:
            async for outcome in outcomes:
                yield engine_pb2.SubmitResponse(done=_done(outcome, writer.covered_number))

    async def PlaceOrder(
        self, request: engine_pb2.PlaceOrderRequest, context: Context
    ) -> engine_pb2.PlaceOrderResponse:
        """See the contract."""
        command = records_pb2.Command(new_order=request.order)
        done = await self._submit_one(request.market, request.number, request.digest, command)
        return engine_pb2.PlaceOrderResponse(done=done)

    async def CancelOrder(
        self, request: engine_pb2.CancelOrderRequest, context: Context
    ) -> engine_pb2.CancelOrderResponse:
        """See the contract."""
        command = records_pb2.Command(cancel_order=request.cancel)
        done = await self._submit_one(request.market, request.number, request.digest, command)
        return engine_pb2.CancelOrderResponse(done=done)

    async def ReplaceOrder(
        self, request: engine_pb2.ReplaceOrderRequest, context: Context
    ) -> engine_pb2.ReplaceOrderResponse:
        """See the contract."""
        command = records_pb2.Command(replace_order=request.replace)
        done = await self._submit_one(request.market, request.number, request.digest, command)
        return engine_pb2.ReplaceOrderResponse(done=done)

    async def StreamEvents(
        self, request: engine_pb2.StreamEventsRequest, context: Context
    ) -> AsyncIterator[engine_pb2.StreamEventsResponse]:
        """See the contract."""
        writer = self._lead(request.market)
        await writer.check_position(_position(request.after))
        at = trading_pb2.LogPosition(
            log_id=writer.log_id,
            sequence=request.after.sequence,
            running_hash=request.after.running_hash,
        )
        told_ns = self._clock.monotonic_ns()
        while True:
            messages = writer.feed.after(at.sequence)
            if messages is None:
                messages = await writer.stored_after(at.sequence)
            for message in messages:
                at.sequence = last_sequence(message)
                at.running_hash = message.batch.running_hash
                if not request.instruments_only:
                    told_ns = self._clock.monotonic_ns()
                    yield message
                elif (wanted := without_orders(message)) is not None:
                    yield wanted
            wait_ns = told_ns + HEARTBEAT_NS - self._clock.monotonic_ns()
            if wait_ns <= 0:
                told_ns = self._clock.monotonic_ns()
                yield self._heartbeat(at)
            elif not messages:
                await _moved(writer, at.sequence, wait_ns)

    async def SnapshotOrders(
        self, request: engine_pb2.SnapshotOrdersRequest, context: Context
    ) -> AsyncIterator[engine_pb2.SnapshotOrdersResponse]:
        """See the contract."""
        snapshot = await self._lead(request.market).snapshot()
        part = engine_pb2.SnapshotOrdersResponse(
            position=position_message(snapshot.position),
            instruments=[
                engine_pb2.InstrumentState(
                    instrument_id=instrument_id,
                    version=version,
                    state=trading_pb2.MarketState.Value.Name(state),
                    last_price_ticks=last_price,
                    state_version=wish,
                )
                for instrument_id, (version, state, last_price, wish) in (
                    snapshot.instruments.items()
                )
            ],
        )
        for records in snapshot.orders.values():
            for order in live_orders(records):
                part.orders.append(order)
                if len(part.orders) == _ORDERS_A_PART:
                    yield part
                    part = engine_pb2.SnapshotOrdersResponse(position=part.position)
        yield part

    async def GetBook(
        self, request: engine_pb2.GetBookRequest, context: Context
    ) -> engine_pb2.GetBookResponse:
        """See the contract."""
        if request.depth > MOST_LEVELS:
            raise invalid(
                "DEPTH_TOO_GREAT",
                f"depth {request.depth} is above {MOST_LEVELS}; 1 to {MOST_LEVELS} levels are "
                "right, or 0 for all of a book that has no more",
                depth=str(request.depth),
            )
        writer = self._lead(request.market)
        try:
            book = await writer.levels(request.instrument_id, request.depth or MOST_LEVELS + 1)
        except KeyError:
            raise not_found(
                "UNKNOWN_INSTRUMENT",
                f"market {request.market} has no instrument {request.instrument_id}",
                instrument_id=str(request.instrument_id),
            ) from None
        deepest = max(len(book.bids), len(book.asks))
        if deepest > MOST_LEVELS:
            raise failed_precondition(
                "BOOK_TOO_DEEP",
                f"a side of instrument {request.instrument_id} has more than {MOST_LEVELS} levels: "
                f"ask for 1 to {MOST_LEVELS}, or for its orders with SnapshotOrders",
                instrument_id=str(request.instrument_id),
            )
        return engine_pb2.GetBookResponse(
            position=position_message(book.position),
            bids=[_level(*level) for level in book.bids],
            asks=[_level(*level) for level in book.asks],
        )

    async def Follow(
        self, request_iterator: AsyncIterator[engine_pb2.FollowRequest], context: Context
    ) -> AsyncIterator[engine_pb2.FollowResponse]:
        """See the contract."""
        hello = (await anext(request_iterator)).hello
        writer = self._lead(hello.market)
        standbys = writer.standbys
        if hello.epoch != writer.epoch:
            why = f"this leader has epoch {writer.epoch}, the standby follows {hello.epoch}"
            raise unavailable("EPOCH_PASSED", why, epoch=str(writer.epoch))
        position = _position(hello.position)
        end = LogEnd(hello.last_number, hello.last_digest, hello.time_unix_ns, position)
        synced = _synced(request_iterator, standbys)
        serving = standbys.serve(hello.journal, hello.instance, end, synced)
        async with aclosing(serving) as shipments:
            async for shipment in shipments:
                yield _follow_response(shipment)

    async def FetchSnapshot(
        self, request: engine_pb2.FetchSnapshotRequest, context: Context
    ) -> AsyncIterator[engine_pb2.FetchSnapshotResponse]:
        """See the contract."""
        with await self._lead(request.market).open_snapshot() as file:
            while part := await asyncio.to_thread(file.read, _SNAPSHOT_PART_BYTES):
                yield engine_pb2.FetchSnapshotResponse(part=part)

    async def GetStatus(
        self, request: engine_pb2.GetStatusRequest, context: Context
    ) -> engine_pb2.GetStatusResponse:
        """See the contract."""
        writer = self._lead(request.market)
        if request.with_state_hash:
            status, state_hash = await writer.hashed_status()
        else:
            status, state_hash = await writer.status(), 0
        return engine_pb2.GetStatusResponse(
            last_number=status.last_batch,
            position=position_message(status.position),
            epoch=status.epoch,
            live_orders=status.live_orders,
            state_hash=state_hash,
        )

    async def TakeSnapshot(
        self, request: engine_pb2.TakeSnapshotRequest, context: Context
    ) -> engine_pb2.TakeSnapshotResponse:
        """See the contract."""
        writer = self._lead(request.market)
        covered = await writer.snapshots.take()
        return engine_pb2.TakeSnapshotResponse(covered=_cover(writer.log_id, covered))

    async def GetStatistics(
        self, request: engine_pb2.GetStatisticsRequest, context: Context
    ) -> engine_pb2.GetStatisticsResponse:
        """See the contract."""
        writer = self._lead(request.market)
        found = await writer.statistics()
        status = found.status
        return engine_pb2.GetStatisticsResponse(
            position=position_message(status.position),
            last_number=status.last_batch,
            epoch=status.epoch,
            time_unix_ns=status.time_ns,
            live_orders=status.live_orders,
            trades=found.trades,
            commands=found.commands,
            memory_bytes=found.memory_bytes,
            segments=found.segments,
            unsaved_commands=status.unsaved_commands,
            covered=_cover(writer.log_id, status.covered),
            semantic_version=SEMANTIC_VERSION,
            standbys=[
                engine_pb2.Standby(
                    journal=standby.journal,
                    instance=standby.instance,
                    in_sync=standby.is_in_sync,
                    unsynced_batches=standby.sent - standby.synced,
                )
                for standby in writer.standbys.attached()
            ],
        )

    async def _submit_one(
        self, market: int, number: int, digest: bytes, command: records_pb2.Command
    ) -> engine_pb2.BatchDone:
        batch = records_pb2.CommandBatch(
            market=market, number=number, digest=digest, commands=[command]
        )
        writer = self._lead(market)
        outcome = await writer.submit(_records(batch, market))
        return _done(outcome, writer.covered_number)

    def _heartbeat(self, at: trading_pb2.LogPosition) -> engine_pb2.StreamEventsResponse:
        now = Timestamp()
        now.FromNanoseconds(self._clock.unix_ns())
        beat = engine_pb2.Heartbeat(position=at, time=now)
        return engine_pb2.StreamEventsResponse(heartbeat=beat)


async def _in_order(
    writer: MarketWriter, requests: AsyncIterator[engine_pb2.SubmitRequest]
) -> AsyncGenerator[Outcome, None]:
    """Outcomes in the order of the requests, while later ones are read already."""
    in_flight: deque[asyncio.Task[Outcome]] = deque()
    room = asyncio.Semaphore(_MOST_IN_FLIGHT)
    arrived = asyncio.Event()

    async def read() -> None:
        async for request in requests:
            if request.WhichOneof("kind") == "applied":
                await writer.release(_position(request.applied))
                continue
            await room.acquire()
            batch = _records(request.batch, writer.number)
            in_flight.append(asyncio.create_task(writer.submit(batch)))
            arrived.set()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: arrived.set())
    try:
        while in_flight or not reader.done():
            if not in_flight:
                await arrived.wait()
                arrived.clear()
                continue
            yield await in_flight[0]
            in_flight.popleft()
            room.release()
        await reader
    finally:
        reader.cancel()
        for task in in_flight:
            task.cancel()
        await asyncio.gather(reader, *in_flight, return_exceptions=True)


async def _moved(writer: MarketWriter, sequence: int, wait_ns: int) -> None:
    """Return when there are events behind `sequence`, or the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_ns / 1_000_000_000):
            while writer.feed.sequence == sequence:
                await writer.feed.changed()


def _records(batch: records_pb2.CommandBatch, market: int) -> Batch:
    if batch.market != market:
        raise invalid(
            "WRONG_MARKET",
            f"batch {batch.number} is of market {batch.market}, the stream of market {market}",
            market=str(batch.market),
        )
    try:
        return Batch(batch.number, batch.digest, wire.pack_commands(batch))
    except wire.MalformedBatch as error:
        raise invalid("INVALID_BATCH", str(error), number=str(batch.number)) from None


def _position(position: trading_pb2.LogPosition) -> Position:
    try:
        log_id = bytes.fromhex(position.log_id)
    except ValueError:
        raise invalid(
            "INVALID_LOG_ID",
            f"log id {position.log_id!r} must be 32 hexadecimal digits, or empty",
            log_id=position.log_id,
        ) from None
    return Position(log_id, position.sequence, position.running_hash)


async def _synced(
    requests: AsyncIterator[engine_pb2.FollowRequest], standbys: Standbys
) -> AsyncIterator[int]:
    try:
        async for request in requests:
            yield request.synced
    except DomainError as error:
        if error.reason == Phase.STOPPED.value:
            standbys.leave()
        raise


def _follow_response(shipment: Shipment) -> engine_pb2.FollowResponse:
    matched = shipment.matched
    return engine_pb2.FollowResponse(
        frames=shipment.frames,
        place=shipment.place,
        matched_place=shipment.matched_place,
        matched=None if matched is None else position_message(matched),
        released_sequence=shipment.released_sequence,
    )


def _level(price_ticks: int, lots: int, orders: int) -> engine_pb2.BookLevel:
    return engine_pb2.BookLevel(price_ticks=price_ticks, lots=lots, orders=orders)


def _done(outcome: Outcome, covered_number: int) -> engine_pb2.BatchDone:
    return engine_pb2.BatchDone(
        number=outcome.number,
        sequence=outcome.sequence,
        duplicate=outcome.is_duplicate,
        covered_number=covered_number,
    )


def _cover(log_id: str, covered: Covered) -> engine_pb2.SnapshotCover:
    position = trading_pb2.LogPosition(
        log_id=log_id, sequence=covered.sequence, running_hash=covered.running_hash
    )
    return engine_pb2.SnapshotCover(
        segment=covered.segment, last_number=covered.last_batch, position=position
    )
