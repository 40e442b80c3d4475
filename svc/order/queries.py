"""What the orders and trades of an account are: one, or pages of them.

Keeps: an account sees its own rows alone, committed and settled ones; pages by cursor neither
repeat nor skip a row that did not change meanwhile. Lists are always fresh. A total is exact up
to EXACT_TOTAL rows; beyond it is at most COUNT_LIFE_S old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Column, ColumnElement, RowMapping, Select, func, select, tuple_, union_all

from svc.kit import ids
from svc.kit.database import Database
from svc.kit.errors import not_found
from svc.order import cursors
from svc.order.cursors import Place
from svc.order.lifecycle import CANCELABLE, FINAL, LIVE
from svc.order.tables import IS_END, open_orders, order_events, orders, trades

EXACT_TOTAL = 10_000
COUNT_LIFE_S = 300

MOST_CLOCK_DIFFERENCE = timedelta(hours=1)
"""No engine's clock is further behind that of orders."""

CLIENT_ID_PREFIX = "client:"
"""Begins the caller's own id where an order's id may stand."""

_CANCELABLE_LABELS = sorted(status.name.lower() for status in CANCELABLE)
_LIVE_LABELS = frozenset(status.name.lower() for status in LIVE)
_FINAL_LABELS = frozenset(status.name.lower() for status in FINAL)


@dataclass(frozen=True, slots=True)
class OrderFilters:
    """All of them must hold; empty, 0 and None are no filter."""

    status: str = ""
    type: str = ""
    instrument_id: int = 0
    created_from: datetime | None = None
    created_before: datetime | None = None
    order_id: int = 0
    client_id_part: str = ""

    def conditions(self) -> list[ColumnElement[bool]]:
        """As conditions on `orders`."""
        column = orders.c
        # An order without a side was closed by the reconciler and never anybody's.
        all_of: list[ColumnElement[bool]] = [column.side.is_not(None)]
        if self.status:
            all_of.append(column.status == self.status)
        if self.type:
            all_of.append(column.type == self.type)
        if self.instrument_id:
            all_of.append(column.instrument_id == self.instrument_id)
        if self.created_from is not None:
            all_of.append(column.created_at >= self.created_from)
        if self.created_before is not None:
            all_of.append(column.created_at < self.created_before)
        if self.order_id:
            all_of.append(column.id == self.order_id)
        if self.client_id_part:
            all_of.append(column.client_order_id.contains(self.client_id_part, autoescape=True))
        return all_of


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the cursor of the page after; empty: this was the last."""

    rows: Sequence[RowMapping]
    next_cursor: str


def _open_order_id(account_id: int, named: str) -> Select[tuple[int]]:
    return select(open_orders.c.order_id).where(
        open_orders.c.account_id == account_id,
        open_orders.c.client_order_id == named.removeprefix(CLIENT_ID_PREFIX),
    )


class Queries:
    """Reads on connections of their own, so that no list holds up an order."""

    def __init__(self, database: Callable[[], Awaitable[Database]], redis: Redis) -> None:
        """`database` gives the same one at every call."""
        self._database = database
        self._redis = redis

    async def order(self, account_id: int, named: str) -> RowMapping:
        """The account's order: a UUID, or client:<id> while it is open.

        Raises UNKNOWN_ORDER.
        """
        if named.startswith(CLIENT_ID_PREFIX):
            is_it = orders.c.id == _open_order_id(account_id, named).scalar_subquery()
        else:
            try:
                is_it = orders.c.id == ids.from_uuid(named)
            except ValueError as error:
                raise not_found("UNKNOWN_ORDER", f"{error}.", orderId=named) from None
        rows = await self._fetch(
            select(orders).where(
                is_it, orders.c.account_id == account_id, orders.c.side.is_not(None)
            )
        )
        if not rows:
            raise not_found("UNKNOWN_ORDER", f"There is no order {named}.", orderId=named)
        return rows[0]

    async def open_order_id(self, account_id: int, named: str) -> int:
        """The account's open order of the name client:<id>; 0: there is none."""
        rows = await self._fetch(_open_order_id(account_id, named))
        return int(rows[0]["order_id"]) if rows else 0

    async def cancelable(
        self,
        account_id: int,
        *,
        instrument_id: int,
        side: str,
        after: int,
        up_to: int,
        limit: int,
    ) -> list[int]:
        """The account's orders that a cancel would be new to, by id, above one and up to another.

        `instrument_id` 0 and an empty `side` are no filter.
        """
        column = orders.c
        chosen = select(column.id).join(open_orders, open_orders.c.order_id == column.id)
        chosen = chosen.where(
            open_orders.c.account_id == account_id,
            open_orders.c.order_id > after,
            open_orders.c.order_id <= up_to,
            column.status.in_(_CANCELABLE_LABELS),
        )
        if instrument_id:
            chosen = chosen.where(column.instrument_id == instrument_id)
        if side:
            chosen = chosen.where(column.side == side)
        rows = await self._fetch(chosen.order_by(open_orders.c.order_id).limit(limit))
        return [row["id"] for row in rows]

    async def newest_open(self, account_id: int) -> int:
        """The highest id of the account's open orders; 0: it has none."""
        column = open_orders.c
        newest = func.coalesce(func.max(column.order_id), 0).label("newest")
        (row,) = await self._fetch(select(newest).where(column.account_id == account_id))
        return int(row["newest"])

    async def orders(
        self,
        account_id: int,
        filters: OrderFilters,
        *,
        limit: int,
        offset: int = 0,
        cursor: str = "",
    ) -> Page:
        """Orders, last change first. Raises INVALID_CURSOR."""
        of_list = cursors.list_digest("orders", account_id, filters)
        after = cursors.read(cursor, of_list) if cursor else None
        chosen = _by_last_change(account_id, filters, after, offset + limit + 1)
        rows = await self._fetch(chosen.offset(offset))
        return _page(rows, limit, of_list, lambda row: Place(row["updated_at"], row["id"]))

    async def total(self, account_id: int, filters: OrderFilters) -> int:
        """How many orders match, on all pages."""
        name = f"order:count:{account_id}:{cursors.list_digest(filters).hex()}"
        known = await self._remembered(name)
        if known is not None:
            return known
        matching = select(orders.c.id).where(
            orders.c.account_id == account_id, *filters.conditions()
        )
        total = await self._count(matching.limit(EXACT_TOTAL + 1))
        if total > EXACT_TOTAL:
            total = await self._count(matching)
            await self._remember(name, total)
        return total

    async def trades(
        self, account_id: int, *, instrument_id: int, order_id: int, limit: int, cursor: str
    ) -> Page:
        """Trades, newest first; a trade with oneself is there twice. Raises INVALID_CURSOR."""
        of_list = cursors.list_digest("trades", account_id, instrument_id, order_id)
        column = trades.c
        side = (column.side == "sell").cast(orders.c.version.type)
        key = tuple_(column.executed_at, column.trade_id, side)
        chosen = select(trades).where(column.account_id == account_id)
        if instrument_id:
            chosen = chosen.where(column.instrument_id == instrument_id)
        if order_id:
            chosen = chosen.where(column.order_id == order_id, *_lifetime(account_id, order_id))
        if cursor:
            place = cursors.read(cursor, of_list)
            # The first half bounds the index; the second is exact.
            chosen = chosen.where(column.executed_at <= place.time)
            chosen = chosen.where(key < tuple_(place.time, place.id, place.side))
        chosen = chosen.order_by(
            column.executed_at.desc(), column.trade_id.desc(), column.side.desc()
        )
        rows = await self._fetch(chosen.limit(limit + 1))
        return _page(rows, limit, of_list, _trade_place)

    async def _fetch(self, statement: Select[Any]) -> Sequence[RowMapping]:
        database = await self._database()
        async with database.engine.connect() as conn:
            result = await conn.execute(statement)
            rows: Sequence[RowMapping] = result.mappings().all()
            return rows

    async def _count(self, matching: Select[Any]) -> int:
        database = await self._database()
        async with database.engine.connect() as conn:
            counted = await conn.execute(select(func.count()).select_from(matching.subquery()))
            return int(counted.scalar_one())

    async def _remembered(self, name: str) -> int | None:
        try:
            known = await self._redis.get(name)
        except (RedisError, OSError, TimeoutError):
            return None  # without the cache every total is counted
        return None if known is None else int(known)

    async def _remember(self, name: str, total: int) -> None:
        try:
            await self._redis.set(name, total, ex=COUNT_LIFE_S)
        except (RedisError, OSError, TimeoutError):
            return  # as above


