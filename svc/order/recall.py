"""Idempotency: what is known under a key before anything is done, and what is left when it is.

Keeps: under one key of an account there is at most one order, and every call with the same request
gets its answer, also after the cache has forgotten the key. A call that was not decided
(UNAVAILABLE, DEADLINE_EXCEEDED, a market that is closed) leaves its key free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncpg

from svc.kit import ids
from svc.kit.errors import DomainError, already_exists
from svc.order import intake_store
from svc.order.asks import Answer, Ask, Create, Key
from svc.order.intake_store import StoredAnswer
from svc.order.key_cache import Claim, KeyCache
from svc.order.lifecycle import Status
from svc.order.session import Session
from svc.order.wire import ORDER_ID


class Recall:
    """Looks asks up by their keys, and new orders by the caller's own ids."""

    def __init__(
        self,
        cache: KeyCache,
        session: Session,
        next_order_id: Callable[[], int],
    ) -> None:
        """`session` is that of the task which intake's batches run in."""
        self._cache = cache
        self._session = session
        self._next_order_id = next_order_id

    async def known(self, asks: Sequence[Ask]) -> list[Ask]:
        """Answers what was answered before; gives each new order its id.

        What comes back is still to be decided: the first ask of each key. `finish` answers the
        others. Raises one of DISCONNECTED.
        """
        for ask in asks:
            if type(ask) is Create:
                ask.order_id = self._next_order_id()
        first = _first_of_each_key(asks)
        if first:
            adopted = await self._claim(list(first.values()))
            await self._look_up(first, adopted)
        return [ask for ask in asks if ask.key is None or first.get(_name(ask, ask.key)) is ask]

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
        async with self._session.reading() as conn:
            used = await intake_store.open_client_ids(conn, list(named))
        for name, order_id in used.items():
            named[name].result = client_id_used(named[name], order_id)

    async def finish(self, asks: Sequence[Ask]) -> None:
        """Answers the asks that share a key with another, and frees the keys without an answer."""
        first = _first_of_each_key(asks)
        for ask in asks:
            if ask.key is None or ask.result is not None:
                continue
            decided = first[_name(ask, ask.key)]
            assert decided.key is not None, "it was found by its key"
            same = decided.key.digest == ask.key.digest
            ask.result = decided.result if same else key_reused(ask.key)
            ask.key.answered = True  # whatever became of it is the first one's
        free = [a for a in first.values() if a.key is not None and not a.key.answered]
        if free:
            await self._cache.forget([_claim(ask) for ask in free])

    async def _claim(self, asks: Sequence[Ask]) -> list[Create]:
        """Claims the keys; the new orders that go on under an id that an earlier call made."""
        adopted = []
        claims = [_claim(ask) for ask in asks]
        for ask, earlier in zip(asks, await self._cache.claim(claims), strict=True):
            if earlier is None or ask.key is None:
                continue
            order_id, digest = earlier
            if digest != ask.key.digest:
                ask.result = key_reused(ask.key)
            elif type(ask) is Create:
                ask.order_id = order_id
                adopted.append(ask)
        return adopted

    async def _look_up(self, first: dict[tuple[int, str], Ask], adopted: list[Create]) -> None:
        async with self._session.reading() as conn:
            for name, stored in (await intake_store.answers(conn, list(first))).items():
                apply_answer(first[name], stored)
            await self._renew_closed(conn, [c for c in adopted if c.result is None])

    async def _renew_closed(self, conn: asyncpg.Connection, adopted: list[Create]) -> None:
        """An id that has a row and no answer was closed by the reconciler: begin anew."""
        if not adopted:
            return
        closed = await intake_store.known_orders(conn, [c.order_id for c in adopted])
        for create in adopted:
            if create.order_id in closed:
                create.order_id = self._next_order_id()


def apply_answer(ask: Ask, stored: StoredAnswer) -> None:
    """Answers an ask with what is stored under its key, or says that the key is another's."""
    assert ask.key is not None, "answers are stored under keys"
    ask.key.answered = True
    if stored.digest != ask.key.digest:
        ask.result = key_reused(ask.key)
    elif stored.error is not None:
        ask.result = stored.error
    else:
        status = Status.NEW if type(ask) is Create else Status.CANCEL_PENDING
        ask.result = Answer(stored.order_id, status)


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
    first: dict[tuple[int, str], Ask] = {}
    for ask in asks:
        if ask.key is not None:
            first.setdefault(_name(ask, ask.key), ask)
    return first


def _name(ask: Ask, key: Key) -> tuple[int, str]:
    return ask.account_id, key.text


def _claim(ask: Ask) -> Claim:
    assert ask.key is not None, "only keys are claimed"
    return Claim(ask.account_id, ask.key.text, ask.order_id, ask.key.digest)
