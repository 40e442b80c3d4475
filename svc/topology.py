"""Which services there are, where each listens, and which processes run them on one machine.

The one checked-in table: hosts, the edge's configuration and the operator's program read it.
Ports are those of the specification; configuration may move them, not add to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A service and its default ports on the loopback interface."""

    name: str
    grpc_port: int
    http_port: int
    """Health, readiness and metrics."""


_ENTRIES = (
    ServiceEntry("order", grpc_port=50060, http_port=3006),
    ServiceEntry("wallet", grpc_port=50061, http_port=3007),
    ServiceEntry("risk", grpc_port=50062, http_port=3009),
    ServiceEntry("metadata", grpc_port=50063, http_port=3011),
    ServiceEntry("engine", grpc_port=9090, http_port=8090),
    ServiceEntry("marketdata", grpc_port=50064, http_port=3012),
)

SERVICES: Mapping[str, ServiceEntry] = MappingProxyType({e.name: e for e in _ENTRIES})
"""Every service by its name, which is also its package and its identity."""

PROCESSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "core": ("metadata", "wallet", "risk", "order"),
        "engine": ("engine",),
        "marketdata": ("marketdata",),
    }
)
"""Processes of a single machine, each with its services in the order they start."""

EDGE_PORT = 3001
"""REST, gRPC and WebSocket of the outside world."""

EDGE_ADMIN_PORT = 9901
"""Envoy's own administration, loopback only."""

LEDGER = 1
"""The only ledger to start with."""

MARKET = 1
"""The market that is always there."""

MOST_MARKETS = 8
"""Markets are numbered from 1 to what MESH_MARKETS says, which is at most this."""

_FURTHER_GRPC_PORT, _FURTHER_HTTP_PORT = 9190, 8190


def engine_of(market: int) -> str:
    """The name of the engine that writes a market: `engine`, `engine-2`, and so on."""
    return "engine" if market == MARKET else f"engine-{market}"


def service_and_market(name: str) -> tuple[str, int]:
    """What an instance is: `engine` and 2 of `engine-2`. Without a number it is of market 1."""
    service, _, market = name.partition("-")
    return service, int(market or MARKET)


def entries(markets: int) -> Mapping[str, ServiceEntry]:
    """What listens where so many markets are served: every service, an engine for each market."""
    further = (
        ServiceEntry(
            engine_of(market),
            grpc_port=_FURTHER_GRPC_PORT + market,
            http_port=_FURTHER_HTTP_PORT + market,
        )
        for market in range(MARKET + 1, markets + 1)
    )
    return {**SERVICES, **{entry.name: entry for entry in further}}


def processes(markets: int) -> Mapping[str, tuple[str, ...]]:
    """The processes of a single machine with so many markets, each with its services in order."""
    further = [name for name in entries(markets) if name not in SERVICES]
    return {**PROCESSES, **{name: (name,) for name in further}}
