from libc.stdint cimport int32_t, int64_t, uint64_t


cdef class Trade:
    cdef readonly uint64_t sequence
    cdef readonly int64_t trade_number
    cdef readonly int64_t instrument_id
    cdef readonly int64_t price_ticks
    cdef readonly int64_t lots
    cdef readonly int32_t taker_side
    cdef readonly int32_t buy_version
    cdef readonly int32_t sell_version
    cdef readonly int64_t buy_order_id
    cdef readonly int64_t buy_account_id
    cdef readonly int64_t sell_order_id
    cdef readonly int64_t sell_account_id


cdef class Replace:
    cdef readonly uint64_t sequence
    cdef readonly int64_t order_id
    cdef readonly int32_t version
    cdef readonly bint rejected
    cdef readonly int64_t cap_ticks
    cdef readonly int64_t remaining_lots


cdef class Release:
    cdef readonly uint64_t sequence
    cdef readonly int64_t order_id
    cdef readonly int32_t version
    cdef readonly int64_t remaining_lots
