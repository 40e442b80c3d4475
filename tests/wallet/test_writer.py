"""The one writer: what a failed commit, a lost lease and a second writer do to the ledger."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from svc.kit.errors import NOT_LEADER, DomainError
from svc.wallet import operations as ops
from svc.wallet.asks import CreditAsk, Refusal
from svc.wallet.memory import BUY, SELL, HoldAsk, HoldKey
from svc.wallet.settlement import Effect, LogPoint, Range, Release, Trade
from svc.wallet.writer import Writer
from tests.wallet.conftest import leads, writing
from tests.wallet.cutting import Cut, wired
from tests.wallet.rows import Auditor
from tests.wallet.worlds import BTC, BTC_USDT, LOG, MARKET, USDT, other

ALICE, BOB = 1, 2
FUNDS = 1_000


@pytest.fixture
async def auditor(migrated_url: str) -> AsyncIterator[Auditor]:
    """Read the test's database past the wallet."""
    found = await Auditor.connect(migrated_url)
    yield found
    await found.close()


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """Make a folder whose name is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        yield Path(folder)


def buy(order_id: int, lots: int = 1, *, account: int = ALICE, cap: int = 10) -> HoldAsk:
    """A buy without fees: 30 units of quote a lot at the default cap."""
    return HoldAsk(order_id, 1, account, BTC_USDT.instrument_id, BUY, cap, lots, 0, 0, 0)


def sell(order_id: int, lots: int = 1, *, account: int = BOB) -> HoldAsk:
    """A sell: 7 units of base a lot."""
    return HoldAsk(order_id, 1, account, BTC_USDT.instrument_id, SELL, 0, lots, 0, 0, 0)


def settling(after: int, to: int, *effects: Effect, log: str = LOG) -> ops.SettleTrade:
    """A range of the test's log, whose running hash is the sequence."""
    start = LogPoint(log if after else "", after, after)
    return ops.SettleTrade(Range(MARKET, start, LogPoint(log, to, to), effects))


def trade(sequence: int, number: int, buy_id: int, sell_id: int, lots: int = 1) -> Trade:
    """A trade at 10 ticks between Alice and Bob."""
    return Trade(sequence, number, 1, 10, lots, BUY, buy_id, 1, ALICE, sell_id, 1, BOB)


async def fund(writer: Writer) -> None:
    """Gives Alice quote and Bob base."""
    await leads(writer)
    asks = [
        CreditAsk("a", ALICE, USDT.asset_id, FUNDS, ""),
        CreditAsk("b", BOB, BTC.asset_id, FUNDS, ""),
    ]
    assert await writer.submit(ops.Credit(asks)) == [FUNDS, FUNDS]


async def lock(writer: Writer, *asks: HoldAsk) -> list[int | str]:
    """Amounts held and reasons of refusal."""
    results = await writer.submit(ops.LockFunds(asks))
    return [each.reason if isinstance(each, Refusal) else each for each in results]


async def failure(writer: Writer, operation: ops.Operation[object]) -> DomainError:
    """The error of an operation that must fail."""
    with pytest.raises(DomainError) as failed:
        await writer.submit(operation)
    return failed.value


@pytest.mark.parametrize(("cut", "committed"), [(Cut.NEVER_SENT, 0), (Cut.ANSWER_LOST, 1)])
async def test_a_batch_without_a_known_outcome_is_answered_unavailable_and_may_be_repeated(
    migrated_url: str, auditor: Auditor, socket_folder: Path, cut: Cut, committed: int
) -> None:
    async with (
        wired(migrated_url, socket_folder) as (wire, url),
        writing(url) as writer,
    ):
        await fund(writer)
        wire.cut_next_commit(cut)
        error = await failure(writer, ops.LockFunds([buy(1, 20)]))
        assert error.reason == "LEDGER_UNCERTAIN"
        assert await auditor.count("holds") == committed
        await leads(writer)
        assert await lock(writer, buy(1, 20), buy(2, 20)) == [600, "INSUFFICIENT_BALANCE"]
        assert await auditor.count("holds") == 1
        assert await auditor.faults() == []


