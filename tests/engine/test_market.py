"""A market takes numbered batches once each, keeps time, and gives back its events."""

import errno
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from typing_extensions import Buffer

from svc.engine.book import Engine, chain
from svc.engine.folder import Folder
from svc.engine.journal import Batch, EventBatch
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.records import (
    Command,
    CommandKind,
    EventKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    pack_commands,
    unpack_events,
)
from svc.engine.status import Position
from svc.kit.clock import FakeClock
from svc.kit.errors import DomainError
from tests.engine.flows import SECOND_NS, START_NS
from tests.engine.lossy import LOG_ID, a_market, digest_of, flow_batches, numbered


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return a_market(Folder(tmp_path), segment_bytes=4_000)


def reason(error: pytest.ExceptionInfo[DomainError]) -> str:
    return error.value.reason


def opening() -> Batch:
    instrument = InstrumentCommand(1, 1, MarketState.TRADING, 1_000)
    return numbered(pack_commands([instrument]), 1)


def gtd_order(order_id: int, expire_ns: int) -> bytes:
    return Command(
        CommandKind.NEW,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        tif=TimeInForce.GTD,
        stp_mode=SelfTradeMode.NONE,
        instrument_id=1,
        version=1,
        order_id=order_id,
        account_id=1,
        price_ticks=10,
        quantity_lots=5,
        expire_ns=expire_ns,
    ).pack()


def test_a_batch_that_comes_again_is_skipped(market: Market) -> None:
    batches = list(flow_batches(1, 10))
    market.submit(batches[:5])
    position = market.status().position
    outcomes = market.submit(batches[2:7])
    assert [outcome.is_duplicate for outcome in outcomes] == [True, True, True, False, False]
    assert [outcome.number for outcome in outcomes] == [3, 4, 5, 6, 7]
    assert outcomes[0].sequence == position.sequence
    assert market.status().last_batch == 7


def test_the_same_number_with_another_digest_takes_nothing(market: Market) -> None:
    batches = list(flow_batches(1, 10))
    market.submit(batches[:5])
    before = market.status()
    forged = Batch(2, digest_of(b"another"), batches[1].commands)
    with pytest.raises(DomainError) as refused:
        market.submit([forged, *batches[5:7]])
    assert reason(refused) == "DIGEST_MISMATCH"
    assert market.status() == before


def test_a_gap_takes_nothing(market: Market) -> None:
    batches = list(flow_batches(1, 10))
    with pytest.raises(DomainError) as refused:
        market.submit([batches[0], batches[2]])
    assert reason(refused) == "BATCH_GAP"
    assert refused.value.metadata == {"number": "3", "expected": "2"}
    assert market.status().last_batch == 0


@pytest.mark.parametrize(
    "batch",
    [
        Batch(0, bytes(16), bytes(128)),
        Batch(1, bytes(15), bytes(128)),
        Batch(1, bytes(16), b""),
        Batch(1, bytes(16), bytes(130)),
        Batch(1, bytes(16), bytes(128 * 4_097)),
    ],
)
def test_a_batch_of_the_wrong_form_is_refused(market: Market, batch: Batch) -> None:
    with pytest.raises(DomainError) as refused:
        market.submit([batch])
    assert reason(refused) == "INVALID_BATCH"


def test_a_batch_twice_in_one_call_is_refused(market: Market) -> None:
    batch = opening()
    with pytest.raises(DomainError) as refused:
        market.submit([batch, batch])
    assert reason(refused) == "INVALID_BATCH"
    assert market.status().last_batch == 0


def test_digests_are_known_again_after_a_restart(tmp_path: Path) -> None:
    batches = list(flow_batches(1, 10))
    a_market(Folder(tmp_path)).submit(batches)
    market = a_market(Folder(tmp_path), epoch=2)
    assert all(outcome.is_duplicate for outcome in market.submit(batches))
    with pytest.raises(DomainError) as refused:
        market.submit([Batch(3, bytes(16), batches[2].commands)])
    assert reason(refused) == "DIGEST_MISMATCH"


def test_time_never_falls_when_the_clock_does(tmp_path: Path) -> None:
    clock = FakeClock(START_NS)
    market = a_market(Folder(tmp_path), clock)
    batches = list(flow_batches(1, 3))
    market.submit(batches[:1])
    clock.set_unix_ns(START_NS - 5 * SECOND_NS)
    market.submit(batches[1:2])
    assert [events.time_ns for events in market.events_after(0)] == [START_NS, START_NS]


