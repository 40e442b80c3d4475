"""The table of services and processes is whole: every service runs once, on ports of its own."""

import pytest

from svc.topology import PROCESSES, SERVICES


def test_every_service_runs_in_exactly_one_process() -> None:
    running = [name for services in PROCESSES.values() for name in services]
    assert sorted(running) == sorted(SERVICES)


def test_no_two_services_share_a_port() -> None:
    ports = [port for entry in SERVICES.values() for port in (entry.grpc_port, entry.http_port)]
    assert len(set(ports)) == len(ports)


@pytest.mark.spec("os-grpc-port", "env-port", "eng-ports")
def test_ports_that_the_specification_names_are_its_ports() -> None:
    assert SERVICES["order"].grpc_port == 50060
    assert (SERVICES["engine"].grpc_port, SERVICES["engine"].http_port) == (9090, 8090)
    assert SERVICES["order"].http_port == 3006
    assert SERVICES["wallet"].http_port == 3007
    assert SERVICES["risk"].http_port == 3009


def test_core_starts_what_order_calls_before_order() -> None:
    assert PROCESSES["core"][-1] == "order"
