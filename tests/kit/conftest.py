"""Two services of the tests' own, alpha and beta, in a database of one test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from svc.kit.database import Database, Target, open_database
from svc.kit.migrate import migrate


@pytest.fixture
def services() -> Path:
    """Name the folder of the test services' packages."""
    return Path(__file__).with_name("services")


@pytest.fixture
async def alpha(database_url: str, services: Path) -> AsyncIterator[Database]:
    """Open alpha's schema, beside beta's."""
    await migrate(database_url, folder=services)
    database = await open_database(Target(database_url, "alpha", folder=services))
    yield database
    await database.close()
