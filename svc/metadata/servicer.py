"""The RPCs of metadata.v1: reads from memory, changes through the store."""

import asyncio

from metadata.v1 import metadata_pb2, metadata_pb2_grpc

from svc.kit.call import Context
from svc.metadata.catalog import Asset, CatalogError, Definition, State
from svc.metadata.current import CurrentCatalog
from svc.metadata.market_link import MarketLink
from svc.metadata.store import Store
from svc.metadata.wire import asset_of, definition_of, refusal, state_of


class MetadataServicer(metadata_pb2_grpc.MetadataServiceServicer):
    """See protos/metadata/v1/metadata.proto for the contract of each method."""

    def __init__(
        self, store: Store, current: CurrentCatalog, links: tuple[MarketLink, ...]
    ) -> None:
        self._store = store
        self._current = current
        self._links = links

    async def ListMarkets(
        self, request: metadata_pb2.ListMarketsRequest, context: Context
    ) -> metadata_pb2.ListMarketsResponse:
        """All markets, by symbol, in the state the engine has."""
        return metadata_pb2.ListMarketsResponse(markets=self._current.markets.values())

    async def GetMarket(
        self, request: metadata_pb2.GetMarketRequest, context: Context
    ) -> metadata_pb2.GetMarketResponse:
        """One market by what a person typed."""
        symbol = self._current.symbols.resolve(request.symbol)
        return metadata_pb2.GetMarketResponse(market=self._current.markets[symbol])

    async def ListInstruments(
        self, request: metadata_pb2.ListInstrumentsRequest, context: Context
    ) -> metadata_pb2.ListInstrumentsResponse:
        """Everything, for services."""
        return self._current.instruments

    async def PutInstruments(
        self, request: metadata_pb2.PutInstrumentsRequest, context: Context
    ) -> metadata_pb2.PutInstrumentsResponse:
        """Checked whole, committed whole, then served; the engine follows."""
        assets = [asset_of(message) for message in request.assets]
        definitions = [definition_of(message) for message in request.instruments]
        # Shielded: a caller that gives up must not part what is served from what was committed.
        await asyncio.shield(self._put(assets, definitions))
        named = {definition.id for definition in definitions}
        listed = self._current.instruments.instruments
        return metadata_pb2.PutInstrumentsResponse(
            instruments=[row for row in listed if row.id in named]
        )

    async def SetMarketState(
        self, request: metadata_pb2.SetMarketStateRequest, context: Context
    ) -> metadata_pb2.SetMarketStateResponse:
        """The wish is committed; the engine follows."""
        instrument_id = self._current.ids[self._current.symbols.resolve(request.symbol)]
        version = await asyncio.shield(self._wish(instrument_id, state_of(request.state)))
        return metadata_pb2.SetMarketStateResponse(version=version)

    async def _put(self, assets: list[Asset], definitions: list[Definition]) -> None:
        try:
            await self._store.put(assets, definitions)
        except CatalogError as error:
            raise refusal(error) from error
        await self._changed()

    async def _wish(self, instrument_id: int, state: State) -> int:
        try:
            version = await self._store.wish(instrument_id, state)
        except CatalogError as error:
            raise refusal(error) from error
        await self._changed()
        return version

    async def _changed(self) -> None:
        await self._current.reload()
        for link in self._links:
            link.wake()
