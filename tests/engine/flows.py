"""Seeded random flows of commands: mostly sensible, sometimes wrong on purpose."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from svc.engine.records import (
    Command,
    CommandKind,
    Flag,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
)

SECOND_NS = 1_000_000_000
STEP_NS = SECOND_NS // 7
START_NS = 1_700_000_000 * SECOND_NS
MAX_INT64 = 2**63 - 1
MAX_BPS = 10_000
HASH_FACTOR = 0x9E3779B97F4A7C15

AnyCommand = Command | InstrumentCommand

WIDE_FIELDS = (
    "order_id",
    "account_id",
    "price_ticks",
    "quantity_lots",
    "cap_ticks",
    "stp_group",
    "trigger_ticks",
    "display_lots",
    "budget",
    "expire_ns",
    "trail_offset_ticks",
    "new_order_id",
    "activation_ticks",
)


@dataclass
class Flow:
    """Makes batches around a price; the narrower the range, the more orders meet.

    With `colliding` the ids count up no more: they meet in a few slots of the engine's hash map.
    `markets` is the weight of what changes the market itself: other definitions, instruments that
    come and are delisted, cancels for all accounts, versions.

    The runner keeps `live` to ids that are live, so that commands mostly find their order.
    """

    seed: int
    price: int = 1_000
    ticks: int = 12
    accounts: int = 6
    instruments: int = 2
    lots: int = 20
    weight_of_new: int = 50
    colliding: int = 0
    auctions: int = 8
    markets: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.time_ns = START_NS
        self.next_id = 1
        self.version = 1
        self.live: list[int] = []
        self.entered: dict[int, tuple[int, int, int]] = {}
        self.places = [self.definition(i) for i in range(1, self.instruments + 1)]
        self.coming: list[InstrumentCommand] = []

    def opening(self) -> list[AnyCommand]:
        """The instruments, the first with a collar, the second a perpetual with a price band."""
        return list(self.places)

    def definition(self, place: int) -> InstrumentCommand:
        """Of the first instrument in a place: what is delisted is followed by another there."""
        return InstrumentCommand(
            instrument_id=place,
            version=1,
            state=MarketState.TRADING,
            max_quantity_lots=self.lots * 5,
            max_ticks=self.price * 2,
            collar_bps=20 if place == 1 else 0,
            band_bps=80 if place == 2 else 0,
            perpetual=int(place == 2),
            band_auction=int(place == 2 and self.auctions > 8),
            reference_price_ticks=self.price,
        )

    def batches(self, count: int, size: int) -> Iterator[tuple[list[AnyCommand], int]]:
        """Yields (commands, time) with rising times; some batches only let time pass."""
        for _ in range(count):
            self.time_ns += self.random.choice([0, 0, 1, STEP_NS])
            length = 0 if self.random.random() < 0.02 else self.random.randint(1, size)
            yield [self.command() for _ in range(length)], self.time_ns

    def command(self) -> AnyCommand:
        """One command of the mix."""
        if self.coming:
            return self.coming.pop()
        if self.markets and self.random.randrange(1_000) < self.markets:
            return self.market()
        made = self.random.choices(
            [self.new, self.cancel, self.swap, self.move, self.reduce, self.replace, self.rare],
            [self.weight_of_new, 14, 6, 16, 8, 10, 8 + self.auctions // 8],
        )[0]()
        if made.kind in (CommandKind.NEW, CommandKind.CANCEL_REPLACE):
            terms = (made.side, made.instrument_id, made.account_id)
            self.entered[made.new_order_id or made.order_id] = terms
        return self.spoiled(made) if self.random.random() < 0.03 else made

    def new(self) -> Command:
        """A new order of any kind."""
        draw = self.random
        side = draw.choice([Side.BUY, Side.SELL])
        quantity = draw.randint(1, self.lots)
        tif = draw.choices(list(TimeInForce), [60, 14, 8, 14, 8])[0]
        common = Command(
            CommandKind.NEW,
            side=side,
            order_type=OrderType.LIMIT,
            tif=tif,
            stp_mode=draw.choice(list(SelfTradeMode)),
            instrument_id=self.places[draw.randint(1, self.instruments) - 1].instrument_id,
            version=1,
            order_id=self.next_id if draw.random() < 0.97 else self.some_id(),
            account_id=draw.randint(1, self.accounts),
            quantity_lots=quantity,
        )
        self.next_id = self.colliding_id() if self.colliding else self.next_id + 1
        if self.is_perpetual(common) and tif != TimeInForce.FOK_BUDGET and draw.random() < 0.25:
            common = replace(common, flags=Flag.REDUCE_ONLY)
        price = self.some_price()
        slack = draw.choice([0, 0, 1, 5]) * (1 if side == Side.BUY else -1)
        cap = price + slack if slack else 0
        if tif == TimeInForce.FOK_BUDGET:
            quantity = draw.choice([quantity, 1, 2])
            slip = draw.choice([-1, 0, 0, 1, draw.randint(-self.lots, self.lots)])
            budget = min(quantity * price + slip, MAX_INT64)
            common = replace(common, quantity_lots=quantity, budget=budget)
            return replace(common, cap_ticks=draw.choice([0, price]))
        if tif in (TimeInForce.IOC, TimeInForce.FOK) and draw.random() < 0.5:
            if draw.random() < 0.3:
                return self.stop(replace(common, order_type=OrderType.STOP_MARKET))
            market = replace(common, order_type=OrderType.MARKET)
            if tif == TimeInForce.IOC and side == Side.BUY and draw.random() < 0.4:
                lots = draw.choice([0, 0, quantity])
                budget = min(quantity * price + draw.randint(0, 1), MAX_INT64)
                market = replace(market, quantity_lots=lots, budget=budget)
            return replace(market, cap_ticks=draw.choice([0, 0, price, price + 2 * slack]))
        limit = replace(common, price_ticks=price, cap_ticks=cap)
        if tif == TimeInForce.GTD:
            limit = replace(limit, expire_ns=self.time_ns + draw.randint(0, 12) * STEP_NS)
        if tif in (TimeInForce.GTC, TimeInForce.GTD):
            display = draw.choice([0, 0, 0, draw.randint(1, quantity)])
            flags = draw.choices([Flag.NONE, Flag.POST_ONLY], [5, 1])[0]
            limit = replace(limit, display_lots=display, flags=limit.flags | flags)
        if not limit.flags & Flag.POST_ONLY and draw.random() < 0.25:
            return self.stop(replace(limit, order_type=OrderType.STOP_LIMIT))
        return limit

    def is_perpetual(self, order: Command) -> bool:
        """Whether the order's instrument is one, as far as the flow knows."""
        return any(
            place.perpetual and place.instrument_id == order.instrument_id for place in self.places
        )

    def colliding_id(self) -> int:
        """An id whose hash (the id times HASH_FACTOR) has zeros for its highest bits."""
        while True:
            found = self.random.getrandbits(57) * pow(HASH_FACTOR, -1, 2**64) % 2**64
            if 0 < found <= MAX_INT64:
                return found

    def stop(self, command: Command) -> Command:
        """The same with a trigger that mostly lies where the market is not yet, some trailing."""
        away = self.random.randint(-1, self.ticks) * (1 if command.side == Side.BUY else -1)
        trigger = max(1, self.price + away)
        stop = replace(command, trigger_ticks=trigger)
        if self.random.random() < 0.6:
            return stop
        trail = self.random.choice(
            [self.random.randint(1, self.ticks), -self.random.randint(1, 150)]
        )
        ahead = self.random.randint(0, self.ticks) * (-1 if command.side == Side.BUY else 1)
        activation = self.random.choice([0, 0, max(1, trigger + ahead)])
        return replace(stop, trail_offset_ticks=trail, activation_ticks=activation)

    def some_price(self) -> int:
        """Around the middle, seldom far away."""
        spread = self.ticks if self.random.random() < 0.97 else self.price - 1
        return max(1, self.price + self.random.randint(-spread, spread))

    def some_id(self) -> int:
        """Mostly of a live order."""
        if self.live and self.random.random() < 0.9:
            return self.random.choice(self.live)
        return max(1, self.next_id - self.random.randint(1, 80))

    def named(self, kind: CommandKind) -> Command:
        """A command on an existing id, mostly by an operator, so that it is not refused."""
        account = self.random.choice([0, 0, 0, self.random.randint(1, self.accounts)])
        return Command(kind, order_id=self.some_id(), account_id=account)

    def cancel(self) -> Command:
        """A cancel."""
        return self.named(CommandKind.CANCEL)

    def swap(self) -> Command:
        """A cancel and a new order in one, mostly of an order that it may replace."""
        made, order_id = self.new(), self.some_id()
        if order_id in self.entered and self.random.random() < 0.9:
            side, instrument, account = self.entered[order_id]
            made = replace(made, side=side, instrument_id=instrument, account_id=account)
        return replace(
            made, kind=CommandKind.CANCEL_REPLACE, order_id=order_id, new_order_id=made.order_id
        )

    def move(self) -> Command:
        """A move to another price."""
        return replace(self.named(CommandKind.MOVE), price_ticks=self.some_price())

    def reduce(self) -> Command:
        """A reduction, sometimes by all there is."""
        lots = self.random.randint(1, self.lots)
        return replace(self.named(CommandKind.REDUCE), quantity_lots=lots)

    def replace(self) -> Command:
        """An amend of price, quantity, cap or expiry."""
        draw = self.random
        self.version += 1
        price = draw.choice([0, self.some_price()])
        return replace(
            self.named(CommandKind.REPLACE),
            version=self.version,
            price_ticks=price,
            quantity_lots=draw.choice([0, draw.randint(1, 2 * self.lots)]),
            cap_ticks=draw.choice([0, 0, self.some_price()]),
            expire_ns=draw.choice([0, 0, 0, self.time_ns + SECOND_NS]),
            trigger_ticks=draw.choice([0, 0, 0, self.some_price()]),
        )

    def rare(self) -> Command:
        """A mass cancel, a state, a group, an odd kind."""
        draw = self.random
        kind = draw.choices(
            [
                CommandKind.STATE,
                CommandKind.GROUP,
                CommandKind.MASS_CANCEL,
                CommandKind.ADVANCE_TIME,
            ],
            [12, 2, 2, 1],
        )[0]
        if kind == CommandKind.GROUP:
            account = draw.randint(1, self.accounts)
            return Command(kind, account_id=account, stp_group=draw.randint(0, 2))
        number = draw.randint(0, self.instruments)
        instrument = self.places[number - 1].instrument_id if number else 0
        if kind == CommandKind.MASS_CANCEL:
            side = draw.randint(0, 2)
            account = draw.randint(1, self.accounts)
            return Command(kind, side=side, instrument_id=instrument, account_id=account)
        if kind == CommandKind.STATE:
            self.version += 1
            often = [MarketState.TRADING] * 20 + [MarketState.AUCTION] * self.auctions
            state = draw.choice([*often, *list(MarketState)[:-1]])
            return Command(kind, side=state, instrument_id=instrument, version=self.version)
        return Command(kind)

    def market(self) -> AnyCommand:
        """Another definition, an instrument that goes, a cancel for all accounts, a version."""
        draw = self.random
        self.version += 1
        which = draw.choices(["define", "delist", "cancel", "version"], [16, 1, 3, 2])[0]
        number = draw.randrange(self.instruments)
        instrument = self.places[number].instrument_id
        if which == "define":
            return self.redefined(number)
        if which == "cancel":
            named = draw.choice([0, instrument])
            return Command(CommandKind.MASS_CANCEL, side=draw.randint(0, 2), instrument_id=named)
        if which == "version":
            return Command(CommandKind.VERSION, version=draw.randint(0, 3))
        newest = max(place.instrument_id for place in self.places) + 1
        self.places[number] = replace(self.definition(number + 1), instrument_id=newest)
        self.coming.append(self.places[number])
        return Command(
            CommandKind.STATE, side=MarketState.DELISTED, instrument_id=instrument,
            version=self.version,
        )  # fmt: skip

    def redefined(self, number: int) -> InstrumentCommand:
        """The instrument in a place under other terms; mostly those of before, seldom nonsense."""
        draw, first = self.random, self.places[number]
        made = replace(
            first,
            version=draw.choice([self.version, self.version, self.version, 1]),
            state=draw.choice(list(MarketState)[:-1]),
            max_quantity_lots=draw.choice([first.max_quantity_lots, self.lots]),
            min_ticks=draw.choice([1, 1, max(1, self.price - self.ticks)]),
            max_ticks=draw.choice([first.max_ticks, first.max_ticks, self.price + self.ticks]),
            reference_price_ticks=draw.choice([0, self.some_price()]),
            collar_bps=draw.choice([first.collar_bps, 0, 100]),
            band_bps=draw.choice([first.band_bps, first.band_bps, 0, 300]),
            perpetual=draw.choice([first.perpetual] * 5 + [1 - first.perpetual]),
            band_auction=draw.randint(0, 1),
        )
        if draw.random() < 0.9:
            return made
        name = draw.choice([field.name for field in fields(InstrumentCommand)])
        most = MAX_BPS if name.endswith("_bps") else 7
        return replace(made, **{name: draw.choice([0, 1, most, most + 1])})

    def spoiled(self, command: Command) -> Command:
        """The same with one field set to something odd."""
        draw = self.random
        if draw.random() < 0.4:
            small = draw.choice(["kind", "side", "order_type", "tif", "flags", "stp_mode"])
            value = draw.choice([0, 1, 2, 3, 5, 128, 255])
            return command if small == "kind" else replace(command, **{small: value})
        if draw.random() < 0.2:
            kind = draw.choice([0, 10, 11, 12, 255])
            # A later version would end the market: that has tests of its own.
            version = min(command.version, 1) if kind == CommandKind.VERSION else command.version
            return replace(command, kind=kind, version=version)
        if draw.random() < 0.2:
            return replace(command, instrument_id=draw.choice([0, 7, 65_535, 65_536, 2**32 - 1]))
        if draw.random() < 0.2:
            return replace(command, version=draw.choice([0, -1, 2**31 - 1, -(2**31)]))
        value = draw.choice([0, 1, 7, -1, 2**63 - 1, -(2**63), 10**15, 10**15 + 1])
        return replace(command, **{draw.choice(WIDE_FIELDS): value})
