"""A process as the operator sees it: what it says, when it ends, with which status."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from svc.kit.identity import create_secrets

ROOT = Path(__file__).parents[3]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts the guest as a process of its own, on free ports."""
    create_secrets(tmp_path / "secrets", ("risk", "order", "mesh"))
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MESH_")}
        given = {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
            "POSTGRES_URL": "postgresql:///none",
            "REDIS_URL": "redis://none",
            "MESH_SECRETS_DIR": str(tmp_path / "secrets"),
            "RISK_GRPC_PORT": "0",
            "RISK_HTTP_PORT": "0",
            **environment,
        }
        process = subprocess.Popen(
            [sys.executable, *(arguments or ("-m", "tests.kit.rpc.guests"))],
            env={**inherited, **given},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def line_of(output: IO[str] | None, event: str) -> dict[str, Any]:
    """Read log lines until one tells of an event."""
    assert output is not None
    for text in output:
        line: dict[str, Any] = json.loads(text)
        if line["event"] == event:
            return line
    raise AssertionError(f"the process ended without {event}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_that_serves_with_status_0(
    start: Start, number: signal.Signals
) -> None:
    process = start()
    port = line_of(process.stdout, "service_ready")["http_port"]
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    process.send_signal(number)
    _, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, "")


def test_a_service_that_cannot_start_ends_its_process_with_the_reason(start: Start) -> None:
    process = start(GUEST="fails to start")
    output, complaints = process.communicate()
    assert (process.returncode, complaints) == (1, "risk: no leaves to read\n")
    assert output.count('"event":"start_failed"') == 1


def test_a_configuration_that_a_service_finds_unusable_ends_its_process_with_status_2(
    start: Start,
) -> None:
    process = start(GUEST="finds its settings unusable")
    _, complaints = process.communicate()
    told = "risk: MESH_MARKETS is 1: must be 2 or more\n"
    assert (process.returncode, complaints) == (2, told)


def test_a_service_that_gives_up_ends_its_process_with_the_reason(start: Start) -> None:
    process = start(GUEST="gives up")
    output, complaints = process.communicate()
    assert (process.returncode, complaints) == (1, "risk: the lease is lost\n")
    assert output.count('"event":"service_failed"') == 1


def test_a_taken_port_ends_the_process_with_its_number(start: Start) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        process = start(RISK_GRPC_PORT=str(port))
        _, complaints = process.communicate()
    assert process.returncode == 1
    assert complaints.splitlines()[-1].startswith(f"risk: cannot listen on 127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"MESH_SECRETS_DIR": "/nowhere"}, "MESH_SECRETS_DIR"),
        ({"MESH_SECRET_DIR": "x"}, "did you mean MESH_SECRETS_DIR?"),
        ({"RISK_GRPC_PORT": "7000", "RISK_HTTP_PORT": "7000"}, "ports must differ"),
        ({"WALLET_SERVICE_URL": "nowhere"}, "must be host:port"),
    ],
)
def test_a_configuration_that_cannot_be_used_ends_the_process_with_status_2(
    start: Start, environment: dict[str, str], says: str
) -> None:
    process = start(**environment)
    output, complaints = process.communicate()
    assert (process.returncode, output) == (2, "")
    assert complaints.startswith("risk: ")
    assert says in complaints
    assert complaints.count("\n") == 1


def test_a_missing_secret_ends_the_process_with_status_2(start: Start, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "risk.secret").unlink()
    process = start()
    _, complaints = process.communicate()
    assert process.returncode == 2
    assert "risk.secret" in complaints


def test_the_program_lists_its_processes(start: Start) -> None:
    process = start("-m", "svc", "--help")
    output, _ = process.communicate()
    assert "core: metadata, wallet, risk, order" in output
    assert "engine-2" not in output
    more, _ = start("-m", "svc", "--help", MESH_MARKETS="2").communicate()
    assert "engine-2: engine-2" in more
    unknown = start("-m", "svc", "kernel")
    _, complaints = unknown.communicate()
    assert unknown.returncode == 2
    assert "kernel" in complaints
