"""Cursors of lists: where the next page begins, opaque to whoever carries them.

Keeps: a cursor continues the list it came from. One of another list, account or filter, and one
that nobody gave out, is refused. Pure.
"""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from svc.kit.errors import DomainError, invalid

_FORM = struct.Struct(">8sqqB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page: its time, its id, and its side where a row has one (else 0)."""

    time: datetime
    id: int
    side: int = 0


def list_digest(*parts: object) -> bytes:
    """What identifies a list: its name, its account, its filters."""
    return blake2b(repr(parts).encode(), digest_size=8).digest()


def write(place: Place, of_list: bytes) -> str:
    """The cursor of what comes after a place in a list."""
    microseconds = (place.time - _EPOCH) // _MICROSECOND
    packed = _FORM.pack(of_list, microseconds, place.id, place.side)
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def read(cursor: str, of_list: bytes) -> Place:
    """The place that a cursor of this list names. Raises INVALID_CURSOR."""
    try:
        packed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        found, microseconds, row_id, side = _FORM.unpack(packed)
        place = Place(_EPOCH + microseconds * _MICROSECOND, row_id, side)
    except (Base64Error, ValueError, OverflowError, struct.error):
        raise _refused(cursor) from None
    if found != of_list or write(place, of_list) != cursor:
        raise _refused(cursor)
    return place


def _refused(cursor: str) -> DomainError:
    return invalid(
        "INVALID_CURSOR",
        "The cursor is not one of this list with these filters; begin again without one.",
        field="cursor",
        value=cursor[:100],
        rule="next_cursor of the page before, with the same filters",
    )
