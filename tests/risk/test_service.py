"""Risk as a service: checks of lists, and changes that are in force when they are answered."""

import asyncio
from collections.abc import Awaitable

import grpc
import pytest
from risk.v1 import risk_pb2

from svc.kit.database import Target
from svc.kit.errors import DomainError, from_rpc
from svc.risk.store import MAX_SWITCHES
from tests.risk.conftest import Serve, Served
from tests.risk.examples import ACCOUNT, REFERENCE, UNITS_PER_TICK_LOT

SCOPE = risk_pb2.KillSwitchScope


def item(
    price_ticks: int = REFERENCE, lots: int = 100_000, instrument_id: int = 4
) -> risk_pb2.CheckItem:
    """A limit order of one BTC at the reference."""
    return risk_pb2.CheckItem(
        account_id=ACCOUNT,
        instrument_id=instrument_id,
        side="BUY",
        type="LIMIT",
        price_ticks=price_ticks,
        lots=lots,
        reference_ticks=REFERENCE,
        notional=str(price_ticks * lots * UNITS_PER_TICK_LOT),
        leverage=1,
    )


async def reasons(risk: Served, *items: risk_pb2.CheckItem) -> list[str]:
    """The reasons of checking a list."""
    reply = await risk.order.PreTradeCheck(risk_pb2.PreTradeCheckRequest(items=items))
    return [result.reason for result in reply.results]


