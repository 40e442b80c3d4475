from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    # Numbers of the fields of engine.v1 Event.kind.
    NO_KIND = 0
    ORDER_ACCEPTED = 4
    TRADE = 5
    ORDER_CANCELED = 6
    ORDER_REJECTED = 7
    ORDER_EXPIRED = 8
    ORDER_REPLACED = 9
    ORDER_TRIGGERED = 10
    ORDER_REDUCED = 11
    CANCEL_REJECTED = 12
    REPLACE_REJECTED = 13
    STATE_CHANGED = 14
    INSTRUMENT_CHANGED = 15
    INDICATIVE_PRICE = 16
    COMMAND_REJECTED = 18

cdef class Event:
    cdef readonly uint64_t sequence
    cdef readonly int64_t time_unix_ns
    cdef readonly uint32_t instrument_id
    cdef readonly int kind
    cdef readonly bint end_of_command
    # The fields of all kinds; those that the event's kind has not are 0.
    cdef readonly int64_t order_id, version, account_id, side, type, time_in_force
    cdef readonly int64_t price_ticks, quantity_lots, display_lots, trigger_ticks, cap_ticks
    cdef readonly int64_t expires_at_unix_ns, post_only, reduce_only, trail_or_budget
    cdef readonly int64_t activation_ticks, trade_number
    cdef readonly int64_t taker_order_id, taker_version, taker_account_id
    cdef readonly int64_t taker_remaining_lots, taker_cumulative_lots
    cdef readonly int64_t maker_order_id, maker_version, maker_account_id
    cdef readonly int64_t maker_remaining_lots, maker_cumulative_lots
    cdef readonly int64_t remaining_lots, cumulative_lots, reason
    cdef readonly int64_t old_price_ticks, old_remaining_lots, kept_priority
    cdef readonly int64_t reached_ticks, previous, state
    cdef readonly int64_t min_price_ticks, max_price_ticks, max_quantity_lots, surplus_lots
    cdef readonly int64_t self_trade_mode, perpetual, collar_bps, band_bps, band_auction
    cdef readonly int64_t reference_price_ticks, command_kind

cdef class EventBatch:
    cdef readonly uint32_t market
    cdef readonly str log_id
    cdef readonly uint64_t batch_number, previous_hash, running_hash
    cdef readonly list events
