"""The batcher against a model that is a list of lists, and its promises one by one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.kit.batcher import Batcher, BatcherClosedError, Rest


class HeldApply:
    """An apply that a test lets go of, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self._gates: list[asyncio.Future[None]] = []

    async def __call__(self, items: list[int]) -> list[str]:
        self.batches.append(items)
        gate = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        await gate
        return [f"r{item}" for item in items]

    @property
    def in_flight(self) -> bool:
        return bool(self._gates)

    async def finish(self) -> None:
        self._gates.pop().set_result(None)
        await settle()

    async def fail(self) -> None:
        self._gates.pop().set_exception(ConnectionResetError("gone"))
        await settle()


async def settle() -> None:
    """Let every task run until all of them wait for the test."""
    for _ in range(8):
        await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


class Model:
    """What the batches must be: the oldest lists that fit, whole, a larger list in pieces."""

    def __init__(self, max_items: int) -> None:
        self.max_items = max_items
        self.waiting: list[list[int]] = []
        self.batches: list[list[int]] = []
        self.failed: set[int] = set()
        self.in_flight: list[int] = []
        self.head_begun = False  # the first items of the head are in flight

    def submit(self, items: list[int]) -> None:
        self.waiting.append(items)
        if not self.in_flight:
            self._next()

    def finish(self) -> None:
        self._next()

    def fail(self) -> None:
        self.failed |= {*self.in_flight}
        if self.head_begun:
            self.failed |= {*self.waiting.pop(0)}
        self._next()

    def _next(self) -> None:
        batch: list[int] = []
        self.head_begun = False
        while self.waiting and len(batch) + len(self.waiting[0]) <= self.max_items:
            batch += self.waiting.pop(0)
        if self.waiting and not batch:
            head = self.waiting[0]
            batch, self.waiting[0] = head[: self.max_items], head[self.max_items :]
            self.head_begun = True
        self.in_flight = batch
        if batch:
            self.batches.append(batch)


class Play:
    """Batcher and model side by side, and the callers of the batcher."""

    def __init__(self, max_items: int) -> None:
        self.apply = HeldApply()
        self.model = Model(max_items)
        self.batcher: Batcher[int, str] = Batcher(self.apply, max_items, max_waiting=1_000)
        self.callers: list[tuple[list[int], asyncio.Task[list[str]]]] = []

    async def step(self, action: Action) -> None:
        match action:
            case int():
                first = len(self.callers) * 10
                items = list(range(first, first + action))
                call = asyncio.create_task(self.batcher.submit_many(items))
                self.callers.append((items, call))
                await settle()
                self.model.submit(items)
            case "leave", int(caller):
                for _, call in self.callers[caller : caller + 1]:
                    call.cancel()
                await settle()
            case "finish" if self.apply.in_flight:
                await self.apply.finish()
                self.model.finish()
            case "fail" if self.apply.in_flight:
                await self.apply.fail()
                self.model.fail()
        assert self.apply.batches == self.model.batches

    async def end(self) -> None:
        while self.apply.in_flight:
            await self.step("finish")
        await self.batcher.close()
        assert self.batcher.waiting == 0
        for items, call in self.callers:
            if call.cancelled():
                continue
            if self.model.failed & {*items}:
                with pytest.raises(ConnectionResetError):
                    await call
            else:
                assert await call == [f"r{item}" for item in items]


Action = int | str | tuple[str, int]  # submit so many items, "finish", "fail", ("leave", caller)
actions: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(
        st.integers(1, 9),
        st.sampled_from(["finish", "fail"]),
        st.tuples(st.just("leave"), st.integers(0, 30)),
    ),
    max_size=60,
)


@given(actions, st.integers(1, 6))
def test_batches_are_what_the_model_says_in_every_interleaving(
    steps: list[Action], max_items: int
) -> None:
    async def play() -> None:
        both = Play(max_items)
        for step in steps:
            await both.step(step)
        await both.end()

    run(play)


