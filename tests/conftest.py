"""What tests of every area share: real servers for the session, fresh databases, captured data.

A server is started once, by the first test that asks for it, and leaves nothing behind. What this
machine lacks skips the tests that need it, with the reason; with MESH_REQUIRE_ALL=1 (as in CI) it
fails them, so that a green run there has skipped nothing. There is one exemption, for it needs a
language that the checks do not install: tests/engine/test_against_exchange_core.py.
"""

import asyncio
import itertools
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from mesh.embedded import Postgres, Valkey
from svc.metadata.config import SHIPPED_FILE

Absent = Callable[[str], NoReturn]
NewDatabase = Callable[[], str]


def pytest_configure() -> None:
    """Let SIGTERM (a time limit) end the run as Ctrl-C does: the servers are stopped first.

    Hypothesis tries the same examples in every run.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # How long an example takes is the machine's business, and no test's.
    patient = settings(
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    settings.register_profile("patient", patient)
    settings.load_profile("patient")


def _absent(reason: str) -> NoReturn:
    if os.environ.get("MESH_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and MESH_REQUIRE_ALL=1 asks for everything")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def absent() -> Absent:
    """Return what a test calls with the reason when this machine lacks something it needs."""
    return _absent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Name the folder of captured sessions, which lies beside the project."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        _absent("no captured sessions in ../shared/data")
    return folder


@pytest.fixture
def two_markets_file(tmp_path: Path) -> Path:
    """Give the shipped instruments as a file of their own, ETH-USDT in the second market."""
    shipped = SHIPPED_FILE.read_text("utf-8")
    named = 'symbol = "ETH-USDT"\n'
    assert shipped.count(named) == 1
    path = tmp_path / "instruments.toml"
    path.write_text(shipped.replace(named, f"{named}market = 2\n"), "utf-8")
    return path


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Return a maker of loopback ports that nothing listens on now; no two are the same."""
    given: set[int] = set()

    def make() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return make


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Make a folder that the servers' own users can enter, which pytest's folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="quantamesh-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(servers_folder: Path) -> Iterator[Postgres]:
    """Run one PostgreSQL for the session. Tests take databases of it, never the server down.

    Its data need not outlive a loss of power, so it does not wait for the disk; a test that kills
    a server starts one of its own, which does.
    """
    server = Postgres(servers_folder / "postgres")
    server.start()
    server.execute("ALTER SYSTEM SET fsync = off")
    server.execute("SELECT pg_reload_conf()")
    yield server
    server.stop()
    server.erase()


@pytest.fixture(scope="session")
def _migrated(postgres: Postgres) -> str:
    """Make the database that every other is a copy of, with the schemas of all services."""
    from svc.kit.migrate import migrate  # noqa: PLC0415 - tests without a database load no drivers

    postgres.execute("CREATE DATABASE migrated")
    asyncio.run(migrate(postgres.url("migrated")))
    return "migrated"


@pytest.fixture
def new_database(postgres: Postgres) -> Iterator[NewDatabase]:
    """Return a maker of empty databases, which gives the POSTGRES_URL of their owner."""
    yield from _databases(postgres, "template1")


@pytest.fixture
def database_url(new_database: NewDatabase) -> str:
    """Make one empty database and give its POSTGRES_URL."""
    return new_database()


@pytest.fixture
def migrated_url(postgres: Postgres, _migrated: str) -> Iterator[str]:
    """Make one database with the schemas of all services, and give its POSTGRES_URL."""
    for make in _databases(postgres, _migrated):
        yield make()


_NUMBERS = itertools.count(1)


def _databases(server: Postgres, template: str) -> Iterator[NewDatabase]:
    made: list[str] = []

    def make() -> str:
        name = f"test_{next(_NUMBERS)}"
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        made.append(name)
        return server.url(name)

    yield make
    for name in made:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def valkey(servers_folder: Path) -> Iterator[Valkey]:
    """Run one Valkey for the session."""
    server = Valkey(servers_folder / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey_url(valkey: Valkey) -> str:
    """Empty the session's Valkey and give its REDIS_URL."""
    valkey.flush()
    return valkey.url
