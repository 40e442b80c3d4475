"""What a process gives each of its services to be made of.

A service's ``create(runtime)`` takes its clock, figures, settings, channels and stores from here
and from nowhere else, so the same code runs alone, beside others, and in a test.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from prometheus_client import CollectorRegistry

from svc.kit.clock import Clock
from svc.kit.database import Database
from svc.kit.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Runtime:
    """The surroundings of one service. The process made them and closes them after stop()."""

    name: str
    """The service's name in the topology."""
    market: int
    """The market it serves, where the service runs once a market; of others 1."""
    address: str
    """Where callers reach this instance (host:port or unix:/path): what its leases say."""
    clock: Clock
    registry: CollectorRegistry
    """The service's own figures, shown at /metrics on its HTTP port."""
    settings: Settings
    """Configuration of the process."""
    channel: Callable[[str], grpc.aio.Channel]
    """A channel to a service by name, for generated stubs: in process when both are here, with
    identity, deadline, retries and trace attached to each call. The process closes it."""
    peer: Callable[[str], grpc.aio.Channel]
    """A channel to another instance of this service by its address, with identity and the rest
    attached as well. The caller closes it."""
    database: Callable[[], Awaitable[Database]]
    """The service's own schema, under its own role; the same object at every call."""
    redis: Callable[[], Redis]
    """The shared cache; the same object at every call. Connects on first use."""
    fail: Callable[[BaseException], None]
    """Ends the process, drained, with a non-zero status: for what a background task cannot get
    over, such as a lost lease. Returns at once; only the first cause is kept."""
