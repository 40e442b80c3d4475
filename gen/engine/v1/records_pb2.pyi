from trading.v1 import trading_pb2 as _trading_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[Reason.Value]
        CANCEL_REQUESTED: _ClassVar[Reason.Value]
        IOC_REMAINDER: _ClassVar[Reason.Value]
        FOK_NOT_FILLABLE: _ClassVar[Reason.Value]
        NO_LIQUIDITY: _ClassVar[Reason.Value]
        PRICE_COLLAR: _ClassVar[Reason.Value]
        BUDGET_EXHAUSTED: _ClassVar[Reason.Value]
        SELF_TRADE: _ClassVar[Reason.Value]
        POST_ONLY_WOULD_TAKE: _ClassVar[Reason.Value]
        REDUCE_ONLY: _ClassVar[Reason.Value]
        STOP_WOULD_TRIGGER: _ClassVar[Reason.Value]
        DUPLICATE_ORDER_ID: _ClassVar[Reason.Value]
        UNKNOWN_ORDER: _ClassVar[Reason.Value]
        UNKNOWN_INSTRUMENT: _ClassVar[Reason.Value]
        MARKET_STATE: _ClassVar[Reason.Value]
        PRICE_OUT_OF_RANGE: _ClassVar[Reason.Value]
        QUANTITY_OUT_OF_RANGE: _ClassVar[Reason.Value]
        INVALID_COMMAND: _ClassVar[Reason.Value]
        NOT_OWNER: _ClassVar[Reason.Value]
        EXPIRED: _ClassVar[Reason.Value]
        MASS_CANCEL: _ClassVar[Reason.Value]
        DELISTED: _ClassVar[Reason.Value]
        BELOW_EXECUTED: _ClassVar[Reason.Value]
        STALE_VERSION: _ClassVar[Reason.Value]
        REDUCE_REQUESTED: _ClassVar[Reason.Value]
        SELF_TRADE_DECREMENT: _ClassVar[Reason.Value]
        OPERATOR: _ClassVar[Reason.Value]
        PRICE_BAND: _ClassVar[Reason.Value]
        SCHEDULE: _ClassVar[Reason.Value]
        BOOK_FULL: _ClassVar[Reason.Value]
    UNSPECIFIED: Reason.Value
    CANCEL_REQUESTED: Reason.Value
    IOC_REMAINDER: Reason.Value
    FOK_NOT_FILLABLE: Reason.Value
    NO_LIQUIDITY: Reason.Value
    PRICE_COLLAR: Reason.Value
    BUDGET_EXHAUSTED: Reason.Value
    SELF_TRADE: Reason.Value
    POST_ONLY_WOULD_TAKE: Reason.Value
    REDUCE_ONLY: Reason.Value
    STOP_WOULD_TRIGGER: Reason.Value
    DUPLICATE_ORDER_ID: Reason.Value
    UNKNOWN_ORDER: Reason.Value
    UNKNOWN_INSTRUMENT: Reason.Value
    MARKET_STATE: Reason.Value
    PRICE_OUT_OF_RANGE: Reason.Value
    QUANTITY_OUT_OF_RANGE: Reason.Value
    INVALID_COMMAND: Reason.Value
    NOT_OWNER: Reason.Value
    EXPIRED: Reason.Value
    MASS_CANCEL: Reason.Value
    DELISTED: Reason.Value
    BELOW_EXECUTED: Reason.Value
    STALE_VERSION: Reason.Value
    REDUCE_REQUESTED: Reason.Value
    SELF_TRADE_DECREMENT: Reason.Value
    OPERATOR: Reason.Value
    PRICE_BAND: Reason.Value
    SCHEDULE: Reason.Value
    BOOK_FULL: Reason.Value
    def __init__(self) -> None: ...

