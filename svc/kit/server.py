"""A service's gRPC port: its methods through the pipeline, its health, its schema.

Health (grpc.health.v1) and reflection ask no identity: probes have none, and the schema is no
secret inside. Everything else passes the pipeline.
"""

from __future__ import annotations

from typing import Any, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from svc.kit.call import MAX_MESSAGE_BYTES, PING_MS
from svc.kit.health import Health, HealthServicer
from svc.kit.pipeline import HandlerTable

_FLUSH_S = 1.0  # for statuses on their way; the pipeline has ended the calls before

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A second process on the same port must fail, not share its calls.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's default would take what callers ask for an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", PING_MS // 2),
)


class PortTakenError(Exception):
    """A port is in use, or may not be listened on."""


class RpcServer:
    """Listens for one service. Must be made inside the event loop."""

    def __init__(self, table: HandlerTable, health: Health) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        for name, handlers in table.services.items():
            generic = grpc.method_handlers_generic_handler(name, handlers)
            self._server.add_generic_rpc_handlers((generic,))
            self._server.add_registered_method_handlers(name, handlers)
        servicer = HealthServicer(health, table.services)
        health_pb2_grpc.add_HealthServicer_to_server(
            cast("health_pb2_grpc.HealthServicer", servicer), self._server
        )
        own = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        names = (*table.services, own, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port, which matters when 0 was asked for. Raises PortTakenError."""
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise PortTakenError(f"cannot listen on {host}:{port}: {error}") from error
        await self._server.start()
        return bound

    async def stop(self) -> None:
        """Stops listening and closes every connection. Close the pipeline before."""
        await self._server.stop(_FLUSH_S)
