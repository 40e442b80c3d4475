"""Time as every service sees it: integers of nanoseconds, never a float, never a global.

Whoever needs the time gets a Clock through its constructor, so that a test decides what time it is.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where a service reads the time."""

    def unix_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may step back when the machine's clock is set."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never steps back; for durations and deadlines."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def unix_ns(self) -> int:
        """See Clock."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """See Clock."""
        return time.monotonic_ns()


class FakeClock:
    """A clock that stands still until a test moves it."""

    __slots__ = ("_monotonic_ns", "_unix_ns")

    def __init__(self, unix_ns: int = 1_767_225_600_000_000_000) -> None:
        """Starts at `unix_ns`, 2026-01-01 UTC unless told; the monotonic clock starts at 0."""
        self._unix_ns = unix_ns
        self._monotonic_ns = 0

    def unix_ns(self) -> int:
        """See Clock."""
        return self._unix_ns

    def monotonic_ns(self) -> int:
        """See Clock."""
        return self._monotonic_ns

    def advance(self, duration_ns: int) -> None:
        """Lets `duration_ns` >= 0 pass on both clocks."""
        assert duration_ns >= 0, "time passes forward; use set_unix_ns to step the wall clock back"
        self._unix_ns += duration_ns
        self._monotonic_ns += duration_ns

    def set_unix_ns(self, unix_ns: int) -> None:
        """Steps the wall clock, as an operator or NTP would; the monotonic clock stays."""
        self._unix_ns = unix_ns
