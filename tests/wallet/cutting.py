"""A wire to PostgreSQL that loses, withholds or delays the one commit it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_SOCKET = ".s.PGSQL.5432"
_COMMIT = b"COMMIT;\0"


class Cut(Enum):
    """What becomes of the next commit; the client loses its connection in each case."""

    NEVER_SENT = "never sent"
    ANSWER_LOST = "answer lost"
    DELAYED = "delayed"


class Wire:
    """Forwards everything until it is told to cut."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._next: Cut | None = None
        self._late: asyncio.StreamWriter | None = None
        self._links: set[asyncio.Task[None]] = set()

    def cut_next_commit(self, cut: Cut) -> None:
        """The next commit on any connection ends that connection."""
        self._next = cut

    async def deliver(self) -> None:
        """A delayed commit arrives at last."""
        assert self._late is not None
        self._late.write(b"Q" + (4 + len(_COMMIT)).to_bytes(4, "big") + _COMMIT)
        await self._late.drain()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        there, back = await asyncio.open_unix_connection(str(self._target))
        answers = asyncio.create_task(self._answer(there, writer))
        try:
            await self._ask(reader, there, back, answers)
        finally:
            answers.cancel()
            writer.close()
            if self._late is not back:
                back.close()
            self._links.discard(task)

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> None:
        while asked := await reader.read(1 << 16):
            if not asked.endswith(_COMMIT) or self._next is None:
                back.write(asked)
                continue
            cut, self._next = self._next, None
            answers.cancel()
            await asyncio.wait([answers])
            if cut is Cut.ANSWER_LOST:
                back.write(asked)
                await there.read(1 << 16)
            elif cut is Cut.DELAYED:
                self._late = back
            return

    @staticmethod
    async def _answer(there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answered := await there.read(1 << 16):
            writer.write(answered)
        writer.close()

    async def close(self) -> None:
        """Ends what is left."""
        for link in list(self._links):
            link.cancel()
        if self._late is not None:
            self._late.close()


@asynccontextmanager
async def wired(url: str, folder: Path) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the database of ``url``, and the URL that goes through it."""
    host = parse_qs(urlsplit(url).query)["host"][0]
    wire = Wire(Path(host) / _SOCKET)
    server = await asyncio.start_unix_server(wire.accept, str(folder / _SOCKET))
    try:
        yield wire, url.replace(f"host={host}", f"host={folder}")
    finally:
        server.close()
        await wire.close()
