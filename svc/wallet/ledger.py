"""Decides about funds: which holds are made, which are released, what is credited.

Invariant: nothing is locked that is not there, and a key (order id, version) is used once: the
same ask again gets the same answer whatever became of the hold, another ask is refused.

The checks of an ask stand in a fixed order: its key, its contents, the funds. Nothing here waits:
what only the database knows is looked up before a batch decides (``Memory.unsure``).
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from svc.kit import decimals
from svc.wallet.asks import (
    CreditAsk,
    Refusal,
    added_amount,
    answer_again,
    broken_replace_rule,
    broken_rule,
    refusal,
)
from svc.wallet.instruments import Asset, Catalog, Instrument
from svc.wallet.memory import (
    ADDED,
    BUY,
    EXTERNAL_ACCOUNT,
    HELD,
    LIVE,
    MAX_AMOUNT,
    OPEN,
    UNLOCKED,
    Balance,
    ClosedHold,
    Hold,
    HoldAsk,
    HoldKey,
    HoldState,
    Memory,
    Transfer,
)

_made_at = attrgetter("created_at_unix_ns")


class Ledger:
    """Decides on the memory of one ledger, one item at a time, in arrival order."""

    def __init__(self, memory: Memory, catalog: Catalog) -> None:
        self.memory = memory
        self.catalog = catalog

    def lock(self, ask: HoldAsk, now_unix_ns: int) -> int | Refusal:
        """Makes a hold; the amount locked, in ledger units of the asset that pays."""
        known = self.memory.known(HoldKey(ask.order_id, ask.version))
        if known is not None:
            return answer_again(known, ask)
        instrument = self.catalog.instruments.get(ask.instrument_id)
        if instrument is None:
            return refusal(
                "UNKNOWN_INSTRUMENT",
                f"There is no instrument {ask.instrument_id}.",
                instrument_id=str(ask.instrument_id),
            )
        broken = broken_rule(ask, instrument)
        if broken is not None:
            return broken
        current = self.memory.orders.get(ask.order_id)
        if current is not None or ask.version > 1:
            return self._lock_replace(ask, current, now_unix_ns)
        hold = self._new_hold(ask, instrument, HELD, now_unix_ns)
        return self._take(hold, ask.quote_amount or hold.amount_at(ask.lots))

    def unlock(self, key: HoldKey) -> int | Refusal:
        """Releases a hold that reached no market; the amount released.

        A key without a hold is closed unborn, so that a late ask for it is refused.
        """
        known = self.memory.known(key)
        if known is None:
            self.memory.closed[key] = ClosedHold(None, 0, UNLOCKED)
            self._unlocked(key)
            return 0
        if known.state is UNLOCKED:
            return known.held
        if not isinstance(known, Hold) or known.state not in (HELD, ADDED):
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

    def credit(self, ask: CreditAsk) -> int | Refusal:
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
        external = self.memory.balance(EXTERNAL_ACCOUNT, ask.asset_id)
        balance = self.memory.balance(ask.account_id, ask.asset_id)
        if ask.amount - external.total >= MAX_AMOUNT:
            return self._too_large(self.catalog.assets[ask.asset_id], external)
        changes = self.memory.changes
        changes.touch_balance(external)
        changes.touch_balance(balance)
        external.total -= ask.amount
        balance.total += ask.amount
        transfer = Transfer(*ask, balance.total)
        changes.transfers.append(transfer)
        self.memory.transfers[ask.transaction_id] = transfer
        return balance.total

    def open_holds(self, after_unix_ns: int, before_unix_ns: int, limit: int) -> list[Hold]:
        """Committed open holds made between two times, the oldest ``limit`` of them."""
        by_age = self.memory.by_age
        found: list[Hold] = []
        for at in range(bisect_right(by_age, after_unix_ns, key=_made_at), len(by_age)):
            hold = by_age[at]
            if len(found) == limit or hold.created_at_unix_ns >= before_unix_ns:
                break
            if hold.state in OPEN:
                found.append(hold)
        return found

    def _lock_replace(self, ask: HoldAsk, current: Hold | None, now_unix_ns: int) -> int | Refusal:
        """Locks beside an order's hold what its next version may need."""
        if current is None or current.state not in LIVE:
            return refusal(
                "ORDER_NOT_HELD",
                f"Order {ask.order_id} has no hold that version {ask.version} could replace.",
                order_id=str(ask.order_id),
                version=str(ask.version),
            )
        broken = broken_replace_rule(ask, current)
        if broken is not None:
            return broken
        hold = self._new_hold(ask, current.instrument, ADDED, now_unix_ns)
        return self._take(hold, added_amount(ask, current), current)

    def _new_hold(
        self, ask: HoldAsk, instrument: Instrument, state: HoldState, now_unix_ns: int
    ) -> Hold:
        base = self.memory.balance(ask.account_id, instrument.base.asset_id)
        quote = self.memory.balance(ask.account_id, instrument.quote.asset_id)
        pays, gets = (quote, base) if ask.side == BUY else (base, quote)
        made_at = self.memory.next_made_unix_ns(now_unix_ns)
        return Hold(ask, 0, made_at, instrument, pays, gets, ask.lots, 0, state, stored=False)

    def _take(self, hold: Hold, amount: int, live: Hold | None = None) -> int | Refusal:
        """Locks the amount under the hold, if it is there, and keeps it; beside ``live`` if any."""
        pays = hold.pays
        if amount > pays.total - pays.locked:
            return self._insufficient(pays, amount)
        memory = self.memory
        memory.changes.touch_balance(pays)
        pays.locked += amount
        hold.held = hold.amount = amount
        memory.changes.made.append(hold)
        order_id = hold.ask.order_id
        if live is None:
            memory.orders[order_id] = hold
        else:
            live.added = hold
        memory.highest_order_id = max(memory.highest_order_id, order_id)
        return amount

    def _release(self, hold: Hold, current: Hold) -> None:
        changes = self.memory.changes
        changes.touch_balance(hold.pays)
        changes.touch_hold(hold)
        if hold.state is ADDED:
            self.memory.release_added(current, hold, UNLOCKED, changes)
        else:
            hold.pays.locked -= hold.amount
            hold.remaining, hold.amount, hold.state = 0, 0, UNLOCKED

    def _unlocked(self, key: HoldKey) -> None:
        self.memory.changes.unlocked.append(key)
        self.memory.highest_order_id = max(self.memory.highest_order_id, key.order_id)

    def _insufficient(self, balance: Balance, amount: int) -> Refusal:
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

    def _too_large(self, asset: Asset, external: Balance) -> Refusal:
        room = decimals.format_units(MAX_AMOUNT - 1 + external.total, asset.ledger_scale)
        return refusal(
            "AMOUNT_TOO_LARGE",
            f"The ledger can take {room} more {asset.symbol}.",
            asset=asset.symbol,
            maximum=room,
        )
