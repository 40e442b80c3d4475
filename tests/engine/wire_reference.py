"""The codec of the engine, field by field: slow, and plain enough to be believed.

What a message of each kind becomes as a record, and back. The C codec is compared with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from engine.v1 import records_pb2
from google.protobuf.message import Message
from trading.v1 import trading_pb2

from svc.engine.records import CommandKind, EventKind, Flag

_COMMAND = struct.Struct("<BBBBBBHIiqqqqqqqqqqqqq8x")
_INSTRUMENT = struct.Struct("<BBBBxxxxIiqqqqII72x")
_EVENT = struct.Struct("<QqBBBBBBBBIiqqqqqqqqqqqiI")

_PERPETUAL = trading_pb2.InstrumentKind.PERPETUAL

_POST_ONLY = int(Flag.POST_ONLY)
_REDUCE_ONLY = int(Flag.REDUCE_ONLY)
_KEPT_PRIORITY = int(Flag.KEPT_PRIORITY)
_END_OF_COMMAND = int(Flag.END_OF_COMMAND)
# Of INSTRUMENT_CHANGED.
_PERPETUAL_FLAG, _BAND_AUCTION_FLAG = 1, 2


class EmptyCommandError(ValueError):
    """A command message without a kind."""


def pack_commands(commands: Iterable[records_pb2.Command]) -> bytes:
    """Records of the commands, 128 bytes each, in order.

    Raises EmptyCommandError for a command of no kind and struct.error for a number that its
    field of the record cannot hold.
    """
    records = []
    for command in commands:
        kind = command.WhichOneof("kind")
        if kind is None:
            raise EmptyCommandError("a command names no kind; set exactly one")
        records.append(_PACK[kind](getattr(command, kind)))
    return b"".join(records)


def _record(
    kind: CommandKind,
    *,
    side: int = 0,
    instrument_id: int = 0,
    version: int = 0,
    order_id: int = 0,
    account_id: int = 0,
    price_ticks: int = 0,
    quantity_lots: int = 0,
    cap_ticks: int = 0,
    group: int = 0,
    trigger_ticks: int = 0,
    expire_ns: int = 0,
) -> bytes:
    return _COMMAND.pack(
        kind, side, 0, 0, 0, 0, 0, instrument_id, version, order_id, account_id, price_ticks,
        quantity_lots, cap_ticks, group, trigger_ticks, 0, 0, expire_ns, 0, 0, 0,
    )  # fmt: skip


def _new_order(order: records_pb2.NewOrder) -> bytes:
    flags = (_POST_ONLY if order.post_only else 0) | (_REDUCE_ONLY if order.reduce_only else 0)
    return _COMMAND.pack(
        CommandKind.NEW, order.side, order.type, order.time_in_force, flags,
        order.self_trade_mode, 0, order.instrument_id, order.version, order.order_id,
        order.account_id, order.price_ticks, order.quantity_lots, order.cap_ticks, 0,
        order.trigger_ticks, order.display_lots, order.budget_tick_lots,
        order.expires_at_unix_ns, order.trail_ticks, 0, order.activation_ticks,
    )  # fmt: skip


def _cancel_replace_order(swap: records_pb2.CancelReplaceOrder) -> bytes:
    flags = (_POST_ONLY if swap.post_only else 0) | (_REDUCE_ONLY if swap.reduce_only else 0)
    return _COMMAND.pack(
        CommandKind.CANCEL_REPLACE, swap.side, swap.type, swap.time_in_force, flags,
        swap.self_trade_mode, 0, swap.instrument_id, swap.version, swap.order_id,
        swap.account_id, swap.price_ticks, swap.quantity_lots, swap.cap_ticks, 0,
        swap.trigger_ticks, swap.display_lots, swap.budget_tick_lots, swap.expires_at_unix_ns,
        swap.trail_ticks, swap.new_order_id, swap.activation_ticks,
    )  # fmt: skip


def _cancel_order(cancel: records_pb2.CancelOrder) -> bytes:
    return _record(
        CommandKind.CANCEL,
        instrument_id=cancel.instrument_id,
        order_id=cancel.order_id,
        account_id=cancel.account_id,
    )


def _replace_order(replace: records_pb2.ReplaceOrder) -> bytes:
    return _record(
        CommandKind.REPLACE,
        instrument_id=replace.instrument_id,
        version=replace.version,
        order_id=replace.order_id,
        account_id=replace.account_id,
        price_ticks=replace.price_ticks,
        quantity_lots=replace.quantity_lots,
        cap_ticks=replace.cap_ticks,
        trigger_ticks=replace.trigger_ticks,
        expire_ns=replace.expires_at_unix_ns,
    )


def _move_order(move: records_pb2.MoveOrder) -> bytes:
    return _record(
        CommandKind.MOVE,
        instrument_id=move.instrument_id,
        order_id=move.order_id,
        account_id=move.account_id,
        price_ticks=move.price_ticks,
    )


def _reduce_order(reduction: records_pb2.ReduceOrder) -> bytes:
    return _record(
        CommandKind.REDUCE,
        instrument_id=reduction.instrument_id,
        order_id=reduction.order_id,
        account_id=reduction.account_id,
        quantity_lots=reduction.quantity_lots,
    )


def _mass_cancel(cancel: records_pb2.MassCancel) -> bytes:
    return _record(
        CommandKind.MASS_CANCEL,
        side=cancel.side,
        instrument_id=cancel.instrument_id,
        account_id=cancel.account_id,
    )


def _advance_time(_: records_pb2.AdvanceTime) -> bytes:
    return _record(CommandKind.ADVANCE_TIME)


def _set_instrument(definition: records_pb2.SetInstrument) -> bytes:
    perpetual = definition.kind == _PERPETUAL
    return _INSTRUMENT.pack(
        CommandKind.INSTRUMENT, definition.state, perpetual, definition.band_auction,
        definition.instrument_id, definition.version, definition.max_quantity_lots,
        definition.min_price_ticks, definition.max_price_ticks,
        definition.reference_price_ticks, definition.collar_bps, definition.band_bps,
    )  # fmt: skip


def _set_market_state(wish: records_pb2.SetMarketState) -> bytes:
    return _record(
        CommandKind.STATE,
        side=wish.state,
        instrument_id=wish.instrument_id,
        version=wish.version,
    )


def _set_group(membership: records_pb2.SetGroup) -> bytes:
    return _record(CommandKind.GROUP, account_id=membership.account_id, group=membership.group_id)


def _begin_version(version: records_pb2.BeginVersion) -> bytes:
    return _record(CommandKind.VERSION, version=version.semantic_version)


_PACK: dict[str, Callable[..., bytes]] = {
    "new_order": _new_order,
    "cancel_order": _cancel_order,
    "cancel_replace_order": _cancel_replace_order,
    "replace_order": _replace_order,
    "move_order": _move_order,
    "reduce_order": _reduce_order,
    "mass_cancel": _mass_cancel,
    "advance_time": _advance_time,
    "set_instrument": _set_instrument,
    "set_market_state": _set_market_state,
    "set_group": _set_group,
    "begin_version": _begin_version,
}


def unpack_events(records: memoryview) -> list[records_pb2.Event]:
    """Messages of event records, in order. The buffer holds whole records."""
    return [_UNPACK[fields[_KIND]](fields) for fields in _EVENT.iter_unpack(records)]


# Places in an event record's fields, in the order of docs/journal.md.
(
    _SEQUENCE, _TIME, _KIND, _SIDE, _REASON, _TYPE, _TIF, _FLAGS, _PREVIOUS_STATE, _STATE,
    _INSTRUMENT_ID, _VERSION, _ORDER, _ACCOUNT, _PRICE, _QUANTITY, _REMAINING, _CUMULATIVE,
    _MAKER_ORDER, _MAKER_ACCOUNT, _MAKER_REMAINING, _MAKER_CUMULATIVE, _TRADE_NUMBER,
    _MAKER_VERSION, _RESERVED,
) = range(25)  # fmt: skip

_CAP, _TRIGGER, _DISPLAY, _EXPIRY = (
    _MAKER_ORDER,
    _MAKER_ACCOUNT,
    _MAKER_REMAINING,
    _MAKER_CUMULATIVE,
)
_OLD_PRICE, _OLD_REMAINING = _MAKER_ACCOUNT, _MAKER_REMAINING
_STP_MODE = _PREVIOUS_STATE

_Fields = tuple[int, ...]
M = TypeVar("M", bound=Message)


def _of(kind: Callable[..., M], **fields: int) -> M:
    return kind(**fields)


def _event(f: _Fields, **kind: Any) -> records_pb2.Event:
    return records_pb2.Event(
        sequence=f[_SEQUENCE],
        time_unix_ns=f[_TIME],
        instrument_id=f[_INSTRUMENT_ID],
        end_of_command=bool(f[_FLAGS] & _END_OF_COMMAND),
        **kind,
    )


def _order_accepted(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        order_accepted=_of(
            records_pb2.OrderAccepted,
            order_id=f[_ORDER],
            version=f[_VERSION],
            account_id=f[_ACCOUNT],
            side=f[_SIDE],
            type=f[_TYPE],
            time_in_force=f[_TIF],
            price_ticks=f[_PRICE],
            quantity_lots=f[_QUANTITY],
            display_lots=f[_DISPLAY],
            trigger_ticks=f[_TRIGGER],
            cap_ticks=f[_CAP],
            expires_at_unix_ns=f[_EXPIRY],
            post_only=bool(f[_FLAGS] & _POST_ONLY),
            reduce_only=bool(f[_FLAGS] & _REDUCE_ONLY),
            trail_or_budget=f[_TRADE_NUMBER],
            activation_ticks=f[_CUMULATIVE],
            self_trade_mode=f[_STP_MODE],
        ),
    )


def _trade(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        trade=_of(
            records_pb2.Trade,
            trade_number=f[_TRADE_NUMBER],
            side=f[_SIDE],
            price_ticks=f[_PRICE],
            quantity_lots=f[_QUANTITY],
            taker_order_id=f[_ORDER],
            taker_version=f[_VERSION],
            taker_account_id=f[_ACCOUNT],
            taker_remaining_lots=f[_REMAINING],
            taker_cumulative_lots=f[_CUMULATIVE],
            maker_order_id=f[_MAKER_ORDER],
            maker_version=f[_MAKER_VERSION],
            maker_account_id=f[_MAKER_ACCOUNT],
            maker_remaining_lots=f[_MAKER_REMAINING],
            maker_cumulative_lots=f[_MAKER_CUMULATIVE],
        ),
    )


def _ended(f: _Fields) -> records_pb2.OrderEnded:
    return _of(
        records_pb2.OrderEnded,
        order_id=f[_ORDER],
        version=f[_VERSION],
        account_id=f[_ACCOUNT],
        side=f[_SIDE],
        price_ticks=f[_PRICE],
        remaining_lots=f[_QUANTITY],
        cumulative_lots=f[_CUMULATIVE],
        reason=f[_REASON],
    )


def _order_canceled(f: _Fields) -> records_pb2.Event:
    return _event(f, order_canceled=_ended(f))


def _order_rejected(f: _Fields) -> records_pb2.Event:
    return _event(f, order_rejected=_ended(f))


def _order_expired(f: _Fields) -> records_pb2.Event:
    return _event(f, order_expired=_ended(f))


def _order_replaced(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        order_replaced=_of(
            records_pb2.OrderReplaced,
            order_id=f[_ORDER],
            version=f[_VERSION],
            account_id=f[_ACCOUNT],
            side=f[_SIDE],
            price_ticks=f[_PRICE],
            remaining_lots=f[_REMAINING],
            cumulative_lots=f[_CUMULATIVE],
            old_price_ticks=f[_OLD_PRICE],
            old_remaining_lots=f[_OLD_REMAINING],
            cap_ticks=f[_CAP],
            kept_priority=bool(f[_FLAGS] & _KEPT_PRIORITY),
            expires_at_unix_ns=f[_EXPIRY],
            trigger_ticks=f[_TRADE_NUMBER],
        ),
    )


def _order_triggered(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        order_triggered=_of(
            records_pb2.OrderTriggered,
            order_id=f[_ORDER],
            version=f[_VERSION],
            account_id=f[_ACCOUNT],
            side=f[_SIDE],
            price_ticks=f[_PRICE],
            quantity_lots=f[_QUANTITY],
            trigger_ticks=f[_CAP],
            reached_ticks=f[_TRIGGER],
        ),
    )


def _order_reduced(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        order_reduced=_of(
            records_pb2.OrderReduced,
            order_id=f[_ORDER],
            version=f[_VERSION],
            account_id=f[_ACCOUNT],
            side=f[_SIDE],
            price_ticks=f[_PRICE],
            quantity_lots=f[_QUANTITY],
            remaining_lots=f[_REMAINING],
            cumulative_lots=f[_CUMULATIVE],
            reason=f[_REASON],
        ),
    )


def _refused(f: _Fields) -> records_pb2.RequestRejected:
    return _of(
        records_pb2.RequestRejected,
        order_id=f[_ORDER],
        version=f[_VERSION],
        account_id=f[_ACCOUNT],
        reason=f[_REASON],
    )


def _cancel_rejected(f: _Fields) -> records_pb2.Event:
    return _event(f, cancel_rejected=_refused(f))


def _replace_rejected(f: _Fields) -> records_pb2.Event:
    return _event(f, replace_rejected=_refused(f))


def _state_changed(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        state_changed=_of(
            records_pb2.StateChanged,
            previous=f[_PREVIOUS_STATE],
            state=f[_STATE],
            reason=f[_REASON],
            version=f[_VERSION],
        ),
    )


def _instrument_changed(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        instrument_changed=_of(
            records_pb2.InstrumentChanged,
            version=f[_VERSION],
            min_price_ticks=f[_REMAINING],
            max_price_ticks=f[_CUMULATIVE],
            max_quantity_lots=f[_QUANTITY],
            state=f[_STATE],
            reason=f[_REASON],
            perpetual=bool(f[_FLAGS] & _PERPETUAL_FLAG),
            band_auction=bool(f[_FLAGS] & _BAND_AUCTION_FLAG),
            collar_bps=f[_MAKER_ORDER] % 2**32,
            band_bps=f[_MAKER_ACCOUNT] % 2**32,
            reference_price_ticks=f[_PRICE],
        ),
    )


def _indicative_price(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        indicative_price=_of(
            records_pb2.IndicativePrice,
            price_ticks=f[_PRICE],
            quantity_lots=f[_QUANTITY],
            surplus_lots=f[_REMAINING],
        ),
    )


def _command_rejected(f: _Fields) -> records_pb2.Event:
    return _event(
        f,
        command_rejected=_of(
            records_pb2.CommandRejected,
            command_kind=f[_TYPE],
            version=f[_VERSION],
            account_id=f[_ACCOUNT],
            reason=f[_REASON],
        ),
    )


_UNPACK: dict[int, Callable[[_Fields], records_pb2.Event]] = {
    EventKind.ORDER_ACCEPTED: _order_accepted,
    EventKind.TRADE: _trade,
    EventKind.ORDER_CANCELED: _order_canceled,
    EventKind.ORDER_REJECTED: _order_rejected,
    EventKind.ORDER_EXPIRED: _order_expired,
    EventKind.ORDER_REPLACED: _order_replaced,
    EventKind.ORDER_TRIGGERED: _order_triggered,
    EventKind.ORDER_REDUCED: _order_reduced,
    EventKind.CANCEL_REJECTED: _cancel_rejected,
    EventKind.REPLACE_REJECTED: _replace_rejected,
    EventKind.STATE_CHANGED: _state_changed,
    EventKind.INSTRUMENT_CHANGED: _instrument_changed,
    EventKind.INDICATIVE_PRICE: _indicative_price,
    EventKind.COMMAND_REJECTED: _command_rejected,
}
