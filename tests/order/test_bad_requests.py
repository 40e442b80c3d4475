"""The table of bad requests over gRPC, one by one and as items of a list."""

from __future__ import annotations

import pytest
from google.protobuf import json_format
from order.v1 import order_pb2

from svc.kit.errors import DomainError
from tests.bad_bodies import BadRequest
from tests.bad_requests import BAD_REQUESTS
from tests.order.exchange import Exchange, limit, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def request_of(bad: BadRequest) -> order_pb2.CreateOrderRequest:
    """The message that the edge makes of the body."""
    return json_format.ParseDict(dict(bad.body), order_pb2.CreateOrderRequest())


@pytest.mark.spec("pipe-3-dto", "pipe-5-business", "dto-validated")
@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: bad.name)
async def test_a_bad_request_is_told_what_is_wrong_and_leaves_nothing(
    desk: Exchange, bad: BadRequest
) -> None:
    trader = await desk.trader()
    request = request_of(bad)
    if not request.idempotency_key:
        request.idempotency_key = bad.name
    error = await refused(trader.place(request))
    assert (error.code, error.reason) == (bad.code, bad.reason)
    assert bad.metadata.items() <= error.metadata.items()
    assert (await trader.list()).pagination.total == 0
    assert (await trader.balance("USDT")).locked == "0"
    again = await trader.create(limit(price="50000", idempotency_key=bad.name))
    assert (await trader.order(again.order_id)).price == "50000"


async def test_in_a_list_each_bad_item_gets_its_own_error_and_stops_no_other(
    desk: Exchange,
) -> None:
    trader = await desk.trader()
    good = order_pb2.OrderItem(create=limit(price="50000"))
    items = [order_pb2.OrderItem(create=request_of(bad)) for bad in BAD_REQUESTS]
    results = await trader.submit(good, *items, order_pb2.OrderItem(), good)
    assert [bool(result.order_id) for result in (results[0], results[-1])] == [True, True]
    for bad, result in zip(BAD_REQUESTS, results[1:-2], strict=True):
        error: DomainError = await refused(trader.place(request_of(bad)))
        assert (result.error.code, result.error.reason) == (bad.code.value[0], bad.reason)
        assert dict(result.error.metadata) == error.metadata
        assert result.error.message == error.message
    assert results[-2].error.reason == "INVALID_FIELD"
    assert (await trader.list()).pagination.total == 2
