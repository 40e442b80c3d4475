"""Icebergs: how much of an order the book shows at a time."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TYPE order_row ADD ATTRIBUTE display_lots bigint")
    op.execute("ALTER TABLE orders ADD COLUMN display_qty numeric(38, 18)")
