"""What this machine can do right now, to be printed beside every figure.

Three numbers that a figure on a shared machine means little without: how many fsyncs a second its
disk does, how fast one core counts, and how long an idle thread is kept from running.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_FSYNC_SECONDS = 1
_HICCUP_SECONDS = 2
_LOOPS = 5_000_000
_BLOCK = b"\0" * 4096


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured just now; hiccups are how much longer than 1 ms a sleep of 1 ms took."""

    cores: int
    fdatasyncs_per_s: int
    loop_mops_per_s: int
    hiccup_p99_us: int
    hiccup_max_us: int

    def text(self) -> str:
        """One line for people."""
        return (
            f"{self.cores} cores, {self.fdatasyncs_per_s} fdatasyncs/s, "
            f"{self.loop_mops_per_s} M additions/s on one core, "
            f"idle thread late by p99 {self.hiccup_p99_us} µs, max {self.hiccup_max_us} µs"
        )


def calibrate(folder: Path) -> Calibration:
    """Measure for about four seconds; `folder` is on the disk that counts."""
    late_us = _hiccups_us()
    return Calibration(
        cores=len(os.sched_getaffinity(0)),
        fdatasyncs_per_s=_fdatasyncs_per_s(folder),
        loop_mops_per_s=_loop_mops_per_s(),
        hiccup_p99_us=late_us[len(late_us) * 99 // 100],
        hiccup_max_us=late_us[-1],
    )


def _fdatasyncs_per_s(folder: Path) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        count = 0
        end_ns = time.monotonic_ns() + _FSYNC_SECONDS * 1_000_000_000
        while time.monotonic_ns() < end_ns:
            os.write(file.fileno(), _BLOCK)
            os.fdatasync(file.fileno())
            count += 1
    return count // _FSYNC_SECONDS


def _loop_mops_per_s() -> int:
    started_ns = time.monotonic_ns()
    total = 0
    for number in range(_LOOPS):
        total += number
    return _LOOPS * 1000 // (time.monotonic_ns() - started_ns)


def _hiccups_us() -> list[int]:
    late_us = []
    end_ns = time.monotonic_ns() + _HICCUP_SECONDS * 1_000_000_000
    while (before_ns := time.monotonic_ns()) < end_ns:
        time.sleep(0.001)
        late_us.append((time.monotonic_ns() - before_ns) // 1000 - 1000)
    return sorted(late_us)
