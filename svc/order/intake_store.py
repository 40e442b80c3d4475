"""SQL of order intake: what an accepted batch leaves behind, in one transaction, set by set.

Keeps: an order, its first event, its place among open orders, its answer and its command are
committed together or not at all. Rows are locked in the order of their ids, the outbox's counter
last, so that intake and applier never wait for each other in a circle.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg
import grpc

from svc.kit import outbox
from svc.kit.errors import DomainError
from svc.order import lifecycle
from svc.order.asks import Ask, Cancel, Create, Result
from svc.order.changes import Change
from svc.order.intake_rows import answer_rows, order_rows
from svc.order.lifecycle import Cause, status_of

_APPEND = outbox.appending(
    market="$4",
    payload="$5",
    digest="$6",
    count="$7",
    when="$7 > 0 AND (SELECT count(*) FROM inserted) + (SELECT count(*) FROM opened)"
    " + (SELECT count(*) FROM told) + (SELECT count(*) FROM answered) >= 0",
)
_ACCEPT = f"""
WITH asked AS (
    SELECT * FROM unnest($2::order_rows)
), inserted AS (
    INSERT INTO orders (id, version, market, account_id, user_id, instrument_id, side, type,
        time_in_force, status, price, stop_price, trail_offset, trail_bps, activation_price,
        quantity, display_qty, filled_qty, remaining_qty, price_ticks, cap_ticks, lots,
        filled_lots, remaining_lots, filled_tick_lots, budget_tick_lots, quote_units,
        maker_fee_ppm, taker_fee_ppm, leverage, self_trade_mode, post_only, reduce_only,
        client_order_id, idempotency_key, source, fee_currency, reason, expires_at, created_at,
        updated_at, events, sequence)
    SELECT a.id, 1, i.market, a.account_id, a.user_id, a.instrument_id, side_of(a.side),
        type_of(a.type), time_in_force_of(a.time_in_force), status_of(a.status),
        nullif(a.price_ticks, 0) * i.tick_size, a.stop_ticks * i.tick_size,
        CASE WHEN a.trail > 0 THEN a.trail * i.tick_size END,
        CASE WHEN a.trail < 0 THEN -a.trail END, a.activation_ticks * i.tick_size,
        CASE WHEN a.type <> 2 OR a.budget_tick_lots = 0 THEN a.lots * i.lot_size END,
        a.display_lots * i.lot_size, 0, a.lots * i.lot_size,
        a.price_ticks, a.cap_ticks, a.lots, 0, a.lots, 0, a.budget_tick_lots,
        a.quote_units::numeric, a.maker_fee_ppm, a.taker_fee_ppm, a.leverage, a.self_trade_mode,
        a.post_only, a.reduce_only, a.client_order_id, a.idempotency_key, a.source,
        i.quote_currency, a.reason,
        'epoch'::timestamptz + nullif(a.expires_us, 0) * interval '1 microsecond', $1, $1, 1, 0
    FROM asked a JOIN instruments i ON i.id = a.instrument_id
    RETURNING id
), opened AS (
    INSERT INTO open_orders (account_id, order_id, client_order_id)
    SELECT account_id, id, client_order_id FROM asked WHERE status_of(status) = 'new'
    RETURNING 1
), told AS (
    INSERT INTO order_events (order_id, number, account_id, event_type, new_status, reason,
        trace_id, sequence, created_at)
    SELECT id, 1, account_id, (CASE status_of(status) WHEN 'new' THEN 'created' ELSE 'rejected'
        END)::order_event_type, status_of(status), reason, trace_id, 0, $1
    FROM asked
    RETURNING 1
), answered AS (
    INSERT INTO idempotency
        (account_id, key, digest, order_id, code, reason, message, metadata, created_at)
    SELECT *, $1 FROM unnest($3::answer_rows)
    RETURNING 1
), {_APPEND}
SELECT (SELECT count(*) FROM inserted), (SELECT number FROM appended)
"""  # noqa: S608 - made of constants

_LOCK_NAMED = """
SELECT id, market, account_id, instrument_id, status::text, version, filled_lots FROM orders
WHERE id = ANY($1::bigint[]) AND side IS NOT NULL
ORDER BY id FOR UPDATE
"""

_REQUEST_CANCEL = """
WITH moved AS (
    UPDATE orders o SET status = 'cancel_pending', updated_at = $1,
        events = o.events + 1
    FROM unnest($2::bigint[], $3::smallint[], $4::text[]) AS a (id, previous, trace_id)
    WHERE o.id = a.id
    RETURNING o.id, o.events, o.account_id, o.status, o.sequence, a.previous, a.trace_id
)
INSERT INTO order_events (order_id, number, account_id, event_type, prev_status, new_status,
    trace_id, sequence, created_at)
SELECT id, events, account_id, 'cancel_requested', status_of(previous), status, trace_id, sequence,
    $1
