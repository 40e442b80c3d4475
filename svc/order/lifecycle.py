"""The states of an order and what moves it from one to the next.

Owns the table of the specification with what it leaves open. Keeps: a final state is never
left, a partial fill never hides a pending request, and what the table does not name is refused
(NotApplicableError), never guessed. Pure; numbers are those of `trading.v1.OrderStatus`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Status(IntEnum):
    """State of an order."""

    NEW = 1
    ACCEPTED = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    CANCEL_PENDING = 5
    CANCELED = 6
    REPLACE_PENDING = 7
    REJECTED = 8
    EXPIRED = 9


class Cause(IntEnum):
    """What happens to an order: requests of its owner, then events of the market."""

    CANCEL_REQUESTED = 1
    REPLACE_REQUESTED = 2
    ACKNOWLEDGED = 3
    FILL = 4
    CANCELED = 5
    REJECTED = 6
    EXPIRED = 7
    REPLACED = 8
    TRIGGERED = 9
    REDUCED = 10
    CANCEL_REJECTED = 11
    REPLACE_REJECTED = 12


class EventType(IntEnum):
    """Type of a row of `order_events`; the first seven are those of 002."""

    CREATED = 1
    ACCEPTED = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    CANCELED = 5
    REJECTED = 6
    REPLACED = 7
    EXPIRED = 8
    TRIGGERED = 9
    REDUCED = 10
    CANCEL_REQUESTED = 11
    CANCEL_REJECTED = 12
    REPLACE_REQUESTED = 13
    REPLACE_REJECTED = 14


class NotApplicableError(Exception):
    """This cause cannot meet an order in this state: the log and the orders disagree."""

    def __init__(self, status: int, cause: int) -> None:
        """`status` and `cause` by number, as they stand in rows and events."""
        self.status = Status(status)
        self.cause = Cause(cause)
        super().__init__(f"{self.cause.name} does not apply to an order that is {self.status.name}")


LIVE = frozenset(
    {
        Status.NEW,
        Status.ACCEPTED,
        Status.PARTIALLY_FILLED,
        Status.CANCEL_PENDING,
        Status.REPLACE_PENDING,
    }
)
"""States in which an order holds funds and may still trade."""

FINAL = frozenset(Status) - LIVE
"""States that are never left."""

CANCELABLE = LIVE - {Status.CANCEL_PENDING}
"""States in which a cancel is new; in CANCEL_PENDING the one on its way answers."""

REPLACEABLE = frozenset({Status.ACCEPTED, Status.PARTIALLY_FILLED})
"""States in which a replace may be asked for: one request in flight at a time."""

# Stands for ACCEPTED or PARTIALLY_FILLED, whichever the filled quantity says.
_WORKING = -1
_PENDING = (Status.CANCEL_PENDING, Status.REPLACE_PENDING)


def _table() -> Mapping[tuple[int, int], int]:
    working = (Status.ACCEPTED, Status.PARTIALLY_FILLED)
    known = (*working, *_PENDING)
    table: dict[tuple[int, int], int] = {
        (Status.NEW, Cause.ACKNOWLEDGED): Status.ACCEPTED,
        # A cancel may be asked for before the market has acknowledged the order.
        (Status.CANCEL_PENDING, Cause.ACKNOWLEDGED): Status.CANCEL_PENDING,
        (Status.NEW, Cause.REJECTED): Status.REJECTED,
        (Status.CANCEL_PENDING, Cause.REJECTED): Status.REJECTED,
        (Status.REPLACE_PENDING, Cause.REPLACED): _WORKING,
        (Status.REPLACE_PENDING, Cause.REPLACE_REJECTED): _WORKING,
        # A cancel-replace was refused: neither the cancel nor the new order.
        (Status.REPLACE_PENDING, Cause.CANCEL_REJECTED): _WORKING,
        # A cancel has overtaken the replace, which still happens first in the log.
        (Status.CANCEL_PENDING, Cause.REPLACED): Status.CANCEL_PENDING,
        (Status.CANCEL_PENDING, Cause.REPLACE_REJECTED): Status.CANCEL_PENDING,
        (Status.CANCEL_PENDING, Cause.CANCEL_REJECTED): _WORKING,
    }
    for status in CANCELABLE:
        table[status, Cause.CANCEL_REQUESTED] = Status.CANCEL_PENDING
    for status in REPLACEABLE:
        table[status, Cause.REPLACE_REQUESTED] = Status.REPLACE_PENDING
    for status in known:
        table[status, Cause.FILL] = status if status in _PENDING else _WORKING
        table[status, Cause.CANCELED] = Status.CANCELED
        table[status, Cause.EXPIRED] = Status.EXPIRED
        table[status, Cause.TRIGGERED] = status
        table[status, Cause.REDUCED] = status
    for status in FINAL:
        # The request lost the race against the end of the order, and ends without effect.
        table[status, Cause.CANCEL_REJECTED] = status
        table[status, Cause.REPLACE_REJECTED] = status
    return MappingProxyType(table)


_STATUS_OF = {status.name.lower(): int(status) for status in Status}


def status_of(label: str) -> int:
    """The number of a state that the database has named."""
    return _STATUS_OF[label]


_TABLE = _table()
# By plain number, because hashing a member of an enumeration runs Python code, once an event.
_FAST = {int(status) << 4 | int(cause): int(target) for (status, cause), target in _TABLE.items()}
_FILL = int(Cause.FILL)
_ACCEPTED, _PARTIALLY_FILLED = int(Status.ACCEPTED), int(Status.PARTIALLY_FILLED)
_FILLED = int(Status.FILLED)


def after(status: int, cause: int, *, filled_lots: int, whole: bool = False) -> int:
    """The state after `cause`, which has left `filled_lots` of the order filled.

    `whole`: the cause is a fill that left nothing of the order. Raises NotApplicableError.
    """
    target = _FAST.get(status << 4 | cause)
    if target is None:
        raise NotApplicableError(status, cause)
    if whole and cause == _FILL:
        return _FILLED
    if target == _WORKING:
        return _PARTIALLY_FILLED if filled_lots else _ACCEPTED
    return target
