"""What intake sends, built from the contracts' messages: what encoding must equal."""

from __future__ import annotations

from engine.v1 import records_pb2
from risk.v1 import risk_pb2
from wallet.v1 import wallet_pb2

from svc.order import admission
from svc.order.asks import Create
from svc.order.terms import Side


def add_check(request: risk_pb2.PreTradeCheckRequest, create: Create) -> None:
    """Add what risk weighs of an order."""
    terms, reference = create.terms, create.reference_ticks
    request.items.add(
        account_id=create.account_id,
        instrument_id=terms.instrument.id,
        side=terms.side,
        type=terms.type,
        price_ticks=terms.price_ticks,
        lots=create.budget_tick_lots // max(reference, 1) if terms.by_amount else terms.lots,
        reference_ticks=reference,
        notional=str(admission.notional_units(terms, create.cap_ticks, reference)),
        leverage=terms.leverage,
    )


def add_lock(request: wallet_pb2.LockFundsRequest, create: Create) -> None:
    """Add what an order can cost at most."""
    terms, instrument = create.terms, create.terms.instrument
    item = request.items.add(
        order_id=create.order_id,
        version=1,
        account_id=create.account_id,
        instrument_id=instrument.id,
        side=terms.side,
        maker_fee_ppm=instrument.maker_fee_ppm,
        taker_fee_ppm=instrument.taker_fee_ppm,
    )
    if instrument.perpetual:
        item.perpetual.price_ticks, item.perpetual.lots = create.cap_ticks, terms.lots
        item.perpetual.leverage = terms.leverage
        item.perpetual.reduce_only = terms.reduce_only
        return
    item.spot.lots = terms.lots
    if terms.side == Side.BUY:
        item.spot.cap_ticks = create.cap_ticks
        if terms.quote_units:
            item.spot.quote_amount = str(terms.quote_units)


def add_new_order(batch: records_pb2.CommandBatch, create: Create) -> None:
    """Add the command that brings an order to its market."""
    terms = create.terms
    order = batch.commands.add().new_order
    order.order_id = create.order_id
    order.version = 1
    order.account_id = create.account_id
    order.instrument_id = terms.instrument.id
    order.side = terms.side  # type: ignore[assignment]
    order.type = terms.type  # type: ignore[assignment]
    order.time_in_force = terms.time_in_force  # type: ignore[assignment]
    order.self_trade_mode = terms.self_trade_mode  # type: ignore[assignment]
    order.quantity_lots = terms.lots
    if terms.price_ticks:
        order.price_ticks = terms.price_ticks
        order.post_only = terms.post_only
        order.expires_at_unix_ns = terms.expires_at_unix_ns
    else:
        order.cap_ticks = create.cap_ticks
    order.reduce_only = terms.reduce_only
    order.trigger_ticks = terms.stop_ticks
    order.display_lots = terms.display_lots
    order.trail_ticks = terms.trail
    order.activation_ticks = terms.activation_ticks
    order.budget_tick_lots = create.budget_tick_lots
