"""What tests ask of a running metadata service."""

import asyncio
from collections.abc import Awaitable
from typing import TypeAlias

import grpc
import pytest
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from trading.v1 import trading_pb2

from svc.kit.errors import DomainError, from_rpc
from tests.metadata.market import WAIT_S

Client: TypeAlias = "metadata_pb2_grpc.MetadataServiceAsyncStub"


async def states(client: Client) -> dict[str, trading_pb2.MarketState.Value]:
    """What operators and services see of each market."""
    listed = await client.ListInstruments(metadata_pb2.ListInstrumentsRequest())
    return {row.symbol: row.state for row in listed.instruments}


async def until_state(client: Client, symbol: str, state: trading_pb2.MarketState.Value) -> None:
    """Waits until metadata knows this state of a market."""
    async with asyncio.timeout(WAIT_S):
        while (await states(client))[symbol] != state:
            pass


async def refused(call: Awaitable[object]) -> DomainError:
    """Gives the error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return from_rpc(failed.value)
