"""What the reference engine knows of orders and books, and every rule that refuses something.

Pure functions of an order, a book and a command. Invariant: none of them changes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

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
MAX_ORDERS = 1 << 27  # live ones, of the whole market
ANY_PRICE = 2 * MAX_TICKS
MAX_POSITION_LOTS = 1 << 62
MAX_CAP = (1 << 62) - 2  # one above it counts as this in an auction, a floor as one more
RESTS = (TimeInForce.GTC, TimeInForce.GTD)
MARKETS = (OrderType.MARKET, OrderType.STOP_MARKET)
STOPS = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)
_OPEN = (MarketState.TRADING, MarketState.LIMIT_ONLY, MarketState.POST_ONLY, MarketState.AUCTION)


class Indication(NamedTuple):
    """What an auction would print: price, lots, and surplus (positive: of the buy side)."""

    price: int
    lots: int
    surplus: int


NOTHING = Indication(0, 0, 0)


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
    trigger: int = 0
    waits: bool = False
    cumulative: int = 0
    visible: int = 0
    place: int = 0
    trail: int = 0
    """How far the trigger follows: above 0 ticks, below 0 basis points, 0 not at all."""
    activation: int = 0
    """The trade price from which it follows; 0: it does."""

    def rank(self) -> tuple[int, int]:
        """Sorts a side from the best price on, stops from the nearest trigger on, then by time."""
        if self.activation:
            return (-self.activation if self.side == Side.BUY else self.activation, self.place)
        if self.waits:
            return (self.trigger if self.side == Side.BUY else -self.trigger, self.place)
        return (-self.reach() if self.side == Side.BUY else self.reach(), self.place)

    def followed(self, price: int) -> int:
        """The trigger of a trailing stop after a trade at `price`."""
        return followed(self.side, self.trail, self.trigger, price)

    def reach(self) -> int:
        """The worst price of an order in a book: its limit, or a market order's cap or floor."""
        if self.price or self.cap:
            return min(self.price or self.cap, MAX_CAP if self.side == Side.BUY else MAX_CAP + 1)
        return ANY_PRICE if self.side == Side.BUY else 0


@dataclass(slots=True)
class Book:
    """An instrument: its definition and the two sides of its book, best order first."""

    definition: InstrumentCommand
    state: int
    state_version: int = 0
    last_price: int = 0
    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    buy_stops: list[Order] = field(default_factory=list)
    sell_stops: list[Order] = field(default_factory=list)
    market_buys: list[Order] = field(default_factory=list)
    market_sells: list[Order] = field(default_factory=list)
    """Market orders that an auction has collected."""
    trailing_buys: list[Order] = field(default_factory=list)
    trailing_sells: list[Order] = field(default_factory=list)
    """Stops whose trigger follows the trades."""
    sleeping_buys: list[Order] = field(default_factory=list)
    sleeping_sells: list[Order] = field(default_factory=list)
    """Trailing stops that wait for their activation price."""
    indicated: Indication = NOTHING
    """What the last INDICATIVE_PRICE of the auction said."""
    traded: list[int] = field(default_factory=list)
    """Prices of the trades of the command that runs."""
    price_before: int = 0
    """Last price before the first of them."""
    positions: Counter[int] = field(default_factory=Counter)
    """Net lots by account, of the trades in a perpetual."""

    def add_position(self, account_id: int, lots: int) -> None:
        """Books lots of a trade, buys positive."""
        held = self.positions[account_id] + lots
        self.positions[account_id] = max(-MAX_POSITION_LOTS, min(held, MAX_POSITION_LOTS))

    def allowed_lots(self, order: Order, lots: int) -> int:
        """How many of `lots` an order may trade: a reduce-only one no more than its position."""
        if not order.flags & Flag.REDUCE_ONLY or not self.definition.perpetual:
            return lots
        held = self.positions[order.account_id]
        return max(0, min(-held if order.side == Side.BUY else held, lots))

    def queue(self, order: Order) -> list[Order]:
        """Where an order stands or belongs: its side, or the stops of its side."""
        if order.activation:
            return self.sleeping_buys if order.side == Side.BUY else self.sleeping_sells
        if order.waits and order.trail:
            return self.trailing_buys if order.side == Side.BUY else self.trailing_sells
        if order.waits:
            return self.buy_stops if order.side == Side.BUY else self.sell_stops
        if order.order_type in MARKETS:
            return self.market_buys if order.side == Side.BUY else self.market_sells
        return self.bids if order.side == Side.BUY else self.asks

    def live(self) -> list[Order]:
        """Every order, in the order of the state's records."""
        return [
            *self.bids, *self.asks, *self.market_buys, *self.market_sells, *self.buy_stops,
            *self.sell_stops, *self.trailing_buys, *self.trailing_sells, *self.sleeping_buys,
            *self.sleeping_sells,
        ]  # fmt: skip

    def is_through(self, side: int, trigger: int) -> bool:
        """Whether the last trade has reached the trigger of a stop of this side."""
        return self.last_price > 0 and reaches(side, self.last_price, trigger)

    def allows(self, *prices: int, before: int = 0) -> bool:
        """Whether all prices lie within the instrument's bounds, or are as before; 0 is none."""
        low, high = self.definition.min_ticks, self.definition.max_ticks
        return all(price in (0, before) or low <= price <= high for price in prices)

    def opposite(self, side: int) -> list[Order]:
        """The resting orders that an order of this side meets."""
        return self.asks if side == Side.BUY else self.bids


