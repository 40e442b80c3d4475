"""Batches of the log as pieces to apply: continuity, and the money side of every event."""

from __future__ import annotations

import random
from typing import Any

import pytest
from engine.v1 import records_pb2
from wallet.v1 import wallet_pb2

from svc.engine.records import pack_commands
from svc.engine.reference import ReferenceEngine
from svc.kit.market_events import Kind, parse_batch
from svc.order import events
from svc.order.applied import UnfitError
from svc.order.events import LogBreakError, Piece
from svc.order.instrument import MarketState
from svc.order.market import Position
from tests.engine.flows import Flow
from tests.marketdata.engine_events import Tapped
from tests.order import reference_events

LOG = "ab" * 16


def batch(*happened: records_pb2.Event, **changes: object) -> records_pb2.EventBatch:
    """A first batch of a log, with sequences from 1."""
    for sequence, event in enumerate(happened, 1):
        event.sequence = sequence
    made = records_pb2.EventBatch(
        market=1, log_id=LOG, batch_number=1, previous_hash=0, running_hash=7, events=happened
    )
    made.MergeFrom(records_pb2.EventBatch(**changes))  # type: ignore[arg-type]
    return made


def read(*batches: records_pb2.EventBatch, after: Position | None = None) -> Piece:
    read = [parse_batch(one.SerializeToString()) for one in batches]
    return events.read(read, after or Position(), 1, lambda instrument_id: instrument_id == 13)


def settling(piece: Piece) -> wallet_pb2.SettleTradeRequest:
    return wallet_pb2.SettleTradeRequest.FromString(piece.settling)


def trade(side: str, instrument_id: int = 4) -> records_pb2.Event:
    made = records_pb2.Trade(
        trade_number=5, side=side, price_ticks=50, quantity_lots=2, taker_order_id=1,
        taker_version=1, taker_account_id=10, maker_order_id=2, maker_version=3,
        maker_account_id=20,
    )  # fmt: skip
    return records_pb2.Event(instrument_id=instrument_id, trade=made)


@pytest.mark.spec("exec-2-parse", "kafka-event-kinds")
@pytest.mark.parametrize(("side", "buyer"), [("BUY", 1), ("SELL", 2), ("UNSPECIFIED", 1)])
def test_a_trade_is_settled_between_its_buyer_and_its_seller(side: str, buyer: int) -> None:
    piece = read(batch(trade(side)))
    (effect,) = settling(piece).effects
    settled = effect.spot_trade
    assert (effect.sequence, settled.trade_number, settled.price_ticks, settled.lots) == (
        1,
        5,
        50,
        2,
    )
    assert (settled.buy_order_id, settled.sell_order_id) == (buyer, 3 - buyer)
    by_order = {1: (1, 10), 2: (3, 20)}
    assert (settled.buy_version, settled.buy_account_id) == by_order[buyer]
    assert (settled.sell_version, settled.sell_account_id) == by_order[3 - buyer]
    assert piece.order_ids == {1, 2}


def test_a_trade_of_a_perpetual_is_settled_as_one() -> None:
    (effect,) = settling(read(batch(trade("BUY", 13)))).effects
    assert effect.WhichOneof("kind") == "perpetual_trade"


ENDED = records_pb2.OrderEnded(order_id=1, version=2, account_id=10, remaining_lots=6)


@pytest.mark.parametrize("kind", [Kind.ORDER_CANCELED, Kind.ORDER_REJECTED, Kind.ORDER_EXPIRED])
def test_an_end_releases_all_that_is_held(kind: Kind) -> None:
    piece = read(batch(records_pb2.Event(**{kind.name.lower(): ENDED})))  # type: ignore[arg-type]
    (effect,) = settling(piece).effects
    assert effect.release == wallet_pb2.ReleaseEffect(order_id=1, version=2, remaining_lots=0)
    assert piece.events[0].kind == kind


def test_a_reduction_releases_down_to_what_remains() -> None:
    reduced = records_pb2.OrderReduced(order_id=1, version=2, remaining_lots=6, quantity_lots=4)
    (effect,) = settling(read(batch(records_pb2.Event(order_reduced=reduced)))).effects
    assert effect.release == wallet_pb2.ReleaseEffect(order_id=1, version=2, remaining_lots=6)


def test_a_replace_moves_the_hold_and_a_refused_one_gives_back_what_was_added() -> None:
    replaced = records_pb2.OrderReplaced(order_id=1, version=2, cap_ticks=9, remaining_lots=6)
    refused = records_pb2.RequestRejected(order_id=1, version=3)
    piece = read(
        batch(
            records_pb2.Event(order_replaced=replaced),
            records_pb2.Event(replace_rejected=refused),
        )
    )
    first, second = (effect.replace for effect in settling(piece).effects)
    assert first == wallet_pb2.ReplaceEffect(order_id=1, version=2, cap_ticks=9, remaining_lots=6)
    assert second == wallet_pb2.ReplaceEffect(order_id=1, version=3, rejected=True)