def test_an_order_expires_without_traffic_and_again_in_the_replay(tmp_path: Path) -> None:
    clock = FakeClock(START_NS)
    market = a_market(Folder(tmp_path), clock)
    market.submit([opening(), numbered(gtd_order(7, START_NS + 10), 2)])
    assert market.status().next_deadline_ns == START_NS + 10
    clock.advance(9)
    assert market.advance() is None
    clock.advance(1)
    expired = market.advance()
    assert expired is not None
    assert expired.batch_number == 0
    assert [e.kind for e in unpack_events(expired.records)] == [EventKind.ORDER_EXPIRED]
    assert market.advance() is None
    again = a_market(Folder(tmp_path), clock, epoch=2)
    assert list(again.events_after(0)) == list(market.events_after(0))
    assert again.status().last_batch == 2


def test_events_come_back_from_every_sequence_across_segments(tmp_path: Path) -> None:
    market = a_market(Folder(tmp_path), segment_bytes=2_000)
    for batch in flow_batches(8, 60):
        market.submit([batch])
    assert len(list(tmp_path.glob("*.journal"))) > 3
    whole = b"".join(events.records for events in market.events_after(0))
    end = market.status().position
    assert len(whole) == end.sequence * 128
    assert chain(0, whole) == end.running_hash
    for sequence in range(end.sequence):
        batches = list(market.events_after(sequence))
        assert b"".join(events.records for events in batches) == whole[sequence * 128 :]
        assert batches[0].first_sequence == sequence + 1
        assert_chained(batches, chain(0, whole[: sequence * 128]))
    assert list(market.events_after(end.sequence)) == []


def assert_chained(batches: Sequence[EventBatch], running_hash: int) -> None:
    for events in batches:
        assert events.previous_hash == running_hash
        running_hash = events.running_hash
        assert chain(events.previous_hash, events.records) == running_hash