class NewOrder(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "instrument_id", "side", "type", "time_in_force", "self_trade_mode", "post_only", "reduce_only", "price_ticks", "cap_ticks", "trigger_ticks", "trail_ticks", "quantity_lots", "display_lots", "budget_tick_lots", "expires_at_unix_ns", "activation_ticks")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_MODE_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    CAP_TICKS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_TICKS_FIELD_NUMBER: _ClassVar[int]
    TRAIL_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_LOTS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_TICK_LOTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_TICKS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    instrument_id: int
    side: _trading_pb2.Side.Value
    type: _trading_pb2.OrderType.Value
    time_in_force: _trading_pb2.TimeInForce.Value
    self_trade_mode: _trading_pb2.SelfTradeMode.Value
    post_only: bool
    reduce_only: bool
    price_ticks: int
    cap_ticks: int
    trigger_ticks: int
    trail_ticks: int
    quantity_lots: int
    display_lots: int
    budget_tick_lots: int
    expires_at_unix_ns: int
    activation_ticks: int
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., type: _Optional[_Union[_trading_pb2.OrderType.Value, str]] = ..., time_in_force: _Optional[_Union[_trading_pb2.TimeInForce.Value, str]] = ..., self_trade_mode: _Optional[_Union[_trading_pb2.SelfTradeMode.Value, str]] = ..., post_only: _Optional[bool] = ..., reduce_only: _Optional[bool] = ..., price_ticks: _Optional[int] = ..., cap_ticks: _Optional[int] = ..., trigger_ticks: _Optional[int] = ..., trail_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., display_lots: _Optional[int] = ..., budget_tick_lots: _Optional[int] = ..., expires_at_unix_ns: _Optional[int] = ..., activation_ticks: _Optional[int] = ...) -> None: ...

class CancelOrder(_message.Message):
    __slots__ = ("order_id", "account_id", "instrument_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    account_id: int
    instrument_id: int
    def __init__(self, order_id: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ...) -> None: ...

class CancelReplaceOrder(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "instrument_id", "side", "type", "time_in_force", "self_trade_mode", "post_only", "reduce_only", "price_ticks", "cap_ticks", "trigger_ticks", "trail_ticks", "quantity_lots", "display_lots", "budget_tick_lots", "expires_at_unix_ns", "new_order_id", "activation_ticks")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_MODE_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    CAP_TICKS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_TICKS_FIELD_NUMBER: _ClassVar[int]
    TRAIL_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_LOTS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_TICK_LOTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    NEW_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_TICKS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    instrument_id: int
    side: _trading_pb2.Side.Value
    type: _trading_pb2.OrderType.Value
    time_in_force: _trading_pb2.TimeInForce.Value
    self_trade_mode: _trading_pb2.SelfTradeMode.Value
    post_only: bool
    reduce_only: bool
    price_ticks: int
    cap_ticks: int
    trigger_ticks: int
    trail_ticks: int
    quantity_lots: int
    display_lots: int
    budget_tick_lots: int
    expires_at_unix_ns: int
    new_order_id: int
    activation_ticks: int
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., type: _Optional[_Union[_trading_pb2.OrderType.Value, str]] = ..., time_in_force: _Optional[_Union[_trading_pb2.TimeInForce.Value, str]] = ..., self_trade_mode: _Optional[_Union[_trading_pb2.SelfTradeMode.Value, str]] = ..., post_only: _Optional[bool] = ..., reduce_only: _Optional[bool] = ..., price_ticks: _Optional[int] = ..., cap_ticks: _Optional[int] = ..., trigger_ticks: _Optional[int] = ..., trail_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., display_lots: _Optional[int] = ..., budget_tick_lots: _Optional[int] = ..., expires_at_unix_ns: _Optional[int] = ..., new_order_id: _Optional[int] = ..., activation_ticks: _Optional[int] = ...) -> None: ...

class ReplaceOrder(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "instrument_id", "price_ticks", "cap_ticks", "trigger_ticks", "quantity_lots", "expires_at_unix_ns")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    CAP_TICKS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    instrument_id: int
    price_ticks: int
    cap_ticks: int
    trigger_ticks: int
    quantity_lots: int
    expires_at_unix_ns: int
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., price_ticks: _Optional[int] = ..., cap_ticks: _Optional[int] = ..., trigger_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., expires_at_unix_ns: _Optional[int] = ...) -> None: ...

class MoveOrder(_message.Message):
    __slots__ = ("order_id", "account_id", "instrument_id", "price_ticks")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    account_id: int
    instrument_id: int
    price_ticks: int
    def __init__(self, order_id: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., price_ticks: _Optional[int] = ...) -> None: ...

class ReduceOrder(_message.Message):
    __slots__ = ("order_id", "account_id", "instrument_id", "quantity_lots")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    account_id: int
    instrument_id: int
    quantity_lots: int
    def __init__(self, order_id: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., quantity_lots: _Optional[int] = ...) -> None: ...

