"""SQL of schema svc_marketdata: the tape, its candles, and the position both stand at.

Keeps: trades, candles and position move in one transaction, and only from the position they are
at; so each trade is counted once, however often its event is seen, and a second writer is noticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter

import asyncpg

from svc.kit.database import ACQUIRE_TIMEOUT_S, Database
from svc.kit.decimals import Step
from svc.marketdata.candles import INTERVALS_MS, Candle, minutes_of, roll_up
from svc.marketdata.instruments import Instrument
from svc.marketdata.market import Position, TapeEntry
from svc.marketdata.tape import MAX_NUMBER, trade_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SIDES = (None, "buy", "sell")

_START = "INSERT INTO log_positions VALUES ($1, '', 0, 0) ON CONFLICT (market) DO NOTHING"
_POSITION = """
SELECT log_id, sequence, running_hash::text FROM log_positions WHERE market = $1
"""
_MOVE = """
UPDATE log_positions SET log_id = $2, sequence = $3, running_hash = $4::text::numeric
WHERE market = $1 AND log_id = $5 AND sequence = $6
RETURNING market
"""
_ADD_INSTRUMENTS = """
INSERT INTO instruments (id, symbol, market, perpetual, tick_size, lot_size)
SELECT id, symbol, $2, perpetual, tick::numeric, lot::numeric
FROM unnest($1::int[], $3::text[], $4::bool[], $5::text[], $6::text[])
    AS t (id, symbol, perpetual, tick, lot)
ON CONFLICT (id) DO NOTHING
"""
_INSTRUMENTS = """
SELECT id, symbol, perpetual, trim_scale(tick_size)::text AS tick, trim_scale(lot_size)::text AS lot
FROM instruments WHERE market = $1 ORDER BY id
"""
_ADD_TRADES = """
INSERT INTO trades (time, symbol, trade_id, price, quantity, side, sequence)
SELECT 'epoch'::timestamptz + t.time_us * interval '1 microsecond', i.symbol, t.trade_id,
       t.price_ticks * i.tick_size, t.lots * i.lot_size, t.side, t.sequence
FROM unnest($1::trade_rows) AS t JOIN instruments i ON i.id = t.instrument_id
"""
_ADD_CANDLES = """
INSERT INTO candles AS c
SELECT interval, instrument_id, open_time, open, high, low, close, lots::numeric,
       tick_lots::numeric, trades
