"""What `mesh up` says and does, as a newcomer meets it."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Exchange


def test_the_lines_that_are_printed_work_when_they_are_pasted(exchange: Exchange) -> None:
    lines = [line.strip() for line in exchange.text().splitlines()]
    pasted = [line for line in lines if line.startswith(("TOKEN=", "curl "))]
    assert len(pasted) == 4
    done = subprocess.run(
        ["/bin/bash", "-c", "; echo; ".join(pasted)], capture_output=True, text=True, check=True
    )
    placed, looked, canceled = (json.loads(line) for line in done.stdout.split("\n") if line)
    assert placed["status"] == "NEW"
    assert looked["order"]["orderId"] == placed["orderId"] == canceled["orderId"]
    assert canceled["status"] == "CANCEL_PENDING"


def test_a_second_up_in_the_same_folder_says_where_the_first_one_is(exchange: Exchange) -> None:
    second = exchange.mesh("up")
    assert second.returncode == 1
    assert exchange.url in second.stderr
    assert "Traceback" not in second.stderr


def test_reset_refuses_while_an_exchange_runs(exchange: Exchange) -> None:
    refused = exchange.mesh("reset", "--yes")
    assert refused.returncode == 1
    assert "stop it first" in refused.stderr


def test_a_port_that_is_taken_is_named_with_the_variable_that_moves_it(
    ports_of_its_own: dict[str, str], servers_folder: Path
) -> None:
    port = int(ports_of_its_own["RISK_HTTP_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        refused = Exchange(servers_folder / "taken", ports_of_its_own).mesh("up")
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert "RISK_HTTP_PORT" in refused.stderr


@pytest.mark.parametrize("value", ["http", "0", "70000"])
def test_a_port_that_is_none_is_refused(
    ports_of_its_own: dict[str, str], servers_folder: Path, value: str
) -> None:
    environment = ports_of_its_own | {"EDGE_PORT": value}
    refused = Exchange(servers_folder / "none", environment).mesh("up")
    assert refused.returncode == 1
    assert f"EDGE_PORT is {value!r}" in refused.stderr


def test_commands_that_need_an_exchange_say_how_to_start_one(
    ports_of_its_own: dict[str, str], servers_folder: Path
) -> None:
    nowhere = Exchange(servers_folder / "nowhere", ports_of_its_own)
    for arguments in (("bench", "orders", "--seconds", "1"), ("instruments", "list")):
        refused = nowhere.mesh(*arguments)
        assert refused.returncode == 1
        assert "make up" in refused.stderr
