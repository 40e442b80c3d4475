# cython: language_level=3
"""What a batch writes: the changes of the memory as rows of their tables, in the tables' order.

Keeps: every row carries what its statement needs to find and to check it, and nothing is read
from the memory after this.
"""

from libc.stdint cimport int64_t

from svc.wallet.memory cimport HOLD_IN_MARKET, Balance, Changes, Hold, HoldAsk, Memory
from svc.wallet.rows cimport Rows


cdef class Batch:
    """Rows by what is done with them.

    ``settled``, ``made`` and ``opened`` are new rows of settlements, holds and open_holds;
    ``changed`` and ``closed`` are rows of open_holds; ``added`` are new balances, ``moved`` what
    other balances change by; ``unlocked`` are new unlocks.
    """

    cdef readonly Rows settled
    cdef readonly Rows made
    cdef readonly Rows opened
    cdef readonly Rows changed
    cdef readonly Rows closed
    cdef readonly Rows added
    cdef readonly Rows moved
    cdef readonly Rows unlocked

    def __init__(self, Memory memory not None, int64_t now_unix_ns):
        cdef Changes changes = memory.changes
        cdef Hold hold
        cdef Balance balance
        self.settled = changes.settlements
        self.made, self.opened, self.changed, self.closed = Rows(), Rows(), Rows(), Rows()
        self.added, self.moved, self.unlocked = Rows(), Rows(), Rows()
        for hold in changes.made:
            _made(self.made, memory.ledger, hold)
            if hold.state <= HOLD_IN_MARKET:
                _open(self.opened, memory.ledger, hold)
        for hold in changes.holds:
            if hold.stored:
                rows = self.changed if hold.state <= HOLD_IN_MARKET else self.closed
                _open(rows, memory.ledger, hold)
        for balance, (total, locked) in changes.balances.items():
            if not balance.stored:
                _balance(self.added, memory.ledger, balance, balance.total, balance.locked)
            elif balance.total != total or balance.locked != locked:
                _balance(
                    self.moved, memory.ledger, balance,
                    balance.total - total, balance.locked - locked,
                )
        for order_id, version in changes.unlocked:
            _unlock(self.unlocked, memory.ledger, order_id, version, now_unix_ns)


cdef int _made(Rows rows, int64_t ledger, Hold hold) except -1:
    cdef HoldAsk ask = hold.ask
    rows.begin()
    rows.number(ledger)
    rows.number(ask.order_id)
    rows.number(ask.version)
    rows.number(ask.account_id)
    rows.number(ask.instrument_id)
    rows.number(ask.side)
    rows.number(ask.cap_ticks)
    rows.number(ask.lots)
    rows.amount(ask.quote_amount)
    rows.number(ask.maker_ppm)
    rows.number(ask.taker_ppm)
    rows.number(hold.pays.asset_id)
    rows.amount(hold.held)
    rows.number(hold.created_at_unix_ns)
    return rows.end()


cdef int _open(Rows rows, int64_t ledger, Hold hold) except -1:
    rows.begin()
    rows.number(ledger)
    rows.number(hold.ask.order_id)
    rows.number(hold.ask.version)
    rows.number(hold.remaining)
    rows.amount(hold.amount)
    rows.number(hold.state)
    return rows.end()


cdef int _balance(
    Rows rows, int64_t ledger, Balance balance, object total, object locked
) except -1:
    rows.begin()
    rows.number(ledger)
    rows.number(balance.account_id)
    rows.number(balance.asset_id)
    rows.amount(total)
    rows.amount(locked)
    return rows.end()


cdef int _unlock(
    Rows rows, int64_t ledger, int64_t order_id, int64_t version, int64_t now_unix_ns
) except -1:
    rows.begin()
    rows.number(ledger)
    rows.number(order_id)
    rows.number(version)
    rows.number(now_unix_ns)
    return rows.end()
