"""Events of the log as orders and the wallet need them.

Keeps: what is read is a contiguous piece of one log, from the position it begins at; every trade,
replace and release in it has its effect, in order, and nothing else has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.v1 import records_pb2
from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2

from svc.order.applying import OrderEvent, TradeEvent, UnfitError
from svc.order.instrument import MarketState
from svc.order.lifecycle import Cause
from svc.order.market import Position

_BUY = trading_pb2.Side.BUY
_REASONS = {
    number: "" if number == 0 else name for name, number in records_pb2.Reason.Value.items()
}


class LogBreakError(Exception):
    """A batch does not continue the log at the position: lost, doubled, or of another log."""


@dataclass(slots=True)
class Piece:
    """Events behind `after` up to `to`."""

    after: Position
    to: Position
    events: list[TradeEvent | OrderEvent] = field(default_factory=list)
    effects: list[wallet_pb2.Effect] = field(default_factory=list)
    order_ids: set[int] = field(default_factory=set)
    states: dict[int, MarketState] = field(default_factory=dict)
    """New states of instruments' markets."""
    price_ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    """New lowest and highest prices of instruments."""


def read(
    batches: Sequence[records_pb2.EventBatch],
    after: Position,
    perpetuals: Callable[[int], bool],
) -> Piece:
    """The events of consecutive batches. Raises LogBreakError, and UnfitError for a foreign kind.

    `perpetuals` says of an instrument whether it is one.
    """
    piece = Piece(after, after)
    for batch in batches:
        _read_batch(batch, piece, perpetuals)
    return piece


def _read_batch(
    batch: records_pb2.EventBatch, piece: Piece, perpetuals: Callable[[int], bool]
) -> None:
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
        reader(event, piece, perpetuals)
    number = batch.batch_number or at.batch_number
    piece.to = Position(batch.log_id, expected - 1, batch.running_hash, number)


_Reader = Callable[[records_pb2.Event, Piece, Callable[[int], bool]], None]


def _trade(event: records_pb2.Event, piece: Piece, perpetuals: Callable[[int], bool]) -> None:
    trade = event.trade
    read = TradeEvent(
        event.sequence, event.time_unix_ns, trade.trade_number, event.instrument_id, trade.side,
        trade.price_ticks, trade.quantity_lots,
        trade.taker_order_id, trade.taker_version, trade.taker_account_id,
        trade.taker_remaining_lots, trade.taker_cumulative_lots,
        trade.maker_order_id, trade.maker_version, trade.maker_account_id,
        trade.maker_remaining_lots, trade.maker_cumulative_lots,
    )  # fmt: skip
    piece.events.append(read)
    piece.order_ids.add(read.taker_order_id)
    piece.order_ids.add(read.maker_order_id)
    taker_buys = read.taker_side in (0, _BUY)  # in an auction the taker is the buyer
    taker = (read.taker_order_id, read.taker_version, read.taker_account_id)
    maker = (read.maker_order_id, read.maker_version, read.maker_account_id)
    buy, sell = (taker, maker) if taker_buys else (maker, taker)
    effect = wallet_pb2.TradeEffect(
        trade_number=read.number,
        instrument_id=read.instrument_id,
        price_ticks=read.price_ticks,
        lots=read.lots,
        taker_side=trade.side,
        buy_order_id=buy[0],
        buy_version=buy[1],
        buy_account_id=buy[2],
        sell_order_id=sell[0],
        sell_version=sell[1],
        sell_account_id=sell[2],
    )
    if perpetuals(read.instrument_id):
        piece.effects.append(wallet_pb2.Effect(sequence=read.sequence, perpetual_trade=effect))
    else:
        piece.effects.append(wallet_pb2.Effect(sequence=read.sequence, spot_trade=effect))


def _accepted(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
    order = event.order_accepted
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.ACKNOWLEDGED, order.order_id, order.version, order.account_id,
            order.quantity_lots, 0, "",
        )
    )  # fmt: skip


def _ended(cause: Cause, kind: str) -> _Reader:
    def reader(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
        order: records_pb2.OrderEnded = getattr(event, kind)
        piece.order_ids.add(order.order_id)
        piece.events.append(
            OrderEvent(
                event.sequence, cause, order.order_id, order.version, order.account_id,
                order.remaining_lots, order.cumulative_lots, _REASONS[order.reason],
            )
        )  # fmt: skip
        release = wallet_pb2.ReleaseEffect(
            order_id=order.order_id, version=order.version, remaining_lots=0
        )
        piece.effects.append(wallet_pb2.Effect(sequence=event.sequence, release=release))

    return reader


def _replaced(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
    order = event.order_replaced
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.REPLACED, order.order_id, order.version, order.account_id,
            order.remaining_lots, order.cumulative_lots, "", order.price_ticks, order.cap_ticks,
        )
    )  # fmt: skip
    effect = wallet_pb2.ReplaceEffect(
        order_id=order.order_id,
        version=order.version,
        cap_ticks=order.cap_ticks,
        remaining_lots=order.remaining_lots,
    )
    piece.effects.append(wallet_pb2.Effect(sequence=event.sequence, replace=effect))


def _triggered(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
    order = event.order_triggered
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.TRIGGERED, order.order_id, order.version, order.account_id,
            order.quantity_lots, 0, "",
        )
    )  # fmt: skip


def _reduced(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
    order = event.order_reduced
    piece.order_ids.add(order.order_id)
    piece.events.append(
        OrderEvent(
            event.sequence, Cause.REDUCED, order.order_id, order.version, order.account_id,
            order.remaining_lots, order.cumulative_lots, _REASONS[order.reason],
        )
    )  # fmt: skip
    release = wallet_pb2.ReleaseEffect(
        order_id=order.order_id, version=order.version, remaining_lots=order.remaining_lots
    )
    piece.effects.append(wallet_pb2.Effect(sequence=event.sequence, release=release))


def _request_rejected(cause: Cause, kind: str) -> _Reader:
    def reader(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
        request: records_pb2.RequestRejected = getattr(event, kind)
        piece.order_ids.add(request.order_id)
        piece.events.append(
            OrderEvent(
                event.sequence, cause, request.order_id, request.version, request.account_id,
                0, 0, _REASONS[request.reason],
            )
        )  # fmt: skip
        if cause is Cause.REPLACE_REJECTED:
            effect = wallet_pb2.ReplaceEffect(
                order_id=request.order_id, version=request.version, rejected=True
            )
            piece.effects.append(wallet_pb2.Effect(sequence=event.sequence, replace=effect))

    return reader


def _state_changed(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
    if event.state_changed.state:  # none: a wish about an instrument that the market has not
        piece.states[event.instrument_id] = MarketState(event.state_changed.state)


def _instrument_changed(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
    changed = event.instrument_changed
    if changed.state:  # none: a definition that the market has refused
        piece.states[event.instrument_id] = MarketState(changed.state)
        prices = (changed.min_price_ticks, changed.max_price_ticks)
        piece.price_ranges[event.instrument_id] = prices


def _nothing(event: records_pb2.Event, piece: Piece, _: Callable[[int], bool]) -> None:
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
}
