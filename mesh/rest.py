"""A small HTTP/1.1 client for load: one connection, one request at a time, nothing it can spare.

General clients cost several times what the exchange spends on a request, and on a machine that
runs both they would be what is measured.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

_MAX_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and whole body of an answer."""

    status: int
    body: bytes


class RestConnection:
    """A connection that is kept open. Not for concurrent use."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> RestConnection:
        """Connect. Raises OSError."""
        return cls(*await asyncio.open_connection(host, port, limit=_MAX_HEADER_BYTES))

    async def post(self, path: str, headers: bytes, body: bytes) -> Reply:
        """Send and wait for the whole answer.

        `headers` are complete lines. Raises asyncio.IncompleteReadError when the peer closes, and
        ValueError when the answer is not HTTP as Envoy speaks it.
        """
        head = f"POST {path} HTTP/1.1\r\nhost: edge\r\ncontent-length: {len(body)}\r\n"
        self._writer.write(head.encode() + headers + b"\r\n" + body)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        status = int(lines[0].split(b" ", 2)[1])
        for line in lines:
            if line.startswith(b"content-length:"):
                return Reply(status, await self._reader.readexactly(int(line[15:])))
            if line == b"transfer-encoding: chunked":
                return Reply(status, await self._chunks())
        raise ValueError(f"an answer without a length: {lines[0]!r}")

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(parts)

    async def close(self) -> None:
        """Close and wait until it is."""
        self._writer.close()
        await self._writer.wait_closed()