class MassCancel(_message.Message):
    __slots__ = ("account_id", "instrument_id", "side")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    instrument_id: int
    side: _trading_pb2.Side.Value
    def __init__(self, account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ...) -> None: ...

class AdvanceTime(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetInstrument(_message.Message):
    __slots__ = ("instrument_id", "version", "kind", "min_price_ticks", "max_price_ticks", "max_quantity_lots", "collar_bps", "band_bps", "reference_price_ticks", "state", "band_auction")
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MIN_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAX_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    COLLAR_BPS_FIELD_NUMBER: _ClassVar[int]
    BAND_BPS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BAND_AUCTION_FIELD_NUMBER: _ClassVar[int]
    instrument_id: int
    version: int
    kind: _trading_pb2.InstrumentKind.Value
    min_price_ticks: int
    max_price_ticks: int
    max_quantity_lots: int
    collar_bps: int
    band_bps: int
    reference_price_ticks: int
    state: _trading_pb2.MarketState.Value
    band_auction: bool
    def __init__(self, instrument_id: _Optional[int] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[_trading_pb2.InstrumentKind.Value, str]] = ..., min_price_ticks: _Optional[int] = ..., max_price_ticks: _Optional[int] = ..., max_quantity_lots: _Optional[int] = ..., collar_bps: _Optional[int] = ..., band_bps: _Optional[int] = ..., reference_price_ticks: _Optional[int] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., band_auction: _Optional[bool] = ...) -> None: ...

class SetMarketState(_message.Message):
    __slots__ = ("instrument_id", "version", "state")
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    instrument_id: int
    version: int
    state: _trading_pb2.MarketState.Value
    def __init__(self, instrument_id: _Optional[int] = ..., version: _Optional[int] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ...) -> None: ...

