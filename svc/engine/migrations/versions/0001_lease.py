"""The lease of each market's writer; everything else the engine keeps is its journal."""

from alembic import op

from svc.kit import lease

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table of leases."""
    lease.create_table(op)
