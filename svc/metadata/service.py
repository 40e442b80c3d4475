"""Metadata put together: file into database, database into memory, one link per market."""

import asyncio
from collections.abc import Mapping

import grpc
from engine.v1 import engine_pb2_grpc
from metadata.v1 import metadata_pb2_grpc
from order.v1 import order_pb2_grpc

from svc.kit.log import get_logger
from svc.kit.runtime import Runtime
from svc.kit.service import Check, Service
from svc.kit.settings import SettingsError
from svc.metadata.catalog import CatalogError
from svc.metadata.config import MetadataSettings
from svc.metadata.current import CurrentCatalog
from svc.metadata.instruments_file import parse
from svc.metadata.market_link import MarketLink
from svc.metadata.servicer import MetadataServicer
from svc.metadata.store import Store
from svc.topology import engine_of

log = get_logger("metadata")


def create(runtime: Runtime) -> Service:
    """Metadata's composition root."""
    settings = MetadataSettings.of(runtime.settings)
    store = Store(runtime.database, settings.markets)
    current = CurrentCatalog(store)
    orders = order_pb2_grpc.MarketCommandServiceStub(runtime.channel("order"))
    links = tuple(
        MarketLink(
            market=market,
            store=store,
            current=current,
            orders=orders,
            engine=engine_pb2_grpc.EngineServiceStub(runtime.channel(engine_of(market))),
            log=log,
        )
        for market in range(1, settings.markets + 1)
    )
    return MetadataService(runtime, settings, store, current, links)


class MetadataService:
    """The life of metadata; see kit.service.Service."""

    name = "metadata"

    def __init__(
        self,
        runtime: Runtime,
        settings: MetadataSettings,
        store: Store,
        current: CurrentCatalog,
        links: tuple[MarketLink, ...],
    ) -> None:
        self._runtime = runtime
        self._settings = settings
        self._store = store
        self._current = current
        self._links = links
        self._tasks: list[asyncio.Task[None]] = []

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        servicer = MetadataServicer(self._store, self._current, self._links)
        metadata_pb2_grpc.add_MetadataServiceServicer_to_server(servicer, server)

    async def start(self) -> None:
        """Puts the operator's file into the catalog, then serves and follows.

        Raises InstrumentsFileError with every mistake of the file; nothing of it is applied then.
        """
        await self._current.reload()
        self._check_all_served()
        await self._put_file()
        await self._current.reload()
        for link in self._links:
            task = asyncio.create_task(link.run())
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _check_all_served(self) -> None:
        markets = self._settings.markets
        for listed in self._current.catalog.instruments.values():
            if listed.definition.market > markets:
                raise SettingsError(
                    f"MESH_MARKETS is {markets}: {listed.definition.symbol} is of market "
                    f"{listed.definition.market}, must be that or more"
                )

    async def _put_file(self) -> None:
        path = self._settings.instruments_file
        file = parse(await asyncio.to_thread(path.read_text, "utf-8"), str(path))
        try:
            await self._store.put(file.assets, file.instruments)
        except CatalogError as error:
            raise file.refused(error) from error

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._runtime.fail(error)

    async def stop(self) -> None:
        """See Service."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def checks(self) -> Mapping[str, Check]:
        """Only the database: with order or engine away metadata serves what it knows."""
        return {"postgres": self._check_database}

    async def _check_database(self) -> None:
        await (await self._runtime.database()).check()
