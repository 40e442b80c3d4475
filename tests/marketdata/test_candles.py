"""Candles open where the calendar says and hold exactly what was traded."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.marketdata.candles import INTERVALS_MS, Candle, minutes_of, open_time_ms, roll_up


def ms(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000


@pytest.mark.spec("md-ohlcv")
@pytest.mark.parametrize(
    ("interval", "opened"),
    [
        ("1m", "2024-08-08T23:59:00"),
        ("5m", "2024-08-08T23:55:00"),
        ("15m", "2024-08-08T23:45:00"),
        ("1h", "2024-08-08T23:00:00"),
        ("4h", "2024-08-08T20:00:00"),
        ("1d", "2024-08-08T00:00:00"),
        ("1w", "2024-08-05T00:00:00"),
    ],
)
def test_candle_opens_at_the_whole_interval_in_utc(interval: str, opened: str) -> None:
    assert open_time_ms(ms("2024-08-08T23:59:59") + 999, interval) == ms(opened)


def test_week_begins_on_monday_at_midnight() -> None:
    monday = ms("2024-08-05T00:00:00")
    assert open_time_ms(monday, "1w") == monday
    assert open_time_ms(monday - 1, "1w") == ms("2024-07-29T00:00:00")


def test_minute_holds_first_highest_lowest_and_last_price() -> None:
    assert minutes_of([(0, 10, 1), (1, 12, 2), (59_999, 9, 3), (60_000, 11, 4)]) == [
        Candle(0, 10, 12, 9, 9, 6, 10 + 24 + 27, 3),
        Candle(60_000, 11, 11, 11, 11, 4, 44, 1),
    ]


TAPE = st.lists(
    st.tuples(st.integers(0, 20_000_000), st.integers(1, 2**62), st.integers(1, 2**62)),
    max_size=60,
).map(lambda trades: sorted(trades, key=lambda trade: trade[0]))


@given(TAPE, st.sampled_from(list(INTERVALS_MS)))
def test_longer_candles_are_those_of_the_trades_themselves(
    tape: list[tuple[int, int, int]], interval: str
) -> None:
    expected: dict[int, list[tuple[int, int]]] = {}
    for time_ms, price, lots in tape:
        expected.setdefault(open_time_ms(time_ms, interval), []).append((price, lots))
    assert roll_up(minutes_of(tape), interval) == [
        Candle(
            opened,
            trades[0][0],
            max(price for price, _ in trades),
            min(price for price, _ in trades),
            trades[-1][0],
            sum(lots for _, lots in trades),
            sum(price * lots for price, lots in trades),
            len(trades),
        )
        for opened, trades in expected.items()
    ]


@given(TAPE, st.integers(0, 60))
def test_parts_of_a_tape_add_up_to_the_whole(tape: list[tuple[int, int, int]], cut: int) -> None:
    whole = roll_up(minutes_of(tape), "1w")
    parts = roll_up(minutes_of(tape[:cut]) + minutes_of(tape[cut:]), "1w")
    assert parts == whole