class SetGroup(_message.Message):
    __slots__ = ("account_id", "group_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    group_id: int
    def __init__(self, account_id: _Optional[int] = ..., group_id: _Optional[int] = ...) -> None: ...

class BeginVersion(_message.Message):
    __slots__ = ("semantic_version",)
    SEMANTIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    semantic_version: int
    def __init__(self, semantic_version: _Optional[int] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("new_order", "cancel_order", "replace_order", "move_order", "reduce_order", "mass_cancel", "advance_time", "set_instrument", "set_market_state", "set_group", "begin_version", "cancel_replace_order")
    NEW_ORDER_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ORDER_FIELD_NUMBER: _ClassVar[int]
    REPLACE_ORDER_FIELD_NUMBER: _ClassVar[int]
    MOVE_ORDER_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ORDER_FIELD_NUMBER: _ClassVar[int]
    MASS_CANCEL_FIELD_NUMBER: _ClassVar[int]
    ADVANCE_TIME_FIELD_NUMBER: _ClassVar[int]
    SET_INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    SET_MARKET_STATE_FIELD_NUMBER: _ClassVar[int]
    SET_GROUP_FIELD_NUMBER: _ClassVar[int]
    BEGIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REPLACE_ORDER_FIELD_NUMBER: _ClassVar[int]
    new_order: NewOrder
    cancel_order: CancelOrder
    replace_order: ReplaceOrder
    move_order: MoveOrder
    reduce_order: ReduceOrder
    mass_cancel: MassCancel
    advance_time: AdvanceTime
    set_instrument: SetInstrument
    set_market_state: SetMarketState
    set_group: SetGroup
    begin_version: BeginVersion
    cancel_replace_order: CancelReplaceOrder
    def __init__(self, new_order: _Optional[_Union[NewOrder, _Mapping]] = ..., cancel_order: _Optional[_Union[CancelOrder, _Mapping]] = ..., replace_order: _Optional[_Union[ReplaceOrder, _Mapping]] = ..., move_order: _Optional[_Union[MoveOrder, _Mapping]] = ..., reduce_order: _Optional[_Union[ReduceOrder, _Mapping]] = ..., mass_cancel: _Optional[_Union[MassCancel, _Mapping]] = ..., advance_time: _Optional[_Union[AdvanceTime, _Mapping]] = ..., set_instrument: _Optional[_Union[SetInstrument, _Mapping]] = ..., set_market_state: _Optional[_Union[SetMarketState, _Mapping]] = ..., set_group: _Optional[_Union[SetGroup, _Mapping]] = ..., begin_version: _Optional[_Union[BeginVersion, _Mapping]] = ..., cancel_replace_order: _Optional[_Union[CancelReplaceOrder, _Mapping]] = ...) -> None: ...

class CommandBatch(_message.Message):
    __slots__ = ("market", "number", "digest", "commands")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    market: int
    number: int
    digest: bytes
    commands: _containers.RepeatedCompositeFieldContainer[Command]
    def __init__(self, market: _Optional[int] = ..., number: _Optional[int] = ..., digest: _Optional[bytes] = ..., commands: _Optional[_Iterable[_Union[Command, _Mapping]]] = ...) -> None: ...

class OrderAccepted(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "side", "type", "time_in_force", "price_ticks", "quantity_lots", "display_lots", "trigger_ticks", "cap_ticks", "expires_at_unix_ns", "post_only", "reduce_only", "trail_or_budget", "activation_ticks", "self_trade_mode")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_LOTS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_TICKS_FIELD_NUMBER: _ClassVar[int]
    CAP_TICKS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    TRAIL_OR_BUDGET_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_TICKS_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_MODE_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    side: _trading_pb2.Side.Value
    type: _trading_pb2.OrderType.Value
    time_in_force: _trading_pb2.TimeInForce.Value
    price_ticks: int
    quantity_lots: int
    display_lots: int
    trigger_ticks: int
    cap_ticks: int
    expires_at_unix_ns: int
    post_only: bool
    reduce_only: bool
    trail_or_budget: int
    activation_ticks: int
    self_trade_mode: _trading_pb2.SelfTradeMode.Value
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., type: _Optional[_Union[_trading_pb2.OrderType.Value, str]] = ..., time_in_force: _Optional[_Union[_trading_pb2.TimeInForce.Value, str]] = ..., price_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., display_lots: _Optional[int] = ..., trigger_ticks: _Optional[int] = ..., cap_ticks: _Optional[int] = ..., expires_at_unix_ns: _Optional[int] = ..., post_only: _Optional[bool] = ..., reduce_only: _Optional[bool] = ..., trail_or_budget: _Optional[int] = ..., activation_ticks: _Optional[int] = ..., self_trade_mode: _Optional[_Union[_trading_pb2.SelfTradeMode.Value, str]] = ...) -> None: ...

class Trade(_message.Message):
    __slots__ = ("trade_number", "side", "price_ticks", "quantity_lots", "taker_order_id", "taker_version", "taker_account_id", "taker_remaining_lots", "taker_cumulative_lots", "maker_order_id", "maker_version", "maker_account_id", "maker_remaining_lots", "maker_cumulative_lots")
    TRADE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    TAKER_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    TAKER_VERSION_FIELD_NUMBER: _ClassVar[int]
    TAKER_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    TAKER_REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    TAKER_CUMULATIVE_LOTS_FIELD_NUMBER: _ClassVar[int]
    MAKER_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MAKER_VERSION_FIELD_NUMBER: _ClassVar[int]
    MAKER_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    MAKER_REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    MAKER_CUMULATIVE_LOTS_FIELD_NUMBER: _ClassVar[int]
    trade_number: int
    side: _trading_pb2.Side.Value
    price_ticks: int
    quantity_lots: int
    taker_order_id: int
    taker_version: int
    taker_account_id: int
    taker_remaining_lots: int
    taker_cumulative_lots: int
    maker_order_id: int
    maker_version: int
    maker_account_id: int
    maker_remaining_lots: int
    maker_cumulative_lots: int
    def __init__(self, trade_number: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., price_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., taker_order_id: _Optional[int] = ..., taker_version: _Optional[int] = ..., taker_account_id: _Optional[int] = ..., taker_remaining_lots: _Optional[int] = ..., taker_cumulative_lots: _Optional[int] = ..., maker_order_id: _Optional[int] = ..., maker_version: _Optional[int] = ..., maker_account_id: _Optional[int] = ..., maker_remaining_lots: _Optional[int] = ..., maker_cumulative_lots: _Optional[int] = ...) -> None: ...

class OrderEnded(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "side", "price_ticks", "remaining_lots", "cumulative_lots", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_LOTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    side: _trading_pb2.Side.Value
    price_ticks: int
    remaining_lots: int
    cumulative_lots: int
    reason: Reason.Value
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., price_ticks: _Optional[int] = ..., remaining_lots: _Optional[int] = ..., cumulative_lots: _Optional[int] = ..., reason: _Optional[_Union[Reason.Value, str]] = ...) -> None: ...

class OrderReplaced(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "side", "price_ticks", "remaining_lots", "cumulative_lots", "old_price_ticks", "old_remaining_lots", "cap_ticks", "kept_priority", "expires_at_unix_ns", "trigger_ticks")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_LOTS_FIELD_NUMBER: _ClassVar[int]
    OLD_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    OLD_REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    CAP_TICKS_FIELD_NUMBER: _ClassVar[int]
    KEPT_PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_TICKS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    side: _trading_pb2.Side.Value
    price_ticks: int
    remaining_lots: int
    cumulative_lots: int
    old_price_ticks: int
    old_remaining_lots: int
    cap_ticks: int
    kept_priority: bool
    expires_at_unix_ns: int
    trigger_ticks: int
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., price_ticks: _Optional[int] = ..., remaining_lots: _Optional[int] = ..., cumulative_lots: _Optional[int] = ..., old_price_ticks: _Optional[int] = ..., old_remaining_lots: _Optional[int] = ..., cap_ticks: _Optional[int] = ..., kept_priority: _Optional[bool] = ..., expires_at_unix_ns: _Optional[int] = ..., trigger_ticks: _Optional[int] = ...) -> None: ...

