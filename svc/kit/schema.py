"""What a service's schema is called and which migrations make it.

Schema and role bear one name, `svc_order` for order: PostgreSQL's own search path ("$user") then
finds the tables, and no schema is named by a reserved word.
"""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

SERVICES = Path(__file__).resolve().parent.parent
"""The folder of the service packages."""

VERSION_TABLE = "schema_version"


def schema_of(service: str) -> str:
    """The name of the service's schema and of the role that owns it."""
    return f"svc_{service}"


def scripts_of(service: str, services: Path = SERVICES) -> ScriptDirectory:
    """The service's migration history, `<service>/migrations/versions/*.py`.

    Raises LookupError where the service has none.
    """
    folder = services / service / "migrations"
    if not any(folder.glob("versions/*.py")):
        raise LookupError(f"no service {service!r} with migrations in {services}")
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder / "versions"))
    config.set_main_option("path_separator", "newline")
    return ScriptDirectory.from_config(config)


def head_of(service: str, services: Path = SERVICES) -> str:
    """The version this program knows. Raises LookupError where there is no migration."""
    head = scripts_of(service, services).get_current_head()
    assert head is not None, "a history that has migrations has a newest one"
    return head


def services_with_schema(services: Path = SERVICES) -> tuple[str, ...]:
    """Every service that has migrations, by name."""
    found = services.glob("*/migrations/versions/*.py")
    return tuple(sorted({path.relative_to(services).parts[0] for path in found}))
