"""Cursors come back as they went out, and no others are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.kit.errors import DomainError
from svc.order import cursors
from svc.order.cursors import Place

LIST = cursors.list_digest("orders", 7, "filled")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLACES = st.builds(
    Place,
    time=st.integers(0, 2**51).map(lambda us: EPOCH + timedelta(microseconds=us)),
    id=st.integers(1, 2**63 - 1),
    side=st.integers(0, 1),
)


@given(PLACES)
def test_a_cursor_names_the_place_it_was_made_of(place: Place) -> None:
    assert cursors.read(cursors.write(place, LIST), LIST) == place


@given(PLACES)
def test_a_cursor_of_another_list_is_refused(place: Place) -> None:
    other = cursors.list_digest("orders", 8, "filled")
    with pytest.raises(DomainError, match="not one of this list"):
        cursors.read(cursors.write(place, other), LIST)


@given(st.text(max_size=60))
def test_text_that_nobody_gave_out_is_refused(text: str) -> None:
    with pytest.raises(DomainError) as refused:
        cursors.read(text, LIST)
    assert refused.value.reason == "INVALID_CURSOR"


def test_a_cursor_with_another_ending_is_refused() -> None:
    cursor = cursors.write(Place(EPOCH, 1), LIST)
    for changed in (cursor + "A", cursor[:-1], cursor + "="):
        with pytest.raises(DomainError, match="not one of this list"):
            cursors.read(changed, LIST)
