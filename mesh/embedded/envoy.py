"""The real Envoy over one configuration file."""

import http.client
import signal
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from mesh.embedded.child import Child, ServerError, wheel_folder

START_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 2.0
VALIDATE_TIMEOUT_S = 60.0

# One worker: the machine's cores are shared with everything that stands behind the edge.
_FLAGS = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")


class Envoy:
    """One Envoy. Its configuration has an admin listener: that is where it says it is ready."""

    def __init__(
        self, home: Path, config: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Bind to a folder, which need not exist, and to a file that exists at `start`.

        `environment` replaces the caller's.
        """
        self._home = home
        self._config = config
        self._environment = environment
        self._admin = home / "admin"
        self._child = Child("Envoy", home)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child.running

    @property
    def admin(self) -> tuple[str, int]:
        """Host and port of the admin listener, also where the configuration says port 0."""
        host, _, port = self._admin.read_text().strip().rpartition(":")
        return host, int(port)

    def start(self) -> None:
        """Return when every listener takes connections. Raises ServerError.

        Ends an Envoy that a killed caller left here.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        self._child.end_orphan(signal.SIGTERM)
        self._admin.unlink(missing_ok=True)
        self._child.spawn(
            [program(), *_FLAGS, "-c", self._config, "--admin-address-path", self._admin],
            environment=self._environment,
        )
        if not self._child.wait_until(self.answers, START_TIMEOUT_S):
            raise ServerError(f"Envoy ended while starting: {self._child.last_words()}")

    def answers(self) -> bool:
        """Whether Envoy calls itself ready: it has started and its listeners are open."""
        if not self._admin.exists():
            return False
        try:
            host, port = self.admin
            asking = http.client.HTTPConnection(host, port, timeout=READY_TIMEOUT_S)
            with closing(asking):
                asking.request("GET", "/ready")
                return asking.getresponse().status == http.HTTPStatus.OK
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def stop(self) -> None:
        """End Envoy; requests in flight are cut."""
        self._child.stop((signal.SIGTERM, 5.0))

    def kill(self) -> None:
        """SIGKILL Envoy."""
        self._child.kill()


def program() -> Path:
    """Return the path of the Envoy binary."""
    return wheel_folder("envoy") / "_bin" / "envoy"


def validate(config: Path, environment: Mapping[str, str] | None = None) -> None:
    """Raise ServerError with Envoy's words if it refuses the configuration.

    Some faults show at run time alone: a test boots the same file.
    """
    asked = subprocess.run(
        [program(), "--mode", "validate", "-c", config, "--log-level", "error"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=VALIDATE_TIMEOUT_S,
        check=False,
    )
    if asked.returncode:
        raise ServerError(f"Envoy refuses {config}: {(asked.stderr + asked.stdout).strip()}")
