"""A process and its services: order, ports, readiness, calls between them, the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from risk.v1 import risk_pb2, risk_pb2_grpc
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit.client import dial
from svc.kit.host import Create, Host
from svc.kit.identity import IdentityFilesError, create_secrets
from svc.kit.server import PortTakenError
from svc.kit.settings import Endpoint, Settings
from tests.kit.rpc.guests import Guest, Risk, Wallet
from tests.kit.rpc.messages import outcome

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ANY_PORT = Endpoint(0, 0, "127.0.0.1:1")


class Process:
    """A host with guests, and what they noted."""

    def __init__(self, folder: Path, endpoints: dict[str, Endpoint] | None = None) -> None:
        create_secrets(folder, ("risk", "wallet", "order", "mesh"))
        self.events: list[str] = []
        self.hosts: list[Host] = []
        self.guests: dict[str, Guest] = {}
        self.settings = Settings(
            postgres_url=cast("Any", "postgresql:///none"),
            redis_url=cast("Any", "redis://none"),
            secrets_dir=folder,
        )
        self.endpoints = {"risk": ANY_PORT, "wallet": ANY_PORT, **(endpoints or {})}

    def host(self, *names: str, clock: Any = None) -> Host:
        """Make the host with these services, in this order."""
        creates: dict[str, Create] = {
            "risk": partial(self._create, Risk),
            "wallet": partial(self._create, Wallet),
        }
        host = Host(names, self.settings, self.endpoints, clock, creates)
        self.hosts.append(host)
        return host

    def _create(self, guest: Callable[..., Any], runtime: Any) -> Any:
        made = self.guests[runtime.name] = guest(runtime, self.events)
        return made


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """Make what a host needs; stop every host, also those of a test that failed."""
    made = Process(tmp_path / "secrets")
    yield made
    for host in made.hosts:
        await host.stop()


def wallet(host: Host, caller: str = "order") -> Any:
    """Give a stub of wallet for a caller."""
    return wallet_pb2_grpc.WalletServiceStub(host.channel(caller, "wallet"))


def risk(host: Host, caller: str = "order") -> Any:
    """Give a stub of risk for a caller."""
    return risk_pb2_grpc.RiskServiceStub(host.channel(caller, "risk"))


async def get(host: Host, service: str, path: str) -> httpx.Response:
    """Ask a service's HTTP port."""
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{host.ports(service)[1]}{path}")


async def test_services_start_in_the_order_given_and_stop_in_the_reverse(process: Process) -> None:
    host = process.host("risk", "wallet")
    await host.start()
    await host.stop()
    assert process.events == ["risk starts", "wallet starts", "wallet stops", "risk stops"]


async def test_a_service_calls_another_of_its_process_under_its_own_name(process: Process) -> None:
    host = process.host("risk", "wallet")
    await host.start()
    failed = await outcome(wallet(host).LockFunds(wallet_pb2.LockFundsRequest()))
    assert "may not be called by wallet; it is for order" in failed.text


async def test_a_service_calls_another_process_as_it_calls_its_own(process: Process) -> None:
    there = process.host("risk")
    await there.start()
    process.endpoints["risk"] = Endpoint(0, 0, f"127.0.0.1:{there.ports('risk')[0]}")
    here = process.host("wallet")
    await here.start()
    failed = await outcome(wallet(here).LockFunds(wallet_pb2.LockFundsRequest()))
    assert "may not be called by wallet; it is for order" in failed.text
    await here.stop()
    await there.stop()


async def test_a_call_to_a_service_that_starts_later_waits_for_it(process: Process) -> None:
    host = process.host("risk", "wallet")
    waiting = asyncio.ensure_future(
        risk(host).PreTradeCheck(risk_pb2.PreTradeCheckRequest(items=[risk_pb2.CheckItem()]))
    )
    await host.start()
    assert len((await waiting).results) == 1


async def test_a_service_that_fails_to_start_is_stopped_with_those_before_it(
    process: Process,
) -> None:
    host = process.host("risk", "wallet")

    async def fail() -> None:
        raise RuntimeError("no ledger")

    cast("Any", process.guests["wallet"]).start = fail
    with pytest.raises(RuntimeError, match="no ledger"):
        await host.start()
    await host.stop()
    assert process.events == ["risk starts", "wallet stops", "risk stops"]


