"""Tape, candles and position move together, once, and read back exactly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mesh import audit_book, capture
from svc.kit.clock import SystemClock
from svc.kit.database import Database
from svc.kit.decimals import Step
from svc.kit.log import get_logger
from svc.marketdata import messages
from svc.marketdata.candles import INTERVALS_MS
from svc.marketdata.instruments import Instrument
from svc.marketdata.market import Market, Position, TapeEntry, View
from svc.marketdata.reading import TapeReader
from svc.marketdata.recorder import Recorder
from svc.marketdata.store import LastTrade, OtherWriterError, Store
from svc.marketdata.tape import KEPT, Tape, Trade
from svc.marketdata.ticker import RollingDay
from tests.marketdata.conftest import until

ONE = Instrument(1, 1, "BTC-USDT", False, Step(1, 2), Step(1, 6))
OTHER = Instrument(2, 1, "ETH-USDT", False, Step(5, 3), Step(1, 18))
START_NS = int(datetime(2024, 8, 8, 23, 59, 59, tzinfo=UTC).timestamp()) * 10**9
FAR_MS = 10**13


def entry(number: int, price: int = 100, lots: int = 1, of: Instrument = ONE) -> TapeEntry:
    time_ns = START_NS + number * 10**8
    return TapeEntry(of, Trade(number, 10 * number, time_ns, price, lots, 1 + number % 2))


def at(sequence: int) -> Position:
    return Position("a" * 32, sequence, 2**64 - sequence)


async def filled(store: Store, entries: Iterable[TapeEntry], end: int = 1_000) -> None:
    await store.position()
    await store.add_instruments([ONE, OTHER])
    await store.append(Position(), at(end), list(entries))


def market_at(position: Position, *instruments: Instrument) -> Market:
    return Market(position, [View(one, Tape(0), RollingDay()) for one in instruments])


@asynccontextmanager
async def committing(recorder: Recorder) -> AsyncIterator[None]:
    task = asyncio.create_task(recorder.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.spec("db-trades", "md-records")
async def test_trades_read_back_as_canonical_decimals(store: Store) -> None:
    wide = Trade(7, 70, START_NS + 999_999_999, 2**53 + 1, 10**18 + 1, 0)
    await filled(store, [entry(3, 6_183_763, 2), TapeEntry(OTHER, wide)])
    (one,) = await store.trades_after(ONE, 0, 10)
    assert (one.number, one.sequence, one.side) == (3, 30, 2)
    assert (one.price, one.quantity) == ("61837.63", "0.000002")
    (other,) = await store.trades_after(OTHER, 0, 10)
    assert (other.price, other.quantity) == (OTHER.price(2**53 + 1), "1.000000000000000001")
    assert (other.side, other.time_ms) == (0, START_NS // 10**6 + 999)


async def test_position_keeps_all_64_bits_of_the_hash(store: Store) -> None:
    assert await store.position() == Position()
    await store.append(Position(), at(1), [])
    assert await store.position() == Position("a" * 32, 1, 2**64 - 1)


async def test_range_that_was_appended_before_changes_nothing(store: Store) -> None:
    await filled(store, [entry(1)], end=10)
    with pytest.raises(OtherWriterError):
        await store.append(Position(), at(10), [entry(1)])
    assert len(await store.trades_after(ONE, 0, 10)) == 1
    (day,) = await store.candles_up_to(1, "1w", FAR_MS, 10)
    assert day.trades == 1


async def test_append_that_fails_half_way_leaves_nothing(store: Store) -> None:
    await filled(store, [entry(1)], end=10)
    stranger = Instrument(99, 1, "NO-WHERE", False, Step(1, 0), Step(1, 0))
    with pytest.raises(AssertionError):
        await store.append(at(10), at(20), [entry(2), entry(3, of=stranger)])
    assert await store.position() == at(10)
    assert len(await store.trades_after(ONE, 0, 10)) == 1


async def test_instruments_read_back_and_stay_as_they_were_first(store: Store) -> None:
    await store.add_instruments([ONE, OTHER])
    await store.add_instruments([Instrument(1, 1, "RENAMED", True, Step(1, 0), Step(1, 0))])
    assert await store.instruments() == [ONE, OTHER]


async def test_last_trades_are_those_with_the_highest_numbers(store: Store) -> None:
    await filled(store, [entry(1, 90), entry(2, 110), entry(3, 95, of=OTHER)])
    assert await store.last_trades() == {
        1: LastTrade(2, START_NS // 10**6 + 200, 110),
        2: LastTrade(3, START_NS // 10**6 + 300, 95),
    }


async def test_candles_page_from_either_end(store: Store) -> None:
    await filled(store, [entry(number * 600, 100 + number) for number in range(1, 8)])
    first_ms = START_NS // 10**6 + 60_000
    opened = first_ms - first_ms % 60_000
    forward = await store.candles_from(1, "1m", opened, FAR_MS, 3)
    assert [one.open_ticks for one in forward] == [101, 102, 103]
    inside = await store.candles_from(1, "1m", opened + 60_000, opened + 180_000, 9)
    assert [one.open_ticks for one in inside] == [102, 103]
    back = await store.candles_up_to(1, "1m", opened + 180_000, 2)
    assert [one.open_ticks for one in back] == [102, 103]


@pytest.mark.spec("pipe4-insert")
async def test_candles_of_a_captured_session_are_those_of_the_audit(
    store: Store, shared_data: Path
) -> None:
    paths = [shared_data / "spot_ethusdt_20240808.gz"]
    surveyed = capture.survey(paths)
    one = Instrument(
        1, 1, "ETH-USDT", False, Step(1, surveyed.price_scale), Step(1, surveyed.quantity_scale)
    )
    tape = [
        TapeEntry(one, Trade(number, number, e.time_ms * 10**6, e.price_ticks, e.quantity_lots, 1))
        for number, e in enumerate(
            (e for e in capture.events(paths, surveyed) if isinstance(e, capture.Trade)), 1
        )
    ]
    await store.position()
    await store.add_instruments([one])
    before = Position()
    for start in range(0, len(tape), 997):
        after = at(start + 1)
        await store.append(before, after, tape[start : start + 997])
        before = after
    expected = audit_book.minute_candles(
        (trade.time_ms, trade.price, trade.quantity) for trade in audit_book.trades(paths)
    )
    found = [messages.candle(one, c) for c in await store.candles_up_to(1, "1m", FAR_MS, 1_000)]
    assert [
        audit_book.MinuteCandle(
            c.open_time, c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.trade_count
        )
        for c in found
    ] == expected
    for interval in INTERVALS_MS:
        whole = await store.candles_up_to(1, interval, FAR_MS, 1_000)
        assert sum(c.trades for c in whole) == surveyed.trades
        assert one.quantity(sum(c.lots for c in whole)) == surveyed.quantity
        assert one.notional(sum(c.tick_lots for c in whole)) == surveyed.notional


async def test_tape_has_no_seam_between_table_and_memory(store: Store) -> None:
    numbers = range(1, KEPT + 301)
    await filled(store, [entry(number) for number in numbers])
    view = View(ONE, Tape(0), RollingDay())
    for number in numbers:
        view.tape.add(entry(number).trade)
    view.tape.forget(KEPT + 300)
    view.tape.add(entry(KEPT + 301).trade)
    reader = TapeReader(store)
    read: list[int] = []
    while page := await reader.after(view, read[-1] if read else 0, 77):
        read += [trade.trade_number for trade in page]
    assert read == list(range(1, KEPT + 302))
    around = await reader.after(view, view.tape.floor - 1, 2)
    assert [trade.trade_number for trade in around] == [view.tape.floor, view.tape.floor + 1]
    newest = await reader.newest(view, 1_000)
    assert [trade.trade_number for trade in newest] == list(range(KEPT + 301, 301, -1))
    fresh = View(ONE, Tape(KEPT + 300), RollingDay())
    from_table = await reader.newest(fresh, 5)
    assert [trade.trade_number for trade in from_table] == list(range(KEPT + 300, KEPT + 295, -1))
    assert from_table[0] == (await reader.after(view, KEPT + 299, 1))[0]


async def test_recorder_commits_what_waits_in_order_and_lets_memory_go(store: Store) -> None:
    await filled(store, [], end=10)
    market = market_at(at(10), ONE)
    recorder = Recorder(store, market, SystemClock(), get_logger("test"))
    for number in range(1, KEPT + 51):
        market.views[1].tape.add(entry(number).trade)
        await recorder.add(at(10 + number), [entry(number)])
    assert recorder.waiting == KEPT + 50
    async with committing(recorder):
        await until(store.position, lambda _: market.views[1].tape.floor == 50)
    assert recorder.waiting == 0
    assert len(await store.trades_after(ONE, 0, 2_000)) == KEPT + 50


async def test_recorder_outlives_a_database_that_drops_it(store: Store, database: Database) -> None:
    await filled(store, [], end=10)
    recorder = Recorder(store, market_at(at(10), ONE), SystemClock(), get_logger("test"))
    async with committing(recorder):
        for number in range(1, 6):
            await recorder.add(at(10 + number), [entry(number)])
            async with database.pool.acquire() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                    "AND backend_type = 'client backend'"
                )
        await until(store.position, lambda _: recorder.waiting == 0)
    assert await store.position() == at(15)
    assert [one.number for one in await store.trades_after(ONE, 0, 10)] == [1, 2, 3, 4, 5]


class LostAnswer(Store):
    """A store whose first commit succeeds without anybody learning of it."""

    lost = False

    async def append(
        self,
        before: Position,
        after: Position,
        entries: Sequence[TapeEntry],
    ) -> None:
        await super().append(before, after, entries)
        if not self.lost:
            self.lost = True
            raise ConnectionResetError("the answer was lost")


async def test_commit_whose_answer_was_lost_is_looked_up_and_not_repeated(
    store: Store, database: Database
) -> None:
    await filled(store, [], end=10)

    async def opened() -> Database:
        return database

    recorder = Recorder(
        LostAnswer(opened, 1), market_at(at(10), ONE), SystemClock(), get_logger("test")
    )
    async with committing(recorder):
        await recorder.add(at(11), [entry(1)])
        await until(store.position, lambda _: recorder.waiting == 0)
        await recorder.add(at(12), [entry(2)])
        await until(store.position, lambda position: position == at(12))
    (day,) = await store.candles_up_to(1, "1w", FAR_MS, 10)
    assert day.trades == 2


async def test_second_writer_is_noticed_by_the_first(store: Store) -> None:
    await filled(store, [], end=10)
    first, second = (
        Recorder(store, market_at(at(10), ONE), SystemClock(), get_logger("test")) for _ in range(2)
    )
    await second.add(at(11), [entry(1)])
    async with committing(second):
        await until(store.position, lambda position: position == at(11))
    await first.add(at(12), [entry(1), entry(2)])
    with pytest.raises(OtherWriterError):
        await first.run()
    assert len(await store.trades_after(ONE, 0, 10)) == 1


async def test_whoever_adds_more_than_may_wait_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.marketdata.recorder.MOST_WAITING", 3)
    await filled(store, [], end=10)
    recorder = Recorder(store, market_at(at(10), ONE), SystemClock(), get_logger("test"))
    await recorder.add(at(11), [entry(1), entry(2), entry(3)])
    adding = asyncio.create_task(recorder.add(at(12), [entry(4)]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not adding.done()
    async with committing(recorder):
        await adding