async def test_a_commit_that_arrives_late_is_waited_for_before_the_memory_is_loaded(
    migrated_url: str, auditor: Auditor, socket_folder: Path
) -> None:
    async with (
        wired(migrated_url, socket_folder) as (wire, url),
        writing(url) as writer,
    ):
        await fund(writer)
        wire.cut_next_commit(Cut.DELAYED)
        error = await failure(writer, ops.LockFunds([buy(1, 20)]))
        assert error.reason == "LEDGER_UNCERTAIN"
        await auditor.writer_waits()
        await wire.deliver()
        await leads(writer)
        # The server may have given up on the idle transaction first: then nothing is held.
        late = await auditor.count("holds")
        expected = "INSUFFICIENT_BALANCE" if late else 600
        assert await lock(writer, buy(2, 20)) == [expected]
        assert await auditor.faults() == []


async def test_a_memory_that_strayed_from_its_database_cannot_commit(
    migrated_url: str, auditor: Auditor
) -> None:
    async with writing(migrated_url) as writer:
        await fund(writer)
        await auditor.connection.execute(
            "UPDATE balances SET balance = 500 WHERE account_id = $1", ALICE
        )
        error = await failure(writer, ops.LockFunds([buy(1, 20)]))
        assert error.reason == "LEDGER_UNCERTAIN"
        await leads(writer)
        assert await lock(writer, buy(1, 20)) == ["INSUFFICIENT_BALANCE"]
        assert await auditor.count("holds") == 0
        assert [fault.partition(":")[0] for fault in await auditor.faults()] == [
            "a balance is not the sum of its postings"
        ]


async def test_a_row_that_must_be_there_and_is_not_stops_the_commit(
    migrated_url: str, auditor: Auditor
) -> None:
    async with writing(migrated_url) as writer:
        await fund(writer)
        await lock(writer, buy(1, 20))
        await auditor.connection.execute("DELETE FROM open_holds")
        release = settling(0, 1, Release(1, 1, 1, 0))
        assert (await failure(writer, release)).reason == "LEDGER_UNCERTAIN"
        await leads(writer)
        assert (await failure(writer, release)).reason == "EFFECT_NOT_APPLICABLE"
        assert (await auditor.balances())[ALICE, USDT.asset_id] == (FUNDS, 600)


async def test_funds_of_a_batch_are_spent_in_it_and_lost_with_it(
    migrated_url: str, auditor: Auditor, socket_folder: Path
) -> None:
    credit = ops.Credit([CreditAsk("c", ALICE, USDT.asset_id, FUNDS, "")])
    async with (
        wired(migrated_url, socket_folder) as (wire, url),
        writing(url) as writer,
    ):
        await fund(writer)
        wire.cut_next_commit(Cut.NEVER_SENT)
        spent = ops.LockFunds([buy(1, 60)])
        failed = await asyncio.gather(
            writer.submit(credit), writer.submit(spent), return_exceptions=True
        )
        assert [getattr(each, "reason", None) for each in failed] == ["LEDGER_UNCERTAIN"] * 2
        await leads(writer)
        assert await lock(writer, buy(1, 60)) == ["INSUFFICIENT_BALANCE"]
        both = await asyncio.gather(writer.submit(credit), writer.submit(spent))
        assert list(both) == [[2 * FUNDS], [1_800]]
        assert await auditor.faults() == []


async def test_a_standby_names_the_leader(migrated_url: str) -> None:
    async with writing(migrated_url, "one") as one:
        await leads(one)
        async with writing(migrated_url, "two") as two:
            error = await failure(two, ops.ReadPosition(MARKET))
            assert (error.reason, error.metadata) == (NOT_LEADER, {"leader": "one:1"})


