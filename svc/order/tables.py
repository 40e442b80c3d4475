"""The tables that queries read, as SQLAlchemy knows them; migrations make them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Enum,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    text,
)

from svc.order.lifecycle import Status
from svc.order.terms import OrderType, Side, TimeInForce

_PRICE = Numeric(38, 18)
_METADATA = MetaData()


def _enum(name: str, members: type[Side | OrderType | TimeInForce | Status]) -> Enum:
    return Enum(*(member.name.lower() for member in members), name=name, create_type=False)


SIDE = _enum("order_side", Side)
TYPE = _enum("order_type", OrderType)
TIME_IN_FORCE = _enum("time_in_force", TimeInForce)
STATUS = _enum("order_status", Status)

orders = Table(
    "orders",
    _METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("version", Integer),
    Column("account_id", BigInteger),
    Column("instrument_id", Integer),
    Column("side", SIDE),
    Column("type", TYPE),
    Column("time_in_force", TIME_IN_FORCE),
    Column("status", STATUS),
    Column("price", _PRICE),
    Column("stop_price", _PRICE),
    Column("trail_offset", _PRICE),
    Column("trail_bps", Integer),
    Column("activation_price", _PRICE),
    Column("quantity", _PRICE),
    Column("display_qty", _PRICE),
    Column("filled_qty", _PRICE),
    Column("remaining_qty", _PRICE),
    Column("avg_fill_price", _PRICE),
    Column("quote_units", Numeric(38, 0)),
    Column("leverage", Integer),
    Column("post_only", Boolean),
    Column("reduce_only", Boolean),
    Column("client_order_id", Text),
    Column("source", Text),
    Column("fee_currency", Text),
    Column("reason", Text),
    Column("replace_reason", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("triggered_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("events", Integer),
    Column("sequence", BigInteger),
)

order_events = Table(
    "order_events",
    _METADATA,
    Column("order_id", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("account_id", BigInteger),
    Column("created_at", DateTime(timezone=True)),
)

IS_END = text("order_events.new_status IN ('filled', 'canceled', 'rejected', 'expired')")
"""An event after which the order is live no more; word by word the condition of its index."""

open_orders = Table(
    "open_orders",
    _METADATA,
    Column("account_id", BigInteger, primary_key=True),
    Column("order_id", BigInteger, primary_key=True),
    Column("client_order_id", Text),
)

trades = Table(
    "trades",
    _METADATA,
    Column("account_id", BigInteger, primary_key=True),
    Column("executed_at", DateTime(timezone=True), primary_key=True),
    Column("trade_id", BigInteger, primary_key=True),
    Column("side", SIDE, primary_key=True),
    Column("order_id", BigInteger),
    Column("instrument_id", Integer),
    Column("price", _PRICE),
    Column("quantity", _PRICE),
    Column("fee_units", Numeric(38, 0)),
    Column("maker", Boolean),
    Column("sequence", BigInteger),
)
