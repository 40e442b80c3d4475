"""Keeps the processes of one machine alive: starts them in order, restarts what dies, stops all.

Invariant: while `run` has not returned every part is running or on its way back; when it has,
none is left. A part that dies again and again comes back ever more slowly, never not at all.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

from mesh.embedded.child import Child, ServerError, keep_short

_LOOK_EVERY_S = 0.05
_STOP_GRACE_S = 25.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_STEADY_S = 10.0


class Part(Protocol):
    """A process that can be started again."""

    @property
    def running(self) -> bool:
        """Whether it lives."""

    def start(self) -> None:
        """Start it. Raises ServerError."""

    def stop(self) -> None:
        """End it in order."""


class ServiceProcess:
    """A Python process of the topology's table."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._name = name
        self._folder = folder
        self._environment = environment
        self._child = Child(name, folder)

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._child.running

    def start(self) -> None:
        """Spawn it and return at once; whoever needs it ready asks its probes."""
        self._folder.mkdir(exist_ok=True)
        self._child.end_orphan(signal.SIGTERM)
        self._child.spawn([sys.executable, "-m", "svc", self._name], environment=self._environment)

    def stop(self) -> None:
        """Drain it."""
        self._child.stop((signal.SIGTERM, _STOP_GRACE_S))

    def last_words(self) -> str:
        """The end of its log."""
        return self._child.last_words()


@dataclass(slots=True)
class _Watched:
    part: Part
    started_at: float
    pause_s: float = 0.0
    due_at: float | None = None


class Supervisor:
    """Parts by name, in the order they start; they stop in the reverse order."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """`report` gets a sentence about each death and each return."""
        self._report = report
        self._parts: dict[str, _Watched] = {}
        self.stopping = Event()

    def start(self, parts: Mapping[str, Part]) -> None:
        """Start parts one after the other and watch them from now on. Raises ServerError."""
        for name, part in parts.items():
            self._parts[name] = _Watched(part, time.monotonic())
            part.start()

    def dead(self) -> Sequence[str]:
        """Names of the parts that do not run now."""
        return [name for name, watched in self._parts.items() if not watched.part.running]

    def run(self, home: Path) -> None:
        """Watch until `stopping` is set, and keep the parts' logs in `home` short."""
        while not self.stopping.wait(_LOOK_EVERY_S):
            for name, watched in self._parts.items():
                if not watched.part.running:
                    self._revive(name, watched)
            for log in home.glob("*/log"):
                keep_short(log)

    def stop(self) -> None:
        """Stop every part, the last started first."""
        self.stopping.set()
        for watched in reversed(self._parts.values()):
            watched.part.stop()
        self._parts.clear()

    def _revive(self, name: str, watched: _Watched) -> None:
        now = time.monotonic()
        if watched.due_at is None:
            steady = now - watched.started_at > _STEADY_S
            longer = min(max(watched.pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            watched.pause_s = 0.0 if steady else longer
            watched.due_at = now + watched.pause_s
            self._report(f"{name} died; it comes back in {watched.pause_s:.1f} s")
        if now < watched.due_at:
            return
        watched.due_at = None
        watched.started_at = now
        try:
            watched.part.start()
        except ServerError as error:
            self._report(f"{name} cannot be started: {error}")
        else:
            self._report(f"{name} is back")
