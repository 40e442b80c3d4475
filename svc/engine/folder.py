"""The folder of a journal: every access to its files, and nothing else.

All durability hangs on this class, so a test can put another in its place that loses what a power
failure would lose. Invariant: a file only grows; what `fdatasync` and `sync_names` returned from
survives.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedIOBase
from pathlib import Path

from typing_extensions import Buffer

_LOCK = "lock"
_IDENTITY = "identity"
_SUFFIX = ".journal"
_SNAPSHOT = ".snapshot"
_UNFINISHED = ".unfinished"
_SET_ASIDE = ".diverged"
_MAX_PARTS = 512


class FolderLocked(Exception):
    """Another process writes this journal."""


class Folder:
    """Files of one folder, which must exist. Files are named by segment number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def lock(self) -> None:
        """Becomes the one writer of the folder, until `unlock` or the end of the process."""
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise FolderLocked(f"{self.path} is locked: another engine writes there") from None
        self._lock = descriptor

    def unlock(self) -> None:
        """Lets another writer in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_locked_elsewhere(self) -> bool:
        """Whether another process is the one writer."""
        if self._lock is not None:
            return False
        try:
            self.lock()
        except FolderLocked:
            return True
        self.unlock()
        return False

    def identity(self) -> str:
        """Says which folder this is: 32 hexadecimal digits that it got when it was first asked."""
        path = self.path / _IDENTITY
        if not path.exists():
            token = secrets.token_hex(16)
            made = self.path / f"{_IDENTITY}-{token}"
            with made.open("w") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # somebody was faster
                os.link(made, path)
            made.unlink()
            self.sync_names()
        return path.read_text()

    def file_name(self, number: int) -> str:
        """Name of a segment's file."""
        return f"{number:020d}{_SUFFIX}"

    def numbers(self) -> list[int]:
        """Numbers of the segments there are, ascending."""
        return sorted(int(path.stem) for path in self.path.glob(f"*{_SUFFIX}"))

    def create(self, number: int) -> int:
        """Makes a segment's file and returns its descriptor; FileExistsError if it is there."""
        return self._open_new(self.file_name(number))

    def remove(self, number: int) -> None:
        """Takes away a segment on which nothing counts, or that nobody needs any more."""
        self._unlink(self.file_name(number))

    def set_aside(self, number: int) -> None:
        """Keeps a segment, and the snapshot it began with, under names that nobody reads."""
        names = [self.snapshot_name(number), self.file_name(number)]
        if self.numbers() == [number]:
            names.reverse()  # a segment that began with it could not be read without it
        for name in names:
            if (self.path / name).exists():
                times = len(list(self.path.glob(f"{name}{_SET_ASIDE}*")))
                self._rename(name, f"{name}{_SET_ASIDE}-{times + 1}")
        self.sync_names()

    def append(self, descriptor: int, parts: Sequence[Buffer]) -> None:
        """Writes the parts behind the end; OSError when the disk takes less."""
        for start in range(0, len(parts), _MAX_PARTS):
            views = [memoryview(part) for part in parts[start : start + _MAX_PARTS]]
            written = os.writev(descriptor, views)
            for view in views:
                rest = view[min(written, len(view)) :]
                written -= min(written, len(view))
                while rest:
                    rest = rest[os.write(descriptor, rest) :]

    def fdatasync(self, descriptor: int) -> None:
        """Returns when all that was appended is on the disk."""
        os.fdatasync(descriptor)

    def sync(self, number: int) -> None:
        """Returns when all of a segment is on the disk that any process ever appended."""
        descriptor = self._open_again(self.file_name(number))
        try:
            self.fdatasync(descriptor)
        finally:
            self.close(descriptor)

    def sync_names(self) -> None:
        """Returns when the files' names are on the disk."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def snapshot_name(self, number: int) -> str:
        """Name of a snapshot's file."""
        return f"{number:020d}{_SNAPSHOT}"

    def snapshots(self) -> list[int]:
        """Numbers of the snapshots there are, ascending."""
        return sorted(int(path.stem) for path in self.path.glob(f"*{_SNAPSHOT}"))

    def save_snapshot(self, number: int, parts: Sequence[Buffer]) -> None:
        """Puts a snapshot's file on the disk: under its name it stands whole, or not at all."""
        self._save(self.snapshot_name(number), parts)

    def save_segment(self, number: int, parts: Sequence[Buffer]) -> None:
        """The same for a segment."""
        self._save(self.file_name(number), parts)

    def open_snapshot(self, number: int) -> BufferedIOBase:
        """Opens a snapshot's file to read it."""
        return (self.path / self.snapshot_name(number)).open("rb")

    def remove_snapshot(self, number: int) -> None:
        """Takes away a snapshot that newer ones stand in for."""
        self._unlink(self.snapshot_name(number))

    def close(self, descriptor: int) -> None:
        """Closes a file."""
        os.close(descriptor)

    def read(self, number: int, offset: int = 0, length: int | None = None) -> bytes:
        """Reads a part of a segment; shorter where the file ends."""
        with (self.path / self.file_name(number)).open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)

    def _save(self, name: str, parts: Sequence[Buffer]) -> None:
        for left in self.path.glob(f"*{_UNFINISHED}"):
            left.unlink()
        unfinished = name + _UNFINISHED
        descriptor = self._open_new(unfinished)
        try:
            self.append(descriptor, parts)
            self.fdatasync(descriptor)
        finally:
            self.close(descriptor)
        self._rename(unfinished, name)
        self.sync_names()

    def _open_new(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return os.open(self.path / name, flags, 0o600)

    def _open_again(self, name: str) -> int:
        return os.open(self.path / name, os.O_RDONLY | os.O_CLOEXEC)

    def _unlink(self, name: str) -> None:
        (self.path / name).unlink()

    def _rename(self, name: str, to: str) -> None:
        (self.path / name).rename(self.path / to)
