"""The ledger as a plain dictionary: the executable specification, slow and without any cleverness.

Every operation works on a copy of the whole state and keeps it only when nothing was wrong.
Amounts are computed with fractions, never by the functions under test.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, trunc

from svc.wallet.asks import CreditAsk
from svc.wallet.instruments import Instrument
from svc.wallet.memory import HoldAsk, HoldKey
from svc.wallet.settlement import Effect, Range, Release, Replace, Trade

EXTERNAL, FEES = -1, -2
BUY = 1
MILLION = 10**6


class Refused(Exception):
    """An item or a range is refused; the argument is the reason."""


@dataclass
class ModelHold:
    """A hold of any state: held, added, market, ended, unlocked."""

    ask: HoldAsk | None
    held: int
    amount: int
    remaining: int
    state: str


@dataclass
class State:
    """All there is."""

    totals: dict[tuple[int, int], int] = field(default_factory=dict)
    holds: dict[tuple[int, int], ModelHold] = field(default_factory=dict)
    credits: dict[str, tuple[CreditAsk, int]] = field(default_factory=dict)
    positions: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    trades: dict[int, int] = field(default_factory=dict)

    def copy(self) -> State:
        """A state that changes on its own."""
        return State(
            dict(self.totals),
            {key: dataclasses.replace(hold) for key, hold in self.holds.items()},
            dict(self.credits),
            dict(self.positions),
            dict(self.trades),
        )


class Model:
    """The reference ledger over fixed instruments, none of them perpetual."""

    def __init__(self, instruments: dict[int, Instrument]) -> None:
        self.instruments = instruments
        self.state = State()

    def locked(self, account: int, asset: int) -> int:
        """All that open holds of the account hold of the asset."""
        return sum(
            hold.amount
            for hold in self.state.holds.values()
            if hold.ask is not None
            and hold.ask.account_id == account
            and self._paying_asset(hold.ask) == asset
        )

    def lock(self, ask: HoldAsk) -> int | str:
        """Amount held, or the reason of refusal."""
        known = self.state.holds.get((ask.order_id, ask.version))
        if known is not None:
            if known.state == "unlocked":
                return "HOLD_CLOSED"
            return known.held if known.ask == ask else "HOLD_KEY_REUSED"
        if ask.instrument_id not in self.instruments:
            return "UNKNOWN_INSTRUMENT"
        state, needed = "held", self._need(ask, ask.lots)
        if ask.version > 1:
            try:
                state, needed = "added", self._needed_by_replace(ask)
            except Refused as refused:
                return str(refused)
        account, asset = ask.account_id, self._paying_asset(ask)
        if self.state.totals.get((account, asset), 0) - self.locked(account, asset) < needed:
            return "INSUFFICIENT_BALANCE"
        self.state.holds[ask.order_id, ask.version] = ModelHold(
            ask, needed, needed, ask.lots, state
        )
        return needed

    def unlock(self, key: HoldKey) -> int | str:
        """Amount released, or the reason of refusal."""
        hold = self.state.holds.setdefault(
            (key.order_id, key.version), ModelHold(None, 0, 0, 0, "unlocked")
        )
        if hold.state in ("market", "ended"):
            return "HOLD_IN_USE"
        hold.state, hold.amount, hold.remaining = "unlocked", 0, 0
        return hold.held

    def credit(self, ask: CreditAsk) -> int | str:
        """Balance after it, or the reason of refusal."""
        if ask.transaction_id in self.state.credits:
            first, after = self.state.credits[ask.transaction_id]
            return after if first == ask else "TRANSACTION_ID_REUSED"
        self._move(EXTERNAL, ask.account_id, ask.asset_id, ask.amount)
        after = self.state.totals[ask.account_id, ask.asset_id]
        self.state.credits[ask.transaction_id] = (ask, after)
        return after

    def settle(self, wanted: Range) -> int | str:
        """The sequence the ledger stands at after it, or the reason of refusal."""
        log_id, sequence, running_hash = self.state.positions.get(wanted.market, ("", 0, 0))
        if log_id and wanted.to.log_id != log_id:
            return "LOG_FOREIGN"
        if wanted.after.sequence > sequence:
            return "SEQUENCE_GAP"
        for point in (wanted.after, wanted.to):
            if sequence and point.sequence == sequence and point.running_hash != running_hash:
                return "LOG_FOREIGN"
        if wanted.to.sequence <= sequence:
            return sequence
        before = self.state.copy()
        try:
            for effect in wanted.effects:
                if effect.sequence > sequence:
                    self._apply(wanted.market, effect)
        except Refused as refused:
            self.state = before
            return str(refused)
        log_id, sequence, running_hash = wanted.to
        self.state.positions[wanted.market] = (log_id, sequence, running_hash)
        return wanted.to.sequence

    def apply_if_it_fits(self, market: int, effect: Effect) -> None:
        """One effect on its own; nothing when it does not fit."""
        before = self.state.copy()
        try:
            self._apply(market, effect)
        except Refused:
            self.state = before

    def check(self) -> None:
        """Money is conserved, and nobody is in debt or locked beyond his balance."""
        totals = self.state.totals
        for asset in {key[1] for key in totals}:
            assert sum(total for key, total in totals.items() if key[1] == asset) == 0
        for (account, asset), total in totals.items():
            assert account < 0 or 0 <= self.locked(account, asset) <= total

    def _apply(self, market: int, effect: Effect) -> None:
        if isinstance(effect, Trade):
            self._trade(market, effect)
        elif isinstance(effect, Release) and self._ends_replaced(effect):
            return
        elif isinstance(effect, Release):
            hold = self._fillable(effect.order_id, effect.version)
            _require(0 <= effect.remaining_lots <= hold.remaining)
            self._left(hold, effect.remaining_lots, ended=effect.remaining_lots == 0)
        elif isinstance(effect, Replace):
            self._replace(effect)
        else:
            raise Refused("EFFECT_NOT_APPLICABLE")

    def _trade(self, market: int, trade: Trade) -> None:
        _require(trade.trade_number == self.state.trades.get(market, 0) + 1)
        self.state.trades[market] = trade.trade_number
        buy = self._fillable(trade.buy_order_id, trade.buy_version)
        sell = self._fillable(trade.sell_order_id, trade.sell_version)
        assert buy.ask is not None
        assert sell.ask is not None
        sides = (buy.ask.side, sell.ask.side)
        accounts = (buy.ask.account_id, sell.ask.account_id)
        instruments = (buy.ask.instrument_id, sell.ask.instrument_id)
        _require(sides == (1, 2))
        _require(accounts == (trade.buy_account_id, trade.sell_account_id))
        _require(instruments == (trade.instrument_id, trade.instrument_id))
        spot = self.instruments[trade.instrument_id]
        base = trade.lots * spot.base_units
        quote = trade.price_ticks * trade.lots * spot.quote_units
        buy_fee, sell_fee = (
            trunc(
                Fraction(quote * (ask.taker_ppm if trade.taker_side == ask.side else ask.maker_ppm))
                / MILLION
            )
            for ask in (buy.ask, sell.ask)
        )
        if buy.ask.quote_amount:
            _require(buy.amount >= quote + buy_fee)
            buy.amount -= quote + buy_fee
        else:
            _require(trade.price_ticks <= buy.ask.cap_ticks)
        self._filled(buy, buy.ask, trade.lots, 0 if buy.ask.quote_amount else quote + buy_fee)
        self._filled(sell, sell.ask, trade.lots, base)
        buyer, seller = accounts
        self._move(buyer, seller, spot.quote.asset_id, quote)
        self._move(seller, buyer, spot.base.asset_id, base)
        self._move(buyer, FEES, spot.quote.asset_id, buy_fee)
        self._move(seller, FEES, spot.quote.asset_id, sell_fee)

    def _filled(self, hold: ModelHold, ask: HoldAsk, lots: int, paid: int) -> None:
        remaining = hold.remaining - lots if ask.lots else 0
        _require(lots > 0 and remaining >= 0)
        self._left(hold, remaining, ended=remaining == 0 and ask.lots > 0, paid=paid)

    def _left(self, hold: ModelHold, remaining: int, *, ended: bool, paid: int = 0) -> None:
        assert hold.ask is not None
        for key, added in self.state.holds.items():
            under_way = added.state == "added" and key[0] == hold.ask.order_id
            if under_way and not ended:  # what is freed stays with the replace
                added.amount += hold.amount - paid - self._need(hold.ask, remaining)
        hold.remaining, hold.state = remaining, "ended" if ended else "market"
        if ended:
            hold.amount = 0
        elif not hold.ask.quote_amount:
            hold.amount = self._need(hold.ask, remaining)

    def _ends_replaced(self, effect: Release) -> bool:
        """A version that never was one, for all of it had been filled before."""
        added = self.state.holds.get((effect.order_id, effect.version))
        current = self._live(effect.order_id)
        if effect.remaining_lots or current is None or added is None or added.state != "added":
            return False
        added.state, added.amount = "ended", 0
        self._left(current, 0, ended=True)
        return True

    def _replace(self, effect: Replace) -> None:
        added = self.state.holds.get((effect.order_id, effect.version))
        _require(added is not None and added.state == "added")
        assert added is not None
        assert added.ask is not None
        if effect.rejected:
            added.state, added.amount = "ended", 0
            return
        current = self._live(effect.order_id)
        _require(current is not None)
        assert current is not None
        _require(added.ask.side != BUY or effect.cap_ticks == added.ask.cap_ticks)
        _require(0 < effect.remaining_lots <= added.ask.lots)
        _require(self._need(added.ask, effect.remaining_lots) <= current.amount + added.amount)
        current.state, current.amount, current.remaining = "ended", 0, 0
        added.state = "market"
        self._left(added, effect.remaining_lots, ended=False)

    def _needed_by_replace(self, ask: HoldAsk) -> int:
        current = self._live(ask.order_id)
        if current is None or current.ask is None:
            raise Refused("ORDER_NOT_HELD")
        old = current.ask
        kept = [
            (each.account_id, each.instrument_id, each.side, each.maker_ppm, each.taker_ppm)
            for each in (ask, old)
        ]
        if ask.version <= old.version:
            raise Refused("INVALID_HOLD")
        if any(
            hold.state == "added" and key[0] == ask.order_id
            for key, hold in self.state.holds.items()
        ):
            raise Refused("REPLACE_UNDER_WAY")
        if kept[0] != kept[1] or ask.quote_amount or old.quote_amount:
            raise Refused("INVALID_HOLD")
        return self._need_beside(current, old, ask)

    def _live(self, order_id: int) -> ModelHold | None:
        for key, hold in self.state.holds.items():
            if key[0] == order_id and hold.state in ("held", "market"):
                return hold
        return None

    def _fillable(self, order_id: int, version: int) -> ModelHold:
        hold = self.state.holds.get((order_id, version))
        _require(hold is not None and hold.state in ("held", "market"))
        assert hold is not None
        return hold

    def _paying_asset(self, ask: HoldAsk) -> int:
        spot = self.instruments[ask.instrument_id]
        return spot.quote.asset_id if ask.side == BUY else spot.base.asset_id

    def _need(self, ask: HoldAsk, lots: int) -> int:
        spot = self.instruments[ask.instrument_id]
        if ask.side != BUY:
            return lots * spot.base_units
        if ask.quote_amount:
            return ask.quote_amount
        rate = Fraction(max(ask.maker_ppm, ask.taker_ppm, 0), MILLION)
        return ceil(ask.cap_ticks * lots * spot.quote_units * (1 + rate))

    def _need_beside(self, current: ModelHold, old: HoldAsk, ask: HoldAsk) -> int:
        """The most that any number of fills at the old cap could leave uncovered (plus a unit)."""
        if ask.side == BUY and ask.cap_ticks <= old.cap_ticks and ask.lots <= current.remaining:
            return 0
        grown = max(0, ask.lots - current.remaining)
        if ask.side != BUY:
            return self._need(ask, grown)
        now = self._need(ask, ask.lots) - self._need(old, current.remaining)
        return max(0, now, self._need(ask, grown)) + 1

    def _move(self, payer: int, payee: int, asset: int, amount: int) -> None:
        for account, moved in ((payer, -amount), (payee, amount)):
            key = (account, asset)
            self.state.totals[key] = self.state.totals.get(key, 0) + moved


def _require(fits: bool) -> None:  # noqa: FBT001 - reads as the sentence it is
    if not fits:
        raise Refused("EFFECT_NOT_APPLICABLE")
