"""No limit that nothing enforces."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE account_limits DROP COLUMN max_unsettled_orders")
