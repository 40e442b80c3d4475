"""Order intake: from asks to durable, funded orders and their commands, a batch at a time.

Keeps: what is answered as accepted is held by the wallet and committed with its command; what is
not leaves no live order, and no hold longer than the reconciler's pass. Batches run in tasks of
their own: while one is committed the next is decided, and they are committed in the order in which
asks came, which is the order of the log.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import grpc
from risk.v1 import risk_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit import decimals, ids
from svc.kit.batcher import Batcher, BatcherClosedError, Rest
from svc.kit.client import BytesMethod
from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED
from svc.kit.errors import DomainError, failed_precondition, from_rpc, unavailable
from svc.kit.log import get_logger
from svc.order import admission, encoding, wire
from svc.order.amends import Amends
from svc.order.asks import Ask, Create, Result
from svc.order.changes import Change, Replace, Swap
from svc.order.intake_commit import Committer
from svc.order.lifecycle import Status
from svc.order.market import Market
from svc.order.metrics import Metrics
from svc.order.recall import Recall, repeats
from svc.order.terms import OrderType, Side
from svc.order.unsettled import LONGEST_WAIT_S

MOST_ASKS = 512
"""Asks in a batch."""
MOST_WAITING = 8_192
"""Asks that wait for a batch; more callers wait in line."""

_RPC_TIMEOUT_S = 2.0

# One order that passed, as a reply has it.
_PASSED = risk_pb2.PreTradeCheckResponse(results=[risk_pb2.CheckResult()]).SerializeToString()

_log = get_logger("order.intake")


class Intake:
    """Takes asks; see `submit_many`."""

    def __init__(
        self,
        *,
        markets: Mapping[int, Market],
        recall: Recall,
        amends: Amends,
        pre_trade_check: BytesMethod,
        lock_funds: BytesMethod,
        wallet: wallet_pb2_grpc.WalletServiceAsyncStub,
        committer: Committer,
        clock: Clock,
        metrics: Metrics,
        log_orders: bool,
    ) -> None:
        """`pre_trade_check` is risk's, `lock_funds` that of `wallet`, which does the rest.

        `log_orders`: each order is logged, which costs as much as half its acceptance.
        """
        self._markets = markets
        self._recall = recall
        self._amends = amends
        self._check = pre_trade_check
        self._hold = lock_funds
        self._wallet = wallet
        self._committer = committer
        self._clock = clock
        self._metrics = metrics
        self._log_orders = log_orders
        self._batcher = Batcher[Ask, Result](self._accept, MOST_ASKS, MOST_WAITING)
        self._unlocking: set[asyncio.Task[None]] = set()

    async def submit(self, ask: Ask) -> Result:
        """What comes of one ask; see `submit_many`."""
        return (await self.submit_many((ask,)))[0]

    async def submit_many(self, asks: Sequence[Ask]) -> list[Result]:
        """What comes of each, in order; they reach the log in their order.

        A result that is a DomainError is the ask's own. Raises UNAVAILABLE, SHUTTING_DOWN.
        """
        await self._take_room(asks)
        waiting = [ask for ask in asks if ask.result is None]
        try:
            results = iter(await self._batcher.submit_many(waiting))
        except BatcherClosedError:
            self._leave(waiting)
            raise unavailable("SHUTTING_DOWN", "The service is stopping; try again.") from None
        except BaseException:
            self._leave(waiting)
            raise
        return [next(results) if ask.result is None else ask.result for ask in asks]

    async def close(self) -> None:
        """Takes nothing more, and finishes what was taken."""
        await self._batcher.close()
        if self._unlocking:
            await asyncio.wait(self._unlocking)

    async def _take_room(self, asks: Sequence[Ask]) -> None:
        """Room for all new orders of a list, or none: those that find none are answered.

        Waits for one market at a time, and holds no room of another meanwhile.
        """
        wanted: dict[int, list[Create]] = {}
        for ask in asks:
            if type(ask) is Create:
                wanted.setdefault(ask.terms.instrument.market, []).append(ask)
        if not wanted:
            return
        patience_s = min(_patience_s(creates[0]) for creates in wanted.values())
        give_up_at = time.monotonic() + patience_s
        awaited = next(iter(wanted))
        while wanted:
            creates, left_s = wanted[awaited], give_up_at - time.monotonic()
            try:
                await self._markets[awaited].unsettled.take(len(creates), max(0, left_s))
            except DomainError as error:
                for create in creates:
                    create.result = error
                del wanted[awaited]
                awaited = next(iter(wanted), 0)
                continue
            full = self._take_rest(wanted, awaited)
            if full is None:
                return
            awaited = full

    def _take_rest(self, wanted: Mapping[int, Sequence[Create]], taken: int) -> int | None:
        """Room in all the other markets; else a full one, and what was taken is given back."""
        held = [taken]
        for market, creates in wanted.items():
            if market == taken:
                continue
            if not self._markets[market].unsettled.take_at_once(len(creates)):
                for other in held:
                    self._markets[other].unsettled.give_back(len(wanted[other]))
                return market
            held.append(market)
        for creates in wanted.values():
            for create in creates:
                create.taken = True
        return None

    def _leave(self, asks: Sequence[Ask]) -> None:
        """Nobody waits any more: those that no batch has begun will not begin."""
        left = Counter[int]()
        for ask in asks:
            if type(ask) is Create and ask.taken:
                ask.taken = False
                left[ask.terms.instrument.market] += 1
        for market, count in left.items():
            self._markets[market].unsettled.give_back(count)

    async def _accept(self, asks: list[Ask]) -> Rest[Result]:
        """Decides all that can be before the asks' transaction; the rest ends with it."""
        started_ns = time.monotonic_ns()
        entered = self._enter(asks)
        try:
            await self._decide([ask for ask in asks if ask.result is None])
        except BaseException:
            self._give_back(entered, Counter())
            raise
        return partial(self._end, asks, entered, started_ns)

    async def _end(self, asks: list[Ask], entered: Counter[int], started_ns: int) -> list[Result]:
        accepted = Counter[int]()
        try:
            undecided = [ask for ask in asks if ask.result is None and not repeats(ask)]
            if undecided:
                accepted = await self._commit(undecided)
            await self._recall.finish(asks)
        finally:
            self._give_back(entered, accepted)
        self._metrics.took("accept", time.monotonic_ns() - started_ns)
        return [_decided(ask) for ask in asks]

    def _give_back(self, entered: Counter[int], accepted: Counter[int]) -> None:
        for market, count in entered.items():
            self._markets[market].unsettled.give_back(count - accepted[market])

    def _enter(self, asks: list[Ask]) -> Counter[int]:
        """Counts by market the orders whose room is the batch's now; answers who came too late."""
        entered = Counter[int]()
        now = time.monotonic()
        for ask in asks:
            if type(ask) is Create:
                if not ask.taken:
                    ask.result = _too_late()
                    continue
                ask.taken = False
                entered[ask.terms.instrument.market] += 1
            if ask.deadline_s is not None and ask.deadline_s <= now:
                ask.result = _too_late()
        return entered

    async def _decide(self, asks: list[Ask]) -> None:
        """Answers what needs no transaction; orders that go on are weighed, and funded if right."""
        try:
            with self._metrics.stage("idempotency"):
                unique = await self._recall.known(asks)
            creates, changes = self._admit(unique)
            if changes:
                creates += await self._amends.begin(changes)
            await self._recall.refuse_used_client_ids(creates)
        except DISCONNECTED as error:
            _log.warning("database_away", error=repr(error))
            _answer(asks, unavailable("DATABASE_UNAVAILABLE", "Orders cannot be stored now."))
            return
        creates = _open(creates)
        if creates:
            await self._check_risk(creates)
            await self._lock_funds(_open(creates))
        if changes:
            await self._amends.fund(changes)

    def _admit(self, asks: list[Ask]) -> tuple[list[Create], list[Change]]:
        """The new orders that may enter now, each with its cap, and the changes of others."""
        creates = []
        changes: list[Change] = []
        now_ns = self._clock.unix_ns()
        for ask in asks:
            if type(ask) is not Create:
                if isinstance(ask, Replace | Swap) and ask.result is None:
                    changes.append(ask)
                continue
            if ask.result is not None:
                continue
            instrument = ask.terms.instrument
            market = self._markets[instrument.market]
            ask.result = market.refusal()
            if ask.result is not None:
                continue
            try:
                admission.admit(ask, market.condition(instrument.id), now_ns)
            except DomainError as error:
                ask.result = error
            else:
                creates.append(ask)
        return creates, changes

    async def _check_risk(self, creates: list[Create]) -> None:
        try:
            with self._metrics.stage("risk_check"):
                reply = await self._check(encoding.checks(creates), timeout=_RPC_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            _log.warning("risk_away", error=str(from_rpc(error)))
            _answer(creates, _risk_unavailable())
            return
        if reply == _PASSED * len(creates):
            return
        response = risk_pb2.PreTradeCheckResponse.FromString(reply)
        for create, found in zip(creates, response.results, strict=True):
            if found.reason == "UNKNOWN_INSTRUMENT":  # it will hear of it in a moment
                create.result = _risk_unavailable()
            elif found.reason:
                self._refuse(create, found.reason, found.message, found.metadata)

    async def _lock_funds(self, creates: list[Create]) -> None:
        """Holds what the orders can cost; those that risk has refused hold nothing."""
        passed = [create for create in creates if create.refusal is None]
        if not passed:
            return
        for create in passed:
            create.held = True
        try:
            with self._metrics.stage("wallet_lock"):
                reply = await self._hold(encoding.locks(passed), timeout=_RPC_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            _log.warning("wallet_away", error=str(from_rpc(error)))
            _answer(passed, unavailable("WALLET_UNAVAILABLE", "Funds cannot be held now."))
            self._unlock(passed)
            return
        if encoding.all_held(reply, len(passed)):
            return
        response = wallet_pb2.LockFundsResponse.FromString(reply)
        for create, found in zip(passed, response.results, strict=True):
            if not found.HasField("refusal"):
                continue
            create.held = False
            refusal = found.refusal
            if refusal.reason in ("HOLD_CLOSED", "HOLD_KEY_REUSED"):
                create.result = unavailable("TRY_AGAIN", "An earlier try was given up; try again.")
            else:
                self._refuse(create, refusal.reason, refusal.message, refusal.metadata)

    def _refuse(
        self, create: Create, reason: str, message: str, metadata: Mapping[str, str]
    ) -> None:
        named = {wire.ORDER_ID: ids.to_uuid(create.order_id), wire.STATUS: "REJECTED"}
        create.refusal = failed_precondition(reason, message, **(dict(metadata) | named))

    async def _commit(self, asks: list[Ask]) -> Counter[int]:
        """Commits what is to be; how many new orders of each market were accepted."""
        with self._metrics.stage("persist"):
            accepted = await self._committer.commit(asks)
        creates = [ask for ask in asks if type(ask) is Create]
        if len(creates) < len(asks):
            creates += [ask.create for ask in asks if type(ask) is Swap]
            self._unlock_replaces([ask for ask in asks if type(ask) is Replace])
        self._unlock([create for create in creates if not create.committed])
        committed = [create for create in creates if create.committed]
        self._metrics.accepted(committed)
        if self._log_orders:
            for create in committed:
                _log_order(create)
        return accepted

    def _unlock(self, creates: Sequence[Create]) -> None:
        """Gives back, without waiting, holds of orders that were not committed and never will be.

        The others, and those that this does not reach, are the reconciler's.
        """
        lost = [create for create in creates if create.hold_is_lost]
        if lost:
            self._unlock_soon([(create.order_id, 1) for create in lost])

    def _unlock_replaces(self, replaces: Sequence[Replace]) -> None:
        """The same for what replaces that came too late had held more."""
        lost = [replace for replace in replaces if replace.hold_is_lost]
        if lost:
            self._unlock_soon([(replace.order_id, replace.version) for replace in lost])

    def _unlock_soon(self, versions: Sequence[tuple[int, int]]) -> None:
        holds = [wallet_pb2.HoldKey(order_id=o, version=version) for o, version in versions]
        task = asyncio.create_task(self._unlock_holds(holds))
        self._unlocking.add(task)
        task.add_done_callback(self._unlocking.discard)

    async def _unlock_holds(self, holds: list[wallet_pb2.HoldKey]) -> None:
        try:
            request = wallet_pb2.UnlockFundsRequest(holds=holds)
            await self._wallet.UnlockFunds(request, timeout=_RPC_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            _log.warning("holds_left_to_reconciler", count=len(holds), error=str(from_rpc(error)))


def _log_order(create: Create) -> None:
    terms = create.terms
    _log.debug(
        "order_committed",
        order_id=ids.to_uuid(create.order_id),
        account_id=ids.to_uuid(create.account_id),
        instrument_id=terms.instrument.id,
        side=Side(terms.side).name,
        type=OrderType(terms.type).name,
        status=Status(create.status).name,
        price=decimals.format_steps(terms.price_ticks, terms.instrument.tick),
        quantity=decimals.format_steps(terms.lots, terms.instrument.lot),
        trace_id=create.trace_id,
    )


def _patience_s(create: Create) -> float:
    """How long an order may wait for room: three quarters of its time, the rest is to accept it."""
    if create.deadline_s is None:
        return LONGEST_WAIT_S
    left_s = create.deadline_s - time.monotonic()
    return max(0, left_s * 3 / 4)


def _open(creates: list[Create]) -> list[Create]:
    return [create for create in creates if create.result is None]


def _answer(asks: Sequence[Ask], error: DomainError) -> None:
    for ask in asks:
        if ask.result is None:
            ask.result = error


def _decided(ask: Ask) -> Result:
    assert ask.result is not None, "every ask of a batch is answered"
    return ask.result


def _too_late() -> DomainError:
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    return DomainError(code, "DEADLINE_PASSED", "The deadline passed before it was the ask's turn.")


def _risk_unavailable() -> DomainError:
    return unavailable("RISK_CHECK_UNAVAILABLE", "Risk cannot be asked now; nothing was done.")
