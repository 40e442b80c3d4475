"""The ledger's one writer: decides in memory, commits a batch, answers.

Invariant: one batch at a time and one transaction a batch, under the lease. What a batch credits
is in the same transaction as what the batch spends of it, and a later batch starts after that
transaction's commit, so funds that are not committed are never spent by a decision that is.

When a commit fails, or nobody knows whether it did, those who wait are told UNAVAILABLE, the
memory is dropped and the lease acquired again: its new epoch waits for whatever transaction of
ours may still run, and only then is the memory loaded. Every operation may be repeated safely.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import asyncpg

from svc.kit.batcher import Batcher
from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED, Database, begin
from svc.kit.errors import DomainError, not_leader, unavailable
from svc.kit.lease import Lease, LeaseLost, leader
from svc.kit.log import get_logger
from svc.wallet import store
from svc.wallet.instruments import Catalog
from svc.wallet.ledger import Ledger
from svc.wallet.memory import Memory
from svc.wallet.metrics import WalletMetrics
from svc.wallet.operations import Operation

R = TypeVar("R")

LEASE = "ledger-{}"
"""Name of a ledger's lease."""

MAX_OPERATIONS = 64
"""Operations in a batch; each brings up to 4,096 items, as its request bounds them."""

MAX_WAITING = 1_024
"""Operations that wait; those beyond wait in line."""

PAUSE_S = 0.2
"""Between attempts to lead while the database or metadata is away."""

_RETRIED: tuple[type[Exception], ...] = (*DISCONNECTED, DomainError, LeaseLost)
"""What a load gets over by itself: the database or metadata is away, or another writer leads."""

_NS_PER_S = 1_000_000_000


@dataclass(slots=True, eq=False)
class _Term:
    """One load of the memory and the connection that writes it."""

    ledger: Ledger
    connection: asyncpg.Connection
    failed: asyncio.Event = field(default_factory=asyncio.Event)


class Writer:
    """Runs operations on a ledger while it holds the lease; a standby otherwise.

    ``refresh`` completes the catalog; it is called before each load.
    """

    def __init__(
        self,
        *,
        ledger: int,
        database: Callable[[], Awaitable[Database]],
        lease: Callable[[Database], Lease],
        catalog: Catalog,
        refresh: Callable[[], Awaitable[None]],
        clock: Clock,
        metrics: WalletMetrics,
    ) -> None:
        self._ledger_id = ledger
        self._open_database = database
        self._make_lease = lease
        self._catalog = catalog
        self._refresh = refresh
        self._clock = clock
        self._metrics = metrics
        self._log = get_logger("wallet.writer")
        self._batcher = Batcher[Operation[object], object](self._apply, MAX_OPERATIONS, MAX_WAITING)
        self._term: _Term | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None]:
        """Begins to lead, or to wait for it; the task ends only by an error or by stop()."""
        self._database = await self._open_database()
        self._lease = self._make_lease(self._database)
        self._task = asyncio.create_task(self._lead())
        return self._task

    async def stop(self) -> None:
        """Answers what waits, then gives the lease back."""
        await self._batcher.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            await self._lease.release()

    async def submit(self, operation: Operation[R]) -> R:
        """The operation's outcome, once it is committed.

        Raises what the operation raises; UNAVAILABLE NOT_LEADER on a standby, and UNAVAILABLE
        LEDGER_UNCERTAIN when the outcome is not known: the same operation may be repeated.
        """
        if self._term is None:
            raise await self._not_leader()
        return cast("R", await self._batcher.submit(operation))

    async def committed(self, account_id: int) -> dict[int, tuple[int, int]]:
        """Total and locked of an account by asset, as last committed. Raises NOT_LEADER."""
        if self._term is None:
            raise await self._not_leader()
        return self._term.ledger.memory.committed.get(account_id, {})

    async def _lead(self) -> None:
        while True:
            await self._lease.acquire()
            try:
                term = await self._begin_term()
            except _RETRIED as error:
                self._log.warning("ledger_not_loaded", error=str(error))
                await asyncio.sleep(PAUSE_S)
                continue
            self._term = term
            self._metrics.loaded(term.ledger.memory)
            try:
                await self._until_over(term)
            finally:  # a transaction that still runs dies; the next epoch waits for it
                self._term = None
                self._metrics.leading.set(0)
                term.connection.terminate()

    async def _begin_term(self) -> _Term:
        await self._refresh()
        connection = await self._database.connect()
        try:
            await store.prepare_session(connection)
            async with begin(connection):
                await self._lease.fence(connection)
                memory = await store.load(connection, self._ledger_id, self._catalog)
        except BaseException:
            connection.terminate()
            raise
        self._log.info("ledger_loaded", epoch=self._lease.epoch, orders=len(memory.orders))
        return _Term(Ledger(memory, self._catalog), connection)

    async def _until_over(self, term: _Term) -> None:
        ends = [
            asyncio.create_task(term.failed.wait()),
            asyncio.create_task(self._lease.lost.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    async def _apply(self, operations: list[Operation[object]]) -> Sequence[object]:
        term = self._term
        if term is None:
            raise await self._not_leader()
        try:
            return await self._commit(term, operations)
        except Exception as error:
            term.failed.set()
            if self._term is term:
                self._term = None
            self._metrics.batch_failed()
            if isinstance(error, _RETRIED):
                self._log.warning("batch_failed", operations=len(operations), error=str(error))
            else:
                self._log.exception("batch_failed", error, operations=len(operations))
            raise unavailable(
                "LEDGER_UNCERTAIN",
                "Whether this was committed is not known; the same request may be repeated.",
            ) from error

    async def _commit(self, term: _Term, operations: list[Operation[object]]) -> list[object]:
        memory = term.ledger.memory
        await self._recall(term.connection, memory, operations)
        started_ns = self._clock.monotonic_ns()
        now_unix_ns = self._clock.unix_ns()
        outcomes = [_decide(operation, term.ledger, now_unix_ns) for operation in operations]
        decided_ns = self._clock.monotonic_ns()
        # Also without changes: an answer from a memory that another writer has left behind is none.
        async with begin(term.connection):
            await self._lease.fence(term.connection)
            await store.write(term.connection, memory, now_unix_ns)
        committed_ns = self._clock.monotonic_ns()
        self._metrics.committed(
            memory,
            len(operations),
            (decided_ns - started_ns) / _NS_PER_S,
            (committed_ns - decided_ns) / _NS_PER_S,
        )
        memory.commit()
        return outcomes

    async def _recall(
        self,
        connection: asyncpg.Connection,
        memory: Memory,
        operations: list[Operation[object]],
    ) -> None:
        """Looks up what only the database knows of the things the operations will ask for."""
        keys = {key for operation in operations for key in operation.unsure_keys(memory)}
        if keys:
            memory.closed.update(await store.closed_holds(connection, sorted(keys)))
        ids = {name for operation in operations for name in operation.transaction_ids()}
        if ids:
            made = await store.transfers(connection, memory.ledger, sorted(ids))
            memory.transfers.update(made)

    async def _not_leader(self) -> DomainError:
        try:
            async with self._database.transaction() as connection:
                found = await leader(connection, LEASE.format(self._ledger_id))
        except DISCONNECTED:
            return not_leader("")
        if found is None or found.epoch == self._lease.epoch:
            return not_leader("")
        return not_leader(found.address)


def _decide(operation: Operation[object], ledger: Ledger, now_unix_ns: int) -> object:
    try:
        return operation.decide(ledger, now_unix_ns)
    except DomainError as error:
        return error
