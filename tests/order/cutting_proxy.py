"""A way to PostgreSQL that can lose the answer to a commit, or lead nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SOCKET = ".s.PGSQL.5432"
_APPEND = b"INSERT INTO outbox "
_COMMIT = b"COMMIT"
_CHUNK = 1 << 16


class CuttingProxy:
    """Passes everything on.

    When `armed`, the next commit of an outbox row is heard by nobody. While `closed_to` names a
    user, that user gets no connection, and none of his goes on.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """`url` is that of the server, which listens on a Unix socket."""
        host = parse_qs(urlsplit(url).query)["host"][0]
        self.url = url.replace(host, str(folder))
        self._server = Path(host) / SOCKET
        self._listens = folder / SOCKET
        self._tasks: set[asyncio.Task[None]] = set()
        self.armed = False
        self.closed_to = ""
        self.cuts = 0

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve inside the context."""
        server = await asyncio.start_unix_server(self._serve, self._listens)
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_unix_connection(self._server)
        cut = asyncio.Event()
        answers = asyncio.create_task(self._answers(there, writer, cut))
        appends, user = False, b""
        try:
            while chunk := await reader.read(_CHUNK):
                user = user or chunk  # the first message names him
                if self.closed_to and self.closed_to.encode() in user:
                    break
                appends = appends or _APPEND in chunk
                if self.armed and appends and _COMMIT in chunk:
                    self.armed = False
                    cut.set()
                back.write(chunk)
                await back.drain()
        finally:
            answers.cancel()
            for end in (writer, back):
                end.close()
            self._tasks.discard(task)

    async def _answers(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while chunk := await there.read(_CHUNK):
                if cut.is_set():  # it is committed, and nobody hears of it
                    self.cuts += 1
                    break
                writer.write(chunk)
                await writer.drain()
        writer.close()
