"""What intake, relay and applier of one process know together about one market.

Keeps: it is a view of committed rows, moved forward only. Whoever commits tells it at once; what
another process commits arrives by the watcher's poll.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum

from svc.kit.errors import DomainError, unavailable
from svc.order.fresh import FreshOrders
from svc.order.instrument import Condition
from svc.order.unsettled import Unsettled


class StopKind(IntEnum):
    """Numbers of `order.v1.Stop.Kind`."""

    EVENT = 1
    LOG = 2


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a market takes no new orders (EVENT), or hands nothing over (LOG)."""

    kind: StopKind
    reason: str
    message: str
    since_unix_ns: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where a consumer of the event log stands; `batch_number` is the last one wholly behind it."""

    log_id: str = ""
    sequence: int = 0
    running_hash: int = 0
    batch_number: int = 0


def not_served(market: int) -> DomainError:
    """Refuses what only an instance that serves more markets can do."""
    return unavailable(
        "MARKET_NOT_SERVED",
        f"Market {market} is not served by this instance yet: MESH_MARKETS says how many are.",
        market=str(market),
    )


@dataclass(slots=True)
class Market:
    """One market's view. Numbers are those of command batches in the outbox."""

    id: int
    unsettled: Unsettled
    conditions: dict[int, Condition] = field(default_factory=dict)
    stops: dict[StopKind, Stop] = field(default_factory=dict)
    applied: Position = field(default_factory=Position)
    outbox_number: int = 0
    handed_over_number: int = 0
    settled_number: int = 0
    appended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be something to hand over."""
    changed_stops: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a stop may have been resolved."""
    fresh: FreshOrders = field(default_factory=FreshOrders)
    """Orders on their way from intake to the applier."""
    stop_changes: int = 0
    """Counts what this process has done to the stops: rows read meanwhile are out of date."""
    _log_sequence: int = 0

    @property
    def pending(self) -> int:
        """Batches of the outbox that are not known to be in the log."""
        known = max(self.handed_over_number, self.applied.batch_number)
        return max(0, self.outbox_number - known)

    def condition(self, instrument_id: int) -> Condition:
        """What the log has said of an instrument; UNKNOWN before it said anything."""
        return self.conditions.get(instrument_id) or Condition()

    def refusal(self) -> DomainError | None:
        """Why no new order may enter, whatever it is; None: it may. Cancels always may."""
        if not self.stops:
            return None
        stop = self.stops.get(StopKind.EVENT) or self.stops[StopKind.LOG]
        return unavailable(
            "MARKET_STOPPED",
            f"Market {self.id} takes no new orders until an operator has looked: {stop.reason}.",
            market=str(self.id),
            cause=stop.reason,
        )

    async def until_resolved(self, *kinds: StopKind) -> None:
        """Waits while a stop of one of the kinds is in force."""
        while any(kind in self.stops for kind in kinds):
            self.changed_stops.clear()
            await self.changed_stops.wait()

    def committed(self, number: int, orders: int) -> None:
        """Batch `number` with so many new orders has been committed to the outbox."""
        self.outbox_number = max(self.outbox_number, number)
        self.unsettled.committed(number, orders)
        self.appended.set()

    def see(
        self,
        applied: Position,
        conditions: dict[int, Condition],
        stops: dict[StopKind, Stop],
        outbox_number: int,
        as_of: int,
    ) -> None:
        """What the rows said at one moment, as far as it is not older than what is known.

        `as_of` is `stop_changes` from before the rows were read.
        """
        if applied.sequence >= self.applied.sequence:
            self.conditions |= conditions
            self.moved(applied)
        if outbox_number > self.outbox_number:
            self.outbox_number = outbox_number
            self.appended.set()
        if as_of == self.stop_changes:
            for kind in [kind for kind in self.stops if kind not in stops]:
                self.resolved(kind)
            self.stops |= stops

    def moved(self, applied: Position) -> None:
        """The events up to this position are settled and applied."""
        if applied.sequence >= self.applied.sequence:
            self.applied = applied
            self._settle(applied.batch_number)

    def handed_over(self, number: int, sequence: int) -> None:
        """Batches up to `number` are in the log; the last event they made is `sequence`."""
        self.handed_over_number, self._log_sequence = number, sequence
        self._settle(self.applied.batch_number)

    def _settle(self, number: int) -> None:
        # A batch that made no event is not in the stream; behind all events it is settled too.
        if self.applied.sequence >= self._log_sequence:
            number = max(number, self.handed_over_number)
        if number > self.settled_number:
            self.settled_number = number
            self.unsettled.settled(number)

    def stopped(self, stop: Stop) -> None:
        """A stop has been committed."""
        self.stop_changes += 1
        self.stops[stop.kind] = stop

    def resolved(self, kind: StopKind) -> None:
        """A stop has been taken away."""
        self.stop_changes += 1
        if self.stops.pop(kind, None) is not None:
            self.changed_stops.set()
