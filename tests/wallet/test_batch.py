"""A batch's rows as text are what plain formatting of the same columns makes, for any numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from svc.wallet.asks import CreditAsk
from svc.wallet.batch import Batch
from svc.wallet.ledger import Ledger
from svc.wallet.memory import BUY, SELL, Balance, Hold, HoldAsk, HoldKey, Memory
from svc.wallet.settlement import LogPoint, Range, Trade, settle
from tests.wallet.worlds import BTC, BTC_USDT, ETH, ETH_USDT, LOG, MARKET, USDT, small_catalog

LEDGER = 3
NOW = 1_800_000_000_000_000_000

longs = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, -1, 2**63 - 1, -(2**63)]))
ints = st.integers(-(2**31), 2**31 - 1)
amounts = st.one_of(
    longs, st.integers(-(10**38) + 1, 10**38 - 1), st.sampled_from([2**63, -(2**63) - 1, 2**64])
)
asks = st.builds(HoldAsk, longs, ints, longs, ints, ints, longs, longs, amounts, ints, ints)
states = st.integers(1, 5)


def plain(*rows: tuple[int, ...]) -> str:
    """An array of rows, as PostgreSQL reads it."""
    return "{" + ",".join(f'"({",".join(map(str, row))})"' for row in rows) + "}"


def hold_of(ask: HoldAsk, held: int, remaining: int, state: int, *, stored: bool) -> Hold:
    """A hold with nothing but what rows tell of it."""
    pays, gets = Balance(1, 2, 0, 0, stored=True), Balance(1, 1, 0, 0, stored=True)
    return Hold(ask, held, NOW, BTC_USDT, pays, gets, remaining, held, state, stored)


@given(st.lists(st.tuples(asks, amounts, longs, states), max_size=4))
def test_holds_that_were_made_are_rows_of_both_tables(
    made: list[tuple[HoldAsk, int, int, int]],
) -> None:
    memory = Memory(LEDGER)
    holds = [hold_of(*each, stored=False) for each in made]
    memory.changes.made.extend(holds)
    memory.changes.holds.update((hold, (1, 0, 0, None)) for hold in holds)
    batch = Batch(memory, NOW)
    assert batch.made.text() == plain(
        *(
            (
                LEDGER, ask.order_id, ask.version, ask.account_id, ask.instrument_id, ask.side,
                ask.cap_ticks, ask.lots, ask.quote_amount, ask.maker_ppm, ask.taker_ppm, 2, held,
                NOW,
            )
            for ask, held, _, _ in made
        )
    )  # fmt: skip
    assert batch.opened.text() == plain(
        *(
            (LEDGER, ask.order_id, ask.version, remaining, held, state)
            for ask, held, remaining, state in made
            if state <= 3
        )
    )
    assert len(batch.changed) == len(batch.closed) == 0


@given(st.lists(st.tuples(asks, amounts, longs, states), max_size=4))
def test_stored_holds_are_changed_or_closed(touched: list[tuple[HoldAsk, int, int, int]]) -> None:
    memory = Memory(LEDGER)
    memory.changes.holds.update((hold_of(*each, stored=True), (1, 0, 0, None)) for each in touched)
    batch = Batch(memory, NOW)
    rows = [
        (state <= 3, (LEDGER, ask.order_id, ask.version, remaining, held, state))
        for ask, held, remaining, state in touched
    ]
    assert batch.changed.text() == plain(*(row for still_open, row in rows if still_open))
    assert batch.closed.text() == plain(*(row for still_open, row in rows if not still_open))
    assert len(batch.changed) + len(batch.closed) == len(touched)


@given(
    st.lists(st.tuples(longs, ints, amounts, amounts, amounts, amounts, st.booleans()), max_size=4)
)
def test_balances_are_new_or_move_by_what_they_changed(
    touched: list[tuple[int, int, int, int, int, int, bool]],
) -> None:
    memory = Memory(LEDGER)
    added, moved = [], []
    for account, asset, total, locked, total_before, locked_before, stored in touched:
        balance = Balance(account, asset, total, locked, stored)
        memory.changes.balances[balance] = (total_before, locked_before)
        if not stored:
            added.append((LEDGER, account, asset, total, locked))
        elif (total, locked) != (total_before, locked_before):
            moved.append((LEDGER, account, asset, total - total_before, locked - locked_before))
    batch = Batch(memory, NOW)
    assert (batch.added.text(), batch.moved.text()) == (plain(*added), plain(*moved))


def test_a_batch_of_many_rows_is_whole() -> None:
    memory = Memory(LEDGER)
    keys = [HoldKey(order_id, 1) for order_id in range(1, 5_000)]
    memory.changes.unlocked.extend(keys)
    assert Batch(memory, NOW).unlocked.text() == plain(*((LEDGER, *key, NOW) for key in keys))


def test_a_settled_trade_is_a_row_with_what_moved_and_both_fees() -> None:
    memory = Memory(LEDGER)
    ledger = Ledger(memory, small_catalog())
    for account, asset in ((1, USDT), (2, ETH), (2, BTC)):
        ledger.credit(CreditAsk(f"{account} {asset.symbol}", account, asset.asset_id, 10**36, ""))
    trades, rows = [], []
    for number, spot in enumerate((BTC_USDT, ETH_USDT), start=1):
        buy, sell, instrument = 10 * number, 10 * number + 1, spot.instrument_id
        ask = (1, instrument, BUY, 2**62, 2**40, 0, 1_000, 2_000)
        assert isinstance(ledger.lock(HoldAsk(buy, 1, *ask), NOW), int)
        ask = (2, instrument, SELL, 0, 2**40, 0, -500, 700)
        assert isinstance(ledger.lock(HoldAsk(sell, 1, *ask), NOW), int)
        price, lots = 2**61 + 1, 2**39 + 1
        trades.append(Trade(number, number, instrument, price, lots, BUY, buy, 1, 1, sell, 1, 2))
        base, quote = lots * spot.base_units, price * lots * spot.quote_units
        rows.append(
            (
                LEDGER, MARKET, number, instrument, spot.base.asset_id, spot.quote.asset_id, BUY,
                price, lots, buy, 1, 1, sell, 1, 2,
                base, quote, quote * 2_000 // 10**6, -(quote * 500 // 10**6), NOW,
            )
        )  # fmt: skip
    settle(memory, Range(MARKET, LogPoint("", 0, 0), LogPoint(LOG, 2, 2), trades), NOW)
    assert Batch(memory, NOW).settled.text() == plain(*rows)
