"""Collects what arrives while a batch is in flight into the next batch: no timer, no idle wait.

Order of arrival is order of application. A list stays in one batch unless it is larger than a
batch. Batches run one after the other in a task of their own, so that a caller who goes away
cancels nothing; only the second half of one may run while the next begins. What waits is bounded;
beyond the bound callers wait in line.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Rest = Callable[[], Awaitable[Sequence[R]]]
"""The second half of a batch's work."""


class BatcherClosedError(RuntimeError):
    """The batcher is draining and takes nothing more."""


class _Group(Generic[T, R]):
    """The items of one call: what is still to be applied, what came of those that were."""

    __slots__ = ("answered", "items", "results", "taken")

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self.taken = 0
        self.results: list[R] = []
        self.answered: asyncio.Future[list[R]] = asyncio.get_running_loop().create_future()


_Batch = list[tuple[_Group[T, R], Sequence[T]]]


class Batcher(Generic[T, R]):
    """Turns single calls and lists into calls of `apply` with at most `max_items` items.

    `apply` returns one result per item, in order, or a function that does: while that runs the
    next batch is begun, and these functions run one after the other. Raising fails every item of a
    batch. A list that was split is not continued after a batch of it failed. At most `max_items`
    are in a batch and `max_waiting` wait (one list above that bound waits alone).
    """

    def __init__(
        self,
        apply: Callable[[list[T]], Awaitable[Sequence[R] | Rest[R]]],
        max_items: int,
        max_waiting: int,
    ) -> None:
        assert max_items > 0, "a batch holds at least one item"
        assert max_waiting > 0, "at least one item may wait"
        self._apply = apply
        self._max_items = max_items
        self._max_waiting = max_waiting
        self._waiting = 0
        self._groups: deque[_Group[T, R]] = deque()
        self._line: deque[tuple[_Group[T, R], asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Items that are admitted and not yet in a batch."""
        return self._waiting

    async def submit(self, item: T) -> R:
        """The item's result; a result that is an Exception is raised.

        Raises what `apply` raised for the item's batch, and BatcherClosedError.
        """
        results = await self._enqueue((item,))
        result = results[0]
        if isinstance(result, Exception):
            raise result
        return result

    async def submit_many(self, items: Sequence[T]) -> list[R]:
        """One result per item, in order; results that are Exceptions are returned as they are.

        Raises what `apply` raised for a batch that held one of the items, and BatcherClosedError.
        """
        return await self._enqueue(items) if items else []

    async def close(self) -> None:
        """Take nothing more, apply everything that was submitted, then return."""
        self._closed = True
        while running := [task for task in (self._task, self._resting) if task is not None]:
            await asyncio.wait(running)

    async def _enqueue(self, items: Sequence[T]) -> list[R]:
        if self._closed:
            raise BatcherClosedError("shutting down: nothing more is taken")
        group = _Group[T, R](items)
        if self._line or not self._fits(group):
            await self._wait_in_line(group)
        else:
            self._admit(group)
        return await group.answered

    def _fits(self, group: _Group[T, R]) -> bool:
        return self._waiting == 0 or self._waiting + len(group.items) <= self._max_waiting

    def _admit(self, group: _Group[T, R]) -> None:
        self._groups.append(group)
        self._waiting += len(group.items)
        if self._task is None:
            # In a context of its own: batches serve many callers, and neither the deadline nor the
            # trace of whoever came first is theirs.
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())

    async def _wait_in_line(self, group: _Group[T, R]) -> None:
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((group, admitted))
        try:
            await admitted
        except asyncio.CancelledError:
            if not admitted.cancelled():  # admitted in the same moment: it is in a batch
                group.answered.cancel()
            raise

    def _admit_from_line(self) -> None:
        while self._line:
            group, admitted = self._line[0]
            if admitted.cancelled():
                self._line.popleft()
                continue
            if not self._fits(group):
                return
            self._line.popleft()
            self._admit(group)
            admitted.set_result(None)

    async def _run(self) -> None:
        try:
            while self._groups:
                batch = self._next_batch()
                self._admit_from_line()
                rest = await self._begin(batch)
                if rest is not None:
                    while self._resting is not None:
                        await asyncio.wait([self._resting])
                    self._resting = asyncio.create_task(self._end(batch, rest))
                self._admit_from_line()
        finally:  # only where the loop is torn down is anything left
            self._task = None
            for group in self._groups:
                group.answered.cancel()
            for _, admitted in self._line:
                admitted.cancel()

    def _next_batch(self) -> _Batch[T, R]:
        batch: _Batch[T, R] = []
        room = self._max_items
        while self._groups and room:
            group = self._groups[0]
            rest = len(group.items) - group.taken
            if rest > room and batch:
                break
            taking = min(rest, room)
            batch.append((group, group.items[group.taken : group.taken + taking]))
            group.taken += taking
            room -= taking
            if taking == rest:
                self._groups.popleft()
        self._waiting -= self._max_items - room
        return batch

    async def _begin(self, batch: _Batch[T, R]) -> Rest[R] | None:
        with self._failing(batch):
            outcome = await self._apply([item for _, part in batch for item in part])
            if callable(outcome):
                return outcome
            self._answer(batch, outcome)
        return None

    async def _end(self, batch: _Batch[T, R], rest: Rest[R]) -> None:
        try:
            with self._failing(batch):
                self._answer(batch, await rest())
        finally:
            self._resting = None

    @contextmanager
    def _failing(self, batch: _Batch[T, R]) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is belongs to those who wait
            for group, _ in batch:
                self._fail(group, error)
        except BaseException:
            for group, _ in batch:
                group.answered.cancel()
            raise

    @staticmethod
    def _answer(batch: _Batch[T, R], results: Sequence[R]) -> None:
        assert len(results) == sum(len(part) for _, part in batch), "one result per item"
        start = 0
        for group, part in batch:
            group.results += results[start : start + len(part)]
            start += len(part)
            if len(group.results) == len(group.items) and not group.answered.done():
                group.answered.set_result(group.results)

    def _fail(self, group: _Group[T, R], error: Exception) -> None:
        if self._groups and self._groups[0] is group:  # a list that was split: drop its rest
            self._groups.popleft()
            self._waiting -= len(group.items) - group.taken
        if not group.answered.done():
            group.answered.set_exception(error)
