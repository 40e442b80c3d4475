"""The RPCs of risk.v1: checks from memory, changes committed before they are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from risk.v1 import risk_pb2, risk_pb2_grpc

from svc.kit.call import Context
from svc.kit.errors import failed_precondition, invalid
from svc.kit.pipeline import message_of, takes_bytes
from svc.risk import items
from svc.risk.checks import Limits, Order
from svc.risk.rulebook import UNKNOWN_INSTRUMENT, Rulebook, Switch
from svc.risk.store import MAX_SWITCHES, Store
from svc.risk.wire import (
    instruments_of,
    limits_message,
    limits_of,
    result_message,
    switch_message,
    switch_of,
)

MAX_ITEMS = 4_096
METADATA_TIMEOUT_S = 2.0

_PASSED = risk_pb2.CheckResult()
_ONE_PASSED = risk_pb2.PreTradeCheckResponse(results=[_PASSED]).SerializeToString()


class RiskServicer(risk_pb2_grpc.RiskServiceServicer):
    """See protos/risk/v1/risk.proto for the contract of each method."""

    def __init__(
        self,
        store: Store,
        rulebook: Rulebook,
        metadata: metadata_pb2_grpc.MetadataServiceAsyncStub,
    ) -> None:
        self._store = store
        self._rulebook = rulebook
        self._metadata = metadata
        # Two changes of one row must reach memory in the order of their commits.
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Reads what is in force from the database; once, before the first call."""
        for account_id, limits in (await self._store.limits()).items():
            self._rulebook.set_limits(account_id, limits)
        for switch in await self._store.switches():
            self._rulebook.throw(switch)

    async def learn_instruments(self) -> None:
        """Reads the instruments from metadata. Raises AioRpcError when it is away."""
        listed = await self._metadata.ListInstruments(
            metadata_pb2.ListInstrumentsRequest(), timeout=METADATA_TIMEOUT_S
        )
        self._rulebook.learn_instruments(instruments_of(listed))

    @takes_bytes
    async def PreTradeCheck(  # type: ignore[override]  # it takes bytes and may answer with them
        self, request: bytes, context: Context
    ) -> risk_pb2.PreTradeCheckResponse | bytes:
        """Decided in memory; metadata is asked once when an instrument is not known yet."""
        orders: Sequence[Order] | None = items.read(request)
        if orders is None:
            orders = message_of(risk_pb2.PreTradeCheckRequest, request).items
        if len(orders) > MAX_ITEMS:
            text = f"{len(orders)} items: at most {MAX_ITEMS} a call are right"
            raise invalid("TOO_MANY_ITEMS", text, value=str(len(orders)), most=str(MAX_ITEMS))
        refusals = [self._rulebook.check(order) for order in orders]
        if any(refusal and refusal.reason == UNKNOWN_INSTRUMENT for refusal in refusals):
            await self.learn_instruments()
            refusals = [self._rulebook.check(order) for order in orders]
        if not any(refusals):
            return _ONE_PASSED * len(orders)
        return risk_pb2.PreTradeCheckResponse(
            results=[result_message(refusal) if refusal else _PASSED for refusal in refusals]
        )

    async def SetAccountLimits(
        self, request: risk_pb2.SetAccountLimitsRequest, context: Context
    ) -> risk_pb2.SetAccountLimitsResponse:
        """Committed, then in force."""
        limits = limits_of(request.limits)
        # Shielded: a caller that gives up must not part memory from what was committed.
        await asyncio.shield(self._set_limits(request.account_id, limits))
        return risk_pb2.SetAccountLimitsResponse(limits=limits_message(limits))

    async def GetAccountLimits(
        self, request: risk_pb2.GetAccountLimitsRequest, context: Context
    ) -> risk_pb2.GetAccountLimitsResponse:
        """What is in force."""
        limits, defaults = self._rulebook.limits(request.account_id)
        return risk_pb2.GetAccountLimitsResponse(limits=limits_message(limits), defaults=defaults)

    async def SetKillSwitch(
        self, request: risk_pb2.SetKillSwitchRequest, context: Context
    ) -> risk_pb2.SetKillSwitchResponse:
        """Committed, then in force; the same again changes nothing but the note."""
        switch = switch_of(request.kill_switch)
        await asyncio.shield(self._throw(switch) if request.thrown else self._release(switch))
        return risk_pb2.SetKillSwitchResponse()

    async def ListKillSwitches(
        self, request: risk_pb2.ListKillSwitchesRequest, context: Context
    ) -> risk_pb2.ListKillSwitchesResponse:
        """Those that are thrown, by scope and id."""
        return risk_pb2.ListKillSwitchesResponse(
            kill_switches=[switch_message(switch) for switch in self._rulebook.switches()]
        )

    async def _set_limits(self, account_id: int, limits: Limits) -> None:
        async with self._changing:
            await self._store.set_limits(account_id, limits)
            self._rulebook.set_limits(account_id, limits)

    async def _throw(self, switch: Switch) -> None:
        async with self._changing:
            if not await self._store.throw(switch):
                rule = f"at most {MAX_SWITCHES} kill switches beside the global one"
                text = f"{rule}: release one first, or throw the global one"
                raise failed_precondition("TOO_MANY_KILL_SWITCHES", text, rule=rule)
            self._rulebook.throw(switch)

    async def _release(self, switch: Switch) -> None:
        async with self._changing:
            await self._store.release(switch.scope, switch.id)
            self._rulebook.release(switch.scope, switch.id)
