"""Figures of the order service, by the names of the specification."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from svc.order.asks import Create
from svc.order.market import Market
from svc.order.terms import OrderType, Side

_BUCKETS_MS = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 200, 500, 1_000, 2_500, 5_000)


class Metrics:
    """Counts orders, and times stages. A stage is timed once for a batch, not once an order."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._created = Counter(
            "order_created",
            "Orders accepted, by side and type.",
            ("side", "type"),
            registry=registry,
        )
        self._filled = Counter(
            "order_filled", "Orders filled whole, by side.", ("side",), registry=registry
        )
        self._rejected = Counter(
            "order_rejected",
            "Orders refused by risk, wallet or market, by reason.",
            ("reason",),
            registry=registry,
        )
        self._canceled = Counter("order_canceled", "Orders canceled.", registry=registry)
        self._latency = Histogram(
            "order_latency_ms",
            "Milliseconds that a batch spent in a stage.",
            ("stage",),
            buckets=_BUCKETS_MS,
            registry=registry,
        )
        self._pending = Gauge(
            "outbox_pending_gauge",
            "Command batches of a market that are committed and not known to be in the log.",
            ("market",),
            registry=registry,
        )

    def watch_outbox(self, market: Market) -> None:
        """Shows what of a market's outbox waits, whenever the figures are read."""
        self._pending.labels(str(market.id)).set_function(lambda: market.pending)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what runs inside."""
        started_ns = time.monotonic_ns()
        try:
            yield
        finally:
            self.took(name, time.monotonic_ns() - started_ns)

    def took(self, stage: str, elapsed_ns: int) -> None:
        """A stage took this long for a batch."""
        self._latency.labels(stage).observe(elapsed_ns / 1_000_000)

    def accepted(self, creates: Iterable[Create]) -> None:
        """These have been committed, as NEW or as REJECTED."""
        tally = Tally[tuple[int, int, str]]()
        for create in creates:
            terms, refusal = create.terms, create.refusal
            tally[terms.side, terms.type, refusal.reason if refusal else ""] += 1
        for (side, order_type, reason), count in tally.items():
            if reason:
                self._rejected.labels(reason).inc(count)
            else:
                labels = (Side(side).name.lower(), OrderType(order_type).name.lower())
                self._created.labels(*labels).inc(count)

    def ended(self, filled: Tally[str], rejected: Tally[str], canceled: int) -> None:
        """Orders that events have ended: filled by side, rejected by reason, canceled."""
        for side, count in filled.items():
            self._filled.labels(side).inc(count)
        for reason, count in rejected.items():
            self._rejected.labels(reason).inc(count)
        if canceled:
            self._canceled.inc(canceled)
