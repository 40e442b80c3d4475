"""Limits of accounts that have their own, and the kill switches that are thrown."""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
-- Whole units of the quote or base asset of whatever instrument is traded; 0 is no limit.
CREATE TABLE account_limits (
    account_id bigint PRIMARY KEY CHECK (account_id > 0),
    max_notional numeric NOT NULL CHECK (max_notional >= 0),
    max_quantity numeric NOT NULL CHECK (max_quantity >= 0),
    fat_finger_bps bigint NOT NULL CHECK (fat_finger_bps >= 0),
    max_unsettled_orders bigint NOT NULL CHECK (max_unsettled_orders >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A row is a switch that is thrown.
CREATE TABLE kill_switches (
    scope text NOT NULL CHECK (scope IN ('GLOBAL', 'ACCOUNT', 'INSTRUMENT')),
    id bigint NOT NULL CHECK (id >= 0 AND (id = 0) = (scope = 'GLOBAL')),
    note text NOT NULL,
    thrown_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, id)
);
"""


def upgrade() -> None:
    op.execute(_TABLES)
