# cython: language_level=3, embedsignature=True
"""What is asked of order intake, and what comes of it. Values that travel between its steps.

Extension types, because an order is made and looked at in many places between its wire bytes and
its row. asks.pxd says what their fields mean. What can be in no circle is nothing to the collector.
"""

cimport cython
from libc.stdint cimport int64_t

from svc.kit.errors import DomainError
from svc.order.changes import Change
from svc.order.lifecycle import Status

cdef int NEW = Status.NEW, REJECTED = Status.REJECTED


@cython.no_gc
cdef class Answer:
    """An item that succeeded: the order it made or named, and the order's state right after."""

    def __init__(self, int64_t order_id, int status):
        self.order_id = order_id
        self.status = status


@cython.no_gc
cdef class Terms:
    """What is asked for."""

    def __init__(
        self, *, instrument, int side, int type, int time_in_force, int self_trade_mode,
        int64_t price_ticks, int64_t lots, quote_units, int64_t expires_at_unix_ns, int leverage,
        bint post_only, bint reduce_only, int64_t stop_ticks=0,
        int64_t display_lots=0, bint by_amount=False, int64_t trail=0, int64_t activation_ticks=0,
    ):
        """Raises OverflowError for a number that is no int64."""
        self.instrument = instrument
        self.side = side
        self.type = type
        self.time_in_force = time_in_force
        self.self_trade_mode = self_trade_mode
        self.price_ticks = price_ticks
        self.lots = lots
        self.quote_units = quote_units
        self.expires_at_unix_ns = expires_at_unix_ns
        self.leverage = leverage
        self.post_only = post_only
        self.reduce_only = reduce_only
        self.stop_ticks = stop_ticks
        self.display_lots = display_lots
        self.by_amount = by_amount
        self.trail = trail
        self.activation_ticks = activation_ticks


cdef class Key:
    """An idempotency key. `digest` is of the whole request but the key."""

    def __init__(self, str text not None, bytes digest not None):
        self.text = text
        self.digest = digest


cdef class Create:
    """A new order: well-formed, not yet admitted. Intake fills in what can be set."""

    def __init__(
        self, Caller caller not None, Terms terms not None, str client_order_id not None, Key key
    ):
        self.account_id = caller.account_id
        self.user_id = caller.user_id
        self.source = caller.source
        self.trace_id = caller.trace_id
        self.deadline_s = caller.deadline_s
        self.terms = terms
        self.client_order_id = client_order_id
        self.key = key

    @property
    def status(self):
        """The state that its row begins in, by number."""
        return NEW if self.refusal is None else REJECTED

    @property
    def hold_is_lost(self):
        """Whether funds are held under an order id that surely no call will ever commit."""
        if self.key is None:
            return self.held
        return self.held and self.winner_id != 0 and self.winner_id != self.order_id


cdef class Cancel:
    """A cancel of an order of the account."""

    def __init__(self, Caller caller not None, int64_t order_id, str name not None, Key key):
        self.account_id = caller.account_id
        self.trace_id = caller.trace_id
        self.deadline_s = caller.deadline_s
        self.order_id = order_id
        self.name = name
        self.key = key

    @property
    def named_id(self):
        """The live order that it is about."""
        return self.order_id


@cython.no_gc
cdef class Caller:
    """Who asks, until when he waits, and in which trace."""

    def __init__(self, int64_t account_id, int64_t user_id, str source, str trace_id, deadline_s):
        self.account_id = account_id
        self.user_id = user_id
        self.source = source
        self.trace_id = trace_id
        self.deadline_s = deadline_s


Result = Answer | DomainError
Ask = Create | Cancel | Change
