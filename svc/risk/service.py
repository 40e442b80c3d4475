"""Risk put together: what is committed into memory, then checks from memory."""

from collections.abc import Mapping

import grpc
from metadata.v1 import metadata_pb2_grpc
from risk.v1 import risk_pb2_grpc

from svc.kit.errors import from_rpc
from svc.kit.log import get_logger
from svc.kit.runtime import Runtime
from svc.kit.service import Check, Service
from svc.risk.config import RiskSettings
from svc.risk.rulebook import Rulebook
from svc.risk.servicer import RiskServicer
from svc.risk.store import Store

log = get_logger("risk")


def create(runtime: Runtime) -> Service:
    """Risk's composition root."""
    settings = RiskSettings.of(runtime.settings)
    rulebook = Rulebook(settings.default_limits())
    metadata = metadata_pb2_grpc.MetadataServiceStub(runtime.channel("metadata"))
    return RiskService(runtime, RiskServicer(Store(runtime.database), rulebook, metadata))


class RiskService:
    """The life of risk; see kit.service.Service."""

    name = "risk"

    def __init__(self, runtime: Runtime, servicer: RiskServicer) -> None:
        self._runtime = runtime
        self._servicer = servicer

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        risk_pb2_grpc.add_RiskServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Loads limits and switches; instruments too, if metadata is up, else when needed."""
        await self._servicer.load()
        try:
            await self._servicer.learn_instruments()
        except grpc.aio.AioRpcError as error:
            log.warning("instruments_wait_for_metadata", cause=str(from_rpc(error)))

    async def stop(self) -> None:
        """Nothing is in flight: every change is committed before it is answered."""

    def checks(self) -> Mapping[str, Check]:
        """See Service."""
        return {"postgres": self._check_database}

    async def _check_database(self) -> None:
        await (await self._runtime.database()).check()
