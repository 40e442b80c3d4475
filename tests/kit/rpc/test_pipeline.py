"""The request stream of a handler when two want its end at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from svc.kit.errors import DomainError
from svc.kit.identity import Identities
from svc.kit.pipeline import Phase, Pipeline, Requests
from svc.kit.telemetry import RpcMetrics
from tests.kit.rpc.messages import forever


async def silence() -> AsyncIterator[Any]:
    """Give nothing, ever."""
    await forever()
    yield


def stopped() -> Pipeline:
    """Make the pipeline of a service that has stopped."""
    pipeline = Pipeline("engine", Identities({}), RpcMetrics(CollectorRegistry()))
    pipeline.phase = Phase.STOPPED
    return pipeline


async def test_a_reader_is_told_that_the_service_stops_and_goes_on_uncancelled() -> None:
    requests = Requests(silence(), stopped())

    async def read() -> int:
        with pytest.raises(DomainError, match="SERVICE_STOPPED"):
            await anext(requests)
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0)  # would raise if a cancellation were left over
        return task.cancelling()

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    requests.stop()
    assert await reading == 0


async def test_a_cancellation_by_the_caller_is_not_taken_for_the_end_of_the_service() -> None:
    requests = Requests(silence(), stopped())
    reading = asyncio.create_task(requests.__anext__())
    await asyncio.sleep(0)
    reading.cancel()
    requests.stop()
    with pytest.raises(asyncio.CancelledError):
        await reading
