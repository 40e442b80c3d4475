"""Risk served beside metadata, or alone, on a database of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest
from pydantic import SecretStr
from risk.v1 import risk_pb2_grpc

from mesh.installation import Installation, Running
from svc.kit.host import Host
from svc.kit.identity import create_secrets
from svc.kit.settings import load_endpoints
from svc.risk.config import RiskSettings

if TYPE_CHECKING:
    from pathlib import Path

    from risk.v1.risk_pb2_grpc import RiskServiceAsyncStub

BOTH = ("metadata", "risk")


@dataclass(frozen=True, slots=True)
class Served:
    """Risk as order calls it, and as operators do."""

    order: RiskServiceAsyncStub
    mesh: RiskServiceAsyncStub


class Serve(Protocol):
    """Serves services, risk among them; again on the same database."""

    def __call__(self, services: Sequence[str] = BOTH) -> AbstractAsyncContextManager[Served]:
        """They are up inside the context."""


def tell_commands(home: Path, host: Host, services: Sequence[str]) -> None:
    """Lets the operator's program find the services in this process."""
    targets = {name: f"127.0.0.1:{host.ports(name)[0]}" for name in services}
    running = Running(pid=os.getpid(), edge_port=0, database_url="", targets=targets)
    Installation(home).say_running(running)


@pytest.fixture
def serve(migrated_url: str, tmp_path: Path) -> Serve:
    """Return what serves risk; see Serve."""
    secrets = tmp_path / "secrets"
    create_secrets(secrets, [*BOTH, "order", "mesh"])
    environ = {f"{name.upper()}_{kind}_PORT": "0" for name in BOTH for kind in ("GRPC", "HTTP")}
    environ |= {
        "METADATA_SERVICE_URL": "unix:/nowhere/metadata",
        "ORDER_SERVICE_GRPC_URL": "unix:/nowhere/order",
        "MATCHING_ENGINE_GRPC_URL": "unix:/nowhere/engine",
    }

    @asynccontextmanager
    async def serve(services: Sequence[str] = BOTH) -> AsyncIterator[Served]:
        settings = RiskSettings(
            postgres_url=SecretStr(migrated_url),
            redis_url=SecretStr("unix:///nowhere"),
            secrets_dir=secrets,
            drain_ms=0,
        )
        host = Host(services, settings, load_endpoints(environ))
        try:
            await host.start()
            tell_commands(tmp_path, host, services)
            yield Served(
                order=risk_pb2_grpc.RiskServiceStub(host.channel("order", "risk")),
                mesh=risk_pb2_grpc.RiskServiceStub(host.channel("mesh", "risk")),
            )
        finally:
            await host.stop()

    return serve
