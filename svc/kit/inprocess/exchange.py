"""One call in process: what its two halves share.

The status is decided once. What the server decides reaches the client after the messages that
were written before it, as over a socket; what the client decides (cancellation, deadline) cuts the
call off at once and cancels the handler.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from svc.kit.call import MAX_MESSAGE_BYTES
from svc.kit.inprocess.pipe import Pipe

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Status:
    """How a call ended. ``text`` is for people."""

    code: grpc.StatusCode
    text: str = ""
    trailing: Metadata = ()


DEADLINE = Status(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


class Exchange:
    """The call itself. ``reply`` is the serialised reply of a call that answers once."""

    def __init__(self, metadata: Metadata, timeout_s: float | None) -> None:
        self.metadata = metadata
        self.requests = Pipe()
        self.replies = Pipe()
        self.reply = b""
        self.initial: Metadata | None = None
        self.status: Status | None = None
        self.deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.on_end: list[Callable[[], None]] = []
        self._decided: Status | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if timeout_s is not None and timeout_s > 0:
            self._timer = self._loop.call_later(timeout_s, self.cut, DEADLINE)
        elif timeout_s is not None:
            self.status = DEADLINE  # too late before it began: the server never hears of it

    def start(self, serving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs the server's half in a task that sees nothing of the caller's context."""
        self._task = self._loop.create_task(serving, context=contextvars.Context())
        return self._task

    def time_remaining(self) -> float | None:
        """Seconds until the deadline, never negative; None without one."""
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0)

    def send_initial(self, metadata: Metadata) -> None:
        """Decides the initial metadata, if it is not decided yet."""
        if self.initial is None:
            self.initial = metadata
            self._wake()

    def decide(self, status: Status, reply: bytes = b"") -> None:
        """The server's last word. Takes effect when the client has read what came before it."""
        if self.status is not None or self._decided is not None:
            return
        self.reply = reply
        self._decided = status
        self.send_initial(())
        self.requests.abandon()
        self.replies.close()
        if self.replies.drained:
            self._end(status)

    async def receive(self) -> bytes | None:
        """The next reply of a stream; None at its end."""
        message = await self.replies.get()
        if self._decided is not None and self.replies.drained:
            self._end(self._decided)
        return message

    def cut(self, status: Status) -> bool:
        """Ends the call at once, whatever is on its way; False if it had ended."""
        if self.status is not None:
            return False
        self.requests.abandon()
        self.replies.abandon()
        if self._task is not None and self._decided is None:
            self._task.cancel()
        self._end(status)
        return True

    async def ended(self) -> Status:
        """Waits for the status."""
        while self.status is None:
            await self._change()
        return self.status

    async def initial_metadata(self) -> Metadata:
        """Waits for the initial metadata; empty when the call ended without any."""
        while self.initial is None and self.status is None:
            await self._change()
        return self.initial or ()

    def _end(self, status: Status) -> None:
        self.status = status
        if self._timer is not None:
            self._timer.cancel()
        self._wake()
        for callback in self.on_end:
            callback()

    async def _change(self) -> None:
        # One future per waiter: cancelling a waiter cancels the future it waits for.
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()


def too_large(side: str, message: bytes) -> Status:
    """The status of a call with a message that ``side``, CLIENT or SERVER, may not take."""
    text = f"{side}: Received message larger than max ({len(message)} vs. {MAX_MESSAGE_BYTES})"
    return Status(grpc.StatusCode.RESOURCE_EXHAUSTED, text)


def checked_metadata(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """The entries as gRPC takes them.

    Raises ValueError for what a socket would refuse: keys that are not lower case, bytes without
    a ``-bin`` key, text with one.
    """
    entries = tuple(metadata or ())
    for key, value in entries:
        if key != key.lower() or isinstance(value, bytes) != key.endswith("-bin"):
            raise ValueError(f"metadata {key!r}: keys are lower case, and -bin ones hold bytes")
    return entries
