"""Room for orders that are not settled: bounded, first come first served, none lost."""

from __future__ import annotations

import asyncio

import pytest

from svc.kit.errors import DomainError
from svc.order.unsettled import LONGEST_WAIT_S, Unsettled


async def test_orders_wait_for_room_until_their_deadline() -> None:
    room = Unsettled(4)
    await room.take(3, LONGEST_WAIT_S)
    with pytest.raises(DomainError) as refused:
        await room.take(2, 0)
    assert refused.value.reason == "TOO_MANY_UNSETTLED"
    assert refused.value.metadata == {"value": "3", "rule": "at most 4"}
    await room.take(1, 0)
    assert room.taken == 4


async def test_room_is_given_in_the_order_in_which_it_was_asked_for() -> None:
    room = Unsettled(4)
    await room.take(4, LONGEST_WAIT_S)
    admitted: list[str] = []

    async def wait(name: str, count: int) -> None:
        await room.take(count, LONGEST_WAIT_S)
        admitted.append(name)

    large = asyncio.create_task(wait("large", 3))
    small = asyncio.create_task(wait("small", 1))
    await asyncio.sleep(0)
    room.give_back(1)
    await asyncio.sleep(0)
    assert admitted == []  # the small one would fit, but was not first
    room.give_back(3)
    await asyncio.gather(large, small)
    assert admitted == ["large", "small"]


async def test_nobody_overtakes_who_waits() -> None:
    room = Unsettled(4)
    await room.take(3, LONGEST_WAIT_S)
    large = asyncio.create_task(room.take(2, LONGEST_WAIT_S))
    await asyncio.sleep(0)
    with pytest.raises(DomainError):
        await room.take(1, 0)  # it would fit
    room.give_back(3)
    await large


async def test_a_list_larger_than_the_limit_goes_alone() -> None:
    room = Unsettled(2)
    await room.take(5, 0)
    with pytest.raises(DomainError):
        await room.take(1, 0)
    room.give_back(5)
    await room.take(1, 0)


async def test_settling_a_batch_gives_back_what_was_committed_with_it_and_before() -> None:
    room = Unsettled(10)
    await room.take(6, LONGEST_WAIT_S)
    room.committed(1, 2)
    room.committed(3, 4)
    room.settled(2)
    assert room.taken == 4
    room.settled(3)
    room.settled(3)
    assert room.taken == 0


async def test_a_batch_that_settled_before_its_commit_was_told_takes_no_room() -> None:
    room = Unsettled(10)
    await room.take(2, LONGEST_WAIT_S)
    room.settled(5)
    room.committed(5, 2)
    assert room.taken == 0


async def test_what_an_earlier_process_left_takes_room_until_it_settles() -> None:
    room = Unsettled(10)
    room.recovered([(7, 4), (8, 5)])
    with pytest.raises(DomainError):
        await room.take(2, 0)
    room.settled(7)
    await room.take(2, 0)


async def test_who_goes_away_while_waiting_takes_no_room() -> None:
    room = Unsettled(2)
    await room.take(2, LONGEST_WAIT_S)
    leaving = asyncio.create_task(room.take(2, LONGEST_WAIT_S))
    staying = asyncio.create_task(room.take(1, LONGEST_WAIT_S))
    await asyncio.sleep(0)
    leaving.cancel()
    room.give_back(1)
    await staying
    assert room.taken == 2
    with pytest.raises(asyncio.CancelledError):
        await leaving
