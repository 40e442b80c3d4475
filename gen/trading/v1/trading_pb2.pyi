from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Side(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[Side.Value]
        BUY: _ClassVar[Side.Value]
        SELL: _ClassVar[Side.Value]
    UNSPECIFIED: Side.Value
    BUY: Side.Value
    SELL: Side.Value
    def __init__(self) -> None: ...

class OrderType(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[OrderType.Value]
        LIMIT: _ClassVar[OrderType.Value]
        MARKET: _ClassVar[OrderType.Value]
        STOP_LIMIT: _ClassVar[OrderType.Value]
        STOP_MARKET: _ClassVar[OrderType.Value]
    UNSPECIFIED: OrderType.Value
    LIMIT: OrderType.Value
    MARKET: OrderType.Value
    STOP_LIMIT: OrderType.Value
    STOP_MARKET: OrderType.Value
    def __init__(self) -> None: ...

class TimeInForce(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[TimeInForce.Value]
        GTC: _ClassVar[TimeInForce.Value]
        IOC: _ClassVar[TimeInForce.Value]
        FOK: _ClassVar[TimeInForce.Value]
        GTD: _ClassVar[TimeInForce.Value]
        FOK_BUDGET: _ClassVar[TimeInForce.Value]
    UNSPECIFIED: TimeInForce.Value
    GTC: TimeInForce.Value
    IOC: TimeInForce.Value
    FOK: TimeInForce.Value
    GTD: TimeInForce.Value
    FOK_BUDGET: TimeInForce.Value
    def __init__(self) -> None: ...

class SelfTradeMode(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[SelfTradeMode.Value]
        NONE: _ClassVar[SelfTradeMode.Value]
        CANCEL_RESTING: _ClassVar[SelfTradeMode.Value]
        CANCEL_INCOMING: _ClassVar[SelfTradeMode.Value]
        CANCEL_BOTH: _ClassVar[SelfTradeMode.Value]
        DECREMENT_AND_CANCEL: _ClassVar[SelfTradeMode.Value]
    UNSPECIFIED: SelfTradeMode.Value
    NONE: SelfTradeMode.Value
    CANCEL_RESTING: SelfTradeMode.Value
    CANCEL_INCOMING: SelfTradeMode.Value
    CANCEL_BOTH: SelfTradeMode.Value
    DECREMENT_AND_CANCEL: SelfTradeMode.Value
    def __init__(self) -> None: ...

class OrderStatus(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[OrderStatus.Value]
        NEW: _ClassVar[OrderStatus.Value]
        ACCEPTED: _ClassVar[OrderStatus.Value]
        PARTIALLY_FILLED: _ClassVar[OrderStatus.Value]
        FILLED: _ClassVar[OrderStatus.Value]
        CANCEL_PENDING: _ClassVar[OrderStatus.Value]
        CANCELED: _ClassVar[OrderStatus.Value]
        REPLACE_PENDING: _ClassVar[OrderStatus.Value]
        REJECTED: _ClassVar[OrderStatus.Value]
        EXPIRED: _ClassVar[OrderStatus.Value]
    UNSPECIFIED: OrderStatus.Value
    NEW: OrderStatus.Value
    ACCEPTED: OrderStatus.Value
    PARTIALLY_FILLED: OrderStatus.Value
    FILLED: OrderStatus.Value
    CANCEL_PENDING: OrderStatus.Value
    CANCELED: OrderStatus.Value
    REPLACE_PENDING: OrderStatus.Value
    REJECTED: OrderStatus.Value
    EXPIRED: OrderStatus.Value
    def __init__(self) -> None: ...

class MarketState(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[MarketState.Value]
        TRADING: _ClassVar[MarketState.Value]
        POST_ONLY: _ClassVar[MarketState.Value]
        LIMIT_ONLY: _ClassVar[MarketState.Value]
        CANCEL_ONLY: _ClassVar[MarketState.Value]
        AUCTION: _ClassVar[MarketState.Value]
        HALTED: _ClassVar[MarketState.Value]
        DELISTED: _ClassVar[MarketState.Value]
    UNSPECIFIED: MarketState.Value
    TRADING: MarketState.Value
    POST_ONLY: MarketState.Value
    LIMIT_ONLY: MarketState.Value
    CANCEL_ONLY: MarketState.Value
    AUCTION: MarketState.Value
    HALTED: MarketState.Value
    DELISTED: MarketState.Value
    def __init__(self) -> None: ...

class InstrumentKind(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[InstrumentKind.Value]
        SPOT: _ClassVar[InstrumentKind.Value]
        PERPETUAL: _ClassVar[InstrumentKind.Value]
    UNSPECIFIED: InstrumentKind.Value
    SPOT: InstrumentKind.Value
    PERPETUAL: InstrumentKind.Value
    def __init__(self) -> None: ...

class LogPosition(_message.Message):
    __slots__ = ("log_id", "sequence", "running_hash")
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RUNNING_HASH_FIELD_NUMBER: _ClassVar[int]
    log_id: str
    sequence: int
    running_hash: int
    def __init__(self, log_id: _Optional[str] = ..., sequence: _Optional[int] = ..., running_hash: _Optional[int] = ...) -> None: ...
