"""The conformance suite runs on the engine and on its reference; engines run as processes."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from svc.engine.book import Engine
from svc.engine.reference import ReferenceEngine
from tests.engine.desk import Desk
from tests.engine.processes import Engines


@pytest.fixture(params=[Engine, ReferenceEngine], ids=["engine", "reference"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(request.param())


@pytest.fixture
async def start(
    migrated_url: str, tmp_path: Path, free_port: Callable[[], int]
) -> AsyncIterator[Engines]:
    """Starts engines, and ends them behind the test."""
    engines = Engines(migrated_url, tmp_path, free_port)
    yield engines
    await engines.close()
