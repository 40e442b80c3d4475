"""Market data put together: a follower for each market, their table, and what readers are sent."""

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
from svc.kit.settings import SettingsError
from svc.marketdata.figures import Figures
from svc.marketdata.follower import Follower
from svc.marketdata.instruments import Directory
from svc.marketdata.loader import Loader
from svc.marketdata.reading import TapeReader
from svc.marketdata.servicer import MarketDataServicer
from svc.marketdata.store import Store, Table
from svc.marketdata.streams import Streams
from svc.topology import engine_of

log = get_logger("marketdata")


def create(runtime: Runtime) -> Service:
    """Market data's composition root."""
    figures, directory, table = Figures(runtime.registry), Directory(), Table(runtime.database)
    followers = {
        number: _follower(runtime, number, directory, figures)
        for number in range(1, runtime.settings.markets + 1)
    }
    for number, follower in followers.items():
        figures.watch(number, follower)
    tapes = TapeReader(table)
    servicer = MarketDataServicer(
        followers=followers,
        directory=directory,
        table=table,
        tapes=tapes,
        streams=Streams(tapes, runtime.clock, figures),
        clock=runtime.clock,
        figures=figures,
    )
    return MarketDataService(runtime, table, followers, servicer)


def _follower(runtime: Runtime, number: int, directory: Directory, figures: Figures) -> Follower:
    store = Store(runtime.database, number)
    engine = engine_pb2_grpc.EngineServiceStub(runtime.channel(engine_of(number)))
    loader = Loader(
        number=number,
        directory=directory,
        store=store,
        engine=engine,
        metadata=metadata_pb2_grpc.MetadataServiceStub(runtime.channel("metadata")),
        clock=runtime.clock,
        log=log,
    )
    return Follower(
        number=number,
        loader=loader,
        store=store,
        engine=engine,
        clock=runtime.clock,
        figures=figures,
        log=log,
    )


class MarketDataService:
    """The life of market data; see kit.service.Service."""

    name = "marketdata"

    def __init__(
        self,
        runtime: Runtime,
        table: Table,
        followers: Mapping[int, Follower],
        servicer: MarketDataServicer,
    ) -> None:
        self._runtime = runtime
        self._table = table
        self._followers = followers
        self._servicer = servicer
        self._following: list[asyncio.Task[None]] = []

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        marketdata_pb2_grpc.add_MarketDataServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Begin to follow; engines and metadata may come later.

        Raises SchemaVersionError, and SettingsError where there are tapes of more markets.
        """
        await self._table.check()
        markets, highest = len(self._followers), await self._table.highest_market()
        if highest > markets:
            raise SettingsError(
                f"MESH_MARKETS is {markets}: market {highest} has a tape, must be {highest} or more"
            )
        for follower in self._followers.values():
            task = asyncio.create_task(follower.run())
            task.add_done_callback(self._ended)
            self._following.append(task)

    async def stop(self) -> None:
        """See Service. What is not committed comes again from the engine."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    def checks(self) -> Mapping[str, Check]:
        """The table, and books of a market that stand where its tape does.

        One market's trouble is in `marketdata_books` and in what is asked of it, no more.
        """
        return {"postgres": self._table.check, "books": self._check_books}

    async def _check_books(self) -> None:
        troubles = {number: one.trouble for number, one in self._followers.items() if one.trouble}
        if len(troubles) == len(self._followers):
            told = "; ".join(f"market {number}: {trouble}" for number, trouble in troubles.items())
            raise RuntimeError(told)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._runtime.fail(error)
