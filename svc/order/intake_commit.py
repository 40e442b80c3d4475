"""The transaction of an intake batch, and how it ends well whatever happens to it.

Keeps: a batch is committed once. A unique key that somebody else took first costs only the ask
that wanted it; a commit whose outcome is unknown is looked up, and repeated with the same ids
only where it is not there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import grpc

from svc.kit import ids, outbox
from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED
from svc.kit.errors import (
    INTERNAL_TEXT,
    DomainError,
    failed_precondition,
    not_found,
    unavailable,
)
from svc.kit.log import get_logger
from svc.order import amending, change_store, intake_store, lifecycle, wire
from svc.order.asks import Answer, Ask, Cancel, Create, Result
from svc.order.changes import Change, Replace, Swap
from svc.order.encoding import CommandBatch
from svc.order.intake_store import Batch, Named
from svc.order.lifecycle import CANCELABLE, LIVE, Cause, Status
from svc.order.market import Market, not_served
from svc.order.recall import apply_answer, client_id_used
from svc.order.session import Session

MOST_ROUNDS = 8
"""How often a batch is tried against unique keys that others take and deadlocks, in a row."""

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
_NEW = int(Status.NEW)
NOT_LIVE = "ORDER_NOT_LIVE"
"""Reason of a cancel whose order has ended."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_COLLISIONS = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
)

_UNSTORABLE = (asyncpg.PostgresError, asyncpg.InterfaceError)

_log = get_logger("order.intake")


@dataclass(slots=True)
class Part:
    """One market's share of a batch: a row of the outbox."""

    market: int
    digest: bytes
    orders: int
    number: int = 0


@dataclass(slots=True)
class Attempt:
    """One run of the transaction: what holds once it is committed."""

    results: list[tuple[Ask, Result]] = field(default_factory=list)
    creates: list[Create] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    refused: list[tuple[Change, DomainError]] = field(default_factory=list)
    """Changes that came too late. They leave their keys free."""
    given_up: set[change_store.Version] = field(default_factory=set)
    """Versions of theirs that no other call has, nor ever will."""


