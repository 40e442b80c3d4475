"""Journals and snapshots of earlier formats are read, recovered from and continued."""

from pathlib import Path

import pytest

from svc.engine.folder import Folder
from svc.engine.frames import HEADER_BYTES, SegmentHeader
from svc.engine.market import Market
from svc.engine.records import FORMAT_VERSION
from svc.engine.recovery import recover
from tests.engine.flows import START_NS
from tests.engine.lossy import LOG_ID, a_market, flow_batches
from tests.engine.old_formats import OldLog, castagnoli

BATCHES = list(flow_batches(9, 60))
CUTS = (BATCHES[:20], BATCHES[20:40], BATCHES[40:])


def streamed(market: Market) -> bytes:
    return b"".join(batch.records for batch in market.events_after(0))


def opened(path: Path, epoch: int) -> Market:
    reports: list[str] = []
    market = a_market(Folder(path), epoch=epoch, reports=reports)
    assert reports == []
    return market


def test_the_checksum_is_castagnolis() -> None:
    assert castagnoli(b"123456789") == 0xE3069283  # RFC 3720, B.4 has its polynomial


@pytest.mark.parametrize("format_version", [1, 2])
def test_a_journal_of_an_older_format_is_read_and_continued(
    tmp_path: Path, format_version: int
) -> None:
    log = OldLog(tmp_path, format_version, LOG_ID)
    log.write(CUTS[0], START_NS)
    log.write(CUTS[1], START_NS + 1)
    market = opened(tmp_path, epoch=2)
    assert streamed(market) == log.events
    assert market.state_hash()[1] == log.engine.state_hash()
    market.submit([*CUTS[1][-2:], *CUTS[2]])
    events = streamed(market)
    market.close()
    assert events.startswith(log.events)
    last = (tmp_path / f"{3:020}.journal").read_bytes()
    assert SegmentHeader.unpack(last[:HEADER_BYTES]).format_version == FORMAT_VERSION
    assert streamed(opened(tmp_path, epoch=3)) == events


def test_a_snapshot_of_format_2_is_gone_on_from(tmp_path: Path) -> None:
    log = OldLog(tmp_path, 2, LOG_ID)
    log.write(CUTS[0], START_NS)
    log.write_snapshot()
    log.write(CUTS[1], START_NS + 1)
    reports: list[str] = []
    recovered = recover(Folder(tmp_path), reports.append)
    assert reports == []
    assert recovered.engine.commands == sum(len(batch.commands) for batch in CUTS[1]) // 128
    assert recovered.engine.state_hash() == log.engine.state_hash()
    market = opened(tmp_path, epoch=2)
    assert market.status().covered.last_batch == CUTS[0][-1].number
    market.submit(CUTS[2])
    assert market.take_snapshot().last_batch == CUTS[2][-1].number
    state_hash = market.state_hash()
    market.close()
    assert opened(tmp_path, epoch=3).state_hash() == state_hash
