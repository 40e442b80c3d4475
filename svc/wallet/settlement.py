"""Settles a range of a market's events: fills, releases and replaces of holds.

Invariant: a range is applied whole or not at all, once, in order. An effect that does not fit the
ledger stops its market; it is never skipped and never bent until it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from svc.kit.errors import DomainError, failed_precondition, invalid
from svc.wallet import money
from svc.wallet.memory import (
    ADDED,
    BUY,
    ENDED,
    FEE_ACCOUNT,
    IN_MARKET,
    LIVE,
    NOWHERE,
    SELL,
    Changes,
    Hold,
    Memory,
    Position,
)


class Trade(NamedTuple):
    """A spot trade. ``taker_side`` 0: nobody was the aggressor, both pay the maker rate."""

    sequence: int
    trade_number: int
    instrument_id: int
    price_ticks: int
    lots: int
    taker_side: int
    buy_order_id: int
    buy_version: int
    buy_account_id: int
    sell_order_id: int
    sell_version: int
    sell_account_id: int


class PerpetualTrade(NamedTuple):
    """A trade of a perpetual; nothing here settles it yet."""

    sequence: int
    trade_number: int


class Replace(NamedTuple):
    """An order moves to a version that was locked for before, or the engine refused that."""

    sequence: int
    order_id: int
    version: int
    cap_ticks: int
    remaining_lots: int
    rejected: bool


class Release(NamedTuple):
    """An order's remaining quantity shrank without a trade; at 0 its hold ends."""

    sequence: int
    order_id: int
    version: int
    remaining_lots: int


Effect = Trade | PerpetualTrade | Replace | Release


class LogPoint(NamedTuple):
    """A point of a market's log."""

    log_id: str
    sequence: int
    running_hash: int


class Range(NamedTuple):
    """The money side of a market's events behind ``after`` up to ``to``."""

    market: int
    after: LogPoint
    to: LogPoint
    effects: Sequence[Effect]


class NotApplicable(Exception):
    """An effect does not fit the ledger; the message says what does not."""


def settle(memory: Memory, wanted: Range, now_unix_ns: int) -> Position:
    """Applies what of the range is new; where the ledger stands then.

    Raises DomainError SEQUENCE_GAP, LOG_FOREIGN, RANGE_INVALID or EFFECT_NOT_APPLICABLE, and then
    nothing has changed.
    """
    before = memory.positions.get(wanted.market, NOWHERE)
    _check_range(wanted)
    _check_log(wanted, before)
    if wanted.to.sequence <= before.sequence:
        return before
    scope = Changes()
    applier = _Applier(memory, scope, wanted.market, before.trade_number, now_unix_ns)
    for effect in wanted.effects:
        if effect.sequence <= before.sequence:
            continue
        try:
            applier.apply(effect)
        except NotApplicable as error:
            memory.undo(scope)
            raise _not_applicable(wanted.market, effect.sequence, str(error)) from error
    after = Position(*wanted.to, applier.trade_number)
    memory.changes.absorb(scope)
    memory.changes.positions.setdefault(wanted.market, before)
    memory.positions[wanted.market] = after
    return after


def _check_range(wanted: Range) -> None:
    after, to = wanted.after.sequence, wanted.to.sequence
    sequences = [effect.sequence for effect in wanted.effects]
    inside = not sequences or (after < sequences[0] and sequences[-1] <= to)
    if after > to or not inside or sequences != sorted(sequences):
        raise invalid(
            "RANGE_INVALID",
            f"The effects of the range ({after}, {to}] must lie in it, by rising sequence.",
            after=str(after),
            to=str(to),
        )


def _check_log(wanted: Range, position: Position) -> None:
    """One ledger follows one log of a market: the one whose events it settled first."""
    after, to = wanted.after, wanted.to
    same_log = to.log_id == position.log_id or not position.log_id
    if not to.log_id or not same_log or (after.sequence and after.log_id != to.log_id):
        raise _foreign(wanted.market, to.log_id, position, "the log's identity")
    if after.sequence > position.sequence:
        raise failed_precondition(
            "SEQUENCE_GAP",
            f"The ledger stands at {position.sequence} of market {wanted.market}; a range must "
            f"start there or before, not at {after.sequence}.",
            market=str(wanted.market),
            position=str(position.sequence),
            after=str(after.sequence),
        )
    for point in (after, to):
        known = position.sequence > 0 and point.sequence == position.sequence
        if known and point.running_hash != position.running_hash:
            raise _foreign(wanted.market, to.log_id, position, "the running hash")


