"""C declarations of docs/journal.md's records; records.py declares the same for Python."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    RECORD_BYTES = 128
    RECORD_WORDS = 16
    SEMANTIC_VERSION = 1
    MAX_INSTRUMENT_ID = 65535

cdef enum CommandKind:
    NEW = 1
    CANCEL = 2
    REPLACE = 3
    MOVE = 4
    REDUCE = 5
    MASS_CANCEL = 6
    ADVANCE_TIME = 7
    INSTRUMENT = 8
    STATE = 9
    GROUP = 10
    VERSION = 11
    CANCEL_REPLACE = 12

cdef enum EventKind:
    ORDER_ACCEPTED = 1
    TRADE = 2
    ORDER_CANCELED = 3
    ORDER_REJECTED = 4
    ORDER_EXPIRED = 5
    ORDER_REPLACED = 6
    ORDER_TRIGGERED = 7
    ORDER_REDUCED = 8
    CANCEL_REJECTED = 9
    REPLACE_REJECTED = 10
    STATE_CHANGED = 11
    INSTRUMENT_CHANGED = 12
    INDICATIVE_PRICE = 13
    COMMAND_REJECTED = 14

cdef enum SideOfOrder:
    BUY = 1
    SELL = 2

cdef enum OrderType:
    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP_MARKET = 4

cdef enum TimeInForce:
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    FOK_BUDGET = 5

cdef enum SelfTradeMode:
    STP_NONE = 1
    CANCEL_RESTING = 2
    CANCEL_INCOMING = 3
    CANCEL_BOTH = 4
    DECREMENT_AND_CANCEL = 5

cdef enum MarketState:
    TRADING = 1
    POST_ONLY = 2
    LIMIT_ONLY = 3
    CANCEL_ONLY = 4
    AUCTION = 5
    HALTED = 6
    DELISTED = 7

cdef enum Reason:
    NO_REASON = 0
    CANCEL_REQUESTED = 1
    IOC_REMAINDER = 2
    FOK_NOT_FILLABLE = 3
    NO_LIQUIDITY = 4
    PRICE_COLLAR = 5
    BUDGET_EXHAUSTED = 6
    SELF_TRADE = 7
    POST_ONLY_WOULD_TAKE = 8
    REDUCE_ONLY = 9
    STOP_WOULD_TRIGGER = 10
    DUPLICATE_ORDER_ID = 11
    UNKNOWN_ORDER = 12
    UNKNOWN_INSTRUMENT = 13
    MARKET_STATE = 14
    PRICE_OUT_OF_RANGE = 15
    QUANTITY_OUT_OF_RANGE = 16
    INVALID_COMMAND = 17
    NOT_OWNER = 18
    EXPIRED = 19
    MASS_CANCELED = 20
    DELISTED_INSTRUMENT = 21
    BELOW_EXECUTED = 22
    STALE_VERSION = 23
    REDUCE_REQUESTED = 24
    SELF_TRADE_DECREMENT = 25
    OPERATOR = 26
    PRICE_BAND = 27
    SCHEDULE = 28
    BOOK_FULL = 29

cdef enum Flag:
    FLAG_POST_ONLY = 1
    FLAG_REDUCE_ONLY = 2
    FLAG_TRIGGERED = 4
    FLAG_KEPT_PRIORITY = 8
    FLAG_END_OF_COMMAND = 128

cdef struct Command:
    uint8_t kind
    uint8_t side
    uint8_t order_type
    uint8_t tif
    uint8_t flags
    uint8_t stp_mode
    uint16_t reserved0
    uint32_t instrument_id
    int32_t version
    int64_t order_id
    int64_t account_id
    int64_t price
    int64_t quantity
    int64_t cap
    int64_t stp_group
    int64_t trigger
    int64_t display
    int64_t budget
    int64_t expire_ns
    int64_t trail_offset
    int64_t new_order_id
    int64_t activation
    uint64_t reserved1

cdef struct InstrumentCommand:
    uint8_t kind
    uint8_t state
    uint8_t perpetual
    uint8_t band_auction
    uint8_t reserved0[4]
    uint32_t instrument_id
    int32_t version
    int64_t max_quantity
    int64_t min_ticks
    int64_t max_ticks
    int64_t reference_price
    uint32_t collar_bps
    uint32_t band_bps
    uint64_t reserved1[9]

cdef struct Event:
    uint64_t sequence
    int64_t time_ns
    uint8_t kind
    uint8_t side
    uint8_t reason
    uint8_t order_type
    uint8_t tif
    uint8_t flags
    uint8_t stp_mode
    uint8_t state
    uint32_t instrument_id
    int32_t version
    int64_t order_id
    int64_t account_id
    int64_t price
    int64_t quantity
    int64_t remaining
    int64_t cumulative
    int64_t maker_order_id
    int64_t maker_account_id
    int64_t maker_remaining
    int64_t maker_cumulative
    int64_t trade_number
    int32_t maker_version
    uint32_t reserved
