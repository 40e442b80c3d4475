"""Stop orders: the trigger comes in with the order, and when it traded is kept."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("ALTER TYPE order_row ADD ATTRIBUTE stop_ticks bigint")
    op.execute("ALTER TABLE orders ADD COLUMN triggered_at timestamptz")
