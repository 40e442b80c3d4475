"""The tape as one, wherever its parts are: recent trades in memory, all others in the table.

Keeps: no trade is left out and none comes twice, also while the recorder moves trades from one to
the other.
"""

from __future__ import annotations

from marketdata.v1 import marketdata_pb2

from svc.marketdata import messages
from svc.marketdata.market import View
from svc.marketdata.store import Table


class TapeReader:
    """Reads tapes, whatever market they are of."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def after(self, view: View, number: int, limit: int) -> list[marketdata_pb2.PublicTrade]:
        """At most `limit` trades above a number, oldest first."""
        instrument, page = view.instrument, list[marketdata_pb2.PublicTrade]()
        # While a page is read from the table more trades may leave memory for it: look again.
        while number < view.tape.floor and len(page) < limit:
            rows = await self._table.trades_after(instrument, number, limit - len(page))
            page += [messages.stored_trade(instrument, row) for row in rows]
            number = rows[-1].number
        if len(page) < limit:
            recent = view.tape.after(number, limit - len(page))
            page += [messages.public_trade(instrument, one) for one in recent]
        return page

    async def newest(self, view: View, limit: int) -> list[marketdata_pb2.PublicTrade]:
        """At most `limit` trades, newest first."""
        instrument, recent = view.instrument, view.tape.newest(limit)
        page = [messages.public_trade(instrument, one) for one in recent]
        if len(page) < limit and view.tape.floor:
            oldest = recent[-1].number if recent else view.tape.floor + 1
            rows = await self._table.trades_before(instrument, oldest, limit - len(page))
            page += [messages.stored_trade(instrument, row) for row in rows]
        return page
