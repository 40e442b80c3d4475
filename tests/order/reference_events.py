"""svc/order/events.pyx in plain Python, over protobuf's messages: what it must agree with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.v1 import records_pb2
from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2

from svc.order.applied import UnfitError
from svc.order.events import LogBreakError
from svc.order.instrument import MarketState
from svc.order.lifecycle import Cause
from svc.order.market import Position
from tests.order.reference_applying import OrderEvent, TradeEvent

_SELL = trading_pb2.Side.SELL
_REASONS = {
    number: "" if number == 0 else name for name, number in records_pb2.Reason.Value.items()
}


# A named tuple's own constructor costs half as much again as this, which is all it does.
_new = tuple.__new__


@dataclass(slots=True)
class Piece:
    """Events behind `after` up to `to`, and the request that settles them."""

    after: Position
    to: Position
    is_perpetual: Callable[[int], bool]
    """Whether an instrument is a perpetual."""
    settling: wallet_pb2.SettleTradeRequest = field(default_factory=wallet_pb2.SettleTradeRequest)
    events: list[TradeEvent | OrderEvent] = field(default_factory=list)
    order_ids: set[int] = field(default_factory=set)
    states: dict[int, MarketState] = field(default_factory=dict)
    """New states of instruments' markets."""
    price_ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    """New lowest and highest prices of instruments."""


def read(
    batches: Sequence[records_pb2.EventBatch],
    after: Position,
    market: int,
    is_perpetual: Callable[[int], bool],
) -> Piece:
    """The events of consecutive batches. Raises LogBreakError, and UnfitError for a foreign kind.

    `is_perpetual` says of an instrument whether it is one.
    """
    piece = Piece(after, after, is_perpetual)
    for batch in batches:
        _read_batch(batch, piece)
    piece.settling.market = market
    piece.settling.after.CopyFrom(position_message(after))
    piece.settling.to.CopyFrom(position_message(piece.to))
    return piece


def position_message(position: Position) -> trading_pb2.LogPosition:
    """A position in the contract's words."""
    return trading_pb2.LogPosition(
        log_id=position.log_id, sequence=position.sequence, running_hash=position.running_hash
    )


def _read_batch(batch: records_pb2.EventBatch, piece: Piece) -> None:
    at = piece.to
    expected = at.sequence + 1
    if batch.previous_hash != at.running_hash or (at.log_id and batch.log_id != at.log_id):
        raise LogBreakError(
            f"batch {batch.batch_number} of log {batch.log_id} continues "
            f"{batch.previous_hash:016x}, the position is {at.running_hash:016x} of {at.log_id}"
        )
    for event in batch.events:
        if event.sequence != expected:
            raise LogBreakError(f"event {event.sequence} came, {expected} is next")
        expected += 1
        kind = event.WhichOneof("kind")
        reader = _READERS.get(kind or "")
        if reader is None:
            raise UnfitError(event.sequence, f"nothing is known of events of kind {kind}")
        reader(event, piece)
    number = batch.batch_number or at.batch_number
    piece.to = Position(batch.log_id, expected - 1, batch.running_hash, number)


_Reader = Callable[[records_pb2.Event, Piece], None]


def _trade(event: records_pb2.Event, piece: Piece) -> None:
    trade = event.trade
    taker = trade.taker_order_id, trade.taker_version, trade.taker_account_id
    maker = trade.maker_order_id, trade.maker_version, trade.maker_account_id
    sequence, instrument_id, taker_side = event.sequence, event.instrument_id, trade.side
    number, price_ticks, lots = trade.trade_number, trade.price_ticks, trade.quantity_lots
    piece.events.append(
        _new(
            TradeEvent,
            (
                sequence, event.time_unix_ns, number, instrument_id, taker_side, price_ticks, lots,
                *taker, trade.taker_remaining_lots, trade.taker_cumulative_lots,
                *maker, trade.maker_remaining_lots, trade.maker_cumulative_lots,
            ),
        )
    )  # fmt: skip
    piece.order_ids.add(taker[0])
    piece.order_ids.add(maker[0])
    effect = piece.settling.effects.add()
    effect.sequence = sequence
    settled = effect.perpetual_trade if piece.is_perpetual(instrument_id) else effect.spot_trade
    settled.trade_number = number
    settled.instrument_id = instrument_id
    settled.price_ticks = price_ticks
    settled.lots = lots
    settled.taker_side = taker_side
    # In an auction the taker is the buyer.
    buy, sell = (maker, taker) if taker_side == _SELL else (taker, maker)
    settled.buy_order_id, settled.buy_version, settled.buy_account_id = buy
    settled.sell_order_id, settled.sell_version, settled.sell_account_id = sell


