"""What a caller may rely on with streams, whichever channel it has.

Order, both styles of reading and writing, errors after replies, a bounded window, and handlers
that end when their caller goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from engine.v1 import engine_pb2
from google.protobuf.message import DecodeError

from svc.kit.client import parsing
from svc.kit.errors import failed_precondition
from tests.kit.rpc.messages import (
    EVENTS,
    Outcome,
    done,
    event,
    forever,
    order,
    outcome,
    place,
    placed,
    seen,
    submit,
)
from tests.kit.rpc.wire import Wire

StatusCode = grpc.StatusCode
MESSAGE_BYTES = 32 * 1024
MOST_AHEAD = 16 * 1024 * 1024 // MESSAGE_BYTES
"""Messages a writer may be ahead of its reader: gRPC grows a socket's window, to some megabytes."""


async def echo(requests: Any, context: Any) -> None:
    """Answer each request with its number."""
    async for request in requests:
        await context.write(done(request.hello.highest_number))


async def test_replies_arrive_in_order_and_the_stream_ends(wire: Wire) -> None:
    async def handle(request: Any, _context: Any) -> AsyncIterator[Any]:
        for number in range(request.market + 2):
            yield event(number=number)

    wire.handlers.events = handle
    stream = wire.engine().StreamEvents(EVENTS)
    numbers = [reply.heartbeat.position.sequence async for reply in stream]
    assert numbers == [0, 1, 2]
    assert await stream.code() is StatusCode.OK


