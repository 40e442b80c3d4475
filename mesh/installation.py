"""One installation on this machine: its folder, its ports, and what its processes are told.

Owns the layout of `.mesh/`. Everything that a restart must find again is in it; `mesh reset`
removes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc

from mesh.edge_config import Address, EdgeLayout, render
from mesh.edge_routes import read_methods
from mesh.tokens import TokenIssuer
from svc.kit.client import connect
from svc.kit.identity import EDGE, OPERATOR, create_secrets, load_identity
from svc.kit.settings import load_endpoints
from svc.topology import EDGE_ADMIN_PORT, EDGE_PORT, SERVICES

PROJECT = Path(__file__).resolve().parent.parent
DESCRIPTOR_SET = PROJECT / "gen" / "descriptor.binpb"
LOOPBACK = "127.0.0.1"


class NotRunningError(Exception):
    """No exchange runs in this folder."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a running installation tells the other commands."""

    pid: int
    edge_port: int
    database_url: str
    targets: Mapping[str, str]
    """Where each service's gRPC port is."""

    @property
    def edge_url(self) -> str:
        """Where REST is."""
        return f"http://{LOOPBACK}:{self.edge_port}"

    @property
    def edge_target(self) -> str:
        """Where gRPC is."""
        return f"{LOOPBACK}:{self.edge_port}"


class Installation:
    """The folder of one installation. It need not exist before `prepare`."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.secrets = self.home / "secrets"
        self.journal = self.home / "journal"
        self.demo = self.home / "demo.json"
        self.last_id = self.home / "last-id"
        self.lock = self.home / "lock"
        self._running = self.home / "running.json"

    def part(self, name: str) -> Path:
        """The folder of one process: its log, its pid, and what is its own."""
        return self.home / name

    def prepare(self) -> None:
        """Make what is missing: folders, a secret for each identity, the signing key."""
        self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.journal.mkdir(mode=0o700, exist_ok=True)
        create_secrets(self.secrets, (*SERVICES, EDGE, OPERATOR))
        self.issuer()

    def issuer(self) -> TokenIssuer:
        """Signs tokens of this installation."""
        return TokenIssuer(self.secrets / "signing.pem")

    def service_environment(self, postgres_url: str, redis_url: str) -> dict[str, str]:
        """The environment of the services: ours, and where everything of this folder is."""
        return {
            **os.environ,
            "POSTGRES_URL": postgres_url,
            "REDIS_URL": redis_url,
            "MESH_SECRETS_DIR": str(self.secrets),
            "MESH_JOURNAL_DIR": str(self.journal),
            "MESH_INSTANCE": "local",
        }

    def edge_environment(self) -> dict[str, str]:
        """The environment of Envoy: ours, its secret, and the key that verifies tokens."""
        secret = load_identity(self.secrets, EDGE).secret
        return {**os.environ, "MESH_EDGE_SECRET": secret, "MESH_JWKS": self.issuer().jwks()}

    def write_edge_configuration(self, edge_port: int, admin_port: int) -> Path:
        """Envoy's configuration with the ports of this installation."""
        endpoints = load_endpoints(os.environ)
        layout = EdgeLayout(
            listener=Address(LOOPBACK, edge_port),
            admin=Address(LOOPBACK, admin_port),
            services={name: Address(LOOPBACK, end.grpc_port) for name, end in endpoints.items()},
            descriptor_set=str(DESCRIPTOR_SET),
        )
        path = self.part("edge") / "envoy.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(render(read_methods(DESCRIPTOR_SET), layout), encoding="utf-8")
        return path

    def say_running(self, running: Running) -> None:
        """Tell the other commands. Removed by `say_stopped`."""
        self._running.write_text(json.dumps(asdict(running), indent=2) + "\n", encoding="utf-8")

    def say_stopped(self) -> None:
        """No exchange runs here any more."""
        self._running.unlink(missing_ok=True)

    def running(self) -> Running:
        """What runs here. Raises NotRunningError."""
        try:
            running = Running(**json.loads(self._running.read_text(encoding="utf-8")))
            os.kill(running.pid, 0)
        except (OSError, ValueError) as error:
            raise NotRunningError(
                f"no exchange runs in {self.home}; start one with `make up`"
            ) from error
        return running

    def operator_channel(self, service: str) -> grpc.aio.Channel:
        """A channel to a service, past the edge, as the operator. Raises NotRunningError."""
        targets = self.running().targets
        if service not in targets:
            raise NotRunningError(f"no {service} runs in {self.home}: {', '.join(targets)} do")
        return connect(targets[service], load_identity(self.secrets, OPERATOR))


def edge_ports() -> tuple[int, int]:
    """Ports of the edge and of its administration: EDGE_PORT and EDGE_ADMIN_PORT move them.

    Raises ValueError for what is no port.
    """
    ports = []
    for variable, default in (("EDGE_PORT", EDGE_PORT), ("EDGE_ADMIN_PORT", EDGE_ADMIN_PORT)):
        text = os.environ.get(variable, str(default))
        if not (text.isdecimal() and 0 < int(text) < 1 << 16):
            raise ValueError(f"{variable} is {text!r}: must be a port, 1..65535")
        ports.append(int(text))
    return ports[0], ports[1]
