"""An instrument and accounts of one's own, for programs that trade on a running exchange.

Replay and bench neither disturb the markets that are there nor are disturbed by them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.v1 import engine_pb2, engine_pb2_grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from order.v1 import order_pb2, order_pb2_grpc
from risk.v1 import risk_pb2, risk_pb2_grpc
from trading.v1 import trading_pb2

from mesh.demo import Trader, credit, new_traders
from mesh.installation import Installation
from svc.topology import MARKET

_TOKEN_LIFETIME_S = 24 * 3600
_COLLAR_BPS = 5000
_OPEN_TIMEOUT_S = 30
_PAUSE_S = 0.02


class ListingError(Exception):
    """The exchange cannot list what was asked for."""


@dataclass(frozen=True, slots=True)
class Seat:
    """An account and the token that lets its bearer trade for it."""

    trader: Trader
    token: str


async def list_instrument(
    installation: Installation,
    *,
    base: str,
    quote: str,
    tick: str,
    lot: str,
    max_quantity: str,
    suffix: str,
    reference_price: str = "",
) -> metadata_pb2.Instrument:
    """List a spot instrument BASE-QUOTE-<suffix><n> with the first n that is free, and open it.

    Its minimum notional is 0 and its fees are those of the basic tier. Raises ListingError where
    an asset is unknown, and grpc.aio.AioRpcError for what metadata refuses.
    """
    async with installation.operator_channel("metadata") as channel:
        stub = metadata_pb2_grpc.MetadataServiceStub(channel)
        known = await stub.ListInstruments(metadata_pb2.ListInstrumentsRequest())
        assets = {asset.symbol for asset in known.assets}
        if missing := {base, quote} - assets:
            raise ListingError(
                f"unknown asset {', '.join(sorted(missing))}: known are {', '.join(sorted(assets))}"
            )
        symbols = {instrument.symbol for instrument in known.instruments}
        number = 1
        while f"{base}-{quote}-{suffix}{number}" in symbols:
            number += 1
        wanted = metadata_pb2.Instrument(
            id=max((instrument.id for instrument in known.instruments), default=0) + 1,
            symbol=f"{base}-{quote}-{suffix}{number}",
            kind=trading_pb2.InstrumentKind.SPOT,
            market=MARKET,
            base_asset=base,
            quote_asset=quote,
            tick_size=tick,
            lot_size=lot,
            min_notional="0",
            max_quantity=max_quantity,
            max_leverage=1,
            collar_bps=_COLLAR_BPS,
            reference_price=reference_price,
            maker_fee_ppm=1500,
            taker_fee_ppm=2500,
            wished_state=trading_pb2.MarketState.TRADING,
        )
        answer = await stub.PutInstruments(metadata_pb2.PutInstrumentsRequest(instruments=[wanted]))
        await _open(stub, wanted.id)
    await _known_to_orders(installation)
    return answer.instruments[0]


async def _open(stub: metadata_pb2_grpc.MetadataServiceAsyncStub, instrument_id: int) -> None:
    """Wait until the engine trades the instrument."""
    async with asyncio.timeout(_OPEN_TIMEOUT_S):
        while True:
            known = await stub.ListInstruments(metadata_pb2.ListInstrumentsRequest())
            for instrument in known.instruments:
                trading = instrument.state == trading_pb2.MarketState.TRADING
                if instrument.id == instrument_id and trading:
                    return
            await asyncio.sleep(_PAUSE_S)


async def _known_to_orders(installation: Installation) -> None:
    """Wait until the order service has seen what the engine has said so far."""
    async with (
        installation.operator_channel("engine") as engine,
        installation.operator_channel("order") as order,
        asyncio.timeout(_OPEN_TIMEOUT_S),
    ):
        status = await engine_pb2_grpc.EngineServiceStub(engine).GetStatus(
            engine_pb2.GetStatusRequest(market=MARKET)
        )
        stub = order_pb2_grpc.MarketCommandServiceStub(order)
        request = order_pb2.GetMarketProgressRequest(market=MARKET)
        while True:
            progress = await stub.GetMarketProgress(request)
            if progress.applied.sequence >= status.position.sequence:
                return
            await asyncio.sleep(_PAUSE_S)


async def seats(installation: Installation, count: int, funds: Mapping[str, str]) -> Sequence[Seat]:
    """Accounts nobody else has, each with these funds and no limits of risk but the switches."""
    traders = new_traders(installation, count)
    accounts = [trader.account_id for trader in traders]
    await credit(installation, "seat", accounts, funds)
    async with installation.operator_channel("risk") as channel:
        stub = risk_pb2_grpc.RiskServiceStub(channel)
        unlimited = risk_pb2.AccountLimits(max_notional="0", max_quantity="0")
        for account_id in accounts:
            await stub.SetAccountLimits(
                risk_pb2.SetAccountLimitsRequest(account_id=account_id, limits=unlimited)
            )
    issuer = installation.issuer()
    now_s = time.time_ns() // 1_000_000_000
    return [
        Seat(
            trader,
            issuer.issue(
                trader.user_id, trader.account_id, now_s=now_s, lifetime_s=_TOKEN_LIFETIME_S
            ),
        )
        for trader in traders
    ]
