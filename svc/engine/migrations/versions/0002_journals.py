"""The journals that hold all that a market's leader has told anybody."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table; nobody is in it, so whoever comes first leads."""
    op.execute(
        """
        CREATE TABLE journals (
            market int NOT NULL,
            journal text NOT NULL CHECK (journal ~ '^[0-9a-f]{32}$'),
            instance text NOT NULL,
            epoch bigint,
            log_id bytea CHECK (octet_length(log_id) = 16),
            PRIMARY KEY (market, journal),
            CHECK ((epoch IS NULL) = (log_id IS NULL))
        )
        """
    )
    op.execute("COMMENT ON COLUMN journals.epoch IS 'of the lease under which this one leads'")
