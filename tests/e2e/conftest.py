"""A whole exchange for tests from outside: `mesh up` on ports of its own.

After every test the books must balance: a test that leaves money created or lost fails, whatever
it was about.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from mesh.conservation import Fault, faults
from mesh.demo import demo_trader
from mesh.installation import Installation, Running
from svc.kit.settings import ports_of
from svc.topology import entries

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
SETTLE_TIMEOUT_S = 60
LINES = 1500
"""Of the short session."""
PORTS = ("EDGE_PORT", "EDGE_ADMIN_PORT", *(port for name in entries(2) for port in ports_of(name)))
"""The variables that move what `mesh up` listens on."""


class Exchange:
    """A running `mesh up` and what a test needs of it."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.installation = Installation(home)
        self.environment = environment
        self.output = home.parent / f"{home.name}.out"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.installation.home

    @property
    def running(self) -> Running:
        return self.installation.running()

    @property
    def url(self) -> str:
        return self.running.edge_url

    def start(self) -> None:
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mesh", "up", "--home", str(self.home)],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while "is up in" not in self.text():
            assert self._process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT_S)

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def pid_of(self, part: str) -> int:
        return int((self.home / part / "pid").read_text().split()[0])

    def mesh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mesh", *arguments, "--home", str(self.home)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def token(self, trader: str = "trader-1") -> str:
        who = demo_trader(self.installation, trader)
        now_s = time.time_ns() // 1_000_000_000
        return self.installation.issuer().issue(
            who.user_id, who.account_id, now_s=now_s, lifetime_s=3600
        )

    def wait_settled(self) -> None:
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while found := self._faults():
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def _faults(self) -> list[Fault]:
        try:
            return asyncio.run(faults(self.running.database_url))
        except (OSError, asyncpg.PostgresError) as error:
            return [Fault("the database answers", repr(error))]


Ports = Callable[[], int]


@pytest.fixture
def ports_of_its_own(free_port: Ports) -> dict[str, str]:
    """The environment of an exchange that shares no port with anybody, of up to two markets."""
    return {**os.environ, **{name: str(free_port()) for name in PORTS}}


@pytest.fixture(scope="session")
def _exchange(servers_folder: Path) -> Iterator[Exchange]:
    exchange = Exchange(servers_folder / "exchange", _session_ports())
    exchange.start()
    yield exchange
    children = exchange.children()
    assert exchange.stop() == 0, exchange.text()
    _, alive = psutil.wait_procs(children, timeout=0)
    assert not alive, "Ctrl-C leaves no process behind"
    removed = exchange.mesh("reset", "--yes")
    assert removed.returncode == 0, removed.stderr


def _session_ports() -> dict[str, str]:
    import socket  # noqa: PLC0415

    sockets = []
    environment = dict(os.environ)
    for name in PORTS:
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        sockets.append(probe)
        environment[name] = str(probe.getsockname()[1])
    for probe in sockets:
        probe.close()
    return environment


@pytest.fixture
def exchange(_exchange: Exchange) -> Iterator[Exchange]:
    """The exchange of the session; balanced when the test is over."""
    yield _exchange
    _exchange.wait_settled()


@pytest.fixture
def http(exchange: Exchange) -> Iterator[httpx.Client]:
    """REST as trader-1."""
    headers = {"authorization": f"Bearer {exchange.token()}"}
    with httpx.Client(base_url=exchange.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def short_session(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of a captured session."""
    short = tmp_path_factory.mktemp("session") / "short.gz"
    with gzip.open(shared_data / "spot_ethusdt_20240808.gz") as whole:
        lines = [next(whole) for _ in range(LINES)]
    short.write_bytes(gzip.compress(b"".join(lines)))
    return short


def error_of(reply: httpx.Response) -> dict[str, object]:
    """Reason and metadata of an error; asserts that it has the one shape errors have."""
    body = json.loads(reply.text)
    assert set(body) == {"code", "message", "details"}, body
    (info,) = [d for d in body["details"] if d["@type"].endswith("google.rpc.ErrorInfo")]
    assert info["domain"] == "quantamesh"
    return dict(info)