async def test_reading_one_by_one_gives_eof_after_the_last_and_again(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield event(number=1)

    wire.handlers.events = handle
    stream = wire.engine().StreamEvents(EVENTS)
    assert (await stream.read()).heartbeat.position.sequence == 1
    assert await stream.read() is grpc.aio.EOF
    assert await stream.read() is grpc.aio.EOF


async def test_a_call_is_read_in_one_style(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield event()
        await forever()

    wire.handlers.events = handle
    stream = wire.bare_engine().StreamEvents(EVENTS, metadata=wire.identity("order"))
    await stream.read()
    with pytest.raises(grpc.aio.UsageError):
        stream.__aiter__()


async def test_an_error_arrives_after_the_replies_before_it(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        for number in range(3):
            yield event(number=number)
        raise failed_precondition("LOG_FOREIGN", "another log", log="b")

    wire.handlers.events = handle
    stream = wire.engine().StreamEvents(EVENTS)
    assert [(await stream.read()).heartbeat.position.sequence for _ in range(3)] == [0, 1, 2]
    failed = await outcome(stream.read())
    assert (failed.code, failed.text) == (StatusCode.FAILED_PRECONDITION, "another log")
    assert (failed.reason, failed.metadata) == ("LOG_FOREIGN", {"log": "b"})
    assert (await outcome(stream.read())).reason == "LOG_FOREIGN"


async def test_an_unexpected_exception_in_a_stream_is_internal_without_its_text(
    wire: Wire,
) -> None:
    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield event()
        raise ValueError("secret")

    wire.handlers.events = handle
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in wire.engine().StreamEvents(EVENTS):
            pass
    assert (raised.value.code(), raised.value.details()) == (
        StatusCode.INTERNAL,
        "Internal error.",
    )


async def test_requests_and_replies_take_turns(wire: Wire) -> None:
    wire.handlers.submit = echo
    stream = wire.engine().Submit()
    for number in range(5):
        await stream.write(submit(number))
        assert (await stream.read()).done.number == number
    await stream.done_writing()
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF


async def test_an_iterator_of_requests_is_sent_to_its_end(wire: Wire) -> None:
    async def requests() -> AsyncIterator[Any]:
        for number in range(5):
            yield submit(number)

    wire.handlers.submit = echo
    stream = wire.engine().Submit(requests())
    assert [reply.done.number async for reply in stream] == [0, 1, 2, 3, 4]
    with pytest.raises(grpc.aio.UsageError):
        await stream.write(submit(9))


async def test_a_plain_iterable_of_requests_does_as_well(wire: Wire) -> None:
    wire.handlers.submit = echo
    stream = wire.engine().Submit([submit(1), submit(2)])
    assert [reply.done.number async for reply in stream] == [1, 2]


async def test_an_iterator_of_requests_that_raises_cancels_the_call(wire: Wire) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(requests: Any, _context: Any) -> None:
        try:
            async for _ in requests:
                begun.set()
        finally:
            ended.set()

    async def requests() -> AsyncIterator[Any]:
        yield submit(1)
        await begun.wait()
        raise ValueError("no more")

    wire.handlers.submit = handle
    stream = wire.engine().Submit(requests())
    with pytest.raises(asyncio.CancelledError):
        await stream.read()
    await ended.wait()
    assert stream.cancelled()


async def test_a_stream_of_requests_gets_its_one_reply(wire: Wire) -> None:
    async def handle(requests: Any, _context: Any) -> Any:
        return placed(len([request async for request in requests]))

    wire.handlers.collect = handle
    assert await wire.collecting()([order(), order(), order()]) == placed(3)


async def test_a_request_in_a_stream_that_breaks_a_rule_ends_it(wire: Wire) -> None:
    taken: list[str] = []

    async def handle(requests: Any, _context: Any) -> Any:
        async for request in requests:
            taken.append(request.symbol)  # noqa: PERF401 (what was taken before it failed)
        return placed(len(taken))

    wire.handlers.collect = handle
    failed = await outcome(wire.collecting()([order("A-B"), order(""), order("C-D")]))
    assert (failed.code, failed.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert taken == ["A-B"]


async def test_bytes_in_a_stream_that_are_no_message_are_refused_as_such(wire: Wire) -> None:
    wire.handlers.submit = echo
    method: Any = wire.channel.stream_stream(
        "/engine.v1.EngineService/Submit", lambda _: b"\xff\xff", None
    )
    stream = method([None], metadata=wire.identity("order"))
    failed = await outcome(stream.read())
    assert (failed.code, failed.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


async def test_nothing_can_be_written_after_the_end(wire: Wire) -> None:
    wire.handlers.submit = echo
    stream = wire.engine().Submit()
    await stream.done_writing()
    with pytest.raises(asyncio.InvalidStateError):
        await stream.write(submit(1))
    assert await stream.read() is grpc.aio.EOF
    with pytest.raises(asyncio.InvalidStateError):
        await stream.write(submit(1))


async def test_a_server_may_end_a_stream_before_its_caller_does(wire: Wire) -> None:
    async def handle(requests: Any, context: Any) -> None:
        async for request in requests:
            await context.write(done(request.hello.highest_number))
            return

    wire.handlers.submit = handle
    stream = wire.engine().Submit()
    await stream.write(submit(1))
    assert (await stream.read()).done.number == 1
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is StatusCode.OK


async def test_initial_metadata_arrives_before_the_first_reply(wire: Wire) -> None:
    go_on = asyncio.Event()

    async def handle(_requests: Any, context: Any) -> None:
        await context.send_initial_metadata((("x-first", "1"),))
        await go_on.wait()

    wire.handlers.submit = handle
    stream = wire.engine().Submit()
    assert (await stream.initial_metadata())["x-first"] == "1"
    assert not stream.done()
    go_on.set()
    assert await stream.read() is grpc.aio.EOF


async def test_a_writer_waits_for_a_reader_that_lags(wire: Wire) -> None:
    written = 0

    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        nonlocal written
        for number in range(4 * MOST_AHEAD):
            written = number + 1
            yield event(MESSAGE_BYTES, number)

    async def go_round(request: Any, _context: Any) -> Any:
        return placed(request.number)

    wire.handlers.events = handle
    wire.handlers.place = go_round
    stream = wire.engine().StreamEvents(EVENTS)
    ahead = 0
    for read in range(1, 4 * MOST_AHEAD + 1):
        await stream.read()
        if read == 1:  # time enough to write everything, if nothing held the writer back
            for _ in range(200):
                await wire.engine().PlaceOrder(place())
        ahead = max(ahead, written - read)
    assert 0 < ahead <= MOST_AHEAD


async def test_a_caller_waits_for_a_handler_that_lags(wire: Wire) -> None:
    written = 0
    ahead = 0

    async def handle(requests: Any, context: Any) -> None:
        nonlocal ahead
        read = 0
        async for _ in requests:
            read += 1
            ahead = max(ahead, written - read)
            await context.write(done(read))

    async def write_all(stream: Any) -> None:
        nonlocal written
        request = submit(1)
        request.hello.applied.log_id = "x" * MESSAGE_BYTES
        for _ in range(4 * MOST_AHEAD):
            await stream.write(request)
            written += 1
        await stream.done_writing()

    wire.handlers.submit = handle
    stream = wire.engine().Submit()
    writing = asyncio.create_task(write_all(stream))
    while await stream.read() is not grpc.aio.EOF:
        pass
    await writing
    assert written == 4 * MOST_AHEAD
    assert ahead <= MOST_AHEAD


async def test_leaving_a_stream_ends_its_handler_and_runs_its_finally(wire: Wire) -> None:
    ended = asyncio.Event()

    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield event(MESSAGE_BYTES)
        finally:
            ended.set()

    async def read_one() -> None:
        async for _ in wire.engine().StreamEvents(EVENTS):
            return

    wire.handlers.events = handle
    await read_one()
    await ended.wait()


async def test_a_generators_finally_is_part_of_the_call(wire: Wire) -> None:
    begun, over = asyncio.Event(), asyncio.Event()
    steps: list[str] = []

    def note_the_end(_context: Any) -> None:
        steps.append("the call is over")
        over.set()

    async def handle(_request: Any, context: Any) -> AsyncIterator[Any]:
        context.add_done_callback(note_the_end)
        try:
            while True:
                begun.set()
                yield event(MESSAGE_BYTES)
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            steps.append("cleaned up")

    wire.handlers.events = handle
    stream = wire.bare_engine().StreamEvents(EVENTS, metadata=wire.identity("order"))
    await begun.wait()
    stream.cancel()
    await over.wait()
    assert steps == ["cleaned up", "the call is over"]


async def test_cancelling_a_reader_ends_the_handler(wire: Wire) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(requests: Any, _context: Any) -> None:
        begun.set()
        try:
            async for _ in requests:
                pass
        finally:
            ended.set()

    wire.handlers.submit = handle
    stream = wire.engine().Submit()
    reading = asyncio.create_task(stream.read())
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await ended.wait()
    assert stream.cancelled()


async def test_at_its_deadline_a_stream_ends_on_both_sides(wire: Wire) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        begun.set()
        try:
            yield event()
            await forever()
        finally:
            ended.set()

    wire.handlers.events = handle
    for timeout_s in (0.05, 0.5, 5):  # until one is long enough for the call to arrive
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async for _ in wire.engine().StreamEvents(EVENTS, timeout=timeout_s):
                pass
        assert seen(raised.value).code is StatusCode.DEADLINE_EXCEEDED
        if begun.is_set():
            break
    await ended.wait()


async def test_a_stream_without_a_timeout_has_no_deadline(wire: Wire) -> None:
    left: list[float | None] = []

    async def handle(_request: Any, context: Any) -> AsyncIterator[Any]:
        left.append(context.time_remaining())
        yield event()

    wire.handlers.events = handle
    async for _ in wire.engine().StreamEvents(EVENTS):
        pass
    assert left == [None]


async def test_a_stream_method_that_is_not_served_says_so(wire: Wire) -> None:
    request = engine_pb2.SnapshotOrdersRequest(market=1)
    failed = await outcome(wire.engine("mesh").SnapshotOrders(request).read())
    assert (failed.code, failed.reason) == (StatusCode.UNIMPLEMENTED, "NOT_SERVED")


async def test_an_abort_in_a_stream_passes_as_it_is(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> AsyncIterator[Any]:
        yield event()
        await context.abort(StatusCode.OUT_OF_RANGE, "not kept")

    wire.handlers.events = handle
    stream = wire.engine().StreamEvents(EVENTS)
    await stream.read()
    assert await outcome(stream.read()) == Outcome(StatusCode.OUT_OF_RANGE, "not kept", ())


async def test_a_reader_of_its_own_gets_the_bytes_of_each_reply(wire: Wire) -> None:
    async def handle(request: Any, _context: Any) -> AsyncIterator[Any]:
        for number in range(request.market + 2):
            yield event(number=number)

    wire.handlers.events = handle
    follow = parsing(wire.engine().StreamEvents, lambda payload: ("read", payload))
    sent = [("read", event(number=number).SerializeToString()) for number in range(3)]
    assert [reply async for reply in follow(EVENTS)] == sent
    stream = follow(EVENTS)
    assert [await stream.read() for _ in range(4)] == [*sent, grpc.aio.EOF]


async def test_what_a_reader_of_its_own_raises_ends_the_call(wire: Wire) -> None:
    ended = asyncio.Event()

    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        try:
            yield event()
            await forever()
        finally:
            ended.set()

    def refuse(payload: bytes) -> None:
        raise DecodeError(f"{len(payload)} bytes")

    wire.handlers.events = handle
    with pytest.raises(DecodeError):
        await parsing(wire.engine().StreamEvents, refuse)(EVENTS).read()
    await ended.wait()
    ended.clear()
    with pytest.raises(DecodeError):
        async for _ in parsing(wire.engine().StreamEvents, refuse)(EVENTS):
            pass
    await ended.wait()


async def test_errors_reach_a_reader_of_its_own_as_any_other(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield event()
        raise failed_precondition("LOG_FOREIGN", "another log", log="b")

    wire.handlers.events = handle
    stream = parsing(wire.engine().StreamEvents, bytes)(EVENTS)
    await stream.read()
    assert (await outcome(stream.read())).reason == "LOG_FOREIGN"
