"""The records' layout is a contract: sizes, offsets and hash vectors stand in docs/journal.md."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.engine.records import RECORD_BYTES, Command, Event, InstrumentCommand, split_records
from svc.engine.running_hash import chain

JOURNAL_PAGE = Path(__file__).parents[2] / "docs" / "journal.md"


@given(st.binary(min_size=120, max_size=120).map(lambda b: b[:6] + bytes(2) + b[8:] + bytes(8)))
def test_a_command_record_survives_unpacking_and_packing(record: bytes) -> None:
    assert Command.unpack(record).pack() == record


@given(st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES))
def test_an_event_record_survives_unpacking_and_packing(record: bytes) -> None:
    assert Event.unpack(record).pack() == record


def test_an_instrument_command_survives_packing_and_unpacking() -> None:
    command = InstrumentCommand(7, 2, 1, 1000, 5, 500, 77, 150, 900, 1)
    assert InstrumentCommand.unpack(command.pack()) == command


def test_a_buffer_that_is_no_whole_number_of_records_is_refused() -> None:
    with pytest.raises(ValueError, match="129 bytes"):
        list(split_records(bytes(129)))


def test_the_hash_vectors_of_the_journal_page_hold() -> None:
    documented = [
        int(found, 16) for found in re.findall(r"`(0x[0-9a-f]{16})`", JOURNAL_PAGE.read_text())
    ]
    zeros, counting = bytes(RECORD_BYTES), bytes(range(RECORD_BYTES))
    assert documented == [
        0,
        chain(0, zeros),
        chain(0, counting),
        chain(0, zeros + counting),
    ]


@given(st.binary(min_size=256, max_size=256), st.integers(0, 255), st.integers(1, 255))
def test_a_changed_byte_changes_the_running_hash(records: bytes, at: int, by: int) -> None:
    changed = bytearray(records)
    changed[at] ^= by
    assert chain(0, bytes(changed)) != chain(0, records)
