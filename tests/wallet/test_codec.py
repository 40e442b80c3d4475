"""What is read from bytes is what protobuf reads from them; what is odd is left to protobuf."""

from __future__ import annotations

from random import Random

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2

from svc.kit.validation import has_rules
from svc.wallet import codec, wire
from svc.wallet.asks import Refusal, refusal
from svc.wallet.memory import HoldAsk
from svc.wallet.settlement import PerpetualTrade, Range, Release, Replace, Trade

longs = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1, 127, 128, 2**63 - 1, -(2**63)])
)
ints = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 1, -1]))
unsigned = st.integers(0, 2**32 - 1)
huge = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 2**64 - 1]))
texts = st.sampled_from(["", "0", "007", "9" * 38, "1" * 39, "-1", "1.5", "12a", "\u0664", "\xe9"])

spots = st.builds(
    wallet_pb2.SpotHold,
    cap_ticks=longs,
    lots=longs,
    quote_amount=st.one_of(st.just(""), texts, st.integers(0, 10**38 - 1).map(str)),
)
items = st.builds(
    wallet_pb2.LockItem,
    order_id=longs,
    version=ints,
    account_id=longs,
    instrument_id=unsigned,
    side=ints,
    maker_fee_ppm=ints,
    taker_fee_ppm=ints,
    spot=spots,
)
odd_items = st.one_of(
    st.builds(wallet_pb2.LockItem, order_id=longs),
    st.builds(wallet_pb2.LockItem, order_id=longs, perpetual=st.builds(wallet_pb2.PerpetualHold)),
)
trades = st.builds(
    wallet_pb2.TradeEffect,
    trade_number=longs,
    instrument_id=unsigned,
    price_ticks=longs,
    lots=longs,
    taker_side=ints,
    buy_order_id=longs,
    buy_version=ints,
    buy_account_id=longs,
    sell_order_id=longs,
    sell_version=ints,
    sell_account_id=longs,
)
releases = st.builds(wallet_pb2.ReleaseEffect, order_id=longs, version=ints, remaining_lots=longs)
replaces = st.builds(
    wallet_pb2.ReplaceEffect,
    order_id=longs,
    version=ints,
    cap_ticks=longs,
    remaining_lots=longs,
    rejected=st.booleans(),
)
effects = st.one_of(
    st.builds(wallet_pb2.Effect, sequence=huge, spot_trade=trades),
    st.builds(wallet_pb2.Effect, sequence=huge, release=releases),
    st.builds(wallet_pb2.Effect, sequence=huge, replace=replaces),
)
odd_effects = st.one_of(
    st.builds(wallet_pb2.Effect, sequence=huge),
    st.builds(wallet_pb2.Effect, sequence=huge, perpetual_trade=trades),
)
logs = st.sampled_from(["", "0" * 32, "a" * 200, "\xe9"])
points = st.builds(trading_pb2.LogPosition, log_id=logs, sequence=huge, running_hash=huge)


def requests(each: st.SearchStrategy[wallet_pb2.LockItem]) -> st.SearchStrategy[Message]:
    """Lists of holds to make."""
    return st.builds(wallet_pb2.LockFundsRequest, items=st.lists(each, max_size=3))


def ranges(each: st.SearchStrategy[wallet_pb2.Effect]) -> st.SearchStrategy[Message]:
    """Ranges to settle."""
    return st.builds(
        wallet_pb2.SettleTradeRequest,
        market=unsigned,
        after=points,
        to=points,
        effects=st.lists(each, max_size=3),
    )


