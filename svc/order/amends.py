"""Changes of live orders before their transaction: looked up, judged, weighed and funded.

Keeps: a replace goes on only with the difference held, under a version that nobody has used; of
those that name one order in a batch only the first does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc
from risk.v1 import risk_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit.client import BytesMethod
from svc.kit.clock import Clock
from svc.kit.errors import DomainError, failed_precondition, from_rpc, unavailable
from svc.kit.log import get_logger
from svc.order import admission, amending, change_store
from svc.order.amending import Standing
from svc.order.asks import Create
from svc.order.catalog import Catalog
from svc.order.changes import Amended, Change, Replace, Swap
from svc.order.market import Market, not_served
from svc.order.session import Session
from svc.order.terms import Side

_RPC_TIMEOUT_S = 2.0
_STALE = ("HOLD_CLOSED", "HOLD_KEY_REUSED", "ORDER_NOT_HELD", "INVALID_HOLD")
"""The ledger is ahead of the orders, or a try before this one died: the next one will know."""

_log = get_logger("order.amends")


class Amends:
    """Decides the changes of a batch; `begin`, then `fund`."""

    def __init__(
        self,
        *,
        session: Session,
        catalog: Catalog,
        markets: Mapping[int, Market],
        pre_trade_check: BytesMethod,
        wallet: wallet_pb2_grpc.WalletServiceAsyncStub,
        clock: Clock,
    ) -> None:
        """`session` is for what precedes a batch's transaction."""
        self._session = session
        self._catalog = catalog
        self._markets = markets
        self._check = pre_trade_check
        self._wallet = wallet
        self._clock = clock

    async def begin(self, changes: Sequence[Change]) -> list[Create]:
        """Judges what can be judged now; the new orders that may enter, which intake goes on with.

        Raises one of DISCONNECTED.
        """
        async with self._session.reading() as conn:
            found = await change_store.standing(conn, {change.named_id for change in changes})
        await self._catalog.learn({order.instrument_id for order in found.values()})
        creates = []
        seen: set[int] = set()
        for change in changes:
            try:
                order = _owned(change, found.get(change.named_id))
                if change.named_id in seen:
                    raise amending.replace_under_way(change.named_id)
                seen.add(change.named_id)
                if isinstance(change, Replace):
                    change.amended = self._amended(change, order)
                    change.version = change.amended.version
                else:
                    self._admit(change, order)
                    creates.append(change.create)
            except DomainError as error:
                change.result = error
        return creates

    async def fund(self, changes: Sequence[Change]) -> None:
        """Asks risk about the replaces that go on, and holds what they need more.

        What intake has answered of the new order of a swap is the answer to the swap.
        """
        weighed = [
            (change, change.amended)
            for change in changes
            if isinstance(change, Replace) and change.amended and change.result is None
        ]
        grown = [(replace, amended) for replace, amended in weighed if amended.grows]
        if grown:
            await self._weigh(grown)
        passed = [pair for pair in weighed if pair[0].result is None]
        if passed:
            await self._hold(passed)
        for change in changes:
            if isinstance(change, Swap) and change.result is None:
                change.result = change.create.result

    def _amended(self, replace: Replace, order: Standing) -> Amended:
        instrument = self._catalog.get(order.instrument_id)
        if instrument is None:  # another instance made it of what metadata listed since
            raise unavailable("INSTRUMENTS_NOT_KNOWN", "Metadata cannot be asked now; try again.")
        market = self._markets.get(instrument.market)
        if market is None:
            raise not_served(instrument.market)
        stopped = market.refusal()
        if stopped is not None:
            raise stopped
        return amending.amend(
            replace.wanted, order, instrument, market.condition(order.instrument_id)
        )

    def _admit(self, swap: Swap, order: Standing) -> None:
        """Both orders of a swap: that the one may go and the other may enter."""
        terms = swap.create.terms
        instrument = terms.instrument
        refused = amending.refusal(order.order_id, order.status, order.version)
        if refused is not None:
            raise refused
        if order.instrument_id != instrument.id:
            old = self._catalog.get(order.instrument_id)
            symbol = old.symbol if old else str(order.instrument_id)
            raise amending.another_kind("symbol", instrument.symbol, symbol)
        if order.side != terms.side:
            raise amending.another_kind("side", Side(terms.side).name, Side(order.side).name)
        market = self._markets[instrument.market]
        stopped = market.refusal()
        if stopped is not None:
            raise stopped
        admission.admit(swap.create, market.condition(instrument.id), self._clock.unix_ns())

    async def _weigh(self, replaces: Sequence[tuple[Replace, Amended]]) -> None:
        items = [_risk_item(replace, amended) for replace, amended in replaces]
        request = risk_pb2.PreTradeCheckRequest(items=items).SerializeToString()
        try:
            reply = await self._check(request, timeout=_RPC_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            _log.warning("risk_away", error=str(from_rpc(error)))
            for replace, _ in replaces:
                replace.result = unavailable(
                    "RISK_CHECK_UNAVAILABLE", "Risk cannot be asked now; nothing was done."
                )
            return
        results = risk_pb2.PreTradeCheckResponse.FromString(reply).results
        for (replace, _), found in zip(replaces, results, strict=True):
            if found.reason:
                replace.result = failed_precondition(found.reason, found.message, **found.metadata)

    async def _hold(self, replaces: Sequence[tuple[Replace, Amended]]) -> None:
        """The difference. What is held and never committed is the reconciler's."""
        items = [_lock_item(replace, amended) for replace, amended in replaces]
        try:
            response = await self._wallet.LockFunds(
                wallet_pb2.LockFundsRequest(items=items), timeout=_RPC_TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            _log.warning("wallet_away", error=str(from_rpc(error)))
            for replace, _ in replaces:
                replace.result = unavailable("WALLET_UNAVAILABLE", "Funds cannot be held now.")
            return
        for (replace, _), found in zip(replaces, response.results, strict=True):
            if found.HasField("refusal"):
                replace.result = _refused(replace, found.refusal)


def _owned(change: Change, order: Standing | None) -> Standing:
    if order is None or order.account_id != change.account_id:
        raise amending.unknown_order(change.name)
    return order


def _refused(replace: Replace, refusal: wallet_pb2.Refusal) -> DomainError:
    if refusal.reason == "REPLACE_UNDER_WAY":
        return amending.replace_under_way(replace.order_id)
    if refusal.reason in _STALE:
        return amending.moved_meanwhile(replace.order_id)
    return failed_precondition(refusal.reason, refusal.message, **refusal.metadata)


def _risk_item(replace: Replace, amended: Amended) -> risk_pb2.CheckItem:
    """The whole order as it is to be: a limit on orders is one on replaced orders."""
    terms = amended.terms
    notional = admission.notional_units(terms, amended.cap_ticks, amended.reference_ticks)
    return risk_pb2.CheckItem(
        account_id=replace.account_id,
        instrument_id=terms.instrument.id,
        side=terms.side,  # type: ignore[arg-type]  # the numbers are the contract's
        type=terms.type,  # type: ignore[arg-type]
        price_ticks=terms.price_ticks,
        lots=terms.lots,
        reference_ticks=amended.reference_ticks,
        notional=str(notional),
        leverage=terms.leverage,
    )


def _lock_item(replace: Replace, amended: Amended) -> wallet_pb2.LockItem:
    terms = amended.terms
    item = wallet_pb2.LockItem(
        order_id=replace.order_id,
        version=amended.version,
        account_id=replace.account_id,
        instrument_id=terms.instrument.id,
        side=terms.side,  # type: ignore[arg-type]
        maker_fee_ppm=amended.maker_fee_ppm,
        taker_fee_ppm=amended.taker_fee_ppm,
    )
    if terms.instrument.perpetual:
        item.perpetual.price_ticks = amended.cap_ticks
        item.perpetual.lots = amended.remaining_lots
        item.perpetual.leverage = terms.leverage
    else:
        item.spot.cap_ticks = amended.cap_ticks if terms.side == Side.BUY else 0
        item.spot.lots = amended.remaining_lots
    return item
