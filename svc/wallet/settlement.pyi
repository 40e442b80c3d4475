from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from svc.wallet.memory import Memory, Position

class Trade:
    def __init__(
        self,
        sequence: int,
        trade_number: int,
        instrument_id: int,
        price_ticks: int,
        lots: int,
        taker_side: int,
        buy_order_id: int,
        buy_version: int,
        buy_account_id: int,
        sell_order_id: int,
        sell_version: int,
        sell_account_id: int,
    ) -> None: ...
    @property
    def sequence(self) -> int: ...
    @property
    def trade_number(self) -> int: ...
    @property
    def instrument_id(self) -> int: ...
    @property
    def price_ticks(self) -> int: ...
    @property
    def lots(self) -> int: ...
    @property
    def taker_side(self) -> int: ...
    @property
    def buy_order_id(self) -> int: ...
    @property
    def buy_version(self) -> int: ...
    @property
    def buy_account_id(self) -> int: ...
    @property
    def sell_order_id(self) -> int: ...
    @property
    def sell_version(self) -> int: ...
    @property
    def sell_account_id(self) -> int: ...

class Replace:
    def __init__(
        self,
        sequence: int,
        order_id: int,
        version: int,
        cap_ticks: int,
        remaining_lots: int,
        rejected: bool,
    ) -> None: ...
    @property
    def sequence(self) -> int: ...
    @property
    def order_id(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def cap_ticks(self) -> int: ...
    @property
    def remaining_lots(self) -> int: ...
    @property
    def rejected(self) -> bool: ...

class Release:
    def __init__(self, sequence: int, order_id: int, version: int, remaining_lots: int) -> None: ...
    @property
    def sequence(self) -> int: ...
    @property
    def order_id(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def remaining_lots(self) -> int: ...

class PerpetualTrade(NamedTuple):
    sequence: int
    trade_number: int

Effect: TypeAlias = Trade | PerpetualTrade | Replace | Release

class LogPoint(NamedTuple):
    log_id: str
    sequence: int
    running_hash: int

class Range(NamedTuple):
    market: int
    after: LogPoint
    to: LogPoint
    effects: Sequence[Effect]

def settle(memory: Memory, wanted: Range, now_unix_ns: int) -> Position: ...
