"""Roles, schemas and versions: who owns what, and who refuses to start on what."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from svc.kit.database import SchemaVersionError, Target, open_database
from svc.kit.migrate import LOCK, Migrated, migrate
from svc.kit.schema import SERVICES, head_of, services_with_schema


@pytest.fixture
def growing(services: Path, tmp_path: Path) -> Path:
    """Copy the test services to where a test may change them."""
    return Path(shutil.copytree(services, tmp_path / "services"))


def add_migration(folder: Path, *scripts: str) -> Path:
    path = folder / "alpha" / "migrations" / "versions" / "0003_next.py"
    path.write_text(
        "from alembic import op\n"
        "revision = '0003'\ndown_revision = '0002'\n"
        f"def upgrade():\n    for script in {scripts!r}:\n        op.execute(script)\n"
    )
    return path


async def fetchval(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_migrating_reports_what_it_did_and_again_does_nothing(
    database_url: str, services: Path
) -> None:
    assert await migrate(database_url, folder=services) == [
        Migrated("alpha", "", "0002"),
        Migrated("beta", "", "0001"),
    ]
    assert await migrate(database_url, folder=services) == [
        Migrated("alpha", "0002", "0002"),
        Migrated("beta", "0001", "0001"),
    ]


async def test_a_script_of_several_statements_is_run_whole(
    database_url: str, services: Path
) -> None:
    await migrate(database_url, ["alpha"], folder=services)
    assert await fetchval(database_url, "SELECT text FROM svc_alpha.notes") == "a;b"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM svc_beta.outbox",
        "INSERT INTO svc_beta.outbox_counter VALUES (1, 1)",
        "SELECT * FROM svc_beta.schema_version",
        "CREATE TABLE svc_beta.mine ()",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "SET ROLE svc_beta",
        "COPY notes TO PROGRAM 'cat'",
    ],
)
async def test_a_service_can_touch_nothing_but_its_schema(
    database_url: str, services: Path, statement: str
) -> None:
    await migrate(database_url, folder=services)
    connection = await Target(database_url, "alpha", folder=services).connect()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await connection.execute(statement)
    await connection.close()


async def test_a_service_owns_every_table_of_its_schema(database_url: str, services: Path) -> None:
    await migrate(database_url, folder=services)
    others = await fetchval(
        database_url,
        "SELECT count(*) FROM pg_tables WHERE schemaname LIKE 'svc_%' AND tableowner <> schemaname",
    )
    assert others == 0


async def test_runs_at_once_on_one_server_share_its_roles_and_all_end_well(
    new_database: Callable[[], str], services: Path, tmp_path: Path
) -> None:
    for name in ("delta", "epsilon"):  # roles that no test before has made
        shutil.copytree(services / "beta", tmp_path / name)
    program = (
        "import asyncio, sys, pathlib; from svc.kit.migrate import migrate;"
        "asyncio.run(migrate(sys.argv[1], folder=pathlib.Path(sys.argv[2])))"
    )
    one, other = new_database(), new_database()
    runs = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, url, tmp_path)
        for url in (one, one, other)
    ]
    assert [await run.wait() for run in runs] == [0, 0, 0]
    for url in (one, other):
        assert {done.before for done in await migrate(url, folder=tmp_path)} == {"0001"}


async def test_an_owner_without_superuser_rights_can_migrate(
    database_url: str, services: Path, tmp_path: Path
) -> None:
    shutil.copytree(services / "beta", tmp_path / "gamma")
    name = await fetchval(database_url, "SELECT current_database()")
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE ROLE landlord LOGIN CREATEROLE")
    await connection.execute(f"ALTER DATABASE {name} OWNER TO landlord")
    await connection.close()
    url = database_url.replace("postgresql://postgres@", "postgresql://landlord@")
    assert await migrate(url, folder=tmp_path) == [Migrated("gamma", "", "0001")]
    assert await migrate(url, folder=tmp_path) == [Migrated("gamma", "0001", "0001")]
    database = await open_database(Target(url, "gamma", folder=tmp_path))
    await database.close()


async def test_a_role_gets_the_password_of_its_file(
    database_url: str, services: Path, tmp_path: Path
) -> None:
    (tmp_path / "postgres_svc_beta").write_text("it's a $secret\n")
    await migrate(database_url, ["beta"], tmp_path, services)
    stored = await fetchval(
        database_url, "SELECT rolpassword FROM pg_authid WHERE rolname = 'svc_beta'"
    )
    assert str(stored).startswith("SCRAM-SHA-256$")


async def test_a_failing_migration_leaves_the_version_before_it_and_can_be_run_again(
    database_url: str, growing: Path
) -> None:
    faulty = add_migration(growing, "CREATE TABLE half (); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database_url, ["alpha"], folder=growing)
    assert await fetchval(database_url, "SELECT to_regclass('svc_alpha.half')") is None
    faulty.unlink()
    add_migration(growing, "CREATE TABLE half ()")
    assert await migrate(database_url, ["alpha"], folder=growing) == [
        Migrated("alpha", "0002", "0003")
    ]


async def test_an_unknown_service_stops_before_anything_is_done(
    database_url: str, services: Path
) -> None:
    with pytest.raises(LookupError, match="no service 'aplha' with migrations"):
        await migrate(database_url, ["beta", "aplha"], folder=services)
    assert await fetchval(database_url, "SELECT to_regnamespace('svc_beta')") is None


async def test_a_migration_of_several_scripts_is_one_transaction(
    database_url: str, growing: Path
) -> None:
    add_migration(growing, "CREATE TABLE half (); CREATE TABLE other ()", "SELECT 1 / 0")
    with pytest.raises(DBAPIError, match="division by zero"):
        await migrate(database_url, ["alpha"], folder=growing)
    assert await fetchval(database_url, "SELECT to_regclass('svc_alpha.half')") is None


async def test_a_run_waits_for_the_one_before_it(database_url: str, services: Path) -> None:
    first = await asyncpg.connect(database_url)
    await first.execute("SELECT pg_advisory_lock($1)", LOCK)
    second = asyncio.create_task(migrate(database_url, folder=services))
    while not await first.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        pass
    assert await first.fetchval("SELECT to_regnamespace('svc_alpha')") is None
    await first.close()
    assert [done.after for done in await second] == ["0002", "0001"]


@pytest.mark.parametrize("service", services_with_schema())
def test_the_version_a_service_knows_is_alembics_head(service: str) -> None:
    folder = SERVICES / service / "migrations"
    scripts = ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])
    assert head_of(service) == scripts.get_current_head()


async def test_a_program_older_than_the_database_refuses_to_start(
    database_url: str, growing: Path, services: Path
) -> None:
    add_migration(growing, "CREATE TABLE later ()")
    await migrate(database_url, ["alpha"], folder=growing)
    with pytest.raises(SchemaVersionError, match="is at version 0003, this program needs 0002"):
        await open_database(Target(database_url, "alpha", folder=services))


async def test_a_program_newer_than_the_database_refuses_to_start(
    database_url: str, growing: Path, services: Path
) -> None:
    await migrate(database_url, ["alpha"], folder=services)
    add_migration(growing, "CREATE TABLE later ()")
    with pytest.raises(SchemaVersionError, match="is at version 0002, this program needs 0003"):
        await open_database(Target(database_url, "alpha", folder=growing))


@pytest.mark.parametrize("left", ["no role", "no table"])
async def test_a_database_that_was_never_migrated_is_refused(
    database_url: str, services: Path, tmp_path: Path, left: str
) -> None:
    service = "alpha" if left == "no table" else "unheard"
    if left == "no table":
        await migrate(database_url, ["alpha"], folder=services)
        connection = await asyncpg.connect(database_url)
        await connection.execute("DROP TABLE svc_alpha.schema_version")
        await connection.close()
    else:
        shutil.copytree(services / "beta", tmp_path / service)
    folder = services if left == "no table" else tmp_path
    with pytest.raises(SchemaVersionError, match="is at version none") as refusal:
        await open_database(Target(database_url, service, folder=folder))
    assert "mesh migrate" in str(refusal.value)
