"""Figures about calls served, one set per service, in that service's own registry.

Latency by method and code; its count is the number of calls. Bucket bounds are seconds.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

_LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


def new_registry() -> CollectorRegistry:
    """An empty registry for one service, with the figures of the process it runs in."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class RpcMetrics:
    """Counts calls as they begin and end. Only the server's pipeline writes here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "rpc_server_seconds",
            "Time from a call's arrival to its status, by method and status code.",
            ("method", "code"),
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._in_flight = Gauge(
            "rpc_server_in_flight",
            "Calls being served, by method; streams count as long as they are open.",
            ("method",),
            registry=registry,
        )
        # Looking a labelled child up costs more than the figure itself on the hot path. Bounded
        # by methods times codes.
        self._latencies: dict[tuple[str, str], Histogram] = {}
        self._gauges: dict[str, Gauge] = {}

    def begin(self, method: str) -> None:
        """A call of the method has arrived."""
        gauge = self._gauges.get(method)
        if gauge is None:
            gauge = self._gauges[method] = self._in_flight.labels(method)
        gauge.inc()

    def end(self, method: str, code: str, elapsed_s: float) -> None:
        """The call ended with a status code (its name), after so many seconds."""
        self._gauges[method].dec()
        latency = self._latencies.get((method, code))
        if latency is None:
            latency = self._latencies[method, code] = self._seconds.labels(method, code)
        latency.observe(elapsed_s)
