"""Two small services for the tests of hosts: risk, and wallet, which calls risk.

As a program: runs risk alone as `python -m svc.risk` would, for the tests of processes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

import grpc
from risk.v1 import risk_pb2, risk_pb2_grpc
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit.errors import failed_precondition
from svc.kit.process import run
from svc.kit.runtime import Runtime
from svc.kit.service import Check
from svc.kit.settings import SettingsError


class Guest:
    """A service that notes what happens to it in a list that all of a test share."""

    def __init__(self, runtime: Runtime, events: list[str]) -> None:
        self.name = runtime.name
        self.runtime = runtime
        self.events = events
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.complaint = ""

    async def start(self) -> None:
        """Note it."""
        self.events.append(f"{self.name} starts")

    async def stop(self) -> None:
        """Note it."""
        self.events.append(f"{self.name} stops")

    def checks(self) -> Mapping[str, Check]:
        """Complain when told to."""
        return {"store": self._check}

    async def _check(self) -> None:
        if self.complaint:
            raise OSError(self.complaint)


class Risk(Guest, risk_pb2_grpc.RiskServiceServicer):
    """Answers PreTradeCheck with as many results as items."""

    def register(self, server: grpc.aio.Server) -> None:
        """Serve risk.v1."""
        risk_pb2_grpc.add_RiskServiceServicer_to_server(self, server)

    async def PreTradeCheck(self, request: Any, context: Any) -> Any:
        results = [risk_pb2.CheckResult() for _ in request.items]
        return risk_pb2.PreTradeCheckResponse(results=results)

    async def ListKillSwitches(self, request: Any, context: Any) -> Any:
        self.asked.set()
        await self.may_answer.wait()
        return risk_pb2.ListKillSwitchesResponse()


class Wallet(Guest, wallet_pb2_grpc.WalletServiceServicer):
    """Asks risk before it answers, as whoever it is."""

    def __init__(self, runtime: Runtime, events: list[str]) -> None:
        super().__init__(runtime, events)
        self.risk = cast("Any", risk_pb2_grpc.RiskServiceStub)(runtime.channel("risk"))

    def register(self, server: grpc.aio.Server) -> None:
        """Serve wallet.v1."""
        wallet_pb2_grpc.add_WalletServiceServicer_to_server(self, server)

    async def LockFunds(self, request: Any, context: Any) -> Any:
        try:
            await self.risk.PreTradeCheck(risk_pb2.PreTradeCheckRequest())
        except grpc.aio.AioRpcError as error:
            raise failed_precondition("ASKED_AS", error.details() or "") from error
        return wallet_pb2.LockFundsResponse()


def create_risk(runtime: Runtime) -> Any:
    """Make the service as its program does; GUEST says how it behaves."""
    guest = cast("Any", Risk)(runtime, [])
    guest.complaint = "the disk is full"

    async def fail() -> None:
        raise RuntimeError("no leaves to read")

    async def give_up() -> None:
        runtime.fail(RuntimeError("the lease is lost"))

    async def refuse() -> None:
        raise SettingsError("MESH_MARKETS is 1: must be 2 or more")

    behavior = os.environ.get("GUEST", "")
    if behavior == "finds its settings unusable":
        guest.start = refuse
    if behavior == "fails to start":
        guest.start = fail
    if behavior == "gives up":
        guest.start = give_up
    return guest


if __name__ == "__main__":
    module = ModuleType("svc.risk.service")
    module.create = create_risk  # type: ignore[attr-defined]
    sys.modules["svc.risk.service"] = module
    sys.exit(run("risk", ("risk",)))
