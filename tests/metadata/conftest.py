"""A store on a database of its own, and metadata served beside a market it can agree with."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
from metadata.v1 import metadata_pb2_grpc
from pydantic import SecretStr

from mesh.installation import Installation, Running
from svc.kit.database import Database, Target, open_database
from svc.kit.host import Create, Host
from svc.kit.identity import create_secrets
from svc.kit.settings import load_endpoints
from svc.metadata.config import MetadataSettings
from svc.metadata.store import Store
from tests.metadata.asking import Client
from tests.metadata.market import EngineSide, Market, OrderSide

NAMES = ("metadata", "order", "engine")


class Serve(Protocol):
    """Serves metadata with a file beside a market, to a caller; again on the same database."""

    def __call__(
        self, file: Path, market: Market, caller: str = "mesh"
    ) -> AbstractAsyncContextManager[Client]:
        """Everything is up inside the context."""


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    """Give a store on an empty, migrated schema."""
    database = await open_database(Target(migrated_url, "metadata"))

    async def opened() -> Database:
        return database

    yield Store(opened, markets=2)
    await database.close()


def tell_commands(home: Path, host: Host) -> None:
    """Lets the operator's program find the service in this process."""
    target = f"127.0.0.1:{host.ports('metadata')[0]}"
    running = Running(pid=os.getpid(), edge_port=0, database_url="", targets={"metadata": target})
    Installation(home).say_running(running)


@pytest.fixture
def serve(migrated_url: str, tmp_path: Path) -> Serve:
    """Return what serves metadata; see Serve."""
    secrets = tmp_path / "secrets"
    create_secrets(secrets, [*NAMES, "mesh", "edge"])
    ports = {f"{name.upper()}_{kind}_PORT": "0" for name in NAMES for kind in ("GRPC", "HTTP")}

    @asynccontextmanager
    async def serve(file: Path, market: Market, caller: str = "mesh") -> AsyncIterator[Client]:
        settings = MetadataSettings(
            postgres_url=SecretStr(migrated_url),
            redis_url=SecretStr("unix:///nowhere"),
            secrets_dir=secrets,
            instruments_file=file,
            drain_ms=0,
        )
        # Abstract to the type checker only: methods that nobody calls are refused by the pipeline.
        order, engine = OrderSide(market), EngineSide(market)  # type: ignore[abstract]
        creates: dict[str, Create] = {"order": lambda _: order, "engine": lambda _: engine}
        host = Host(NAMES, settings, load_endpoints(ports), creates=creates)
        try:
            await host.start()
            tell_commands(tmp_path, host)
            yield metadata_pb2_grpc.MetadataServiceStub(host.channel(caller, "metadata"))
        finally:
            await host.stop()

    return serve