FROM unnest($1::text[], $2::int[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::bigint[], $8::text[], $9::text[], $10::bigint[])
    AS t (interval, instrument_id, open_time, open, high, low, close, lots, tick_lots, trades)
ON CONFLICT (interval, instrument_id, open_time) DO UPDATE
SET high_ticks = greatest(c.high_ticks, excluded.high_ticks),
    low_ticks = least(c.low_ticks, excluded.low_ticks),
    close_ticks = excluded.close_ticks,
    lots = c.lots + excluded.lots,
    tick_lots = c.tick_lots + excluded.tick_lots,
    trades = c.trades + excluded.trades
"""
_TRADES = """
SELECT trade_id, sequence, time, trim_scale(price)::text AS price,
       trim_scale(quantity)::text AS quantity, side
FROM trades WHERE symbol = $1
"""
_TRADES_AFTER = _TRADES + "AND trade_id > $2 ORDER BY trade_id LIMIT $3"
_TRADES_BEFORE = _TRADES + "AND trade_id < $2 ORDER BY trade_id DESC LIMIT $3"
_LAST_TRADES = """
SELECT i.id, t.trade_id, t.time, (t.price / i.tick_size)::bigint AS price_ticks
FROM instruments i CROSS JOIN LATERAL (
    SELECT trade_id, time, price FROM trades
    WHERE symbol = i.symbol ORDER BY trade_id DESC LIMIT 1
) t
WHERE i.market = $1
"""
_HIGHEST_MARKET = """
SELECT coalesce(max(market), 0) AS highest FROM log_positions WHERE sequence > 0
"""
_CANDLES = """
SELECT open_time, open_ticks, high_ticks, low_ticks, close_ticks, lots::text, tick_lots::text,
       trades
FROM candles WHERE interval = $1 AND instrument_id = $2
"""
_CANDLES_FROM = _CANDLES + "AND open_time >= $3 AND open_time < $4 ORDER BY open_time LIMIT $5"
_CANDLES_UP_TO = _CANDLES + "AND open_time < $3 ORDER BY open_time DESC LIMIT $4"


class OtherWriterError(Exception):
    """The stored position is not where this writer left it: somebody else writes too."""


@dataclass(frozen=True, slots=True)
class StoredTrade:
    """A trade of the table; price and quantity are canonical decimals."""

    number: int
    sequence: int
    time_ms: int
    price: str
    quantity: str
    side: int


@dataclass(frozen=True, slots=True)
class LastTrade:
    """The last stored trade of an instrument."""

    number: int
    time_ms: int
    price_ticks: int


class Table:
    """What is read of all engine markets. Raises one of kit.database.DISCONNECTED when away."""

    def __init__(self, database: Callable[[], Awaitable[Database]]) -> None:
        """`database` gives the same one at every call, as Runtime.database does."""
        self._open = database

    async def trades_after(
        self, instrument: Instrument, number: int, limit: int
    ) -> list[StoredTrade]:
        """At most `limit` trades above a number, oldest first."""
        above = trade_id(instrument.market, min(number, MAX_NUMBER))
        rows = await self._fetch(_TRADES_AFTER, instrument.symbol, above, limit)
        return [_stored_trade(row) for row in rows]

    async def trades_before(
        self, instrument: Instrument, number: int, limit: int
    ) -> list[StoredTrade]:
        """At most `limit` trades below a number, newest first."""
        below = trade_id(instrument.market, min(number, MAX_NUMBER))
        rows = await self._fetch(_TRADES_BEFORE, instrument.symbol, below, limit)
        return [_stored_trade(row) for row in rows]

    async def candles_from(
        self, instrument_id: int, interval: str, from_ms: int, to_ms: int, limit: int
    ) -> list[Candle]:
        """The first `limit` candles that open in [from, to), by time."""
        rows = await self._fetch(
            _CANDLES_FROM, interval, instrument_id, _moment(from_ms), _moment(to_ms), limit
        )
        return [_candle(row) for row in rows]

    async def candles_up_to(
        self, instrument_id: int, interval: str, to_ms: int, limit: int
    ) -> list[Candle]:
        """The last `limit` candles that open before a time, by time."""
        rows = await self._fetch(_CANDLES_UP_TO, interval, instrument_id, _moment(to_ms), limit)
        return [_candle(row) for row in reversed(rows)]

    async def highest_market(self) -> int:
        """The highest market that has a tape; 0 without any."""
        (row,) = await self._fetch(_HIGHEST_MARKET)
        return int(row["highest"])

    async def check(self) -> None:
        """Return when the database answers."""
        await (await self._open()).check()

    async def _execute(self, statement: str, *values: object) -> None:
        database = await self._open()
        async with database.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            await connection.execute(statement, *values)

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        database = await self._open()
        async with database.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return rows


class Store(Table):
    """The rows of one engine market, and who writes them."""

    def __init__(self, database: Callable[[], Awaitable[Database]], market: int) -> None:
        """`database` gives the same one at every call, as Runtime.database does."""
        super().__init__(database)
        self._market = market

    async def position(self) -> Position:
        """Where the table stands; an empty one before the first time."""
        await self._execute(_START, self._market)
        (row,) = await self._fetch(_POSITION, self._market)
        return Position(row["log_id"], row["sequence"], int(row["running_hash"]))

    async def append(self, before: Position, after: Position, entries: Sequence[TapeEntry]) -> None:
        """Move from one position to another with the trades in between, all or nothing.

        Raises OtherWriterError unless the table stands at `before`; nothing has changed then.
        """
        database = await self._open()
        async with database.transaction() as connection:
            moved = await connection.fetchval(
                _MOVE,
                self._market,
                after.log_id,
                after.sequence,
                str(after.running_hash),
                before.log_id,
                before.sequence,
            )
            if moved is None:
                raise OtherWriterError(f"the tape does not stand at {before.sequence} any more")
            if entries:
                await self._add_trades(connection, entries)
                await _add_candles(connection, entries)

    async def add_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Add those that are not there; what is there stays."""
        await self._execute(
            _ADD_INSTRUMENTS,
            [one.id for one in instruments],
            self._market,
            [one.symbol for one in instruments],
            [one.perpetual for one in instruments],
            [str(one.tick) for one in instruments],
            [str(one.lot) for one in instruments],
        )

    async def instruments(self) -> list[Instrument]:
        """Those that were added, by id."""
        return [
            Instrument(
                row["id"],
                self._market,
                row["symbol"],
                row["perpetual"],
                Step.parse(row["tick"]),
                Step.parse(row["lot"]),
            )
            for row in await self._fetch(_INSTRUMENTS, self._market)
        ]

    async def last_trades(self) -> dict[int, LastTrade]:
        """The last trade of each instrument that has one, by instrument id."""
        return {
            row["id"]: LastTrade(
                row["trade_id"] & MAX_NUMBER, _unix_ms(row["time"]), row["price_ticks"]
            )
            for row in await self._fetch(_LAST_TRADES, self._market)
        }

    async def _add_trades(
        self, connection: asyncpg.Connection, entries: Sequence[TapeEntry]
    ) -> None:
        rows = [
            (
                trade.time_unix_ns // 1_000,
                instrument.id,
                trade_id(self._market, trade.number),
                trade.price_ticks,
                trade.lots,
                _SIDES[trade.side],
                trade.sequence,
            )
            for instrument, trade in entries
        ]
        done = await connection.execute(_ADD_TRADES, rows)
        assert done == f"INSERT 0 {len(rows)}", "every instrument of the tape is in the table"


async def _add_candles(connection: asyncpg.Connection, entries: Iterable[TapeEntry]) -> None:
    rows: list[tuple[str, int, Candle]] = []
    by_instrument = attrgetter("instrument.id")
    for instrument_id, tape in groupby(sorted(entries, key=by_instrument), by_instrument):
        minutes = minutes_of(
            (entry.trade.time_unix_ns // 1_000_000, entry.trade.price_ticks, entry.trade.lots)
            for entry in tape
        )
        for interval in INTERVALS_MS:
            rows += [(interval, instrument_id, one) for one in roll_up(minutes, interval)]
    await connection.execute(
        _ADD_CANDLES,
        [interval for interval, _, _ in rows],
        [instrument_id for _, instrument_id, _ in rows],
        [_moment(candle.open_ms) for _, _, candle in rows],
        [candle.open_ticks for _, _, candle in rows],
        [candle.high_ticks for _, _, candle in rows],
        [candle.low_ticks for _, _, candle in rows],
        [candle.close_ticks for _, _, candle in rows],
        [str(candle.lots) for _, _, candle in rows],
        [str(candle.tick_lots) for _, _, candle in rows],
        [candle.trades for _, _, candle in rows],
    )


def _moment(unix_ms: int) -> datetime:
    return _EPOCH + unix_ms * _MILLISECOND


def _unix_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _stored_trade(row: asyncpg.Record) -> StoredTrade:
    return StoredTrade(
        row["trade_id"] & MAX_NUMBER,
        row["sequence"],
        _unix_ms(row["time"]),
        row["price"],
        row["quantity"],
        _SIDES.index(row["side"]),
    )


def _candle(row: asyncpg.Record) -> Candle:
    return Candle(
        _unix_ms(row["open_time"]),
        row["open_ticks"],
        row["high_ticks"],
        row["low_ticks"],
        row["close_ticks"],
        int(row["lots"]),
        int(row["tick_lots"]),
        row["trades"],
    )
