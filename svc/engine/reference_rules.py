"""What the reference engine knows of orders and books, and every rule that refuses something.

Pure functions of an order, a book and a command. Invariant: none of them changes anything.
"""

from __future__ import annotations

import struct
from collections.abc import Container
from dataclasses import dataclass, field

from svc.engine.records import (
    MAX_INSTRUMENT_ID,
    MAX_LOTS,
    MAX_TICKS,
    Command,
    Flag,
    InstrumentCommand,
    MarketState,
    OrderType,
    Reason,
    SelfTradeMode,
    Side,
    TimeInForce,
)

MAX_BPS = 10_000
RESTS = (TimeInForce.GTC, TimeInForce.GTD)
_INSTRUMENT_RECORD = struct.Struct("<BBBxxxxxIiqqqqIIqiI56x")
_ORDER_RECORD = struct.Struct("<BBBBBBxxIiqqqqqqqqqqq24x")


@dataclass(slots=True, eq=False)
class Order:
    """A live order. `place` counts up: the lower of two stands first in a price's queue."""

    order_id: int
    account_id: int
    instrument_id: int
    side: int
    order_type: int
    tif: int
    flags: int
    stp_mode: int
    version: int
    price: int
    cap: int
    remaining: int
    display: int
    expire_ns: int
    cumulative: int = 0
    visible: int = 0
    place: int = 0

    def rank(self) -> tuple[int, int]:
        """Sorts a side from the best price on, inside a price by time."""
        return (-self.price if self.side == Side.BUY else self.price, self.place)


@dataclass(slots=True)
class Book:
    """An instrument: its definition and the two sides of its book, best order first."""

    definition: InstrumentCommand
    state: int
    state_version: int = 0
    last_price: int = 0
    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)

    def side(self, side: int) -> list[Order]:
        """The resting orders of a side."""
        return self.bids if side == Side.BUY else self.asks

    def allows_price(self, price: int) -> bool:
        """Whether a limit price lies within the instrument's bounds."""
        return self.definition.min_ticks <= price <= self.definition.max_ticks

    def opposite(self, side: int) -> list[Order]:
        """The resting orders that an order of this side meets."""
        return self.asks if side == Side.BUY else self.bids


def reaches(side: int, limit: int, price: int) -> bool:
    """Whether an order of this side and limit may trade at `price`."""
    return price <= limit if side == Side.BUY else price >= limit


