"""SQL of schema svc_wallet: loads the ledger's memory, looks up what closed, writes a batch.

Keeps: a batch is one transaction under the writer's lease. Every statement is set-based; rows
that must be there are counted, so that a memory that has strayed from its database cannot commit.

Encoding rows value by value costs a writer in Python more than deciding about them. So rows
travel as text made by one call for all of them: JSON of integers is CSV but for its brackets, and
an array literal but for its braces; neither has a limit on the digits of an amount.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import orjson

from svc.wallet.instruments import Catalog
from svc.wallet.memory import (
    BUY,
    ENDED,
    EXTERNAL_ACCOUNT,
    OPEN,
    SETTLEMENT,
    UNLOCKED,
    Changes,
    ClosedHold,
    Hold,
    HoldAsk,
    HoldKey,
    HoldState,
    Memory,
    Position,
    Transfer,
)

_SESSION = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off"
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
FROM unnest($1::text::bigint[], $2::text::integer[]) AS k (order_id, version)
LEFT JOIN holds AS h USING (order_id, version)
LEFT JOIN unlocks AS u USING (order_id, version)
WHERE h.order_id IS NOT NULL OR u.order_id IS NOT NULL
"""  # noqa: S608 - made of constants
_TRANSFERS = """
SELECT transaction_id, to_account_id, asset_id, amount::text, reference, balance_after::text
FROM transfers WHERE ledger = $1 AND transaction_id = ANY ($2)
"""

_HOLD_COLUMNS = (
    "order_id", "version", "account_id", "instrument_id", "side", "cap_ticks", "lots",
    "quote_amount", "maker_ppm", "taker_ppm", "ledger", "asset_id", "held", "created_at_unix_ns",
)  # fmt: skip
_OPEN_HOLD_COLUMNS = ("ledger", "order_id", "version", "remaining_lots", "amount", "state")
_UNLOCK_COLUMNS = ("ledger", "order_id", "version", "unlocked_at_unix_ns")
_BALANCE_COLUMNS = ("ledger", "account_id", "asset_id", "balance", "locked")

_CLOSE_HOLDS = """
DELETE FROM open_holds AS o
USING unnest($1::text::bigint[], $2::text::integer[]) AS k (order_id, version)
WHERE o.order_id = k.order_id AND o.version = k.version
"""
_CHANGE_HOLDS = """
UPDATE open_holds AS o SET remaining_lots = k.remaining_lots, amount = k.amount, state = k.state
FROM unnest($1::text::bigint[], $2::text::integer[], $3::text::bigint[], $4::text::numeric[],
            $5::text::smallint[]) AS k (order_id, version, remaining_lots, amount, state)
WHERE o.order_id = k.order_id AND o.version = k.version
"""
_CHANGE_BALANCES = """
UPDATE balances AS b SET balance = b.balance + k.balance, locked = b.locked + k.locked
FROM unnest($1::text::smallint[], $2::text::bigint[], $3::text::integer[], $4::text::numeric[],
            $5::text::numeric[]) AS k (ledger, account_id, asset_id, balance, locked)
WHERE b.ledger = k.ledger AND b.account_id = k.account_id AND b.asset_id = k.asset_id
"""
_ADD_TRANSFERS = """
INSERT INTO transfers (ledger, from_account_id, created_at_unix_ns, transaction_id,
                       to_account_id, asset_id, amount, reference, balance_after)
SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text::bigint[], $6::text::integer[],
                                 $7::text::numeric[], $8::text[], $9::text::numeric[])
"""
_MOVE = """
INSERT INTO progress AS p (ledger, market, log_id, sequence, running_hash, trade_number)
VALUES ($1, $2, $3, $4, $5::text::numeric, $6)
ON CONFLICT (ledger, market) DO UPDATE
SET sequence = excluded.sequence, running_hash = excluded.running_hash,
    trade_number = excluded.trade_number
WHERE p.log_id = excluded.log_id AND p.sequence = $7
"""


