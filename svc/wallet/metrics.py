"""Figures of the ledger, in the service's own registry.

How far settlement lags behind a market is its event sequence minus ``wallet_settled_sequence``.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from svc.wallet.asks import Refusal
from svc.wallet.memory import Memory

_SIZES = (1, 4, 16, 64, 256, 1024, 4096, 16384)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class WalletMetrics:
    """Only the writer writes here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "wallet_leading", "1 while this process is the ledger's writer.", registry=registry
        )
        self._loads = Counter(
            "wallet_loads_total", "Times the memory was loaded.", registry=registry
        )
        self._items = Counter(
            "wallet_items_total",
            "Items of lock, unlock and credit lists, by operation and by reason of refusal.",
            ("operation", "refusal"),
            registry=registry,
        )
        self._trades = Counter(
            "wallet_settled_trades_total", "Trades settled, by market.", ("market",),
            registry=registry,
        )  # fmt: skip
        self._sequence = Gauge(
            "wallet_settled_sequence", "Last event sequence settled, by market.", ("market",),
            registry=registry,
        )  # fmt: skip
        self._open_holds = Gauge(
            "wallet_orders_with_holds", "Orders that hold funds.", registry=registry
        )
        self._batch_operations = Histogram(
            "wallet_batch_operations", "Operations in a batch.", buckets=_SIZES, registry=registry
        )
        self._batch_rows = Histogram(
            "wallet_batch_rows", "Holds made and trades settled in a batch.", buckets=_SIZES,
            registry=registry,
        )  # fmt: skip
        self._batch_seconds = Histogram(
            "wallet_batch_seconds", "Time of a batch by phase: decide, commit.", ("phase",),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._failed_batches = Counter(
            "wallet_failed_batches_total", "Batches whose commit failed or is not known.",
            registry=registry,
        )  # fmt: skip

    def loaded(self, memory: Memory) -> None:
        """A memory was loaded and serves from now on."""
        self._loads.inc()
        self.leading.set(1)
        self._positions(memory)

    def items(self, operation: str, results: Sequence[int | Refusal]) -> None:
        """A list was answered."""
        refused = [result.reason for result in results if isinstance(result, Refusal)]
        if len(results) > len(refused):
            self._items.labels(operation, "").inc(len(results) - len(refused))
        for reason, count in Tally(refused).items():
            self._items.labels(operation, reason).inc(count)

    def committed(self, memory: Memory, operations: int, decide_s: float, commit_s: float) -> None:
        """A batch is about to leave the memory's changes; call it before they are forgotten."""
        changes = memory.changes
        self._batch_operations.observe(operations)
        self._batch_rows.observe(len(changes.made) + len(changes.settlements))
        self._batch_seconds.labels("decide").observe(decide_s)
        self._batch_seconds.labels("commit").observe(commit_s)
        for market, before in changes.positions.items():
            trades = memory.positions[market].trade_number - before.trade_number
            self._trades.labels(str(market)).inc(trades)
        self._positions(memory)

    def batch_failed(self) -> None:
        """A batch is lost, or its outcome is."""
        self._failed_batches.inc()
        self.leading.set(0)

    def _positions(self, memory: Memory) -> None:
        self._open_holds.set(len(memory.orders))
        for market, position in memory.positions.items():
            self._sequence.labels(str(market)).set(position.sequence)