def _foreign(market: int, log_id: str, position: Position, what: str) -> DomainError:
    return failed_precondition(
        "LOG_FOREIGN",
        f"The ledger settled market {market} from log {position.log_id or 'none'} up to "
        f"{position.sequence}; {what} of this range ({log_id or 'none'}) is another.",
        market=str(market),
        position=str(position.sequence),
        log_id=position.log_id,
    )


def _not_applicable(market: int, sequence: int, why: str) -> DomainError:
    return failed_precondition(
        "EFFECT_NOT_APPLICABLE",
        f"The effect of event {sequence} of market {market} does not fit the ledger: {why}.",
        market=str(market),
        sequence=str(sequence),
    )


class _Applier:
    """Applies the effects of one range; ``scope`` remembers what was before."""

    def __init__(
        self, memory: Memory, scope: Changes, market: int, trade_number: int, now_unix_ns: int
    ) -> None:
        self._memory = memory
        self._scope = scope
        self._market = market
        self._now_unix_ns = now_unix_ns
        self.trade_number = trade_number

    def apply(self, effect: Effect) -> None:
        """Raises NotApplicable; the caller then undoes the scope."""
        if isinstance(effect, Trade):
            self._trade(effect)
        elif isinstance(effect, Release):
            self._release(effect)
        elif isinstance(effect, Replace):
            self._replace(effect)
        else:
            raise NotApplicable(f"trade {effect.trade_number} is of a perpetual")

    def _trade(self, trade: Trade) -> None:
        (
            _, number, instrument_id, price, lots, taker_side,
            buy_id, buy_version, buyer, sell_id, sell_version, seller,
        ) = trade  # fmt: skip
        if number != self.trade_number + 1:
            raise NotApplicable(
                f"trade {number} follows trade {self.trade_number}; numbers are gapless"
            )
        buy = self._party(trade, BUY, buy_id, buy_version, buyer)
        sell = self._party(trade, SELL, sell_id, sell_version, seller)
        spot = buy.instrument
        base = money.sell_hold(lots, spot.base_units)
        quote = price * lots * spot.quote_units
        buy_rate = buy.ask.taker_ppm if taker_side == BUY else buy.ask.maker_ppm
        sell_rate = sell.ask.taker_ppm if taker_side == SELL else sell.ask.maker_ppm
        buy_fee = money.fee(quote, buy_rate)
        sell_fee = money.fee(quote, sell_rate)
        self._fill(buy, trade, paid=quote + buy_fee, got=base)
        self._fill(sell, trade, paid=base, got=quote - sell_fee)
        if buy_fee or sell_fee:
            fees = self._memory.balance(FEE_ACCOUNT, spot.quote.asset_id)
            self._scope.touch_balance(fees)
            fees.total += buy_fee + sell_fee
        self.trade_number = number
        self._scope.settlements.append(
            (
                self._memory.ledger, self._market, number, instrument_id,
                spot.base.asset_id, spot.quote.asset_id, taker_side, price, lots,
                buy_id, buy_version, buyer, sell_id, sell_version, seller,
                base, quote, buy_fee, sell_fee, self._now_unix_ns,
            )
        )  # fmt: skip

    def _party(self, trade: Trade, side: int, order_id: int, version: int, account_id: int) -> Hold:
        """The live hold of one side of a trade."""
        hold = self._live(order_id, version)
        ask = hold.ask
        if (
            ask.side != side
            or ask.account_id != account_id
            or ask.instrument_id != trade.instrument_id
        ):
            raise NotApplicable(
                f"the hold of order {order_id} is of side {ask.side}, account {ask.account_id}, "
                f"instrument {ask.instrument_id}, the trade of side {side}, account {account_id}, "
                f"instrument {trade.instrument_id}"
            )
        return hold

    def _live(self, order_id: int, version: int) -> Hold:
        hold = self._memory.orders.get(order_id)
        if hold is None or hold.ask.version != version or hold.state not in LIVE:
            raise NotApplicable(f"order {order_id}, version {version}, has no live hold")
        return hold

    def _fill(self, hold: Hold, trade: Trade, paid: int, got: int) -> None:
        """Pays out of a hold and releases what the rest of the order does not need."""
        remaining, amount = _left_after(hold, trade, paid)
        self._scope.touch_hold(hold)
        self._scope.touch_balance(hold.pays)
        self._scope.touch_balance(hold.gets)
        hold.pays.locked -= hold.amount - amount
        hold.pays.total -= paid
        hold.gets.total += got
        ended = remaining == 0 and hold.ask.lots > 0
        hold.remaining, hold.amount = remaining, amount
        hold.state = ENDED if ended else IN_MARKET

    def _release(self, release: Release) -> None:
        hold = self._live(release.order_id, release.version)
        remaining = release.remaining_lots
        if not 0 <= remaining <= hold.remaining:
            raise NotApplicable(
                f"order {release.order_id} has {hold.remaining} lots; {remaining} cannot remain"
            )
        self._scope.touch_hold(hold)
        self._scope.touch_balance(hold.pays)
        if remaining == 0:
            amount, state = 0, ENDED
        else:
            amount, state = hold.amount_at(remaining), IN_MARKET
        hold.pays.locked -= hold.amount - amount
        hold.remaining, hold.amount, hold.state = remaining, amount, state

    def _replace(self, replace: Replace) -> None:
        current = self._memory.orders.get(replace.order_id)
        added = None if current is None else current.version(replace.version)
        if current is None or added is None or added.state is not ADDED:
            raise NotApplicable(
                f"nothing was locked for version {replace.version} of order {replace.order_id}"
            )
        self._scope.touch_hold(current)
        self._scope.touch_hold(added)
        self._scope.touch_balance(added.pays)
        if replace.rejected:
            self._memory.release_added(current, added, ENDED, self._scope)
        else:
            self._switch(current, added, replace)

    def _switch(self, old: Hold, added: Hold, replace: Replace) -> None:
        """The order's hold becomes that of its next version; what is too much is released."""
        ask = added.ask
        if old.state not in LIVE:
            raise NotApplicable(f"order {ask.order_id} has no live hold to replace")
        if ask.side == BUY and replace.cap_ticks != ask.cap_ticks:
            raise NotApplicable(
                f"version {ask.version} of order {ask.order_id} was locked for a cap of "
                f"{ask.cap_ticks}, not {replace.cap_ticks}"
            )
        remaining = replace.remaining_lots
        held = old.amount + added.amount
        amount = added.amount_at(remaining)
        if not 0 < remaining <= ask.lots or amount > held:
            raise NotApplicable(
                f"{held} is held for version {ask.version} of order {ask.order_id}; "
                f"{remaining} of {ask.lots} lots need {amount}"
            )
        added.pays.locked -= held - amount
        added.remaining, added.amount, added.state = remaining, amount, IN_MARKET
        self._memory.supersede(old, added, self._scope)


def _left_after(hold: Hold, trade: Trade, paid: int) -> tuple[int, int]:
    """Lots that remain after a fill, and what stays locked for them."""
    ask = hold.ask
    remaining = hold.remaining - trade.lots if ask.lots else 0
    if trade.lots <= 0 or trade.price_ticks <= 0 or remaining < 0:
        raise NotApplicable(
            f"order {ask.order_id} has {hold.remaining} lots; {trade.lots} at "
            f"{trade.price_ticks} cannot fill"
        )
    if ask.quote_amount:
        amount = hold.amount - paid
        if amount < 0:
            raise NotApplicable(f"order {ask.order_id} holds {hold.amount}, the fill costs {paid}")
        return remaining, 0 if ask.lots and not remaining else amount
    if ask.side == BUY and trade.price_ticks > ask.cap_ticks:
        raise NotApplicable(
            f"order {ask.order_id} pays at most {ask.cap_ticks} ticks, not {trade.price_ticks}"
        )
    return remaining, hold.amount_at(remaining)
