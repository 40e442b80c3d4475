"""What a caller may rely on, whichever channel it has: outcomes, deadlines, cancellation, copies.

Every test runs over a socket and in process. Streams: test_channel_contract_streams.py; who may
call: test_channel_contract_access.py.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import asyncpg
import grpc
import pytest
from engine.v1 import engine_pb2
from order.v1 import order_pb2
from sqlalchemy.exc import DBAPIError

from svc.kit.call import answer_http_status
from svc.kit.errors import DomainError, failed_precondition, unavailable
from svc.kit.pipeline import AWAY_TEXT, message_of
from tests.kit.rpc.messages import Outcome, forever, order, outcome, place, placed
from tests.kit.rpc.wire import PLACE, SUBMIT_ORDERS, Wire

StatusCode = grpc.StatusCode


async def test_a_reply_arrives_as_the_handler_gave_it(wire: Wire) -> None:
    async def handle(request: Any, _context: Any) -> Any:
        return placed(request.number)

    wire.handlers.place = handle
    assert await wire.engine().PlaceOrder(place(7)) == placed(7)


async def test_neither_side_can_reach_into_the_messages_of_the_other(wire: Wire) -> None:
    kept = placed(1)
    taken: list[Any] = []

    async def handle(request: Any, _context: Any) -> Any:
        taken.append(request)
        request.number = 99
        return kept

    wire.handlers.place = handle
    request = place(1)
    reply = await wire.engine().PlaceOrder(request)
    reply.done.number = 77
    assert request.number == 1
    assert kept.done.number == 1
    request.market = 5
    assert taken[0].market == 1


async def test_a_domain_error_arrives_as_code_text_and_exactly_one_error_info(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> Any:
        raise failed_precondition("BATCH_GAP", "Batch 9 follows 7.", number="9", reason="gap")

    wire.handlers.place = handle
    failed = await outcome(wire.engine().PlaceOrder(place()))
    assert (failed.code, failed.text) == (StatusCode.FAILED_PRECONDITION, "Batch 9 follows 7.")
    assert (failed.reason, failed.infos[0].domain) == ("BATCH_GAP", "quantamesh")
    assert failed.metadata == {"number": "9", "reason": "gap"}


async def test_an_error_carries_the_trailing_metadata_that_the_handler_had_set(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        context.set_trailing_metadata((("x-at", "7"),))
        raise failed_precondition("BATCH_GAP", "no")

    wire.handlers.place = handle
    call = wire.engine().PlaceOrder(place())
    assert (await outcome(call)).reason == "BATCH_GAP"
    assert (await call.trailing_metadata())["x-at"] == "7"


async def test_an_unexpected_exception_arrives_as_internal_and_is_logged_once_with_its_text(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    async def handle(_request: Any, _context: Any) -> Any:
        raise ValueError("dsn=postgresql://somebody:secret@host")

    wire.handlers.place = handle
    failed = await outcome(wire.engine().PlaceOrder(place()))
    assert (failed.code, failed.text) == (StatusCode.INTERNAL, "Internal error.")
    assert (failed.reason, failed.metadata) == ("INTERNAL", {})
    assert capsys.readouterr().out.count('"event":"call_failed"') == 1


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_database_that_is_away_is_unavailable_and_says_nothing_of_the_inside(
    wire: Wire, *, wrapped: bool
) -> None:
    async def handle(_request: Any, _context: Any) -> Any:
        lost = asyncpg.ConnectionDoesNotExistError("no socket at /somewhere")
        if wrapped:
            raise DBAPIError("SELECT 1", {}, lost) from lost
        raise lost

    wire.handlers.place = handle
    failed = await outcome(wire.engine().PlaceOrder(place()))
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    assert failed.text == AWAY_TEXT


async def test_a_cancellation_that_nobody_asked_for_is_an_internal_error(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> Any:
        dropped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        dropped.cancel()
        await dropped

    wire.handlers.place = handle
    assert (await outcome(wire.engine().PlaceOrder(place()))).code is StatusCode.INTERNAL


async def test_a_reply_that_is_no_message_is_an_internal_error(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> Any:
        return None

    wire.handlers.place = handle
    assert (await outcome(wire.engine().PlaceOrder(place()))).code is StatusCode.INTERNAL


async def test_bytes_that_are_no_message_are_refused_as_such(wire: Wire) -> None:
    garbage: Any = wire.channel.unary_unary(PLACE, lambda _: b"\xff\xff", None)
    failed = await outcome(garbage(None, metadata=wire.identity("order")))
    assert (failed.code, failed.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


async def test_a_request_that_breaks_a_rule_of_its_proto_never_reaches_the_handler(
    wire: Wire,
) -> None:
    failed = await outcome(wire.orders().CreateOrder(order(symbol="")))
    assert (failed.code, failed.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failed.metadata == {"field": "symbol", "value": "", "rule": "string.min_len"}


async def test_a_handler_that_takes_bytes_gets_what_was_sent_and_may_answer_bytes(
    wire: Wire,
) -> None:
    sent = order_pb2.SubmitOrdersRequest()  # breaks a rule of its proto
    got: list[bytes] = []
    reply = order_pb2.SubmitOrdersResponse(results=[order_pb2.OrderItemResult(order_id="x")])

    async def in_bytes(request: bytes, _context: Any) -> bytes:
        got.append(request)
        return reply.SerializeToString()

    async def as_message(_request: bytes, _context: Any) -> Any:
        return reply

    for handle in (in_bytes, as_message):
        wire.handlers.items = handle
        assert await wire.orders().SubmitOrders(sent) == reply
    assert got == [sent.SerializeToString()]


async def test_a_handler_that_takes_bytes_finds_them_checked_when_it_asks_for_the_message(
    wire: Wire,
) -> None:
    async def read(request: bytes, _context: Any) -> Any:
        return message_of(order_pb2.SubmitOrdersRequest, request)

    wire.handlers.items = read
    failed = await outcome(wire.orders().SubmitOrders(order_pb2.SubmitOrdersRequest()))
    assert (failed.reason, failed.metadata["rule"]) == ("INVALID_FIELD", "repeated.min_items")
    garbage: Any = wire.channel.unary_unary(SUBMIT_ORDERS, lambda _: b"\xff\xff", None)
    failed = await outcome(garbage(None, metadata=wire.identity("edge")))
    assert (failed.code, failed.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


async def test_a_stream_of_bytes_passes_both_ways(wire: Wire) -> None:
    async def echo(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            assert isinstance(request, bytes)
            yield order_pb2.StreamOrdersResponse().SerializeToString()
            yield order_pb2.StreamOrdersResponse()

    wire.handlers.item_stream = echo
    sent = [order_pb2.StreamOrdersRequest()] * 2
    assert [reply async for reply in wire.orders().StreamOrders(iter(sent))] == [
        order_pb2.StreamOrdersResponse()
    ] * 4


async def test_an_abort_by_the_handler_passes_as_it_is(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        await context.abort(StatusCode.DATA_LOSS, "as I say", (("x-more", "1"),))

    wire.handlers.place = handle
    call = wire.engine().PlaceOrder(place())
    assert await outcome(call) == Outcome(StatusCode.DATA_LOSS, "as I say", ())
    assert tuple(await call.trailing_metadata()) == (("x-more", "1"),)


async def test_an_abort_stands_whatever_the_handler_raises_after_it(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        try:
            await context.abort(StatusCode.DATA_LOSS, "as I say")
        except grpc.aio.AbortError:
            raise ValueError("and more") from None

    wire.handlers.place = handle
    failed = await outcome(wire.engine().PlaceOrder(place()))
    assert failed == Outcome(StatusCode.DATA_LOSS, "as I say", ())
    await wire.pipeline.close(0)
    assert "never retrieved" not in caplog.text


async def test_both_sides_are_called_back_once_when_a_call_ends(wire: Wire) -> None:
    ended: list[str] = []
    both = asyncio.Semaphore(0)

    def note(side: str) -> None:
        ended.append(side)
        both.release()

    async def handle(_request: Any, context: Any) -> Any:
        context.add_done_callback(lambda _: note("server"))
        return placed(1)

    wire.handlers.place = handle
    call = wire.bare_engine().PlaceOrder(place(), metadata=wire.identity("order"))
    call.add_done_callback(lambda _: note("client"))
    await call
    await both.acquire()
    await both.acquire()
    assert sorted(ended) == ["client", "server"]


async def test_a_status_code_that_the_handler_sets_discards_its_reply(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        context.set_code(StatusCode.ABORTED)
        context.set_details("twice at once")
        return placed(1)

    wire.handlers.place = handle
    failed = await outcome(wire.engine().PlaceOrder(place()))
    assert failed == Outcome(StatusCode.ABORTED, "twice at once", ())


async def test_a_callee_that_is_away_makes_the_call_unavailable_not_internal(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> Any:
        none = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(StatusCode.UNAVAILABLE, none, none, "connection refused")

    wire.handlers.place = handle
    stub = wire.bare_engine()
    failed = await outcome(stub.PlaceOrder(place(), metadata=wire.identity("order")))
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "CALLEE_UNAVAILABLE")


async def test_another_error_of_a_callee_that_nobody_handles_is_internal(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> Any:
        none = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(StatusCode.NOT_FOUND, none, none, "no such thing there")

    wire.handlers.place = handle
    assert (await outcome(wire.engine().PlaceOrder(place()))).code is StatusCode.INTERNAL


async def test_a_method_that_is_not_there_is_unimplemented(wire: Wire) -> None:
    method = wire.client().unary_unary(
        "/engine.v1.EngineService/Nothing",
        engine_pb2.PlaceOrderRequest.SerializeToString,
        engine_pb2.PlaceOrderResponse.FromString,
    )
    assert await outcome(method(place())) == Outcome(
        StatusCode.UNIMPLEMENTED, "Method not found!", ()
    )


async def test_a_method_left_to_the_generated_base_is_unimplemented(wire: Wire) -> None:
    failed = await outcome(wire.engine().GetStatus(engine_pb2.GetStatusRequest(market=1)))
    assert (failed.code, failed.reason) == (StatusCode.UNIMPLEMENTED, "NOT_SERVED")


async def test_the_handler_sees_how_much_time_is_left(wire: Wire) -> None:
    left: list[float | None] = []

    async def handle(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return placed(1)

    wire.handlers.place = handle
    stub, identity = wire.bare_engine(), wire.identity("order")
    await stub.PlaceOrder(place(), metadata=identity, timeout=60)
    await stub.PlaceOrder(place(), metadata=identity)
    assert left[0] is not None
    assert 0 < left[0] <= 60
    assert left[1] is None


async def test_at_the_deadline_the_caller_is_told_and_the_handler_is_cancelled(wire: Wire) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(_request: Any, _context: Any) -> Any:
        begun.set()
        try:
            await forever()
        finally:
            cancelled.set()

    wire.handlers.place = handle
    for timeout_s in (0.05, 0.5, 5):  # until one is long enough for the call to arrive
        failed = await outcome(wire.engine().PlaceOrder(place(), timeout=timeout_s))
        assert (failed.code, failed.infos) == (StatusCode.DEADLINE_EXCEEDED, ())
        if begun.is_set():
            break
    await cancelled.wait()


async def test_a_call_whose_time_is_up_before_it_begins_never_reaches_the_handler(
    wire: Wire,
) -> None:
    reached = False

    async def handle(request: Any, _context: Any) -> Any:
        nonlocal reached
        reached = reached or request.number == 1
        return placed(request.number)

    wire.handlers.place = handle
    for timeout_s in (0, -1) * 50:  # a socket still sends most of them
        failed = await outcome(wire.engine().PlaceOrder(place(1), timeout=timeout_s))
        assert failed.code is StatusCode.DEADLINE_EXCEEDED
    await wire.engine().PlaceOrder(place(2))  # whatever was on its way has arrived by now
    assert not reached


async def test_cancelling_the_task_that_waits_cancels_the_handler(wire: Wire) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(_request: Any, _context: Any) -> Any:
        begun.set()
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def wait_for_it() -> None:
        await wire.engine().PlaceOrder(place())

    wire.handlers.place = handle
    waiting = asyncio.create_task(wait_for_it())
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await cancelled.wait()


async def test_a_cancelled_call_says_so_and_raises_cancelled_error(wire: Wire) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(_request: Any, _context: Any) -> Any:
        begun.set()
        try:
            await forever()
        finally:
            cancelled.set()

    wire.handlers.place = handle
    call = wire.engine().PlaceOrder(place())
    await begun.wait()
    assert (call.done(), call.cancelled()) == (False, False)
    assert call.cancel()
    assert not call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (call.done(), call.cancelled()) == (True, True)
    assert await call.code() is StatusCode.CANCELLED
    assert await call.details() == "Locally cancelled by application!"
    await cancelled.wait()


async def test_a_call_that_nobody_awaits_runs_to_its_end(wire: Wire) -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(_request: Any, _context: Any) -> Any:
        begun.set()
        await go_on.wait()
        ended.set()
        return placed(1)

    wire.handlers.place = handle
    call = wire.bare_engine().PlaceOrder(place(), metadata=wire.identity("order"))
    await begun.wait()
    del call
    gc.collect()
    go_on.set()
    await ended.wait()


async def test_metadata_travels_both_ways_text_and_bytes_in_order(wire: Wire) -> None:
    seen: list[tuple[str, str | bytes]] = []

    async def handle(_request: Any, context: Any) -> Any:
        seen.extend((k, v) for k, v in context.invocation_metadata() if k.startswith("x-t"))
        await context.send_initial_metadata((("x-first", "1"), ("x-first", "2")))
        context.set_trailing_metadata((("x-last-bin", b"\x00\xff"),))
        return placed(1)

    wire.handlers.place = handle
    sent = (("x-t", "a"), ("x-t-bin", b"\x01"), ("x-t", "b"))
    call = wire.engine().PlaceOrder(place(), metadata=sent)
    await call
    assert sorted(seen, key=str) == sorted(sent, key=str)
    assert [v for k, v in await call.initial_metadata() if k == "x-first"] == ["1", "2"]
    assert (await call.trailing_metadata())["x-last-bin"] == b"\x00\xff"
    assert await call.code() is StatusCode.OK


async def test_a_handler_can_tell_the_edge_which_http_status_to_answer(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        await answer_http_status(context, 202)
        return placed(1)

    wire.handlers.place = handle
    call = wire.engine().PlaceOrder(place())
    await call
    assert (await call.initial_metadata())["x-http-status"] == "202"


async def test_initial_metadata_can_be_sent_once(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        await context.send_initial_metadata((("x-first", "1"),))
        with pytest.raises(grpc.aio.UsageError):
            await context.send_initial_metadata((("x-first", "2"),))
        return placed(1)

    wire.handlers.place = handle
    assert await wire.engine().PlaceOrder(place()) == placed(1)


async def test_metadata_that_http_forbids_is_refused_where_it_is_given(wire: Wire) -> None:
    with pytest.raises((ValueError, grpc.aio.InternalError)):
        await wire.engine().PlaceOrder(place(), metadata=(("X-Upper", "1"),))


async def test_the_handler_sees_nothing_of_the_callers_context(wire: Wire) -> None:
    own: ContextVar[str] = ContextVar("own", default="none")
    seen: list[str] = []

    async def handle(_request: Any, _context: Any) -> Any:
        seen.append(own.get())
        return placed(1)

    wire.handlers.place = handle
    await wire.engine().PlaceOrder(place())
    own.set("the caller's")
    await wire.engine().PlaceOrder(place())
    assert seen == ["none", "none"]


async def test_messages_above_the_limit_are_refused_in_both_directions(wire: Wire) -> None:
    large = b"x" * (16 * 1024 * 1024)

    async def handle(_request: Any, _context: Any) -> Any:
        return engine_pb2.PlaceOrderResponse.FromString(b"\x7a\xff\xff\xff\x07" + large[:16777215])

    wire.handlers.place = handle
    request = engine_pb2.PlaceOrderRequest(market=1, number=1, digest=large)
    assert (await outcome(wire.engine().PlaceOrder(request))).code is StatusCode.RESOURCE_EXHAUSTED
    failed = await outcome(wire.engine().PlaceOrder(place()))
    assert failed.code is StatusCode.RESOURCE_EXHAUSTED


async def test_many_calls_at_once_get_each_their_own_reply(wire: Wire) -> None:
    async def handle(request: Any, _context: Any) -> Any:
        if request.number % 3 == 0:
            raise unavailable("NOT_NOW", str(request.number))
        if request.number % 3 == 1:
            raise DomainError(StatusCode.ABORTED, "ODD", str(request.number))
        return placed(request.number)

    wire.handlers.place = handle
    stub, identity = wire.bare_engine(), wire.identity("order")
    calls = (stub.PlaceOrder(place(n), metadata=identity) for n in range(60))
    for number, result in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
        if number % 3 == 2:
            assert result == placed(number)
        else:
            assert isinstance(result, grpc.aio.AioRpcError)
            assert result.details() == str(number)
