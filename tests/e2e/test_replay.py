"""The command that re-enacts a captured session."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from mesh import capture
from tests.e2e.conftest import Exchange


def test_a_session_at_recorded_speed_is_proven_and_no_faster_than_it_was(
    exchange: Exchange, short_session: Path
) -> None:
    surveyed = capture.survey([short_session])
    lasted_ns = surveyed.last_received_unix_ns - surveyed.first_received_unix_ns
    replayed = exchange.mesh("replay", str(short_session), "--json")
    assert replayed.returncode == 0, replayed.stderr
    report = json.loads(replayed.stdout)
    assert (report["trades"], report["quantity"]) == (surveyed.trades, surveyed.quantity)
    assert report["seconds"] * 1_000_000_000 >= lasted_ns - 50_000_000  # it is said in tenths


def test_a_session_that_breaks_off_is_refused_before_the_first_order(
    exchange: Exchange, short_session: Path, tmp_path: Path
) -> None:
    listed = exchange.mesh("instruments", "list", "--json").stdout
    broken = tmp_path / "broken.gz"
    lines = gzip.decompress(short_session.read_bytes()).splitlines(keepends=True)
    broken.write_bytes(gzip.compress(b"".join(lines[:-1]) + lines[-1][:-20]))
    refused = exchange.mesh("replay", str(broken), "--speed", "max")
    assert refused.returncode == 1
    assert f"{broken}:{len(lines)}" in refused.stderr
    assert exchange.mesh("instruments", "list", "--json").stdout == listed
