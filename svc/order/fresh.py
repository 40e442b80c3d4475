"""Orders that were committed just now and that no event has reached yet.

The applier of the same process takes them from here instead of reading them back. Whoever else
changes such a row makes what is here stale; so rows that were taken are written on the condition
that they are as they were, and read after all where they are not.
"""

from __future__ import annotations

from collections.abc import Iterable

from svc.order.applying import Row
from svc.order.asks import Create

MOST_FRESH = 65_536
"""More than are ever unsettled; beyond it, orders are read back."""


class FreshOrders:
    """Those of one market. Keeps none while nobody applies the market's events here."""

    def __init__(self) -> None:
        self._creates: dict[int, Create] | None = None

    def begin(self) -> None:
        """Somebody will take them."""
        self._creates = {}

    def end(self) -> None:
        """Nobody will take them any more."""
        self._creates = None

    def add(self, create: Create) -> None:
        """An order has been committed as NEW, with its first event."""
        if self._creates is not None and len(self._creates) < MOST_FRESH:
            self._creates[create.order_id] = create

    def discard(self, order_id: int) -> None:
        """An order has been changed by somebody else than the applier."""
        if self._creates is not None:
            self._creates.pop(order_id, None)

    def take(self, order_ids: Iterable[int]) -> dict[int, Row]:
        """Those that are here, by id, as their rows were committed; they are here no more."""
        if not self._creates:
            return {}
        taken = {}
        for order_id in order_ids:
            create = self._creates.pop(order_id, None)
            if create is not None:
                taken[order_id] = _row(create)
        return taken


def _row(create: Create) -> Row:
    terms = create.terms
    instrument = terms.instrument
    return Row(
        create.order_id,
        create.account_id,
        instrument.id,
        terms.side,
        create.status,
        1,
        terms.lots,
        0,
        terms.lots,
        0,
        terms.price_ticks,
        create.cap_ticks,
        instrument.maker_fee_ppm,
        instrument.taker_fee_ppm,
        1,
        by_amount=terms.by_amount,
    )
