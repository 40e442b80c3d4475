"""The table of services and processes is whole: every service runs once, on ports of its own."""

import pytest

from svc.topology import (
    MOST_MARKETS,
    PROCESSES,
    SERVICES,
    engine_of,
    entries,
    processes,
    service_and_market,
)


@pytest.mark.parametrize("markets", [1, 2, MOST_MARKETS])
def test_every_service_runs_in_exactly_one_process(markets: int) -> None:
    running = [name for services in processes(markets).values() for name in services]
    assert sorted(running) == sorted(entries(markets))


def test_no_two_services_share_a_port() -> None:
    listening = entries(MOST_MARKETS).values()
    ports = [port for entry in listening for port in (entry.grpc_port, entry.http_port)]
    assert len(set(ports)) == len(ports)


def test_each_market_has_an_engine_and_everything_else_is_there_once() -> None:
    assert entries(1) == SERVICES
    assert set(entries(3)) - set(SERVICES) == {"engine-2", "engine-3"}
    for market in range(1, MOST_MARKETS + 1):
        assert service_and_market(engine_of(market)) == ("engine", market)
        assert engine_of(market) in entries(market)
    assert [service_and_market(name)[0] for name in SERVICES] == list(SERVICES)


@pytest.mark.spec("os-grpc-port", "env-port", "eng-ports")
def test_ports_that_the_specification_names_are_its_ports() -> None:
    assert SERVICES["order"].grpc_port == 50060
    assert (SERVICES["engine"].grpc_port, SERVICES["engine"].http_port) == (9090, 8090)
    assert SERVICES["order"].http_port == 3006
    assert SERVICES["wallet"].http_port == 3007
    assert SERVICES["risk"].http_port == 3009


def test_core_starts_what_order_calls_before_order() -> None:
    assert PROCESSES["core"][-1] == "order"
