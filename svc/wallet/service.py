"""The wallet put together: metadata's catalog, the lease, the writer, its RPCs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import grpc
from wallet.v1 import wallet_pb2_grpc

from svc.kit.lease import Lease
from svc.kit.runtime import Runtime
from svc.kit.service import Check, Service
from svc.topology import LEDGER
from svc.wallet.catalog import CatalogFollower
from svc.wallet.metrics import WalletMetrics
from svc.wallet.servicer import WalletServicer
from svc.wallet.writer import LEASE, Writer


def create(runtime: Runtime) -> Service:
    """The wallet's composition root."""
    metrics = WalletMetrics(runtime.registry)
    follower = CatalogFollower(runtime.channel("metadata"))
    writer = Writer(
        ledger=LEDGER,
        database=runtime.database,
        lease=lambda database: Lease(
            database, LEASE.format(LEDGER), runtime.settings.instance, runtime.address
        ),
        catalog=follower.catalog,
        refresh=follower.refresh,
        clock=runtime.clock,
        metrics=metrics,
    )
    return WalletService(runtime, writer, WalletServicer(writer, follower, metrics))


class WalletService:
    """The life of the wallet; see kit.service.Service."""

    name = "wallet"

    def __init__(self, runtime: Runtime, writer: Writer, servicer: WalletServicer) -> None:
        self._runtime = runtime
        self._writer = writer
        self._servicer = servicer

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        wallet_pb2_grpc.add_WalletServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Begins to lead or to stand by; until the ledger is loaded calls get NOT_LEADER."""
        leading = await self._writer.start()
        leading.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Answers what waits, then gives the lease back."""
        await self._writer.stop()

    def checks(self) -> Mapping[str, Check]:
        """See Service."""
        return {"postgres": self._check_database}

    async def _check_database(self) -> None:
        await (await self._runtime.database()).check()

    def _ended(self, leading: asyncio.Task[None]) -> None:
        if not leading.cancelled() and (error := leading.exception()) is not None:
            self._runtime.fail(error)
