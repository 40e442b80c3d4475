"""Trailing stops: how far their trigger stays behind the trades, and what wakes them."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        "ALTER TYPE order_row ADD ATTRIBUTE trail bigint, ADD ATTRIBUTE activation_ticks bigint"
    )
    op.execute(
        """
        ALTER TABLE orders ADD COLUMN trail_offset numeric(38, 18), ADD COLUMN trail_bps integer,
            ADD COLUMN activation_price numeric(38, 18)
        """
    )
