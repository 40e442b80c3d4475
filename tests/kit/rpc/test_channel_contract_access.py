"""Who may call what and in whose name, the life of a service, and what is counted.

Every test runs over a socket and in process.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from svc.kit import log
from svc.kit.clock import SystemClock
from svc.kit.errors import failed_precondition
from svc.kit.identity import Principal, caller, principal
from svc.kit.ids import IdGenerator, to_uuid
from svc.kit.pipeline import MOST_CALLS_IN_FLIGHT, Phase
from tests.kit.rpc.messages import (
    EVENTS,
    done,
    event,
    forever,
    order,
    outcome,
    place,
    placed,
    submit,
)
from tests.kit.rpc.wire import PLACE, Wire, open_wire

StatusCode = grpc.StatusCode

_IDS = IdGenerator(1, SystemClock())
USER, ACCOUNT = _IDS.next(), _IDS.next()
USER_HEADERS = (
    ("x-user-id", to_uuid(USER)),
    ("x-account-id", to_uuid(ACCOUNT)),
    ("x-source", "REST"),
)


async def reply_placed(request: Any, _context: Any) -> Any:
    """Answer any PlaceOrder."""
    return placed(request.number)


@pytest.mark.parametrize(
    "presented",
    [
        (),
        (("x-mesh-caller", "order"),),
        (("x-mesh-caller", "order"), ("x-mesh-secret", "x" * 43)),
        (("x-mesh-caller", "nobody"), ("x-mesh-secret", "x" * 43)),
        (("x-mesh-caller", ""), ("x-mesh-secret", "")),
    ],
    ids=["nothing", "no secret", "a wrong secret", "an unknown name", "an empty name"],
)
async def test_a_caller_that_proves_no_identity_is_unauthenticated(
    wire: Wire, presented: tuple[tuple[str, str], ...]
) -> None:
    wire.handlers.place = reply_placed
    failed = await outcome(wire.bare_engine().PlaceOrder(place(), metadata=presented))
    assert (failed.code, failed.reason) == (StatusCode.UNAUTHENTICATED, "CALLER_UNKNOWN")
    assert "secret" not in failed.metadata


async def test_an_identity_given_twice_is_none(wire: Wire) -> None:
    wire.handlers.place = reply_placed
    twice = (*wire.identity("order"), *wire.identity("mesh"))
    failed = await outcome(wire.bare_engine().PlaceOrder(place(), metadata=twice))
    assert failed.reason == "CALLER_UNKNOWN"


async def test_a_secret_that_was_right_once_does_not_open_for_another_one(wire: Wire) -> None:
    wire.handlers.place = reply_placed
    stub = wire.bare_engine()
    await stub.PlaceOrder(place(), metadata=wire.identity("order"))
    wrong = (("x-mesh-caller", "order"), wire.identity("mesh")[1])
    assert (await outcome(stub.PlaceOrder(place(), metadata=wrong))).reason == "CALLER_UNKNOWN"


async def test_a_caller_that_is_not_listed_is_told_who_is(wire: Wire) -> None:
    wire.handlers.place = reply_placed
    failed = await outcome(wire.engine("wallet").PlaceOrder(place()))
    assert (failed.code, failed.reason) == (StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")
    assert failed.metadata == {"method": PLACE, "caller": "wallet", "allowed": "order"}
    assert PLACE in failed.text
    assert "wallet" in failed.text
    assert "order" in failed.text


async def test_the_list_of_callers_holds_for_streams_as_well(wire: Wire) -> None:
    failed = await outcome(wire.engine("risk").StreamEvents(EVENTS).read())
    assert (failed.code, failed.reason) == (StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")
    failed = await outcome(wire.engine("mesh").Submit([submit(1)]).read())
    assert failed.reason == "CALLER_NOT_ALLOWED"


async def test_a_public_method_is_for_the_edge_and_an_internal_one_is_not(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        assert caller(context) == "edge"
        raise failed_precondition("REACHED", "as far as it should")

    wire.handlers.create = handle
    wire.handlers.place = reply_placed
    assert (await outcome(wire.orders("edge").CreateOrder(order()))).reason == "REACHED"
    assert (await outcome(wire.orders("risk").CreateOrder(order()))).reason == "CALLER_NOT_ALLOWED"
    failed = await outcome(wire.engine("edge").PlaceOrder(place()))
    assert failed.reason == "CALLER_NOT_ALLOWED"


async def test_a_user_is_believed_when_the_edge_names_him(wire: Wire) -> None:
    found: list[Principal] = []

    async def handle(_request: Any, context: Any) -> Any:
        found.append(principal(context))
        raise AssertionError("no reply is needed")

    wire.handlers.create = handle
    await outcome(wire.orders().CreateOrder(order(), metadata=USER_HEADERS))
    await outcome(wire.orders().CreateOrder(order(), metadata=USER_HEADERS[:2]))
    assert found == [Principal(USER, ACCOUNT, "REST"), Principal(USER, ACCOUNT, "")]


async def test_a_user_is_not_believed_when_anyone_else_names_him(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        principal(context)

    wire.handlers.place = handle
    failed = await outcome(wire.engine("order").PlaceOrder(place(), metadata=USER_HEADERS))
    assert (failed.code, failed.reason) == (StatusCode.UNAUTHENTICATED, "USER_REQUIRED")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        USER_HEADERS[:1],
        USER_HEADERS[1:],
        (*USER_HEADERS, USER_HEADERS[0]),
        (("x-user-id", str(USER)), USER_HEADERS[1]),
        (("x-user-id", "018c0000-0000-7000-8000-000000000000"), USER_HEADERS[1]),
        (("x-user-id", ""), USER_HEADERS[1]),
    ],
    ids=["none", "no account", "no user", "two users", "no uuid", "a foreign uuid", "empty"],
)
async def test_without_exactly_one_user_and_account_of_ours_there_is_no_principal(
    wire: Wire, headers: tuple[tuple[str, str], ...]
) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        principal(context)

    wire.handlers.create = handle
    failed = await outcome(wire.orders().CreateOrder(order(), metadata=headers))
    assert (failed.code, failed.reason) == (StatusCode.UNAUTHENTICATED, "USER_REQUIRED")


async def test_a_call_has_a_principal_in_its_own_task_only(wire: Wire) -> None:
    async def handle(_request: Any, context: Any) -> Any:
        principal(context)
        await asyncio.get_running_loop().create_task(_ask(context), context=contextvars.Context())

    wire.handlers.create = handle
    failed = await outcome(wire.orders().CreateOrder(order(), metadata=USER_HEADERS))
    assert failed.reason == "USER_REQUIRED"


async def _ask(context: Any) -> None:
    principal(context)


async def test_the_trace_of_a_call_is_that_of_its_caller_else_a_new_one(wire: Wire) -> None:
    seen: list[str] = []

    async def handle(_request: Any, _context: Any) -> Any:
        seen.append(log.trace_id.get())
        return placed(1)

    wire.handlers.place = handle
    stub, identity = wire.bare_engine(), wire.identity("order")
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    for headers in (
        (("x-request-id", "r-1"),),
        (("x-request-id", "r-1"), ("traceparent", parent)),
        (("x-request-id", "r 1\x7f"[:3]), ("traceparent", "garbage")),
        (),
    ):
        await stub.PlaceOrder(place(), metadata=(*identity, *headers))
    assert seen[:2] == ["r-1", "a" * 32]
    assert len(seen[2]) == len(seen[3]) == 32
    assert len(set(seen)) == 4


async def test_a_service_that_has_not_started_is_unavailable(kind: str, tmp_path: Path) -> None:
    async with open_wire(kind, tmp_path / "secrets", Phase.STARTING) as wire:
        wire.handlers.place = reply_placed
        stub, identity = wire.bare_engine(), wire.identity("order")
        failed = await outcome(stub.PlaceOrder(place(), metadata=identity))
        assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "SERVICE_STARTING")
        wire.pipeline.phase = Phase.SERVING
        assert await stub.PlaceOrder(place(3), metadata=identity) == placed(3)


async def test_a_service_that_stops_finishes_what_is_open_and_takes_nothing_new(
    wire: Wire,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(request: Any, _context: Any) -> Any:
        begun.set()
        await go_on.wait()
        return placed(request.number)

    wire.handlers.place = handle
    stub, identity = wire.bare_engine(), wire.identity("order")
    open_call = stub.PlaceOrder(place(5), metadata=identity)
    await begun.wait()
    closing = asyncio.create_task(wire.pipeline.close(60))
    await asyncio.sleep(0)  # lets it begin
    assert wire.pipeline.phase is Phase.STOPPED
    failed = await outcome(stub.PlaceOrder(place(6), metadata=identity))
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "SERVICE_STOPPED")
    go_on.set()
    assert await open_call == placed(5)
    await closing


async def test_a_stream_that_only_the_server_can_end_is_cut_off_when_it_stops(wire: Wire) -> None:
    async def handle(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield event()
        await forever()

    wire.handlers.events = handle
    stream = wire.bare_engine().StreamEvents(EVENTS, metadata=wire.identity("order"))
    await stream.read()
    await wire.pipeline.close(60)
    failed = await outcome(stream.read())
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "SERVICE_STOPPED")


async def test_a_conversation_is_read_no_further_when_the_service_stops(wire: Wire) -> None:
    async def talk(requests: Any, context: Any) -> None:
        async for request in requests:
            await context.write(done(request.hello.highest_number))

    wire.handlers.submit = talk
    stream = wire.bare_engine().Submit(metadata=wire.identity("order"))
    await stream.write(submit(1))
    await stream.read()
    await wire.pipeline.close(60)
    failed = await outcome(stream.read())
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "SERVICE_STOPPED")


async def test_a_stopping_service_answers_what_it_has_read_of_a_conversation(wire: Wire) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def talk(requests: Any, context: Any) -> None:
        reader = asyncio.create_task(read(requests))
        await go_on.wait()
        await context.write(done(8))
        await reader

    async def read(requests: Any) -> None:
        async for _ in requests:
            begun.set()

    wire.handlers.submit = talk
    stream = wire.bare_engine().Submit(metadata=wire.identity("order"))
    await stream.write(submit(8))
    await begun.wait()
    closing = asyncio.create_task(wire.pipeline.close(60))
    await asyncio.sleep(0)  # lets it begin
    go_on.set()
    assert (await stream.read()).done.number == 8
    failed = await outcome(stream.read())
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "SERVICE_STOPPED")
    await closing


async def test_a_stopping_service_takes_no_request_that_waits(wire: Wire) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    taken: list[int] = []

    async def talk(requests: Any, context: Any) -> None:
        async for request in requests:
            taken.append(request.hello.highest_number)
            begun.set()
            await go_on.wait()
            await context.write(done(request.hello.highest_number))

    wire.handlers.submit = talk
    stream = wire.bare_engine().Submit(metadata=wire.identity("order"))
    await stream.write(submit(1))
    await stream.write(submit(2))
    await begun.wait()
    closing = asyncio.create_task(wire.pipeline.close(60))
    await asyncio.sleep(0)  # lets it begin
    go_on.set()
    assert (await stream.read()).done.number == 1
    assert (await outcome(stream.read())).reason == "SERVICE_STOPPED"
    await closing
    assert taken == [1]


async def test_a_stopping_service_does_not_take_half_a_stream_for_all_of_it(wire: Wire) -> None:
    begun = asyncio.Event()

    async def count(requests: Any, _context: Any) -> Any:
        taken = 0
        async for _ in requests:
            taken += 1
            begun.set()
        return placed(taken)

    wire.handlers.collect = count
    call = wire.collecting()()
    await call.write(order())
    await begun.wait()
    await wire.pipeline.close(60)
    failed = await outcome(call)
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "SERVICE_STOPPED")


async def test_calls_that_outlast_the_grace_are_cut_off(wire: Wire) -> None:
    begun = asyncio.Event()

    async def handle(_request: Any, _context: Any) -> Any:
        begun.set()
        await forever()

    wire.handlers.place = handle
    call = wire.bare_engine().PlaceOrder(place(), metadata=wire.identity("order"))
    await begun.wait()
    await wire.pipeline.close(0)
    failed = await outcome(call)
    assert (failed.code, failed.reason) == (StatusCode.UNAVAILABLE, "SERVICE_STOPPED")


async def test_more_calls_than_a_service_can_hold_are_refused(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc.kit.pipeline.MOST_CALLS_IN_FLIGHT", 2)
    assert MOST_CALLS_IN_FLIGHT > 2
    go_on, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def handle(request: Any, _context: Any) -> Any:
        begun.release()
        await go_on.wait()
        return placed(request.number)

    wire.handlers.place = handle
    stub, identity = wire.bare_engine(), wire.identity("order")
    held = [stub.PlaceOrder(place(n), metadata=identity) for n in range(2)]
    await begun.acquire()
    await begun.acquire()
    failed = await outcome(stub.PlaceOrder(place(9), metadata=identity))
    assert (failed.code, failed.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    go_on.set()
    assert await asyncio.gather(*held) == [placed(0), placed(1)]


async def test_calls_are_counted_by_method_and_final_code(wire: Wire) -> None:
    async def handle(request: Any, _context: Any) -> Any:
        if request.number == 2:
            raise ValueError
        return placed(1)

    wire.handlers.place = handle
    await wire.engine().PlaceOrder(place(1))
    await outcome(wire.engine().PlaceOrder(place(2)))
    await outcome(wire.engine("risk").PlaceOrder(place(1)))
    await wire.pipeline.close(0)  # a caller has its status a moment before the books are closed
    for code, count in (("OK", 1), ("INTERNAL", 1), ("PERMISSION_DENIED", 1)):
        labels = {"method": PLACE, "code": code}
        assert wire.registry.get_sample_value("rpc_server_seconds_count", labels) == count
    assert wire.registry.get_sample_value("rpc_server_in_flight", {"method": PLACE}) == 0
