"""What is asked of intake about orders that live: to be replaced, or to go while another comes.

Values that travel between its steps, as those of `asks`. Few are asked for, so they are plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from svc.order.asks import Caller, Create, Key, Result, Terms


@dataclass(frozen=True, slots=True)
class Wanted:
    """The fields of `order.v1.ReplaceOrderRequest` that say what changes; empty and 0: it stays."""

    price: str = ""
    quantity: str = ""
    stop_price: str = ""
    expected_version: int = 0


@dataclass(frozen=True, slots=True)
class Amended:
    """An order as it is to be. What the command leaves alone is 0 in it."""

    terms: Terms
    """All of them; `lots` are the new total."""
    reference_ticks: int
    from_version: int
    version: int
    cap_ticks: int
    remaining_lots: int
    """Of the new total, by the fills that are known."""
    grows: bool
    """Whether price, trigger or quantity is such that risk has to be asked."""
    maker_fee_ppm: int
    taker_fee_ppm: int
    new_price_ticks: int
    new_cap_ticks: int
    new_stop_ticks: int
    new_lots: int


@dataclass(slots=True, eq=False)
class Replace:
    """A replace of an order of the account. Intake fills in what follows `key`."""

    caller: Caller
    order_id: int
    """0: no open order has the name; an answer may still be known."""
    name: str
    """The order as the caller named it."""
    wanted: Wanted
    key: Key | None
    amended: Amended | None = None
    version: int = 0
    """What is answered beside the order and its state."""
    hold_is_lost: bool = False
    """Whether funds are held for a version that surely no call will ever commit."""
    result: Result | None = None

    @property
    def account_id(self) -> int:
        """Whose order it is."""
        return self.caller.account_id

    @property
    def named_id(self) -> int:
        """The live order that it is about."""
        return self.order_id

    @property
    def trace_id(self) -> str:
        """Of the call."""
        return self.caller.trace_id

    @property
    def deadline_s(self) -> float | None:
        """As of `Create`."""
        return self.caller.deadline_s


@dataclass(slots=True, eq=False)
class Swap:
    """A cancel of one order and a new one in its place, which has an id and a hold of its own."""

    caller: Caller
    named_id: int
    """The order that goes; 0 as in Replace."""
    name: str
    create: Create
    """Without the key, which is the swap's: its order id is shared with no other call."""
    key: Key | None
    result: Result | None = None

    @property
    def account_id(self) -> int:
        """Whose orders they are."""
        return self.caller.account_id

    @property
    def order_id(self) -> int:
        """The order that comes."""
        return self.create.order_id

    @property
    def trace_id(self) -> str:
        """Of the call."""
        return self.caller.trace_id

    @property
    def deadline_s(self) -> float | None:
        """As of `Create`."""
        return self.caller.deadline_s


Change: TypeAlias = Replace | Swap
