"""What a service's schema is called and which migration is its newest.

Schema and role bear one name, `svc_order` for order: PostgreSQL's own search path ("$user") then
finds the tables, and no schema is named by a reserved word. Alembic is not loaded here: a service
that comes back after a crash needs to know its version, not how to make it.
"""

import ast
from pathlib import Path

SERVICES = Path(__file__).resolve().parent.parent
"""The folder of the service packages."""

VERSION_TABLE = "schema_version"


def schema_of(service: str) -> str:
    """The name of the service's schema and of the role that owns it."""
    return f"svc_{service}"


def migrations_of(service: str, services: Path = SERVICES) -> list[Path]:
    """The service's migrations. Raises LookupError where it has none."""
    found = sorted((services / service / "migrations" / "versions").glob("*.py"))
    if not found:
        raise LookupError(f"no service {service!r} with migrations in {services}")
    return found


def head_of(service: str, services: Path = SERVICES) -> str:
    """The version this program knows: the revision that no other one follows.

    Raises LookupError where the service has no migrations.
    """
    revisions: set[str] = set()
    followed: set[str] = set()
    for path in migrations_of(service, services):
        names = _assigned(path)
        assert "down_revision" in names, (
            f"{path} must assign revision and down_revision, one a line"
        )
        revisions.add(names["revision"] or "")
        followed.add(names["down_revision"] or "")
    heads = revisions - followed
    assert len(heads) == 1, f"the migrations of {service} end in {sorted(heads)}: must be one"
    return heads.pop()


def services_with_schema(services: Path = SERVICES) -> tuple[str, ...]:
    """Every service that has migrations, by name."""
    found = services.glob("*/migrations/versions/*.py")
    return tuple(sorted({path.relative_to(services).parts[0] for path in found}))


def _assigned(path: Path) -> dict[str, str | None]:
    """The names a migration gives itself and the one before it, as written in its file."""
    names: dict[str, str | None] = {}
    for statement in ast.parse(path.read_text()).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)) | (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value))
            ) if isinstance(value, str | None):
                names[name] = value
    return names
