"""The figures of market data: how much it takes in, how far it is behind, who reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from svc.marketdata.market import Market
from svc.marketdata.recorder import Recorder

_NS_PER_S = 1e9


class HasTrouble(Protocol):
    """What follows a market."""

    @property
    def trouble(self) -> str:
        """Why its books cannot be shown; empty when they can."""


class Figures:
    """Made once per service; `show` names what the gauges look at."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "marketdata_events", "Engine events applied, all kinds.", registry=registry
        )
        self._trades = Counter("marketdata_trades", "Trades put on the tape.", registry=registry)
        self.resets = Counter(
            "marketdata_reader_resets",
            "Snapshots sent to readers of a book that had fallen behind.",
            registry=registry,
        )
        self._readers = Gauge(
            "marketdata_readers", "Open streams, by kind.", ("stream",), registry=registry
        )
        self._lag = Gauge(
            "marketdata_lag_seconds",
            "Age of a market's last batch when it was applied: the engine's time to now.",
            ("market",),
            registry=registry,
        )
        self._books = Gauge(
            "marketdata_books",
            "Whether a market's books can be shown: 1 or 0.",
            ("market",),
            registry=registry,
        )
        self._sequence = Gauge(
            "marketdata_sequence",
            "Sequence a market's books stand at.",
            ("market",),
            registry=registry,
        )
        self._waiting = Gauge(
            "marketdata_waiting_trades",
            "Trades of a market that are not committed yet.",
            ("market",),
            registry=registry,
        )

    def watch(self, number: int, follower: HasTrouble) -> None:
        """Look at this from now on."""
        self._books.labels(str(number)).set_function(lambda: not follower.trouble)

    def show(self, number: int, market: Market, recorder: Recorder) -> None:
        """Look at this market and its recorder from now on."""
        self._sequence.labels(str(number)).set_function(lambda: market.position.sequence)
        self._waiting.labels(str(number)).set_function(lambda: recorder.waiting)

    @contextmanager
    def reading(self, stream: str) -> Iterator[None]:
        """Count a reader of a kind of stream while it reads."""
        readers = self._readers.labels(stream)
        readers.inc()
        try:
            yield
        finally:
            readers.dec()

    def applied(self, number: int, events: int, trades: int, age_ns: int) -> None:
        """A market's batch was applied, so old by the engine's time."""
        self._events.inc(events)
        self._trades.inc(trades)
        self._lag.labels(str(number)).set(age_ns / _NS_PER_S)
