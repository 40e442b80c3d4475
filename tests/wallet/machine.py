"""Drives a ledger and its model with the same operations and compares every answer and state.

Ids come from small ranges on purpose: keys, versions and transactions collide all the time.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from svc.kit.errors import DomainError
from svc.wallet import operations as ops
from svc.wallet.asks import CreditAsk, Refusal
from svc.wallet.memory import BUY, SELL, HoldAsk, HoldKey, Position
from svc.wallet.settlement import Effect, LogPoint, Range, Release, Replace, Trade
from tests.wallet.model import Model, ModelHold
from tests.wallet.worlds import BTC_USDT, ETH_USDT, LOG, MARKET

INSTRUMENTS = {each.instrument_id: each for each in (BTC_USDT, ETH_USDT)}
RATES = ((0, 0), (1000, 2000), (-500, 1500), (333_333, 1), (-999_999, 999_999))

accounts = st.integers(1, 3)
order_ids = st.integers(1, 12)
versions = st.integers(1, 4)
small = st.integers(1, 9)

Balances = dict[tuple[int, int], tuple[int, int]]
OpenHolds = dict[tuple[int, int], tuple[int, int]]


class LedgerMachine(RuleBasedStateMachine):
    """Rules queue operations; a flush runs them as one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(INSTRUMENTS)
        self.committed = copy.deepcopy(self.model.state)
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
        for account in (1, 2, 3):
            for asset, amount in ((1, 150), (2, 3 * 10**16), (3, 700)):
                self.credit(f"first {account} {asset}", account, asset, amount)

    @rule(
        name=st.sampled_from("abcdefgh"),
        account=accounts,
        asset=st.integers(1, 3),
        amount=st.sampled_from((1, 50, 10**16, 10**20)),
    )
    def credit(self, name: str, account: int, asset: int, amount: int) -> None:
        ask = CreditAsk(name, account, asset, amount, "")
        self.queue(ops.Credit([ask]), [self.model.credit(ask)])

    @rule(
        order_id=order_ids,
        account=accounts,
        instrument=st.sampled_from((1, 1, 1, 2)),
        side=st.sampled_from((BUY, SELL)),
        cap=small,
        lots=small,
        quote_amount=st.sampled_from((0, 0, 0, 40, 500)),
        rates=st.sampled_from(RATES),
    )
    def lock(  # noqa: PLR0917 - one argument per field
        self, order_id: int, account: int, instrument: int, side: int, cap: int, lots: int,
        quote_amount: int, rates: tuple[int, int],
    ) -> None:  # fmt: skip
        if side == SELL:
            quote_amount = 0
        elif quote_amount == 500:
            lots = 0
        ask = HoldAsk(order_id, 1, account, instrument, side, cap, lots, quote_amount, *rates)
        self._lock(ask)

    @rule(
        buyer=accounts,
        seller=accounts,
        cap=small,
        lots=st.tuples(small, small),
        rates=st.sampled_from(RATES),
    )
    def lock_pair(
        self, buyer: int, seller: int, cap: int, lots: tuple[int, int], rates: tuple[int, int]
    ) -> None:
        """Two orders that may trade."""
        self.pairs += 1
        first = 100 + 2 * self.pairs
        self._lock(HoldAsk(first, 1, buyer, 1, BUY, cap, lots[0], 0, *rates))
        self._lock(HoldAsk(first + 1, 1, seller, 1, SELL, 0, lots[1], 0, *rates))

    @rule(data=st.data(), rise=st.integers(0, 2), cap=small, lots=small)
    def lock_replace(self, data: st.DataObject, rise: int, cap: int, lots: int) -> None:
        asks = [hold.ask for hold in self.model.state.holds.values() if hold.ask is not None]
        if asks:
            ask = data.draw(st.sampled_from(asks))
            moved = data.draw(st.sampled_from((0, 0, 0, 0, 1)))
            self._lock(
                ask._replace(
                    version=ask.version + rise,
                    cap_ticks=cap,
                    lots=lots,
                    account_id=(ask.account_id + moved) % 3 + 1 if moved else ask.account_id,
                )
            )

    @rule(data=st.data())
    def lock_again(self, data: st.DataObject) -> None:
        """A caller repeats himself, or nearly."""
        asks = [hold.ask for hold in self.model.state.holds.values() if hold.ask is not None]
        if asks:
            ask = data.draw(st.sampled_from(asks))
            self._lock(ask._replace(lots=ask.lots + data.draw(st.integers(0, 1))))

    def _lock(self, ask: HoldAsk) -> None:
        self.queue(ops.LockFunds([ask]), [self.model.lock(ask)])

    @rule(order_id=st.integers(8, 14), version=versions)
    def unlock(self, order_id: int, version: int) -> None:
        key = HoldKey(order_id, version)
        self.queue(ops.UnlockFunds([key]), [self.model.unlock(key)])

    @rule(data=st.data(), count=st.integers(1, 6))
    def settle(self, data: st.DataObject, count: int) -> None:
        """A range whose effects mostly fit; one that does not undoes the others."""
        trial = copy.deepcopy(self.model)
        effects: list[Effect] = []
        sequence = self._position()[1]
        for _ in range(count):
            sequence += data.draw(st.integers(1, 2))
            effect = self._effect(data, trial, sequence)
            if effect is not None:
                effects.append(effect)
                before = trial.state.positions.get(MARKET, ("", 0, 0))
                trial.settle(
                    Range(MARKET, LogPoint(*before), LogPoint(LOG, sequence, sequence), [effect])
                )
        self._settle(self._position()[1], sequence, effects)

    @rule(back=st.integers(0, 5), ahead=st.integers(0, 5), skew=st.sampled_from((0, 0, 1)))
    def settle_overlap(self, back: int, ahead: int, skew: int) -> None:
        """Ranges that came before, that overlap, that leave a gap, that end on another hash."""
        position = self._position()[1]
        after = max(0, position - back + 2 * skew)
        self._settle(after, max(after, position - back + ahead), [], skew)

    def _settle(self, after: int, to: int, effects: list[Effect], skew: int = 0) -> None:
        start = LogPoint(LOG if after else "", after, after)
        wanted = Range(MARKET, start, LogPoint(LOG, to, to + skew), effects)
        self.queue(ops.SettleTrade(wanted), self.model.settle(wanted))

    def _position(self) -> tuple[str, int, int]:
        return self.model.state.positions.get(MARKET, ("", 0, 0))

    def _effect(self, data: st.DataObject, trial: Model, sequence: int) -> Effect | None:
        live = [
            (key, hold)
            for key, hold in trial.state.holds.items()
            if hold.state in ("held", "market", "added")
        ]
        if not live:
            return None
        (order_id, version), hold = data.draw(st.sampled_from(live))
        lots = data.draw(st.integers(1, max(1, hold.remaining)))
        if hold.state == "added":
            assert hold.ask is not None
            remaining = data.draw(st.integers(1, hold.ask.lots))
            rejected = data.draw(st.booleans())
            return Replace(sequence, order_id, version, hold.ask.cap_ticks, remaining, rejected)
        if data.draw(st.integers(0, 5)) == 0:
            remaining = data.draw(st.sampled_from((0, max(0, hold.remaining - 1))))
            return Release(sequence, order_id, version, remaining)
        return self._trade(data, trial, sequence, live, ((order_id, version), hold), lots)

    def _trade(  # noqa: PLR0917 - what a trade is made of
        self, data: st.DataObject, trial: Model, sequence: int,
        live: list[tuple[tuple[int, int], ModelHold]],
        one: tuple[tuple[int, int], ModelHold], lots: int,
    ) -> Trade | None:  # fmt: skip
        assert one[1].ask is not None
        others = [
            (key, hold)
            for key, hold in live
            if hold.ask is not None
            and hold.ask.side != one[1].ask.side
            and hold.ask.instrument_id == one[1].ask.instrument_id
        ]
        if not others:
            return None
        other = data.draw(st.sampled_from(others))
        buy, sell = (one, other) if one[1].ask.side == BUY else (other, one)
        assert buy[1].ask is not None
        assert sell[1].ask is not None
        overfill = data.draw(st.sampled_from((0,) * 9 + (1,)))
        if not buy[1].ask.quote_amount:
            lots = min(lots, buy[1].remaining)
        lots = min(lots, sell[1].remaining)
        return Trade(
            sequence,
            trial.state.trades.get(MARKET, 0) + 1,
            sell[1].ask.instrument_id,
            data.draw(st.integers(1, buy[1].ask.cap_ticks + overfill)),
            lots + overfill,
            data.draw(st.integers(0, 2)),
            *buy[0],
            buy[1].ask.account_id,
            *sell[0],
            sell[1].ask.account_id,
        )

    @rule()
    @precondition(lambda self: self.batch)
    def flush(self) -> None:
        batch, self.batch = self.batch, []
        expected, self.expected = self.expected, []
        outcomes = self.run_batch(batch)
        assert [_plain(outcome) for outcome in outcomes] == expected
        self.committed = copy.deepcopy(self.model.state)
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
            key: (hold.amount, hold.remaining)
            for key, hold in state.holds.items()
            if hold.state in ("held", "added", "market")
        }

    @invariant()
    def money_is_conserved(self) -> None:
        for asset in (1, 2, 3):
            totals = self.model.state.totals
            assert sum(total for key, total in totals.items() if key[1] == asset) == 0
            for account in (1, 2, 3):
                assert 0 <= self.model.locked(account, asset) <= totals.get((account, asset), 0)


def _plain(outcome: object) -> object:
    if isinstance(outcome, DomainError):
        return outcome.reason
    if isinstance(outcome, Position):
        return outcome.sequence
    assert isinstance(outcome, list)
    return [each.reason if isinstance(each, Refusal) else each for each in outcome]
