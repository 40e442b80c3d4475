"""SQL of schema svc_metadata: assets, instruments with their versions, wishes, what is known.

Keeps: a put is checked against the rows it changes while nobody else can change them, and is
committed whole; versions and wishes count up from 1 without gaps per instrument.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg

from svc.kit.database import Database
from svc.metadata.catalog import (
    Asset,
    Catalog,
    CatalogError,
    Changes,
    Definition,
    DefinitionSeen,
    DefinitionWish,
    Kind,
    Known,
    Listed,
    Position,
    State,
    StateSeen,
    StateWish,
    Terms,
    changes,
    needs_wish,
)
from svc.metadata.rules import check, check_wish
from svc.metadata.steps import canonical

# One writer at a time; readers go on.
_LOCK = "LOCK TABLE instruments IN SHARE ROW EXCLUSIVE MODE"

_ASSETS = "SELECT id, symbol, name, ledger_scale FROM assets ORDER BY id"

_LISTED = """
SELECT DISTINCT ON (d.id) d.*, w.state AS wished_state, w.version AS state_version,
       k.version AS known_version, k.state AS known_state,
       k.state_version AS known_state_version, k.sequence AS known_sequence
FROM definitions d
JOIN state_wishes w ON w.instrument_id = d.id
LEFT JOIN known_instruments k ON k.instrument_id = d.id
ORDER BY d.id, d.version DESC, w.version DESC
"""

_DEFINITION_WISHES = """
SELECT d.*, w.state
FROM definitions d
LEFT JOIN state_wishes w ON w.instrument_id = d.id AND w.version = 1 AND d.version = 1
LEFT JOIN known_instruments k ON k.instrument_id = d.id
WHERE d.market = $1 AND d.version > coalesce(k.version, 0)
ORDER BY d.id, d.version LIMIT $2
"""

# The first wish travels with the first definition.
_STATE_WISHES = """
SELECT w.instrument_id, w.version, w.state
FROM instruments i
JOIN state_wishes w ON w.instrument_id = i.id AND w.version > 1
LEFT JOIN known_instruments k ON k.instrument_id = i.id
WHERE i.market = $1 AND w.version > coalesce(k.state_version, 0)
ORDER BY w.instrument_id, w.version LIMIT $2
"""

_ADD_ASSET = "INSERT INTO assets (id, symbol, name, ledger_scale) VALUES ($1, $2, $3, $4)"
_RENAME_ASSET = "UPDATE assets SET name = $2 WHERE id = $1"
_ADD_INSTRUMENT = """
INSERT INTO instruments
    (id, symbol, kind, market, base_asset_id, quote_asset_id, tick_size, lot_size)
SELECT $1, $2, $3, $4, base.id, quote.id, $7::text::numeric, $8::text::numeric
FROM assets base, assets quote WHERE base.symbol = $5 AND quote.symbol = $6
"""
_ADD_VERSION = """
INSERT INTO instrument_versions
    (instrument_id, version, min_notional, max_quantity, max_leverage, collar_bps,
     reference_price, maker_fee_ppm, taker_fee_ppm, band_bps, band_auction)
SELECT $1, 1 + coalesce(max(version), 0), $2::text::numeric, $3::text::numeric, $4, $5,
       nullif($6, '')::numeric, $7, $8, $9, $10
FROM instrument_versions WHERE instrument_id = $1
"""
_ADD_WISH = """
INSERT INTO state_wishes (instrument_id, version, state)
SELECT $1, 1 + coalesce(max(version), 0), $2 FROM state_wishes WHERE instrument_id = $1
RETURNING version
"""

# An event may be seen again after a restart; its sequence says so.
_DEFINITION_SEEN = """
INSERT INTO known_instruments AS k (instrument_id, version, state, state_version, sequence)
VALUES ($1, $2, $3, 1, $4)
ON CONFLICT (instrument_id) DO UPDATE
SET version = excluded.version, state = excluded.state, sequence = excluded.sequence
WHERE k.sequence < excluded.sequence
"""
_STATE_SEEN = """
UPDATE known_instruments
SET state = $2, state_version = greatest(state_version, $3), sequence = $4
WHERE instrument_id = $1 AND sequence < $4
"""
_KNOWN = """
INSERT INTO known_instruments AS k (instrument_id, version, state, state_version, sequence)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (instrument_id) DO UPDATE
SET version = excluded.version, state = excluded.state, state_version = excluded.state_version,
    sequence = excluded.sequence
