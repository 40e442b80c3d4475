"""Two services of the tests' own, alpha and beta, in a database of one test."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.embedded import Postgres
from svc.kit.database import Database, Target, open_database
from svc.kit.migrate import migrate

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def services() -> Path:
    """Name the folder of the test services' packages."""
    return Path(__file__).with_name("services")


@pytest.fixture(scope="session")
def services_database(postgres: Postgres, services: Path) -> str:
    """Make the database that each test of alpha gets a copy of."""
    postgres.execute("CREATE DATABASE kit_services")
    asyncio.run(migrate(postgres.url("kit_services"), folder=services))
    return "kit_services"


@pytest.fixture
async def alpha(
    postgres: Postgres, services: Path, services_database: str
) -> AsyncIterator[Database]:
    """Open alpha's schema, beside beta's."""
    name = f"alpha_{next(_NUMBERS)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE {services_database}")
    database = await open_database(Target(postgres.url(name), "alpha", folder=services))
    yield database
    await database.close()
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
