"""What the ledger's writer keeps in memory: balances, open holds, positions, and what changed.

Invariant: memory is what the database holds plus the changes of the one batch in flight. They are
written in one transaction; when that is not known to have committed, the memory is thrown away
and loaded again. Readers see the committed balances alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from svc.wallet import money
from svc.wallet.instruments import Instrument

EXTERNAL_ACCOUNT = -1
"""Where credits come from: the world outside. Its balance is minus all that was ever paid in."""

FEE_ACCOUNT = -2
"""Takes fees and pays rebates. A ledger's accounts below zero are its own and hold no orders."""

MAX_AMOUNT = 10**37
"""Of no asset more is paid in than this, so that no balance outgrows 38 digits."""

BUY = 1
SELL = 2
"""Sides, as in trading.v1."""


class HoldState(IntEnum):
    """Life of a hold. HELD, ADDED and IN_MARKET are open: something may be locked under them."""

    HELD = 1
    """Locked; no effect of a market has named it yet."""
    ADDED = 2
    """Locked beside an older version, for a replace that the engine has not decided yet."""
    IN_MARKET = 3
    """An effect has named it."""
    ENDED = 4
    """Ended by its market."""
    UNLOCKED = 5
    """Released before it reached a market, or closed unborn."""


# An enumeration's members are looked up slowly, a module's names are not.
HELD, ADDED, IN_MARKET, ENDED, UNLOCKED = HoldState

OPEN = (HELD, IN_MARKET, ADDED)
LIVE = (HELD, IN_MARKET)
"""The states in which a hold can be filled."""

_LEAST_BY_AGE = 1_024
"""Closed holds that are not worth a walk through all."""


class HoldKey(NamedTuple):
    """Names a hold."""

    order_id: int
    version: int


class HoldAsk(NamedTuple):
    """A hold as it was asked for; equal asks under one key get equal answers.

    A buy by ``quote_amount`` (> 0) holds exactly that; every other hold is a function of the lots
    that remain. Rates are parts per million. ``cap_ticks`` counts for buys alone.
    """

    order_id: int
    version: int
    account_id: int
    instrument_id: int
    side: int
    cap_ticks: int
    lots: int
    quote_amount: int
    maker_ppm: int
    taker_ppm: int


class ClosedHold(NamedTuple):
    """A hold that can hold no more. Without ``ask`` it was closed before it was born."""

    ask: HoldAsk | None
    held: int
    state: HoldState


class Transfer(NamedTuple):
    """A payment from the external account; ``balance_after`` is what its first caller was told."""

    transaction_id: str
    account_id: int
    asset_id: int
    amount: int
    reference: str
    balance_after: int


SETTLEMENT = (
    "ledger",
    "market",
    "trade_number",
    "instrument_id",
    "base_asset_id",
    "quote_asset_id",
    "taker_side",
    "price_ticks",
    "lots",
    "buy_order_id",
    "buy_version",
    "buyer_account_id",
    "sell_order_id",
    "sell_version",
    "seller_account_id",
    "base_amount",
    "quote_amount",
    "buyer_fee",
    "seller_fee",
    "settled_at_unix_ns",
)
"""A settled trade as one wide row of plain integers; the database derives its postings."""

Settlement = tuple[int, ...]


class Position(NamedTuple):
    """Where the ledger stands in a market's log."""

    log_id: str
    sequence: int
    running_hash: int
    trade_number: int
    """Number of the last trade settled; numbers are gapless."""


NOWHERE = Position("", 0, 0, 0)


@dataclass(slots=True, eq=False)
class Balance:
    """Funds of an account in an asset. ``locked`` is the part under open holds."""

    account_id: int
    asset_id: int
    total: int
    locked: int
    stored: bool
    """Whether the database has a row for it."""


@dataclass(slots=True, eq=False)
class Hold:
    """An open hold, or one that closed in the batch in flight."""

    ask: HoldAsk
    held: int
    """Amount locked when it was made."""
    created_at_unix_ns: int
    instrument: Instrument
    pays: Balance
    """Quote of a buy, base of a sell: where it is locked."""
    gets: Balance
    remaining: int
    amount: int
    """What is locked under it now."""
    state: HoldState
    stored: bool
    added: Hold | None = None
    """The hold of a replace under way."""

    def amount_at(self, remaining: int) -> int:
        """What must be locked when ``remaining`` lots are left; by amount: what there is."""
        ask = self.ask
        if ask.side != BUY:
            return money.sell_hold(remaining, self.instrument.base_units)
        if ask.quote_amount:
            return self.amount
        rate = money.hold_rate(ask.maker_ppm, ask.taker_ppm)
        return money.buy_hold(ask.cap_ticks, remaining, self.instrument.quote_units, rate)

    def version(self, version: int) -> Hold | None:
        """This hold, or the one added to it, whichever has that version."""
        if self.ask.version == version:
            return self
        if self.added is not None and self.added.ask.version == version:
            return self.added
        return None


HoldBefore = tuple[HoldState, int, int, Hold | None]


class Changes:
    """What a batch changed, each row once, with what it was before."""

    def __init__(self) -> None:
        self.balances: dict[Balance, tuple[int, int]] = {}
        self.holds: dict[Hold, HoldBefore] = {}
        self.superseded: list[Hold] = []
        self.closed: list[HoldKey] = []
        self.made: list[Hold] = []
        self.unlocked: list[HoldKey] = []
        self.transfers: list[Transfer] = []
        self.settlements: list[Settlement] = []
        self.positions: dict[int, Position] = {}

    def touch_balance(self, balance: Balance) -> None:
        """Must be called before a balance is changed."""
        if balance not in self.balances:
            self.balances[balance] = (balance.total, balance.locked)

    def touch_hold(self, hold: Hold) -> None:
        """Must be called before a hold is changed."""
        if hold not in self.holds:
            self.holds[hold] = (hold.state, hold.remaining, hold.amount, hold.added)

    def absorb(self, later: Changes) -> None:
        """Takes over the changes of a settled range, keeping what was before the first change."""
        self.balances = later.balances | self.balances
        self.holds = later.holds | self.holds
        self.settlements += later.settlements


