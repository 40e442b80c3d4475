"""The conformance suite runs on the engine and on its reference."""

import pytest

from svc.engine.book import Engine
from svc.engine.reference import ReferenceEngine
from tests.engine.desk import Desk


@pytest.fixture(params=[Engine, ReferenceEngine], ids=["engine", "reference"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(request.param())
