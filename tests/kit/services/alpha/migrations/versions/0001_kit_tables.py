"""What the kit brings: the tables of leases and of the outbox."""

from alembic import op

from svc.kit import lease, outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    lease.create_table(op)
    outbox.create_tables(op)
