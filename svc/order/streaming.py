"""Items of one caller: read one by one, decided together, answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias, cast

from order.v1 import order_pb2

from svc.kit.errors import DomainError
from svc.kit.pipeline import message_of
from svc.order import reading
from svc.order.asks import Ask, Caller, Result
from svc.order.catalog import NOT_FOUND_YET, Catalog
from svc.order.intake import Intake
from svc.order.plain_reading import PlainReader

Item: TypeAlias = Ask | order_pb2.OrderItem
"""An item that was read already, or one that is still to be."""

MOST_IN_FLIGHT = 1_024
"""Items of a stream that are read and not answered; then it is read no further."""


class Conversation:
    """One caller's items."""

    def __init__(self, intake: Intake, catalog: Catalog, caller: Caller) -> None:
        self._intake = intake
        self._catalog = catalog
        self._caller = caller

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """One result per item, in order; the items reach the log in their order."""
        read = [
            await self._read(item) if isinstance(item, order_pb2.OrderItem) else item
            for item in items
        ]
        asks = [ask for ask in read if not isinstance(ask, DomainError)]
        results = await self._intake.submit_many(asks) if asks else []
        if len(asks) == len(read):
            return results
        decided = iter(results)
        return [ask if isinstance(ask, DomainError) else next(decided) for ask in read]

    async def follow(
        self, requests: AsyncIterator[bytes], reader: PlainReader
    ) -> AsyncIterator[list[Result]]:
        """Results as soon as they are durable, while later items are read.

        `requests` are StreamOrdersRequests. What has come while the items before were decided is
        decided together.
        """
        arrived = asyncio.Queue[Item | None](MOST_IN_FLIGHT)
        reading_on = asyncio.create_task(self._read_into(arrived, requests, reader))
        try:
            ended = False
            while not ended:
                items = [await arrived.get()]
                while len(items) < MOST_IN_FLIGHT and not arrived.empty():
                    items.append(arrived.get_nowait())
                ended = items[-1] is None
                asked = [item for item in items if item is not None]
                if asked:
                    yield await self.submit(asked)
            await reading_on
        finally:
            reading_on.cancel()

    async def _read(self, item: order_pb2.OrderItem) -> Ask | DomainError:
        """What is new is looked for, and read again."""
        try:
            return reading.item(item, self._caller, self._catalog)
        except DomainError as error:
            if error.reason not in NOT_FOUND_YET:
                return error
        await self._catalog.seek(item.create.symbol)
        try:
            return reading.item(item, self._caller, self._catalog)
        except DomainError as error:
            return error

    async def _read_into(
        self,
        arrived: asyncio.Queue[Item | None],
        requests: AsyncIterator[bytes],
        reader: PlainReader,
    ) -> None:
        try:
            async for request in requests:
                item: Item | None = reader.stream_item(request, self._caller)
                if item is None:
                    item = message_of(order_pb2.StreamOrdersRequest, request).item
                await arrived.put(item)
        finally:
            await arrived.put(None)


def items_of(request: bytes, caller: Caller, reader: PlainReader) -> Sequence[Item]:
    """The items of a SubmitOrdersRequest. Raises MALFORMED_MESSAGE, INVALID_FIELD."""
    plain = reader.items(request, caller)
    if plain is not None and None not in plain:
        return cast("list[Ask]", plain)
    items = message_of(order_pb2.SubmitOrdersRequest, request).items
    if plain is None:
        return items
    return [item if ask is None else ask for ask, item in zip(plain, items, strict=True)]
