"""SQL of schema svc_wallet: loads the ledger's memory, looks up what closed, writes a batch.

Keeps: a batch is one transaction under the writer's lease. Every statement is set-based; rows
that must be there are counted, so that a memory that has strayed from its database cannot commit.

Encoding rows value by value costs a writer in Python more than deciding about them. So rows
travel as text (see rows.pyx), and a batch is one statement: a round trip costs more than its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from svc.wallet.batch import Batch
from svc.wallet.instruments import Catalog
from svc.wallet.memory import (
    BUY,
    EXTERNAL_ACCOUNT,
    NOWHERE,
    ClosedHold,
    Hold,
    HoldAsk,
    HoldKey,
    HoldState,
    Memory,
    Position,
    Transfer,
)

_SESSION = """
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off;
SET plan_cache_mode = force_generic_plan
"""
"""Keys are few and tables are large: always by the primary key, whatever statistics say."""

_LOAD_TIMEOUT = "SET LOCAL statement_timeout = '60s'"

_BALANCES = """
SELECT account_id, asset_id, balance::text, locked::text FROM balances WHERE ledger = $1
"""
_HOLD = """
h.order_id, h.version, h.account_id, h.instrument_id, h.side, h.cap_ticks, h.lots,
h.quote_amount::text, h.maker_ppm, h.taker_ppm, h.held::text
"""
_OPEN_HOLDS = f"""
SELECT {_HOLD}, h.created_at_unix_ns, o.remaining_lots, o.amount::text, o.state
FROM open_holds AS o JOIN holds AS h USING (order_id, version)
WHERE o.ledger = $1 ORDER BY h.created_at_unix_ns, order_id, version
"""  # noqa: S608 - made of constants
_POSITIONS = """
SELECT market, log_id, sequence, running_hash::text, trade_number FROM progress WHERE ledger = $1
"""
_HIGHEST = """
SELECT greatest((SELECT max(order_id) FROM holds), (SELECT max(order_id) FROM unlocks), 0)
"""
_CLOSED_HOLDS = f"""
SELECT {_HOLD}, u.order_id IS NOT NULL AS unlocked, k.order_id, k.version
FROM unnest($1::bigint[], $2::integer[]) AS k (order_id, version)
LEFT JOIN holds AS h USING (order_id, version)
LEFT JOIN unlocks AS u USING (order_id, version)
WHERE h.order_id IS NOT NULL OR u.order_id IS NOT NULL
"""  # noqa: S608 - made of constants
_TRANSFERS = """
SELECT transaction_id, to_account_id, asset_id, amount::text, reference, balance_after::text
FROM transfers WHERE ledger = $1 AND transaction_id = ANY ($2)
"""

_WRITE = """
WITH settled AS (
    INSERT INTO settlements SELECT * FROM unnest($1::text::settlements[])
), made AS (
    INSERT INTO holds SELECT * FROM unnest($2::text::holds[])
), opened AS (
    INSERT INTO open_holds SELECT * FROM unnest($3::text::open_holds[])
), changed AS (
    UPDATE open_holds AS o
    SET remaining_lots = k.remaining_lots, amount = k.amount, state = k.state
    FROM unnest($4::text::open_holds[]) AS k
    WHERE o.order_id = k.order_id AND o.version = k.version
    RETURNING 1
), closed AS (
    DELETE FROM open_holds AS o USING unnest($5::text::open_holds[]) AS k
    WHERE o.order_id = k.order_id AND o.version = k.version
    RETURNING 1
), moved AS (
    UPDATE balances AS b SET balance = b.balance + k.balance, locked = b.locked + k.locked
    FROM unnest($6::text::balances[]) AS k
    WHERE b.ledger = k.ledger AND b.account_id = k.account_id AND b.asset_id = k.asset_id
    RETURNING 1
), advanced AS (
    UPDATE progress AS p SET sequence = k.sequence, running_hash = k.running_hash::numeric,
        trade_number = k.trade_number
    FROM unnest($8::integer[], $9::text[], $10::bigint[], $11::text[], $12::bigint[],
                $13::bigint[])
        AS k (market, log_id, sequence, running_hash, trade_number, before)
    WHERE p.ledger = $7 AND p.market = k.market AND p.log_id = k.log_id AND p.sequence = k.before
    RETURNING 1
)
SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM closed),
       (SELECT count(*) FROM moved), (SELECT count(*) FROM advanced)
"""
"""One writer changes these tables, so that no order of its rows can meet another's."""

_BEGIN_MARKET = """
INSERT INTO progress (ledger, market, log_id, sequence, running_hash, trade_number)
VALUES ($1, $2, $3, $4, $5::text::numeric, $6)
"""
_ADD_BALANCES = "INSERT INTO balances SELECT * FROM unnest($1::text::balances[])"
_ADD_UNLOCKS = "INSERT INTO unlocks SELECT * FROM unnest($1::text::unlocks[])"
_ADD_TRANSFERS = """
INSERT INTO transfers (ledger, from_account_id, created_at_unix_ns, transaction_id,
                       to_account_id, asset_id, amount, reference, balance_after)
SELECT $1, $2, $3, k.transaction_id, k.to_account_id, k.asset_id, k.amount::numeric, k.reference,
       k.balance_after::numeric
FROM unnest($4::text[], $5::bigint[], $6::integer[], $7::text[], $8::text[], $9::text[])
    AS k (transaction_id, to_account_id, asset_id, amount, reference, balance_after)
"""


class StrayedError(Exception):
    """The database does not hold what the memory was made of; the memory must be dropped."""


async def prepare_session(connection: asyncpg.Connection) -> None:
    """Settings of the writer's own connection."""
    await connection.execute(_SESSION)


