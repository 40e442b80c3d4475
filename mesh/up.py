"""`mesh up`: the whole exchange on one machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import httpx

from mesh.demo import CREDITS, TRADERS, credit, demo_trader
from mesh.embedded.child import ServerError
from mesh.embedded.envoy import Envoy
from mesh.embedded.postgres import Postgres
from mesh.embedded.valkey import Valkey
from mesh.installation import LOOPBACK, Installation, NotRunningError, Running, edge_ports
from mesh.options import home_option
from mesh.supervisor import ServiceProcess, Supervisor
from svc.kit.migrate import migrate
from svc.kit.settings import Endpoint, SettingsError, load_endpoints, load_markets, ports_of
from svc.topology import processes

_READY_TIMEOUT_S = 60.0
_ASK_EVERY_S = 0.05
_TOKEN_LIFETIME_S = 30 * 24 * 3600

EXAMPLES = """
\b
Examples:
  mesh up
  EDGE_PORT=8080 ORDER_GRPC_PORT=50070 mesh up
  MESH_MARKETS=2 mesh up
  POSTGRES_URL=postgresql://owner@db/quantamesh REDIS_URL=redis://cache/0 mesh up
"""

_WELCOME = """
QuantaMesh is up in {seconds:.1f} s: REST and gRPC at {url}

A token for {trader}, who has {funds}:

  TOKEN={token}

Place an order, look at it, cancel it:

  curl -s {url}/v1/orders -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \
-d '{{"symbol":"BTC-USDT","side":"BUY","type":"LIMIT","price":"60000","quantity":"0.001",\
"clientOrderId":"my-first"}}'
  curl -s {url}/v1/orders/client:my-first -H "authorization: Bearer $TOKEN"
  curl -s -X DELETE {url}/v1/orders/client:my-first -H "authorization: Bearer $TOKEN"

