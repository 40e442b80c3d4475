"""Lists of rows that statements take, by name: kit.database encodes parameters of these itself."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name in ("order", "change", "event", "trade", "answer"):
        op.execute(f"CREATE DOMAIN {name}_rows AS {name}_row[]")