class OrderTriggered(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "side", "price_ticks", "quantity_lots", "trigger_ticks", "reached_ticks")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_TICKS_FIELD_NUMBER: _ClassVar[int]
    REACHED_TICKS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    side: _trading_pb2.Side.Value
    price_ticks: int
    quantity_lots: int
    trigger_ticks: int
    reached_ticks: int
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., price_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., trigger_ticks: _Optional[int] = ..., reached_ticks: _Optional[int] = ...) -> None: ...

class OrderReduced(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "side", "price_ticks", "quantity_lots", "remaining_lots", "cumulative_lots", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_LOTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    side: _trading_pb2.Side.Value
    price_ticks: int
    quantity_lots: int
    remaining_lots: int
    cumulative_lots: int
    reason: Reason.Value
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., price_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., remaining_lots: _Optional[int] = ..., cumulative_lots: _Optional[int] = ..., reason: _Optional[_Union[Reason.Value, str]] = ...) -> None: ...

class RequestRejected(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    reason: Reason.Value
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., reason: _Optional[_Union[Reason.Value, str]] = ...) -> None: ...

class StateChanged(_message.Message):
    __slots__ = ("previous", "state", "reason", "version")
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    previous: _trading_pb2.MarketState.Value
    state: _trading_pb2.MarketState.Value
    reason: Reason.Value
    version: int
    def __init__(self, previous: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., reason: _Optional[_Union[Reason.Value, str]] = ..., version: _Optional[int] = ...) -> None: ...

class InstrumentChanged(_message.Message):
    __slots__ = ("version", "min_price_ticks", "max_price_ticks", "max_quantity_lots", "state", "reason", "perpetual", "collar_bps", "band_bps", "band_auction", "reference_price_ticks")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MIN_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAX_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PERPETUAL_FIELD_NUMBER: _ClassVar[int]
    COLLAR_BPS_FIELD_NUMBER: _ClassVar[int]
    BAND_BPS_FIELD_NUMBER: _ClassVar[int]
    BAND_AUCTION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    version: int
    min_price_ticks: int
    max_price_ticks: int
    max_quantity_lots: int
    state: _trading_pb2.MarketState.Value
    reason: Reason.Value
    perpetual: bool
    collar_bps: int
    band_bps: int
    band_auction: bool
    reference_price_ticks: int
    def __init__(self, version: _Optional[int] = ..., min_price_ticks: _Optional[int] = ..., max_price_ticks: _Optional[int] = ..., max_quantity_lots: _Optional[int] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., reason: _Optional[_Union[Reason.Value, str]] = ..., perpetual: _Optional[bool] = ..., collar_bps: _Optional[int] = ..., band_bps: _Optional[int] = ..., band_auction: _Optional[bool] = ..., reference_price_ticks: _Optional[int] = ...) -> None: ...