FROM moved
"""

_ANSWERS = """
INSERT INTO idempotency
    (account_id, key, digest, order_id, code, reason, message, metadata, created_at)
SELECT *, $1 FROM unnest($2::answer_rows)
"""

_ANSWERS = """
SELECT i.account_id, i.key, i.digest, i.order_id, i.code, i.reason, i.message, i.metadata
FROM unnest($1::bigint[], $2::text[]) AS a (account_id, key)
JOIN idempotency i USING (account_id, key)
"""

_OPEN_CLIENT_IDS = """
SELECT o.account_id, o.client_order_id, o.order_id
FROM unnest($1::bigint[], $2::text[]) AS a (account_id, client_order_id)
JOIN open_orders o USING (account_id, client_order_id)
"""

_KNOWN_ORDERS = "SELECT id FROM orders WHERE id = ANY($1::bigint[])"

_LANDED = "SELECT number FROM outbox WHERE market = $1 AND number > $2 AND digest = $3"

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Batch(NamedTuple):
    """Commands for one market's outbox."""

    market: int
    payload: bytes
    digest: bytes
    commands: int


@dataclass(slots=True)
class Named:
    """An order that a cancel or a change names, locked; `status` is as the asks before left it."""

    order_id: int
    market: int
    account_id: int
    instrument_id: int
    status: int
    version: int
    filled_lots: int


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered under an idempotency key; `error` is None for success."""

    digest: bytes
    order_id: int
    error: DomainError | None
    version: int = 0
    """Of a replace, what was answered beside the order."""


async def accept(
    conn: asyncpg.Connection,
    creates: list[Create],
    answered: list[tuple[Ask, Result]],
    now: datetime,
    batch: Batch | None,
) -> int:
    """Orders with their first events, answers of asks with keys, and a batch of commands.

    All in one statement, which is a transaction where there is none around it: a round trip costs
    more than its rows. Returns the batch's number, 0 without one. Raises UniqueViolationError for
    an order id, client order id or key in use.
    """
    market, payload, digest, commands = batch or Batch(0, b"", b"", 0)
    row = await conn.fetchrow(
        _ACCEPT,
        now,
        order_rows(creates),
        answer_rows(answered),
        market,
        payload,
        digest,
        commands,
    )
    assert row is not None, "a SELECT without FROM has one row"
    inserted, number = row
    assert inserted == len(creates), "an instrument has its row before it has orders"
    return number or 0


async def lock_named(conn: asyncpg.Connection, asks: Sequence[Cancel | Change]) -> dict[int, Named]:
    """The orders that exist of those that are named, locked in the order of their ids."""
    rows = await conn.fetch(_LOCK_NAMED, sorted({ask.named_id for ask in asks}))
    return {
        row[0]: Named(row[0], row[1], row[2], row[3], status_of(row[4]), row[5], row[6])
        for row in rows
    }


async def request_cancels(
    conn: asyncpg.Connection, cancels: Sequence[tuple[Cancel, int]], now: datetime
) -> None:
    """Moves orders that are locked and may be canceled from these states to CANCEL_PENDING."""
    for _, previous in cancels:
        lifecycle.after(previous, Cause.CANCEL_REQUESTED, filled_lots=0)
    await conn.execute(
        _REQUEST_CANCEL,
        now,
        [cancel.order_id for cancel, _ in cancels],
        [previous for _, previous in cancels],
        [cancel.trace_id or None for cancel, _ in cancels],
    )


async def answers(
    conn: asyncpg.Connection, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], StoredAnswer]:
    """Stored answers by (account, key)."""
    rows = await conn.fetch(_ANSWERS, [account for account, _ in keys], [key for _, key in keys])
    return {(row[0], row[1]): _stored(row) for row in rows}


async def open_client_ids(
    conn: asyncpg.Connection, client_ids: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    """Which open order has each of these (account, client order id)."""
    accounts = [account for account, _ in client_ids]
    rows = await conn.fetch(_OPEN_CLIENT_IDS, accounts, [text for _, text in client_ids])
    return {(row[0], row[1]): row[2] for row in rows}


async def known_orders(conn: asyncpg.Connection, order_ids: Sequence[int]) -> set[int]:
    """Which of these ids have a row."""
    return {row[0] for row in await conn.fetch(_KNOWN_ORDERS, order_ids)}


async def landed(
    conn: asyncpg.Connection, market: int, after_number: int, digest: bytes
) -> int | None:
    """The number of the batch with this digest behind `after_number`, if it was committed."""
    number: int | None = await conn.fetchval(_LANDED, market, after_number, digest)
    return number


def _stored(row: asyncpg.Record) -> StoredAnswer:
    _, _, digest, order_id, code, reason, message, metadata = row
    if code:
        error = DomainError(_CODES[code], reason, message, **json.loads(metadata))
        return StoredAnswer(digest, order_id, error)
    return StoredAnswer(digest, order_id, None, json.loads(metadata).get("version", 0))
