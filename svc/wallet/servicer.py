"""The RPCs of wallet.v1: messages to operations for the writer, outcomes back."""

from __future__ import annotations

from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit.call import Context
from svc.kit.errors import invalid, not_found
from svc.kit.identity import principal
from svc.kit.pipeline import takes_bytes
from svc.wallet import operations as ops
from svc.wallet import wire
from svc.wallet.asks import Refusal
from svc.wallet.catalog import CatalogFollower
from svc.wallet.instruments import Asset
from svc.wallet.metrics import WalletMetrics
from svc.wallet.writer import Writer

MAX_ITEMS = 4_096
"""Items of a list to lock or to unlock."""


class WalletServicer(wallet_pb2_grpc.WalletServiceServicer):
    """See protos/wallet/v1/wallet.proto for the contract of each method."""

    def __init__(self, writer: Writer, follower: CatalogFollower, metrics: WalletMetrics) -> None:
        self._writer = writer
        self._follower = follower
        self._catalog = follower.catalog
        self._metrics = metrics

    async def ListBalances(
        self, request: wallet_pb2.ListBalancesRequest, context: Context
    ) -> wallet_pb2.ListBalancesResponse:
        """From the memory of the last commit."""
        funds = await self._writer.committed(principal(context).account_id)
        assets = self._catalog.assets
        balances = [wire.balance_message(assets[asset], *each) for asset, each in funds.items()]
        balances.sort(key=lambda balance: balance.asset)
        return wallet_pb2.ListBalancesResponse(balances=balances)

    async def GetBalance(
        self, request: wallet_pb2.GetBalanceRequest, context: Context
    ) -> wallet_pb2.GetBalanceResponse:
        """From the memory of the last commit."""
        account_id = principal(context).account_id
        asset = await self._asset(request.asset)
        funds = await self._writer.committed(account_id)
        total, locked = funds.get(asset.asset_id, (0, 0))
        return wallet_pb2.GetBalanceResponse(balance=wire.balance_message(asset, total, locked))

    async def Credit(
        self, request: wallet_pb2.CreditRequest, context: Context
    ) -> wallet_pb2.CreditResponse:
        """Committed when answered."""
        await self._follower.find_assets({item.asset.upper() for item in request.items})
        asks = [wire.credit_of(item, self._catalog.assets_by_symbol) for item in request.items]
        results = await self._writer.submit(ops.Credit(asks))
        self._metrics.items("credit", results)
        return wallet_pb2.CreditResponse(
            results=[
                wire.credit_result(ask, result, self._catalog.assets)
                for ask, result in zip(asks, results, strict=True)
            ]
        )

    @takes_bytes
    async def LockFunds(  # type: ignore[override]  # see takes_bytes
        self, request: bytes, context: Context
    ) -> bytes:
        """Committed when answered."""
        asks = wire.asks_of(request)
        _check_count(len(asks))
        await self._follower.find_instruments(
            {ask.instrument_id for ask in asks if not isinstance(ask, Refusal)}
        )
        results = await self._writer.submit(ops.LockFunds(asks))
        self._metrics.items("lock", results)
        return wire.lock_answer(results)

    async def UnlockFunds(
        self, request: wallet_pb2.UnlockFundsRequest, context: Context
    ) -> wallet_pb2.UnlockFundsResponse:
        """Committed when answered."""
        _check_count(len(request.holds))
        keys = [wire.key_of(hold) for hold in request.holds]
        results = await self._writer.submit(ops.UnlockFunds(keys))
        self._metrics.items("unlock", results)
        return wallet_pb2.UnlockFundsResponse(results=map(wire.unlock_result, results))

    @takes_bytes
    async def SettleTrade(  # type: ignore[override]  # see takes_bytes
        self, request: bytes, context: Context
    ) -> wallet_pb2.SettleTradeResponse:
        """Committed when answered."""
        position = await self._writer.submit(ops.SettleTrade(wire.range_of(request)))
        return wallet_pb2.SettleTradeResponse(position=wire.position_message(position))

    async def ListHolds(
        self, request: wallet_pb2.ListHoldsRequest, context: Context
    ) -> wallet_pb2.ListHoldsResponse:
        """In line with the operations that change holds."""
        holds = await self._writer.submit(
            ops.ListHolds(request.after_unix_ns, request.before_unix_ns, request.limit)
        )
        return wallet_pb2.ListHoldsResponse(holds=map(wire.hold_message, holds))

    async def GetSettlementPosition(
        self, request: wallet_pb2.GetSettlementPositionRequest, context: Context
    ) -> wallet_pb2.GetSettlementPositionResponse:
        """In line with the ranges being settled."""
        position = await self._writer.submit(ops.ReadPosition(request.market))
        return wallet_pb2.GetSettlementPositionResponse(position=wire.position_message(position))

    async def _asset(self, symbol: str) -> Asset:
        symbol = symbol.upper()
        await self._follower.find_assets((symbol,))
        asset = self._catalog.assets_by_symbol.get(symbol)
        if asset is None:
            raise not_found("UNKNOWN_ASSET", f"There is no asset {symbol!r}.", asset=symbol)
        return asset


def _check_count(count: int) -> None:
    if count > MAX_ITEMS:
        raise invalid(
            "TOO_MANY_ITEMS",
            f"{count} items: at most {MAX_ITEMS} a call are right.",
            value=str(count),
            most=str(MAX_ITEMS),
        )
