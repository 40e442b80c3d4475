import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kit.v1 import options_pb2 as _options_pb2
from trading.v1 import trading_pb2 as _trading_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateOrderRequest(_message.Message):
    __slots__ = ("symbol", "side", "type", "time_in_force", "quantity", "price", "stop_price", "quote_amount", "display_quantity", "client_order_id", "idempotency_key", "leverage", "post_only", "reduce_only", "expires_at", "self_trade_mode", "trail_offset", "trail_bps", "activation_price")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_MODE_FIELD_NUMBER: _ClassVar[int]
    TRAIL_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TRAIL_BPS_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_PRICE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    side: _trading_pb2.Side.Value
    type: _trading_pb2.OrderType.Value
    time_in_force: _trading_pb2.TimeInForce.Value
    quantity: str
    price: str
    stop_price: str
    quote_amount: str
    display_quantity: str
    client_order_id: str
    idempotency_key: str
    leverage: int
    post_only: bool
    reduce_only: bool
    expires_at: _timestamp_pb2.Timestamp
    self_trade_mode: _trading_pb2.SelfTradeMode.Value
    trail_offset: str
    trail_bps: int
    activation_price: str
    def __init__(self, symbol: _Optional[str] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., type: _Optional[_Union[_trading_pb2.OrderType.Value, str]] = ..., time_in_force: _Optional[_Union[_trading_pb2.TimeInForce.Value, str]] = ..., quantity: _Optional[str] = ..., price: _Optional[str] = ..., stop_price: _Optional[str] = ..., quote_amount: _Optional[str] = ..., display_quantity: _Optional[str] = ..., client_order_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., leverage: _Optional[int] = ..., post_only: _Optional[bool] = ..., reduce_only: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., self_trade_mode: _Optional[_Union[_trading_pb2.SelfTradeMode.Value, str]] = ..., trail_offset: _Optional[str] = ..., trail_bps: _Optional[int] = ..., activation_price: _Optional[str] = ...) -> None: ...

