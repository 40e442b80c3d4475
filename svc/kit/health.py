"""Whether a service can serve, truly: its phase and what its dependencies answer right now.

Dependencies are asked when somebody asks, at most once a second however many ask, so that probes
cannot load them. Shown over gRPC (grpc.health.v1) here, over HTTP by probes.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from svc.kit.call import Context
from svc.kit.pipeline import Phase, Pipeline
from svc.kit.service import Check

_CHECK_TIMEOUT_S = 2.0
_FRESH_S = 1.0  # how long an answer counts
_LONGEST_TEXT = 200  # characters of a dependency's complaint

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@dataclass(frozen=True, slots=True)
class Report:
    """State of a service: ``dependencies`` says ``ok`` or what is wrong, by name."""

    service: str
    phase: str
    ready: bool
    dependencies: Mapping[str, str]


class Health:
    """Asks and remembers for one service."""

    def __init__(self, pipeline: Pipeline, checks: Mapping[str, Check]) -> None:
        self._pipeline = pipeline
        self._checks = checks
        self._draining = False
        self._asked = 0.0
        self._answers: Mapping[str, str] = {}
        self._asking: asyncio.Task[None] | None = None

    def drain(self) -> None:
        """Reports not ready from now on, while calls are still served."""
        self._draining = True

    async def report(self) -> Report:
        """The state now; what dependencies answered is at most a second old."""
        if not self._answers or time.monotonic() - self._asked > _FRESH_S:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
            # Whoever stops waiting does not take the answer from the others.
            await asyncio.shield(self._asking)
        phase = "DRAINING" if self._draining else self._pipeline.phase.name
        ready = phase == Phase.SERVING.name and all(a == "ok" for a in self._answers.values())
        return Report(self._pipeline.service, phase, ready, self._answers)

    async def _ask(self) -> None:
        answers = await asyncio.gather(*map(_answer, self._checks.values()))
        self._answers = dict(zip(self._checks, answers, strict=True))
        self._asked = time.monotonic()


async def _answer(check: Check) -> str:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return f"no answer within {_CHECK_TIMEOUT_S} s"
    except Exception as error:  # noqa: BLE001 (whatever a dependency raises is its answer)
        return f"{type(error).__name__}: {error}"[:_LONGEST_TEXT]
    return "ok"


class HealthServicer(health_pb2_grpc.HealthServicer):
    """grpc.health.v1 for one service: the empty name and each of its proto services."""

    def __init__(self, health: Health, proto_services: Iterable[str]) -> None:
        self._health = health
        self._names = frozenset(("", *proto_services))

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """See grpc.health.v1. NOT_FOUND for a service that is not here."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "No such service here.")
        return health_pb2.HealthCheckResponse(status=await self._status())

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """See grpc.health.v1. Changes are told within a second."""
        if request.service not in self._names:
            yield health_pb2.HealthCheckResponse(status=_UNKNOWN)
            await asyncio.Event().wait()  # the protocol keeps the stream open
        told: int | None = None
        while True:
            status = await self._status()
            if status != told:
                yield health_pb2.HealthCheckResponse(status=status)
            told = status
            await asyncio.sleep(_FRESH_S)

    async def _status(self) -> int:
        return _SERVING if (await self._health.report()).ready else _NOT_SERVING
