"""Idempotency: what is known under a key before anything is done, and what is left when it is.

Keeps: under one key of an account there is at most one order, and every call with the same request
gets its answer, also after the cache has forgotten the key. A call that was not decided
(UNAVAILABLE, DEADLINE_EXCEEDED, a market that is closed) leaves its key free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncpg

from svc.kit import ids
from svc.kit.database import DISCONNECTED
from svc.kit.errors import DomainError, already_exists
from svc.kit.log import get_logger
from svc.order import intake_store
from svc.order.asks import Answer, Ask, Cancel, Create, Key
from svc.order.changes import Replace, Swap
from svc.order.intake_store import StoredAnswer
from svc.order.key_cache import KeyCache
from svc.order.lifecycle import Status
from svc.order.session import Session
from svc.order.wire import ORDER_ID

_STATUS_AFTER = {
    Create: Status.NEW,
    Swap: Status.NEW,
    Cancel: Status.CANCEL_PENDING,
    Replace: Status.REPLACE_PENDING,
}

_log = get_logger("order.keys")


class Recall:
    """Looks asks up by their keys, and new orders by the caller's own ids."""

    def __init__(
        self,
        cache: KeyCache,
        before: Session,
        after: Session,
        next_order_id: Callable[[], int],
    ) -> None:
        """`before` is for what precedes a batch's transaction, `after` for what follows it.

        Both happen at the same time, for two batches.
        """
        self._cache = cache
        self._before = before
        self._after = after
        self._next_order_id = next_order_id

    async def known(self, asks: Sequence[Ask]) -> list[Ask]:
        """Answers what was answered before; gives each new order its id.

        What comes back is still to be decided: the first ask of each key. `finish` answers the
        others. Raises one of DISCONNECTED.

        The table is asked only about keys that the cache knows, and about all while it is away: a
        key that only the table has is found by the transaction, or by `finish`.
        """
        for ask in asks:
            if type(ask) is Create:
                ask.order_id = self._next_order_id()
            elif type(ask) is Swap:
                ask.create.order_id = self._next_order_id()
        first = _first_of_each_key(asks)
        if first:
            seen = await self._claim(list(first.values()))
            # Taken also when nothing was seen: without a connection no funds are held.
            async with self._before.reading() as conn:
                if seen:
                    await _look_up(conn, seen)
                    await self._renew_closed(conn, seen)
        return [ask for ask in asks if not repeats(ask)]

    async def refuse_used_client_ids(self, creates: Sequence[Create]) -> None:
        """Refuses orders whose client order id an open order of the account has.

        Of two in one batch the first has it. Raises one of DISCONNECTED.
        """
        named: dict[tuple[int, str], Create] = {}
        for create in creates:
            if create.client_order_id:
                first = named.setdefault((create.account_id, create.client_order_id), create)
                if first is not create:
                    create.result = client_id_used(create, first.order_id)
        if not named:
            return
        async with self._before.reading() as conn:
            used = await intake_store.open_client_ids(conn, list(named))
        for name, order_id in used.items():
            named[name].result = client_id_used(named[name], order_id)

    async def finish(self, asks: Sequence[Ask]) -> None:
        """Answers the asks that share a key with another, and frees the keys without an answer."""
        mine = [ask for ask in asks if ask.key is not None and ask.key.claimed]
        unsought = [ask for ask in mine if ask.key and not (ask.key.answered or ask.key.sought)]
        if unsought:
            try:
                async with self._after.reading() as conn:
                    await _look_up(conn, unsought)
            except DISCONNECTED as error:  # they are refused without it, and may ask again
                _log.warning("database_away", error=repr(error))
        for ask in asks:
            if ask.key is not None and ask.key.first is not None and ask.result is None:
                decided = ask.key.first
                assert decided.key is not None, "it was found by its key"
                same = decided.key.digest == ask.key.digest
                ask.result = decided.result if same else key_reused(ask.key)
        free = [ask for ask in mine if ask.key is not None and not ask.key.answered]
        if free:
            await self._cache.forget(free)

    async def _claim(self, asks: list[Ask]) -> list[Ask]:
        """Claims the keys; the asks that the table may have an answer for."""
        found = await self._cache.claim(asks)
        for ask in asks:
            assert ask.key is not None, "only keys are claimed"
            ask.key.claimed = True
        if found is None:
            return asks
        seen = []
        for ask, earlier in zip(asks, found, strict=True):
            if earlier is None or ask.key is None:
                continue
            order_id, digest = earlier
            if digest != ask.key.digest:
                ask.result = key_reused(ask.key)
                ask.key.answered = True  # the key is the other call's, and is not freed
                continue
            if type(ask) is Create:
                ask.order_id = order_id
            seen.append(ask)
        return seen

    async def _renew_closed(self, conn: asyncpg.Connection, seen: Sequence[Ask]) -> None:
        """An id that has a row and no answer was closed by the reconciler: begin anew."""
        adopted = [ask for ask in seen if type(ask) is Create and ask.result is None]
        if not adopted:
            return
        closed = await intake_store.known_orders(conn, [c.order_id for c in adopted])
        for create in adopted:
            if create.order_id in closed:
                create.order_id = self._next_order_id()


async def _look_up(conn: asyncpg.Connection, asks: Sequence[Ask]) -> None:
    """Answers the asks whose keys have an answer in the table."""
    named = {}
    for ask in asks:
        if ask.key is not None:
            ask.key.sought = True
            named[ask.account_id, ask.key.text] = ask
    for name, stored in (await intake_store.answers(conn, list(named))).items():
        apply_answer(named[name], stored)


def repeats(ask: Ask) -> bool:
    """Whether an ask before it in its batch has the same key, and is decided for both."""
    return ask.key is not None and ask.key.first is not None


def apply_answer(ask: Ask, stored: StoredAnswer) -> None:
    """Answers an ask with what is stored under its key, or says that the key is another's."""
    assert ask.key is not None, "answers are stored under keys"
    ask.key.answered = True
    if stored.digest != ask.key.digest:
        ask.result = key_reused(ask.key)
    elif stored.error is not None:
        ask.result = stored.error
    else:
        ask.result = Answer(stored.order_id, _STATUS_AFTER[type(ask)])
        if type(ask) is Replace:
            ask.version = stored.version


def key_reused(key: Key) -> DomainError:
    """The key stands for another request."""
    return already_exists(
        "IDEMPOTENCY_KEY_REUSED",
        f"The idempotency key {key.text!r} was used for another request; a new request needs a "
        "new key.",
        idempotencyKey=key.text,
    )


def client_id_used(create: Create, order_id: int) -> DomainError:
    """The client order id is that of an open order."""
    text = create.client_order_id
    return already_exists(
        "DUPLICATE_CLIENT_ORDER_ID",
        f"The client order id {text!r} is that of an open order; it must be unique among them.",
        **{"clientOrderId": text, ORDER_ID: ids.to_uuid(order_id)},
    )


def _first_of_each_key(asks: Sequence[Ask]) -> dict[tuple[int, str], Ask]:
    """By account and key; the others are told which ask has their key."""
    first: dict[tuple[int, str], Ask] = {}
    for ask in asks:
        if ask.key is not None:
            decided = first.setdefault((ask.account_id, ask.key.text), ask)
            if decided is not ask:
                ask.key.first = decided
    return first
