# cython: language_level=3
"""Settles a range of a market's events: fills, releases and replaces of holds.

Invariant: a range is applied whole or not at all, once, in order. An effect that does not fit the
ledger stops its market; it is never skipped and never bent until it fits.
"""

from collections.abc import Sequence
from typing import NamedTuple

from libc.stdint cimport int32_t, int64_t, uint64_t

from svc.wallet cimport money
from svc.wallet.memory cimport (
    HOLD_ADDED,
    HOLD_ENDED,
    HOLD_HELD,
    HOLD_IN_MARKET,
    SIDE_BUY,
    SIDE_SELL,
    Balance,
    Changes,
    Hold,
    HoldAsk,
    Memory,
)
from svc.wallet.rows cimport Rows

from svc.kit.errors import failed_precondition, invalid
from svc.wallet.memory import NOWHERE, Position

cdef enum:
    FEES = -2  # memory.FEE_ACCOUNT


cdef class Trade:
    """A spot trade. ``taker_side`` 0: nobody was the aggressor, both pay the maker rate."""

    def __init__(
        self,
        uint64_t sequence,
        int64_t trade_number,
        int64_t instrument_id,
        int64_t price_ticks,
        int64_t lots,
        int32_t taker_side,
        int64_t buy_order_id,
        int32_t buy_version,
        int64_t buy_account_id,
        int64_t sell_order_id,
        int32_t sell_version,
        int64_t sell_account_id,
    ):
        self.sequence = sequence
        self.trade_number = trade_number
        self.instrument_id = instrument_id
        self.price_ticks = price_ticks
        self.lots = lots
        self.taker_side = taker_side
        self.buy_order_id = buy_order_id
        self.buy_version = buy_version
        self.buy_account_id = buy_account_id
        self.sell_order_id = sell_order_id
        self.sell_version = sell_version
        self.sell_account_id = sell_account_id


cdef class Replace:
    """An order moves to a version that was locked for before, or the engine refused that."""

    def __init__(
        self,
        uint64_t sequence,
        int64_t order_id,
        int32_t version,
        int64_t cap_ticks,
        int64_t remaining_lots,
        bint rejected,
    ):
        self.sequence = sequence
        self.order_id = order_id
        self.version = version
        self.cap_ticks = cap_ticks
        self.remaining_lots = remaining_lots
        self.rejected = rejected


cdef class Release:
    """An order's remaining quantity shrank without a trade; at 0 its hold ends."""

    def __init__(
        self, uint64_t sequence, int64_t order_id, int32_t version, int64_t remaining_lots
    ):
        self.sequence = sequence
        self.order_id = order_id
        self.version = version
        self.remaining_lots = remaining_lots


class PerpetualTrade(NamedTuple):
    """A trade of a perpetual; nothing here settles it yet."""

    sequence: int
    trade_number: int


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
    effects: Sequence


class NotApplicable(Exception):
    """An effect does not fit the ledger; the message says what does not."""


def settle(Memory memory, wanted, int64_t now_unix_ns):
    """Applies what of the range is new; where the ledger stands then.

    Raises DomainError SEQUENCE_GAP, LOG_FOREIGN, RANGE_INVALID or EFFECT_NOT_APPLICABLE, and then
    nothing has changed.
    """
    before = memory.positions.get(wanted.market, NOWHERE)
    _check_range(wanted)
    _check_log(wanted, before)
    if wanted.to.sequence <= before.sequence:
        return before
    cdef uint64_t settled = before.sequence
    cdef Changes scope = Changes()
    cdef _Applier applier = _Applier(memory, scope, wanted.market, before[3], now_unix_ns)
    for effect in wanted.effects:
        if _sequence_of(effect) <= settled:
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


cdef uint64_t _sequence_of(object effect) except? 0:
    if isinstance(effect, Trade):
        return (<Trade>effect).sequence
    return effect.sequence


def _check_range(wanted):
    cdef uint64_t after = wanted.after.sequence
    cdef uint64_t to = wanted.to.sequence
    cdef uint64_t last = after
    cdef uint64_t sequence
    cdef bint inside = after <= to
    for effect in wanted.effects:
        sequence = _sequence_of(effect)
        inside = inside and after < sequence <= to and last <= sequence
        last = sequence
    if not inside:
        raise invalid(
            "RANGE_INVALID",
            f"The effects of the range ({after}, {to}] must lie in it, by rising sequence.",
            after=str(after),
            to=str(to),
        )


def _check_log(wanted, position):
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


def _foreign(market, log_id, position, what):
    return failed_precondition(
        "LOG_FOREIGN",
        f"The ledger settled market {market} from log {position.log_id or 'none'} up to "
        f"{position.sequence}; {what} of this range ({log_id or 'none'}) is another.",
        market=str(market),
        position=str(position.sequence),
        log_id=position.log_id,
    )


def _not_applicable(market, sequence, why):
    return failed_precondition(
        "EFFECT_NOT_APPLICABLE",
        f"The effect of event {sequence} of market {market} does not fit the ledger: {why}.",
        market=str(market),
        sequence=str(sequence),
    )