@given(st.lists(st.integers(1, 7), max_size=30), st.integers(1, 5), st.integers(1, 9))
def test_a_bounded_queue_keeps_the_order_and_loses_nothing(
    sizes: list[int], max_items: int, max_waiting: int
) -> None:
    async def play() -> None:
        apply = HeldApply()
        batcher: Batcher[int, str] = Batcher(apply, max_items, max_waiting)
        lists = [list(range(n * 10, n * 10 + size)) for n, size in enumerate(sizes)]
        calls = [asyncio.create_task(batcher.submit_many(items)) for items in lists]
        await settle()
        while apply.in_flight:
            assert batcher.waiting <= max(max_waiting, *sizes)
            await apply.finish()
        assert [item for batch in apply.batches for item in batch] == [*chain(*lists)]
        assert all(len(batch) <= max_items for batch in apply.batches)
        for items in lists:
            if len(items) <= max_items:
                assert any(set(items) <= set(batch) for batch in apply.batches)
        assert [await call for call in calls] == [[f"r{i}" for i in items] for items in lists]

    run(play)


async def test_what_waits_during_a_batch_goes_next_in_one() -> None:
    apply = HeldApply()
    batcher: Batcher[int, str] = Batcher(apply, 10, 10)
    calls = [asyncio.create_task(batcher.submit(1))]
    await settle()
    calls += [asyncio.create_task(batcher.submit(item)) for item in (2, 3, 4)]
    await settle()
    assert apply.batches == [[1]]
    await apply.finish()
    assert apply.batches == [[1], [2, 3, 4]]
    await apply.finish()
    assert await asyncio.gather(*calls) == ["r1", "r2", "r3", "r4"]


async def test_a_caller_who_leaves_cancels_neither_his_batch_nor_his_item() -> None:
    apply = HeldApply()
    batcher: Batcher[int, str] = Batcher(apply, 1, 10)
    first, second, third = (asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3))
    await settle()
    first.cancel()  # in flight
    second.cancel()  # waiting
    await settle()
    for _ in range(3):
        await apply.finish()
    assert apply.batches == [[1], [2], [3]]
    assert await third == "r3"


async def test_a_caller_who_leaves_the_line_before_he_was_let_in_is_not_applied() -> None:
    apply = HeldApply()
    batcher: Batcher[int, str] = Batcher(apply, 1, 1)
    calls = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3, 4)]
    await settle()
    assert batcher.waiting == 1
    calls[2].cancel()
    await settle()
    while apply.in_flight:
        await apply.finish()
    assert apply.batches == [[1], [2], [4]]


async def test_a_caller_who_leaves_while_he_is_let_in_is_told_nothing_more() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    leaving: list[asyncio.Task[str]] = []
    apply = HeldApply()

    async def apply_and_leave(items: list[int]) -> list[str]:
        if items == [2]:  # 3 has just been let in and does not know it yet
            leaving[0].cancel()
        return await apply(items)

    batcher: Batcher[int, str] = Batcher(apply_and_leave, 1, 1)
    calls = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
    leaving.append(calls[2])
    await settle()
    await apply.finish()
    await apply.finish()
    await apply.fail()
    assert apply.batches == [[1], [2], [3]]
    assert calls[2].cancelled()
    calls.clear()
    leaving.clear()
    gc.collect()
    assert complaints == []


async def test_a_split_list_that_fails_makes_room_for_those_in_line() -> None:
    apply = HeldApply()
    batcher: Batcher[int, str] = Batcher(apply, 2, 2)
    split = asyncio.create_task(batcher.submit_many([1, 2, 3, 4, 5, 6]))
    await settle()
    in_line = asyncio.create_task(batcher.submit(7))
    await settle()
    assert batcher.waiting == 4
    await apply.fail()
    await apply.finish()
    assert apply.batches == [[1, 2], [7]]
    with pytest.raises(ConnectionResetError):
        await split
    assert await in_line == "r7"


async def test_a_failing_batch_fails_each_of_its_items_and_the_next_goes_on() -> None:
    apply = HeldApply()
    batcher: Batcher[int, str] = Batcher(apply, 2, 10)
    calls = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
    await settle()
    await apply.fail()
    await apply.finish()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [
        ConnectionResetError,
        ConnectionResetError,
        str,
    ]


