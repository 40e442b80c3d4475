from typing import NamedTuple, TypeAlias

from svc.kit.errors import DomainError
from svc.order.instrument import Instrument

class Answer(NamedTuple):
    order_id: int
    status: int

Result: TypeAlias = Answer | DomainError

class Terms:
    def __init__(
        self,
        *,
        instrument: Instrument,
        side: int,
        type: int,  # noqa: A002  the contract's word
        time_in_force: int,
        self_trade_mode: int,
        price_ticks: int,
        lots: int,
        quote_units: int,
        expires_at_unix_ns: int,
        leverage: int,
        post_only: bool,
        reduce_only: bool,
    ) -> None: ...
    @property
    def instrument(self) -> Instrument: ...
    @property
    def side(self) -> int: ...
    @property
    def type(self) -> int: ...
    @property
    def time_in_force(self) -> int: ...
    @property
    def self_trade_mode(self) -> int: ...
    @property
    def price_ticks(self) -> int: ...
    @property
    def lots(self) -> int: ...
    @property
    def quote_units(self) -> int: ...
    @property
    def expires_at_unix_ns(self) -> int: ...
    @property
    def leverage(self) -> int: ...
    @property
    def post_only(self) -> bool: ...
    @property
    def reduce_only(self) -> bool: ...

class Caller:
    def __init__(
        self,
        account_id: int,
        user_id: int,
        source: str,
        trace_id: str,
        deadline_s: float | None,
    ) -> None: ...
    @property
    def account_id(self) -> int: ...
    @property
    def user_id(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def deadline_s(self) -> float | None: ...

class Key:
    def __init__(self, text: str, digest: bytes) -> None: ...
    @property
    def text(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    first: Ask | None
    claimed: bool
    sought: bool
    answered: bool

class Create:
    def __init__(
        self, caller: Caller, terms: Terms, client_order_id: str, key: Key | None
    ) -> None: ...
    @property
    def account_id(self) -> int: ...
    @property
    def user_id(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def terms(self) -> Terms: ...
    @property
    def client_order_id(self) -> str: ...
    @property
    def key(self) -> Key | None: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def deadline_s(self) -> float | None: ...
    @property
    def status(self) -> int: ...
    @property
    def hold_is_lost(self) -> bool: ...
    taken: bool
    order_id: int
    winner_id: int
    reference_ticks: int
    cap_ticks: int
    budget_tick_lots: int
    held: bool
    committed: bool
    refusal: DomainError | None
    result: Result | None

class Cancel:
    def __init__(self, caller: Caller, order_id: int, name: str, key: Key | None) -> None: ...
    @property
    def account_id(self) -> int: ...
    @property
    def order_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def key(self) -> Key | None: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def deadline_s(self) -> float | None: ...
    result: Result | None

Ask: TypeAlias = Create | Cancel
