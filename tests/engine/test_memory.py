"""What a large book takes, and that it outgrows its memory without losing an order."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from svc.engine.book import Engine
from svc.engine.records import (
    Command,
    CommandKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
)

MILLION = 1_000_000
BATCH = 10_000
MIDDLE = 2 * MILLION
MOST_BYTES_AN_ORDER = 200
MOST_BYTES = 256 << 20


PLAIN = Command(
    CommandKind.NEW, order_type=OrderType.LIMIT, tif=TimeInForce.GTC, stp_mode=SelfTradeMode.NONE,
    instrument_id=1, version=1, order_id=1, account_id=1, price_ticks=1, quantity_lots=9,
)  # fmt: skip
ICEBERG = replace(PLAIN, tif=TimeInForce.GTD, display_lots=3, expire_ns=10**9)
"""With all that an order in the book may have: it shows a part, and expires."""


def resting_batches(count: int, order: Command) -> Iterator[bytes]:
    """Orders that never meet, each at a price of its own, in no order of price."""
    templates = [replace(order, side=side).pack() for side in (Side.BUY, Side.SELL)]
    for first in range(1, count, BATCH):
        batch = bytearray()
        for order_id in range(first, first + BATCH):
            away = 1 + order_id * 7_919 % MILLION
            price = MIDDLE - away if order_id % 2 else MIDDLE + away
            record = bytearray(templates[order_id % 2 == 0])
            struct.pack_into("<q", record, 16, order_id)
            struct.pack_into("<q", record, 32, price)
            batch += record
        yield bytes(batch)


def filled(count: int, order: Command) -> Engine:
    engine = Engine()
    engine.apply(InstrumentCommand(1, 1, MarketState.TRADING, 10**6).pack(), 0)
    for batch in resting_batches(count, order):
        engine.apply(batch, 1)
    assert engine.live_orders == count
    return engine


@pytest.mark.parametrize("order", [PLAIN, ICEBERG], ids=["plain", "iceberg that expires"])
def test_a_million_resting_orders_fit_in_256_mebibytes(order: Command) -> None:
    engine = filled(MILLION, order)
    assert engine.memory_bytes <= MOST_BYTES
    assert engine.memory_bytes <= MOST_BYTES_AN_ORDER * MILLION


def test_a_book_that_outgrows_its_memory_keeps_every_order() -> None:
    engine = filled(150_000, ICEBERG)
    records = engine.state_records()
    assert Engine.restored(records).state_hash() == engine.state_hash()
    assert len({records[at + 16 : at + 24] for at in range(256, len(records), 128)}) == 150_000
