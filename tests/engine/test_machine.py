"""Whatever is sent in whatever order, the engine and its reference answer and stand alike."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine.machine import BooksMachine


def check(examples: int, *, seeded: bool) -> None:
    """Runs the machine on so many histories of forty steps; `seeded`: always on the same."""
    run_state_machine_as_test(
        BooksMachine,
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, derandomize=seeded
        ),
    )


def test_both_engines_answer_and_stand_alike_whatever_is_sent() -> None:
    check(examples=100, seeded=True)


@pytest.mark.soak
def test_both_engines_answer_and_stand_alike_however_long_one_sends() -> None:
    check(examples=5_000, seeded=False)
