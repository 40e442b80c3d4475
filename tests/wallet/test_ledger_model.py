"""The ledger in memory answers and stands as its model does, whatever is asked in what order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from svc.kit.errors import DomainError
from svc.wallet.ledger import Ledger
from svc.wallet.memory import OPEN, ClosedHold, HoldKey, HoldState, Memory, Transfer
from svc.wallet.operations import Operation
from tests.wallet.machine import Balances, LedgerMachine, OpenHolds
from tests.wallet.worlds import small_catalog


class InMemoryMachine(LedgerMachine):
    """Keeps closed holds and payments on a shelf, as the database does for the writer."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(ledger=1)
        self.ledger = Ledger(self.memory, small_catalog())
        self.shelf: dict[HoldKey, ClosedHold] = {}
        self.payments: dict[str, Transfer] = {}

    def run_batch(self, batch: Sequence[Operation[object]]) -> Sequence[object]:
        for operation in batch:
            for key in operation.unsure_keys(self.memory):
                if key in self.shelf:
                    self.memory.closed[key] = self.shelf[key]
        self.memory.transfers.update(self.payments)
        outcomes = [self._outcome(operation) for operation in batch]
        self._shelve()
        self.memory.commit()
        return outcomes

    def _outcome(self, operation: Operation[object]) -> object:
        try:
            return operation.decide(self.ledger, 1)
        except DomainError as error:
            return error

    def _shelve(self) -> None:
        changes = self.memory.changes
        for hold in changes.holds:
            if hold.state not in OPEN:
                closed = ClosedHold(hold.ask, hold.held, hold.state)
                self.shelf[hold.ask.key] = closed
        for key in changes.unlocked:
            self.shelf.setdefault(key, ClosedHold(None, 0, HoldState.UNLOCKED))
        self.payments.update((made.transaction_id, made) for made in changes.transfers)

    def read_state(self) -> tuple[Balances, OpenHolds]:
        balances = {
            (account, asset): funds
            for account, assets in self.memory.committed.items()
            for asset, funds in assets.items()
        }
        held = self.ledger.open_holds(0, 2**62, 1000)
        return balances, {hold.ask.key: (hold.amount, hold.remaining) for hold in held}


def test_the_ledger_answers_and_stands_as_the_model_does() -> None:
    check(examples=100)


@pytest.mark.soak
def test_the_ledger_answers_and_stands_as_the_model_does_however_long_one_asks() -> None:
    check(examples=3_000)


def check(examples: int) -> None:
    """Runs the machine on so many random histories of sixty steps."""
    run_state_machine_as_test(
        InMemoryMachine,
        settings=settings(max_examples=examples, stateful_step_count=60, deadline=None),
    )