async def test_a_writer_whose_lease_ran_out_commits_nothing_more(
    migrated_url: str, auditor: Auditor
) -> None:
    async with writing(migrated_url, "one") as one:
        await fund(one)
        async with writing(migrated_url, "two") as two:
            await auditor.connection.execute(
                "UPDATE leases SET holder = 'nobody', expires_at = clock_timestamp()"
            )
            await leads(two)
            error = await failure(one, ops.LockFunds([buy(1)]))
            assert error.reason in ("LEDGER_UNCERTAIN", NOT_LEADER)
            assert await auditor.count("holds") == 0
            assert await lock(two, buy(1)) == [30]
            error = await failure(one, ops.ReadPosition(MARKET))
            assert (error.reason, error.metadata) == (NOT_LEADER, {"leader": "two:1"})
        await leads(one)
        assert await lock(one, buy(1), buy(2)) == [30, 30]
        assert await auditor.faults() == []


async def test_what_was_committed_is_there_after_a_restart(
    migrated_url: str, auditor: Auditor
) -> None:
    async with writing(migrated_url) as writer:
        await fund(writer)
        await lock(writer, buy(1, 5), sell(2, 3), buy(3, 2), buy(4))
        await writer.submit(ops.UnlockFunds([HoldKey(4, 1), HoldKey(9, 1)]))
        await writer.submit(settling(0, 4, trade(2, 1, 1, 2, 3), Release(4, 3, 1, 0)))
    async with writing(migrated_url) as writer:
        await leads(writer)
        position = await writer.submit(ops.ReadPosition(MARKET))
        assert position == (LOG, 4, 4, 1)
        held = await writer.submit(ops.ListHolds(0, 2**62, 10))
        assert [(hold.key, hold.account_id, hold.amount) for hold in held] == [((1, 1), ALICE, 60)]
        again = await lock(
            writer, buy(1, 5), sell(2, 3), buy(3, 2), buy(3, 1), buy(4), buy(9), buy(5)
        )
        assert again == [150, 21, 60, "HOLD_KEY_REUSED", "HOLD_CLOSED", "HOLD_CLOSED", 30]
        assert await writer.submit(settling(2, 6, trade(4, 9, 9, 9))) == (LOG, 6, 6, 1)
        in_use = await writer.submit(ops.UnlockFunds([HoldKey(2, 1), HoldKey(4, 1)]))
        assert isinstance(in_use[0], Refusal)
        assert (in_use[0].reason, in_use[1]) == ("HOLD_IN_USE", 30)
        assert await auditor.faults() == []


async def test_amounts_of_thirty_seven_digits_are_exact(
    migrated_url: str, auditor: Auditor
) -> None:
    most = 10**37 - 1
    ask = other(buy(1), quote_amount=most - 1)
    async with writing(migrated_url) as writer:
        await leads(writer)
        credit = ops.Credit([CreditAsk("a", ALICE, USDT.asset_id, most, "")])
        assert await writer.submit(credit) == [most]
        assert await lock(writer, ask) == [most - 1]
        more = await writer.submit(ops.Credit([CreditAsk("b", BOB, USDT.asset_id, 1, "")]))
        assert isinstance(more[0], Refusal)
        assert more[0].reason == "AMOUNT_TOO_LARGE"
        assert await writer.committed(ALICE) == {USDT.asset_id: (most, most - 1)}
        assert (await auditor.balances())[ALICE, USDT.asset_id] == (most, most - 1)
        assert await auditor.faults() == []


async def test_holds_are_listed_oldest_first_a_page_at_a_time(migrated_url: str) -> None:
    async with writing(migrated_url) as writer:
        await fund(writer)
        await lock(writer, *(buy(order_id) for order_id in (5, 3, 8, 1)))
        await lock(writer, other(buy(3), version=2, lots=2))
        pages = []
        after = 0
        while page := await writer.submit(ops.ListHolds(after, 2**62, 2)):
            pages.append([hold.key for hold in page])
            after = page[-1].created_at_unix_ns
        assert pages == [[(5, 1), (3, 1)], [(8, 1), (1, 1)], [(3, 2)]]
        assert await writer.submit(ops.ListHolds(0, 1, 10)) == []
    async with writing(migrated_url) as writer:
        await leads(writer)
        await writer.submit(ops.UnlockFunds([HoldKey(8, 1)]))
        left = await writer.submit(ops.ListHolds(0, 2**62, 10))
        assert [hold.key for hold in left] == [(5, 1), (3, 1), (1, 1), (3, 2)]


