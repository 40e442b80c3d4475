"""Bands over the real services: a trade that would leave one opens an auction, which trades."""

from __future__ import annotations

import pytest
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from order.v1 import order_pb2
from trading.v1 import trading_pb2

from tests.order.exchange import Exchange, limit, market, refused, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOL = "BTC-USDT-BAND"
BAND_BPS = 100
State = trading_pb2.MarketState


def banded(request: order_pb2.CreateOrderRequest) -> order_pb2.CreateOrderRequest:
    """The same order in the instrument that has a band."""
    request.symbol = SYMBOL
    return request


class Operator:
    """Who lists the instrument and moves its state."""

    def __init__(self, desk: Exchange) -> None:
        channel = desk.host.channel("mesh", "metadata")
        self.metadata = metadata_pb2_grpc.MetadataServiceStub(channel)

    async def instruments(self) -> list[metadata_pb2.Instrument]:
        """What is listed."""
        answer = await self.metadata.ListInstruments(metadata_pb2.ListInstrumentsRequest())
        return list(answer.instruments)

    async def list_banded(self) -> None:
        """List the instrument: BTC-USDT with another name and a band."""
        (row,) = [row for row in await self.instruments() if row.symbol == "BTC-USDT"]
        row.id, row.symbol, row.band_bps, row.band_auction = 711, SYMBOL, BAND_BPS, True
        put = metadata_pb2.PutInstrumentsRequest(instruments=[row])
        (stands,) = (await self.metadata.PutInstruments(put)).instruments
        assert (stands.band_bps, stands.band_auction) == (BAND_BPS, True)

    async def until_state(self, state: int) -> None:
        """Wait until the engine has it in a state."""

        async def now() -> int:
            return next(row.state for row in await self.instruments() if row.symbol == SYMBOL)

        await until(now, lambda found: found == state)


async def test_a_trade_that_would_leave_the_band_opens_an_auction_of_what_may_rest(
    desk: Exchange,
) -> None:
    operator = Operator(desk)
    await operator.list_banded()
    await operator.until_state(State.TRADING)
    seller, buyer, other = await desk.trader(), await desk.trader(), await desk.trader()
    for price in ("61000", "62000"):  # 61,610 is the last price inside the band of 61,000
        asked = await seller.place(banded(limit("SELL", "0.01", price)))
        await seller.until(asked, "ACCEPTED")
    bought = await buyer.place(banded(limit("BUY", "0.02", "62000")))
    await buyer.until(bought, "PARTIALLY_FILLED")
    await operator.until_state(State.AUCTION)
    await desk.settled()
    error = await refused(other.place(banded(limit("SELL", price="62000", post_only=True))))
    assert (error.reason, error.metadata["state"]) == ("MARKET_AUCTION", "AUCTION")
    collected = await other.place(banded(market("SELL", "0.005")))
    await other.until(collected, "ACCEPTED")
    assert (await buyer.order(bought)).filled_quantity == "0.01"
    trading = metadata_pb2.SetMarketStateRequest(symbol=SYMBOL, state=State.TRADING)
    await operator.metadata.SetMarketState(trading)
    assert (await buyer.until(bought, "FILLED")).filled_quantity == "0.02"
    assert (await other.until(collected, "FILLED")).average_price == "62000"
    await seller.cancel(asked)
    await seller.until(asked, "CANCELED")
    for trader in (seller, buyer, other):
        assert (await trader.balance("BTC")).locked == (await trader.balance("USDT")).locked == "0"