def _accepted(event: records_pb2.Event, piece: Piece) -> None:
    order = event.order_accepted
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.ACKNOWLEDGED, order.order_id, order.version, order.account_id,
            order.quantity_lots, 0, "",
        )
    )  # fmt: skip


def _ended(cause: Cause, kind: str) -> _Reader:
    def reader(event: records_pb2.Event, piece: Piece) -> None:
        order: records_pb2.OrderEnded = getattr(event, kind)
        piece.order_ids.add(order.order_id)
        piece.events.append(
            OrderEvent(
                event.sequence, cause, order.order_id, order.version, order.account_id,
                order.remaining_lots, order.cumulative_lots, _REASONS[order.reason],
            )
        )  # fmt: skip
        effect = piece.settling.effects.add()
        effect.sequence = event.sequence
        effect.release.order_id, effect.release.version = order.order_id, order.version

    return reader


def _replaced(event: records_pb2.Event, piece: Piece) -> None:
    order = event.order_replaced
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.REPLACED, order.order_id, order.version, order.account_id,
            order.remaining_lots, order.cumulative_lots, "", order.price_ticks, order.cap_ticks,
        )
    )  # fmt: skip
    effect = piece.settling.effects.add()
    effect.sequence = event.sequence
    effect.replace.order_id, effect.replace.version = order.order_id, order.version
    effect.replace.cap_ticks = order.cap_ticks
    effect.replace.remaining_lots = order.remaining_lots


def _triggered(event: records_pb2.Event, piece: Piece) -> None:
    order = event.order_triggered
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.TRIGGERED, order.order_id, order.version, order.account_id,
            order.quantity_lots, 0, "",
        )
    )  # fmt: skip


def _reduced(event: records_pb2.Event, piece: Piece) -> None:
    order = event.order_reduced
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.REDUCED, order.order_id, order.version, order.account_id,
            order.remaining_lots, order.cumulative_lots, _REASONS[order.reason],
        )
    )  # fmt: skip
    effect = piece.settling.effects.add()
    effect.sequence = event.sequence
    effect.release.order_id, effect.release.version = order.order_id, order.version
    effect.release.remaining_lots = order.remaining_lots


def _request_rejected(cause: Cause, kind: str) -> _Reader:
    def reader(event: records_pb2.Event, piece: Piece) -> None:
        request: records_pb2.RequestRejected = getattr(event, kind)
        piece.order_ids.add(request.order_id)
        piece.events.append(
            OrderEvent(
                event.sequence, cause, request.order_id, request.version, request.account_id,
                0, 0, _REASONS[request.reason],
            )
        )  # fmt: skip
        if cause is Cause.REPLACE_REJECTED:
            effect = piece.settling.effects.add()
            effect.sequence = event.sequence
            effect.replace.order_id, effect.replace.version = request.order_id, request.version
            effect.replace.rejected = True

    return reader


def _state_changed(event: records_pb2.Event, piece: Piece) -> None:
    if event.state_changed.state:  # none: a wish about an instrument that the market has not
        piece.states[event.instrument_id] = MarketState(event.state_changed.state)


def _instrument_changed(event: records_pb2.Event, piece: Piece) -> None:
    changed = event.instrument_changed
    if changed.state:  # none: a definition that the market has refused
        piece.states[event.instrument_id] = MarketState(changed.state)
        prices = (changed.min_price_ticks, changed.max_price_ticks)
        piece.price_ranges[event.instrument_id] = prices


def _nothing(event: records_pb2.Event, piece: Piece) -> None:
    """An auction's indicative price changes no order."""


_READERS: dict[str, _Reader] = {
    "order_accepted": _accepted,
    "trade": _trade,
    "order_canceled": _ended(Cause.CANCELED, "order_canceled"),
    "order_rejected": _ended(Cause.REJECTED, "order_rejected"),
    "order_expired": _ended(Cause.EXPIRED, "order_expired"),
    "order_replaced": _replaced,
    "order_triggered": _triggered,
    "order_reduced": _reduced,
    "cancel_rejected": _request_rejected(Cause.CANCEL_REJECTED, "cancel_rejected"),
    "replace_rejected": _request_rejected(Cause.REPLACE_REJECTED, "replace_rejected"),
    "state_changed": _state_changed,
    "instrument_changed": _instrument_changed,
    "indicative_price": _nothing,
    "command_rejected": _nothing,
}
