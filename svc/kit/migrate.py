"""Brings the schemas of services to their newest version; `mesh migrate` runs it.

Connects as the database's owner (the user in POSTGRES_URL), makes what is missing of each service's
role and schema, and runs the service's migrations as that role, so that it owns all it uses and
nothing else. Each migration is a transaction of its own. Runs on one database wait for each other;
a process makes one run at a time, for Alembic's `op` is global. How to write a migration that old
and new code both survive: docs/migrations.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from svc.kit.database import CONNECT_TIMEOUT_S, password_of
from svc.kit.schema import (
    SERVICES,
    VERSION_TABLE,
    head_of,
    schema_of,
    services_with_schema,
)

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep

LOCK = 0x6D65_7368
"""The advisory lock that keeps two runs on one database apart."""

_LOCK_TIMEOUT_MS = 10_000
"""A migration that cannot lock a table in this time gives up rather than hold up traffic."""

_ROLE = """
DO $body$ BEGIN
  CREATE ROLE {role} LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $body$
"""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What one run did to one service; `before` is "" for a schema that was not there."""

    service: str
    before: str
    after: str


async def migrate(
    url: str,
    services: Sequence[str] = (),
    secrets: Path | None = None,
    folder: Path = SERVICES,
) -> list[Migrated]:
    """Bring the schemas of `services`, all where none is named, to their newest version.

    `url` is POSTGRES_URL with a user who may create roles and schemas. A role gets the password in
    `secrets` (database.password_of) where there is one. Raises LookupError for a service without
    migrations before anything is done, else what the first failing migration raised: those before
    it stay, and running again continues.
    """
    names = tuple(services) or services_with_schema(folder)
    expected = {name: head_of(name, folder) for name in names}
    done = []
    async with _owner(url) as owner:
        await owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for name in names:
            await _create_role(owner, name, password_of(name, secrets) if secrets else "")
            before = await _upgrade(url, name, folder)
            done.append(Migrated(name, before, expected[name]))
    return done


@asynccontextmanager
async def _owner(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        url, timeout=CONNECT_TIMEOUT_S, server_settings={"application_name": "mesh migrate"}
    )
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        yield connection
    finally:
        await connection.close()


async def _create_role(owner: asyncpg.Connection, service: str, password: str) -> None:
    role = schema_of(service)
    async with owner.transaction():
        await owner.execute(_ROLE.format(role=role))
        if password:
            literal = await owner.fetchval("SELECT quote_literal($1::text)", password)
            await owner.execute(f"ALTER ROLE {role} PASSWORD {literal}")
        if not await owner.fetchval("SELECT pg_has_role($1, 'SET')", role):
            await owner.execute(f"GRANT {role} TO CURRENT_USER")
        database = await owner.fetchval("SELECT quote_ident(current_database())")
        await owner.execute(f"GRANT CONNECT ON DATABASE {database} TO {role}")
        await owner.execute(f"CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {role}")


async def _upgrade(url: str, service: str, folder: Path) -> str:
    async def connect(*_: object, **__: object) -> asyncpg.Connection:
        return await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={
                "application_name": f"mesh migrate {service}",
                "lock_timeout": str(_LOCK_TIMEOUT_MS),
                "timezone": "UTC",
            },
        )

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    event.listen(engine.sync_engine, "do_execute", _execute_script)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_run, service, folder)
    finally:
        await engine.dispose()


def _execute_script(cursor: Any, script: str, params: object, context: Any) -> bool:
    """Execute several statements in one text, which the driver's usual way (preparing) refuses."""
    if params or ";" not in script.rstrip("; \n"):
        return False
    cursor.execute("SELECT 1", ())  # begins the transaction that the script belongs to
    driver = context.root_connection.connection.dbapi_connection
    driver.run_async(lambda connection: connection.execute(script))
    return True


def _run(connection: Connection, service: str, folder: Path) -> str:
    """Run what is missing and return the version before, "" for none."""
    schema = schema_of(service)
    scripts = _scripts(service, folder)
    before: list[str] = []

    def plan(heads: tuple[str, ...], _: MigrationContext) -> list[RevisionStep]:
        before.extend(heads)
        steps: list[Any] = scripts._upgrade_revs("head", heads)  # type: ignore[arg-type]  # noqa: SLF001
        return steps

    connection.execute(text(f"SET ROLE {schema}"))
    connection.execute(text(f"SET search_path TO {schema}"))
    connection.commit()
    with EnvironmentContext(Config(), scripts, fn=plan) as environment:
        environment.configure(
            connection=connection,
            version_table=VERSION_TABLE,
            version_table_schema=schema,
            transaction_per_migration=True,
        )
        with environment.begin_transaction():
            environment.run_migrations()
    return ", ".join(before)


def _scripts(service: str, folder: Path) -> ScriptDirectory:
    migrations = folder / service / "migrations"
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("version_locations", str(migrations / "versions"))
    config.set_main_option("path_separator", "newline")
    return ScriptDirectory.from_config(config)
