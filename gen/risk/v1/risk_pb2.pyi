from buf.validate import validate_pb2 as _validate_pb2
from kit.v1 import options_pb2 as _options_pb2
from trading.v1 import trading_pb2 as _trading_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckItem(_message.Message):
    __slots__ = ("account_id", "instrument_id", "side", "type", "price_ticks", "lots", "reference_ticks", "notional", "leverage")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    LOTS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_TICKS_FIELD_NUMBER: _ClassVar[int]
    NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    instrument_id: int
    side: _trading_pb2.Side.Value
    type: _trading_pb2.OrderType.Value
    price_ticks: int
    lots: int
    reference_ticks: int
    notional: str
    leverage: int
    def __init__(self, account_id: _Optional[int] = ..., instrument_id: _Optional[int] = ..., side: _Optional[_Union[_trading_pb2.Side.Value, str]] = ..., type: _Optional[_Union[_trading_pb2.OrderType.Value, str]] = ..., price_ticks: _Optional[int] = ..., lots: _Optional[int] = ..., reference_ticks: _Optional[int] = ..., notional: _Optional[str] = ..., leverage: _Optional[int] = ...) -> None: ...

class PreTradeCheckRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[CheckItem]
    def __init__(self, items: _Optional[_Iterable[_Union[CheckItem, _Mapping]]] = ...) -> None: ...

class CheckResult(_message.Message):
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

class PreTradeCheckResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[CheckResult]
    def __init__(self, results: _Optional[_Iterable[_Union[CheckResult, _Mapping]]] = ...) -> None: ...

class AccountLimits(_message.Message):
    __slots__ = ("max_notional", "max_quantity", "fat_finger_bps")
    MAX_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FAT_FINGER_BPS_FIELD_NUMBER: _ClassVar[int]
    max_notional: str
    max_quantity: str
    fat_finger_bps: int
    def __init__(self, max_notional: _Optional[str] = ..., max_quantity: _Optional[str] = ..., fat_finger_bps: _Optional[int] = ...) -> None: ...

class SetAccountLimitsRequest(_message.Message):
    __slots__ = ("account_id", "limits")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    limits: AccountLimits
    def __init__(self, account_id: _Optional[int] = ..., limits: _Optional[_Union[AccountLimits, _Mapping]] = ...) -> None: ...

class SetAccountLimitsResponse(_message.Message):
    __slots__ = ("limits",)
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: AccountLimits
    def __init__(self, limits: _Optional[_Union[AccountLimits, _Mapping]] = ...) -> None: ...

class GetAccountLimitsRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    def __init__(self, account_id: _Optional[int] = ...) -> None: ...

class GetAccountLimitsResponse(_message.Message):
    __slots__ = ("limits", "defaults")
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    limits: AccountLimits
    defaults: bool
    def __init__(self, limits: _Optional[_Union[AccountLimits, _Mapping]] = ..., defaults: _Optional[bool] = ...) -> None: ...

class KillSwitchScope(_message.Message):
    __slots__ = ()
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[KillSwitchScope.Value]
        GLOBAL: _ClassVar[KillSwitchScope.Value]
        ACCOUNT: _ClassVar[KillSwitchScope.Value]
        INSTRUMENT: _ClassVar[KillSwitchScope.Value]
    UNSPECIFIED: KillSwitchScope.Value
    GLOBAL: KillSwitchScope.Value
    ACCOUNT: KillSwitchScope.Value
    INSTRUMENT: KillSwitchScope.Value
    def __init__(self) -> None: ...

class KillSwitch(_message.Message):
    __slots__ = ("scope", "id", "note")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    scope: KillSwitchScope.Value
    id: int
    note: str
    def __init__(self, scope: _Optional[_Union[KillSwitchScope.Value, str]] = ..., id: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class SetKillSwitchRequest(_message.Message):
    __slots__ = ("kill_switch", "thrown")
    KILL_SWITCH_FIELD_NUMBER: _ClassVar[int]
    THROWN_FIELD_NUMBER: _ClassVar[int]
    kill_switch: KillSwitch
    thrown: bool
    def __init__(self, kill_switch: _Optional[_Union[KillSwitch, _Mapping]] = ..., thrown: _Optional[bool] = ...) -> None: ...

class SetKillSwitchResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListKillSwitchesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListKillSwitchesResponse(_message.Message):
    __slots__ = ("kill_switches",)
    KILL_SWITCHES_FIELD_NUMBER: _ClassVar[int]
    kill_switches: _containers.RepeatedCompositeFieldContainer[KillSwitch]
    def __init__(self, kill_switches: _Optional[_Iterable[_Union[KillSwitch, _Mapping]]] = ...) -> None: ...
