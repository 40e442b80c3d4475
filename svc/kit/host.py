"""A process and the services in it: makes them, starts them in order, serves, drains, stops them.

Order matters both ways. All ports are open before the first service starts, so a taken port is
told before anything is loaded. A service is reachable from the end of its start() to its stop();
outside that time calls get UNAVAILABLE, which callers in kit repeat. Services stop in the reverse
order, each while everything it calls still runs.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc

from svc.kit.channel import InProcessChannel, InProcessServer
from svc.kit.client import ClientChannel, connect, dial
from svc.kit.clock import Clock, SystemClock
from svc.kit.database import Database, Target, open_database, password_of
from svc.kit.health import Health
from svc.kit.identity import Identities, Identity, load_identities, load_identity
from svc.kit.log import get_logger
from svc.kit.pipeline import HandlerTable, Phase, Pipeline
from svc.kit.probes import ProbeServer
from svc.kit.runtime import Runtime
from svc.kit.server import RpcServer
from svc.kit.service import Service
from svc.kit.settings import Endpoint, Settings
from svc.kit.telemetry import RpcMetrics, new_registry
from svc.topology import service_and_market

if TYPE_CHECKING:
    from redis.asyncio import Redis

CALL_GRACE_S = 5.0
"""How long calls that are open may go on when their service stops."""

STOP_TIMEOUT_S = 15.0
"""How long a service's stop() may take; then the process goes on without it."""

_REDIS_TIMEOUT_S = 1.0

Create = Callable[[Runtime], Service]
"""What ``svc/<name>/service.py`` calls ``create``."""


class HostedService:
    """One service with its ports, its figures and its place among those of the process.

    Other services get channels to it before it is made: until it serves, its pipeline refuses.
    """

    def __init__(self, name: str, secrets_dir: Path, identities: Identities) -> None:
        self.name = name
        self.service, self.market = service_and_market(name)
        self.identity = load_identity(secrets_dir, self.service)
        self.registry = new_registry()
        self.grpc_port = 0
        self.http_port = 0
        self._pipeline = Pipeline(name, identities, RpcMetrics(self.registry))
        self._table = HandlerTable(self._pipeline)
        self.local = InProcessServer(self._table)
        self._begun = False
        self._log = get_logger(name)

    def make(self, create: Create, runtime: Runtime) -> None:
        """Makes the service and takes its methods. Raises for methods that may not be served."""
        self._service = create(runtime)
        self._service.register(cast("grpc.aio.Server", self._table))
        self._health = Health(self._pipeline, self._service.checks())
        self._rpc = RpcServer(self._table, self._health)
        self._probes = ProbeServer(self._health, self.registry)

    async def listen(self, host: str, endpoint: Endpoint) -> None:
        """Opens both ports; the service is not ready yet. Raises PortTakenError."""
        self.http_port = await self._probes.start(host, endpoint.http_port)
        self.grpc_port = await self._rpc.start(host, endpoint.grpc_port)

    async def start(self) -> None:
        """Starts the service, then lets calls in."""
        self._begun = True
        await self._service.start()
        self._pipeline.phase = Phase.SERVING
        self._log.info("service_ready", grpc_port=self.grpc_port, http_port=self.http_port)

    def drain(self) -> None:
        """Reports not ready, while it goes on serving."""
        self._health.drain()

    async def stop(self) -> None:
        """Lets no more calls in, waits for those that are open, then stops the service."""
        await self._pipeline.close(CALL_GRACE_S)
        if not self._begun:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._service.stop()
        except Exception as error:  # noqa: BLE001 (the others must be stopped all the same)
            self._log.exception("stop_failed", error)

    async def close(self) -> None:
        """Closes both ports, which until then tell callers and probes of the stop."""
        await self._rpc.stop()
        await self._probes.stop()