class CreateOrderResponse(_message.Message):
    __slots__ = ("order_id", "status", "message")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    status: _trading_pb2.OrderStatus.Value
    message: str
    def __init__(self, order_id: _Optional[str] = ..., status: _Optional[_Union[_trading_pb2.OrderStatus.Value, str]] = ..., message: _Optional[str] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    __slots__ = ("order_id", "idempotency_key")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    idempotency_key: str
    def __init__(self, order_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CancelOrderResponse(_message.Message):
    __slots__ = ("order_id", "status", "message")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    status: _trading_pb2.OrderStatus.Value
    message: str
    def __init__(self, order_id: _Optional[str] = ..., status: _Optional[_Union[_trading_pb2.OrderStatus.Value, str]] = ..., message: _Optional[str] = ...) -> None: ...

class CancelAllOrdersRequest(_message.Message):
    __slots__ = ("symbol", "side")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    side: _trading_pb2.Side.Value
    def __init__(self, symbol: _Optional[str] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ...) -> None: ...

class CancelAllOrdersResponse(_message.Message):
    __slots__ = ("requested", "message")
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    requested: int
    message: str
    def __init__(self, requested: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class ReplaceOrderRequest(_message.Message):
    __slots__ = ("order_id", "price", "quantity", "stop_price", "expected_version", "idempotency_key")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    price: str
    quantity: str
    stop_price: str
    expected_version: int
    idempotency_key: str
    def __init__(self, order_id: _Optional[str] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., stop_price: _Optional[str] = ..., expected_version: _Optional[int] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class ReplaceOrderResponse(_message.Message):
    __slots__ = ("order_id", "status", "version", "message")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    status: _trading_pb2.OrderStatus.Value
    version: int
    message: str
    def __init__(self, order_id: _Optional[str] = ..., status: _Optional[_Union[_trading_pb2.OrderStatus.Value, str]] = ..., version: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class CancelReplaceOrderRequest(_message.Message):
    __slots__ = ("order_id", "order")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    order: CreateOrderRequest
    def __init__(self, order_id: _Optional[str] = ..., order: _Optional[_Union[CreateOrderRequest, _Mapping]] = ...) -> None: ...

class CancelReplaceOrderResponse(_message.Message):
    __slots__ = ("order_id", "status", "message")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    status: _trading_pb2.OrderStatus.Value
    message: str
    def __init__(self, order_id: _Optional[str] = ..., status: _Optional[_Union[_trading_pb2.OrderStatus.Value, str]] = ..., message: _Optional[str] = ...) -> None: ...

class OrderItem(_message.Message):
    __slots__ = ("create", "cancel", "replace")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    create: CreateOrderRequest
    cancel: CancelOrderRequest
    replace: ReplaceOrderRequest
    def __init__(self, create: _Optional[_Union[CreateOrderRequest, _Mapping]] = ..., cancel: _Optional[_Union[CancelOrderRequest, _Mapping]] = ..., replace: _Optional[_Union[ReplaceOrderRequest, _Mapping]] = ...) -> None: ...

class SubmitOrdersRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[OrderItem]
    def __init__(self, items: _Optional[_Iterable[_Union[OrderItem, _Mapping]]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class OrderItemResult(_message.Message):
    __slots__ = ("order_id", "status", "error")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    status: _trading_pb2.OrderStatus.Value
    error: ItemError
    def __init__(self, order_id: _Optional[str] = ..., status: _Optional[_Union[_trading_pb2.OrderStatus.Value, str]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class SubmitOrdersResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[OrderItemResult]
    def __init__(self, results: _Optional[_Iterable[_Union[OrderItemResult, _Mapping]]] = ...) -> None: ...

class StreamOrdersRequest(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: OrderItem
    def __init__(self, item: _Optional[_Union[OrderItem, _Mapping]] = ...) -> None: ...

class StreamOrdersResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: OrderItemResult
    def __init__(self, result: _Optional[_Union[OrderItemResult, _Mapping]] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("order_id", "client_order_id", "account_id", "symbol", "side", "type", "time_in_force", "price", "stop_price", "quantity", "filled_quantity", "remaining_quantity", "average_price", "status", "reason", "leverage", "post_only", "reduce_only", "expires_at", "created_at", "updated_at", "version", "fee_currency", "sequence", "source", "triggered_at", "display_quantity", "quote_amount", "trail_offset", "trail_bps", "activation_price", "replace_reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FILLED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRICE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEE_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TRIGGERED_AT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    QUOTE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TRAIL_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TRAIL_BPS_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_PRICE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    client_order_id: str
    account_id: str
    symbol: str
    side: _trading_pb2.Side.Value
    type: _trading_pb2.OrderType.Value
    time_in_force: _trading_pb2.TimeInForce.Value
    price: str
    stop_price: str
    quantity: str
    filled_quantity: str
    remaining_quantity: str
    average_price: str
    status: _trading_pb2.OrderStatus.Value
    reason: str
    leverage: int
    post_only: bool
    reduce_only: bool
    expires_at: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    version: int
    fee_currency: str
    sequence: int
    source: str
    triggered_at: _timestamp_pb2.Timestamp
    display_quantity: str
    quote_amount: str
    trail_offset: str
    trail_bps: int
    activation_price: str
    replace_reason: str
    def __init__(self, order_id: _Optional[str] = ..., client_order_id: _Optional[str] = ..., account_id: _Optional[str] = ..., symbol: _Optional[str] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., type: _Optional[_Union[_trading_pb2.OrderType.Value, str]] = ..., time_in_force: _Optional[_Union[_trading_pb2.TimeInForce.Value, str]] = ..., price: _Optional[str] = ..., stop_price: _Optional[str] = ..., quantity: _Optional[str] = ..., filled_quantity: _Optional[str] = ..., remaining_quantity: _Optional[str] = ..., average_price: _Optional[str] = ..., status: _Optional[_Union[_trading_pb2.OrderStatus.Value, str]] = ..., reason: _Optional[str] = ..., leverage: _Optional[int] = ..., post_only: _Optional[bool] = ..., reduce_only: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ..., fee_currency: _Optional[str] = ..., sequence: _Optional[int] = ..., source: _Optional[str] = ..., triggered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., display_quantity: _Optional[str] = ..., quote_amount: _Optional[str] = ..., trail_offset: _Optional[str] = ..., trail_bps: _Optional[int] = ..., activation_price: _Optional[str] = ..., replace_reason: _Optional[str] = ...) -> None: ...

class GetOrderRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class GetOrderResponse(_message.Message):
    __slots__ = ("order",)
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: Order
    def __init__(self, order: _Optional[_Union[Order, _Mapping]] = ...) -> None: ...

class ListOrdersRequest(_message.Message):
    __slots__ = ("page", "limit", "status", "type", "symbol", "from_date", "to_date", "search", "cursor")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    FROM_DATE_FIELD_NUMBER: _ClassVar[int]
    TO_DATE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    page: int
    limit: int
    status: str
    type: str
    symbol: str
    from_date: _timestamp_pb2.Timestamp
    to_date: _timestamp_pb2.Timestamp
    search: str
    cursor: str
    def __init__(self, page: _Optional[int] = ..., limit: _Optional[int] = ..., status: _Optional[str] = ..., type: _Optional[str] = ..., symbol: _Optional[str] = ..., from_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., to_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., search: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class Pagination(_message.Message):
    __slots__ = ("page", "limit", "total", "next_cursor")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    page: int
    limit: int
    total: int
    next_cursor: str
    def __init__(self, page: _Optional[int] = ..., limit: _Optional[int] = ..., total: _Optional[int] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class ListOrdersResponse(_message.Message):
    __slots__ = ("data", "pagination")
    DATA_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[Order]
    pagination: Pagination
    def __init__(self, data: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., pagination: _Optional[_Union[Pagination, _Mapping]] = ...) -> None: ...

class ListTradesRequest(_message.Message):
    __slots__ = ("symbol", "limit", "cursor", "order_id")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    limit: int
    cursor: str
    order_id: str
    def __init__(self, symbol: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class Trade(_message.Message):
    __slots__ = ("trade_id", "order_id", "symbol", "side", "price", "quantity", "fee", "fee_currency", "maker", "time", "sequence")
    TRADE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FEE_FIELD_NUMBER: _ClassVar[int]
    FEE_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAKER_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    trade_id: str
    order_id: str
    symbol: str
    side: _trading_pb2.Side.Value
    price: str
    quantity: str
    fee: str
    fee_currency: str
    maker: bool
    time: _timestamp_pb2.Timestamp
    sequence: int
    def __init__(self, trade_id: _Optional[str] = ..., order_id: _Optional[str] = ..., symbol: _Optional[str] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., fee: _Optional[str] = ..., fee_currency: _Optional[str] = ..., maker: _Optional[bool] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence: _Optional[int] = ...) -> None: ...

class ListTradesResponse(_message.Message):
    __slots__ = ("data", "pagination")
    DATA_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[Trade]
    pagination: Pagination
    def __init__(self, data: _Optional[_Iterable[_Union[Trade, _Mapping]]] = ..., pagination: _Optional[_Union[Pagination, _Mapping]] = ...) -> None: ...

class GetOrdersByUserRequest(_message.Message):
    __slots__ = ("account_id", "limit", "cursor")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    limit: int
    cursor: str
    def __init__(self, account_id: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class GetOrdersByUserResponse(_message.Message):
    __slots__ = ("orders", "next_cursor")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    next_cursor: str
    def __init__(self, orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class InstrumentCommand(_message.Message):
    __slots__ = ("instrument_id", "version", "kind", "min_price_ticks", "max_price_ticks", "max_quantity_lots", "collar_bps", "reference_price_ticks", "state", "band_bps", "band_auction")
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MIN_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAX_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    COLLAR_BPS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BAND_BPS_FIELD_NUMBER: _ClassVar[int]
    BAND_AUCTION_FIELD_NUMBER: _ClassVar[int]
    instrument_id: int
    version: int
    kind: _trading_pb2.InstrumentKind.Value
    min_price_ticks: int
    max_price_ticks: int
    max_quantity_lots: int
    collar_bps: int
    reference_price_ticks: int
    state: _trading_pb2.MarketState.Value
    band_bps: int
    band_auction: bool
    def __init__(self, instrument_id: _Optional[int] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[_trading_pb2.InstrumentKind.Value, str]] = ..., min_price_ticks: _Optional[int] = ..., max_price_ticks: _Optional[int] = ..., max_quantity_lots: _Optional[int] = ..., collar_bps: _Optional[int] = ..., reference_price_ticks: _Optional[int] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., band_bps: _Optional[int] = ..., band_auction: _Optional[bool] = ...) -> None: ...

class StateCommand(_message.Message):
    __slots__ = ("instrument_id", "version", "state")
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    instrument_id: int
    version: int
    state: _trading_pb2.MarketState.Value
    def __init__(self, instrument_id: _Optional[int] = ..., version: _Optional[int] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ...) -> None: ...

class MarketCommand(_message.Message):
    __slots__ = ("instrument", "state")
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    instrument: InstrumentCommand
    state: StateCommand
    def __init__(self, instrument: _Optional[_Union[InstrumentCommand, _Mapping]] = ..., state: _Optional[_Union[StateCommand, _Mapping]] = ...) -> None: ...

class SubmitMarketCommandsRequest(_message.Message):
    __slots__ = ("market", "commands")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    market: int
    commands: _containers.RepeatedCompositeFieldContainer[MarketCommand]
    def __init__(self, market: _Optional[int] = ..., commands: _Optional[_Iterable[_Union[MarketCommand, _Mapping]]] = ...) -> None: ...

class SubmitMarketCommandsResponse(_message.Message):
    __slots__ = ("added",)
    ADDED_FIELD_NUMBER: _ClassVar[int]
    added: int
    def __init__(self, added: _Optional[int] = ...) -> None: ...

class BeginVersionRequest(_message.Message):
    __slots__ = ("market", "semantic_version")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    market: int
    semantic_version: int
    def __init__(self, market: _Optional[int] = ..., semantic_version: _Optional[int] = ...) -> None: ...

class BeginVersionResponse(_message.Message):
    __slots__ = ("added",)
    ADDED_FIELD_NUMBER: _ClassVar[int]
    added: bool
    def __init__(self, added: _Optional[bool] = ...) -> None: ...

class GetMarketProgressRequest(_message.Message):
    __slots__ = ("market",)
    MARKET_FIELD_NUMBER: _ClassVar[int]
    market: int
    def __init__(self, market: _Optional[int] = ...) -> None: ...

class Stop(_message.Message):
    __slots__ = ("kind", "reason", "message", "since_unix_ns")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[Stop.Kind]
        EVENT: _ClassVar[Stop.Kind]
        LOG: _ClassVar[Stop.Kind]
    UNSPECIFIED: Stop.Kind
    EVENT: Stop.Kind
    LOG: Stop.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SINCE_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    kind: Stop.Kind
    reason: str
    message: str
    since_unix_ns: int
    def __init__(self, kind: _Optional[_Union[Stop.Kind, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., since_unix_ns: _Optional[int] = ...) -> None: ...

class GetMarketProgressResponse(_message.Message):
    __slots__ = ("outbox_number", "handed_over_number", "settled_number", "applied", "unsettled_commands", "stops")
    OUTBOX_NUMBER_FIELD_NUMBER: _ClassVar[int]
    HANDED_OVER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SETTLED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    UNSETTLED_COMMANDS_FIELD_NUMBER: _ClassVar[int]
    STOPS_FIELD_NUMBER: _ClassVar[int]
    outbox_number: int
    handed_over_number: int
    settled_number: int
    applied: _trading_pb2.LogPosition
    unsettled_commands: int
    stops: _containers.RepeatedCompositeFieldContainer[Stop]
    def __init__(self, outbox_number: _Optional[int] = ..., handed_over_number: _Optional[int] = ..., settled_number: _Optional[int] = ..., applied: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., unsettled_commands: _Optional[int] = ..., stops: _Optional[_Iterable[_Union[Stop, _Mapping]]] = ...) -> None: ...

class ResolveStopRequest(_message.Message):
    __slots__ = ("market", "kind")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    market: int
    kind: Stop.Kind
    def __init__(self, market: _Optional[int] = ..., kind: _Optional[_Union[Stop.Kind, str]] = ...) -> None: ...

class ResolveStopResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