Markets: {url}/v1/markets   Another trader: mesh token {other}   Logs: {home}/*/log
Stop: Ctrl-C (or kill {pid}). Data stays in {home}; `mesh reset` removes it.
"""


@click.command(epilog=EXAMPLES)
@home_option
def command(home: Path) -> None:
    """Start PostgreSQL, Valkey, the services and the edge here, and keep them alive.

    POSTGRES_URL and REDIS_URL, where set, are used instead of the embedded servers.
    EDGE_PORT, EDGE_ADMIN_PORT, <SERVICE>_GRPC_PORT and <SERVICE>_HTTP_PORT move ports.
    MESH_MARKETS says how many markets there are, each with an engine of its own (docs/markets.md).
    """
    began = time.monotonic()
    installation = Installation(home)
    installation.home.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _only_one(installation):
        supervisor = Supervisor(lambda sentence: click.echo(sentence, err=True))
        try:
            with _stopped_by_signals(supervisor):
                _start(installation, supervisor, began)
                supervisor.run(installation.home)
        except (ServerError, SettingsError, ValueError) as error:
            raise click.ClickException(str(error)) from error
        finally:
            installation.say_stopped()
            supervisor.stop()
    click.echo("stopped")


def _start(installation: Installation, supervisor: Supervisor, began: float) -> None:
    endpoints = load_endpoints(os.environ)
    edge_port, admin_port = edge_ports()
    _require_free(endpoints, edge_port, admin_port)
    installation.prepare()
    postgres_url, redis_url = _stores(installation, supervisor)
    asyncio.run(migrate(postgres_url, secrets=installation.secrets))
    environment = installation.service_environment(postgres_url, redis_url)
    children = {
        name: ServiceProcess(name, installation.part(name), environment)
        for name in processes(load_markets(os.environ))
    }
    supervisor.start(children)
    configuration = installation.write_edge_configuration(edge_port, admin_port)
    edge = Envoy(installation.part("edge"), configuration, installation.edge_environment())
    supervisor.start({"edge": edge})
    _wait_until_ready(supervisor, children, endpoints, edge_port)
    running = Running(
        pid=os.getpid(),
        edge_port=edge_port,
        database_url=postgres_url,
        targets={name: endpoint.target for name, endpoint in endpoints.items()},
    )
    installation.say_running(running)
    traders = {name: demo_trader(installation, name) for name in TRADERS}
    accounts = [trader.account_id for trader in traders.values()]
    asyncio.run(credit(installation, "demo", accounts, CREDITS))
    _welcome(installation, running, began)


def _stores(installation: Installation, supervisor: Supervisor) -> tuple[str, str]:
    """URLs of PostgreSQL and Valkey, started here unless the environment names others."""
    postgres_url, redis_url = os.environ.get("POSTGRES_URL"), os.environ.get("REDIS_URL")
    if not postgres_url:
        postgres = Postgres(installation.part("postgres"))
        supervisor.start({"postgres": postgres})
        postgres_url = postgres.url()
    if not redis_url:
        valkey = Valkey(installation.part("valkey"))
        supervisor.start({"valkey": valkey})
        redis_url = valkey.url
    return postgres_url, redis_url


def _require_free(endpoints: Mapping[str, Endpoint], edge_port: int, admin_port: int) -> None:
    wanted = {"EDGE_PORT": edge_port, "EDGE_ADMIN_PORT": admin_port}
    for name, endpoint in endpoints.items():
        ports = (endpoint.grpc_port, endpoint.http_port)
        wanted |= dict(zip(ports_of(name), ports, strict=True))
    taken = []
    for variable, port in wanted.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                taken.append(f"port {port} is taken by another program; {variable} moves it")
    if taken:
        raise click.ClickException("\n".join(taken))


def _wait_until_ready(
    supervisor: Supervisor,
    children: Mapping[str, ServiceProcess],
    endpoints: Mapping[str, Endpoint],
    edge_port: int,
) -> None:
    """Return when every service says it is ready and the edge answers. Raises ServerError."""
    waiting = {
        f"{name} is not ready": f"http://{LOOPBACK}:{endpoint.http_port}/ready"
        for name, endpoint in endpoints.items()
    }
    waiting["the edge does not answer"] = f"http://{LOOPBACK}:{edge_port}/v1/markets"
    deadline = time.monotonic() + _READY_TIMEOUT_S
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        while waiting and not supervisor.stopping.is_set():
            for name in supervisor.dead():
                words = children[name].last_words() if name in children else ""
                raise ServerError(f"{name} ended while starting: {words}")
            for what, url in list(waiting.items()):
                if _answers(client, url):
                    del waiting[what]
            if time.monotonic() > deadline:
                raise ServerError(f"after {_READY_TIMEOUT_S:.0f} s: {', '.join(waiting)}")
            supervisor.stopping.wait(_ASK_EVERY_S)


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False


def _welcome(installation: Installation, running: Running, began: float) -> None:
    trader = demo_trader(installation, TRADERS[0])
    token = installation.issuer().issue(
        trader.user_id,
        trader.account_id,
        now_s=time.time_ns() // 1_000_000_000,
        lifetime_s=_TOKEN_LIFETIME_S,
    )
    click.echo(
        _WELCOME.format(
            seconds=time.monotonic() - began,
            url=running.edge_url,
            trader=TRADERS[0],
            other=TRADERS[1],
            funds=", ".join(f"{amount} {asset}" for asset, amount in CREDITS.items()),
            token=token,
            home=installation.home,
            pid=running.pid,
        )
    )


@contextmanager
def _only_one(installation: Installation) -> Iterator[None]:
    """Hold the folder's lock: two exchanges in one folder would fight over everything."""
    with installation.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(_running_already(installation)) from None
        yield


def _running_already(installation: Installation) -> str:
    try:
        running = installation.running()
    except NotRunningError:
        return f"another `mesh up` is starting or stopping in {installation.home}"
    return (
        f"an exchange runs in {installation.home} already: {running.edge_url}, "
        f"process {running.pid}; stop it with Ctrl-C there or `kill {running.pid}`"
    )


@contextmanager
def _stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    def ask(_number: int, _frame: FrameType | None) -> None:
        supervisor.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    try:
        yield
    finally:
        # A second Ctrl-C must not leave a process behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
