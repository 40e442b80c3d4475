"""A state machine over both engines: any commands in any order, with shrinking when they differ.

The space is small on purpose: few ids, accounts and prices, so that orders meet, ids come again
and every state is reached. Invariants after each step: the same events, hashes and state records;
gapless sequences; a book that is not crossed; what the state's records restore to goes on alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from svc.engine.book import Engine
from svc.engine.records import (
    MAX_TICKS,
    RECORD_BYTES,
    Command,
    CommandKind,
    Event,
    Flag,
    InstrumentCommand,
    MarketState,
    OrderType,
    SelfTradeMode,
    Side,
    TimeInForce,
    pack_commands,
    unpack_events,
)
from svc.engine.reference import ReferenceEngine

INSTRUMENTS = (1, 2)
SIDES = st.sampled_from([Side.BUY, Side.SELL])
IDS = st.integers(1, 12)
ACCOUNTS = st.integers(1, 3)
PRICES = st.integers(96, 104)
LOTS = st.integers(1, 9)
MAYBE_PRICE = st.just(0) | PRICES
TIMES = st.integers(1_001, 1_020)
CHANGES = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.MOVE, CommandKind.REPLACE)
EDGES = st.sampled_from([0, 1, -1, 7, MAX_TICKS, MAX_TICKS + 1, 2**62, 2**63 - 1, -(2**63)])
COMMON = {
    "side": SIDES,
    "stp_mode": st.sampled_from(SelfTradeMode),
    "instrument_id": st.sampled_from(INSTRUMENTS),
    "version": st.just(1),
    "order_id": IDS,
    "account_id": ACCOUNTS,
}
RESTING = st.builds(
    Command,
    st.just(CommandKind.NEW),
    **COMMON,
    order_type=st.just(OrderType.LIMIT),
    tif=st.just(TimeInForce.GTC),
    flags=st.sampled_from([Flag.NONE, Flag.NONE, Flag.POST_ONLY, Flag.REDUCE_ONLY]),
    price_ticks=PRICES,
    quantity_lots=LOTS,
    display_lots=st.sampled_from([0, 0, 1, 2]),
)
EXPIRING = st.builds(
    Command,
    st.just(CommandKind.NEW),
    **COMMON,
    order_type=st.just(OrderType.LIMIT),
    tif=st.just(TimeInForce.GTD),
    price_ticks=PRICES,
    quantity_lots=LOTS,
    expire_ns=TIMES,
)
TAKING = st.builds(
    Command,
    st.just(CommandKind.NEW),
    **COMMON,
    order_type=st.just(OrderType.LIMIT),
    tif=st.sampled_from([TimeInForce.IOC, TimeInForce.FOK, TimeInForce.FOK]),
    price_ticks=PRICES,
    quantity_lots=LOTS,
)
MARKETS = st.builds(
    Command,
    st.just(CommandKind.NEW),
    **COMMON,
    order_type=st.just(OrderType.MARKET),
    tif=st.sampled_from([TimeInForce.IOC, TimeInForce.FOK]),
    quantity_lots=LOTS,
    cap_ticks=MAYBE_PRICE,
)
WITHIN_BUDGET = st.builds(
    Command,
    st.just(CommandKind.NEW),
    **COMMON,
    order_type=st.sampled_from([OrderType.LIMIT, OrderType.MARKET]),
    tif=st.sampled_from([TimeInForce.FOK_BUDGET, TimeInForce.IOC]),
    quantity_lots=st.integers(0, 3),
    budget=st.builds(int.__mul__, st.integers(1, 3), PRICES),
)
STOPS = st.builds(
    Command,
    st.just(CommandKind.NEW),
    **COMMON,
    order_type=st.sampled_from([OrderType.STOP_LIMIT, OrderType.STOP_MARKET]),
    tif=st.sampled_from([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
    price_ticks=MAYBE_PRICE,
    quantity_lots=LOTS,
    trigger_ticks=PRICES,
    trail_offset_ticks=st.sampled_from([0, 0, 1, 2, -100, -300]),
    activation_ticks=st.sampled_from([0, 0, 0, 98, 102]),
)
SWAPS = st.builds(
    Command,
    st.just(CommandKind.CANCEL_REPLACE),
    **COMMON,
    order_type=st.just(OrderType.LIMIT),
    tif=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
    flags=st.sampled_from([Flag.NONE, Flag.NONE, Flag.POST_ONLY]),
    price_ticks=PRICES,
    quantity_lots=LOTS,
    new_order_id=IDS,
)
NAMED = st.builds(
    Command,
    st.sampled_from(CHANGES),
    instrument_id=st.sampled_from(INSTRUMENTS),
    version=st.integers(1, 9),
    order_id=IDS,
    account_id=st.sampled_from([0, 0, 0, 1]),
    price_ticks=MAYBE_PRICE,
    quantity_lots=st.just(0) | LOTS,
    cap_ticks=st.sampled_from([0, 0, 0, 100]),
    trigger_ticks=st.sampled_from([0, 0, 0, 99, 101]),
    expire_ns=st.sampled_from([0, 0, 0, 1_010]),
)
AMENDS = st.builds(
    Command,
    st.just(CommandKind.REPLACE),
    instrument_id=st.sampled_from(INSTRUMENTS),
    version=st.integers(2, 9),
    order_id=IDS,
    quantity_lots=LOTS,
)
MASS_CANCELS = st.builds(
    Command,
    st.just(CommandKind.MASS_CANCEL),
    side=st.integers(0, 2),
    instrument_id=st.integers(0, 2),
    account_id=st.integers(0, 3),
)
STATES = st.builds(
    Command,
    st.just(CommandKind.STATE),
    side=st.sampled_from([*[MarketState.TRADING] * 20, *[MarketState.AUCTION] * 8, *MarketState]),
    instrument_id=st.sampled_from([*INSTRUMENTS, 9]),
    version=st.integers(1, 40),
)
DEFINITIONS = st.builds(
    InstrumentCommand,
    st.sampled_from([*INSTRUMENTS, 3, 65_536]),
    st.integers(0, 9),
    st.sampled_from(MarketState),
    st.sampled_from([20, 20, 20, 0]),
    min_ticks=st.sampled_from([1, 1, 97]),
    max_ticks=st.sampled_from([103, 10**9, 10**9]),
    reference_price_ticks=st.sampled_from([0, 100]),
    collar_bps=st.sampled_from([0, 100, 10_001]),
    band_bps=st.sampled_from([0, 200]),
    perpetual=st.integers(0, 2),
    band_auction=st.integers(0, 2),
)
GROUPS = st.builds(
    Command, st.just(CommandKind.GROUP), account_id=st.integers(0, 3), stp_group=st.integers(-1, 2)
)
# Any kind there is or is not, with any value in any field.
ODD = st.builds(
    Command,
    st.integers(0, 255),
    side=st.integers(0, 8),
    order_type=st.integers(0, 6),
    tif=st.integers(0, 7),
    flags=st.integers(0, 255),
    stp_mode=st.integers(0, 7),
    instrument_id=st.sampled_from([1, 2, 0, 65_535, 65_536, 2**32 - 1]),
    version=st.sampled_from([1, 0, -1, 2**31 - 1, -(2**31)]),
    order_id=IDS | EDGES,
    account_id=ACCOUNTS | EDGES,
    price_ticks=PRICES | EDGES,
    quantity_lots=LOTS | EDGES,
    cap_ticks=MAYBE_PRICE | EDGES,
    stp_group=st.just(0) | EDGES,
    trigger_ticks=MAYBE_PRICE | EDGES,
    display_lots=st.just(0) | EDGES,
    budget=st.just(0) | EDGES,
    expire_ns=st.just(0) | TIMES | EDGES,
    trail_offset_ticks=st.just(0) | EDGES,
    new_order_id=st.just(0) | IDS | EDGES,
    activation_ticks=st.just(0) | PRICES | EDGES,
)
ORDERS = RESTING | EXPIRING | TAKING | MARKETS | WITHIN_BUDGET | STOPS
BYTES = st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES)


class BooksMachine(RuleBasedStateMachine):
    """Both engines behind one door; every rule is a batch for both."""

    def __init__(self) -> None:
        super().__init__()
        self.engine, self.reference = Engine(), ReferenceEngine()
        self.time_ns = 1_000
        self.events: list[Event] = []
        opening = [
            InstrumentCommand(1, 1, MarketState.TRADING, 20, collar_bps=200),
            InstrumentCommand(
                2, 1, MarketState.TRADING, 20, reference_price_ticks=100, band_bps=300, perpetual=1
            ),
        ]
        self.send(opening)

    def send(self, commands: Sequence[Command | InstrumentCommand]) -> None:
        """Applies the commands to both and compares every byte of the events."""
        self.send_records(pack_commands(commands))

    def send_records(self, records: bytes) -> None:
        expected = self.reference.apply(records, self.time_ns)
        assert bytes(self.engine.apply(records, self.time_ns)) == expected
        self.events = unpack_events(expected)

    @rule(orders=st.lists(ORDERS, min_size=1, max_size=8))
    def enter(self, orders: list[Command]) -> None:
        self.send(orders)

    @rule(orders=st.lists(RESTING, min_size=3, max_size=8))
    def deepen(self, orders: list[Command]) -> None:
        self.send(orders)

    @rule(orders=st.lists(TAKING | MARKETS | WITHIN_BUDGET, min_size=1, max_size=4))
    def take(self, orders: list[Command]) -> None:
        self.send(orders)

    @rule(changes=st.lists(NAMED | AMENDS | SWAPS, min_size=1, max_size=4))
    def change(self, changes: list[Command]) -> None:
        self.send(changes)

    @rule(command=MASS_CANCELS)
    def mass_cancel(self, command: Command) -> None:
        self.send([command])

    @rule(command=STATES)
    def set_state(self, command: Command) -> None:
        self.send([command])

    @rule(command=DEFINITIONS)
    def define(self, command: InstrumentCommand) -> None:
        self.send([command])

    @rule(command=GROUPS)
    def group(self, command: Command) -> None:
        self.send([command])

    @rule(elapsed_ns=st.integers(0, 5))
    def wait(self, elapsed_ns: int) -> None:
        self.time_ns += elapsed_ns
        self.send([Command(CommandKind.ADVANCE_TIME)])

    @rule(command=ODD)
    def say_something_odd(self, command: Command) -> None:
        self.send([command])

    @rule(record=BYTES)
    def send_noise(self, record: bytes) -> None:
        self.send_records(record)

    @rule(order=ORDERS, at=st.integers(0, RECORD_BYTES - 1), value=st.integers(0, 255))
    def spoil_a_byte(self, order: Command, at: int, value: int) -> None:
        record = bytearray(order.pack())
        record[at] = value
        self.send_records(bytes(record))

    @rule()
    def restart(self) -> None:
        self.engine = Engine.restored(self.engine.state_records())

    @invariant()
    def both_are_in_the_same_state(self) -> None:
        assert self.engine.running_hash == self.reference.running_hash
        assert self.engine.state_records() == self.reference.state_records()
        assert self.engine.next_deadline_ns == self.reference.next_deadline_ns

    @invariant()
    def both_show_the_same_levels(self) -> None:
        for instrument_id in self.engine.instruments():
            shown = self.engine.l2(instrument_id, 20)
            assert shown == self.reference.l2(instrument_id, 20)
            assert all(lots > 0 and count > 0 for side in shown for _, lots, count in side)

    @invariant()
    def no_book_is_crossed(self) -> None:
        for instrument_id, (_, state, *_) in self.engine.instruments().items():
            bids, asks = self.engine.l2(instrument_id, 1)
            # A halt may keep what an auction has collected.
            if bids and asks and state not in (MarketState.AUCTION, MarketState.HALTED):
                assert bids[0][0] < asks[0][0]

    @invariant()
    def sequences_have_no_gap(self) -> None:
        made = [event.sequence for event in self.events]
        assert made == list(range(self.engine.sequence - len(made) + 1, self.engine.sequence + 1))
