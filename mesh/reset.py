"""`mesh reset`: forget everything of an installation."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import click

from mesh.embedded.postgres import Postgres
from mesh.installation import Installation
from mesh.options import home_option

EXAMPLES = """
\b
Examples:
  mesh reset
  mesh reset --yes
"""


@click.command(epilog=EXAMPLES)
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
def command(yes: bool, home: Path) -> None:  # noqa: FBT001
    """Remove all data of a stopped exchange: balances, orders, journal, tokens."""
    installation = Installation(home)
    if not installation.home.is_dir():
        click.echo(f"{installation.home} is empty already")
        return
    with installation.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"an exchange runs in {installation.home}; stop it first"
            ) from None
        if not yes:
            click.confirm(f"Remove everything in {installation.home}?", abort=True)
        Postgres(installation.part("postgres")).erase()
        shutil.rmtree(installation.home)
    click.echo(f"{installation.home} is removed")
