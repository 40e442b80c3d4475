"""The writer on a real database answers and stands as the model does, through cuts as well."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from svc.kit.errors import DomainError
from svc.wallet.operations import Operation
from svc.wallet.writer import Writer
from tests.wallet.conftest import PATIENCE_S, leads, writing
from tests.wallet.machine import Balances, LedgerMachine, OpenHolds
from tests.wallet.rows import Auditor

R = TypeVar("R")

UNCERTAIN = "LEDGER_UNCERTAIN"


class WriterMachine(LedgerMachine):
    """Runs batches through a writer, and sometimes cuts its connection in the middle of one."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.auditor = self.run(Auditor.connect(self.url))
        self.run(self.auditor.empty())
        self.writer = self.run(self.stack.enter_async_context(writing(self.url)))
        self.run(leads(self.writer))

    def run(self, work: Coroutine[object, object, R]) -> R:
        """Runs something to its end, or to the end of our patience."""
        return self.runner.run(asyncio.wait_for(work, PATIENCE_S))

    def run_batch(self, batch: Sequence[Operation[object]]) -> Sequence[object]:
        return self.run(submit_all(self.writer, batch))

    def read_state(self) -> tuple[Balances, OpenHolds]:
        assert self.run(self.auditor.faults()) == []
        return self.run(self.auditor.balances()), self.run(self.auditor.open_holds())

    @rule(table=st.sampled_from(("balances", "holds", "open_holds", "settlements", "progress")))
    @precondition(lambda self: self.batch)
    def flush_into_a_cut(self, table: str) -> None:
        """The database drops the writer where it waits for a table; then all or nothing holds."""
        outcomes = self.run(self._cut(table, self.batch))
        if UNCERTAIN in [getattr(outcome, "reason", "") for outcome in outcomes]:
            new, self.model.state = self.model.state, self.committed.copy()
            self.compare()
            self.model.state = new
            self.run(leads(self.writer))
            self.flush()
        else:  # nothing of the batch touched the table
            self.batch, self.expected = [], []
            self.committed = self.model.state.copy()
            self.compare()

    async def _cut(self, table: str, batch: Sequence[Operation[object]]) -> Sequence[object]:
        async with self.auditor.connection.transaction():
            await self.auditor.connection.execute(f"LOCK TABLE {table}")
            submitted = asyncio.create_task(submit_all(self.writer, batch))
            waiting = asyncio.create_task(self.auditor.writer_waits())
            await asyncio.wait([submitted, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not submitted.done():
                await self.auditor.kill_writers()
            return await submitted

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.run(self.auditor.close())
        self.runner.close()


async def submit_all(writer: Writer, batch: Sequence[Operation[object]]) -> Sequence[object]:
    """The outcomes of operations submitted in one breath; errors as they are."""
    outcomes = await asyncio.gather(
        *(writer.submit(operation) for operation in batch), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, DomainError):
            raise outcome
    return outcomes


def test_the_writer_answers_and_stands_as_the_model_does(migrated_url: str) -> None:
    check(migrated_url, examples=15)


@pytest.mark.soak
def test_the_writer_answers_and_stands_as_the_model_does_however_long_one_asks(
    migrated_url: str,
) -> None:
    check(migrated_url, examples=300)


def check(url: str, examples: int) -> None:
    """Runs the machine on so many random histories of forty steps."""
    run_state_machine_as_test(
        type("Machine", (WriterMachine,), {"url": url}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
