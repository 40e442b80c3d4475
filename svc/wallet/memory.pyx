# cython: language_level=3
"""What the ledger's writer keeps in memory: balances, open holds, positions, and what changed.

Invariant: memory is what the database holds plus the changes of the one batch in flight. They are
written in one transaction; when that is not known to have committed, the memory is thrown away
and loaded again. Readers see the committed balances alone.

Ids, ticks and lots are integers of 64 bits, as in the contracts; amounts are Python's integers.
"""

from enum import IntEnum
from typing import NamedTuple

from libc.stdint cimport int32_t, int64_t

from svc.wallet cimport money

EXTERNAL_ACCOUNT = -1
"""Where credits come from: the world outside. Its balance is minus all that was ever paid in."""

FEE_ACCOUNT = -2
"""Takes fees and pays rebates. A ledger's accounts below zero are its own and hold no orders."""

MAX_AMOUNT = 10**37
"""Of no asset more is paid in than this, so that no balance outgrows 38 digits."""

BUY = SIDE_BUY
SELL = SIDE_SELL
"""Sides, as in trading.v1."""


class HoldState(IntEnum):
    """Life of a hold. HELD, ADDED and IN_MARKET are open: something may be locked under them."""

    HELD = HOLD_HELD
    """Locked; no effect of a market has named it yet."""
    ADDED = HOLD_ADDED
    """Locked beside an older version, for a replace that the engine has not decided yet."""
    IN_MARKET = HOLD_IN_MARKET
    """An effect has named it."""
    ENDED = HOLD_ENDED
    """Ended by its market."""
    UNLOCKED = HOLD_UNLOCKED
    """Released before it reached a market, or closed unborn."""


OPEN = (HoldState.HELD, HoldState.IN_MARKET, HoldState.ADDED)

cdef enum:
    LEAST_BY_AGE = 1_024  # closed holds that are not worth a walk through all


class HoldKey(NamedTuple):
    """Names a hold."""

    order_id: int
    version: int


cdef class HoldAsk:
    """A hold as it was asked for; equal asks under one key get equal answers.

    A buy by ``quote_amount`` (> 0) holds exactly that; every other hold is a function of the lots
    that remain. Rates are parts per million. ``cap_ticks`` counts for buys alone.
    """

    def __init__(
        self,
        int64_t order_id,
        int32_t version,
        int64_t account_id,
        int64_t instrument_id,
        int32_t side,
        int64_t cap_ticks,
        int64_t lots,
        quote_amount,
        int32_t maker_ppm,
        int32_t taker_ppm,
    ):
        self.order_id = order_id
        self.version = version
        self.account_id = account_id
        self.instrument_id = instrument_id
        self.side = side
        self.cap_ticks = cap_ticks
        self.lots = lots
        self.quote_amount = quote_amount
        self.maker_ppm = maker_ppm
        self.taker_ppm = taker_ppm

    @property
    def key(self):
        """Names its hold."""
        return HoldKey(self.order_id, self.version)

    def __eq__(self, other):
        return isinstance(other, HoldAsk) and self.same(other)

    __hash__ = None

    cdef bint same(self, HoldAsk other) except -1:
        return (
            self.order_id == other.order_id
            and self.version == other.version
            and self.account_id == other.account_id
            and self.instrument_id == other.instrument_id
            and self.side == other.side
            and self.cap_ticks == other.cap_ticks
            and self.lots == other.lots
            and self.maker_ppm == other.maker_ppm
            and self.taker_ppm == other.taker_ppm
            and self.quote_amount == other.quote_amount
        )


class ClosedHold(NamedTuple):
    """A hold that can hold no more. Without ``ask`` it was closed before it was born."""

    ask: HoldAsk | None
    held: int
    state: int


class Transfer(NamedTuple):
    """A payment from the external account; ``balance_after`` is what its first caller was told."""

    transaction_id: str
    account_id: int
    asset_id: int
    amount: int
    reference: str
    balance_after: int


class Position(NamedTuple):
    """Where the ledger stands in a market's log; ``trade_number`` is that of the last settled."""

    log_id: str
    sequence: int
    running_hash: int
    trade_number: int


NOWHERE = Position("", 0, 0, 0)