class IndicativePrice(_message.Message):
    __slots__ = ("price_ticks", "quantity_lots", "surplus_lots")
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    SURPLUS_LOTS_FIELD_NUMBER: _ClassVar[int]
    price_ticks: int
    quantity_lots: int
    surplus_lots: int
    def __init__(self, price_ticks: _Optional[int] = ..., quantity_lots: _Optional[int] = ..., surplus_lots: _Optional[int] = ...) -> None: ...

class CommandRejected(_message.Message):
    __slots__ = ("command_kind", "version", "account_id", "reason")
    COMMAND_KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    command_kind: int
    version: int
    account_id: int
    reason: Reason.Value
    def __init__(self, command_kind: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., reason: _Optional[_Union[Reason.Value, str]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("sequence", "time_unix_ns", "instrument_id", "order_accepted", "trade", "order_canceled", "order_rejected", "order_expired", "order_replaced", "order_triggered", "order_reduced", "cancel_rejected", "replace_rejected", "state_changed", "instrument_changed", "indicative_price", "command_rejected", "end_of_command")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    TRADE_FIELD_NUMBER: _ClassVar[int]
    ORDER_CANCELED_FIELD_NUMBER: _ClassVar[int]
    ORDER_REJECTED_FIELD_NUMBER: _ClassVar[int]
    ORDER_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    ORDER_REPLACED_FIELD_NUMBER: _ClassVar[int]
    ORDER_TRIGGERED_FIELD_NUMBER: _ClassVar[int]
    ORDER_REDUCED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REJECTED_FIELD_NUMBER: _ClassVar[int]
    REPLACE_REJECTED_FIELD_NUMBER: _ClassVar[int]
    STATE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    INDICATIVE_PRICE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_REJECTED_FIELD_NUMBER: _ClassVar[int]
    END_OF_COMMAND_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time_unix_ns: int
    instrument_id: int
    order_accepted: OrderAccepted
    trade: Trade
    order_canceled: OrderEnded
    order_rejected: OrderEnded
    order_expired: OrderEnded
    order_replaced: OrderReplaced
    order_triggered: OrderTriggered
    order_reduced: OrderReduced
    cancel_rejected: RequestRejected
    replace_rejected: RequestRejected
    state_changed: StateChanged
    instrument_changed: InstrumentChanged
    indicative_price: IndicativePrice
    command_rejected: CommandRejected
    end_of_command: bool
    def __init__(self, sequence: _Optional[int] = ..., time_unix_ns: _Optional[int] = ..., instrument_id: _Optional[int] = ..., order_accepted: _Optional[_Union[OrderAccepted, _Mapping]] = ..., trade: _Optional[_Union[Trade, _Mapping]] = ..., order_canceled: _Optional[_Union[OrderEnded, _Mapping]] = ..., order_rejected: _Optional[_Union[OrderEnded, _Mapping]] = ..., order_expired: _Optional[_Union[OrderEnded, _Mapping]] = ..., order_replaced: _Optional[_Union[OrderReplaced, _Mapping]] = ..., order_triggered: _Optional[_Union[OrderTriggered, _Mapping]] = ..., order_reduced: _Optional[_Union[OrderReduced, _Mapping]] = ..., cancel_rejected: _Optional[_Union[RequestRejected, _Mapping]] = ..., replace_rejected: _Optional[_Union[RequestRejected, _Mapping]] = ..., state_changed: _Optional[_Union[StateChanged, _Mapping]] = ..., instrument_changed: _Optional[_Union[InstrumentChanged, _Mapping]] = ..., indicative_price: _Optional[_Union[IndicativePrice, _Mapping]] = ..., command_rejected: _Optional[_Union[CommandRejected, _Mapping]] = ..., end_of_command: _Optional[bool] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("market", "log_id", "batch_number", "previous_hash", "running_hash", "events")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_HASH_FIELD_NUMBER: _ClassVar[int]
    RUNNING_HASH_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    market: int
    log_id: str
    batch_number: int
    previous_hash: int
    running_hash: int
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, market: _Optional[int] = ..., log_id: _Optional[str] = ..., batch_number: _Optional[int] = ..., previous_hash: _Optional[int] = ..., running_hash: _Optional[int] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...
