"""A table of the service's own, and a script of several statements."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL);
        -- A semicolon; in a comment, and a colon where a cast needs two.
        INSERT INTO notes VALUES (1, 'a;b'::text);
    """)
