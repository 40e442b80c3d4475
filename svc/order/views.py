"""Rows as messages of the public contract. Decimals are canonical text, times have a zone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp
from order.v1 import order_pb2
from sqlalchemy import RowMapping

from svc.kit import decimals, ids
from svc.order.catalog import Catalog
from svc.order.instrument import Instrument


def plain(value: Decimal | None) -> str:
    """Canonical text of a decimal from a table; empty for none."""
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def timestamp(value: datetime | None) -> Timestamp | None:
    """A time of a table."""
    if value is None:
        return None
    message = Timestamp()
    message.FromDatetime(value)
    return message


def order(row: RowMapping, catalog: Catalog) -> order_pb2.Order:
    """An order."""
    instrument = catalog.get(row["instrument_id"])
    has_quantity = row["quantity"] is not None
    return order_pb2.Order(
        order_id=ids.to_uuid(row["id"]),
        client_order_id=row["client_order_id"] or "",
        account_id=ids.to_uuid(row["account_id"]),
        symbol=instrument.symbol if instrument else "",
        side=row["side"].upper(),
        type=row["type"].upper(),
        time_in_force=row["time_in_force"].upper(),
        price=plain(row["price"]),
        stop_price=plain(row["stop_price"]),
        quantity=plain(row["quantity"]),
        filled_quantity=plain(row["filled_qty"]),
        remaining_quantity=plain(row["remaining_qty"]) if has_quantity else "",
        average_price=plain(row["avg_fill_price"]),
        status=row["status"].upper(),
        reason=row["reason"] or "",
        replace_reason=row["replace_reason"] or "",
        leverage=row["leverage"],
        post_only=row["post_only"],
        reduce_only=row["reduce_only"],
        expires_at=timestamp(row["expires_at"]),
        created_at=timestamp(row["created_at"]),
        updated_at=timestamp(row["updated_at"]),
        version=row["version"],
        fee_currency=row["fee_currency"],
        sequence=row["sequence"],
        source=row["source"],
        trail_offset=plain(row["trail_offset"]),
        trail_bps=row["trail_bps"] or 0,
        activation_price=plain(row["activation_price"]),
        triggered_at=timestamp(row["triggered_at"]),
        display_quantity=plain(row["display_qty"]),
        quote_amount=_quote_amount(int(row["quote_units"]), instrument),
    )


def _quote_amount(units: int, instrument: Instrument | None) -> str:
    return decimals.format_units(units, instrument.quote_scale) if units and instrument else ""


def trade(row: RowMapping, catalog: Catalog) -> order_pb2.Trade:
    """A trade of one account."""
    instrument = catalog.get(row["instrument_id"])
    assert instrument is not None, "an instrument is never forgotten"
    return order_pb2.Trade(
        trade_id=ids.to_uuid(row["trade_id"]),
        order_id=ids.to_uuid(row["order_id"]),
        symbol=instrument.symbol,
        side=row["side"].upper(),
        price=plain(row["price"]),
        quantity=plain(row["quantity"]),
        fee=decimals.format_units(int(row["fee_units"]), instrument.quote_scale),
        fee_currency=instrument.quote_asset,
        maker=row["maker"],
        time=timestamp(row["executed_at"]),
        sequence=row["sequence"],
    )
