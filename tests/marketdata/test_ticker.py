"""The rolling day is what a look through the whole tape would say."""

from hypothesis import given
from hypothesis import strategies as st

from svc.marketdata.candles import MINUTE_MS, Candle, minutes_of
from svc.marketdata.ticker import WINDOW_MINUTES, Day, RollingDay

DAY_MS = WINDOW_MINUTES * MINUTE_MS


def looked_up(tape: list[tuple[int, int, int]], now_ms: int) -> Day:
    """The same from the tape: trades whose minute is among the last 1,440."""
    first = now_ms - now_ms % MINUTE_MS - DAY_MS + MINUTE_MS
    inside = [trade for trade in tape if trade[0] >= first]
    prices = [price for _, price, _ in inside]
    return Day(
        last_ticks=tape[-1][1] if tape else 0,
        open_ticks=prices[0] if prices else 0,
        high_ticks=max(prices, default=0),
        low_ticks=min(prices, default=0),
        lots=sum(lots for _, _, lots in inside),
        tick_lots=sum(price * lots for _, price, lots in inside),
        trades=len(inside),
    )


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 30_000, 60_000, 7 * MINUTE_MS, DAY_MS // 3, DAY_MS - 1, DAY_MS]),
        st.integers(1, 50),
        st.integers(1, 10),
    ),
    max_size=50,
)


@given(STEPS, st.integers(0, 50), st.sampled_from([0, 59_999, DAY_MS // 2, DAY_MS, 2 * DAY_MS]))
def test_window_equals_a_look_through_the_tape_also_after_a_restart(
    steps: list[tuple[int, int, int]], restart: int, idle_ms: int
) -> None:
    tape: list[tuple[int, int, int]] = []
    day, now = RollingDay(), 1_700_000_000_000
    for number, (pause, price, lots) in enumerate(steps):
        if number == restart:
            day = RollingDay(minutes_of(tape), tape[-1][1] if tape else 0)
        now += pause
        tape.append((now, price, lots))
        day.add_trade(now, price, lots)
        assert day.at(now) == looked_up(tape, now)
    assert day.at(now + idle_ms) == looked_up(tape, now + idle_ms)


def test_day_without_a_trade_keeps_the_last_price_alone() -> None:
    day = RollingDay([Candle(0, 5, 9, 4, 7, 10, 60, 3)], last_ticks=7)
    assert day.at(DAY_MS) == Day(7, 0, 0, 0, 0, 0, 0)