def market_limit(book: Book, order: Order) -> int:
    """The worst price for a market order: cap or floor, and the collar from the best price."""
    best = book.opposite(order.side)[0].price
    bps = book.definition.collar_bps
    if order.side == Side.BUY:
        limits = [MAX_TICKS]
        if bps:
            limits.append(best * (MAX_BPS + bps) // MAX_BPS)
        if order.cap:
            limits.append(order.cap)
        return min(limits)
    collar = -(best * (MAX_BPS - bps) // -MAX_BPS) if bps else 1
    return max(order.cap, collar)


def is_valid_definition(command: InstrumentCommand) -> bool:
    """Whether an INSTRUMENT command makes sense."""
    return (
        0 < command.instrument_id <= MAX_INSTRUMENT_ID
        and command.version > 0
        and command.state <= MarketState.HALTED
        and command.state != MarketState.AUCTION
        and command.perpetual <= 1
        and 0 < command.max_quantity_lots <= MAX_LOTS
        and 0 < command.min_ticks <= command.max_ticks <= MAX_TICKS
        and 0 <= command.reference_price_ticks <= MAX_TICKS
        and command.collar_bps <= MAX_BPS
        and command.band_bps <= MAX_BPS
    )


def is_known_shape(c: Command) -> bool:
    """Whether the enumerations of a NEW command are known and its ids positive."""
    return (
        c.order_id > 0
        and c.account_id > 0
        and c.side in (Side.BUY, Side.SELL)
        and c.order_type in (OrderType.LIMIT, OrderType.MARKET)
        and TimeInForce.GTC <= c.tif <= TimeInForce.FOK_BUDGET
        and SelfTradeMode.NONE <= c.stp_mode <= SelfTradeMode.DECREMENT_AND_CANCEL
        and c.flags in (Flag.NONE, Flag.POST_ONLY)
        and c.version > 0
        and not (c.trigger_ticks or c.trail_offset_ticks or c.new_order_id or c.stp_group)
    )


def is_consistent(c: Command) -> bool:
    """Whether the fields of a NEW command agree with each other."""
    if (
        c.cap_ticks < 0
        or not 0 <= c.display_lots <= c.quantity_lots
        or (c.tif == TimeInForce.GTD) != (c.expire_ns != 0)
        or (c.tif not in RESTS and (c.flags or c.display_lots))
    ):
        return False
    if c.order_type == OrderType.MARKET:
        at_once = c.tif in (TimeInForce.IOC, TimeInForce.FOK)
        return at_once and c.price_ticks == 0 and c.budget == 0
    if c.cap_ticks and c.price_ticks and not reaches(c.side, c.cap_ticks, c.price_ticks):
        return False
    if c.tif == TimeInForce.FOK_BUDGET:
        return c.budget > 0 and c.price_ticks >= 0
    return c.budget == 0 and c.price_ticks > 0


def would_take(book: Book, side: int, price: int) -> bool:
    """Whether an order of this side and limit would trade at once."""
    makers = book.opposite(side)
    return bool(makers) and reaches(side, price, makers[0].price)


def admits(book: Book, c: Command) -> bool:
    """Whether the market's state lets a NEW command through."""
    if book.state == MarketState.POST_ONLY:
        return bool(c.flags & Flag.POST_ONLY)
    if book.state == MarketState.LIMIT_ONLY:
        return c.order_type == OrderType.LIMIT
    return book.state == MarketState.TRADING


def refusal_of_new(  # noqa: PLR0911  a rule a line, and their order is part of the contract
    book: Book | None, live: Container[int], c: Command, time_ns: int
) -> Reason:
    """The first rule that a NEW command breaks."""
    if not is_known_shape(c):
        return Reason.INVALID_COMMAND
    if book is None:
        return Reason.UNKNOWN_INSTRUMENT
    if not 0 < c.quantity_lots <= book.definition.max_quantity_lots:
        return Reason.QUANTITY_OUT_OF_RANGE
    if not is_consistent(c):
        return Reason.INVALID_COMMAND
    if c.order_id in live:
        return Reason.DUPLICATE_ORDER_ID
    if not admits(book, c):
        return Reason.MARKET_STATE
    if c.price_ticks and not book.allows_price(c.price_ticks):
        return Reason.PRICE_OUT_OF_RANGE
    if c.tif == TimeInForce.GTD and c.expire_ns <= time_ns:
        return Reason.EXPIRED
    if c.flags & Flag.POST_ONLY and would_take(book, c.side, c.price_ticks):
        return Reason.POST_ONLY_WOULD_TAKE
    return Reason.NONE


def reprice_refusal(book: Book, order: Order, price: int, cap: int) -> Reason:
    """Why a resting order may not go to this price."""
    post_only = book.state == MarketState.POST_ONLY or order.flags & Flag.POST_ONLY
    if book.state not in {MarketState.TRADING, MarketState.LIMIT_ONLY, MarketState.POST_ONLY}:
        return Reason.MARKET_STATE
    if not book.allows_price(price):
        return Reason.PRICE_OUT_OF_RANGE
    if not reaches(order.side, cap, price):
        return Reason.PRICE_COLLAR
    if post_only and would_take(book, order.side, price):
        return Reason.POST_ONLY_WOULD_TAKE
    return Reason.NONE


def replace_refusal(  # noqa: PLR0911  a rule a line, and their order is part of the contract
    book: Book, order: Order, c: Command, time_ns: int, *, price: int, total: int
) -> Reason:
    """The first rule that a REPLACE command breaks, to this price and total quantity."""
    if min(c.price_ticks, c.cap_ticks, c.quantity_lots, c.expire_ns) < 0 or c.trigger_ticks:
        return Reason.INVALID_COMMAND
    if c.expire_ns and order.tif != TimeInForce.GTD:
        return Reason.INVALID_COMMAND
    if c.version <= order.version:
        return Reason.STALE_VERSION
    if total > book.definition.max_quantity_lots:
        return Reason.QUANTITY_OUT_OF_RANGE
    if 0 < c.expire_ns <= time_ns:
        return Reason.EXPIRED
    if c.cap_ticks and not reaches(order.side, c.cap_ticks, price):
        return Reason.INVALID_COMMAND
    return reprice_refusal(book, order, price, c.cap_ticks or price)


def whole_fill_refusal(book: Book, order: Order, limit: int, budget: int) -> Reason:
    """Why an order cannot fill whole at once: plays the sweep on copies of the makers."""
    queue = [
        [maker.price, maker.visible, maker.remaining, maker.display, maker.account_id]
        for maker in book.opposite(order.side)
    ]
    missing, cost = order.remaining, 0
    while missing and queue and reaches(order.side, limit, queue[0][0]):
        price, visible, remaining, display, account = queue.pop(0)
        if account == order.account_id and order.stp_mode != SelfTradeMode.NONE:
            if order.stp_mode == SelfTradeMode.CANCEL_RESTING:
                continue
            break
        lots = min(missing, visible)
        missing -= lots
        cost += lots * price
        if remaining > lots:
            behind = sum(1 for maker in queue if maker[0] == price)
            peak = min(display, remaining - lots)
            queue.insert(behind, [price, peak, remaining - lots, display, account])
    if missing:
        return Reason.FOK_NOT_FILLABLE
    if order.tif == TimeInForce.FOK_BUDGET:
        over = cost > budget if order.side == Side.BUY else cost < budget
        return Reason.BUDGET_EXHAUSTED if over else Reason.NONE
    return Reason.NONE


def instrument_record(book: Book) -> bytes:
    """INSTRUMENT record of the state."""
    d = book.definition
    return _INSTRUMENT_RECORD.pack(
        2, book.state, d.perpetual, d.instrument_id, d.version, d.max_quantity_lots,
        d.min_ticks, d.max_ticks, d.reference_price_ticks, d.collar_bps, d.band_bps,
        book.last_price, book.state_version, 0,
    )  # fmt: skip


def order_record(order: Order) -> bytes:
    """ORDER record of the state."""
    return _ORDER_RECORD.pack(
        3, order.side, order.order_type, order.tif, order.flags, order.stp_mode,
        order.instrument_id, order.version, order.order_id, order.account_id, order.price,
        order.remaining, order.cumulative, order.cap, order.visible, order.display, 0,
        order.expire_ns, 0,
    )  # fmt: skip
