"""Trying again, less and less often."""

from __future__ import annotations

import pytest

from svc.kit.log import get_logger
from svc.kit.patience import FIRST_PAUSE_S, LONGEST_PAUSE_S, Patience


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    patience = Patience(get_logger("test"), "relay", 1)
    pauses = [patience.failed("away") for _ in range(9)]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    patience.worked()
    assert patience.failed("away") == FIRST_PAUSE_S


def test_each_cause_is_said_once_and_the_end_of_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    patience = Patience(get_logger("test"), "relay", 1)
    for cause in ("away", "away", "refused", "refused"):
        patience.failed(cause)
    patience.worked()
    patience.worked()
    said = capsys.readouterr().out
    assert (said.count("relay_waiting"), said.count("relay_going_on")) == (2, 1)
