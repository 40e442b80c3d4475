"""The audit's own reading of a session is right by itself, and agrees with the other one."""

import random
from pathlib import Path

import pytest

from mesh import audit_book, capture


def text(steps: int, scale: int) -> str:
    return audit_book.canonical(f"{steps}e-{scale}")


def test_both_readings_of_btcusdt_agree_on_tape_and_books(shared_data: Path) -> None:
    paths = [shared_data / "spot_btcusdt_20240808.gz", shared_data / "spot_btcusdt_20240809.gz"]
    found = capture.survey(paths)
    audited_books = audit_book.books(paths)
    audited_trades = audit_book.trades(paths)
    seeded = random.Random(20240808)
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    compared = 0
    for event in capture.events(paths, found):
        if isinstance(event, capture.Trade):
            assert next(audited_trades) == audit_book.CapturedTrade(
                event.id,
                text(event.price_ticks, found.price_scale),
                text(event.quantity_lots, found.quantity_scale),
                event.buyer_is_maker,
                event.time_ms,
            )
            continue
        for side, steps in ((bids, event.bids), (asks, event.asks)):
            side.update(steps)
            for price, quantity in steps:
                if not quantity:
                    del side[price]
        update, book = next(audited_books)
        assert update == (
            event.update if isinstance(event, capture.Snapshot) else event.last_update
        )
        if seeded.random() < 0.01:
            compared += 1
            levels = [sorted(bids.items(), reverse=True)[:20], sorted(asks.items())[:20]]
            assert book.top(20) == tuple(
                [
                    (text(price, found.price_scale), text(quantity, found.quantity_scale))
                    for price, quantity in side
                ]
                for side in levels
            )
    assert compared >= 50
    assert next(audited_books, None) is None
    assert next(audited_trades, None) is None


def test_level_written_with_other_zeros_is_the_same_level() -> None:
    book = audit_book.AuditBook([["10.50", "1.0"]], [])
    book.apply([["10.5", "2.00"]], [])
    assert book.top(5) == ([("10.5", "2")], [])
    book.apply([["10.500", "0.0"]], [])
    assert book.top(5) == ([], [])


def test_levels_are_ordered_as_numbers_and_not_as_text() -> None:
    book = audit_book.AuditBook([["9", "1"], ["10", "1"]], [["100", "1"], ["20", "1"]])
    assert book.top(1) == ([("10", "1")], [("20", "1")])


@pytest.mark.parametrize(
    ("written", "plain"),
    [("0.10", "0.1"), ("100", "100"), ("100.00", "100"), ("1E+2", "100"), ("1E-8", "0.00000001")],
)
def test_canonical_numbers_have_no_exponent_and_no_idle_zeros(written: str, plain: str) -> None:
    assert audit_book.canonical(written) == plain


def test_minutes_without_a_trade_have_no_candle() -> None:
    candles = audit_book.minute_candles(
        [
            (60_000, "10.5", "1"),
            (61_000, "9", "0.5"),
            (119_999, "11", "2.25"),
            (180_000, "11", "1"),
        ]
    )
    assert candles == [
        audit_book.MinuteCandle(60_000, "10.5", "11", "9", "11", "3.75", "39.75", 3),
        audit_book.MinuteCandle(180_000, "11", "11", "11", "11", "1", "11", 1),
    ]


def test_sums_of_candles_are_exact_beyond_the_default_precision() -> None:
    (candle,) = audit_book.minute_candles(
        [(0, "99999999999999999.99", "99999999999999.999999"), (1, "0.01", "0.000001")]
    )
    unscaled = 9999999999999999999 * 99999999999999999999 + 1
    assert candle.quote_volume == f"{unscaled // 10**8}.{unscaled % 10**8:08}"
    assert candle.volume == "100000000000000"
