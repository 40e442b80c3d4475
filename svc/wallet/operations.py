"""What can be done with the ledger, one class each: what it must know, and how it decides.

All of them go through the writer's one queue, in order of arrival, reads that must be exact
included; each answer follows the commit of its batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from svc.wallet.asks import CreditAsk, Refusal
from svc.wallet.ledger import Ledger
from svc.wallet.memory import NOWHERE, HoldAsk, HoldKey, Memory, Position
from svc.wallet.settlement import Range, settle

R_co = TypeVar("R_co", covariant=True)


class Operation(ABC, Generic[R_co]):
    """One call's work. ``decide`` runs whole before anything else does."""

    def unsure_keys(self, memory: Memory) -> Iterable[HoldKey]:
        """Holds that it will ask for and only the database knows about."""
        return ()

    def transaction_ids(self) -> Iterable[str]:
        """Payments that it will ask for."""
        return ()

    @abstractmethod
    def decide(self, ledger: Ledger, now_unix_ns: int) -> R_co:
        """Changes the memory. Raises DomainError, and then nothing has changed."""


@dataclass(frozen=True, slots=True)
class LockFunds(Operation[list[int | Refusal]]):
    """Makes holds, each on its own; what is no valid ask came refused."""

    items: Sequence[HoldAsk | Refusal]

    def unsure_keys(self, memory: Memory) -> Iterable[HoldKey]:
        """Those of the valid asks."""
        return memory.unsure_asks(self.items)

    def decide(self, ledger: Ledger, now_unix_ns: int) -> list[int | Refusal]:
        """Amount held or refusal, per item."""
        return [
            ledger.lock(item, now_unix_ns) if isinstance(item, HoldAsk) else item
            for item in self.items
        ]


@dataclass(frozen=True, slots=True)
class UnlockFunds(Operation[list[int | Refusal]]):
    """Releases holds that reached no market."""

    items: Sequence[HoldKey]

    def unsure_keys(self, memory: Memory) -> Iterable[HoldKey]:
        """Any of them."""
        return [key for key in self.items if memory.unsure(*key)]

    def decide(self, ledger: Ledger, now_unix_ns: int) -> list[int | Refusal]:
        """Amount released or refusal, per item."""
        return [ledger.unlock(key) for key in self.items]


@dataclass(frozen=True, slots=True)
class Credit(Operation[list[int | Refusal]]):
    """Pays in; what is no valid ask came refused."""

    items: Sequence[CreditAsk | Refusal]

    def transaction_ids(self) -> Iterable[str]:
        """Those of the valid asks."""
        return [item.transaction_id for item in self.items if isinstance(item, CreditAsk)]

    def decide(self, ledger: Ledger, now_unix_ns: int) -> list[int | Refusal]:
        """Balance after it or refusal, per item."""
        return [ledger.credit(item) if isinstance(item, CreditAsk) else item for item in self.items]


@dataclass(frozen=True, slots=True)
class SettleTrade(Operation[Position]):
    """Settles a range of a market's events."""

    wanted: Range

    def decide(self, ledger: Ledger, now_unix_ns: int) -> Position:
        """The position after it."""
        return settle(ledger.memory, self.wanted, now_unix_ns)


class OpenHold(NamedTuple):
    """An open hold as it stood when it was read."""

    key: HoldKey
    account_id: int
    instrument_id: int
    amount: int
    created_at_unix_ns: int


@dataclass(frozen=True, slots=True)
class ListHolds(Operation[list[OpenHold]]):
    """Reads open holds made between two times, oldest first."""

    after_unix_ns: int
    before_unix_ns: int
    limit: int

    def decide(self, ledger: Ledger, now_unix_ns: int) -> list[OpenHold]:
        """The holds."""
        return [
            OpenHold(
                hold.ask.key,
                hold.ask.account_id,
                hold.ask.instrument_id,
                hold.amount,
                hold.created_at_unix_ns,
            )
            for hold in ledger.open_holds(self.after_unix_ns, self.before_unix_ns, self.limit)
        ]


@dataclass(frozen=True, slots=True)
class ReadPosition(Operation[Position]):
    """Reads how far a market is settled."""

    market: int

    def decide(self, ledger: Ledger, now_unix_ns: int) -> Position:
        """The position."""
        return ledger.memory.positions.get(self.market, NOWHERE)
