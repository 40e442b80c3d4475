"""What a market says of itself: where its log stands, what it holds, what rests."""

from __future__ import annotations

from dataclasses import dataclass

from svc.engine.snapshot import Covered


@dataclass(frozen=True, slots=True)
class Position:
    """Where a consumer stands, or the log ends. An empty log id goes with sequence 0."""

    log_id: bytes
    sequence: int
    running_hash: int


@dataclass(frozen=True, slots=True)
class LogEnd:
    """How a log's commands end: its last batch, the time of what is last, and the last event."""

    last_batch: int
    last_digest: bytes
    time_ns: int
    position: Position


@dataclass(frozen=True, slots=True)
class Status:
    """Where the market's log stands."""

    position: Position
    last_batch: int
    last_digest: bytes
    epoch: int
    time_ns: int
    live_orders: int
    next_deadline_ns: int | None
    covered: Covered
    unsaved_commands: int
    """Commands applied since the last snapshot: what a recovery makes again."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the market's engine has done and holds."""

    status: Status
    commands: int
    """Applied by this process: of a log that was replayed too, of a snapshot none."""
    trades: int
    memory_bytes: int
    segments: int


@dataclass(frozen=True, slots=True)
class BookLevels:
    """Both sides of an instrument's book at one position, from the best on."""

    position: Position
    bids: list[tuple[int, int, int]]
    """Price in ticks, lots that are visible there, and orders."""
    asks: list[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """All live orders at one position: ORDER state records by instrument id."""

    position: Position
    instruments: dict[int, tuple[int, int, int, int]]
    """Definition version, state, last trade price and version of the last wish for a state (of both
    0: none) by instrument id."""
    orders: dict[int, bytes]