class Committer:
    """Commits batches, one at a time."""

    def __init__(
        self,
        session: Session,
        markets: Mapping[int, Market],
        clock: Clock,
    ) -> None:
        """`session` is for one batch at a time."""
        self._session = session
        self._markets = markets
        self._clock = clock

    async def commit(self, asks: Sequence[Ask]) -> Counter[int]:
        """Decides every ask; how many orders of each market were accepted.

        Waits while the database is away: only it knows what became of a batch. What it cannot
        store at all fails the one ask that it came with, INTERNAL, and none beside it.
        """
        try:
            return await self._commit(asks)
        except _UNSTORABLE as error:
            _log.exception("batch_not_stored", error, asks=len(asks))
        accepted = Counter[int]()
        for ask in [ask for ask in asks if ask.result is None]:
            try:
                accepted += await self._commit([ask])
            except _UNSTORABLE as error:
                _log.exception("ask_not_stored", error, account_id=ids.to_uuid(ask.account_id))
                ask.result = DomainError(grpc.StatusCode.INTERNAL, "NOT_STORED", INTERNAL_TEXT)
        return accepted

    async def _commit(self, asks: Sequence[Ask]) -> Counter[int]:
        """One transaction for all. Raises one of _UNSTORABLE, and then nothing was committed."""
        before = {market.id: market.outbox_number for market in self._markets.values()}
        unknown: Attempt | None = None
        collided, rounds, pause_s = False, 0, _FIRST_PAUSE_S
        while True:
            attempt = Attempt()
            try:
                if unknown is not None and await self._landed(unknown, before):
                    return self._settle(unknown)
                if collided:
                    await self._yield_to_winners(asks)
                await self._write(attempt, [ask for ask in asks if ask.result is None])
                return self._settle(attempt)
            except _COLLISIONS as error:
                collided, rounds = True, rounds + 1
                _log.warning("batch_collided", error=repr(error))
                if rounds == MOST_ROUNDS:
                    raise
            except DISCONNECTED as error:
                unknown = attempt if attempt.results else unknown
                _log.warning("batch_outcome_unknown", error=repr(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _write(self, attempt: Attempt, asks: Sequence[Ask]) -> None:
        """The whole transaction. Fills the attempt before it commits."""
        if not asks:
            return
        now = _EPOCH + timedelta(microseconds=self._clock.unix_ns() // 1_000)
        others = [ask for ask in asks if not isinstance(ask, Create)]
        attempt.creates = [ask for ask in asks if type(ask) is Create]
        async with self._writing(alone=not others and self._is_of_one(attempt.creates)) as conn:
            named = await intake_store.lock_named(conn, others) if others else {}
            commands = _Commands(self._markets)
            replaces = [ask for ask in others if type(ask) is Replace]
            if replaces:
                commands.used = await change_store.used(conn, replaces)
            _add_commands(asks, named, attempt, commands)
            if others:
                await _put_down(conn, commands, attempt, now)
            batches = commands.batches()
            attempt.parts = [
                Part(b.market, b.digest, commands.of_market[b.market].orders) for b in batches
            ]
            answered = [(ask, result) for ask, result in attempt.results if ask.key is not None]
            if not (attempt.creates or answered or batches):
                return
            numbers = [
                await intake_store.accept(
                    conn, attempt.creates, answered, now, batches[0] if batches else None
                )
            ]
            numbers += [await outbox.append(conn, *batch) for batch in batches[1:]]
            for part, number in zip(attempt.parts, numbers, strict=False):
                part.number = number

    def _is_of_one(self, creates: Sequence[Create]) -> bool:
        """Whether the commands of these all go to one market's outbox."""
        if len(self._markets) == 1:
            return True
        return len({create.terms.instrument.market for create in creates}) <= 1

    def _writing(self, *, alone: bool) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A transaction, but for a statement that stands alone and is one."""
        return self._session.reading() if alone else self._session.transaction()

    def _settle(self, attempt: Attempt) -> Counter[int]:
        accepted = Counter[int]()
        for change, refused in attempt.refused:
            change.result = refused
            if type(change) is Replace and change.amended is not None:
                version = change.order_id, change.amended.version
                change.hold_is_lost = version in attempt.given_up
        for ask, result in attempt.results:
            ask.result = result
            if ask.key is not None:
                ask.key.answered = True
            if type(ask) is Cancel:
                for market in self._markets.values():
                    market.fresh.discard(ask.order_id)
        for create in attempt.creates:
            create.committed = True
            if create.refusal is None:
                self._markets[create.terms.instrument.market].fresh.add(create)
        for part in attempt.parts:
            self._markets[part.market].committed(part.number, part.orders)
            accepted[part.market] += part.orders
        return accepted

    async def _landed(self, attempt: Attempt, before: Mapping[int, int]) -> bool:
        """Whether an attempt whose outcome was unknown has been committed after all."""
        async with self._session.reading() as conn:
            for part in attempt.parts:
                after = before[part.market]
                number = await intake_store.landed(conn, part.market, after, part.digest)
                if number is None:
                    return False
                part.number = number
            if attempt.parts or not attempt.creates:
                return bool(attempt.parts)
            wanted = {create.order_id for create in attempt.creates}
            return wanted == await intake_store.known_orders(conn, list(wanted))

    async def _yield_to_winners(self, asks: Sequence[Ask]) -> None:
        """Answers the asks whose key, client order id or order id somebody else has committed."""
        keyed = {
            (ask.account_id, ask.key.text): ask
            for ask in asks
            if ask.key is not None and ask.result is None
        }
        swaps = [ask for ask in asks if type(ask) is Swap and ask.result is None]
        creates = [ask for ask in asks if type(ask) is Create and ask.result is None]
        creates += [swap.create for swap in swaps]
        clients = {(c.account_id, c.client_order_id): c for c in creates if c.client_order_id}
        async with self._session.reading() as conn:
            for name, stored in (await intake_store.answers(conn, list(keyed))).items():
                ask = keyed[name]
                apply_answer(ask, stored)
                if type(ask) is Create:
                    ask.winner_id = stored.order_id
            for name, order_id in (await intake_store.open_client_ids(conn, list(clients))).items():
                create = clients[name]
                if create.result is None and create.refusal is None:
                    create.result = client_id_used(create, order_id)
            known = await intake_store.known_orders(conn, [c.order_id for c in creates])
        for create in creates:
            if create.order_id in known and create.result is None:
                create.held = False  # the reconciler has closed this id, or an earlier call has it
                create.result = unavailable("TRY_AGAIN", "An earlier try was given up; try again.")
        for swap in swaps:
            swap.result = swap.result or swap.create.result


@dataclass(slots=True)
class _Commands:
    """What goes to the log, by market, in the order of the asks, and what it means to orders."""

    served: Container[int]
    of_market: dict[int, CommandBatch] = field(default_factory=dict)
    canceled: dict[int, tuple[Cancel, int]] = field(default_factory=dict)
    """The first cancel of each order, and the state in which it found it."""
    changed: list[tuple[Change, int]] = field(default_factory=list)
    """The same of changes."""
    used: set[change_store.Version] = field(default_factory=set)

    def batch(self, market: int) -> CommandBatch:
        """Where the commands of a market go."""
        found = self.of_market.get(market)
        if found is None:
            found = self.of_market[market] = CommandBatch()
        return found

    def batches(self) -> list[Batch]:
        """As the outbox takes them, by market."""
        found = []
        for market, commands in sorted(self.of_market.items()):
            payload = commands.payload()
            found.append(Batch(market, payload, wire.digest(payload), commands.count))
        return found


def _add_commands(
    asks: Sequence[Ask], named: Mapping[int, Named], attempt: Attempt, commands: _Commands
) -> None:
    for ask in asks:
        if type(ask) is Create:
            attempt.results.append((ask, _placed(ask, commands)))
        elif type(ask) is Cancel:
            attempt.results.append((ask, _canceled(ask, named.get(ask.order_id), commands)))
        elif type(ask) is Replace:
            _replace(ask, named[ask.order_id], commands, attempt)
        elif type(ask) is Swap:
            _swap(ask, named[ask.named_id], commands, attempt)


def _replace(replace: Replace, order: Named, commands: _Commands, attempt: Attempt) -> None:
    amended = replace.amended
    assert amended is not None, "it was decided before it is committed"
    refused = _too_late(order, commands)
    if refused is None and order.version != amended.from_version:
        refused = amending.moved_meanwhile(order.order_id)
        if replace.wanted.expected_version:
            expected = replace.wanted.expected_version
            refused = amending.version_conflict(order.order_id, order.version, expected)
    if refused is None and 0 < amended.new_lots <= order.filled_lots:
        instrument = amended.terms.instrument
        refused = amending.not_above_filled(amended.new_lots, order.filled_lots, instrument)
    if refused is None and (order.order_id, amended.version) in commands.used:
        refused = amending.moved_meanwhile(order.order_id)
    if refused is not None:
        attempt.refused.append((replace, refused))
        return
    commands.batch(order.market).add_replace(
        order.order_id, order.account_id, order.instrument_id, amended.version,
        amended.new_price_ticks, amended.new_cap_ticks, amended.new_stop_ticks, amended.new_lots,
    )  # fmt: skip
    _changed(replace, order, commands)
    attempt.results.append((replace, Answer(order.order_id, Status.REPLACE_PENDING)))


def _swap(swap: Swap, order: Named, commands: _Commands, attempt: Attempt) -> None:
    """A new order that risk or wallet has refused leaves its row, and the old one as it is."""
    create = swap.create
    if create.refusal is not None:
        attempt.creates.append(create)
        attempt.results.append((swap, create.refusal))
        return
    refused = _too_late(order, commands)
    if refused is not None:
        attempt.refused.append((swap, refused))
        return
    commands.batch(order.market).add_cancel_replace(order.order_id, create)
    _changed(swap, order, commands)
    attempt.creates.append(create)
    attempt.results.append((swap, Answer(create.order_id, _NEW)))


def _too_late(order: Named, commands: _Commands) -> DomainError | None:
    """Why an order that could be changed when the batch was decided no longer can."""
    status = order.status
    if order.order_id in commands.canceled:
        status = Status.CANCEL_PENDING
    return amending.refusal(order.order_id, status, order.version)


def _changed(change: Change, order: Named, commands: _Commands) -> None:
    commands.changed.append((change, order.status))
    order.status = lifecycle.after(order.status, Cause.REPLACE_REQUESTED, filled_lots=0)


async def _put_down(
    conn: asyncpg.Connection, commands: _Commands, attempt: Attempt, now: datetime
) -> None:
    """What the requests make of the orders that live; a cancel may overtake a change."""
    if commands.changed:
        await change_store.request(conn, commands.changed, now)
        replaces = [change for change, _ in commands.changed if type(change) is Replace]
        if replaces:
            await change_store.use(conn, replaces, now, accepted=True)
    late = [change for change, _ in attempt.refused if type(change) is Replace]
    if late:
        attempt.given_up = await change_store.use(conn, late, now, accepted=False)
    if commands.canceled:
        await intake_store.request_cancels(conn, list(commands.canceled.values()), now)


def _placed(create: Create, commands: _Commands) -> Result:
    if create.refusal is not None:
        return create.refusal
    commands.batch(create.terms.instrument.market).add_new_order(create)
    return Answer(create.order_id, _NEW)


def _canceled(cancel: Cancel, order: Named | None, commands: _Commands) -> Result:
    if order is None or order.account_id != cancel.account_id:
        message = f"There is no order {cancel.name}."
        return not_found("UNKNOWN_ORDER", message, **{wire.ORDER_ID: cancel.name})
    if order.status not in LIVE:
        return not_live(order)
    if order.market not in commands.served:
        return not_served(order.market)
    if order.status in CANCELABLE and order.order_id not in commands.canceled:
        batch = commands.batch(order.market)
        batch.add_cancel(order.order_id, order.account_id, order.instrument_id)
        commands.canceled[order.order_id] = cancel, order.status
    return Answer(order.order_id, Status.CANCEL_PENDING)


def not_live(order: Named) -> DomainError:
    """The order has ended."""
    text, status = ids.to_uuid(order.order_id), Status(order.status).name
    return failed_precondition(
        NOT_LIVE,
        f"Order {text} is {status}: only a live order can be canceled.",
        **{wire.ORDER_ID: text, wire.STATUS: status},
    )
