"""What a batch fetches ahead are guesses: a large book does the same with them and without."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from svc.engine.book import Engine
from svc.engine.records import (
    RECORD_BYTES,
    Command,
    CommandKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
)

LARGE = 6_000
TOO_SHORT_TO_LOOK_AHEAD = 3


def new(draw: random.Random, order_id: int, ticks: int) -> bytes:
    side = draw.choice((Side.BUY, Side.SELL))
    away = draw.randint(-ticks // 20, ticks)
    return Command(
        CommandKind.NEW, side=side, order_type=OrderType.LIMIT, tif=TimeInForce.GTC,
        stp_mode=SelfTradeMode.NONE, instrument_id=draw.randint(1, 3), version=1,
        order_id=order_id, account_id=draw.randint(1, 50),
        price_ticks=2 * ticks - away if side == Side.BUY else 2 * ticks + away,
        quantity_lots=draw.randint(1, 9),
    ).pack()  # fmt: skip


def change(draw: random.Random, order_id: int, ticks: int) -> bytes:
    kind = draw.choice((CommandKind.MOVE, CommandKind.CANCEL, CommandKind.REDUCE))
    return Command(
        kind, instrument_id=draw.randint(0, 4), order_id=draw.randint(1, order_id),
        price_ticks=draw.randint(ticks, 3 * ticks) if kind == CommandKind.MOVE else 0,
        quantity_lots=1 if kind == CommandKind.REDUCE else 0,
    ).pack()  # fmt: skip


def damaged(draw: random.Random, record: bytes) -> bytes:
    spoiled = bytearray(record)
    spoiled[0] = draw.choice((CommandKind.NEW, CommandKind.MOVE, CommandKind.CANCEL))
    for _ in range(draw.randint(1, 12)):
        spoiled[draw.randrange(1, RECORD_BYTES)] = draw.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(spoiled)


def commands(seed: int, ticks: int) -> Iterator[bytes]:
    draw = random.Random(seed)
    for instrument_id in (1, 2, 3):
        yield InstrumentCommand(instrument_id, 1, MarketState.TRADING, 10**6).pack()
    for order_id in range(1, LARGE):
        yield new(draw, order_id, ticks)
    for order_id in range(LARGE, 3 * LARGE):
        made = draw.choice((new, change, change))(draw, order_id, ticks)
        yield damaged(draw, made) if draw.random() < 0.05 else made
    # Level after level is emptied, until nodes come and go that guesses still name.
    for order_id in draw.sample(range(1, 3 * LARGE), 3 * LARGE - 1):
        yield Command(CommandKind.CANCEL, instrument_id=1, order_id=order_id).pack()


@pytest.mark.parametrize("ticks", [200, 100_000, 10**11])
def test_a_large_book_does_the_same_whether_or_not_a_batch_is_long_enough_to_look_ahead(
    ticks: int,
) -> None:
    log = b"".join(commands(ticks, ticks))
    ahead, apart = Engine(), Engine()
    most_live = 0
    for start in range(0, len(log), 1_000 * RECORD_BYTES):
        part = log[start : start + 1_000 * RECORD_BYTES]
        ahead.apply(part, 1)
        for at in range(0, len(part), TOO_SHORT_TO_LOOK_AHEAD * RECORD_BYTES):
            apart.apply(part[at : at + TOO_SHORT_TO_LOOK_AHEAD * RECORD_BYTES], 1)
        assert ahead.running_hash == apart.running_hash
        most_live = max(most_live, ahead.live_orders)
    assert ahead.state_hash() == apart.state_hash()
    assert most_live > LARGE * 3 // 4
