"""The wire that every test of calls runs over, once per kind of channel."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.rpc.wire import Wire, open_wire

KINDS = ("socket", "in process")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.replace(" ", "-"))
def kind(request: pytest.FixtureRequest) -> str:
    """Name the kind of channel."""
    name: str = request.param
    return name


@pytest.fixture
async def wire(kind: str, tmp_path: Path) -> AsyncIterator[Wire]:
    """Open a service that serves."""
    async with open_wire(kind, tmp_path / "secrets") as opened:
        yield opened
