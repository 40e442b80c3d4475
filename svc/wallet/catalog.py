"""Follows metadata: asks for all assets and instruments when one shows up that is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from trading.v1 import trading_pb2

from svc.kit.errors import from_rpc
from svc.wallet.instruments import Asset, Catalog, Instrument


class CatalogFollower:
    """Keeps a catalog as complete as metadata is."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.catalog = Catalog()
        self._stub = metadata_pb2_grpc.MetadataServiceStub(channel)
        self._asked = 0
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Asks for everything. Raises DomainError UNAVAILABLE and the like, as the call did."""
        self._asked += 1
        try:
            answer = await self._stub.ListInstruments(metadata_pb2.ListInstrumentsRequest())
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        assets = {row.id: Asset(row.id, row.symbol, row.ledger_scale) for row in answer.assets}
        self.catalog.add(
            assets.values(), (_instrument_of(row, assets) for row in answer.instruments)
        )

    async def find_instruments(self, instrument_ids: Collection[int]) -> None:
        """Asks once more when one of them is not known; what is then not known does not exist."""
        known = self.catalog.instruments
        if not all(instrument_id in known for instrument_id in instrument_ids):
            await self._refresh_again()

    async def find_assets(self, symbols: Collection[str]) -> None:
        """As find_instruments."""
        known = self.catalog.assets_by_symbol
        if not all(symbol in known for symbol in symbols):
            await self._refresh_again()

    async def _refresh_again(self) -> None:
        """One question at a time; it serves all who were waiting when it was asked."""
        asked = self._asked
        async with self._asking:
            if self._asked == asked:
                await self.refresh()


def _instrument_of(row: metadata_pb2.Instrument, assets: dict[int, Asset]) -> Instrument:
    return Instrument(
        instrument_id=row.id,
        symbol=row.symbol,
        perpetual=row.kind == trading_pb2.InstrumentKind.PERPETUAL,
        base=assets[row.base_asset_id],
        quote=assets[row.quote_asset_id],
        base_units=int(row.base_units_per_lot),
        quote_units=int(row.quote_units_per_tick_lot),
    )
