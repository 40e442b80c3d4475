"""A service's HTTP port: health, readiness and figures, for probes and scrapers only.

GET /health and /health/live: 200 while the process answers. GET /ready and /health/ready: 200 when
it can serve, else 503. All of them list the dependencies. GET /metrics: Prometheus text format.
Every answer closes its connection; requests are bounded in size, time and number.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from svc.kit.health import Health
from svc.kit.server import PortTakenError

_LARGEST_REQUEST = 8 * 1024  # bytes, headers included
_REQUEST_TIMEOUT_S = 5.0
_MOST_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"


class ProbeServer:
    """Listens for one service."""

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self._health = health
        self._registry = registry
        self._connections = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port, which matters when 0 was asked for. Raises PortTakenError."""
        try:
            self._server = await asyncio.start_server(
                self._serve, host, port, limit=_LARGEST_REQUEST
            )
        except OSError as error:
            raise PortTakenError(f"cannot listen on {host}:{port}: {error}") from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stops listening. Answers on their way are finished."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= _MOST_CONNECTIONS:
                async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_render(await self._answer(head)))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a probe that cannot ask, or does not listen, gets no answer
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, head: bytes) -> _Answer:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET":
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, b'{"error":"only GET is served here"}')
        if path == b"/metrics":
            return _Answer(HTTPStatus.OK, generate_latest(self._registry), CONTENT_TYPE_LATEST)
        if path in (b"/health", b"/health/live"):
            return await self._state(probe_readiness=False)
        if path in (b"/ready", b"/health/ready"):
            return await self._state(probe_readiness=True)
        return _Answer(HTTPStatus.NOT_FOUND, b'{"error":"no such path"}')

    async def _state(self, *, probe_readiness: bool) -> _Answer:
        report = await self._health.report()
        good = report.ready or not probe_readiness
        body = {
            "status": "ok" if good else "unavailable",
            "service": report.service,
            "phase": report.phase,
            "dependencies": report.dependencies,
        }
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return _Answer(status, orjson.dumps(body))


def _render(answer: _Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + answer.body
