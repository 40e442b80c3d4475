"""Packed records come back as they were; bytes that are none are refused, whatever they are."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.engine.book import Engine
from svc.engine.frames import HEADER_BYTES, NO_DIGEST
from svc.engine.journal import Batch, EventBatch, Stamped
from svc.engine.packing import Packer, unpack
from tests.engine.lossy import flow_batches

rows_of_16 = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=12)


def pack(plain: bytes, *, events: bool) -> bytes:
    """The records of a frame as they are stored, whatever registers the processor has."""
    stored = pack_by(Packer(), plain, events=events)
    assert pack_by(Packer(may_be_wide=False), plain, events=events) == stored
    return stored


def pack_by(packer: Packer, plain: bytes, *, events: bool) -> bytes:
    if events:
        frames, lengths = packer.events([EventBatch(1, 2, 3, 4, 5, plain)], 6, 7)
    else:
        frames, lengths = packer.commands([Stamped(Batch(1, NO_DIGEST, plain), 2)], 6, 7)
    assert lengths == [len(frames)]
    return bytes(frames[HEADER_BYTES:])


def as_bytes(rows: list[bytes]) -> bytes:
    """A record of a row: a word for each of its bytes, small ones and ones of every length."""
    return b"".join(a_word(byte).to_bytes(8, "little") for row in rows for byte in row)


def a_word(byte: int) -> int:
    if byte < 100:
        return byte % 3
    return byte * 0x9E3779B97F4A7C15 % 2**64 >> byte % 60


def assert_comes_back(plain: bytes, *, events: bool) -> None:
    packed = pack(plain, events=events)
    if len(packed) == len(plain):
        assert packed == plain
        return
    assert len(packed) % 128 == 0
    assert unpack(packed, len(plain) // 128, events) == plain


@given(rows=rows_of_16, events=st.booleans())
def test_packed_records_come_back_as_they_were(rows: list[bytes], *, events: bool) -> None:
    assert_comes_back(as_bytes(rows), events=events)


@given(rows=rows_of_16, events=st.booleans())
def test_records_that_repeat_come_back_too(rows: list[bytes], *, events: bool) -> None:
    assert_comes_back(as_bytes(rows) * 9, events=events)


def test_a_flow_takes_a_fifth_of_its_bytes_and_comes_back() -> None:
    engine, plain, stored = Engine(), 0, 0
    for batch in flow_batches(7, 60, size=40):
        events = bytes(engine.apply(batch.commands, 1))
        assert_comes_back(batch.commands, events=False)
        assert_comes_back(events, events=True)
        plain += len(batch.commands) + len(events)
        stored += len(pack(batch.commands, events=False)) + len(pack(events, events=True))
    assert stored * 4 < plain


def test_packed_records_never_look_like_a_sector_that_was_not_written() -> None:
    draw = random.Random(3)
    alike = bytes(128)
    mixed = b"".join(bytes(draw.choice((0, 0, 0, 1, 128)) for _ in range(128)) for _ in range(64))
    for plain in (alike * 500, mixed, mixed[:2_048] + alike * 99):
        packed = pack(plain, events=False)
        assert all(any(packed[at : at + 128]) for at in range(0, len(packed), 128))


@given(packed=st.binary(min_size=1, max_size=800), count=st.integers(1, 60), events=st.booleans())
def test_any_bytes_are_unpacked_or_refused(packed: bytes, count: int, *, events: bool) -> None:
    try:
        assert len(unpack(packed, count, events)) == count * 128
    except ValueError:
        return


def test_packed_records_that_are_cut_short_or_go_on_are_refused() -> None:
    plain = next(iter(flow_batches(7, 1))).commands * 9
    packed, count = pack(plain, events=False), len(plain) // 128
    for forged in (packed[:-128], packed + b"\xff" * 128, packed[:-1] + b"\0"):
        with pytest.raises(ValueError, match="packed records"):
            unpack(forged, count, False)
    with pytest.raises(ValueError, match="too few"):
        unpack(packed, len(packed), False)
