"""Numbers of batches: contiguous, in commit order, none burnt, none read past a gap."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest

from svc.kit import outbox
from svc.kit.database import Database

MARKET = 1
EVERYTHING = (10_000, 1_000_000)


async def send(database: Database, payload: bytes = b"p", market: int = MARKET) -> int:
    async with database.transaction() as connection:
        return await outbox.append(connection, market, payload, b"digest", 3)


async def read(
    database: Database, after: int = 0, rows: int = 10_000, size: int = 1_000_000
) -> list[int]:
    async with database.transaction() as connection:
        batches = await outbox.read_after(connection, MARKET, after, rows, size)
    return [batch.number for batch in batches]


async def test_batches_come_back_as_they_were_sent_numbered_from_one(alpha: Database) -> None:
    assert [await send(alpha, bytes([n]) * n) for n in (1, 2)] == [1, 2]
    async with alpha.transaction() as connection:
        first, second = await outbox.read_after(connection, MARKET, 0, *EVERYTHING)
        created = await connection.fetchval("SELECT created_at FROM outbox WHERE number = 1")
    assert (first.number, first.payload, first.digest, first.count) == (1, b"\x01", b"digest", 3)
    assert (second.number, second.payload) == (2, b"\x02\x02")
    epoch = created.replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    assert first.created_ns == (created - epoch) // timedelta(microseconds=1) * 1_000


async def test_the_highest_number_is_zero_before_the_first_batch(alpha: Database) -> None:
    async with alpha.transaction() as connection:
        assert await outbox.highest(connection, MARKET) == 0
    await send(alpha)
    async with alpha.transaction() as connection:
        assert await outbox.highest(connection, MARKET) == 1


async def test_a_transaction_that_fails_burns_no_number(alpha: Database) -> None:
    await send(alpha)
    with pytest.raises(KeyError):
        async with alpha.transaction() as connection:
            assert await outbox.append(connection, MARKET, b"lost", b"d", 1) == 2
            raise KeyError
    assert await send(alpha) == 2
    assert await read(alpha) == [1, 2]


async def test_each_market_counts_for_itself(alpha: Database) -> None:
    assert [await send(alpha, market=market) for market in (1, 2, 1, 2)] == [1, 1, 2, 2]


async def test_a_batch_of_nothing_is_refused(alpha: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with alpha.transaction() as connection:
            await outbox.append(connection, MARKET, b"", b"d", 0)
    assert await send(alpha) == 1


async def test_a_number_is_only_taken_inside_a_transaction(alpha: Database) -> None:
    connection = await alpha.connect()
    with pytest.raises(AssertionError, match="in the transaction of its effects"):
        await outbox.append(connection, MARKET, b"p", b"d", 1)
    await connection.close()


@pytest.mark.parametrize(
    ("after", "rows", "size", "expected"),
    [
        (0, 2, 1_000, [1, 2]),
        (2, 2, 1_000, [3, 4]),
        (0, 9, 300, [1, 2, 3]),
        (0, 9, 299, [1, 2]),
        (0, 9, 1, [1]),  # a batch above the bound goes alone, or nothing would ever go
        (3, 9, 1, [4]),
        (5, 9, 1_000, []),
    ],
)
async def test_reading_is_bounded_by_rows_and_by_bytes(
    alpha: Database, after: int, rows: int, size: int, expected: list[int]
) -> None:
    for _ in range(5):
        await send(alpha, bytes(100))
    assert await read(alpha, after, rows, size) == expected


@pytest.mark.parametrize(
    ("deleted", "after", "expected", "found"),
    [(1, 0, 1, 2), (3, 0, 3, 4), (3, 2, 3, 4)],
)
async def test_a_missing_number_stops_the_reader(
    alpha: Database, deleted: int, after: int, expected: int, found: int
) -> None:
    for _ in range(5):
        await send(alpha)
    async with alpha.transaction() as connection:
        await connection.execute("DELETE FROM outbox WHERE number = $1", deleted)
    with pytest.raises(outbox.OutboxGapError) as gap:
        await read(alpha, after)
    assert (gap.value.market, gap.value.expected, gap.value.found) == (MARKET, expected, found)


async def test_what_was_read_and_deleted_does_not_stop_who_is_past_it(alpha: Database) -> None:
    for _ in range(5):
        await send(alpha)
    async with alpha.transaction() as connection:
        await connection.execute("DELETE FROM outbox WHERE number <= 3")
    assert await read(alpha, after=3) == [4, 5]


async def test_only_old_batches_up_to_a_number_are_forgotten_and_numbers_go_on(
    alpha: Database,
) -> None:
    for _ in range(7):
        await send(alpha)
    await send(alpha, market=2)

    async def forgotten(up_to: int, most: int) -> int:
        async with alpha.transaction() as connection:
            return await outbox.forget(connection, MARKET, up_to, most)

    assert await forgotten(5, 10) == 0  # somebody may still look for them
    async with alpha.transaction() as connection:
        await connection.execute(
            "UPDATE outbox SET created_at = created_at - $1 * interval '1 second' WHERE number < 7",
            outbox.KEPT_S + 1,
        )
    assert await forgotten(5, 3) == 3
    assert await read(alpha, after=3) == [4, 5, 6, 7]
    assert await forgotten(5, 3) == 2
    assert await forgotten(5, 3) == 0
    assert await forgotten(7, 3) == 1
    assert await read(alpha, after=6) == [7]
    assert await send(alpha) == 8
    async with alpha.transaction() as connection:
        assert [row.number for row in await outbox.read_after(connection, 2, 0, 9, 999)] == [1]


@pytest.mark.spec("os-outbox")
async def test_a_reader_beside_many_writers_misses_nothing_and_sees_no_gap(
    alpha: Database,
) -> None:
    writers, batches = 8, 25
    committed = 0

    async def write(writer: int) -> None:
        nonlocal committed
        dice = random.Random(writer)
        for _ in range(batches):
            fails = dice.random() < 0.3
            with suppress(asyncpg.DivisionByZeroError):
                async with alpha.transaction() as connection:
                    await outbox.append(connection, MARKET, b"p", b"d", 1)
                    if fails:
                        await connection.execute("SELECT 1 / 0")
                committed += 1

    async def follow() -> int:
        position = 0
        while not done.is_set() or position < committed:
            numbers = await read(alpha, position, rows=7)
            position += len(numbers)
        return position

    done = asyncio.Event()
    reader = asyncio.create_task(follow())
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    done.set()
    assert await reader == committed
    async with alpha.transaction() as connection:
        assert await outbox.highest(connection, MARKET) == committed
