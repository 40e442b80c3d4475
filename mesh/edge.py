"""`mesh edge`: the edge's configuration, its check, and its table of routes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from mesh.edge_config import Address, EdgeLayout, render
from mesh.edge_routes import read_methods, route_table
from mesh.embedded.child import ServerError
from mesh.embedded.envoy import validate
from mesh.installation import DESCRIPTOR_SET, LOOPBACK, PROJECT
from mesh.tokens import TokenIssuer
from svc.topology import EDGE_ADMIN_PORT, EDGE_PORT, SERVICES

CONFIGURATION = PROJECT / "envoy" / "envoy.yaml"
ROUTES = PROJECT / "envoy" / "routes.txt"

EXAMPLES = """
\b
Examples:
  mesh edge render    after protos/ or svc/topology.py changed
  mesh edge check     what CI runs
  mesh edge routes
"""


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Make and check what the outside world can reach."""


@command.command("render")
def render_command() -> None:
    """Write envoy/envoy.yaml and envoy/routes.txt."""
    CONFIGURATION.write_text(_configuration(), encoding="utf-8")
    ROUTES.write_text(_routes(), encoding="utf-8")
    click.echo(f"{CONFIGURATION.relative_to(PROJECT)}, {ROUTES.relative_to(PROJECT)}")


@command.command("check")
def check_command() -> None:
    """Compare the checked-in files with what they are made from, and let Envoy judge them."""
    for path, made in ((CONFIGURATION, _configuration()), (ROUTES, _routes())):
        if path.read_text(encoding="utf-8") != made:
            raise click.ClickException(f"{path} is not what the contracts say: mesh edge render")
    with tempfile.TemporaryDirectory() as folder:
        jwks = TokenIssuer(Path(folder) / "key.pem").jwks()
        os.chdir(PROJECT)
        try:
            validate(CONFIGURATION, {"MESH_EDGE_SECRET": "any", "MESH_JWKS": jwks})
        except ServerError as error:
            raise click.ClickException(str(error)) from error
    click.echo("the edge's configuration is current and valid")


@command.command("routes")
def routes_command() -> None:
    """Print every public spelling of every public method."""
    click.echo(_routes(), nl=False)


def _configuration() -> str:
    layout = EdgeLayout(
        listener=Address(LOOPBACK, EDGE_PORT),
        admin=Address(LOOPBACK, EDGE_ADMIN_PORT),
        services={name: Address(LOOPBACK, entry.grpc_port) for name, entry in SERVICES.items()},
        descriptor_set=str(DESCRIPTOR_SET.relative_to(PROJECT)),
    )
    return render(read_methods(DESCRIPTOR_SET), layout)


def _routes() -> str:
    return "\n".join(route_table(read_methods(DESCRIPTOR_SET))) + "\n"