WHERE k.sequence < excluded.sequence
"""

_POSITION = "SELECT log_id, sequence, running_hash FROM log_positions WHERE market = $1"
_MOVE = """
INSERT INTO log_positions (market, log_id, sequence, running_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT (market) DO UPDATE
SET log_id = excluded.log_id, sequence = excluded.sequence, running_hash = excluded.running_hash
"""


class Store:
    """The rows of metadata's schema. Raises one of kit.database.DISCONNECTED when it is away."""

    def __init__(self, database: Callable[[], Awaitable[Database]], markets: int) -> None:
        """`database` gives the same one at every call; `markets` is how many there are."""
        self._open = database
        self._markets = markets

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        database = await self._open()
        async with database.transaction() as connection:
            yield connection

    async def load(self) -> Catalog:
        """Everything there is."""
        async with self._transaction() as connection:
            return await _load(connection)

    async def put(self, assets: Sequence[Asset], definitions: Sequence[Definition]) -> None:
        """Adds or changes all of them; CatalogError with every problem, and nothing is changed."""
        definitions = [canonical(definition) for definition in definitions]
        async with self._transaction() as connection:
            await connection.execute(_LOCK)
            current = await _load(connection)
            problems = check(current, assets, definitions, self._markets)
            if problems:
                raise CatalogError(problems)
            await _write(connection, changes(current, assets, definitions))

    async def wish(self, instrument_id: int, state: State) -> int:
        """Wishes a listed instrument's market into a state; the version of the wish.

        A wish that stands already is not repeated. CatalogError for one that may not be.
        """
        async with self._transaction() as connection:
            await connection.execute(_LOCK)
            listed = (await _load(connection)).instruments[instrument_id]
            problem = check_wish(listed, state)
            if problem:
                raise CatalogError([problem])
            if not needs_wish(listed, state):
                return listed.state_version
            version: int = await connection.fetchval(_ADD_WISH, instrument_id, state)
            return version

    async def unconfirmed(
        self, market: int, limit: int
    ) -> tuple[list[DefinitionWish], list[StateWish]]:
        """What the engine has not confirmed, at most `limit` of each, in the order of wishing."""
        async with self._transaction() as connection:
            definitions = await connection.fetch(_DEFINITION_WISHES, market, limit)
            states = await connection.fetch(_STATE_WISHES, market, limit)
        return [_definition_wish(row) for row in definitions], [
            StateWish(row["instrument_id"], row["version"], State(row["state"])) for row in states
        ]

    async def position(self, market: int) -> Position:
        """Where the market's log has been followed to; an empty one before the first time."""
        async with self._transaction() as connection:
            row = await connection.fetchrow(_POSITION, market)
        if row is None:
            return Position()
        return Position(row["log_id"], row["sequence"], int(row["running_hash"]))

    async def learn(self, news: Sequence[DefinitionSeen | StateSeen]) -> None:
        """Takes in what the engine has said; what is at or below the known sequence is skipped."""
        async with self._transaction() as connection:
            for seen in news:
                match seen:
                    case DefinitionSeen(instrument_id, version, state, sequence):
                        await connection.execute(
                            _DEFINITION_SEEN, instrument_id, version, state, sequence
                        )
                    case StateSeen(instrument_id, state, wish, sequence):
                        await connection.execute(_STATE_SEEN, instrument_id, state, wish, sequence)

    async def move(self, market: int, position: Position) -> None:
        """Remembers how far a market's log has been followed."""
        async with self._transaction() as connection:
            # Losing it costs a longer look at the log, so it need not wait for the disk.
            await connection.execute("SET LOCAL synchronous_commit = off")
            await _move(connection, market, position)

    async def begin(self, market: int, position: Position, known: Mapping[int, Known]) -> None:
        """Takes what the engine knows at a position, by instrument, and goes on from there."""
        async with self._transaction() as connection:
            await connection.executemany(
                _KNOWN,
                [
                    (instrument_id, one.version, one.state, one.state_version, one.sequence)
                    for instrument_id, one in known.items()
                ],
            )
            await _move(connection, market, position)


async def _move(connection: asyncpg.Connection, market: int, position: Position) -> None:
    await connection.execute(
        _MOVE, market, position.log_id, position.sequence, position.running_hash
    )


async def _load(connection: asyncpg.Connection) -> Catalog:
    # Instruments first: an asset that is committed in between is one too many, not one missing.
    listed = [_listed(row) for row in await connection.fetch(_LISTED)]
    assets = [Asset(*row) for row in await connection.fetch(_ASSETS)]
    return Catalog(
        assets={asset.id: asset for asset in assets},
        instruments={row.definition.id: row for row in listed},
    )


async def _write(connection: asyncpg.Connection, found: Changes) -> None:
    await connection.executemany(
        _ADD_ASSET, [(a.id, a.symbol, a.name, a.ledger_scale) for a in found.assets_added]
    )
    await connection.executemany(_RENAME_ASSET, [(a.id, a.name) for a in found.assets_renamed])
    added, changed = found.instruments_added, found.instruments_changed
    await connection.executemany(_ADD_INSTRUMENT, [_identity(d) for d in added])
    await connection.executemany(_ADD_VERSION, [_version(d) for d in (*added, *changed)])
    await connection.executemany(_ADD_WISH, [(d.id, d.initial_state) for d in added])


def _identity(new: Definition) -> tuple[int, str, str, int, str, str, str, str]:
    return (
        new.id,
        new.symbol,
        new.kind,
        new.market,
        new.base_asset,
        new.quote_asset,
        new.tick_size,
        new.lot_size,
    )


def _version(new: Definition) -> tuple[int, str, str, int, int, str, int, int, int, bool]:
    terms = new.terms
    return (
        new.id,
        terms.min_notional,
        terms.max_quantity,
        terms.max_leverage,
        terms.collar_bps,
        terms.reference_price,
        terms.maker_fee_ppm,
        terms.taker_fee_ppm,
        terms.band_bps,
        terms.band_auction,
    )


def _definition(row: asyncpg.Record, initial_state: str) -> Definition:
    return Definition(
        id=row["id"],
        symbol=row["symbol"],
        kind=Kind(row["kind"]),
        market=row["market"],
        base_asset=row["base_asset"],
        quote_asset=row["quote_asset"],
        tick_size=row["tick_size"],
        lot_size=row["lot_size"],
        terms=Terms(*(row[name] for name in Terms.__slots__)),
        initial_state=State(initial_state),
    )


def _definition_wish(row: asyncpg.Record) -> DefinitionWish:
    state = State(row["state"]) if row["state"] else None
    return DefinitionWish(_definition(row, state or State.HALTED), row["version"], state)


def _listed(row: asyncpg.Record) -> Listed:
    known = None
    if row["known_version"] is not None:
        known = Known(
            version=row["known_version"],
            state=State(row["known_state"]),
            state_version=row["known_state_version"],
            sequence=row["known_sequence"],
        )
    return Listed(
        definition=_definition(row, row["wished_state"]),
        version=row["version"],
        wished_state=State(row["wished_state"]),
        state_version=row["state_version"],
        known=known,
    )
