"""The newest batches of events as messages, shared by everybody who follows the market.

Invariant: what is kept is contiguous and ends at the newest event. A consumer that stands inside
it is served from here, one that stands before it from the journal, at its own pace; nobody is
buffered for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from engine.v1 import engine_pb2, records_pb2
from trading.v1 import trading_pb2

from svc.engine import wire
from svc.engine.journal import EventBatch
from svc.engine.status import Position

KEPT_EVENTS = 200_000
"""Events kept at least, if there were as many."""


def to_message(market: int, log_id: str, batch: EventBatch) -> engine_pb2.StreamEventsResponse:
    """What consumers get of a batch."""
    events = wire.unpack_events(batch.records)
    events.market = market
    events.log_id = log_id
    events.batch_number = batch.batch_number
    events.previous_hash = batch.previous_hash
    events.running_hash = batch.running_hash
    return engine_pb2.StreamEventsResponse(batch=events)


def position_message(position: Position) -> trading_pb2.LogPosition:
    """A position as it travels."""
    return trading_pb2.LogPosition(
        log_id=position.log_id.hex(),
        sequence=position.sequence,
        running_hash=position.running_hash,
    )


def last_sequence(message: engine_pb2.StreamEventsResponse) -> int:
    """Sequence of the last event of a batch, which has one at least."""
    return message.batch.events[-1].sequence


class Feed:
    """Newest batches, oldest first. For one event loop."""

    def __init__(self, sequence: int, running_hash: int) -> None:
        """Begins behind the event of that sequence."""
        self.sequence = sequence
        self.running_hash = running_hash
        self._kept: deque[tuple[int, engine_pb2.StreamEventsResponse]] = deque()
        self._kept_events = 0
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def publish(self, message: engine_pb2.StreamEventsResponse) -> None:
        """Add the batch that follows the newest and wake whoever waits."""
        events = message.batch.events
        assert events[0].sequence == self.sequence + 1, "batches are contiguous"
        self.sequence = last_sequence(message)
        self.running_hash = message.batch.running_hash
        self._kept.append((self.sequence, message))
        self._kept_events += len(events)
        while self._kept_events - len(self._kept[0][1].batch.events) >= KEPT_EVENTS:
            self._kept_events -= len(self._kept.popleft()[1].batch.events)
        self._changed.set_result(None)
        self._changed = asyncio.get_running_loop().create_future()

    def after(self, sequence: int) -> Sequence[engine_pb2.StreamEventsResponse] | None:
        """Batches behind `sequence`, a batch's end; None when some are no longer kept."""
        if sequence == self.sequence:
            return ()
        newest: list[engine_pb2.StreamEventsResponse] = []
        for last, message in reversed(self._kept):
            if last <= sequence:
                break
            newest.append(message)
        newest.reverse()
        if not newest or newest[0].batch.events[0].sequence != sequence + 1:
            return None
        return newest

    async def changed(self) -> None:
        """Wait for the next batch."""
        await asyncio.shield(self._changed)


def without_orders(
    message: engine_pb2.StreamEventsResponse,
) -> engine_pb2.StreamEventsResponse | None:
    """The same batch with its states and instruments alone; None when it has none of them."""
    kept = [event for event in message.batch.events if event.WhichOneof("kind") in _OF_MARKET]
    if not kept:
        return None
    batch = records_pb2.EventBatch(
        market=message.batch.market,
        log_id=message.batch.log_id,
        batch_number=message.batch.batch_number,
        previous_hash=message.batch.previous_hash,
        running_hash=message.batch.running_hash,
        events=kept,
    )
    return engine_pb2.StreamEventsResponse(batch=batch)


_OF_MARKET = frozenset(("state_changed", "instrument_changed"))