def _by_last_change(
    account_id: int, filters: OrderFilters, after: Place | None, rows: int
) -> Select[Any]:
    """The first rows of an account's orders, last change first.

    The few that are live are found by themselves, however many have ended; those that have ended
    through the index of the events that end, which no update moves.
    """
    matching = select(orders).where(*filters.conditions())
    parts = []
    if filters.status not in _FINAL_LABELS:
        live = matching.join(open_orders, open_orders.c.order_id == orders.c.id)
        live = live.where(open_orders.c.account_id == account_id)
        parts.append(_first(live, (orders.c.updated_at, orders.c.id), after, rows))
    if filters.status not in _LIVE_LABELS:
        event = order_events.c
        is_last = (orders.c.id == event.order_id) & (orders.c.events == event.number)
        ended = matching.join(order_events, is_last).where(event.account_id == account_id, IS_END)
        if filters.created_from is not None:
            ended = ended.where(event.created_at >= filters.created_from)
        parts.append(_first(ended, (event.created_at, event.order_id), after, rows))
    if len(parts) == 1:
        return parts[0]
    both = union_all(*parts).subquery()
    return select(both).order_by(both.c.updated_at.desc(), both.c.id.desc()).limit(rows)


def _first(
    chosen: Select[Any], place: tuple[Column[Any], Column[Any]], after: Place | None, rows: int
) -> Select[Any]:
    if after is not None:
        chosen = chosen.where(tuple_(*place) < tuple_(after.time, after.id))
    return chosen.order_by(*(column.desc() for column in place)).limit(rows)


def _lifetime(account_id: int, order_id: int) -> list[ColumnElement[bool]]:
    """An order's trades come after it, by clocks that differ a little; the index is by time."""
    own = (orders.c.id == order_id) & (orders.c.account_id == account_id)
    began = select(orders.c.created_at - MOST_CLOCK_DIFFERENCE).where(own).scalar_subquery()
    return [trades.c.executed_at >= began]


def _trade_place(row: RowMapping) -> Place:
    return Place(row["executed_at"], row["trade_id"], int(row["side"] == "sell"))


def _page(
    rows: Sequence[RowMapping], limit: int, of_list: bytes, place: Callable[[RowMapping], Place]
) -> Page:
    if len(rows) <= limit:
        return Page(rows, "")
    return Page(rows[:limit], cursors.write(place(rows[limit - 1]), of_list))
