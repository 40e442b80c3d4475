"""A journal folder that loses what a power failure loses, and flows of batches for it."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

from svc.engine.folder import Folder
from svc.engine.frames import HEADER_BYTES, SECTOR_BYTES, Damaged, Frame, FrameType
from svc.engine.journal import Batch
from svc.engine.market import Market
from svc.engine.opening import open_market
from svc.engine.records import pack_commands
from svc.kit.clock import FakeClock
from tests.engine.flows import START_NS, Flow

LOG_ID = bytes(range(16))


class PowerFailed(Exception):
    """The machine went dark inside a sync."""


class LossyFolder(Folder):
    """Knows of every file how much of it has been synced, and syncs nothing really.

    The power fails inside sync number `syncs`, of a file or of the names; what that one should have
    saved may be lost. Where only the process is to die there, it goes on with `restart`.
    """

    def __init__(self, path: Path, syncs: int) -> None:
        super().__init__(path)
        self._syncs = syncs
        self._names: dict[int, str] = {}
        self._durable: dict[str, int] = {}
        self._named: set[str] = set()
        self._renamed: dict[str, str] = {}
        self._removed: dict[str, bytes] = {}

    def _open_new(self, name: str) -> int:
        descriptor = super()._open_new(name)
        self._names[descriptor] = name
        self._durable[name] = 0
        return descriptor

    def restart(self, syncs: int) -> None:
        """Another process goes on with all that was appended, until sync number `syncs`."""
        self._syncs = syncs

    def _open_again(self, name: str) -> int:
        descriptor = super()._open_again(name)
        self._names[descriptor] = name
        return descriptor

    def _rename(self, name: str, to: str) -> None:
        super()._rename(name, to)
        self._durable[to] = self._durable.pop(name)
        self._renamed[to] = name

    def _unlink(self, name: str) -> None:
        self._removed[name] = (self.path / name).read_bytes()[: self._durable[name]]
        super()._unlink(name)

    def fdatasync(self, descriptor: int) -> None:
        self._fail_in_time()
        self._durable[self._names[descriptor]] = os.fstat(descriptor).st_size

    def sync_names(self) -> None:
        self._fail_in_time()
        self._named = set(self._durable)
        self._renamed.clear()
        self._removed.clear()

    def _fail_in_time(self) -> None:
        self._syncs -= 1
        if self._syncs == 0:
            raise PowerFailed

    def durable_commands(self) -> list[bytes]:
        """Of every batch that a power failure would leave, in order."""
        found = []
        for number in self.numbers():
            end = self._durable[self.file_name(number)]
            segment = memoryview(self.read(number, 0, end))
            offset = HEADER_BYTES
            while offset < end:
                try:
                    frame = Frame.unpack(segment, offset, end)
                except Damaged:  # half of events that are being appended
                    break
                offset += frame.size
                if frame.type == FrameType.COMMANDS:
                    found.append(bytes(frame.records))
        return found

    def lose_power(self, target: Path, draw: random.Random) -> None:
        """Copies to `target` what is left: all that was synced, and of the rest what luck kept."""
        keeps_rest = draw.random() < 0.7
        for name, durable in self._durable.items():
            is_lost = name not in self._named and draw.random() < 0.5
            if is_lost or not (self.path / name).exists():
                continue
            content = bytearray((self.path / name).read_bytes())
            if keeps_rest:
                del content[draw.randint(durable, len(content)) :]
                for sector in range(0, len(content), SECTOR_BYTES):
                    if sector >= durable and draw.random() < 0.3:
                        end = min(sector + SECTOR_BYTES, len(content))
                        content[sector:end] = bytes(end - sector)
            else:
                del content[durable:]
            kept_name = self._renamed.get(name, name) if draw.random() < 0.5 else name
            (target / kept_name).write_bytes(content)
        for name, removed in self._removed.items():
            if draw.random() < 0.5:
                (target / name).write_bytes(removed)


class ForgetfulFolder(LossyFolder):
    """The planted fault: says it has synced what was appended, and has not."""

    def fdatasync(self, descriptor: int) -> None:
        is_new = os.fstat(descriptor).st_size <= SECTOR_BYTES
        durable = dict(self._durable)
        super().fdatasync(descriptor)
        if not is_new:
            self._durable = durable


class TrustingFolder(LossyFolder):
    """The planted fault: a start takes what it reads for what is on the disk."""

    def sync(self, number: int) -> None:
        pass


def digest_of(commands: bytes) -> bytes:
    """As the outbox makes it."""
    return hashlib.blake2b(commands, digest_size=16).digest()


def numbered(commands: bytes, number: int) -> Batch:
    """A batch with its digest."""
    return Batch(number, digest_of(commands), commands)


def flow_batches(seed: int, count: int, size: int = 6) -> Iterator[Batch]:
    """A seeded flow as numbered batches, the instruments first."""
    flow = Flow(seed)
    yield numbered(pack_commands(flow.opening()), 1)
    number = 2
    for commands, _ in flow.batches(count, size):
        if commands:
            yield numbered(pack_commands(commands), number)
            number += 1


def a_market(
    folder: Folder,
    clock: FakeClock | None = None,
    *,
    epoch: int = 1,
    market: int = 1,
    segment_bytes: int = 64 << 20,
    reports: list[str] | None = None,
) -> Market:
    """Opens a market with a clock that stands unless the test moves it."""
    return open_market(
        folder,
        market=market,
        epoch=epoch,
        new_log_id=LOG_ID,
        clock=clock or FakeClock(START_NS),
        report=(reports if reports is not None else []).append,
        segment_bytes=segment_bytes,
    )
