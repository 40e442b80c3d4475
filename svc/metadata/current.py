"""The catalog as it is served: read whole from the database after each change of it.

Keeps: what is answered was committed, and is from one moment.
"""

import asyncio

from metadata.v1 import metadata_pb2

from svc.kit.symbols import SymbolIndex
from svc.metadata.catalog import Catalog, Kind
from svc.metadata.store import Store
from svc.metadata.wire import asset_message, instrument_message, market_message


class CurrentCatalog:
    """The last catalog that was read, and the messages made of it once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading = asyncio.Lock()
        self._take(Catalog())

    async def reload(self) -> None:
        """Reads what is committed now. Raises what the store raises, and serves on as before."""
        async with self._reading:  # or an older reading could replace a newer one
            self._take(await self._store.load())

    def _take(self, catalog: Catalog) -> None:
        rows = catalog.instruments.values()
        self.catalog = catalog
        self.symbols = SymbolIndex(
            (row.definition.symbol for row in rows if row.definition.kind is Kind.SPOT),
            (row.definition.symbol for row in rows if row.definition.kind is not Kind.SPOT),
        )
        self.ids = {row.definition.symbol: row.definition.id for row in rows}
        self.instruments = metadata_pb2.ListInstrumentsResponse(
            assets=[asset_message(asset) for asset in catalog.assets.values()],
            instruments=[instrument_message(row, catalog) for row in rows],
        )
        by_symbol = sorted(rows, key=lambda row: row.definition.symbol)
        self.markets = {row.definition.symbol: market_message(row) for row in by_symbol}
