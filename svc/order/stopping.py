"""Stops as operators see them, and what another process has written of a market."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from svc.kit.database import DISCONNECTED, Database
from svc.kit.log import get_logger
from svc.order import store
from svc.order.market import Market, StopKind

WATCH_S = 0.5
"""How often the rows of a market are read."""

_log = get_logger("order.stops")


class Stops:
    """Resolves stops; keeps the view of markets that another process moves."""

    def __init__(self, database: Callable[[], Awaitable[Database]]) -> None:
        """`database` gives the same one at every call."""
        self._database = database

    async def resolve(self, market: Market, kind: StopKind) -> None:
        """Takes a stop away, if there is one: relay and applier try again."""
        database = await self._database()
        async with database.transaction() as conn:
            await store.resolve(conn, market.id, kind)
        market.resolved(kind)
        _log.info("stop_resolved", market=market.id, kind=kind.name)

    async def load(self, market: Market) -> None:
        """The market's view as the rows are, with what was not settled before."""
        as_of = market.stop_changes
        database = await self._database()
        async with database.transaction() as conn:
            view = await store.view(conn, market.id)
            unsettled = await store.unsettled(conn, market.id, view.position.batch_number)
        see(market, view, as_of)
        market.unsettled.recovered(unsettled)

    async def watch(self, markets: Mapping[int, Market]) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                for market in markets.values():
                    as_of = market.stop_changes
                    database = await self._database()
                    async with database.transaction() as conn:
                        view = await store.view(conn, market.id)
                    see(market, view, as_of)
            except DISCONNECTED as error:
                _log.warning("database_away", error=repr(error))


def see(market: Market, view: store.View, as_of: int) -> None:
    """Takes over what a market's rows have said; `as_of` as in `Market.see`."""
    market.see(view.position, view.conditions, view.stops, view.outbox_number, as_of)
