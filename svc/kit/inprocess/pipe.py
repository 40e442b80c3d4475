"""One direction of a stream in process: serialised messages within a bounded window.

As over a socket, a writer whose reader lags waits. The window is what HTTP/2 grants a stream
before the reader takes something; a message larger than it passes when nothing else is waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque

WINDOW_BYTES = 65_535
"""HTTP/2's initial flow-control window of a stream."""

_FRAME_BYTES = 5  # gRPC's prefix of each message: empty messages fill the window as well


class Pipe:
    """One writer, one reader: gRPC forbids two of either at the same time."""

    __slots__ = ("_buffered", "_closed", "_messages", "_reader", "_writer")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._buffered = 0
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    @property
    def drained(self) -> bool:
        """Whether nothing is left to read and nothing will come."""
        return self._closed and not self._messages

    async def put(self, message: bytes) -> bool:
        """Hands over a message, waiting for room in the window; False if nobody will read it."""
        size = len(message) + _FRAME_BYTES
        while self._messages and self._buffered + size > WINDOW_BYTES and not self._closed:
            assert self._writer is None, "a stream has one writer"
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._writer
            finally:
                self._writer = None
        if self._closed:
            return False
        self._messages.append(message)
        self._buffered += size
        _wake(self._reader)
        return True

    async def get(self) -> bytes | None:
        """The next message; None when there will be none."""
        while not self._messages:
            if self._closed:
                return None
            assert self._reader is None, "a stream has one reader"
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        message = self._messages.popleft()
        self._buffered -= len(message) + _FRAME_BYTES
        _wake(self._writer)
        return message

    def close(self) -> None:
        """Ends the stream: what is buffered can still be read, nothing more can be put."""
        self._closed = True
        _wake(self._reader)
        _wake(self._writer)

    def abandon(self) -> None:
        """Ends the stream and drops what is buffered."""
        self._messages.clear()
        self._buffered = 0
        self.close()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
