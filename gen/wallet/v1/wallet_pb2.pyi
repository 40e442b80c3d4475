from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from kit.v1 import options_pb2 as _options_pb2
from trading.v1 import trading_pb2 as _trading_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListBalancesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Balance(_message.Message):
    __slots__ = ("asset", "available", "locked", "total")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    asset: str
    available: str
    locked: str
    total: str
    def __init__(self, asset: _Optional[str] = ..., available: _Optional[str] = ..., locked: _Optional[str] = ..., total: _Optional[str] = ...) -> None: ...

class ListBalancesResponse(_message.Message):
    __slots__ = ("balances",)
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[Balance]
    def __init__(self, balances: _Optional[_Iterable[_Union[Balance, _Mapping]]] = ...) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("asset",)
    ASSET_FIELD_NUMBER: _ClassVar[int]
    asset: str
    def __init__(self, asset: _Optional[str] = ...) -> None: ...

class GetBalanceResponse(_message.Message):
    __slots__ = ("balance",)
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    balance: Balance
    def __init__(self, balance: _Optional[_Union[Balance, _Mapping]] = ...) -> None: ...

class CreditItem(_message.Message):
    __slots__ = ("transaction_id", "account_id", "asset", "amount", "reference")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    account_id: int
    asset: str
    amount: str
    reference: str
    def __init__(self, transaction_id: _Optional[str] = ..., account_id: _Optional[int] = ..., asset: _Optional[str] = ..., amount: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...

class CreditRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[CreditItem]
    def __init__(self, items: _Optional[_Iterable[_Union[CreditItem, _Mapping]]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreditResult(_message.Message):
    __slots__ = ("balance", "refusal")
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    balance: str
    refusal: Refusal
    def __init__(self, balance: _Optional[str] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class CreditResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[CreditResult]
    def __init__(self, results: _Optional[_Iterable[_Union[CreditResult, _Mapping]]] = ...) -> None: ...

class SpotHold(_message.Message):
    __slots__ = ("cap_ticks", "lots", "quote_amount")
    CAP_TICKS_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    QUOTE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    cap_ticks: int
    lots: int
    quote_amount: str
    def __init__(self, cap_ticks: _Optional[int] = ..., lots: _Optional[int] = ..., quote_amount: _Optional[str] = ...) -> None: ...

class PerpetualHold(_message.Message):
    __slots__ = ("price_ticks", "lots", "leverage", "reduce_only")
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    price_ticks: int
    lots: int
    leverage: int
    reduce_only: bool
    def __init__(self, price_ticks: _Optional[int] = ..., lots: _Optional[int] = ..., leverage: _Optional[int] = ..., reduce_only: _Optional[bool] = ...) -> None: ...

class LockItem(_message.Message):
    __slots__ = ("order_id", "version", "account_id", "instrument_id", "side", "maker_fee_ppm", "taker_fee_ppm", "spot", "perpetual")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    MAKER_FEE_PPM_FIELD_NUMBER: _ClassVar[int]
    TAKER_FEE_PPM_FIELD_NUMBER: _ClassVar[int]
    SPOT_FIELD_NUMBER: _ClassVar[int]
    PERPETUAL_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    account_id: int
    instrument_id: int
    side: _trading_pb2.Side.Value
    maker_fee_ppm: int
    taker_fee_ppm: int
    spot: SpotHold
    perpetual: PerpetualHold
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., maker_fee_ppm: _Optional[int] = ..., taker_fee_ppm: _Optional[int] = ..., spot: _Optional[_Union[SpotHold, _Mapping]] = ..., perpetual: _Optional[_Union[PerpetualHold, _Mapping]] = ...) -> None: ...

class LockFundsRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[LockItem]
    def __init__(self, items: _Optional[_Iterable[_Union[LockItem, _Mapping]]] = ...) -> None: ...

class LockResult(_message.Message):
    __slots__ = ("amount", "refusal")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    amount: str
    refusal: Refusal
    def __init__(self, amount: _Optional[str] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class LockFundsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[LockResult]
    def __init__(self, results: _Optional[_Iterable[_Union[LockResult, _Mapping]]] = ...) -> None: ...

class HoldKey(_message.Message):
    __slots__ = ("order_id", "version")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class UnlockFundsRequest(_message.Message):
    __slots__ = ("holds",)
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[HoldKey]
    def __init__(self, holds: _Optional[_Iterable[_Union[HoldKey, _Mapping]]] = ...) -> None: ...

class UnlockResult(_message.Message):
    __slots__ = ("amount", "refusal")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    amount: str
    refusal: Refusal
    def __init__(self, amount: _Optional[str] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class UnlockFundsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[UnlockResult]
    def __init__(self, results: _Optional[_Iterable[_Union[UnlockResult, _Mapping]]] = ...) -> None: ...

class TradeEffect(_message.Message):
    __slots__ = ("trade_number", "instrument_id", "price_ticks", "lots", "taker_side", "buy_order_id", "buy_version", "buy_account_id", "sell_order_id", "sell_version", "sell_account_id")
    TRADE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    TAKER_SIDE_FIELD_NUMBER: _ClassVar[int]
    BUY_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    BUY_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUY_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SELL_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SELL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SELL_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    trade_number: int
    instrument_id: int
    price_ticks: int
    lots: int
    taker_side: _trading_pb2.Side.Value
    buy_order_id: int
    buy_version: int
    buy_account_id: int
    sell_order_id: int
    sell_version: int
    sell_account_id: int
    def __init__(self, trade_number: _Optional[int] = ..., instrument_id: _Optional[int] = ..., price_ticks: _Optional[int] = ..., lots: _Optional[int] = ..., taker_side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., buy_order_id: _Optional[int] = ..., buy_version: _Optional[int] = ..., buy_account_id: _Optional[int] = ..., sell_order_id: _Optional[int] = ..., sell_version: _Optional[int] = ..., sell_account_id: _Optional[int] = ...) -> None: ...

class ReplaceEffect(_message.Message):
    __slots__ = ("order_id", "version", "cap_ticks", "remaining_lots", "rejected")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CAP_TICKS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    cap_ticks: int
    remaining_lots: int
    rejected: bool
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., cap_ticks: _Optional[int] = ..., remaining_lots: _Optional[int] = ..., rejected: _Optional[bool] = ...) -> None: ...

class ReleaseEffect(_message.Message):
    __slots__ = ("order_id", "version", "remaining_lots")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    version: int
    remaining_lots: int
    def __init__(self, order_id: _Optional[int] = ..., version: _Optional[int] = ..., remaining_lots: _Optional[int] = ...) -> None: ...

class Effect(_message.Message):
    __slots__ = ("sequence", "spot_trade", "perpetual_trade", "replace", "release")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SPOT_TRADE_FIELD_NUMBER: _ClassVar[int]
    PERPETUAL_TRADE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    spot_trade: TradeEffect
    perpetual_trade: TradeEffect
    replace: ReplaceEffect
    release: ReleaseEffect
    def __init__(self, sequence: _Optional[int] = ..., spot_trade: _Optional[_Union[TradeEffect, _Mapping]] = ..., perpetual_trade: _Optional[_Union[TradeEffect, _Mapping]] = ..., replace: _Optional[_Union[ReplaceEffect, _Mapping]] = ..., release: _Optional[_Union[ReleaseEffect, _Mapping]] = ...) -> None: ...

class SettleTradeRequest(_message.Message):
    __slots__ = ("market", "after", "to", "effects")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    market: int
    after: _trading_pb2.LogPosition
    to: _trading_pb2.LogPosition
    effects: _containers.RepeatedCompositeFieldContainer[Effect]
    def __init__(self, market: _Optional[int] = ..., after: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., to: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., effects: _Optional[_Iterable[_Union[Effect, _Mapping]]] = ...) -> None: ...

class SettleTradeResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: _trading_pb2.LogPosition
    def __init__(self, position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ...) -> None: ...

class ListHoldsRequest(_message.Message):
    __slots__ = ("before_unix_ns", "after_unix_ns", "limit")
    BEFORE_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    AFTER_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    before_unix_ns: int
    after_unix_ns: int
    limit: int
    def __init__(self, before_unix_ns: _Optional[int] = ..., after_unix_ns: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("key", "account_id", "instrument_id", "amount", "created_at_unix_ns")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    key: HoldKey
    account_id: int
    instrument_id: int
    amount: str
    created_at_unix_ns: int
    def __init__(self, key: _Optional[_Union[HoldKey, _Mapping]] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., amount: _Optional[str] = ..., created_at_unix_ns: _Optional[int] = ...) -> None: ...

class ListHoldsResponse(_message.Message):
    __slots__ = ("holds",)
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[Hold]
    def __init__(self, holds: _Optional[_Iterable[_Union[Hold, _Mapping]]] = ...) -> None: ...

class GetSettlementPositionRequest(_message.Message):
    __slots__ = ("market",)
    MARKET_FIELD_NUMBER: _ClassVar[int]
    market: int
    def __init__(self, market: _Optional[int] = ...) -> None: ...

class GetSettlementPositionResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: _trading_pb2.LogPosition
    def __init__(self, position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ...) -> None: ...
