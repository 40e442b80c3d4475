"""Whatever is killed in the middle of a session, the session ends with the same proof."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from mesh import capture
from mesh.reenact import Progress
from mesh.replay import replay
from tests.e2e.conftest import Exchange

KILLS = 2


@pytest.mark.parametrize(
    ("part", "seed"), [("core", 1), ("engine", 2), ("postgres", 3), ("marketdata", 4)]
)
def test_a_session_in_which_a_process_is_killed_ends_with_the_same_proof(
    exchange: Exchange, short_session: Path, part: str, seed: int
) -> None:
    surveyed = capture.survey([short_session])
    points = random.Random(seed).sample(range(5, surveyed.diffs), KILLS)
    killed: list[int] = []

    def kill_at(at: Progress) -> None:
        if at.books in points and at.books not in killed:
            killed.append(at.books)
            os.kill(exchange.pid_of(part), signal.SIGKILL)

    report = asyncio.run(
        replay(
            exchange.installation,
            [short_session],
            surveyed,
            recorded_speed=False,
            on_progress=kill_at,
        )
    )
    assert sorted(killed) == sorted(points)
    assert report.trades == surveyed.trades
    assert report.quantity == surveyed.quantity
