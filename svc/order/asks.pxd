"""What is asked of order intake, for the C of the modules that read and write it: asks.pyx."""

from libc.stdint cimport int64_t


cdef class Answer:
    cdef readonly int64_t order_id
    cdef readonly int status


cdef class Terms:
    cdef readonly object instrument
    cdef readonly int side
    cdef readonly int type
    cdef readonly int time_in_force
    cdef readonly int self_trade_mode
    cdef readonly int64_t price_ticks  # limit price; 0 for market orders
    cdef readonly int64_t lots  # of a buy by amount the most that an order may have
    # Most that a buy by amount or within a budget may cost, fees included; else 0. Ledger units of
    # the quote asset, which may be more than an int64 holds.
    cdef readonly object quote_units
    cdef readonly int64_t expires_at_unix_ns
    cdef readonly int leverage
    cdef readonly bint post_only
    cdef readonly bint reduce_only
    cdef readonly int64_t stop_ticks  # price whose trade triggers a stop order; 0: it is none
    cdef readonly int64_t trail  # distance of a trailing stop: above 0 ticks, below 0 basis points
    cdef readonly int64_t activation_ticks  # price that wakes a trailing stop; 0: it is awake
    cdef readonly int64_t display_lots  # visible part of an iceberg; 0: all of it
    cdef readonly bint by_amount  # a market buy of which the amount is all that was asked for


cdef class Key:
    cdef readonly str text
    cdef readonly bytes digest
    cdef public object first  # the ask of the same batch that had the key before this one
    cdef public bint claimed  # the cache was asked for it; then it is freed, unless answered
    cdef public bint sought  # the table was asked for an answer under it
    cdef public bint answered  # the table has an answer under it, ours or an earlier one


cdef class Create:
    cdef readonly int64_t account_id
    cdef readonly int64_t user_id
    cdef readonly str source
    cdef readonly Terms terms
    cdef readonly str client_order_id
    cdef readonly Key key
    cdef readonly str trace_id
    # Reading of time.monotonic after which nobody waits for the answer; None: no deadline.
    cdef readonly object deadline_s
    cdef public bint taken  # room was taken for it and nobody has answered for that room yet
    # With a key it may be shared: calls under one key go on with the id of the first.
    cdef public int64_t order_id
    # Order that another call under the same key has committed meanwhile; 0: none.
    cdef public int64_t winner_id
    cdef public int64_t reference_ticks
    cdef public int64_t cap_ticks
    cdef public int64_t budget_tick_lots
    cdef public bint held  # funds may be held under the order id
    cdef public bint committed  # the order has its row, as NEW or as REJECTED
    cdef public object refusal  # why risk or wallet refused: the order is REJECTED
    cdef public object result  # what is answered; None while it is not decided


cdef class Cancel:
    cdef readonly int64_t account_id
    cdef readonly int64_t order_id  # 0: no open order has the name; an answer may still be known
    cdef readonly str name  # the order as the caller named it
    cdef readonly Key key
    cdef readonly str trace_id
    cdef readonly object deadline_s
    cdef public object result


cdef class Caller:
    cdef readonly int64_t account_id
    cdef readonly int64_t user_id
    cdef readonly str source
    cdef readonly str trace_id
    cdef readonly object deadline_s