cdef class Balance:
    """Funds of an account in an asset. ``locked`` is the part under open holds.

    ``stored``: whether the database has a row for it.
    """

    def __init__(self, int64_t account_id, int64_t asset_id, total, locked, bint stored):
        self.account_id = account_id
        self.asset_id = asset_id
        self.total = total
        self.locked = locked
        self.stored = stored


cdef class Hold:
    """An open hold, or one that closed in the batch in flight.

    ``held`` was locked when it was made, ``amount`` is now; it ``pays`` quote of a buy, base of a
    sell, where it is locked. ``added`` is the hold of a replace under way.
    """

    def __init__(
        self,
        HoldAsk ask not None,
        held,
        int64_t created_at_unix_ns,
        instrument,
        Balance pays not None,
        Balance gets not None,
        int64_t remaining,
        amount,
        int32_t state,
        bint stored,
    ):
        self.ask = ask
        self.held = held
        self.created_at_unix_ns = created_at_unix_ns
        self.instrument = instrument
        self.pays = pays
        self.gets = gets
        self.remaining = remaining
        self.amount = amount
        self.state = state
        self.stored = stored

    cdef object amount_at(self, int64_t remaining):
        """What must be locked when ``remaining`` lots are left; by amount: what there is."""
        cdef HoldAsk ask = self.ask
        if ask.side != SIDE_BUY:
            return money.hold_of_sell(remaining, self.instrument.base_units)
        if ask.quote_amount:
            return self.amount
        cdef int64_t rate = max(ask.maker_ppm, ask.taker_ppm, 0)
        return money.hold_of_buy(ask.cap_ticks, remaining, self.instrument.quote_units, rate)

    cdef Hold of_version(self, int32_t version):
        """This hold, or the one added to it, whichever has that version."""
        if self.ask.version == version:
            return self
        if self.added is not None and self.added.ask.version == version:
            return self.added
        return None


cdef class Changes:
    """What a batch changed, each row once, with what it was before.

    ``balances`` keeps total and locked, ``holds`` state, remaining, amount and added; the closed
    and the unlocked are keys, ``settlements`` rows of their table.
    """

    def __init__(self):
        self.balances = {}
        self.holds = {}
        self.superseded = []
        self.closed = []
        self.made = []
        self.unlocked = []
        self.transfers = []
        self.settlements = Rows()
        self.positions = {}

    cdef int touch_balance(self, Balance balance) except -1:
        """Must be called before a balance is changed."""
        if balance not in self.balances:
            self.balances[balance] = (balance.total, balance.locked)
        return 0

    cdef int touch_hold(self, Hold hold) except -1:
        """Must be called before a hold is changed."""
        if hold not in self.holds:
            self.holds[hold] = (hold.state, hold.remaining, hold.amount, hold.added)
        return 0

    cdef int absorb(self, Changes later) except -1:
        """Takes over the changes of a settled range, keeping what was before the first change."""
        self.balances = later.balances | self.balances
        self.holds = later.holds | self.holds
        self.settlements.extend(later.settlements)
        return 0


