"""Captured sessions: the real ones, where they lie beside the project, and small written ones."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def captures() -> Path:
    """Name the folder of real captures; skip the test where it is missing."""
    if not DATA.is_dir():
        pytest.skip(f"no captures at {DATA}")
    return DATA
