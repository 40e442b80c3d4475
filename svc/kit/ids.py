"""Ids: int64 inside, UUIDv7 text outside, each a function of the other.

Inside, an id made here is time (41 bits, milliseconds since 2024-01-01 UTC), writer (6 bits) and
counter (16 bits), so ids of one writer only grow. Outside, any id in 1..2**63-1 is a UUIDv7 that
carries the id and a checksum of it: no table is needed to go back, and a mistyped UUID is refused
instead of naming somebody else's order. docs/ids.md shows the bits.

An id is no secret and proves no right: who may see what it names is checked elsewhere.
"""

from struct import Struct

from asyncpg.pgproto.pgproto import UUID

from svc.kit.clock import Clock

MAX_ID = 2**63 - 1
MAX_WRITER = 63

_EPOCH_MS = 1_704_067_200_000
_MAX_MS = 2**41 - 1
_COUNTERS = 2**16

_HALVES = Struct(">QQ")
# The time at id 0 in the upper 48 bits, then the version (7).
_FIRST_HALF = _EPOCH_MS << 16 | 7 << 12
_VARIANT = 1 << 63
# A prime below 2**52: no change of one digit, and no swap of two neighbours, is a multiple of it.
_CHECKSUM_PRIME = 2**52 - 47
_CHECKSUM_FACTOR = 0x9E37_79B9_7F4A_7C15


class IdGenerator:
    """Gives ids that never repeat for its writer number, also when the wall clock steps back.

    While the clock stands behind the last id, counting goes on from that id; after 65,536 ids in
    one millisecond the next millisecond is begun early, so a caller never waits.
    """

    __slots__ = ("_clock", "_count", "_ms", "_writer")

    def __init__(self, writer: int, clock: Clock, after: int = 0) -> None:
        """`writer` in 0..63 is this writer's alone; `after` is the highest id it already gave.

        Across a restart only `after` protects against a clock that was set back meanwhile: read it
        from the table the ids went into.
        """
        if not 0 <= writer <= MAX_WRITER:
            raise ValueError(f"id writer is {writer}, must be in 0..{MAX_WRITER}")
        if not 0 <= after <= MAX_ID:
            raise ValueError(f"highest known id is {after}, must be in 0..{MAX_ID}")
        self._writer = writer << 16
        self._clock = clock
        self._ms = after >> 22
        self._count = _COUNTERS if after else 0

    def next(self) -> int:
        """The next id, greater than every id this generator gave before."""
        now_ms = self._clock.unix_ns() // 1_000_000 - _EPOCH_MS
        if now_ms > self._ms:
            self._ms = now_ms
            self._count = 0
        elif self._count == _COUNTERS:
            self._ms += 1
            self._count = 0
        assert self._ms <= _MAX_MS, "ids hold times up to the year 2093"
        value = self._ms << 22 | self._writer | self._count
        self._count += 1
        return value


def to_uuid(value: int) -> str:
    """The UUIDv7 text of an id in 1..2**63-1; larger ids sort after smaller ones as text too."""
    assert 0 < value <= MAX_ID, "an id is in 1..2**63-1"
    first = (value >> 22 << 16 | value >> 10 & 0xFFF) + _FIRST_HALF
    checksum = value * _CHECKSUM_FACTOR % _CHECKSUM_PRIME
    return str(UUID(_HALVES.pack(first, _VARIANT | (value & 0x3FF) << 52 | checksum)))


def from_uuid(text: str) -> int:
    """The id behind a UUID of ours, lower or upper case.

    Raises ValueError for text that is no UUID and for a UUID that to_uuid never gives.
    """
    try:
        uuid = UUID(text)
    except (TypeError, ValueError):
        raise ValueError(_refusal(text)) from None
    first, last = _HALVES.unpack(uuid.bytes)
    first -= _FIRST_HALF
    value: int = first >> 16 << 22 | (first & 0xFFF) << 10 | last >> 52 & 0x3FF
    checksum = value * _CHECKSUM_FACTOR % _CHECKSUM_PRIME
    if (
        last != _VARIANT | (value & 0x3FF) << 52 | checksum
        or first & 0xF000
        or not 0 < value <= MAX_ID
        or str(uuid) != text.lower()
    ):
        raise ValueError(_refusal(text))
    return value


def _refusal(text: object) -> str:
    return (
        f"{str(text)[:48]!r} is not an id of this exchange: must be a UUID as it was given out, "
        "36 characters; check for a mistyped one"
    )