async def test_a_service_that_cannot_stop_does_not_keep_the_others_from_it(
    process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    host = process.host("risk", "wallet")

    async def fail() -> None:
        raise RuntimeError("stuck")

    cast("Any", process.guests["wallet"]).stop = fail
    await host.start()
    await host.stop()
    assert process.events[-1] == "risk stops"
    assert '"event":"stop_failed"' in capsys.readouterr().out


async def test_a_call_that_is_open_is_finished_before_its_service_stops(process: Process) -> None:
    host = process.host("risk")
    await host.start()
    request = risk_pb2.ListKillSwitchesRequest()
    call = asyncio.ensure_future(risk(host, "mesh").ListKillSwitches(request))
    await process.guests["risk"].asked.wait()
    stopping = asyncio.create_task(host.stop())
    for _ in range(1000):  # turns enough to stop the service, if nothing held that back
        await asyncio.sleep(0)
    assert "risk stops" not in process.events
    process.guests["risk"].may_answer.set()
    assert await call == risk_pb2.ListKillSwitchesResponse()
    await stopping
    assert process.events[-1] == "risk stops"


async def test_a_port_that_is_taken_is_told_before_anything_starts(process: Process) -> None:
    first = process.host("risk")
    await first.start()
    for endpoint in (
        Endpoint(first.ports("risk")[0], 0, ""),
        Endpoint(0, first.ports("risk")[1], ""),
    ):
        process.events.clear()
        process.endpoints["risk"] = endpoint
        second = process.host("risk")
        with pytest.raises(PortTakenError, match=str(max(endpoint.grpc_port, endpoint.http_port))):
            await second.start()
        await second.stop()
        assert process.events == []
    await first.stop()


async def test_a_service_without_its_secret_is_not_made(process: Process) -> None:
    (process.settings.secrets_dir / "risk.secret").unlink()
    with pytest.raises(IdentityFilesError, match=r"risk\.secret"):
        process.host("risk")


@pytest.mark.spec("health-endpoints", "health-live-ready", "api-health-no-auth")
async def test_readiness_is_what_the_dependencies_say_now(process: Process) -> None:
    host = process.host("risk")
    await host.start()
    for path in ("/ready", "/health/ready"):
        ready = await get(host, "risk", path)
        assert (ready.status_code, ready.json()) == (
            200,
            {
                "status": "ok",
                "service": "risk",
                "phase": "SERVING",
                "dependencies": {"store": "ok"},
            },
        )


@pytest.mark.spec("health-endpoints", "gw-gap-health-nats")
async def test_a_dependency_that_is_down_makes_the_service_unready_but_not_dead(
    process: Process,
) -> None:
    host = process.host("risk")
    process.guests["risk"].complaint = "disk full"
    await host.start()
    ready = await get(host, "risk", "/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert ready.json()["dependencies"] == {"store": "OSError: disk full"}
    for path in ("/health", "/health/live"):
        alive = await get(host, "risk", path)
        assert (alive.status_code, alive.json()["dependencies"]) == (
            200,
            {"store": "OSError: disk full"},
        )
    channel = dial(f"127.0.0.1:{host.ports('risk')[0]}")
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for name in ("", "risk.v1.RiskService"):
        reply = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert reply.status == NOT_SERVING
    await channel.close(None)


async def test_grpc_health_knows_the_services_that_are_here(process: Process) -> None:
    host = process.host("risk")
    await host.start()
    channel = dial(f"127.0.0.1:{host.ports('risk')[0]}")
    stub: Any = health_pb2_grpc.HealthStub(channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest(service="risk.v1.RiskService"))
    assert reply.status == SERVING
    failed = await outcome(stub.Check(health_pb2.HealthCheckRequest(service="order.v1.Nothing")))
    assert failed.code is grpc.StatusCode.NOT_FOUND
    await channel.close(None)


async def test_a_watcher_is_told_when_the_service_drains(process: Process) -> None:
    host = process.host("risk")
    await host.start()
    channel = dial(f"127.0.0.1:{host.ports('risk')[0]}")
    stub: Any = health_pb2_grpc.HealthStub(channel)
    watching = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watching.read()).status == SERVING
    host.drain()
    assert (await watching.read()).status == NOT_SERVING
    assert (await get(host, "risk", "/ready")).json()["phase"] == "DRAINING"
    watching.cancel()
    await channel.close(None)


async def test_reflection_lists_what_is_served(process: Process) -> None:
    host = process.host("risk")
    await host.start()
    channel = dial(f"127.0.0.1:{host.ports('risk')[0]}")
    stub = cast("Any", reflection_pb2_grpc.ServerReflectionStub)(channel)
    asked = stub.ServerReflectionInfo([reflection_pb2.ServerReflectionRequest(list_services="")])
    listed = (await asked.read()).list_services_response.service
    assert {"risk.v1.RiskService", "grpc.health.v1.Health"} < {service.name for service in listed}
    await channel.close(None)


@pytest.mark.spec("metrics-interceptor")
async def test_the_figures_of_each_service_are_its_own(process: Process) -> None:
    host = process.host("risk", "wallet")
    await host.start()
    await risk(host).PreTradeCheck(risk_pb2.PreTradeCheckRequest())
    counted = 'rpc_server_seconds_count{code="OK",method="/risk.v1.RiskService/PreTradeCheck"} 1.0'
    figures = await get(host, "risk", "/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    assert counted in figures.text
    assert counted not in (await get(host, "wallet", "/metrics")).text


async def test_the_http_port_serves_nothing_else(process: Process) -> None:
    host = process.host("risk")
    await host.start()
    assert (await get(host, "risk", "/v1/orders")).status_code == 404
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{host.ports('risk')[1]}/ready"
        assert (await client.post(url)).status_code == 405
    reader, writer = await asyncio.open_connection("127.0.0.1", host.ports("risk")[1])
    writer.write(b"GET /" + b"x" * 20_000)
    assert await reader.read() == b""  # too long to be a probe: closed without a word
    writer.close()


async def test_a_service_that_gives_up_is_known_to_the_process(process: Process) -> None:
    host = process.host("risk")
    cause = RuntimeError("lease lost")
    process.guests["risk"].runtime.fail(cause)
    process.guests["risk"].runtime.fail(RuntimeError("and more"))
    assert await host.failed is cause
