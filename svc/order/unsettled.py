"""How many accepted orders a market has not settled yet, and who waits until there are fewer.

Keeps: room is taken before an order is accepted and given back when its batch is settled, or at
once when it was not accepted, so that acceptance cannot outrun settlement without bound. Cancels
take no room: each is bound to a live order, and must get through when orders do not.
"""

from __future__ import annotations

import asyncio
from collections import deque

import grpc

from svc.kit.errors import DomainError

LONGEST_WAIT_S = 5.0
"""How long an order without a deadline waits for room."""


class Unsettled:
    """Counts one market's orders between acceptance and settlement. First come, first served."""

    def __init__(self, limit: int) -> None:
        """`limit` > 0 is the most orders that may be on their way at once."""
        assert limit > 0, "an order must be able to pass"
        self._limit = limit
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._batches: deque[tuple[int, int]] = deque()
        self._settled_number = 0

    @property
    def taken(self) -> int:
        """Orders that are being accepted or wait to be settled."""
        return self._taken

    async def take(self, count: int, timeout_s: float) -> None:
        """Waits until `count` more orders may be accepted. More than the limit go alone.

        Raises RESOURCE_EXHAUSTED, TOO_MANY_UNSETTLED, after `timeout_s`.
        """
        if self.take_at_once(count):
            return
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, admitted))
        try:
            async with asyncio.timeout(timeout_s):
                await admitted
        except (TimeoutError, asyncio.CancelledError) as error:
            if admitted.done() and not admitted.cancelled():  # admitted in the same moment
                self.give_back(count)
            self._admit()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise self._too_many() from None

    def take_at_once(self, count: int) -> bool:
        """Takes room for `count` orders if there is some and nobody waits for it."""
        if self._waiting or not self._fits(count):
            return False
        self._taken += count
        return True

    def give_back(self, count: int) -> None:
        """`count` of the orders that took room were not accepted after all, or are settled."""
        self._taken -= count
        assert self._taken >= 0, "no more is given back than was taken"
        self._admit()

    def committed(self, number: int, count: int) -> None:
        """`count` of the orders that took room stand in the outbox as batch `number`."""
        if number <= self._settled_number:
            self.give_back(count)
        else:
            self._batches.append((number, count))

    def recovered(self, batches: list[tuple[int, int]]) -> None:
        """Batches (number, orders) that a process before this one committed; called once."""
        self._batches.extend(batches)
        self._taken += sum(count for _, count in batches)

    def settled(self, number: int) -> None:
        """All batches up to `number` are settled."""
        self._settled_number = max(self._settled_number, number)
        count = 0
        while self._batches and self._batches[0][0] <= number:
            count += self._batches.popleft()[1]
        self.give_back(count)

    def _fits(self, count: int) -> bool:
        return self._taken + count <= self._limit or self._taken == 0

    def _admit(self) -> None:
        while self._waiting:
            count, admitted = self._waiting[0]
            if admitted.cancelled():
                self._waiting.popleft()
                continue
            if not self._fits(count):
                return
            self._waiting.popleft()
            self._taken += count
            admitted.set_result(None)

    def _too_many(self) -> DomainError:
        return DomainError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "TOO_MANY_UNSETTLED",
            f"{self._taken} orders wait to be settled, at most {self._limit} may: try again.",
            value=str(self._taken),
            rule=f"at most {self._limit}",
        )
