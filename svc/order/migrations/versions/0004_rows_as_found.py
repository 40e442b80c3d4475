"""A change says how many events the order had when it was found, which need not be under a lock."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TYPE change_row ADD ATTRIBUTE found int")
