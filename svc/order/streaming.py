"""Items of one caller: read one by one, decided together, answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from order.v1 import order_pb2

from svc.kit.errors import DomainError
from svc.order import reading, wire
from svc.order.asks import Ask
from svc.order.catalog import NOT_FOUND_YET, Catalog
from svc.order.intake import Intake
from svc.order.reading import Caller

MOST_IN_FLIGHT = 1_024
"""Items of a stream that are read and not answered; then it is read no further."""


class Conversation:
    """One caller's items."""

    def __init__(self, intake: Intake, catalog: Catalog, caller: Caller) -> None:
        self._intake = intake
        self._catalog = catalog
        self._caller = caller

    async def submit(self, items: Sequence[order_pb2.OrderItem]) -> order_pb2.SubmitOrdersResponse:
        """One result per item, in order; the items reach the log in their order."""
        read = [self._read(item) for item in items]
        for at, ask in enumerate(read):  # what is new is looked for, and read again
            if isinstance(ask, DomainError) and ask.reason in NOT_FOUND_YET:
                await self._catalog.seek(items[at].create.symbol)
                read[at] = self._read(items[at])
        asks = [ask for ask in read if not isinstance(ask, DomainError)]
        results = iter(await self._intake.submit_many(asks) if asks else ())
        response = order_pb2.SubmitOrdersResponse()
        for ask in read:
            wire.add_result(response, ask if isinstance(ask, DomainError) else next(results))
        return response

    async def follow(
        self, requests: AsyncIterator[order_pb2.StreamOrdersRequest]
    ) -> AsyncIterator[Sequence[order_pb2.OrderItemResult]]:
        """Results as soon as they are durable, while later items are read.

        What has come while the items before were decided is decided together.
        """
        arrived = asyncio.Queue[order_pb2.OrderItem | None](MOST_IN_FLIGHT)
        reader = asyncio.create_task(_read_into(arrived, requests))
        try:
            ended = False
            while not ended:
                items = [await arrived.get()]
                while len(items) < MOST_IN_FLIGHT and not arrived.empty():
                    items.append(arrived.get_nowait())
                ended = items[-1] is None
                asked = [item for item in items if item is not None]
                if asked:
                    yield (await self.submit(asked)).results
            await reader
        finally:
            reader.cancel()

    def _read(self, item: order_pb2.OrderItem) -> Ask | DomainError:
        try:
            return reading.item(item, self._caller, self._catalog)
        except DomainError as error:
            return error


async def _read_into(
    arrived: asyncio.Queue[order_pb2.OrderItem | None],
    requests: AsyncIterator[order_pb2.StreamOrdersRequest],
) -> None:
    try:
        async for request in requests:
            await arrived.put(request.item)
    finally:
        await arrived.put(None)
