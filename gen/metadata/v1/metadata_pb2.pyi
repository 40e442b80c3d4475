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

class Asset(_message.Message):
    __slots__ = ("id", "symbol", "name", "ledger_scale")
    ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEDGER_SCALE_FIELD_NUMBER: _ClassVar[int]
    id: int
    symbol: str
    name: str
    ledger_scale: int
    def __init__(self, id: _Optional[int] = ..., symbol: _Optional[str] = ..., name: _Optional[str] = ..., ledger_scale: _Optional[int] = ...) -> None: ...

class Instrument(_message.Message):
    __slots__ = ("id", "symbol", "kind", "market", "base_asset", "quote_asset", "tick_size", "lot_size", "min_notional", "max_quantity", "max_leverage", "collar_bps", "reference_price", "maker_fee_ppm", "taker_fee_ppm", "wished_state", "state", "version", "base_units_per_lot", "quote_units_per_tick_lot", "base_asset_id", "quote_asset_id", "state_version", "max_price_ticks", "band_bps", "band_auction")
    ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MARKET_FIELD_NUMBER: _ClassVar[int]
    BASE_ASSET_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ASSET_FIELD_NUMBER: _ClassVar[int]
    TICK_SIZE_FIELD_NUMBER: _ClassVar[int]
    LOT_SIZE_FIELD_NUMBER: _ClassVar[int]
    MIN_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MAX_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    COLLAR_BPS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_PRICE_FIELD_NUMBER: _ClassVar[int]
    MAKER_FEE_PPM_FIELD_NUMBER: _ClassVar[int]
    TAKER_FEE_PPM_FIELD_NUMBER: _ClassVar[int]
    WISHED_STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BASE_UNITS_PER_LOT_FIELD_NUMBER: _ClassVar[int]
    QUOTE_UNITS_PER_TICK_LOT_FIELD_NUMBER: _ClassVar[int]
    BASE_ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ASSET_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    BAND_BPS_FIELD_NUMBER: _ClassVar[int]
    BAND_AUCTION_FIELD_NUMBER: _ClassVar[int]
    id: int
    symbol: str
    kind: _trading_pb2.InstrumentKind.Value
    market: int
    base_asset: str
    quote_asset: str
    tick_size: str
    lot_size: str
    min_notional: str
    max_quantity: str
    max_leverage: int
    collar_bps: int
    reference_price: str
    maker_fee_ppm: int
    taker_fee_ppm: int
    wished_state: _trading_pb2.MarketState.Value
    state: _trading_pb2.MarketState.Value
    version: int
    base_units_per_lot: str
    quote_units_per_tick_lot: str
    base_asset_id: int
    quote_asset_id: int
    state_version: int
    max_price_ticks: int
    band_bps: int
    band_auction: bool
    def __init__(self, id: _Optional[int] = ..., symbol: _Optional[str] = ..., kind: _Optional[_Union[_trading_pb2.InstrumentKind.Value, str]] = ..., market: _Optional[int] = ..., base_asset: _Optional[str] = ..., quote_asset: _Optional[str] = ..., tick_size: _Optional[str] = ..., lot_size: _Optional[str] = ..., min_notional: _Optional[str] = ..., max_quantity: _Optional[str] = ..., max_leverage: _Optional[int] = ..., collar_bps: _Optional[int] = ..., reference_price: _Optional[str] = ..., maker_fee_ppm: _Optional[int] = ..., taker_fee_ppm: _Optional[int] = ..., wished_state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., version: _Optional[int] = ..., base_units_per_lot: _Optional[str] = ..., quote_units_per_tick_lot: _Optional[str] = ..., base_asset_id: _Optional[int] = ..., quote_asset_id: _Optional[int] = ..., state_version: _Optional[int] = ..., max_price_ticks: _Optional[int] = ..., band_bps: _Optional[int] = ..., band_auction: _Optional[bool] = ...) -> None: ...

class Market(_message.Message):
    __slots__ = ("symbol", "kind", "base_asset", "quote_asset", "tick_size", "lot_size", "min_notional", "max_quantity", "max_leverage", "status", "maker_fee_bps", "taker_fee_bps", "instrument_id")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BASE_ASSET_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ASSET_FIELD_NUMBER: _ClassVar[int]
    TICK_SIZE_FIELD_NUMBER: _ClassVar[int]
    LOT_SIZE_FIELD_NUMBER: _ClassVar[int]
    MIN_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MAX_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MAKER_FEE_BPS_FIELD_NUMBER: _ClassVar[int]
    TAKER_FEE_BPS_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    kind: _trading_pb2.InstrumentKind.Value
    base_asset: str
    quote_asset: str
    tick_size: str
    lot_size: str
    min_notional: str
    max_quantity: str
    max_leverage: int
    status: _trading_pb2.MarketState.Value
    maker_fee_bps: str
    taker_fee_bps: str
    instrument_id: str
    def __init__(self, symbol: _Optional[str] = ..., kind: _Optional[_Union[_trading_pb2.InstrumentKind.Value, str]] = ..., base_asset: _Optional[str] = ..., quote_asset: _Optional[str] = ..., tick_size: _Optional[str] = ..., lot_size: _Optional[str] = ..., min_notional: _Optional[str] = ..., max_quantity: _Optional[str] = ..., max_leverage: _Optional[int] = ..., status: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ..., maker_fee_bps: _Optional[str] = ..., taker_fee_bps: _Optional[str] = ..., instrument_id: _Optional[str] = ...) -> None: ...

class ListMarketsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListMarketsResponse(_message.Message):
    __slots__ = ("markets",)
    MARKETS_FIELD_NUMBER: _ClassVar[int]
    markets: _containers.RepeatedCompositeFieldContainer[Market]
    def __init__(self, markets: _Optional[_Iterable[_Union[Market, _Mapping]]] = ...) -> None: ...

class GetMarketRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetMarketResponse(_message.Message):
    __slots__ = ("market",)
    MARKET_FIELD_NUMBER: _ClassVar[int]
    market: Market
    def __init__(self, market: _Optional[_Union[Market, _Mapping]] = ...) -> None: ...

class ListInstrumentsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListInstrumentsResponse(_message.Message):
    __slots__ = ("assets", "instruments")
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    assets: _containers.RepeatedCompositeFieldContainer[Asset]
    instruments: _containers.RepeatedCompositeFieldContainer[Instrument]
    def __init__(self, assets: _Optional[_Iterable[_Union[Asset, _Mapping]]] = ..., instruments: _Optional[_Iterable[_Union[Instrument, _Mapping]]] = ...) -> None: ...

class PutInstrumentsRequest(_message.Message):
    __slots__ = ("assets", "instruments")
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    assets: _containers.RepeatedCompositeFieldContainer[Asset]
    instruments: _containers.RepeatedCompositeFieldContainer[Instrument]
    def __init__(self, assets: _Optional[_Iterable[_Union[Asset, _Mapping]]] = ..., instruments: _Optional[_Iterable[_Union[Instrument, _Mapping]]] = ...) -> None: ...

class PutInstrumentsResponse(_message.Message):
    __slots__ = ("instruments",)
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    instruments: _containers.RepeatedCompositeFieldContainer[Instrument]
    def __init__(self, instruments: _Optional[_Iterable[_Union[Instrument, _Mapping]]] = ...) -> None: ...

class SetMarketStateRequest(_message.Message):
    __slots__ = ("symbol", "state")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    state: _trading_pb2.MarketState.Value
    def __init__(self, symbol: _Optional[str] = ..., state: _Optional[_Union[_trading_pb2.MarketState.Value, str]] = ...) -> None: ...

class SetMarketStateResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...
