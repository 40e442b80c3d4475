"""Drives a ledger and its model with the same operations and compares every answer and state.

Ids come from small ranges on purpose: keys, versions and transactions collide all the time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from svc.kit.errors import DomainError
from svc.wallet import operations as ops
from svc.wallet.asks import CreditAsk, Refusal
from svc.wallet.memory import BUY, SELL, HoldAsk, HoldKey, Position
from svc.wallet.settlement import Effect, LogPoint, Range, Release, Replace, Trade
from tests.wallet.model import Model, ModelHold
from tests.wallet.worlds import BTC_USDT, ETH_USDT, LOG, MARKET, other

INSTRUMENTS = {each.instrument_id: each for each in (BTC_USDT, ETH_USDT)}
ACCOUNTS = (1, 2, 3)
RATES = ((0, 0), (1000, 2000), (-500, 1500), (333_333, 1), (-999_999, 999_999))
FUNDS = {1: 900, 2: 10**17, 3: 12_000}
MOST = 40
"""Largest quantity and cap."""

Balances = dict[tuple[int, int], tuple[int, int]]
OpenHolds = dict[tuple[int, int], tuple[int, int]]

dice_rolls = st.randoms(use_true_random=True)


class Held(NamedTuple):
    """An open hold of the model, its key and what was asked for."""

    key: tuple[int, int]
    hold: ModelHold
    ask: HoldAsk


class LedgerMachine(RuleBasedStateMachine):
    """Rules queue operations; a flush runs them as one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(INSTRUMENTS)
        self.committed = self.model.state.copy()
        self.batch: list[ops.Operation[object]] = []
        self.expected: list[object] = []
        self.pairs = 0

    @abstractmethod
    def run_batch(self, batch: Sequence[ops.Operation[object]]) -> Sequence[object]:
        """Outcomes of a batch; a DomainError in place of what raised it."""

    @abstractmethod
    def read_state(self) -> tuple[Balances, OpenHolds]:
        """Total and locked by (account, asset); amount and remaining lots by (order, version)."""

    def queue(self, operation: ops.Operation[Any], expected: object) -> None:
        """The model has answered; the ledger will."""
        self.batch.append(operation)
        self.expected.append(expected)

    @initialize()
    def fund(self) -> None:
        """Enough for most orders, not for all of them."""
        for account in ACCOUNTS:
            for asset, amount in FUNDS.items():
                self._credit(CreditAsk(f"first {account} {asset}", account, asset, amount, ""))

    @rule(dice=dice_rolls)
    def credit(self, dice: Random) -> None:
        amount = dice.choice((1, 50, 10**16, 10**20))
        asset = dice.choice(tuple(FUNDS))
        self._credit(CreditAsk(dice.choice("abcdef"), dice.choice(ACCOUNTS), asset, amount, ""))

    def _credit(self, ask: CreditAsk) -> None:
        self.queue(ops.Credit([ask]), [self.model.credit(ask)])

    @rule(dice=dice_rolls)
    def lock_pairs(self, dice: Random) -> None:
        """Orders that may trade."""
        for _ in range(3):
            self.pairs += 1
            instrument = dice.choice((1, 1, 1, 2))
            amount = dice.choice((0, 0, 0, 700))
            for side in (BUY, SELL):
                self._lock(
                    HoldAsk(
                        100 + 2 * self.pairs + side, 1, dice.choice(ACCOUNTS), instrument, side,
                        dice.randint(1, MOST),
                        0 if amount and side == BUY and dice.randint(0, 1) else roll(dice),
                        amount if side == BUY else 0,
                        *dice.choice(RATES),
                    )
                )  # fmt: skip

    @rule(dice=dice_rolls)
    def lock_where_keys_collide(self, dice: Random) -> None:
        side = dice.choice((BUY, SELL))
        version = dice.choice((1, 1, 1, 2))
        self._lock(
            HoldAsk(
                dice.randint(1, 12), version, dice.choice(ACCOUNTS), dice.choice((1, 2, 9)), side,
                roll(dice), roll(dice), 0, *dice.choice(RATES),
            )
        )  # fmt: skip

    @rule(dice=dice_rolls)
    def lock_for_a_replace(self, dice: Random) -> None:
        for held in self._some(dice, 3):
            changed = other(
                held.ask,
                version=max(1, held.ask.version + dice.choice((1, 1, 1, 1, 2, -1))),
                cap_ticks=roll(dice),
                lots=roll(dice),
            )
            if dice.randint(0, 9) == 0:
                changed = other(changed, account_id=held.ask.account_id % 3 + 1)
            self._lock(changed)

    @rule(dice=dice_rolls)
    def lock_again(self, dice: Random) -> None:
        """A caller repeats himself, or nearly."""
        asks = [hold.ask for hold in self.model.state.holds.values() if hold.ask is not None]
        if asks:
            ask = dice.choice(asks)
            self._lock(other(ask, lots=ask.lots + dice.randint(0, 1)))

    def _lock(self, ask: HoldAsk) -> None:
        self.queue(ops.LockFunds([ask]), [self.model.lock(ask)])

    @rule(dice=dice_rolls)
    def unlock(self, dice: Random) -> None:
        keys = [HoldKey(dice.randint(1, 12), dice.randint(1, 2))]
        keys += [HoldKey(*held.key) for held in self._some(dice, 1)]
        self.queue(ops.UnlockFunds(keys), [self.model.unlock(key) for key in keys])

    @rule(dice=dice_rolls)
    def settle(self, dice: Random) -> None:
        for _ in range(3):
            self._settle_something(dice)

    def _settle_something(self, dice: Random) -> None:
        """A range whose effects fit but for one, perhaps: then none of them holds."""
        trial = Model(INSTRUMENTS)
        trial.state = self.model.state.copy()
        start = sequence = self._position()[1]
        effects: list[Effect] = []
        for _ in range(dice.randint(1, 10)):
            sequence += dice.randint(0 if effects else 1, 2)
            effect = self._effect(dice, trial, sequence)
            if effect is not None:
                effects.append(effect)
                trial.apply_if_it_fits(MARKET, effect)
        if dice.randint(0, 3) == 0:
            sequence += 1
            effects.append(Release(sequence, 9_999, 1, 0))
        self._settle(start, max(sequence, start + 1), effects)

    @rule(dice=dice_rolls)
    def settle_overlap(self, dice: Random) -> None:
        """Ranges that came before, that overlap, that leave a gap, that end on another hash."""
        position = self._position()[1]
        after = max(0, position + dice.choice((-5, -1, 0, 0, 0, 2)))
        to = after + dice.randint(0, 6)
        stale = Release(to, 9_999, 1, 0)  # fits nothing, and must not be looked at when it is old
        effects = [stale] if after < to <= position else []
        self._settle(after, to, effects, skew=dice.choice((0, 0, 1)))

    def _settle(self, after: int, to: int, effects: Sequence[Effect], skew: int = 0) -> None:
        start = LogPoint(LOG if after else "", after, after)
        wanted = Range(MARKET, start, LogPoint(LOG, to, to + skew), effects)
        self.queue(ops.SettleTrade(wanted), self.model.settle(wanted))

    def _position(self) -> tuple[str, int, int]:
        return self.model.state.positions.get(MARKET, ("", 0, 0))

    def _some(self, dice: Random, most: int) -> list[Held]:
        found = open_holds(self.model)
        return dice.sample(found, min(most, len(found)))

    def _effect(self, dice: Random, trial: Model, sequence: int) -> Effect | None:
        found = open_holds(trial)
        added = [held for held in found if held.hold.state == "added"]
        if added and dice.randint(0, 2) == 0:
            held = dice.choice(added)
            if dice.randint(0, 3) == 0:
                return Release(sequence, *held.key, dice.choice((0, 0, 0, 1)))
            remaining = dice.randint(1, held.ask.lots)
            rejected = dice.randint(0, 2) == 0
            return Replace(sequence, *held.key, held.ask.cap_ticks, remaining, rejected)
        live = [held for held in found if held.hold.state != "added"]
        if live and dice.randint(0, 5) == 0:
            held = dice.choice(live)
            remaining = dice.choice((0, 0, dice.randint(0, held.hold.remaining)))
            return Release(sequence, *held.key, remaining)
        return self._trade(dice, trial, sequence, live)

    @staticmethod
    def _trade(dice: Random, trial: Model, sequence: int, live: Sequence[Held]) -> Trade | None:
        buys = [held for held in live if held.ask.side == BUY]
        sells = [held for held in live if held.ask.side == SELL]
        pairs = [
            (buy, sell)
            for buy in buys
            for sell in sells
            if buy.ask.instrument_id == sell.ask.instrument_id
        ]
        if not pairs:
            return None
        buy, sell = dice.choice(pairs)
        most = min(sell.hold.remaining, buy.hold.remaining if buy.ask.lots else MOST)
        beyond = dice.choice((0,) * 19 + (1,))
        return Trade(
            sequence,
            trial.state.trades.get(MARKET, 0) + 1,
            sell.ask.instrument_id,
            dice.randint(1, buy.ask.cap_ticks + beyond),
            dice.choice((most, dice.randint(1, max(1, most)))) + beyond,
            dice.randint(0, 2),
            *buy.key,
            buy.ask.account_id,
            *sell.key,
            sell.ask.account_id,
        )

    @rule()
    @precondition(lambda self: self.batch)
    def flush(self) -> None:
        batch, self.batch = self.batch, []
        expected, self.expected = self.expected, []
        outcomes = self.run_batch(batch)
        assert [_plain(outcome) for outcome in outcomes] == expected
        self.committed = self.model.state.copy()
        self.compare()

    def compare(self) -> None:
        """The committed state, balance by balance and hold by hold."""
        balances, holds = self.read_state()
        state = self.model.state
        keys = balances.keys() | state.totals.keys()
        assert {key: balances.get(key, (0, 0)) for key in keys} == {
            key: (state.totals.get(key, 0), self.model.locked(*key)) for key in keys
        }
        assert holds == {
            held.key: (held.hold.amount, held.hold.remaining) for held in open_holds(self.model)
        }
        self.model.check()


def roll(dice: Random) -> int:
    """A quantity or a cap, small ones as often as large ones."""
    return dice.randint(1, dice.choice((3, MOST)))


def open_holds(model: Model) -> list[Held]:
    """Holds under which something may be locked."""
    return [
        Held(key, hold, hold.ask)
        for key, hold in model.state.holds.items()
        if hold.ask is not None and hold.state in ("held", "added", "market")
    ]


def _plain(outcome: object) -> object:
    if isinstance(outcome, DomainError):
        return outcome.reason
    if isinstance(outcome, Position):
        return outcome.sequence
    assert isinstance(outcome, list)
    return [each.reason if isinstance(each, Refusal) else each for each in outcome]
