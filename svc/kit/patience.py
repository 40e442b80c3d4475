"""How long to wait before trying again, and what to say about it.

Keeps: that something does not work is said once for each cause, and once that it does again.
"""

from __future__ import annotations

from svc.kit.log import Logger

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0


class Patience:
    """For one thing that is tried again and again, until it works."""

    def __init__(self, log: Logger, what: str, market: int) -> None:
        """`what` is the beginning of the events that are logged."""
        self._log = log
        self._what = what
        self._market = market
        self._pause_s = FIRST_PAUSE_S
        self._cause = ""

    def failed(self, cause: str) -> float:
        """Seconds to wait after a failure; twice as many after the next, up to LONGEST_PAUSE_S."""
        if cause != self._cause:
            self._log.warning(f"{self._what}_waiting", market=self._market, cause=cause)
        self._cause = cause
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, LONGEST_PAUSE_S)
        return pause_s

    def worked(self) -> None:
        """The last try worked."""
        if self._cause:
            self._log.info(f"{self._what}_going_on", market=self._market)
        self._pause_s, self._cause = FIRST_PAUSE_S, ""
