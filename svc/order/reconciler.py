"""Ends holds that no order stands behind: of calls that died between hold and commit.

Keeps: a hold is given back only when its order can never reach a market, because its id has a
committed row that is REJECTED, or its version of the order can not, because it was given up. For a
hold without a row it makes that row first; the unique key then keeps out the call that made the
hold, should it still be on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import grpc
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit.clock import Clock
from svc.kit.database import DISCONNECTED
from svc.kit.errors import from_rpc
from svc.kit.log import get_logger
from svc.order import change_store, reconcile_store
from svc.order.session import Session

PAGE = 500
"""Holds looked at in one step."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_log = get_logger("order.reconciler")


class Reconciler:
    """Looks at each open hold once it is old enough; any number of processes may.

    Once is enough: from then on its order has a row, and the market's events end the hold.
    """

    def __init__(
        self,
        *,
        session: Session,
        wallet: wallet_pb2_grpc.WalletServiceAsyncStub,
        clock: Clock,
        age_s: float,
        pause_s: float,
    ) -> None:
        """Holds are looked at when they are `age_s` old; passes are `pause_s` apart."""
        self._session = session
        self._wallet = wallet
        self._clock = clock
        self._age_ns = int(age_s * 1_000_000_000)
        self._pause_s = pause_s
        self._seen_unix_ns = 0

    async def run(self) -> None:
        """Passes until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s)
            try:
                await self.reconcile()
            except grpc.aio.AioRpcError as error:
                _log.warning("wallet_away", error=str(from_rpc(error)))
            except DISCONNECTED as error:
                _log.warning("database_away", error=repr(error))

    async def close(self) -> None:
        """Closes what it has open; after `run` has ended."""
        await self._session.close()

    async def reconcile(self) -> int:
        """One pass over the holds that became old enough; how many were given back."""
        before_ns = self._clock.unix_ns() - self._age_ns
        given_back = 0
        while True:
            request = wallet_pb2.ListHoldsRequest(
                after_unix_ns=self._seen_unix_ns, before_unix_ns=before_ns, limit=PAGE
            )
            holds = (await self._wallet.ListHolds(request)).holds
            if not holds:
                return given_back
            given_back += await self._look_at(holds)
            self._seen_unix_ns = holds[-1].created_at_unix_ns

    async def _look_at(self, holds: Sequence[wallet_pb2.Hold]) -> int:
        now = _EPOCH + timedelta(microseconds=self._clock.unix_ns() // 1_000)
        first = [hold for hold in holds if hold.key.version == 1]
        later = [(h.key.order_id, h.key.version) for h in holds if h.key.version > 1]
        async with self._session.transaction() as conn:
            closed = await reconcile_store.close_unborn(conn, first, now)
            given_up = await change_store.give_up(conn, later, now) if later else set()
        async with self._session.reading() as conn:
            rejected = await reconcile_store.rejected(conn, [hold.key.order_id for hold in first])
            dead = await change_store.given_up(conn, later) if later else set()
        if closed:
            _log.warning("orders_abandoned", count=len(closed), order_ids=sorted(closed))
        if given_up:
            _log.warning("replaces_abandoned", count=len(given_up), versions=sorted(given_up))
        dead |= {(order_id, 1) for order_id in rejected}
        if not dead:
            return 0
        keys = [wallet_pb2.HoldKey(order_id=o, version=version) for o, version in sorted(dead)]
        await self._wallet.UnlockFunds(wallet_pb2.UnlockFundsRequest(holds=keys))
        _log.info("holds_given_back", count=len(keys))
        return len(keys)