class Host:
    """The services of one process. Made inside the event loop; ``start`` once, ``stop`` once."""

    def __init__(
        self,
        names: Sequence[str],
        settings: Settings,
        endpoints: Mapping[str, Endpoint],
        clock: Clock | None = None,
        creates: Mapping[str, Create] | None = None,
    ) -> None:
        """Makes the services, in the order they will start; opens nothing.

        ``creates`` holds what makes each service, where that is not ``svc.<name>.service.create``.
        Raises IdentityFilesError, AccessOptionError or HandlerShapeError for what cannot be
        served, and whatever a create() raises.
        """
        self._settings = settings
        self._endpoints = endpoints
        self._clock = clock or SystemClock()
        self._channels: list[grpc.aio.Channel] = []
        self._databases: dict[str, Database] = {}
        self._opening = asyncio.Lock()
        self._redis: Redis | None = None
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        """Decided by the first service that gives up (Runtime.fail)."""
        identities = load_identities(settings.secrets_dir)
        self._services = {
            name: HostedService(name, settings.secrets_dir, identities) for name in names
        }
        for name, hosted in self._services.items():
            create = (creates or {}).get(name) or _create_of(hosted.service)
            hosted.make(create, self._runtime(hosted))

    async def start(self) -> None:
        """Opens all ports, then starts the services one after the other.

        Raises PortTakenError, or whatever a service's start() raises; stop() must follow anyway.
        """
        for name, hosted in self._services.items():
            await hosted.listen(self._settings.listen_host, self._endpoints[name])
        for hosted in self._services.values():
            await hosted.start()

    def drain(self) -> None:
        """Reports every service not ready, while all go on serving."""
        for hosted in self._services.values():
            hosted.drain()

    async def stop(self) -> None:
        """Drains, stops the services in reverse order, closes what the process opened."""
        self.drain()
        await asyncio.sleep(self._settings.drain_ms / 1000)
        for hosted in reversed(self._services.values()):
            await hosted.stop()
        await asyncio.gather(*(hosted.close() for hosted in self._services.values()))
        for channel in self._channels:
            await channel.close(None)
        for database in self._databases.values():
            await database.close()
        if self._redis is not None:
            await self._redis.aclose()

    def channel(self, caller: str, service: str) -> grpc.aio.Channel:
        """A channel to ``service`` with the identity of ``caller``, closed by stop()."""
        return self._channel(load_identity(self._settings.secrets_dir, caller), service)

    def ports(self, service: str) -> tuple[int, int]:
        """The gRPC and the HTTP port that a service of this process listens on."""
        hosted = self._services[service]
        return hosted.grpc_port, hosted.http_port

    def _channel(self, identity: Identity, service: str) -> grpc.aio.Channel:
        hosted = self._services.get(service)
        if hosted is None:
            bare = dial(self._endpoints[service].target)
        else:
            bare = InProcessChannel(hosted.local)
        channel = ClientChannel(bare, identity)
        self._channels.append(channel)
        return channel

    def _runtime(self, hosted: HostedService) -> Runtime:
        return Runtime(
            name=hosted.name,
            market=hosted.market,
            address=self._endpoints[hosted.name].target,
            clock=self._clock,
            registry=hosted.registry,
            settings=self._settings,
            channel=partial(self._channel, hosted.identity),
            peer=partial(connect, identity=hosted.identity),
            database=partial(self._database, hosted.service),
            redis=self._cache,
            fail=partial(self._fail, hosted.name),
        )

    async def _database(self, service: str) -> Database:
        async with self._opening:
            if service not in self._databases:
                url = self._settings.postgres_url.get_secret_value()
                password = password_of(service, self._settings.secrets_dir)
                self._databases[service] = await open_database(Target(url, service, password))
            return self._databases[service]

    def _cache(self) -> Redis:
        # Imported by those that use it: it costs a start half a second that others need not pay.
        from redis.asyncio import Redis  # noqa: PLC0415

        if self._redis is None:
            self._redis = Redis.from_url(
                self._settings.redis_url.get_secret_value(),
                socket_timeout=_REDIS_TIMEOUT_S,
                socket_connect_timeout=_REDIS_TIMEOUT_S,
            )
        return self._redis

    def _fail(self, service: str, error: BaseException) -> None:
        get_logger(service).exception("service_failed", error)
        if not self.failed.done():
            self.failed.set_result(error)


def _create_of(name: str) -> Create:
    module = importlib.import_module(f"svc.{name}.service")
    return cast("Create", module.create)