def reaches(side: int, limit: int, price: int) -> bool:
    """Whether an order of this side and limit may trade at `price`."""
    return price <= limit if side == Side.BUY else price >= limit


def bound(side: int, base: int, bps: int) -> int:
    """How far from `base` an order of this side may trade, rounded towards it; bps 0: anywhere."""
    if side == Side.BUY:
        return base * (MAX_BPS + bps) // MAX_BPS if bps else 2 * MAX_TICKS
    return -(base * (MAX_BPS - bps) // -MAX_BPS) if bps else 1


def market_limit(book: Book, order: Order) -> int:
    """The worst price for a market order: cap or floor, and the collar.

    That counts from the best price, of a stop from its trigger.
    """
    base = order.trigger or book.opposite(order.side)[0].price
    collar = bound(order.side, base, book.definition.collar_bps)
    if order.side == Side.SELL:
        return max(order.cap, collar)
    return min(order.cap, collar) if order.cap else collar


def band_limit(book: Book, order: Order) -> int:
    """The last price inside the band: around the last trade before this command.

    Before the first trade it counts from the reference price; without one there is no band.
    """
    base = book.price_before if book.traded else book.last_price
    base = base or book.definition.reference_price_ticks
    return bound(order.side, base, book.definition.band_bps if base else 0)


def is_own(groups: Mapping[int, int], account: int, other: int) -> bool:
    """Whether two accounts are one, or in one self-trade group."""
    return account == other or (account in groups and groups[account] == groups.get(other))


def is_valid_definition(command: InstrumentCommand) -> bool:
    """Whether an INSTRUMENT command makes sense."""
    return (
        0 < command.instrument_id <= MAX_INSTRUMENT_ID
        and command.version > 0
        and command.state <= MarketState.HALTED
        and command.perpetual <= 1
        and command.band_auction <= 1
        and 0 < command.max_quantity_lots <= MAX_LOTS
        and 0 < command.min_ticks <= command.max_ticks <= MAX_TICKS
        and 0 <= command.reference_price_ticks <= MAX_TICKS
        and command.collar_bps <= MAX_BPS
        and command.band_bps <= MAX_BPS
    )


def definition_refusal(book: Book | None, command: InstrumentCommand) -> Reason:
    """Why an instrument, known if it has a book, may not be defined like this."""
    if not is_valid_definition(command):
        return Reason.INVALID_COMMAND
    if book is None or command.version <= book.definition.version:
        return Reason.NONE
    if book.state == MarketState.DELISTED:
        return Reason.DELISTED
    is_other = command.perpetual != book.definition.perpetual
    return Reason.INVALID_COMMAND if is_other else Reason.NONE


def is_known_shape(c: Command) -> bool:
    """Whether the enumerations of a NEW command are known and its ids positive."""
    return (
        c.order_id > 0
        and c.account_id > 0
        and c.side in (Side.BUY, Side.SELL)
        and OrderType.LIMIT <= c.order_type <= OrderType.STOP_MARKET
        and TimeInForce.GTC <= c.tif <= TimeInForce.FOK_BUDGET
        and SelfTradeMode.NONE <= c.stp_mode <= SelfTradeMode.DECREMENT_AND_CANCEL
        and not c.flags & ~(Flag.POST_ONLY | Flag.REDUCE_ONLY)
        and c.version > 0
        and not (c.new_order_id or c.stp_group)
    )


def is_by_amount(c: Command) -> bool:
    """Whether a NEW command is a market order that buys for an amount."""
    return (
        c.order_type == OrderType.MARKET
        and c.side == Side.BUY
        and c.tif == TimeInForce.IOC
        and c.budget > 0
    )


def most_lots(book: Book, budget: int) -> int:
    """The lots that an amount pays for at the best price, for there it never gets more."""
    best = book.asks[0].price if book.asks else MAX_TICKS
    return max(1, min(book.definition.max_quantity_lots, budget // best))


def is_consistent(c: Command) -> bool:
    """Whether the fields of a NEW command agree with each other."""
    is_stop = c.order_type in STOPS
    post_only = c.flags & Flag.POST_ONLY
    if (is_stop and (c.trigger_ticks <= 0 or post_only)) or (not is_stop and c.trigger_ticks):
        return False
    if (
        (c.flags & Flag.REDUCE_ONLY and c.tif == TimeInForce.FOK)
        or c.cap_ticks < 0
        or ((c.trail_offset_ticks or c.activation_ticks) and not is_trail_consistent(c))
        or not 0 <= c.display_lots <= c.quantity_lots
        or (c.tif == TimeInForce.GTD) != (c.expire_ns != 0)
        or (c.tif not in RESTS and (post_only or c.display_lots))
    ):
        return False
    if c.order_type in MARKETS:
        at_once = c.tif in (TimeInForce.IOC, TimeInForce.FOK)
        return at_once and c.price_ticks == 0 and (c.budget == 0 or is_by_amount(c))
    if c.cap_ticks and c.price_ticks and not reaches(c.side, c.cap_ticks, c.price_ticks):
        return False
    if c.tif == TimeInForce.FOK_BUDGET:
        is_plain = c.order_type == OrderType.LIMIT and not c.flags
        return is_plain and c.budget > 0 and c.price_ticks >= 0
    return c.budget == 0 and c.price_ticks > 0


def is_trail_consistent(c: Command) -> bool:
    """Whether a trailing stop's distance and activation price make sense beside its trigger."""
    if c.activation_ticks and reaches(c.side, c.activation_ticks, c.trigger_ticks):
        return False
    return (
        c.order_type in STOPS
        and c.activation_ticks >= 0
        and -MAX_BPS < c.trail_offset_ticks <= MAX_TICKS
        and c.trail_offset_ticks != 0
    )


def sleeps(book: Book, c: Command) -> bool:
    """Whether a trailing stop has to wait for its activation price."""
    is_reached = book.last_price and reaches(c.side, c.activation_ticks, book.last_price)
    return c.activation_ticks != 0 and not is_reached


def followed(side: int, trail: int, trigger: int, price: int) -> int:
    """A trailing stop's trigger after a trade at `price`: at least a tick away, never backwards."""
    if side == Side.BUY:
        target = price + trail if trail > 0 else bound(side, price, -trail)
        return min(trigger, max(target, price + 1))
    target = price - trail if trail > 0 else bound(side, price, -trail)
    return max(trigger, min(target, price - 1))


def would_take(book: Book, side: int, price: int) -> bool:
    """Whether an order of this side and limit would trade at once."""
    makers = book.opposite(side)
    return bool(makers) and reaches(side, price, makers[0].price)


def admits(book: Book, c: Command) -> bool:
    """Whether the market's state lets a NEW command through."""
    if book.state == MarketState.POST_ONLY:
        return bool(c.flags & Flag.POST_ONLY)
    if book.state == MarketState.LIMIT_ONLY:
        return c.order_type == OrderType.LIMIT and c.price_ticks != 0
    if book.state == MarketState.AUCTION:
        return is_collected(c)
    return book.state == MarketState.TRADING


def is_collected(c: Command) -> bool:
    """Whether an auction takes a NEW command: what can stand there until the uncross, and stops."""
    if c.order_type == OrderType.LIMIT:
        return c.tif in RESTS and not c.flags & Flag.POST_ONLY
    if c.order_type == OrderType.MARKET:
        return c.tif == TimeInForce.IOC and c.budget == 0
    return True


def refusal_of_new(  # noqa: PLR0911  a rule a line, and their order is part of the contract
    book: Book | None, live: Collection[int], c: Command, time_ns: int
) -> Reason:
    """The first rule that a NEW command breaks."""
    if not is_known_shape(c):
        return Reason.INVALID_COMMAND
    if book is None:
        return Reason.UNKNOWN_INSTRUMENT
    least = 0 if is_by_amount(c) else 1
    if not least <= c.quantity_lots <= book.definition.max_quantity_lots:
        return Reason.QUANTITY_OUT_OF_RANGE
    if not is_consistent(c):
        return Reason.INVALID_COMMAND
    if c.flags & Flag.REDUCE_ONLY and not book.definition.perpetual:
        return Reason.REDUCE_ONLY
    if c.order_id in live:
        return Reason.DUPLICATE_ORDER_ID
    if not admits(book, c):
        return Reason.MARKET_STATE
    if not book.allows(c.price_ticks, c.trigger_ticks, c.activation_ticks):
        return Reason.PRICE_OUT_OF_RANGE
    if c.tif == TimeInForce.GTD and c.expire_ns <= time_ns:
        return Reason.EXPIRED
    return arrival_refusal(book, live, c)


def arrival_refusal(book: Book, live: Collection[int], c: Command) -> Reason:
    """The first rule that a NEW command breaks because of what the market is just now."""
    if len(live) >= MAX_ORDERS:
        return Reason.BOOK_FULL
    if c.flags & Flag.POST_ONLY and would_take(book, c.side, c.price_ticks):
        return Reason.POST_ONLY_WOULD_TAKE
    if c.trigger_ticks and not sleeps(book, c) and book.is_through(c.side, c.trigger_ticks):
        return Reason.STOP_WOULD_TRIGGER
    return Reason.NONE


def swap_refusal(
    book: Book | None, live: Collection[int], order: Order | None, c: Command, time_ns: int
) -> Reason:
    """Why the NEW command `c` may not take the place of an order."""
    if order is None:
        return Reason.UNKNOWN_ORDER
    if order.account_id != c.account_id:
        return Reason.NOT_OWNER
    if (order.side, order.instrument_id) != (c.side, c.instrument_id):
        return Reason.INVALID_COMMAND
    return refusal_of_new(book, live, c, time_ns)


def reprice_refusal(book: Book, order: Order, price: int, cap: int) -> Reason:
    """Why a resting order may not go to this price."""
    post_only = book.state == MarketState.POST_ONLY or order.flags & Flag.POST_ONLY
    if order.order_type in MARKETS:
        return Reason.INVALID_COMMAND
    if book.state not in _OPEN:
        return Reason.MARKET_STATE
    if price == 0 or not book.allows(price, before=order.price):
        return Reason.PRICE_OUT_OF_RANGE
    if not reaches(order.side, cap, price):
        return Reason.PRICE_COLLAR
    if post_only and book.state != MarketState.AUCTION and would_take(book, order.side, price):
        return Reason.POST_ONLY_WOULD_TAKE
    return Reason.NONE


def retrigger_refusal(book: Book, order: Order, price: int, trigger: int) -> Reason:
    """Why a stop that waits may not have this limit price, and this new trigger if there is one."""
    if book.state not in _OPEN:
        return Reason.MARKET_STATE
    if not book.allows(price, before=order.price) or not book.allows(trigger, before=order.trigger):
        return Reason.PRICE_OUT_OF_RANGE
    if trigger and book.is_through(order.side, trigger):
        return Reason.STOP_WOULD_TRIGGER
    return Reason.NONE


def replace_refusal(  # noqa: PLR0911  a rule a line, and their order is part of the contract
    book: Book, order: Order, c: Command, time_ns: int, *, price: int, total: int
) -> Reason:
    """The first rule that a REPLACE command breaks, to this price and total quantity."""
    if min(c.price_ticks, c.cap_ticks, c.quantity_lots, c.expire_ns, c.trigger_ticks) < 0:
        return Reason.INVALID_COMMAND
    if c.trigger_ticks and (not order.waits or order.trail):
        return Reason.INVALID_COMMAND
    if c.price_ticks and order.order_type == OrderType.STOP_MARKET:
        return Reason.INVALID_COMMAND
    if c.expire_ns and order.tif != TimeInForce.GTD:
        return Reason.INVALID_COMMAND
    if c.version <= order.version:
        return Reason.STALE_VERSION
    if total > max(book.definition.max_quantity_lots, order.cumulative + order.remaining):
        return Reason.QUANTITY_OUT_OF_RANGE
    if 0 < c.expire_ns <= time_ns:
        return Reason.EXPIRED
    if c.cap_ticks and price and not reaches(order.side, c.cap_ticks, price):
        return Reason.INVALID_COMMAND
    if order.waits:
        return retrigger_refusal(book, order, price, c.trigger_ticks)
    return reprice_refusal(book, order, price, c.cap_ticks or price)


def whole_fill_refusal(
    book: Book, groups: Mapping[int, int], order: Order, limit: int, budget: int
) -> Reason:
    """Why an order cannot fill whole at once: plays the sweep on copies of the makers.

    Reduce-only orders of others do not count: they may have nothing to reduce.
    """
    queue = [
        [maker.price, maker.visible, maker.remaining, maker.display, maker.account_id, maker.flags]
        for maker in book.opposite(order.side)
    ]
    missing, cost = order.remaining, 0
    while missing and queue and reaches(order.side, limit, queue[0][0]):
        price, visible, remaining, display, account, flags = queue.pop(0)
        is_met = order.stp_mode != SelfTradeMode.NONE
        if is_met and is_own(groups, order.account_id, account):
            if order.stp_mode == SelfTradeMode.CANCEL_RESTING:
                continue
            break
        if flags & Flag.REDUCE_ONLY:
            continue
        lots = min(missing, visible)
        missing -= lots
        cost += lots * price
        if remaining > lots:
            behind = sum(1 for maker in queue if maker[0] == price)
            peak = min(display, remaining - lots)
            queue.insert(behind, [price, peak, remaining - lots, display, account, flags])
    if missing:
        return Reason.FOK_NOT_FILLABLE
    if order.tif == TimeInForce.FOK_BUDGET:
        over = cost > budget if order.side == Side.BUY else cost < budget
        return Reason.BUDGET_EXHAUSTED if over else Reason.NONE
    return Reason.NONE