def plain(value: object) -> object:
    """Something that compares by what it says."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Trade | Replace | Release | HoldAsk):
        names = [name for name in dir(value) if name[0] != "_" and name != "key"]
        return [type(value).__name__, *(getattr(value, name) for name in names)]
    return value


def agree(payload: bytes) -> None:
    """Both requests: whatever is read from the bytes is what protobuf reads."""
    lock, settle = codec.asks_of(payload), codec.range_of(payload)
    try:
        asks = wire.asks_in(wallet_pb2.LockFundsRequest.FromString(payload))
    except DecodeError:
        assert lock is None
    else:
        assert lock is None or plain(lock) == plain(asks)
    try:
        wanted = wire.range_in(wallet_pb2.SettleTradeRequest.FromString(payload))
    except DecodeError:
        assert settle is None
    else:
        assert settle is None or plain(settle) == plain(wanted)


@given(requests(items))
def test_holds_are_read_as_protobuf_reads_them(request: wallet_pb2.LockFundsRequest) -> None:
    payload = request.SerializeToString()
    agree(payload)
    amounts = [item.spot.quote_amount for item in request.items]
    if all(
        text.isascii() and len(text) < 39 and (text == "" or text.isdigit()) for text in amounts
    ):
        assert codec.asks_of(payload) is not None or not all(
            item.HasField("spot") for item in request.items
        )
    assert plain(wire.asks_of(payload)) == plain(wire.asks_in(request))


@given(ranges(effects))
def test_ranges_are_read_as_protobuf_reads_them(request: wallet_pb2.SettleTradeRequest) -> None:
    payload = request.SerializeToString()
    agree(payload)
    if request.after.log_id.isascii() and request.to.log_id.isascii():
        assert codec.range_of(payload) is not None
    assert plain(wire.range_of(payload)) == plain(wire.range_in(request))


@given(requests(st.one_of(items, odd_items)), ranges(st.one_of(effects, odd_effects)))
def test_what_is_odd_is_read_all_the_same(
    lock: wallet_pb2.LockFundsRequest, settle: wallet_pb2.SettleTradeRequest
) -> None:
    assert plain(wire.asks_of(lock.SerializeToString())) == plain(wire.asks_in(lock))
    found = wire.range_of(settle.SerializeToString())
    assert plain(found) == plain(wire.range_in(settle))
    for effect, message in zip(found.effects, settle.effects, strict=True):
        known = message.WhichOneof("kind") in ("spot_trade", "release", "replace")
        assert isinstance(effect, PerpetualTrade) == (not known)


@given(st.one_of(requests(items), ranges(effects)), st.randoms(use_true_random=False))
def test_bytes_cut_off_changed_doubled_or_unknown_are_never_read_otherwise(
    request: Message, dice: Random
) -> None:
    payload = request.SerializeToString()
    other = bytearray(payload)
    for _ in range(dice.randint(1, 3)):
        if other:
            other[dice.randrange(len(other))] = dice.choice((0, 1, 8, 10, 0x7F, 0x80, 0xFF))
    agree(bytes(other))
    agree(payload[: dice.randint(0, len(payload))])
    agree(payload + payload)
    for unknown in (b"\x78\x01", b"\x82\x01\x01a", b"\x7d\0\0\0\0", b"\x0b\x0c", b"\x00\x00"):
        agree(payload + unknown)
        agree(unknown + payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_as_protobuf_reads_them_or_not_at_all(payload: bytes) -> None:
    agree(payload)


def test_both_halves_of_a_submessage_are_one() -> None:
    first = wallet_pb2.LockItem(order_id=1, spot=wallet_pb2.SpotHold(cap_ticks=5))
    second = wallet_pb2.LockItem(version=2, spot=wallet_pb2.SpotHold(lots=7))
    one = first.SerializeToString() + second.SerializeToString()
    payload = b"\n" + bytes([len(one)]) + one
    assert codec.asks_of(payload) is None
    assert plain(wire.asks_of(payload)) == plain([HoldAsk(1, 2, 0, 0, 0, 5, 7, 0, 0, 0)])


refusals = st.builds(
    lambda reason, message, value: refusal(reason, message, value=value),
    st.text(max_size=9),
    st.text(max_size=300),
    st.text(max_size=9),
)


@given(st.lists(st.one_of(st.integers(0, 10**38 - 1), longs, refusals)))
def test_answers_are_those_that_protobuf_writes(results: list[int | Refusal]) -> None:
    expected = wallet_pb2.LockFundsResponse(
        results=[
            wallet_pb2.LockResult(
                refusal=wallet_pb2.Refusal(
                    reason=each.reason, message=each.message, metadata=each.metadata
                )
            )
            if isinstance(each, Refusal)
            else wallet_pb2.LockResult(amount=str(each))
            for each in results
        ]
    )
    assert wallet_pb2.LockFundsResponse.FromString(wire.lock_answer(results)) == expected


@pytest.mark.parametrize("message", [wallet_pb2.LockFundsRequest, wallet_pb2.SettleTradeRequest])
def test_what_is_read_from_bytes_has_no_rules_that_would_be_passed_by(
    message: type[Message],
) -> None:
    assert not has_rules(message)


def test_a_range_has_the_numbers_that_were_sent() -> None:
    request = wallet_pb2.SettleTradeRequest(
        market=1,
        after=trading_pb2.LogPosition(),
        to=trading_pb2.LogPosition(log_id="a", sequence=9, running_hash=2**64 - 1),
        effects=[
            wallet_pb2.Effect(
                sequence=9,
                release=wallet_pb2.ReleaseEffect(order_id=1, version=2, remaining_lots=3),
            )
        ],
    )
    found = wire.range_of(request.SerializeToString())
    assert isinstance(found, Range)
    assert found[:3] == (1, ("", 0, 0), ("a", 9, 2**64 - 1))
    assert plain(found.effects) == plain([Release(9, 1, 2, 3)])
