"""One instrument's changes on their way to any number of readers.

Keeps: changes are held once for all readers, at most `capacity` of them. A reader is a place in
the sequence of changes: being slow costs it its place and nobody any memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class SignalClosedError(Exception):
    """What was waited for will not come: the data is being built anew."""


class Signal:
    """Tells waiting readers that there is something new; counts how often there was."""

    __slots__ = ("_closed", "_waiting", "count")

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False
        self.count = 0

    def notify(self) -> None:
        """Count one up and wake all who wait."""
        self.count += 1
        if self._waiting:
            self._wake()

    def close(self) -> None:
        """Wake all who wait for the last time."""
        self._closed = True
        self._wake()

    async def passed(self, count: int, timeout_s: float) -> bool:
        """Wait until the count is above `count`; False: it was not within the time.

        Raises SignalClosedError.
        """
        if self._closed:
            raise SignalClosedError
        if self.count > count:
            return True
        woken = asyncio.get_running_loop().create_future()
        self._waiting.add(woken)
        try:
            async with asyncio.timeout(timeout_s):
                await woken
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(woken)
        if self._closed:
            raise SignalClosedError
        return True

    def _wake(self) -> None:
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)
        self._waiting.clear()


class Feed(Generic[T]):
    """The last changes in their order; places count from 0."""

    __slots__ = ("_changes", "signal")

    def __init__(self, capacity: int) -> None:
        self._changes: deque[T] = deque(maxlen=capacity)
        self.signal = Signal()

    @property
    def end(self) -> int:
        """The place behind the last change."""
        return self.signal.count

    def publish(self, change: T) -> None:
        """Add a change and wake the readers."""
        self._changes.append(change)
        self.signal.notify()

    def since(self, place: int) -> list[T] | None:
        """The changes from a place on; None: some of them are held no more."""
        behind = self.end - place
        if behind > len(self._changes):
            return None
        return list(islice(self._changes, len(self._changes) - behind, None))
