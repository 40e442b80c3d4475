"""Every kind of order in every state: intake lets in exactly what the engine then takes.

Each kind goes through the rules of the request, and, as the bytes that intake sends, through the
engine's own, as its plain-Python specification has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from engine.v1 import records_pb2
from order.v1 import order_pb2
from trading.v1 import trading_pb2

from svc.engine import records, wire
from svc.engine.records import InstrumentCommand, Reason
from svc.engine.reference_rules import Book, refusal_of_new
from svc.kit.errors import DomainError
from svc.order import admission, encoding, terms
from svc.order.asks import Caller, Create
from svc.order.instrument import Instrument, MarketState
from svc.order.terms import OrderType, Side, TimeInForce
from tests.order.instruments import BTC_PERPETUAL, BTC_USDT, open_market

NOW_NS = 1_767_225_600_000_000_000
LATER_NS = NOW_NS + 1_000
STATES = [state for state in MarketState if state is not MarketState.UNKNOWN]
BEYOND = {Side.BUY: "60000", Side.SELL: "64000"}


def requests() -> Iterator[order_pb2.CreateOrderRequest]:
    """Every combination of what makes a kind of order, sense or nonsense."""
    flags = (False, True)
    for side, order_type, time_in_force, post_only, reduce_only, shown, trails, amount in product(
        Side, OrderType, TimeInForce, flags, flags, flags, ("", "bps", "offset", "asleep"), flags
    ):
        priced = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        by_amount = amount and order_type == OrderType.MARKET
        yield order_pb2.CreateOrderRequest(
            side=int(side),  # type: ignore[arg-type]
            type=int(order_type),  # type: ignore[arg-type]
            time_in_force=int(time_in_force),  # type: ignore[arg-type]
            quantity="" if by_amount else "0.5",
            price="62000" if priced else "",
            stop_price="62000" if order_type > OrderType.MARKET else "",
            quote_amount="40000" if amount else "",
            display_quantity="0.1" if shown else "",
            trail_bps=25 if trails in ("bps", "asleep") else 0,
            trail_offset="100" if trails == "offset" else "",
            activation_price=BEYOND[side] if trails == "asleep" else "",
            post_only=post_only,
            reduce_only=reduce_only,
        )


def read(request: order_pb2.CreateOrderRequest, instrument: Instrument) -> Create | None:
    """The order, if the rules of the request let it pass."""
    expires_ns = LATER_NS if request.time_in_force == trading_pb2.TimeInForce.GTD else 0
    try:
        found = terms.read(request, instrument, expires_ns)
    except DomainError:
        return None
    create = Create(Caller(7, 8, "api", "", None), found, "", None)
    create.order_id = 9
    return create


def engine_refusal(create: Create, state: MarketState) -> Reason:
    """What the engine says to the bytes that intake sends, with an empty book and no trade yet."""
    instrument = create.terms.instrument
    batch = encoding.CommandBatch()
    batch.add_new_order(create)
    message = records_pb2.CommandBatch.FromString(batch.payload())
    (command,) = records.unpack_commands(wire.pack_commands(message))
    assert isinstance(command, records.Command)
    definition = InstrumentCommand(
        instrument_id=instrument.id,
        version=1,
        state=int(state),
        max_quantity_lots=instrument.max_quantity_lots,
        perpetual=int(instrument.perpetual),
    )
    return refusal_of_new(Book(definition, int(state)), (), command, NOW_NS)


@pytest.mark.parametrize("instrument", [BTC_USDT, BTC_PERPETUAL], ids=lambda i: str(i.symbol))
@pytest.mark.parametrize("state", STATES, ids=lambda state: str(state.name))
def test_what_intake_lets_in_the_engine_takes_and_nothing_else_is_kept_out(
    state: MarketState, instrument: Instrument
) -> None:
    condition = open_market(state)
    kinds = 0
    for request in requests():
        create = read(request, instrument)
        if create is None:
            continue
        kinds += 1
        try:
            admission.admit(create, condition, NOW_NS)
            refused = ""
        except DomainError as error:
            refused = error.reason
            # What the engine has to judge needs its bounds, which a refusal leaves out.
            admission.admit(create, open_market(), NOW_NS)
        answer = engine_refusal(create, state)
        assert answer in (Reason.NONE, Reason.MARKET_STATE), (answer.name, request)
        assert (answer == Reason.MARKET_STATE) == bool(refused), (refused, request)
        assert not refused or refused.startswith("MARKET_")
    assert kinds > 60, "the rules of the request let hardly anything pass"
