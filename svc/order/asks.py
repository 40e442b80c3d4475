"""What is asked of order intake, and what comes of it. Values that travel between its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from svc.kit.errors import DomainError
from svc.order.lifecycle import Status
from svc.order.terms import Terms


class Answer(NamedTuple):
    """An item that succeeded: the order it made or named, and the order's state right after."""

    order_id: int
    status: int


Result = Answer | DomainError


@dataclass(slots=True)
class Key:
    """An idempotency key. `digest` is of the whole request but the key."""

    text: str
    digest: bytes
    first: Ask | None = None
    """The ask of the same batch that had the key before this one."""
    claimed: bool = False
    """Whether the cache was asked for it; then it is freed, unless an answer is stored."""
    sought: bool = False
    """Whether the table was asked for an answer under it."""
    answered: bool = False
    """Whether the table has an answer under it, ours or an earlier one."""


@dataclass(slots=True)
class Create:
    """A new order: well-formed, not yet admitted. Intake fills in what is below `deadline_s`."""

    account_id: int
    user_id: int
    source: str
    terms: Terms
    client_order_id: str
    key: Key | None
    trace_id: str
    deadline_s: float | None
    """Reading of time.monotonic after which nobody waits for the answer; None: no deadline."""
    taken: bool = False
    """Whether room was taken for it and nobody has answered for that room yet."""
    order_id: int = 0
    """With a key it may be shared: calls under one key go on with the id of the first."""
    winner_id: int = 0
    """Order that another call under the same key has committed meanwhile; 0: none."""
    reference_ticks: int = 0
    cap_ticks: int = 0
    budget_tick_lots: int = 0
    held: bool = False
    """Whether funds may be held under the order id."""
    committed: bool = False
    """Whether the order has its row, as NEW or as REJECTED."""
    refusal: DomainError | None = None
    """Why risk or wallet refused: the order is REJECTED."""
    result: Result | None = None
    """What is answered; None while it is not decided."""

    @property
    def status(self) -> int:
        """The state that its row begins in."""
        return Status.REJECTED if self.refusal is not None else Status.NEW

    @property
    def hold_is_lost(self) -> bool:
        """Whether funds are held under an order id that surely no call will ever commit."""
        if self.key is None:
            return self.held
        return self.held and self.winner_id not in (0, self.order_id)


@dataclass(slots=True)
class Cancel:
    """A cancel of an order of the account."""

    account_id: int
    order_id: int
    """0: no open order has the name; an answer under the key may still be known."""
    name: str
    """The order as the caller named it."""
    key: Key | None
    trace_id: str
    deadline_s: float | None
    result: Result | None = None


Ask = Create | Cancel
