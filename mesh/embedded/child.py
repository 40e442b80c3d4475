"""One server process: spawned into its own session, waited for, ended, never left behind.

Its folder holds `pid` (who runs) and `log` (what it said); the pid counts only together with the
moment the process began, so that a number used again by the system is never taken for ours.
"""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_S = 0.02
ORPHAN_GRACE_S = 10.0
LONGEST_LOG_BYTES = 16 << 20
LAST_WORDS_LINES = 15


class ServerError(Exception):
    """A server could not be started or configured; the message says which, why and what it said."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system's user that a server runs as."""

    name: str
    uid: int
    gid: int


def wheel_folder(package: str) -> Path:
    """Return where a wheel was installed, without importing what else it brings (up to 0.5 s)."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is not installed"
    assert spec.origin is not None, f"{package} is not a folder"
    return Path(spec.origin).parent


def keep_short(log: Path) -> None:
    """Move what a long log says to `log.1`. Its writer appends, and so begins at the top again."""
    if log.stat().st_size > LONGEST_LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".1"))
        os.truncate(log, 0)


def _ends(process: psutil.Process, grace_s: float) -> bool:
    """Wait for a process that is not our child; one that nobody reaps has ended too."""
    deadline = time.monotonic() + grace_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


class Child:
    """The process of one server, at most one at a time."""

    def __init__(self, name: str, folder: Path) -> None:
        """Bind to `folder`, which exists when `spawn` is called; nothing is started."""
        self.name = name
        self.log = folder / "log"
        self._pid_file = folder / "pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def pid(self) -> int:
        """The process id; AssertionError before the first spawn."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives. Reaps it when it has ended."""
        return self._process is not None and self._process.poll() is None

    def spawn(
        self,
        command: Sequence[str | Path],
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command, as `account` where one is given. Raises ServerError if it cannot."""
        assert not self.running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            try:
                self._process = subprocess.Popen(
                    [str(word) for word in command],
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env=None if environment is None else dict(environment),
                    user=None if account is None else account.uid,
                    group=None if account is None else account.gid,
                    extra_groups=None if account is None else [],
                )
            except OSError as error:
                raise ServerError(f"{self.name} cannot be started: {error}") from error
        began = psutil.Process(self._process.pid).create_time()
        self._pid_file.write_text(f"{self._process.pid} {began}\n")

    def wait_until(self, answers: Callable[[], bool], timeout_s: float) -> bool:
        """Return True once `answers`, False when the process ended before.

        Raises ServerError, and kills the process, when neither happens in time.
        """
        deadline = time.monotonic() + timeout_s
        while self.running:
            if answers():
                return True
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(
                    f"{self.name} did not answer within {timeout_s:g} s: {self.last_words()}"
                )
            time.sleep(POLL_S)
        return False

    def stop(self, *steps: tuple[int, float]) -> None:
        """Send each (signal, seconds of grace) in turn until the process ends, then SIGKILL."""
        if self._process is None:
            return
        for signal_number, grace_s in steps:
            self._process.send_signal(signal_number)
            try:
                self._process.wait(grace_s)
                break
            except subprocess.TimeoutExpired:
                continue
        self.kill()

    def kill(self) -> None:
        """SIGKILL and reap; nothing happens when it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._pid_file.unlink(missing_ok=True)

    def end_orphan(self, signal_number: int) -> None:
        """End the process that an earlier, killed caller left in this folder, if it lives."""
        try:
            pid, began = self._pid_file.read_text().split()
            orphan = psutil.Process(int(pid))
            if orphan.create_time() != float(began):
                return
            orphan.send_signal(signal_number)
            if not _ends(orphan, ORPHAN_GRACE_S):
                orphan.kill()
                _ends(orphan, ORPHAN_GRACE_S)
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return

    def last_words(self) -> str:
        """The end of what the process of the last spawn said, for error messages."""
        with self.log.open("rb") as log:
            log.seek(0 if log.seek(0, os.SEEK_END) < self._said_before else self._said_before)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n  ".join(["its log ends:", *lines[-LAST_WORDS_LINES:]])