cdef class _Applier:
    """Applies the effects of one range; ``scope`` remembers what was before."""

    cdef Memory _memory
    cdef Changes _scope
    cdef int64_t _market
    cdef int64_t _now_unix_ns
    cdef readonly int64_t trade_number

    def __init__(
        self,
        Memory memory,
        Changes scope,
        int64_t market,
        int64_t trade_number,
        int64_t now_unix_ns,
    ):
        self._memory = memory
        self._scope = scope
        self._market = market
        self._now_unix_ns = now_unix_ns
        self.trade_number = trade_number

    cdef int apply(self, object effect) except -1:
        """Raises NotApplicable; the caller then undoes the scope."""
        if isinstance(effect, Trade):
            return self._trade(effect)
        if isinstance(effect, Release):
            return self._release(effect)
        if isinstance(effect, Replace):
            return self._replace(effect)
        raise NotApplicable(f"trade {effect.trade_number} is of a perpetual")

    cdef int _trade(self, Trade trade) except -1:
        cdef Hold buy, sell
        cdef Balance fees
        if trade.trade_number != self.trade_number + 1:
            raise NotApplicable(
                f"trade {trade.trade_number} follows trade {self.trade_number}; numbers are gapless"
            )
        buy = self._party(
            trade, SIDE_BUY, trade.buy_order_id, trade.buy_version, trade.buy_account_id
        )
        sell = self._party(
            trade, SIDE_SELL, trade.sell_order_id, trade.sell_version, trade.sell_account_id
        )
        spot = buy.instrument
        base = money.hold_of_sell(trade.lots, spot.base_units)
        quote = money.value_of(trade.price_ticks, trade.lots, spot.quote_units)
        buy_fee = money.fee(quote, _rate(buy.ask, trade))
        sell_fee = money.fee(quote, _rate(sell.ask, trade))
        self._fill(buy, trade, quote + buy_fee, base)
        self._fill(sell, trade, base, quote - sell_fee)
        if buy_fee or sell_fee:
            fees = self._memory.balance(FEES, buy.pays.asset_id)
            self._scope.touch_balance(fees)
            fees.total += buy_fee + sell_fee
        self.trade_number = trade.trade_number
        return self._record(trade, buy, base, quote, buy_fee, sell_fee)

    cdef int _record(
        self, Trade trade, Hold buy, object base, object quote, object buy_fee, object sell_fee
    ) except -1:
        """Keeps the settled trade as a row of plain integers; the database derives its postings."""
        cdef Rows rows = self._scope.settlements
        rows.begin()
        rows.number(self._memory.ledger)
        rows.number(self._market)
        rows.number(trade.trade_number)
        rows.number(trade.instrument_id)
        rows.number(buy.gets.asset_id)
        rows.number(buy.pays.asset_id)
        rows.number(trade.taker_side)
        rows.number(trade.price_ticks)
        rows.number(trade.lots)
        rows.number(trade.buy_order_id)
        rows.number(trade.buy_version)
        rows.number(trade.buy_account_id)
        rows.number(trade.sell_order_id)
        rows.number(trade.sell_version)
        rows.number(trade.sell_account_id)
        rows.amount(base)
        rows.amount(quote)
        rows.amount(buy_fee)
        rows.amount(sell_fee)
        rows.number(self._now_unix_ns)
        return rows.end()

    cdef Hold _party(
        self, Trade trade, int32_t side, int64_t order_id, int32_t version, int64_t account_id
    ):
        """The live hold of one side of a trade."""
        cdef Hold hold = self._live(order_id, version)
        cdef HoldAsk ask = hold.ask
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

    cdef Hold _live(self, int64_t order_id, int32_t version):
        cdef Hold hold = self._memory.orders.get(order_id)
        if hold is None or hold.ask.version != version or not _is_live(hold):
            raise NotApplicable(f"order {order_id}, version {version}, has no live hold")
        return hold

    cdef int _fill(self, Hold hold, Trade trade, object paid, object got) except -1:
        """Pays out of a hold and releases what the rest of the order does not need."""
        cdef int64_t remaining = _remaining_after(hold, trade)
        amount = _amount_after(hold, trade, remaining, paid)
        self._scope.touch_hold(hold)
        self._scope.touch_balance(hold.pays)
        self._scope.touch_balance(hold.gets)
        hold.pays.locked -= paid + self._freed(hold, remaining, hold.amount - amount - paid)
        hold.pays.total -= paid
        hold.gets.total += got
        hold.remaining = remaining
        hold.amount = amount
        hold.state = HOLD_ENDED if remaining == 0 and hold.ask.lots > 0 else HOLD_IN_MARKET
        return 0

    cdef object _freed(self, Hold hold, int64_t remaining, object surplus):
        """What of a hold's surplus is free now: nothing while a replace of the order is under way.

        The replace may want lots back that were reduced meanwhile, and counts on all that was held
        when it was asked for but what fills have paid. So the surplus stays, with what was added.
        """
        cdef Hold added = hold.added
        if added is None or remaining == 0:
            return surplus
        self._scope.touch_hold(added)
        added.amount += surplus
        return 0

    cdef int _release(self, Release release) except -1:
        cdef Hold hold = self._memory.orders.get(release.order_id)
        cdef int64_t remaining = release.remaining_lots
        if remaining == 0 and hold is not None and self._ends_replaced(hold, release.version):
            return 0
        hold = self._live(release.order_id, release.version)
        if not 0 <= remaining <= hold.remaining:
            raise NotApplicable(
                f"order {release.order_id} has {hold.remaining} lots; {remaining} cannot remain"
            )
        self._scope.touch_hold(hold)
        self._scope.touch_balance(hold.pays)
        amount = hold.amount_at(remaining) if remaining else 0
        hold.pays.locked -= self._freed(hold, remaining, hold.amount - amount)
        hold.remaining = remaining
        hold.amount = amount
        hold.state = HOLD_IN_MARKET if remaining else HOLD_ENDED
        return 0

    cdef bint _ends_replaced(self, Hold hold, int32_t version) except -1:
        """Ends an order's hold and the one added to it, if that is the version which ends.

        A replace to no more than what had been filled by then: the order was never that version.
        """
        cdef Hold added = hold.added
        if added is None or added.ask.version != version or not _is_live(hold):
            return False
        self._scope.touch_hold(hold)
        self._scope.touch_hold(added)
        self._scope.touch_balance(hold.pays)
        self._memory.release_added(hold, added, HOLD_ENDED, self._scope)
        hold.pays.locked -= hold.amount
        hold.remaining = 0
        hold.amount = 0
        hold.state = HOLD_ENDED
        return True

    cdef int _replace(self, Replace replace) except -1:
        cdef Hold current = self._memory.orders.get(replace.order_id)
        cdef Hold added = None if current is None else current.of_version(replace.version)
        if added is None or added.state != HOLD_ADDED:
            raise NotApplicable(
                f"nothing was locked for version {replace.version} of order {replace.order_id}"
            )
        self._scope.touch_hold(current)
        self._scope.touch_hold(added)
        self._scope.touch_balance(added.pays)
        if replace.rejected:
            return self._memory.release_added(current, added, HOLD_ENDED, self._scope)
        return self._switch(current, added, replace)

    cdef int _switch(self, Hold old, Hold added, Replace replace) except -1:
        """The order's hold becomes that of its next version; what is too much is released."""
        cdef HoldAsk ask = added.ask
        cdef int64_t remaining = replace.remaining_lots
        if not _is_live(old):
            raise NotApplicable(f"order {ask.order_id} has no live hold to replace")
        if ask.side == SIDE_BUY and replace.cap_ticks != ask.cap_ticks:
            raise NotApplicable(
                f"version {ask.version} of order {ask.order_id} was locked for a cap of "
                f"{ask.cap_ticks}, not {replace.cap_ticks}"
            )
        held = old.amount + added.amount
        amount = added.amount_at(remaining)
        if not 0 < remaining <= ask.lots or amount > held:
            raise NotApplicable(
                f"{held} is held for version {ask.version} of order {ask.order_id}; "
                f"{remaining} of {ask.lots} lots need {amount}"
            )
        added.pays.locked -= held - amount
        added.remaining = remaining
        added.amount = amount
        added.state = HOLD_IN_MARKET
        return self._memory.supersede(old, added, self._scope)


