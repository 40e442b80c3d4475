"""Orders, their commands, engine, events, ledger and rows in one chain, each at a pace of its own.

The real rules of each, without database and wire: whatever is replaced, swapped, canceled, filled,
reduced and expired in whatever order, every event fits, and a hold is exactly what its order needs.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace

import pytest
from engine.v1 import records_pb2

from svc.engine import wire
from svc.engine.book import Engine
from svc.kit import decimals
from svc.kit.decimals import Step
from svc.kit.errors import DomainError
from svc.kit.market_events import parse_batch
from svc.order import admission, amending, encoding, events, lifecycle
from svc.order.amending import Standing
from svc.order.applying import Applying, Row
from svc.order.asks import Caller, Create, Terms
from svc.order.changes import Wanted
from svc.order.events import Piece
from svc.order.instrument import Condition, MarketState
from svc.order.lifecycle import CANCELABLE, LIVE, REPLACEABLE, Cause, Status
from svc.order.market import Position
from svc.wallet import codec, money
from svc.wallet.asks import CreditAsk, Refusal
from svc.wallet.ledger import Ledger
from svc.wallet.memory import OPEN, ClosedHold, HoldAsk, HoldKey, Memory
from svc.wallet.settlement import settle
from tests.order.instruments import BTC_USDT
from tests.wallet.worlds import BTC_USDT as PAIR
from tests.wallet.worlds import small_catalog

INSTRUMENT = replace(
    BTC_USDT, id=PAIR.instrument_id, tick=Step.parse("1", 1_000_000), lot=Step.parse("1"),
    min_notional_tick_lots=1, max_quantity_lots=1_000, quote_units_per_tick_lot=PAIR.quote_units,
)  # fmt: skip
OPEN_MARKET = Condition(MarketState.TRADING, 1, 1_000_000, 0)
LOG = "0123456789abcdef0123456789abcdef"
SIDES = (1, 2)
GTC, IOC, GTD = 1, 2, 4


class Chain:
    """The chain, and the dice that say what moves next."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.engine = Engine()
        self.memory = Memory(ledger=1)
        self.ledger = Ledger(self.memory, small_catalog())
        self.shelf: dict[HoldKey, ClosedHold] = {}
        self.rows: dict[int, Row] = {}
        self.versions: dict[int, int] = {}
        self.died: list[HoldKey] = []
        self.outbox: deque[records_pb2.CommandBatch] = deque()
        self.log: deque[records_pb2.EventBatch] = deque()
        self.settled: deque[Piece] = deque()
        self.position = Position()
        self.time_ns = 1
        self.replaced = self.refused = self.below = 0
        for account in (1, 2, 3):
            for asset in (PAIR.base.asset_id, PAIR.quote.asset_id):
                credit = CreditAsk(f"{account}-{asset}", account, asset, 10**12, "")
                assert not isinstance(self.ledger.credit(credit), Refusal)
        self.committed()
        self.outbox.append(
            records_pb2.CommandBatch(
                commands=[
                    records_pb2.Command(
                        set_instrument=records_pb2.SetInstrument(
                            instrument_id=INSTRUMENT.id, version=1, min_price_ticks=1,
                            max_price_ticks=1_000_000, max_quantity_lots=1_000, state="TRADING",
                        )
                    )
                ]
            )
        )  # fmt: skip

    def run(self, steps: int) -> None:
        """So many moves of anybody, then everything to its end."""
        moves = (
            self.place, self.place, self.replace, self.replace, self.replace, self.cancel,
            self.swap, self.match, self.match, self.settle, self.settle, self.apply, self.apply,
        )  # fmt: skip
        for _ in range(steps):
            self.dice.choice(moves)()
        while self.outbox:
            self.match()
        while self.log:
            self.settle()
        while self.settled:
            self.apply()
        for key in self.died:
            assert not isinstance(self.ledger.unlock(key), Refusal)
        self.committed()

    def place(self) -> None:
        """A new order."""
        create = self.create(self.dice.choice(SIDES), self.dice.randint(1, 3))
        if self.lock(create):
            batch = encoding.CommandBatch()
            batch.add_new_order(create)
            self.put_down(create, batch)

    def swap(self) -> None:
        """One order instead of another."""
        row = self.some(REPLACEABLE)
        if row is None:
            return
        create = self.create(row.side, row.account_id)
        if self.lock(create):
            batch = encoding.CommandBatch()
            batch.add_cancel_replace(row.id, create)
            self.put_down(create, batch)
            self.ask(row, Cause.REPLACE_REQUESTED)

    def replace(self) -> None:
        """A replace that is judged by what orders know by now; some calls die in the middle."""
        row = self.some(REPLACEABLE)
        if row is None:
            return
        price, most = self.price(row.side), self.dice.choice((3, 60))
        lots = row.filled_lots + self.dice.randint(1, most)
        wanted = Wanted(
            price=str(price) if self.dice.random() < 0.7 else "",
            quantity=decimals.format_steps(lots, INSTRUMENT.lot)
            if self.dice.random() < 0.7
            else "",
        )
        try:
            amended = amending.amend(wanted, self.standing(row), INSTRUMENT, OPEN_MARKET)
        except DomainError:
            return
        ask = HoldAsk(
            row.id, amended.version, row.account_id, INSTRUMENT.id, row.side,
            amended.cap_ticks if row.side == 1 else 0, amended.remaining_lots, 0,
            amended.maker_fee_ppm, amended.taker_fee_ppm,
        )  # fmt: skip
        held = self.hold(ask)
        if isinstance(held, Refusal):
            return
        self.versions[row.id] = amended.version
        if self.dice.random() < 0.05:
            self.died.append(ask.key)
            return
        batch = encoding.CommandBatch()
        batch.add_replace(
            row.id, row.account_id, INSTRUMENT.id, amended.version, amended.new_price_ticks,
            amended.new_cap_ticks, amended.new_stop_ticks, amended.new_lots,
        )  # fmt: skip
        self.append(batch)
        self.ask(row, Cause.REPLACE_REQUESTED)

    def cancel(self) -> None:
        """A cancel, which may overtake a replace."""
        row = self.some(CANCELABLE)
        if row is None or self.dice.random() < 0.5:
            return
        batch = encoding.CommandBatch()
        batch.add_cancel(row.id, row.account_id, INSTRUMENT.id)
        self.append(batch)
        self.ask(row, Cause.CANCEL_REQUESTED)

    def match(self) -> None:
        """The engine takes a batch; now and then time has passed."""
        if not self.outbox:
            return
        self.time_ns += self.dice.choice((0, 0, 1, 5)) * 1_000
        before = self.engine.running_hash
        commands = wire.pack_commands(self.outbox.popleft())
        batch = wire.unpack_events(self.engine.apply(commands, self.time_ns))
        batch.log_id, batch.previous_hash, batch.running_hash = (
            LOG, before, self.engine.running_hash,
        )  # fmt: skip
        if batch.events:
            self.log.append(batch)

    def settle(self) -> None:
        """The ledger settles what has come, as far as it likes."""
        count = self.dice.randint(1, 3)
        batches = [self.log.popleft() for _ in range(min(count, len(self.log)))]
        if not batches:
            return
        read = [parse_batch(batch.SerializeToString()) for batch in batches]
        piece = events.read(read, self.position, 1, lambda _: False)
        wanted = codec.range_of(piece.settling)
        assert wanted is not None
        settle(self.memory, wanted, 1)
        self.committed()
        self.position = piece.to
        self.settled.append(piece)

    def apply(self) -> None:
        """Orders learn what was settled."""
        if not self.settled:
            return
        piece = self.settled.popleft()
        run = Applying(1, self.rows, {INSTRUMENT.id: INSTRUMENT.quote_units_per_tick_lot})
        for event in piece.events:
            run.apply(event)
        for row in run.touched.values():
            self.replaced += row.repriced
            self.refused += row.replace_reason is not None
            self.below += row.reason == "BELOW_EXECUTED"
            self.rows[row.id] = again(row, row.status)

    def price(self, side: int) -> int:
        """One that may meet the other side or rest."""
        return self.dice.randint(90, 102) if side == 1 else self.dice.randint(98, 110)

    def create(self, side: int, account_id: int) -> Create:
        """Some order."""
        time_in_force = self.dice.choice((GTC, GTC, GTC, IOC, GTD))
        terms = Terms(
            instrument=INSTRUMENT, side=side, type=1, time_in_force=time_in_force,
            self_trade_mode=self.dice.choice((1, 1, 2, 3, 5)),
            price_ticks=self.price(side), lots=self.dice.randint(1, 40),
            quote_units=0, leverage=1, reduce_only=False,
            expires_at_unix_ns=self.time_ns + 20_000 if time_in_force == GTD else 0,
            post_only=time_in_force != IOC and self.dice.random() < 0.2,
        )  # fmt: skip
        create = Create(Caller(account_id, account_id, "api", "", None), terms, "", None)
        admission.admit(create, OPEN_MARKET, 0)
        create.order_id = len(self.versions) + 1
        return create

    def lock(self, create: Create) -> bool:
        """Hold what a new order can cost, as the ledger reads it from the wire."""
        self.versions[create.order_id] = 1
        asks = codec.asks_of(encoding.locks([create]))
        assert asks is not None
        return not isinstance(self.hold(asks[0]), Refusal)

    def hold(self, ask: HoldAsk) -> int | Refusal:
        """Hold, knowing what the database knows of holds that closed."""
        if self.memory.unsure(ask.order_id, ask.version) and ask.key in self.shelf:
            self.memory.closed[ask.key] = self.shelf[ask.key]
        held = self.ledger.lock(ask, 1)
        self.committed()
        return held

    def put_down(self, create: Create, batch: encoding.CommandBatch) -> None:
        """A new order's row and command."""
        self.append(batch)
        terms = create.terms
        self.rows[create.order_id] = Row(
            create.order_id, create.account_id, INSTRUMENT.id, terms.side, Status.NEW, 1,
            terms.lots, 0, terms.lots, 0, terms.price_ticks, create.cap_ticks,
            INSTRUMENT.maker_fee_ppm, INSTRUMENT.taker_fee_ppm, 1,
        )  # fmt: skip

    def append(self, batch: encoding.CommandBatch) -> None:
        """A batch of the outbox."""
        self.outbox.append(records_pb2.CommandBatch.FromString(batch.payload()))

    def ask(self, row: Row, cause: Cause) -> None:
        """A request moves an order."""
        self.rows[row.id] = again(row, lifecycle.after(row.status, cause, filled_lots=0))

    def some(self, statuses: frozenset[Status]) -> Row | None:
        """An order in one of these states."""
        found = [row for row in self.rows.values() if row.status in statuses]
        return self.dice.choice(found) if found else None

    def standing(self, row: Row) -> Standing:
        """A row as the statement that looks for it gives it."""
        return Standing(
            order_id=row.id, account_id=row.account_id, instrument_id=INSTRUMENT.id,
            side=row.side, type=1, status=row.status, version=row.version,
            next_version=self.versions[row.id] + 1, filled_lots=row.filled_lots,
            remaining_lots=row.remaining_lots, price_ticks=row.price_ticks,
            cap_ticks=row.cap_ticks, stop_ticks=0, display_lots=0, leverage=1,
            is_trailing=False, is_triggered=False, has_amount=False,
            maker_fee_ppm=row.maker_fee_ppm, taker_fee_ppm=row.taker_fee_ppm,
        )  # fmt: skip

    def committed(self) -> None:
        """What the ledger's writer does behind each of its batches."""
        for hold in self.memory.changes.holds:
            if hold.state not in OPEN:
                self.shelf[hold.ask.key] = ClosedHold(hold.ask, hold.held, hold.state)
        self.memory.commit()


