"""Replaces: every version of an order that was ever asked for, and why the last was refused."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """
        -- A version above 1 is used once: `accepted` has its command in the outbox, the others
        -- never will, and what is held for them is given back.
        CREATE TABLE replaces (
            order_id bigint NOT NULL,
            version integer NOT NULL CHECK (version > 1),
            accepted boolean NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (order_id, version)
        )
        """
    )
    op.execute("ALTER TABLE orders ADD COLUMN replace_reason text")