async def load(connection: asyncpg.Connection, ledger: int, catalog: Catalog) -> Memory:
    """The ledger as it is committed; call it in a transaction that holds the fence.

    Raises StrayedError when a hold is of an instrument that the catalog does not know.
    """
    memory = Memory(ledger)
    await connection.execute(_LOAD_TIMEOUT)
    for account_id, asset_id, balance, locked in await connection.fetch(_BALANCES, ledger):
        memory.load_balance(account_id, asset_id, int(balance), int(locked))
    for row in await connection.fetch(_OPEN_HOLDS, ledger):
        memory.load_hold(_hold_of(row, memory, catalog))
    for market, log_id, sequence, running_hash, trade_number in await connection.fetch(
        _POSITIONS, ledger
    ):
        memory.positions[market] = Position(log_id, sequence, int(running_hash), trade_number)
    memory.highest_order_id = await connection.fetchval(_HIGHEST)
    return memory


async def closed_holds(
    connection: asyncpg.Connection, keys: Sequence[HoldKey]
) -> dict[HoldKey, ClosedHold]:
    """Those of the keys that had a hold or were unlocked, none of which is open."""
    found: dict[HoldKey, ClosedHold] = {}
    order_ids, versions = zip(*keys, strict=True)
    for row in await connection.fetch(_CLOSED_HOLDS, order_ids, versions):
        state = HoldState.UNLOCKED if row["unlocked"] else HoldState.ENDED
        born = row[0] is not None
        closed = ClosedHold(_ask_of(row) if born else None, int(row[10]) if born else 0, state)
        found[HoldKey(row[-2], row[-1])] = closed
    return found


async def transfers(
    connection: asyncpg.Connection, ledger: int, transaction_ids: Sequence[str]
) -> dict[str, Transfer]:
    """Those of the payments that were made."""
    rows = await connection.fetch(_TRANSFERS, ledger, transaction_ids)
    return {
        row[0]: Transfer(row[0], row[1], row[2], int(row[3]), row[4], int(row[5])) for row in rows
    }


async def write(connection: asyncpg.Connection, memory: Memory, now_unix_ns: int) -> None:
    """Writes the memory's changes; call it in a transaction that holds the fence.

    Raises StrayedError, or what a constraint says: nothing may be committed then.
    """
    changes, ledger = memory.changes, memory.ledger
    batch = Batch(memory, now_unix_ns)
    if batch.added:
        await connection.execute(_ADD_BALANCES, batch.added.text())
    if batch.unlocked:
        await connection.execute(_ADD_UNLOCKS, batch.unlocked.text())
    await _write_transfers(connection, changes.transfers, ledger, now_unix_ns)
    advanced = []
    for market, before in changes.positions.items():
        after = memory.positions[market]
        row = (market, after.log_id, after.sequence, str(after.running_hash), after.trade_number)
        if before is NOWHERE:
            await connection.execute(_BEGIN_MARKET, ledger, *row)
        else:
            advanced.append((*row, before.sequence))
    if _writes(batch) or advanced:
        await _write_rows(connection, batch, ledger, advanced)


def _writes(batch: Batch) -> bool:
    rows = (batch.settled, batch.made, batch.changed, batch.closed, batch.moved)
    return any(map(len, rows))


async def _write_rows(
    connection: asyncpg.Connection,
    batch: Batch,
    ledger: int,
    advanced: Sequence[tuple[int, str, int, str, int, int]],
) -> None:
    """Writes what most batches have, and counts the rows that had to be there."""
    columns = zip(*advanced, strict=True) if advanced else [()] * 6
    found = await connection.fetchrow(
        _WRITE,
        batch.settled.text(),
        batch.made.text(),
        batch.opened.text(),
        batch.changed.text(),
        batch.closed.text(),
        batch.moved.text(),
        ledger,
        *columns,
    )
    expected = (len(batch.changed), len(batch.closed), len(batch.moved), len(advanced))
    assert found is not None, "counts are always a row"
    there = tuple(found)
    if there != expected:
        raise StrayedError(
            f"holds changed, holds closed, balances, positions: {there} rows were there, "
            f"{expected} were to be"
        )


async def _write_transfers(
    connection: asyncpg.Connection,
    made: Sequence[Transfer],
    ledger: int,
    now_unix_ns: int,
) -> None:
    if made:
        ids, accounts, assets, amounts, references, after = zip(*made, strict=True)
        await connection.execute(
            _ADD_TRANSFERS, ledger, EXTERNAL_ACCOUNT, now_unix_ns, ids, accounts, assets,
            [str(amount) for amount in amounts], references, [str(total) for total in after],
        )  # fmt: skip


def _ask_of(row: asyncpg.Record) -> HoldAsk:
    fields = (*row[:7], int(row[7]), *row[8:10])
    return HoldAsk(*fields)


def _hold_of(row: asyncpg.Record, memory: Memory, catalog: Catalog) -> Hold:
    ask = _ask_of(row)
    instrument = catalog.instruments.get(ask.instrument_id)
    if instrument is None:
        raise StrayedError(
            f"order {ask.order_id} holds funds for instrument {ask.instrument_id}, "
            "which metadata does not know"
        )
    base = memory.balance(ask.account_id, instrument.base.asset_id)
    quote = memory.balance(ask.account_id, instrument.quote.asset_id)
    pays, gets = (quote, base) if ask.side == BUY else (base, quote)
    return Hold(
        ask, int(row["held"]), row["created_at_unix_ns"], instrument, pays, gets,
        row["remaining_lots"], int(row["amount"]), row["state"], stored=True,
    )  # fmt: skip