def again(row: Row, status: int) -> Row:
    """A row as it is read back."""
    return Row(
        row.id, row.account_id, row.instrument_id, row.side, status, row.version, row.lots,
        row.filled_lots, row.remaining_lots, row.filled_tick_lots, row.price_ticks, row.cap_ticks,
        row.maker_fee_ppm, row.taker_fee_ppm, row.events, row.reason, row.sequence,
    )  # fmt: skip


def needed(row: Row) -> int:
    """What an order of its terms holds."""
    if row.side == 2:
        return money.sell_hold(row.remaining_lots, PAIR.base_units)
    rate = money.hold_rate(row.maker_fee_ppm, row.taker_fee_ppm)
    return money.buy_hold(row.cap_ticks, row.remaining_lots, PAIR.quote_units, rate)


def check(chain: Chain) -> None:
    """Rows, engine and ledger say the same, and nothing is locked beside."""
    live = {row.id: row for row in chain.rows.values() if row.status in LIVE}
    assert chain.engine.live_orders == len(live)
    assert all(chain.engine.order(order_id) for order_id in live)
    holds = {hold.ask.key: hold for hold in chain.ledger.open_holds(0, 2**62, 10_000)}
    assert holds.keys() == {(row.id, row.version) for row in live.values()}
    locked: dict[tuple[int, int], int] = {}
    for row in live.values():
        hold = holds[HoldKey(row.id, row.version)]
        assert (hold.remaining, hold.amount) == (row.remaining_lots, needed(row))
        pays = row.account_id, (PAIR.quote if row.side == 1 else PAIR.base).asset_id
        locked[pays] = locked.get(pays, 0) + hold.amount
    balances = chain.memory.committed
    for asset_id in (PAIR.base.asset_id, PAIR.quote.asset_id):
        for account in (1, 2, 3):
            assert balances[account][asset_id][1] == locked.get((account, asset_id), 0)
        assert sum(mine[asset_id][0] for mine in balances.values() if asset_id in mine) == 0


@pytest.mark.parametrize("seed", range(12))
def test_every_event_fits_and_every_hold_is_exact_whatever_meets_a_replace(seed: int) -> None:
    chain = Chain(seed)
    chain.run(1_500)
    check(chain)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_400))
def test_the_same_for_long(seed: int) -> None:
    chain = Chain(seed)
    chain.run(4_000)
    check(chain)


def test_the_dice_reach_replaces_that_are_taken_refused_and_too_late() -> None:
    chains = [Chain(seed) for seed in range(100, 104)]
    for chain in chains:
        chain.run(1_500)
    assert min(sum(chain.replaced for chain in chains), sum(c.refused for c in chains)) > 50
    assert sum(chain.below for chain in chains) > 0