async def refused(call: Awaitable[object]) -> DomainError:
    """Gives the error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return from_rpc(failed.value)


def switch(scope: str, id_: int, *, thrown: bool) -> risk_pb2.SetKillSwitchRequest:
    """A request to throw or release."""
    named = risk_pb2.KillSwitch(scope=scope, id=id_, note="a drill")
    return risk_pb2.SetKillSwitchRequest(kill_switch=named, thrown=thrown)


def limits(**changed: object) -> risk_pb2.SetAccountLimitsRequest:
    """A request that sets the limits of the account."""
    values = {"max_notional": "0", "max_quantity": "0"} | changed
    return risk_pb2.SetAccountLimitsRequest(
        account_id=ACCOUNT,
        limits=risk_pb2.AccountLimits(**values),  # type: ignore[arg-type]
    )


async def test_list_has_one_result_per_item_in_order(serve: Serve) -> None:
    async with serve() as risk:
        found = await reasons(risk, item(), item(REFERENCE * 2), item(instrument_id=999), item())
        request = risk_pb2.PreTradeCheckRequest(items=[item(lots=10**9)])
        (result,) = (await risk.order.PreTradeCheck(request)).results
    assert found == ["", "FAT_FINGER", "UNKNOWN_INSTRUMENT", ""]
    assert result.metadata["limit"] == "10000000"
    assert result.metadata["nearest_valid_quantity"] == "163.93442"


async def test_more_items_than_the_contract_allows_are_refused(serve: Serve) -> None:
    async with serve() as risk:
        request = risk_pb2.PreTradeCheckRequest(items=[item()] * 4_097)
        assert (await refused(risk.order.PreTradeCheck(request))).reason == "TOO_MANY_ITEMS"


async def test_instruments_are_learnt_when_metadata_comes_after_risk(serve: Serve) -> None:
    async with serve(("risk", "metadata")) as risk:
        assert await reasons(risk, item()) == [""]


async def test_without_metadata_an_unknown_instrument_is_an_error_that_leaves_no_order(
    serve: Serve,
) -> None:
    request = risk_pb2.PreTradeCheckRequest(items=[item()])
    async with serve(("risk",)) as risk:
        error = await refused(risk.order.PreTradeCheck(request, timeout=0.5))
    assert error.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


async def test_limits_are_in_force_when_answered_and_after_a_restart(serve: Serve) -> None:
    named = risk_pb2.GetAccountLimitsRequest(account_id=ACCOUNT)
    async with serve() as risk:
        before = await risk.mesh.GetAccountLimits(named)
        assert before.defaults
        assert before.limits.max_notional == "10000000"
        assert before.limits.fat_finger_bps == 2_000
        answer = await risk.mesh.SetAccountLimits(limits(max_quantity="0.50"))
        assert answer.limits.max_quantity == "0.5"
        assert await reasons(risk, item()) == ["MAX_QUANTITY_EXCEEDED"]
        await risk.mesh.SetAccountLimits(limits(max_quantity="1", fat_finger_bps=64))
        assert await reasons(risk, item()) == [""]
    async with serve() as risk:
        after = await risk.mesh.GetAccountLimits(named)
        assert not after.defaults
        assert (after.limits.max_quantity, after.limits.fat_finger_bps) == ("1", 64)
        assert await reasons(risk, item(lots=100_001)) == ["MAX_QUANTITY_EXCEEDED"]


async def test_kill_switch_is_in_force_when_answered_and_after_a_restart(serve: Serve) -> None:
    async with serve() as risk:
        await risk.mesh.SetKillSwitch(switch("INSTRUMENT", 4, thrown=True))
        await risk.mesh.SetKillSwitch(switch("INSTRUMENT", 4, thrown=True))
        assert await reasons(risk, item(), item(instrument_id=5)) == ["KILL_SWITCH", ""]
        await risk.mesh.SetKillSwitch(switch("GLOBAL", 0, thrown=True))
    async with serve() as risk:
        listed = await risk.mesh.ListKillSwitches(risk_pb2.ListKillSwitchesRequest())
        assert [(row.scope, row.id, row.note) for row in listed.kill_switches] == [
            (SCOPE.GLOBAL, 0, "a drill"),
            (SCOPE.INSTRUMENT, 4, "a drill"),
        ]
        assert await reasons(risk, item(instrument_id=5)) == ["KILL_SWITCH"]
        await risk.mesh.SetKillSwitch(switch("GLOBAL", 0, thrown=False))
        await risk.mesh.SetKillSwitch(switch("GLOBAL", 0, thrown=False))
        assert await reasons(risk, item(), item(instrument_id=5)) == ["KILL_SWITCH", ""]


async def test_memory_ends_as_the_database_does_when_changes_come_at_once(serve: Serve) -> None:
    async with serve() as risk:
        quantities = [str(number) for number in range(1, 21)]
        await asyncio.gather(
            *(risk.mesh.SetAccountLimits(limits(max_quantity=text)) for text in quantities)
        )
        named = risk_pb2.GetAccountLimitsRequest(account_id=ACCOUNT)
        in_memory = (await risk.mesh.GetAccountLimits(named)).limits
    async with serve() as risk:
        assert (await risk.mesh.GetAccountLimits(named)).limits == in_memory


async def test_change_that_its_caller_gave_up_on_is_in_memory_if_it_was_committed(
    serve: Serve,
) -> None:
    request = risk_pb2.ListKillSwitchesRequest()
    async with serve() as risk:
        for account_id in range(1, 101):
            throw = switch("ACCOUNT", account_id, thrown=True)
            call = asyncio.ensure_future(risk.mesh.SetKillSwitch(throw))
            for _ in range(account_id):  # each gives up a little later than the one before
                await asyncio.sleep(0)
            call.cancel()
        await risk.mesh.SetKillSwitch(switch("INSTRUMENT", 5, thrown=True))
        in_memory = await risk.mesh.ListKillSwitches(request)
    async with serve() as risk:
        assert await risk.mesh.ListKillSwitches(request) == in_memory


@pytest.mark.parametrize(("scope", "id_"), [("GLOBAL", 7), ("ACCOUNT", 0), ("INSTRUMENT", 0)])
async def test_scope_and_id_that_contradict_each_other_are_refused(
    serve: Serve, scope: str, id_: int
) -> None:
    async with serve() as risk:
        error = await refused(risk.mesh.SetKillSwitch(switch(scope, id_, thrown=True)))
    assert error.reason == "INVALID_KILL_SWITCH"


async def test_limit_with_too_many_digits_is_refused(serve: Serve) -> None:
    async with serve() as risk:
        error = await refused(risk.mesh.SetAccountLimits(limits(max_quantity="9" * 39)))
    assert (error.reason, error.metadata["field"]) == ("INVALID_LIMIT", "max_quantity")


async def test_there_is_always_room_for_the_global_switch(serve: Serve, migrated_url: str) -> None:
    connection = await Target(migrated_url, "risk").connect()
    await connection.execute(
        "INSERT INTO kill_switches SELECT 'ACCOUNT', n, '' FROM generate_series(1, $1::int) n",
        MAX_SWITCHES,
    )
    await connection.close()
    async with serve() as risk:
        one_more = switch("ACCOUNT", MAX_SWITCHES + 1, thrown=True)
        error = await refused(risk.mesh.SetKillSwitch(one_more))
        assert error.reason == "TOO_MANY_KILL_SWITCHES"
        await risk.mesh.SetKillSwitch(switch("ACCOUNT", 1, thrown=True))
        await risk.mesh.SetKillSwitch(switch("GLOBAL", 0, thrown=True))
        listed = await risk.mesh.ListKillSwitches(risk_pb2.ListKillSwitchesRequest())
    assert len(listed.kill_switches) == MAX_SWITCHES + 1
