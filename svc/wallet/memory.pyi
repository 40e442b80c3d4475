from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar, NamedTuple

from svc.wallet.instruments import Instrument
from svc.wallet.rows import Rows

EXTERNAL_ACCOUNT: int
FEE_ACCOUNT: int
MAX_AMOUNT: int
BUY: int
SELL: int

class HoldState(IntEnum):
    HELD = 1
    ADDED = 2
    IN_MARKET = 3
    ENDED = 4
    UNLOCKED = 5

OPEN: tuple[HoldState, ...]

class HoldKey(NamedTuple):
    order_id: int
    version: int

class HoldAsk:
    def __init__(
        self,
        order_id: int,
        version: int,
        account_id: int,
        instrument_id: int,
        side: int,
        cap_ticks: int,
        lots: int,
        quote_amount: int,
        maker_ppm: int,
        taker_ppm: int,
    ) -> None: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]
    @property
    def key(self) -> HoldKey: ...
    @property
    def order_id(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def account_id(self) -> int: ...
    @property
    def instrument_id(self) -> int: ...
    @property
    def side(self) -> int: ...
    @property
    def cap_ticks(self) -> int: ...
    @property
    def lots(self) -> int: ...
    @property
    def quote_amount(self) -> int: ...
    @property
    def maker_ppm(self) -> int: ...
    @property
    def taker_ppm(self) -> int: ...

class ClosedHold(NamedTuple):
    ask: HoldAsk | None
    held: int
    state: int

class Transfer(NamedTuple):
    transaction_id: str
    account_id: int
    asset_id: int
    amount: int
    reference: str
    balance_after: int

class Position(NamedTuple):
    log_id: str
    sequence: int
    running_hash: int
    trade_number: int

NOWHERE: Position

class Balance:
    account_id: int
    asset_id: int
    total: int
    locked: int
    stored: bool
    def __init__(
        self, account_id: int, asset_id: int, total: int, locked: int, stored: bool
    ) -> None: ...

class Hold:
    ask: HoldAsk
    held: int
    created_at_unix_ns: int
    instrument: Instrument
    pays: Balance
    gets: Balance
    remaining: int
    amount: int
    state: int
    stored: bool
    added: Hold | None
    def __init__(
        self,
        ask: HoldAsk,
        held: int,
        created_at_unix_ns: int,
        instrument: Instrument,
        pays: Balance,
        gets: Balance,
        remaining: int,
        amount: int,
        state: int,
        stored: bool,
    ) -> None: ...

class Changes:
    balances: dict[Balance, tuple[int, int]]
    holds: dict[Hold, tuple[int, int, int, Hold | None]]
    superseded: list[Hold]
    closed: list[HoldKey]
    made: list[Hold]
    unlocked: list[HoldKey]
    transfers: list[Transfer]
    settlements: Rows
    positions: dict[int, Position]

class Memory:
    ledger: int
    committed: dict[int, dict[int, tuple[int, int]]]
    orders: dict[int, Hold]
    closed: dict[HoldKey, ClosedHold]
    transfers: dict[str, Transfer]
    positions: dict[int, Position]
    by_age: list[Hold]
    highest_order_id: int
    changes: Changes
    def __init__(self, ledger: int) -> None: ...
    def balance(self, account_id: int, asset_id: int) -> Balance: ...
    def load_balance(self, account_id: int, asset_id: int, total: int, locked: int) -> None: ...
    def load_hold(self, hold: Hold) -> None: ...
    def unsure(self, order_id: int, version: int) -> bool: ...
    def unsure_asks(self, items: Sequence[object]) -> list[HoldKey]: ...
    def commit(self) -> None: ...