cdef inline bint _is_live(Hold hold) noexcept:
    """Whether it can be filled."""
    return hold.state == HOLD_HELD or hold.state == HOLD_IN_MARKET


cdef inline int64_t _rate(HoldAsk ask, Trade trade) noexcept:
    return ask.taker_ppm if trade.taker_side == ask.side else ask.maker_ppm


cdef int64_t _remaining_after(Hold hold, Trade trade) except -1:
    """Lots that remain after a fill."""
    cdef HoldAsk ask = hold.ask
    if trade.lots <= 0 or trade.price_ticks <= 0 or (ask.lots and trade.lots > hold.remaining):
        raise NotApplicable(
            f"order {ask.order_id} has {hold.remaining} lots; {trade.lots} at "
            f"{trade.price_ticks} cannot fill"
        )
    return hold.remaining - trade.lots if ask.lots else 0


cdef object _amount_after(Hold hold, Trade trade, int64_t remaining, object paid):
    """What stays locked for the lots that remain after a fill."""
    cdef HoldAsk ask = hold.ask
    if ask.quote_amount:
        amount = hold.amount - paid
        if amount < 0:
            raise NotApplicable(f"order {ask.order_id} holds {hold.amount}, the fill costs {paid}")
        return 0 if ask.lots and not remaining else amount
    if ask.side == SIDE_BUY and trade.price_ticks > ask.cap_ticks:
        raise NotApplicable(
            f"order {ask.order_id} pays at most {ask.cap_ticks} ticks, not {trade.price_ticks}"
        )
    return hold.amount_at(remaining)