def test_what_moves_no_money_has_no_effect() -> None:
    happened = [
        records_pb2.Event(order_accepted=records_pb2.OrderAccepted(order_id=1)),
        records_pb2.Event(order_triggered=records_pb2.OrderTriggered(order_id=1)),
        records_pb2.Event(cancel_rejected=records_pb2.RequestRejected(order_id=1)),
        records_pb2.Event(indicative_price=records_pb2.IndicativePrice(price_ticks=1)),
    ]
    piece = read(batch(*happened))
    assert list(settling(piece).effects) == []
    assert [event.kind for event in piece.events] == [
        Kind.ORDER_ACCEPTED,
        Kind.ORDER_TRIGGERED,
        Kind.CANCEL_REJECTED,
    ]


def test_states_and_definitions_of_instruments_are_learned() -> None:
    changed = records_pb2.InstrumentChanged(
        version=1, min_price_ticks=2, max_price_ticks=9, state="HALTED"
    )
    piece = read(
        batch(
            records_pb2.Event(instrument_id=4, instrument_changed=changed),
            records_pb2.Event(
                instrument_id=4, state_changed=records_pb2.StateChanged(state="TRADING")
            ),
            records_pb2.Event(instrument_id=5, state_changed=records_pb2.StateChanged()),
        )
    )
    assert piece.states == {4: MarketState.TRADING}
    assert piece.price_ranges == {4: (2, 9)}


def test_a_piece_says_where_it_begins_and_ends() -> None:
    second = batch(trade("BUY"), batch_number=2, previous_hash=7, running_hash=8)
    second.events[0].sequence = 2
    time_alone = batch(trade("BUY"), previous_hash=8, running_hash=9)
    time_alone.batch_number, time_alone.events[0].sequence = 0, 3
    piece = read(batch(trade("BUY")), second, time_alone)
    assert piece.to == Position(LOG, 3, 9, 2)
    assert settling(piece).to == events.position_message(piece.to)
    assert settling(piece).after == events.position_message(Position())


@pytest.mark.parametrize(
    ("broken", "after"),
    [
        (batch(trade("BUY"), previous_hash=1), Position()),
        (batch(trade("BUY")), Position("cd" * 16, 0, 0)),
        (batch(trade("BUY"), previous_hash=5), Position(LOG, 1, 5)),
    ],
)
def test_a_batch_that_does_not_continue_the_log_is_refused(
    broken: records_pb2.EventBatch, after: Position
) -> None:
    with pytest.raises(LogBreakError):
        read(broken, after=after)


def test_a_kind_of_event_that_nobody_knows_stops() -> None:
    with pytest.raises(UnfitError, match="of its kind"):
        read(batch(records_pb2.Event()))


def assert_same_piece(batches: list[records_pb2.EventBatch]) -> None:
    """What the plain reader says of the same batches, and its very bytes."""
    expected = reference_events.read(batches, Position(), 1, lambda number: number == 2)
    piece = events.read(
        [parse_batch(one.SerializeToString()) for one in batches],
        Position(),
        1,
        lambda number: number == 2,
    )
    assert settling(piece) == expected.settling
    assert piece.settling == expected.settling.SerializeToString(deterministic=True)
    assert (piece.to, piece.order_ids) == (expected.to, expected.order_ids)
    assert (piece.states, piece.price_ranges) == (expected.states, expected.price_ranges)
    assert [event.sequence for event in piece.events] == [e.sequence for e in expected.events]


@pytest.mark.parametrize("seed", range(4))
def test_random_flows_of_all_features_are_read_as_the_plain_reader_reads_them(seed: int) -> None:
    engine, flow = ReferenceEngine(), Flow(seed, weight_of_new=60)
    tapped = Tapped(engine)
    batches = [tapped.apply(pack_commands(flow.opening()), flow.time_ns)]
    for commands, time_ns in flow.batches(150, 6):
        batches.append(tapped.apply(pack_commands(commands), time_ns))
        flow.live = engine.live_order_ids()
    assert_same_piece([one for one in batches if one.events])


def extreme(seed: int) -> records_pb2.Event:
    """An event of any kind whose numbers are mostly at their ends."""
    draw = random.Random(seed)
    event = records_pb2.Event(instrument_id=draw.choice([0, 2, 2**32 - 1]))
    kinds: list[Any] = list(records_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields)
    kind = draw.choice(kinds)
    inner = getattr(event, kind.name)
    inner.SetInParent()
    for field in list(kind.message_type.fields):
        if field.type == field.TYPE_ENUM:
            setattr(inner, field.name, draw.choice([0, 1, 2]))
        elif draw.random() < 0.8:
            bits = 63 if field.type == field.TYPE_INT64 else 31
            signed = field.type in (field.TYPE_INT64, field.TYPE_INT32)
            ends = [1, 2**bits - 1, 127, 128, *([-1, -(2**bits)] if signed else [])]
            setattr(inner, field.name, 1 if field.type == field.TYPE_BOOL else draw.choice(ends))
    return event


def test_numbers_at_their_ends_reach_the_wallet_as_they_are() -> None:
    assert_same_piece([batch(*(extreme(seed) for seed in range(2_000)))])
