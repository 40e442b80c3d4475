# cython: language_level=3
"""Decides about funds: which holds are made, which are released, what is credited.

Invariant: nothing is locked that is not there, and a key (order id, version) is used once: the
same ask again gets the same answer whatever became of the hold, another ask is refused.

The checks of an ask stand in a fixed order: its key, its contents, the funds. Nothing here waits:
what only the database knows is looked up before a batch decides (``Memory.unsure``).
"""

from bisect import bisect_right
from operator import attrgetter

from libc.stdint cimport int32_t, int64_t

from svc.wallet.asks cimport added_amount, answer_again, broken_replace_rule, broken_rule
from svc.wallet.memory cimport (
    HOLD_ADDED,
    HOLD_HELD,
    HOLD_IN_MARKET,
    HOLD_UNLOCKED,
    SIDE_BUY,
    Balance,
    Changes,
    Hold,
    HoldAsk,
    Memory,
)

from svc.kit import decimals
from svc.wallet.asks import refusal
from svc.wallet.memory import EXTERNAL_ACCOUNT, MAX_AMOUNT, ClosedHold, Transfer

_made_at = attrgetter("created_at_unix_ns")


cdef class Ledger:
    """Decides on the memory of one ledger, one item at a time, in arrival order."""

    cdef readonly Memory memory
    cdef readonly object catalog
    cdef dict _instruments

    def __init__(self, Memory memory not None, catalog):
        self.memory = memory
        self.catalog = catalog
        self._instruments = catalog.instruments

    cpdef object lock(self, HoldAsk ask, int64_t now_unix_ns):
        """Makes a hold; the amount locked, in ledger units of the asset that pays."""
        cdef Memory memory = self.memory
        known = memory.find(ask.order_id, ask.version)
        if known is not None:
            return answer_again(known, ask)
        instrument = self._instruments.get(ask.instrument_id)
        if instrument is None:
            return refusal(
                "UNKNOWN_INSTRUMENT",
                f"There is no instrument {ask.instrument_id}.",
                instrument_id=str(ask.instrument_id),
            )
        broken = broken_rule(ask, instrument)
        if broken is not None:
            return broken
        cdef Hold current = memory.orders.get(ask.order_id)
        if current is not None or ask.version > 1:
            return self._lock_replace(ask, current, now_unix_ns)
        cdef Hold hold = self._new_hold(ask, instrument, HOLD_HELD, now_unix_ns)
        return self._take(hold, ask.quote_amount or hold.amount_at(ask.lots), None)

    def unlock(self, key):
        """Releases a hold that reached no market; the amount released.

        A key without a hold is closed unborn, so that a late ask for it is refused.
        """
        known = self.memory.find(key.order_id, key.version)
        if known is None:
            self.memory.closed[key] = ClosedHold(None, 0, HOLD_UNLOCKED)
            self._unlocked(key)
            return 0
        if known.state == HOLD_UNLOCKED:
            return known.held
        if not isinstance(known, Hold) or known.state > HOLD_ADDED:
            return refusal(
                "HOLD_IN_USE",
                f"The hold of order {key.order_id}, version {key.version}, belongs to an order in "
                "a market; only the market's events release it.",
                order_id=str(key.order_id),
                version=str(key.version),
            )
        self._release(known, self.memory.orders[key.order_id])
        self._unlocked(key)
        return known.held

    def credit(self, ask):
        """Pays in from the external account; the total balance after it."""
        first = self.memory.transfers.get(ask.transaction_id)
        if first is not None:
            if first[: len(ask)] == ask:
                return first.balance_after
            return refusal(
                "TRANSACTION_ID_REUSED",
                f"Transaction {ask.transaction_id} was made with another account, asset, amount "
                "or reference; a new payment needs an id of its own.",
                transaction_id=ask.transaction_id,
            )
        cdef Balance external = self.memory.balance(EXTERNAL_ACCOUNT, ask.asset_id)
        cdef Balance balance = self.memory.balance(ask.account_id, ask.asset_id)
        if ask.amount - external.total >= MAX_AMOUNT:
            return self._too_large(self.catalog.assets[ask.asset_id], external)
        cdef Changes changes = self.memory.changes
        changes.touch_balance(external)
        changes.touch_balance(balance)
        external.total -= ask.amount
        balance.total += ask.amount
        transfer = Transfer(*ask, balance.total)
        changes.transfers.append(transfer)
        self.memory.transfers[ask.transaction_id] = transfer
        return balance.total

    def open_holds(self, after_unix_ns, before_unix_ns, limit):
        """Committed open holds made between two times, the oldest ``limit`` of them."""
        by_age = self.memory.by_age
        found = []
        for at in range(bisect_right(by_age, after_unix_ns, key=_made_at), len(by_age)):
            hold = by_age[at]
            if len(found) == limit or hold.created_at_unix_ns >= before_unix_ns:
                break
            if hold.state <= HOLD_IN_MARKET:
                found.append(hold)
        return found

    cdef object _lock_replace(self, HoldAsk ask, Hold current, int64_t now_unix_ns):
        """Locks beside an order's hold what its next version may need."""
        if current is None or current.state not in (HOLD_HELD, HOLD_IN_MARKET):
            return refusal(
                "ORDER_NOT_HELD",
                f"Order {ask.order_id} has no hold that version {ask.version} could replace.",
                order_id=str(ask.order_id),
                version=str(ask.version),
            )
        broken = broken_replace_rule(ask, current)
        if broken is not None:
            return broken
        cdef Hold hold = self._new_hold(ask, current.instrument, HOLD_ADDED, now_unix_ns)
        return self._take(hold, added_amount(ask, current), current)

    cdef Hold _new_hold(
        self, HoldAsk ask, object instrument, int32_t state, int64_t now_unix_ns
    ):
        cdef Balance base = self.memory.balance(ask.account_id, instrument.base.asset_id)
        cdef Balance quote = self.memory.balance(ask.account_id, instrument.quote.asset_id)
        cdef Hold hold = Hold.__new__(Hold)
        hold.ask = ask
        hold.held = hold.amount = 0
        hold.created_at_unix_ns = self.memory.next_made_unix_ns(now_unix_ns)
        hold.instrument = instrument
        hold.pays, hold.gets = (quote, base) if ask.side == SIDE_BUY else (base, quote)
        hold.remaining = ask.lots
        hold.state = state
        hold.stored = False
        return hold

    cdef object _take(self, Hold hold, object amount, Hold live):
        """Locks the amount under the hold, if it is there, and keeps it; beside ``live`` if any."""
        cdef Balance pays = hold.pays
        cdef Memory memory = self.memory
        cdef int64_t order_id = hold.ask.order_id
        if amount > pays.total - pays.locked:
            return self._insufficient(pays, amount)
        memory.changes.touch_balance(pays)
        pays.locked += amount
        hold.held = hold.amount = amount
        memory.changes.made.append(hold)
        if live is None:
            memory.orders[order_id] = hold
        else:
            live.added = hold
        memory.highest_order_id = max(memory.highest_order_id, order_id)
        return amount

    cdef int _release(self, Hold hold, Hold current) except -1:
        cdef Changes changes = self.memory.changes
        changes.touch_balance(hold.pays)
        changes.touch_hold(hold)
        if hold.state == HOLD_ADDED:
            return self.memory.release_added(current, hold, HOLD_UNLOCKED, changes)
        hold.pays.locked -= hold.amount
        hold.remaining = 0
        hold.amount = 0
        hold.state = HOLD_UNLOCKED
        return 0

    cdef int _unlocked(self, object key) except -1:
        self.memory.changes.unlocked.append(key)
        self.memory.highest_order_id = max(self.memory.highest_order_id, key.order_id)
        return 0

    cdef object _insufficient(self, Balance balance, object amount):
        asset = self.catalog.assets[balance.asset_id]
        needed = decimals.format_units(amount, asset.ledger_scale)
        free = decimals.format_units(balance.total - balance.locked, asset.ledger_scale)
        return refusal(
            "INSUFFICIENT_BALANCE",
            f"The order needs {needed} {asset.symbol}; {free} {asset.symbol} is available.",
            asset=asset.symbol,
            required=needed,
            available=free,
        )

    cdef object _too_large(self, object asset, Balance external):
        room = decimals.format_units(MAX_AMOUNT - 1 + external.total, asset.ledger_scale)
        return refusal(
            "AMOUNT_TOO_LARGE",
            f"The ledger can take {room} more {asset.symbol}.",
            asset=asset.symbol,
            maximum=room,
        )
