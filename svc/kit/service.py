"""What a service is to the process that runs it: four things, in the order they are used.

``create(runtime)`` in ``svc/<name>/service.py`` makes one; the host does the rest: checks, starts,
serves, reports, drains and stops it, alone or beside others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import grpc

Check = Callable[[], Awaitable[None]]
"""Asks one dependency; returns when it is up, raises with the cause when it is not."""


class Service(Protocol):
    """One service, made but not started. Making it opens nothing."""

    @property
    def name(self) -> str:
        """Its name in the topology."""

    def register(self, server: grpc.aio.Server) -> None:
        """Adds its servicers by the generated ``add_XServicer_to_server``. Called before start."""

    async def start(self) -> None:
        """Loads state and starts background tasks; calls are let in when it returns.

        Must not wait for a service that starts after it. Raising ends the process.
        """

    async def stop(self) -> None:
        """Finishes what is in flight and releases leases. No call comes in any more.

        Also called when start() raised, and must cope with a half-started service.
        """

    def checks(self) -> Mapping[str, Check]:
        """The dependencies without which it cannot serve, by the name readiness shows."""
