"""A way to PostgreSQL that can lose the answer to a commit, or lead nowhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SOCKET = ".s.PGSQL.5432"
_PREPARED = re.compile(rb"(__asyncpg_stmt_\w+__)\0[^\0]*INSERT INTO outbox ")
_BEGIN, _COMMIT = b"BEGIN", b"COMMIT"
_CHUNK = 1 << 16


class CuttingProxy:
    """Passes everything on.

    When `armed`, the next commit of an outbox row is heard by nobody. A user to whom it is closed
    gets no connection, and loses those that he has.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """`url` is that of the server, which listens on a Unix socket."""
        host = parse_qs(urlsplit(url).query)["host"][0]
        self.url = url.replace(host, str(folder))
        self._server = Path(host) / SOCKET
        self._listens = folder / SOCKET
        self._tasks: set[asyncio.Task[None]] = set()
        self._users: dict[asyncio.StreamWriter, bytes] = {}
        self.armed = False
        self._closed_to = b""
        self.cuts = 0

    def close_to(self, user: str) -> None:
        """Ends what he has, and lets him in no more."""
        self._closed_to = user.encode()
        for writer, greeting in self._users.items():
            if self._closed_to in greeting:
                writer.close()

    def open_to_all(self) -> None:
        """Closed to nobody."""
        self._closed_to = b""

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
        user, append = b"", b""
        in_transaction = False
        try:
            while chunk := await reader.read(_CHUNK):
                user = user or chunk  # the first message names him
                self._users[writer] = user
                if self._closed_to and self._closed_to in user:
                    break
                prepared = _PREPARED.search(chunk)
                append = prepared[1] + b"\0" if prepared else append
                in_transaction = in_transaction or _BEGIN in chunk
                runs = not prepared and not in_transaction and append and append in chunk
                if self.armed and append and (runs or _COMMIT in chunk):
                    self.armed = False
                    cut.set()
                in_transaction = in_transaction and _COMMIT not in chunk
                back.write(chunk)
                await back.drain()
        finally:
            answers.cancel()
            self._users.pop(writer, None)
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