def test_a_position_is_checked_at_every_sequence(market: Market) -> None:
    market.submit(list(flow_batches(8, 30)))
    whole = b"".join(events.records for events in market.events_after(0))
    for sequence in range(len(whole) // 128 + 1):
        right = chain(0, whole[: sequence * 128])
        market.check_position(Position(LOG_ID, sequence, right))
        with pytest.raises(DomainError) as refused:
            market.check_position(Position(LOG_ID, sequence, right ^ 1))
        assert reason(refused) == "HASH_MISMATCH"


def test_a_consumer_of_another_log_or_ahead_of_this_one_is_refused(market: Market) -> None:
    market.submit([opening()])
    market.check_position(Position(b"", 0, 0))
    with pytest.raises(DomainError) as refused:
        market.check_position(Position(bytes(16), 1, 0))
    assert reason(refused) == "LOG_FOREIGN"
    with pytest.raises(DomainError) as refused:
        market.check_position(Position(LOG_ID, 2, 0))
    assert reason(refused) == "LOG_BEHIND_CONSUMER"


def test_a_relay_whose_outbox_ends_before_the_log_is_refused(market: Market) -> None:
    market.submit(list(flow_batches(8, 5)))
    last, position = market.status().last_batch, market.status().position
    market.check_relay(last, position)
    market.check_relay(last + 3, position)
    with pytest.raises(DomainError) as refused:
        market.check_relay(last - 1, position)
    assert reason(refused) == "LOG_AHEAD_OF_OUTBOX"


class CountingDisk(Folder):
    """Counts its syncs."""

    syncs = 0

    def fdatasync(self, descriptor: int) -> None:
        self.syncs += 1
        super().fdatasync(descriptor)


def test_what_waits_for_the_disk_goes_with_one_sync(tmp_path: Path) -> None:
    folder = CountingDisk(tmp_path)
    market = a_market(folder)
    batches = list(flow_batches(4, 30))
    taken = [market.begin(batches[at : at + 3]) for at in range(0, len(batches), 3)]
    before = folder.syncs
    outcomes = [outcome for each in taken for outcome in market.finish(each)]
    assert folder.syncs == before + 1
    assert [outcome.number for outcome in outcomes] == [batch.number for batch in batches]


def test_nothing_is_seen_of_a_batch_before_it_is_matched(tmp_path: Path) -> None:
    market = a_market(CountingDisk(tmp_path))
    batches = list(flow_batches(4, 12))
    for batch in batches:
        before = market.status()
        taken = market.begin([batch])
        assert market.status() == before
        market.store(taken)
        assert market.status() == before
        (outcome,) = market.finish(taken)
        assert market.status().last_batch == batch.number
        assert market.status().position.sequence == outcome.sequence
    again = a_market(Folder(tmp_path), epoch=2)
    assert again.status().position == market.status().position


def test_what_was_matched_is_read_without_waiting_for_the_disk(tmp_path: Path) -> None:
    folder = CountingDisk(tmp_path)
    market = a_market(folder)
    for batch in flow_batches(4, 12):
        market.match(market.begin([batch]))
        before = folder.syncs
        position = market.status().position
        events = list(market.events_after(0))
        assert events[-1].first_sequence + events[-1].count - 1 == position.sequence
        assert events[-1].running_hash == position.running_hash
        assert folder.syncs == before


class HeldDisk(Folder):
    """Syncs when it is let."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.is_syncing, self.may_sync = Event(), Event()
        self.may_sync.set()

    def fdatasync(self, descriptor: int) -> None:
        self.is_syncing.set()
        self.may_sync.wait()
        super().fdatasync(descriptor)


def test_a_batch_is_matched_and_answered_while_the_next_is_on_its_way_to_the_disk(
    tmp_path: Path,
) -> None:
    folder = HeldDisk(tmp_path)
    market = a_market(folder)
    first, second, third, *_ = flow_batches(4, 12)
    market.submit([first])
    taken = market.begin([second])
    market.store(taken)
    folder.is_syncing.clear()
    folder.may_sync.clear()
    with ThreadPoolExecutor(1) as disk:
        storing = disk.submit(market.store, market.begin([third]))
        folder.is_syncing.wait()
        (outcome,) = market.finish(taken)
        assert outcome.number == market.status().last_batch == second.number
        assert not storing.done()
        folder.may_sync.set()
    market.submit([third])
    assert market.status().last_batch == third.number


def test_the_disk_works_while_the_engine_does_and_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = a_market(Folder(tmp_path / "one"), segment_bytes=8_000)
    other = a_market(Folder(tmp_path / "other"))
    batches = list(flow_batches(6, 200))
    with ThreadPoolExecutor(1) as disk, ThreadPoolExecutor(1) as engine:
        taken = [one.begin([batch]) for batch in batches[:1]]
        begun = []
        for batch in batches[1:]:
            taken.append(one.begin([batch]))
            disk.submit(one.store, taken[-2])
            begun.append(engine.submit(one.finish, taken[-2]))
        begun.append(engine.submit(one.finish, taken[-1]))
        found = [outcome for each in begun for outcome in each.result()]
    assert found == [outcome for batch in batches for outcome in other.submit([batch])]
    assert list(one.events_after(0)) == list(other.events_after(0))
    again = a_market(Folder(tmp_path / "one"), epoch=2)
    assert again.state_hash() == other.state_hash()


class FullDisk(Folder):
    """Takes a number of appends, then has no space left: a header, then two a batch."""

    def __init__(self, path: Path, appends: int) -> None:
        super().__init__(path)
        self.appends = appends

    def append(self, descriptor: int, parts: Sequence[Buffer]) -> None:
        self.appends -= 1
        if self.appends < 0:
            super().append(descriptor, [bytes(parts[0])[:50]])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(descriptor, parts)


@pytest.mark.parametrize(("appends", "known"), [(3, 1), (4, 2)], ids=["commands", "events"])
def test_after_a_full_disk_nothing_is_taken_and_a_restart_goes_on(
    tmp_path: Path, appends: int, known: int
) -> None:
    market = a_market(FullDisk(tmp_path, appends))
    batches = list(flow_batches(2, 5))
    market.submit(batches[:1])
    with pytest.raises(JournalError, match="No space left"):
        market.submit(batches[1:2])
    for again in (batches[1:2], batches[:1]):
        with pytest.raises(JournalError, match="JOURNAL_FAILED"):
            market.submit(again)
    reports: list[str] = []
    restarted = a_market(Folder(tmp_path), epoch=2, reports=reports)
    assert len(reports) == 1
    outcomes = restarted.submit(batches[:3])
    assert [outcome.is_duplicate for outcome in outcomes] == [at < known for at in range(3)]


class Breaking(Engine):
    """Breaks down once, inside a batch."""

    is_broken = False

    def apply(self, commands: Buffer, time_ns: int) -> memoryview:
        if self.is_broken:
            self.is_broken = False
            raise MemoryError
        return super().apply(commands, time_ns)


def test_a_batch_that_an_engine_broke_down_in_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.engine.recovery.Engine", Breaking)
    market = a_market(Folder(tmp_path))
    batches = list(flow_batches(2, 5))
    market.submit(batches[:1])
    monkeypatch.setattr(Breaking, "is_broken", True)
    with pytest.raises(MemoryError):
        market.submit(batches[1:2])
    monkeypatch.setattr(Breaking, "is_broken", False)
    with pytest.raises(JournalError, match="JOURNAL_FAILED"):
        market.submit(batches[2:3])
    assert a_market(Folder(tmp_path), epoch=2).status().last_batch == 2


def test_a_snapshot_holds_every_order_at_its_position(market: Market) -> None:
    market.submit(list(flow_batches(8, 40)))
    snapshot = market.snapshot()
    assert snapshot.position == market.status().position
    assert set(snapshot.instruments) == set(snapshot.orders) == {1, 2}
    orders = sum(len(records) // 128 for records in snapshot.orders.values())
    assert orders == market.status().live_orders > 0