class Memory:
    """The ledger between two loads."""

    def __init__(self, ledger: int) -> None:
        self.ledger = ledger
        self.committed: dict[int, dict[int, tuple[int, int]]] = {}
        """Total and locked by account and asset, as of the last commit."""
        self.orders: dict[int, Hold] = {}
        """The hold of each order: the one that fills, with the next version's added to it."""
        self.closed: dict[HoldKey, ClosedHold] = {}
        """Closed holds that this batch may meet again, looked up before it decides."""
        self.transfers: dict[str, Transfer] = {}
        """Payments that this batch may meet again, looked up before it decides."""
        self.positions: dict[int, Position] = {}
        self.by_age: list[Hold] = []
        """Committed holds, oldest first; those that closed stay until they are half of it."""
        self.last_made_unix_ns = 0
        self.highest_order_id = 0
        """No order above it ever had a hold, so that a fresh order needs no look-up."""
        self.changes = Changes()
        self._balances: dict[tuple[int, int], Balance] = {}

    def balance(self, account_id: int, asset_id: int) -> Balance:
        """The balance, made with nothing in it when the account never had the asset."""
        key = (account_id, asset_id)
        found = self._balances.get(key)
        if found is None:
            found = self._balances[key] = Balance(account_id, asset_id, 0, 0, stored=False)
        return found

    def load_balance(self, account_id: int, asset_id: int, total: int, locked: int) -> None:
        """Takes a stored row."""
        self._balances[account_id, asset_id] = Balance(
            account_id, asset_id, total, locked, stored=True
        )
        self.committed.setdefault(account_id, {})[asset_id] = (total, locked)

    def load_hold(self, hold: Hold) -> None:
        """Takes a stored open hold, oldest first."""
        live = self.orders.get(hold.ask.order_id)
        if live is None:
            self.orders[hold.ask.order_id] = hold
        else:
            live.added = hold
        self.by_age.append(hold)
        self.last_made_unix_ns = hold.created_at_unix_ns

    def next_made_unix_ns(self, now_unix_ns: int) -> int:
        """When a hold made now was made: after every other, also when the clock stepped back."""
        self.last_made_unix_ns = max(self.last_made_unix_ns + 1, now_unix_ns)
        return self.last_made_unix_ns

    def known(self, key: HoldKey) -> Hold | ClosedHold | None:
        """The hold of that key, open or not, or None if there never was one."""
        current = self.orders.get(key[0])
        found = None if current is None else current.version(key[1])
        return self.closed.get(key) if found is None else found

    def unsure(self, key: HoldKey) -> bool:
        """Whether only the database knows if there ever was a hold of that key."""
        return key.order_id <= self.highest_order_id and self.known(key) is None

    def release_added(self, current: Hold, added: Hold, state: HoldState, scope: Changes) -> None:
        """Releases what was locked for a replace that does not happen. All three are touched."""
        added.pays.locked -= added.amount
        added.amount, added.state = 0, state
        current.added = None
        self._close(added, scope)

    def supersede(self, old: Hold, by: Hold, scope: Changes) -> None:
        """An order's next version takes over all that was held. Both are touched."""
        old.remaining, old.amount, old.state, old.added = 0, 0, ENDED, None
        self.orders[old.ask.order_id] = by
        scope.superseded.append(old)
        self._close(old, scope)

    def _close(self, hold: Hold, scope: Changes) -> None:
        key = HoldKey(hold.ask.order_id, hold.ask.version)
        self.closed[key] = ClosedHold(hold.ask, hold.held, hold.state)
        scope.closed.append(key)

    def undo(self, scope: Changes) -> None:
        """Takes back a range that could not be settled whole."""
        for balance, (total, locked) in scope.balances.items():
            balance.total, balance.locked = total, locked
        for hold, (state, remaining, amount, added) in scope.holds.items():
            hold.state, hold.remaining, hold.amount, hold.added = state, remaining, amount, added
        for hold in reversed(scope.superseded):
            self.orders[hold.ask.order_id] = hold
        for key in scope.closed:
            del self.closed[key]

    def commit(self) -> None:
        """The changes are durable: publishes balances and forgets what closed."""
        changes, self.changes = self.changes, Changes()
        for balance in changes.balances:
            balance.stored = True
            mine = self.committed.setdefault(balance.account_id, {})
            mine[balance.asset_id] = (balance.total, balance.locked)
        for hold in changes.made:
            hold.stored = True
        self.by_age += changes.made
        for hold in changes.holds:
            if hold.state not in OPEN:
                self._forget(hold)
        self.closed.clear()
        self.transfers.clear()
        if len(self.by_age) > 2 * len(self.orders) + _LEAST_BY_AGE:
            self.by_age = [hold for hold in self.by_age if hold.state in OPEN]

    def _forget(self, hold: Hold) -> None:
        order_id = hold.ask.order_id
        if self.orders.get(order_id) is not hold:
            return
        if hold.added is not None and hold.added.state in OPEN:
            self.orders[order_id] = hold.added
        else:
            del self.orders[order_id]
