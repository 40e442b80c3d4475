"""Makes the orders of the bench: seeded, so that two runs send the same.

The flow keeps a book alive around one price: limit orders a few ticks around it (most meet
somebody), some IOC and market orders, and cancels of the account's own recent orders.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from order.v1 import order_pb2
from trading.v1 import trading_pb2

from svc.kit.decimals import format_units

MIX = "78 % GTC limit within 3 ticks, 8 % IOC limit, 2 % market, 12 % cancel of an own order"

_SIDES = (trading_pb2.Side.BUY, trading_pb2.Side.SELL)
_CANCEL = 0.12
_MARKET = 0.02
_IOC = 0.08
_SPREAD_TICKS = 3
_MOST_LOTS = 50
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class FlowMarket:
    """A market the flow trades in: decimals of tick and lot, the price, lots."""

    symbol: str
    price_scale: int
    quantity_scale: int
    price_ticks: int
    lot_step: int


class OrderFlow:
    """Items of one account. Call `accepted` with the id that a create was given.

    Orders can be made ahead by `prepare`, so that the load's own work does not slow what it
    measures; it changes none of them.
    """

    def __init__(self, seed: int, markets: Sequence[FlowMarket]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a load has no secrets
        self._turns = random.Random(f"turns {seed}")  # noqa: S311 - orders must not depend on it
        self._markets = list(markets)
        self._prepared: deque[order_pb2.OrderItem] = deque()
        self._mine: deque[str] = deque(maxlen=_REMEMBERED)
        self._keys = 0
        self._seed = seed

    def prepare(self, count: int) -> None:
        """Have this many orders ready."""
        while len(self._prepared) < count:
            self._prepared.append(order_pb2.OrderItem(create=self._made()))

    def items(self, count: int) -> list[order_pb2.OrderItem]:
        """The next items."""
        return [self._item() for _ in range(count)]

    def create(self) -> order_pb2.CreateOrderRequest:
        """The next item, where only orders can be sent."""
        return self._prepared.popleft().create if self._prepared else self._made()

    def _made(self) -> order_pb2.CreateOrderRequest:
        pick = self._random.random()
        market = self._random.choice(self._markets)
        self._keys += 1
        order = order_pb2.CreateOrderRequest(
            symbol=market.symbol,
            side=self._random.choice(_SIDES),
            quantity=format_units(
                self._random.randint(1, _MOST_LOTS) * market.lot_step, market.quantity_scale
            ),
            idempotency_key=f"{self._seed}-{self._keys}",
        )
        if pick < _MARKET:
            order.type = trading_pb2.OrderType.MARKET
            return order
        order.type = trading_pb2.OrderType.LIMIT
        if pick < _MARKET + _IOC:
            order.time_in_force = trading_pb2.TimeInForce.IOC
        distance = self._random.randint(-_SPREAD_TICKS, _SPREAD_TICKS)
        order.price = format_units(market.price_ticks + distance, market.price_scale)
        return order

    def accepted(self, order_id: str) -> None:
        """Remember an order that may be canceled later."""
        self._mine.append(order_id)

    def _item(self) -> order_pb2.OrderItem:
        if self._mine and self._turns.random() < _CANCEL:
            order_id = self._mine.pop()
            return order_pb2.OrderItem(cancel=order_pb2.CancelOrderRequest(order_id=order_id))
        if self._prepared:
            return self._prepared.popleft()
        return order_pb2.OrderItem(create=self._made())