@pytest.mark.spec(
    "led-double-entry", "led-leg-1", "led-leg-2", "led-leg-3", "led-leg-4", "led-leg-5-6"
)
async def test_a_trade_is_six_legs_and_what_its_fees_pay_into(
    migrated_url: str, auditor: Auditor
) -> None:
    async with writing(migrated_url) as writer:
        await fund(writer)
        taker = other(buy(1, 10), maker_ppm=-1_000, taker_ppm=20_000)
        maker = other(sell(2, 10), maker_ppm=-10_000, taker_ppm=20_000)
        assert await lock(writer, taker, maker) == [306, 70]
        await writer.submit(settling(0, 1, trade(1, 1, 1, 2, 10)))
        rows = await auditor.connection.fetch(
            "SELECT account_id, asset_id, amount FROM postings WHERE trade_number = 1"
        )
        btc, usdt = BTC.asset_id, USDT.asset_id
        assert sorted((row[0], row[1], int(row[2])) for row in rows) == sorted(
            [
                (ALICE, usdt, -300),
                (ALICE, btc, 70),
                (BOB, btc, -70),
                (BOB, usdt, 300),
                (ALICE, usdt, -6),
                (BOB, usdt, 3),
                (-2, usdt, 3),
            ]
        )
        assert await writer.committed(ALICE) == {usdt: (FUNDS - 306, 0), btc: (70, 0)}
        assert await writer.committed(BOB) == {btc: (FUNDS - 70, 0), usdt: (303, 0)}
        assert await auditor.faults() == []


@pytest.mark.spec("led-settle-atomic")
async def test_a_range_with_an_effect_that_does_not_fit_changes_nothing(
    migrated_url: str, auditor: Auditor
) -> None:
    async with writing(migrated_url) as writer:
        await fund(writer)
        await lock(writer, buy(1, 5), sell(2, 5))
        before = await auditor.balances()
        error = await failure(writer, settling(0, 9, trade(3, 1, 1, 2, 4), trade(7, 2, 1, 2, 2)))
        assert (error.reason, error.metadata["sequence"]) == ("EFFECT_NOT_APPLICABLE", "7")
        assert await auditor.balances() == before
        assert await auditor.count("settlements") == 0
        await writer.submit(settling(0, 9, trade(3, 1, 1, 2, 4), trade(7, 2, 1, 2, 1)))
        assert await auditor.count("settlements") == 2
        assert await auditor.faults() == []


async def test_ranges_settle_once_whatever_overlaps_and_never_over_a_gap(
    migrated_url: str, auditor: Auditor
) -> None:
    first, second = trade(2, 1, 1, 2), trade(5, 2, 1, 2)
    async with writing(migrated_url) as writer:
        await fund(writer)
        await lock(writer, buy(1, 5), sell(2, 5))
        gap = await failure(writer, settling(1, 5, first, second))
        assert (gap.reason, gap.metadata["position"]) == ("SEQUENCE_GAP", "0")
        assert (await writer.submit(settling(0, 3, first))).sequence == 3
        assert (await writer.submit(settling(0, 3, first))).sequence == 3
        assert (await writer.submit(settling(0, 5, first, second))).sequence == 5
        assert (await writer.submit(settling(1, 4, first))).sequence == 5
        foreign = await failure(writer, settling(5, 6, log="f" * 32))
        other_hash = ops.SettleTrade(Range(MARKET, LogPoint(LOG, 5, 4), LogPoint(LOG, 6, 6), ()))
        assert [foreign.reason, (await failure(writer, other_hash)).reason] == ["LOG_FOREIGN"] * 2
        assert (await failure(writer, settling(5, 6, first))).reason == "RANGE_INVALID"
        assert await auditor.count("settlements") == 2
        assert await auditor.faults() == []
