"""Market data put together: one follower, its table, and what readers are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import grpc
from engine.v1 import engine_pb2_grpc
from marketdata.v1 import marketdata_pb2_grpc
from metadata.v1 import metadata_pb2_grpc

from svc.kit.log import get_logger
from svc.kit.runtime import Runtime
from svc.kit.service import Check, Service
from svc.marketdata.figures import Figures
from svc.marketdata.follower import Follower
from svc.marketdata.loader import Loader
from svc.marketdata.reading import TapeReader
from svc.marketdata.servicer import MarketDataServicer
from svc.marketdata.store import Store
from svc.marketdata.streams import Streams
from svc.topology import MARKET

log = get_logger("marketdata")


def create(runtime: Runtime) -> Service:
    """Market data's composition root."""
    store = Store(runtime.database, MARKET)
    engine = engine_pb2_grpc.EngineServiceStub(runtime.channel("engine"))
    metadata = metadata_pb2_grpc.MetadataServiceStub(runtime.channel("metadata"))
    figures = Figures(runtime.registry)
    loader = Loader(
        number=MARKET,
        store=store,
        engine=engine,
        metadata=metadata,
        clock=runtime.clock,
        log=log,
    )
    follower = Follower(
        number=MARKET,
        loader=loader,
        store=store,
        engine=engine,
        clock=runtime.clock,
        figures=figures,
        log=log,
    )
    tapes = TapeReader(MARKET, store)
    servicer = MarketDataServicer(
        follower=follower,
        directory=loader.directory,
        store=store,
        tapes=tapes,
        streams=Streams(tapes, runtime.clock, figures),
        clock=runtime.clock,
        figures=figures,
    )
    return MarketDataService(runtime, store, follower, servicer)


class MarketDataService:
    """The life of market data; see kit.service.Service."""

    name = "marketdata"

    def __init__(
        self,
        runtime: Runtime,
        store: Store,
        follower: Follower,
        servicer: MarketDataServicer,
    ) -> None:
        self._runtime = runtime
        self._store = store
        self._follower = follower
        self._servicer = servicer
        self._following: asyncio.Task[None] | None = None

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        marketdata_pb2_grpc.add_MarketDataServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Begin to follow; engine and metadata may come later. Raises SchemaVersionError."""
        await self._store.check()
        self._following = asyncio.create_task(self._follower.run())
        self._following.add_done_callback(self._ended)

    async def stop(self) -> None:
        """See Service. What is not committed comes again from the engine."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def checks(self) -> Mapping[str, Check]:
        """The table, and books that stand where the tape does."""
        return {"postgres": self._store.check, "books": self._check_books}

    async def _check_books(self) -> None:
        if self._follower.trouble:
            raise RuntimeError(self._follower.trouble)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._runtime.fail(error)
