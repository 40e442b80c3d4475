"""Trades on their way in: kit.database encodes a parameter of a domain over rows itself."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TYPE trade_row AS (time_us bigint, instrument_id integer, trade_id bigint,
            price_ticks bigint, lots bigint, side text, sequence bigint)
        """
    )
    op.execute("CREATE DOMAIN trade_rows AS trade_row[]")
