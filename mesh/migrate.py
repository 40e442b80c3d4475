"""`mesh migrate`: brings the database of POSTGRES_URL to what this release needs.

Run it before the new release starts; the old one may still be running (docs/migrations.md).
"""

import asyncio
from pathlib import Path

import asyncpg
import click
from sqlalchemy.exc import DBAPIError

from svc.kit.migrate import migrate

EXAMPLES = """
\b
Examples:
  mesh migrate --url postgresql://owner@localhost/quantamesh
  mesh migrate order wallet
"""


@click.command(epilog=EXAMPLES)
@click.argument("services", nargs=-1)
@click.option(
    "--url",
    envvar="POSTGRES_URL",
    required=True,
    help="Database, with a user who may create roles and schemas. [POSTGRES_URL]",
)
@click.option(
    "--secrets",
    envvar="MESH_SECRETS_DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with postgres_svc_<service>, the password of each service's role; "
    "without one roles get none. [MESH_SECRETS_DIR]",
)
def command(services: tuple[str, ...], url: str, secrets: Path | None) -> None:
    """Create or bring up to date the schemas of SERVICES, all of them by default."""
    try:
        migrated = asyncio.run(migrate(url, services, secrets))
    except OSError as error:
        raise click.ClickException(f"no database answers at POSTGRES_URL: {error}") from error
    except (LookupError, asyncpg.PostgresError, DBAPIError) as error:
        raise click.ClickException(f"not migrated: {error}") from error
    for done in migrated:
        if done.before == done.after:
            click.echo(f"{done.service}: at {done.after} already")
        else:
            click.echo(f"{done.service}: {done.before or 'new'} -> {done.after}")