_TWO_63 = 2**63


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
    for row in await connection.fetch(_CLOSED_HOLDS, _array(order_ids), _array(versions)):
        state = UNLOCKED if row["unlocked"] else ENDED
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
    await _copy(connection, "settlements", SETTLEMENT, changes.settlements)
    await _write_holds(connection, changes, ledger)
    unlocks = [(ledger, *key, now_unix_ns) for key in changes.unlocked]
    await _copy(connection, "unlocks", _UNLOCK_COLUMNS, unlocks)
    await _write_transfers(connection, changes.transfers, ledger, now_unix_ns)
    await _write_balances(connection, changes, ledger)
    for market, before in changes.positions.items():
        after = memory.positions[market]
        status = await connection.execute(
            _MOVE, ledger, market, after.log_id, after.sequence, str(after.running_hash),
            after.trade_number, before.sequence,
        )  # fmt: skip
        _expect(status, 1, "progress")


async def _write_holds(connection: asyncpg.Connection, changes: Changes, ledger: int) -> None:
    made = changes.made
    rows = [
        (*hold.ask, ledger, hold.pays.asset_id, hold.held, hold.created_at_unix_ns) for hold in made
    ]
    await _copy(connection, "holds", _HOLD_COLUMNS, rows)
    opened = [
        (ledger, *hold.ask[:2], hold.remaining, hold.amount, hold.state)
        for hold in made
        if hold.state in OPEN
    ]
    await _copy(connection, "open_holds", _OPEN_HOLD_COLUMNS, opened)
    closed = []
    changed = []
    for hold in changes.holds:
        if hold.stored:
            key = (hold.ask.order_id, hold.ask.version)
            if hold.state in OPEN:
                changed.append((*key, hold.remaining, hold.amount, hold.state))
            else:
                closed.append(key)
    await _change(connection, _CLOSE_HOLDS, "open_holds", closed)
    await _change(connection, _CHANGE_HOLDS, "open_holds", changed)


async def _write_transfers(
    connection: asyncpg.Connection,
    made: Sequence[Transfer],
    ledger: int,
    now_unix_ns: int,
) -> None:
    if made:
        ids, accounts, assets, amounts, references, after = zip(*made, strict=True)
        await connection.execute(
            _ADD_TRANSFERS, ledger, EXTERNAL_ACCOUNT, now_unix_ns, ids, _array(accounts),
            _array(assets), _array(amounts), references, _array(after),
        )  # fmt: skip


async def _write_balances(connection: asyncpg.Connection, changes: Changes, ledger: int) -> None:
    added = []
    changed = []
    for balance, (total, locked) in changes.balances.items():
        key = (ledger, balance.account_id, balance.asset_id)
        if not balance.stored:
            added.append((*key, balance.total, balance.locked))
        elif balance.total != total or balance.locked != locked:
            changed.append((*key, balance.total - total, balance.locked - locked))
    await _copy(connection, "balances", _BALANCE_COLUMNS, added)
    await _change(connection, _CHANGE_BALANCES, "balances", changed)


async def _change(
    connection: asyncpg.Connection, statement: str, table: str, rows: Sequence[tuple[int, ...]]
) -> None:
    """Changes rows that must be there, in the order of their keys."""
    if rows:
        columns = zip(*sorted(rows), strict=True)
        status = await connection.execute(statement, *map(_array, columns))
        _expect(status, len(rows), table)


async def _copy(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[int, ...]],
) -> None:
    if rows:
        text = _json(rows)[2:-2].replace(b"],[", b"\n")
        await connection.copy_to_table(table, source=_whole(text), columns=columns, format="csv")


async def _whole(text: bytes) -> AsyncIterator[bytes]:
    yield text


def _array(values: Sequence[int]) -> str:
    return "{" + _json(values)[1:-1].decode() + "}"


def _json(values: object) -> bytes:
    try:
        return orjson.dumps(values)
    except TypeError:
        return orjson.dumps(_quoted(values))


def _quoted(values: object) -> object:
    """With integers of more than 64 bits as text, which CSV and array literals take as well."""
    if isinstance(values, Sequence):
        return [_quoted(value) for value in values]
    return values if isinstance(values, int) and abs(values) < _TWO_63 else str(values)


def _expect(status: str, rows: int, table: str) -> None:
    written = int(status.rpartition(" ")[2])
    if written != rows:
        raise StrayedError(f"{table}: {written} rows were there, {rows} were to be")


def _ask_of(row: asyncpg.Record) -> HoldAsk:
    return HoldAsk._make((*row[:7], int(row[7]), *row[8:10]))


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
        row["remaining_lots"], int(row["amount"]), HoldState(row["state"]), stored=True,
    )  # fmt: skip
