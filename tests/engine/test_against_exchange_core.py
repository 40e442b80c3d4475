"""`mesh bench engine --against exchange-core`: the same trades and books, or no figure.

Java is nothing that the checks install: where it or Maven is not, only the message is tested, also
with MESH_REQUIRE_ALL=1. Where both are, MESH_REQUIRE_ALL=1 asks for the rest too.
"""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from mesh.bench import command
from mesh.bench_engine_mixes import Recorded, record
from mesh.bench_exchange_core import CannotCompareError, check_java, compare, libraries
from svc.engine.book import Engine
from svc.engine.records import RECORD_BYTES, InstrumentCommand
from tests.conftest import Absent


@pytest.fixture
def small(absent: Absent) -> Recorded:
    """A small mix, where exchange-core can be run."""
    try:
        check_java()
    except CannotCompareError as reason:
        pytest.skip(str(reason))
    try:
        libraries()
    except CannotCompareError as reason:
        absent(str(reason))
    return record("exchange-core", 4_000)


def test_it_does_the_same_and_both_figures_are_there(small: Recorded) -> None:
    found = compare(small)
    engine = Engine()
    engine.apply(small.prefill, 1)
    filling = engine.trades
    engine.apply(small.commands, 1)
    assert found.trades == engine.trades - filling > 0
    assert found.live_orders > 0
    assert found.book_per_s > 0
    assert found.pipeline_per_s > 0


def test_another_outcome_gives_no_figure(small: Recorded) -> None:
    definition = InstrumentCommand.unpack(small.prefill[:RECORD_BYTES])
    narrower = replace(definition, max_quantity_lots=5).pack()
    with pytest.raises(CannotCompareError, match="differ: "):
        compare(replace(small, prefill=narrower + small.prefill[RECORD_BYTES:]))


def test_without_java_the_message_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ran = CliRunner().invoke(command, ["engine", "--against", "exchange-core"])
    assert ran.exit_code == 1
    assert "java and mvn not found" in ran.output
    assert "apt-get install" in ran.output
