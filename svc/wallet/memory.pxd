from libc.stdint cimport int32_t, int64_t

from svc.wallet.rows cimport Rows

cdef enum:
    SIDE_BUY = 1
    SIDE_SELL = 2
    HOLD_HELD = 1
    HOLD_ADDED = 2
    HOLD_IN_MARKET = 3
    HOLD_ENDED = 4
    HOLD_UNLOCKED = 5


cdef class HoldAsk:
    cdef readonly int64_t order_id
    cdef readonly int32_t version
    cdef readonly int32_t side
    cdef readonly int64_t account_id
    cdef readonly int64_t instrument_id
    cdef readonly int64_t cap_ticks
    cdef readonly int64_t lots
    cdef readonly object quote_amount
    cdef readonly int32_t maker_ppm
    cdef readonly int32_t taker_ppm

    cdef bint same(self, HoldAsk other) except -1


cdef class Balance:
    cdef readonly int64_t account_id
    cdef readonly int64_t asset_id
    cdef public object total
    cdef public object locked
    cdef readonly bint stored


cdef class Hold:
    cdef readonly HoldAsk ask
    cdef readonly object held
    cdef readonly int64_t created_at_unix_ns
    cdef readonly object instrument
    cdef readonly Balance pays
    cdef readonly Balance gets
    cdef public int64_t remaining
    cdef public object amount
    cdef readonly int32_t state
    cdef readonly bint stored
    cdef readonly Hold added

    cdef object amount_at(self, int64_t remaining)
    cdef Hold of_version(self, int32_t version)


cdef class Changes:
    cdef readonly dict balances
    cdef readonly dict holds
    cdef readonly list superseded
    cdef readonly list closed
    cdef readonly list made
    cdef readonly list unlocked
    cdef readonly list transfers
    cdef readonly Rows settlements
    cdef readonly dict positions

    cdef int touch_balance(self, Balance balance) except -1
    cdef int touch_hold(self, Hold hold) except -1
    cdef int absorb(self, Changes later) except -1


cdef class Memory:
    cdef readonly int64_t ledger
    cdef readonly dict committed
    cdef readonly dict orders
    cdef readonly dict closed
    cdef readonly dict transfers
    cdef readonly dict positions
    cdef readonly list by_age
    cdef readonly int64_t last_made_unix_ns
    cdef public int64_t highest_order_id
    cdef readonly Changes changes
    cdef dict _balances

    cpdef Balance balance(self, int64_t account_id, int64_t asset_id)
    cdef int64_t next_made_unix_ns(self, int64_t now_unix_ns)
    cdef object find(self, int64_t order_id, int32_t version)
    cdef int release_added(self, Hold current, Hold added, int32_t state, Changes scope) except -1
    cdef int supersede(self, Hold old, Hold by, Changes scope) except -1
    cdef int undo(self, Changes scope) except -1
    cdef int _close(self, Hold hold, Changes scope) except -1
    cdef int _forget(self, Hold hold) except -1