async def test_a_result_that_is_an_exception_is_raised_to_its_item_alone() -> None:
    async def refuse_odd(items: list[int]) -> Sequence[int | ValueError]:
        return [ValueError(f"{item} is odd") if item % 2 else item for item in items]

    batcher: Batcher[int, int | ValueError] = Batcher(refuse_odd, 10, 10)
    refused, taken = (asyncio.create_task(batcher.submit(item)) for item in (1, 2))
    with pytest.raises(ValueError, match="1 is odd"):
        await refused
    assert await taken == 2
    many = await batcher.submit_many([2, 3])
    assert many[0] == 2
    assert isinstance(many[1], ValueError)


async def test_a_wrong_number_of_results_fails_the_batch_and_not_the_batcher() -> None:
    answers = [["only one"], ["a", "b"]]

    async def apply(_: list[int]) -> list[str]:
        return answers.pop(0)

    batcher: Batcher[int, str] = Batcher(apply, 10, 10)
    with pytest.raises(AssertionError, match="one result per item"):
        await batcher.submit_many([1, 2])
    assert await batcher.submit_many([1, 2]) == ["a", "b"]


class Halves:
    """Batches of two halves; a test lets go of either."""

    def __init__(self) -> None:
        self.begun, self.ended = HeldApply(), HeldApply()

    async def __call__(self, items: list[int]) -> Rest[str]:
        await self.begun(items)
        return partial(self.ended, items)


async def test_a_batch_begins_while_the_one_before_it_ends() -> None:
    halves = Halves()
    batcher: Batcher[int, str] = Batcher(halves, 2, 10)
    calls = [asyncio.create_task(batcher.submit_many([n, n + 1])) for n in (0, 2, 4)]
    await settle()
    await halves.begun.finish()
    assert halves.begun.batches == [[0, 1], [2, 3]]
    assert halves.ended.batches == [[0, 1]]
    await halves.begun.finish()
    assert halves.begun.batches == [[0, 1], [2, 3]], "one ends, one waits to end, none begins"
    await halves.ended.finish()
    assert halves.ended.batches == [[0, 1], [2, 3]]
    assert halves.begun.batches[2:] == [[4, 5]]
    assert await calls[0] == ["r0", "r1"]
    await halves.ended.fail()
    with pytest.raises(ConnectionResetError):
        await calls[1]
    closing = asyncio.create_task(batcher.close())
    await halves.begun.finish()
    assert not closing.done()
    await halves.ended.finish()
    await closing
    assert await calls[2] == ["r4", "r5"]


async def test_a_list_in_two_batches_is_answered_in_its_order() -> None:
    halves = Halves()
    batcher: Batcher[int, str] = Batcher(halves, 2, 10)
    call = asyncio.create_task(batcher.submit_many([1, 2, 3]))
    await settle()
    for step in (halves.begun, halves.begun, halves.ended, halves.ended):
        await step.finish()
    assert await call == ["r1", "r2", "r3"]


async def test_closing_applies_what_was_submitted_and_takes_nothing_more() -> None:
    apply = HeldApply()
    batcher: Batcher[int, str] = Batcher(apply, 1, 1)
    calls = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
    await settle()
    closing = asyncio.create_task(batcher.close())
    await settle()
    with pytest.raises(BatcherClosedError):
        await batcher.submit(4)
    for _ in range(3):
        assert not closing.done()
        await apply.finish()
    await closing
    assert await asyncio.gather(*calls) == ["r1", "r2", "r3"]


async def test_nothing_waits_for_ever_when_the_batch_itself_is_torn_down() -> None:
    apply = HeldApply()
    batcher: Batcher[int, str] = Batcher(apply, 1, 1)
    calls = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
    await settle()
    (worker,) = (
        task for task in asyncio.all_tasks() if task not in {asyncio.current_task(), *calls}
    )
    worker.cancel()
    for call in calls:
        with suppress(asyncio.CancelledError):
            await call
    assert all(call.cancelled() for call in calls)


async def test_an_empty_list_is_answered_without_a_batch() -> None:
    apply = HeldApply()
    assert await Batcher(apply, 1, 1).submit_many([]) == []
    assert apply.batches == []
