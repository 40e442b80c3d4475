"""A desk that types commands into an engine and reads what comes back, for conformance tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from svc.engine.records import (
    Command,
    CommandKind,
    Event,
    EventKind,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    unpack_events,
)

BUY, SELL = Side.BUY, Side.SELL
INSTRUMENT = 1


class AnyEngine(Protocol):
    """What the engine and its reference have in common."""

    def apply(self, commands: bytes, time_ns: int) -> memoryview | bytes:
        """Applies a batch."""
        ...

    def l2(
        self, instrument_id: int, depth: int
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """The best levels."""
        ...

    def state_hash(self) -> int:
        """Hash of the whole state."""
        ...

    @property
    def next_deadline_ns(self) -> int | None:
        """The next expiry."""
        ...

    @property
    def live_orders(self) -> int:
        """How many rest."""
        ...


class Desk:
    """One instrument on one engine; every call returns the events it made."""

    def __init__(self, engine: AnyEngine) -> None:
        self.engine = engine
        self.time_ns = 1_000
        self.version = 0
        self.instrument()

    def send(self, *commands: Command | InstrumentCommand) -> list[Event]:
        """Applies commands as one batch at the desk's time."""
        records = b"".join(command.pack() for command in commands)
        return unpack_events(self.engine.apply(records, self.time_ns))

    def instrument(self, instrument_id: int = INSTRUMENT, **fields: int) -> list[Event]:
        """Defines the instrument under the next version."""
        self.version += 1
        definition = {"state": MarketState.TRADING, "max_quantity_lots": 10**15, **fields}
        return self.send(InstrumentCommand(instrument_id, self.version, **definition))

    def perpetual(self, **fields: int) -> list[Event]:
        """Begins a market anew whose instrument is a perpetual: what it is never changes."""
        self.engine = type(self.engine)()
        return self.instrument(perpetual=1, **fields)

    def state(self, state: MarketState) -> list[Event]:
        """Sets the market's state under the next version."""
        self.version += 1
        return self.send(self.of(CommandKind.STATE, side=state, version=self.version))

    def new(self, order_id: int, side: Side, price: int, lots: int, **fields: int) -> list[Event]:
        """A limit order, GTC, of an account of its own, unless fields say otherwise."""
        return self.send(self.order(order_id, side, price, lots, **fields))

    def market(self, order_id: int, side: Side, lots: int, **fields: int) -> list[Event]:
        """A market order, IOC unless fields say otherwise."""
        wanted = {"order_type": OrderType.MARKET, "tif": TimeInForce.IOC, **fields}
        return self.send(self.order(order_id, side, 0, lots, **wanted))

    def order(self, order_id: int, side: Side, price: int, lots: int, **fields: int) -> Command:
        """The command of `new`."""
        wanted = {
            "order_type": OrderType.LIMIT,
            "tif": TimeInForce.GTC,
            "stp_mode": SelfTradeMode.NONE,
            "version": 1,
            "account_id": 1_000 + order_id,
            **fields,
        }
        return self.of(
            CommandKind.NEW,
            order_id=order_id,
            side=side,
            price_ticks=price,
            quantity_lots=lots,
            **wanted,
        )

    def of(self, kind: CommandKind, **fields: int) -> Command:
        """A command on the desk's instrument."""
        return Command(kind, **{"instrument_id": INSTRUMENT, **fields})

    def cancel(self, order_id: int, **fields: int) -> list[Event]:
        """Cancels as an operator, unless an account is given."""
        return self.send(self.of(CommandKind.CANCEL, order_id=order_id, **fields))

    def swap(
        self, old: int, new: int, side: Side, price: int, lots: int, **fields: int
    ) -> list[Event]:
        """Cancels an order and enters another, of the account 1,000 + old id."""
        entering = self.order(new, side, price, lots, **{"account_id": 1_000 + old, **fields})
        kind = CommandKind.CANCEL_REPLACE
        return self.send(replace(entering, kind=kind, order_id=old, new_order_id=new))

    def move(self, order_id: int, price: int) -> list[Event]:
        """Moves an order."""
        return self.send(self.of(CommandKind.MOVE, order_id=order_id, price_ticks=price))

    def reduce(self, order_id: int, lots: int) -> list[Event]:
        """Reduces an order."""
        return self.send(self.of(CommandKind.REDUCE, order_id=order_id, quantity_lots=lots))

    def replace(self, order_id: int, version: int = 2, **fields: int) -> list[Event]:
        """Replaces an order."""
        return self.send(self.of(CommandKind.REPLACE, order_id=order_id, version=version, **fields))

    def wait_until(self, time_ns: int) -> list[Event]:
        """Lets time pass."""
        self.time_ns = time_ns
        return self.send(self.of(CommandKind.ADVANCE_TIME, instrument_id=0))

    @property
    def bids(self) -> list[tuple[int, int, int]]:
        """Price, visible lots, orders from the best bid on."""
        return self.engine.l2(INSTRUMENT, 100)[0]

    @property
    def asks(self) -> list[tuple[int, int, int]]:
        """Price, visible lots, orders from the best ask on."""
        return self.engine.l2(INSTRUMENT, 100)[1]


def kinds(events: list[Event]) -> list[EventKind]:
    """What happened, in order."""
    return [EventKind(event.kind) for event in events]


def trades(events: list[Event]) -> list[tuple[int, int, int]]:
    """(maker's order id, price, lots) of the trades, in order."""
    return [
        (event.maker_order_id, event.price_ticks, event.quantity_lots)
        for event in events
        if event.kind == EventKind.TRADE
    ]
