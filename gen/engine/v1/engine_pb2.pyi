import datetime

from engine.v1 import records_pb2 as _records_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from kit.v1 import options_pb2 as _options_pb2
from trading.v1 import trading_pb2 as _trading_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Hello(_message.Message):
    __slots__ = ("market", "highest_number", "applied")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    market: int
    highest_number: int
    applied: _trading_pb2.LogPosition
    def __init__(self, market: _Optional[int] = ..., highest_number: _Optional[int] = ..., applied: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("last_number", "position", "covered_number")
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COVERED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    last_number: int
    position: _trading_pb2.LogPosition
    covered_number: int
    def __init__(self, last_number: _Optional[int] = ..., position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., covered_number: _Optional[int] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("hello", "batch", "applied")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    batch: _records_pb2.CommandBatch
    applied: _trading_pb2.LogPosition
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., batch: _Optional[_Union[_records_pb2.CommandBatch, _Mapping]] = ..., applied: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ...) -> None: ...

class BatchDone(_message.Message):
    __slots__ = ("number", "sequence", "duplicate", "covered_number")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    COVERED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    sequence: int
    duplicate: bool
    covered_number: int
    def __init__(self, number: _Optional[int] = ..., sequence: _Optional[int] = ..., duplicate: _Optional[bool] = ..., covered_number: _Optional[int] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("welcome", "done")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    done: BatchDone
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., done: _Optional[_Union[BatchDone, _Mapping]] = ...) -> None: ...

class PlaceOrderRequest(_message.Message):
    __slots__ = ("market", "number", "digest", "order")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    market: int
    number: int
    digest: bytes
    order: _records_pb2.NewOrder
    def __init__(self, market: _Optional[int] = ..., number: _Optional[int] = ..., digest: _Optional[bytes] = ..., order: _Optional[_Union[_records_pb2.NewOrder, _Mapping]] = ...) -> None: ...

class PlaceOrderResponse(_message.Message):
    __slots__ = ("done",)
    DONE_FIELD_NUMBER: _ClassVar[int]
    done: BatchDone
    def __init__(self, done: _Optional[_Union[BatchDone, _Mapping]] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    __slots__ = ("market", "number", "digest", "cancel")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    market: int
    number: int
    digest: bytes
    cancel: _records_pb2.CancelOrder
    def __init__(self, market: _Optional[int] = ..., number: _Optional[int] = ..., digest: _Optional[bytes] = ..., cancel: _Optional[_Union[_records_pb2.CancelOrder, _Mapping]] = ...) -> None: ...

class CancelOrderResponse(_message.Message):
    __slots__ = ("done",)
    DONE_FIELD_NUMBER: _ClassVar[int]
    done: BatchDone
    def __init__(self, done: _Optional[_Union[BatchDone, _Mapping]] = ...) -> None: ...

class ReplaceOrderRequest(_message.Message):
    __slots__ = ("market", "number", "digest", "replace")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    market: int
    number: int
    digest: bytes
    replace: _records_pb2.ReplaceOrder
    def __init__(self, market: _Optional[int] = ..., number: _Optional[int] = ..., digest: _Optional[bytes] = ..., replace: _Optional[_Union[_records_pb2.ReplaceOrder, _Mapping]] = ...) -> None: ...

class ReplaceOrderResponse(_message.Message):
    __slots__ = ("done",)
    DONE_FIELD_NUMBER: _ClassVar[int]
    done: BatchDone
    def __init__(self, done: _Optional[_Union[BatchDone, _Mapping]] = ...) -> None: ...

class StreamEventsRequest(_message.Message):
    __slots__ = ("market", "after", "instruments_only")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_ONLY_FIELD_NUMBER: _ClassVar[int]
    market: int
    after: _trading_pb2.LogPosition
    instruments_only: bool
    def __init__(self, market: _Optional[int] = ..., after: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., instruments_only: _Optional[bool] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("position", "time")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    position: _trading_pb2.LogPosition
    time: _timestamp_pb2.Timestamp
    def __init__(self, position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamEventsResponse(_message.Message):
    __slots__ = ("batch", "heartbeat")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    batch: _records_pb2.EventBatch
    heartbeat: Heartbeat
    def __init__(self, batch: _Optional[_Union[_records_pb2.EventBatch, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class SnapshotOrdersRequest(_message.Message):
    __slots__ = ("market",)
    MARKET_FIELD_NUMBER: _ClassVar[int]
    market: int
    def __init__(self, market: _Optional[int] = ...) -> None: ...

class LiveOrder(_message.Message):
    __slots__ = ("order_id", "account_id", "instrument_id", "side", "price_ticks", "remaining_lots", "visible_lots", "cumulative_lots", "version", "display_lots")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_LOTS_FIELD_NUMBER: _ClassVar[int]
    VISIBLE_LOTS_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_LOTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_LOTS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    account_id: int
    instrument_id: int
    side: _trading_pb2.Side.Value
    price_ticks: int
    remaining_lots: int
    visible_lots: int
    cumulative_lots: int
    version: int
    display_lots: int
    def __init__(self, order_id: _Optional[int] = ..., account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., price_ticks: _Optional[int] = ..., remaining_lots: _Optional[int] = ..., visible_lots: _Optional[int] = ..., cumulative_lots: _Optional[int] = ..., version: _Optional[int] = ..., display_lots: _Optional[int] = ...) -> None: ...

class InstrumentState(_message.Message):
    __slots__ = ("instrument_id", "version", "state", "last_price_ticks", "state_version")
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LAST_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    STATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    instrument_id: int
    version: int
    state: _trading_pb2.MarketState.Value
    last_price_ticks: int
    state_version: int
    def __init__(self, instrument_id: _Optional[int] = ..., version: _Optional[int] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., last_price_ticks: _Optional[int] = ..., state_version: _Optional[int] = ...) -> None: ...

class SnapshotOrdersResponse(_message.Message):
    __slots__ = ("position", "instruments", "orders")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    position: _trading_pb2.LogPosition
    instruments: _containers.RepeatedCompositeFieldContainer[InstrumentState]
    orders: _containers.RepeatedCompositeFieldContainer[LiveOrder]
    def __init__(self, position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., instruments: _Optional[_Iterable[_Union[InstrumentState, _Mapping]]] = ..., orders: _Optional[_Iterable[_Union[LiveOrder, _Mapping]]] = ...) -> None: ...

class GetBookRequest(_message.Message):
    __slots__ = ("market", "instrument_id", "depth")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    market: int
    instrument_id: int
    depth: int
    def __init__(self, market: _Optional[int] = ..., instrument_id: _Optional[int] = ..., depth: _Optional[int] = ...) -> None: ...

class BookLevel(_message.Message):
    __slots__ = ("price_ticks", "lots", "orders")
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    price_ticks: int
    lots: int
    orders: int
    def __init__(self, price_ticks: _Optional[int] = ..., lots: _Optional[int] = ..., orders: _Optional[int] = ...) -> None: ...

class GetBookResponse(_message.Message):
    __slots__ = ("position", "bids", "asks")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    BIDS_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    position: _trading_pb2.LogPosition
    bids: _containers.RepeatedCompositeFieldContainer[BookLevel]
    asks: _containers.RepeatedCompositeFieldContainer[BookLevel]
    def __init__(self, position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., bids: _Optional[_Iterable[_Union[BookLevel, _Mapping]]] = ..., asks: _Optional[_Iterable[_Union[BookLevel, _Mapping]]] = ...) -> None: ...

class FollowHello(_message.Message):
    __slots__ = ("market", "journal", "instance", "last_number", "last_digest", "time_unix_ns", "position", "epoch")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    market: int
    journal: str
    instance: str
    last_number: int
    last_digest: bytes
    time_unix_ns: int
    position: _trading_pb2.LogPosition
    epoch: int
    def __init__(self, market: _Optional[int] = ..., journal: _Optional[str] = ..., instance: _Optional[str] = ..., last_number: _Optional[int] = ..., last_digest: _Optional[bytes] = ..., time_unix_ns: _Optional[int] = ..., position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("hello", "synced")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    hello: FollowHello
    synced: int
    def __init__(self, hello: _Optional[_Union[FollowHello, _Mapping]] = ..., synced: _Optional[int] = ...) -> None: ...

class FollowResponse(_message.Message):
    __slots__ = ("frames", "place", "matched_place", "matched", "released_sequence")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    MATCHED_PLACE_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    RELEASED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    frames: bytes
    place: int
    matched_place: int
    matched: _trading_pb2.LogPosition
    released_sequence: int
    def __init__(self, frames: _Optional[bytes] = ..., place: _Optional[int] = ..., matched_place: _Optional[int] = ..., matched: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., released_sequence: _Optional[int] = ...) -> None: ...

class FetchSnapshotRequest(_message.Message):
    __slots__ = ("market",)
    MARKET_FIELD_NUMBER: _ClassVar[int]
    market: int
    def __init__(self, market: _Optional[int] = ...) -> None: ...

class FetchSnapshotResponse(_message.Message):
    __slots__ = ("part",)
    PART_FIELD_NUMBER: _ClassVar[int]
    part: bytes
    def __init__(self, part: _Optional[bytes] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("market", "with_state_hash")
    MARKET_FIELD_NUMBER: _ClassVar[int]
    WITH_STATE_HASH_FIELD_NUMBER: _ClassVar[int]
    market: int
    with_state_hash: bool
    def __init__(self, market: _Optional[int] = ..., with_state_hash: _Optional[bool] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("last_number", "position", "epoch", "live_orders", "state_hash")
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LIVE_ORDERS_FIELD_NUMBER: _ClassVar[int]
    STATE_HASH_FIELD_NUMBER: _ClassVar[int]
    last_number: int
    position: _trading_pb2.LogPosition
    epoch: int
    live_orders: int
    state_hash: int
    def __init__(self, last_number: _Optional[int] = ..., position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., epoch: _Optional[int] = ..., live_orders: _Optional[int] = ..., state_hash: _Optional[int] = ...) -> None: ...

class SnapshotCover(_message.Message):
    __slots__ = ("segment", "last_number", "position")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    segment: int
    last_number: int
    position: _trading_pb2.LogPosition
    def __init__(self, segment: _Optional[int] = ..., last_number: _Optional[int] = ..., position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ...) -> None: ...

class TakeSnapshotRequest(_message.Message):
    __slots__ = ("market",)
    MARKET_FIELD_NUMBER: _ClassVar[int]
    market: int
    def __init__(self, market: _Optional[int] = ...) -> None: ...

class TakeSnapshotResponse(_message.Message):
    __slots__ = ("covered",)
    COVERED_FIELD_NUMBER: _ClassVar[int]
    covered: SnapshotCover
    def __init__(self, covered: _Optional[_Union[SnapshotCover, _Mapping]] = ...) -> None: ...

class GetStatisticsRequest(_message.Message):
    __slots__ = ("market",)
    MARKET_FIELD_NUMBER: _ClassVar[int]
    market: int
    def __init__(self, market: _Optional[int] = ...) -> None: ...

class GetStatisticsResponse(_message.Message):
    __slots__ = ("position", "last_number", "epoch", "time_unix_ns", "live_orders", "trades", "commands", "memory_bytes", "segments", "unsaved_commands", "covered", "semantic_version", "standbys")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    LIVE_ORDERS_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    UNSAVED_COMMANDS_FIELD_NUMBER: _ClassVar[int]
    COVERED_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    STANDBYS_FIELD_NUMBER: _ClassVar[int]
    position: _trading_pb2.LogPosition
    last_number: int
    epoch: int
    time_unix_ns: int
    live_orders: int
    trades: int
    commands: int
    memory_bytes: int
    segments: int
    unsaved_commands: int
    covered: SnapshotCover
    semantic_version: int
    standbys: _containers.RepeatedCompositeFieldContainer[Standby]
    def __init__(self, position: _Optional[_Union[_trading_pb2.LogPosition, _Mapping]] = ..., last_number: _Optional[int] = ..., epoch: _Optional[int] = ..., time_unix_ns: _Optional[int] = ..., live_orders: _Optional[int] = ..., trades: _Optional[int] = ..., commands: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., segments: _Optional[int] = ..., unsaved_commands: _Optional[int] = ..., covered: _Optional[_Union[SnapshotCover, _Mapping]] = ..., semantic_version: _Optional[int] = ..., standbys: _Optional[_Iterable[_Union[Standby, _Mapping]]] = ...) -> None: ...

class Standby(_message.Message):
    __slots__ = ("journal", "instance", "in_sync", "unsynced_batches")
    JOURNAL_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    IN_SYNC_FIELD_NUMBER: _ClassVar[int]
    UNSYNCED_BATCHES_FIELD_NUMBER: _ClassVar[int]
    journal: str
    instance: str
    in_sync: bool
    unsynced_batches: int
    def __init__(self, journal: _Optional[str] = ..., instance: _Optional[str] = ..., in_sync: _Optional[bool] = ..., unsynced_batches: _Optional[int] = ...) -> None: ...