cdef class Memory:
    """The ledger between two loads.

    ``committed``: total and locked by account and asset, as of the last commit. ``orders``: the
    hold of each order, the one that fills, with the next version's added to it. ``closed`` and
    ``transfers``: what this batch may meet again of what is no more, looked up before it decides.
    ``by_age``: committed holds, oldest first; those that closed stay until they are half of it.
    No order above ``highest_order_id`` ever had a hold, so that a fresh one needs no look-up.
    """

    def __init__(self, int64_t ledger):
        self.ledger = ledger
        self.committed = {}
        self.orders = {}
        self.closed = {}
        self.transfers = {}
        self.positions = {}
        self.by_age = []
        self.last_made_unix_ns = 0
        self.highest_order_id = 0
        self.changes = Changes()
        self._balances = {}

    cpdef Balance balance(self, int64_t account_id, int64_t asset_id):
        """The balance, made with nothing in it when the account never had the asset."""
        key = (account_id, asset_id)
        found = self._balances.get(key)
        if found is None:
            found = self._balances[key] = Balance(account_id, asset_id, 0, 0, False)
        return found

    def load_balance(self, account_id, asset_id, total, locked):
        """Takes a stored row."""
        self._balances[account_id, asset_id] = Balance(account_id, asset_id, total, locked, True)
        self.committed.setdefault(account_id, {})[asset_id] = (total, locked)

    def load_hold(self, Hold hold not None):
        """Takes a stored open hold, oldest first."""
        cdef Hold live = self.orders.get(hold.ask.order_id)
        if live is None:
            self.orders[hold.ask.order_id] = hold
        else:
            live.added = hold
        self.by_age.append(hold)
        self.last_made_unix_ns = hold.created_at_unix_ns

    cdef int64_t next_made_unix_ns(self, int64_t now_unix_ns):
        """When a hold made now was made: after every other, also when the clock stepped back."""
        self.last_made_unix_ns = max(self.last_made_unix_ns + 1, now_unix_ns)
        return self.last_made_unix_ns

    cdef object find(self, int64_t order_id, int32_t version):
        """The hold of that key, open or closed, or None if there never was one."""
        cdef Hold current = self.orders.get(order_id)
        found = None if current is None else current.of_version(version)
        if found is None and self.closed:
            found = self.closed.get((order_id, version))
        return found

    def unsure(self, int64_t order_id, int32_t version):
        """Whether only the database knows if there ever was a hold of that key."""
        return order_id <= self.highest_order_id and self.find(order_id, version) is None

    def unsure_asks(self, items):
        """Keys of the asks among the items that only the database knows about."""
        cdef HoldAsk ask
        found = []
        for item in items:
            if isinstance(item, HoldAsk):
                ask = <HoldAsk>item
                if ask.order_id <= self.highest_order_id and (
                    self.find(ask.order_id, ask.version) is None
                ):
                    found.append(ask.key)
        return found

    cdef int release_added(
        self, Hold current, Hold added, int32_t state, Changes scope
    ) except -1:
        """Releases what was locked for a replace that does not happen. All three are touched."""
        added.pays.locked -= added.amount
        added.amount = 0
        added.state = state
        current.added = None
        return self._close(added, scope)

    cdef int supersede(self, Hold old, Hold by, Changes scope) except -1:
        """An order's next version takes over all that was held. Both are touched."""
        old.remaining = 0
        old.amount = 0
        old.state = HOLD_ENDED
        old.added = None
        self.orders[old.ask.order_id] = by
        scope.superseded.append(old)
        return self._close(old, scope)

    cdef int _close(self, Hold hold, Changes scope) except -1:
        key = hold.ask.key
        self.closed[key] = ClosedHold(hold.ask, hold.held, hold.state)
        scope.closed.append(key)
        return 0

    cdef int undo(self, Changes scope) except -1:
        """Takes back a range that could not be settled whole."""
        cdef Balance balance
        cdef Hold hold
        for balance, (total, locked) in scope.balances.items():
            balance.total = total
            balance.locked = locked
        for hold, (state, remaining, amount, added) in scope.holds.items():
            hold.state = state
            hold.remaining = remaining
            hold.amount = amount
            hold.added = added
        for hold in reversed(scope.superseded):
            self.orders[hold.ask.order_id] = hold
        for key in scope.closed:
            del self.closed[key]
        return 0

    def commit(self):
        """The changes are durable: publishes balances and forgets what closed."""
        cdef Changes changes = self.changes
        cdef Balance balance
        cdef Hold hold
        cdef dict mine
        self.changes = Changes()
        for balance in changes.balances:
            balance.stored = True
            mine = self.committed.get(balance.account_id)
            if mine is None:
                mine = self.committed[balance.account_id] = {}
            mine[balance.asset_id] = (balance.total, balance.locked)
        for hold in changes.made:
            hold.stored = True
        self.by_age += changes.made
        for hold in changes.holds:
            if hold.state > HOLD_IN_MARKET:
                self._forget(hold)
        self.closed.clear()
        self.transfers.clear()
        if len(self.by_age) > 2 * len(self.orders) + LEAST_BY_AGE:
            self.by_age = [hold for hold in self.by_age if hold.state <= HOLD_IN_MARKET]

    cdef int _forget(self, Hold hold) except -1:
        order_id = hold.ask.order_id
        if self.orders.get(order_id) is not hold:
            return 0
        if hold.added is not None and hold.added.state <= HOLD_IN_MARKET:
            self.orders[order_id] = hold.added
        else:
            del self.orders[order_id]
        return 0
