"""The wallet as a service beside metadata: what callers send, what they get, who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import httpx
import pytest
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from pydantic import SecretStr
from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit import ids
from svc.kit.errors import DomainError, from_rpc
from svc.kit.host import Host
from svc.kit.identity import create_secrets
from svc.kit.settings import Settings, load_endpoints
from svc.wallet.servicer import MAX_ITEMS
from tests.wallet.rows import Auditor

if TYPE_CHECKING:
    from metadata.v1.metadata_pb2_grpc import MetadataServiceAsyncStub
    from wallet.v1.wallet_pb2_grpc import WalletServiceAsyncStub

SERVICES = ("metadata", "wallet")
CALLERS = ("edge", "order", "mesh")
ALICE, BOB = 1 << 40, 1 << 41
LOG = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Served:
    """The wallet as its callers see it, and the instruments by symbol."""

    edge: WalletServiceAsyncStub
    order: WalletServiceAsyncStub
    mesh: WalletServiceAsyncStub
    metadata: MetadataServiceAsyncStub
    instruments: dict[str, metadata_pb2.Instrument]
    http_port: int


@pytest.fixture
async def wallet(migrated_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    """Serve the wallet beside metadata with the instruments that are shipped."""
    secrets = tmp_path / "secrets"
    create_secrets(secrets, [*SERVICES, *CALLERS])
    environ = {f"{name.upper()}_{kind}_PORT": "0" for name in SERVICES for kind in ("GRPC", "HTTP")}
    environ |= {
        "ORDER_SERVICE_GRPC_URL": "unix:/nowhere/order",
        "MATCHING_ENGINE_GRPC_URL": "unix:/nowhere/engine",
    }
    settings = Settings(
        postgres_url=SecretStr(migrated_url),
        redis_url=SecretStr("unix:///nowhere"),
        secrets_dir=secrets,
        drain_ms=0,
    )
    host = Host(SERVICES, settings, load_endpoints(environ))
    try:
        await host.start()
        metadata = metadata_pb2_grpc.MetadataServiceStub(host.channel("mesh", "metadata"))
        listed = await metadata.ListInstruments(metadata_pb2.ListInstrumentsRequest())
        edge, order, mesh = (
            wallet_pb2_grpc.WalletServiceStub(host.channel(caller, "wallet")) for caller in CALLERS
        )
        instruments = {row.symbol: row for row in listed.instruments}
        yield Served(edge, order, mesh, metadata, instruments, host.ports("wallet")[1])
    finally:
        await host.stop()


@pytest.fixture
async def auditor(migrated_url: str) -> AsyncIterator[Auditor]:
    """Read the test's database past the wallet."""
    found = await Auditor.connect(migrated_url)
    yield found
    await found.close()


def trader(account_id: int) -> tuple[tuple[str, str], ...]:
    """What the edge says of a user."""
    return (("x-user-id", ids.to_uuid(account_id)), ("x-account-id", ids.to_uuid(account_id)))


def payment(name: str, account_id: int, asset: str, amount: str) -> wallet_pb2.CreditItem:
    """A payment with a reference."""
    return wallet_pb2.CreditItem(
        transaction_id=name, account_id=account_id, asset=asset, amount=amount, reference="demo"
    )


async def credit(wallet: Served, *items: wallet_pb2.CreditItem) -> list[str]:
    """Balances after the payments, or the reasons why not."""
    response = await wallet.mesh.Credit(wallet_pb2.CreditRequest(items=items))
    return [result.refusal.reason or result.balance for result in response.results]


def item(
    wallet: Served, order_id: int, side: str, account_id: int, symbol: str = "BTC-USDT"
) -> wallet_pb2.LockItem:
    """One thousandth of a BTC at 61,000.00 with 10 and 20 basis points."""
    return wallet_pb2.LockItem(
        order_id=order_id,
        version=1,
        account_id=account_id,
        instrument_id=wallet.instruments[symbol].id,
        side=side,
        maker_fee_ppm=1_000,
        taker_fee_ppm=2_000,
        spot=wallet_pb2.SpotHold(cap_ticks=6_100_000 if side == "BUY" else 0, lots=100),
    )


async def lock(wallet: Served, *items: wallet_pb2.LockItem) -> list[str]:
    """Amounts held, or the reasons why not."""
    response = await wallet.order.LockFunds(wallet_pb2.LockFundsRequest(items=items))
    return [result.refusal.reason or result.amount for result in response.results]


async def balances(wallet: Served, account_id: int) -> dict[str, tuple[str, str, str]]:
    """Available, locked and total of a trader, as he sees them."""
    response = await wallet.edge.ListBalances(
        wallet_pb2.ListBalancesRequest(), metadata=trader(account_id)
    )
    return {each.asset: (each.available, each.locked, each.total) for each in response.balances}


async def refused(call: Awaitable[object]) -> DomainError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return from_rpc(failed.value)


def settlement(
    wallet: Served, after: int, to: int, *effects: wallet_pb2.Effect
) -> Awaitable[object]:
    """A call that settles a range of the test's log."""
    return wallet.order.SettleTrade(
        wallet_pb2.SettleTradeRequest(
            market=1,
            after=trading_pb2.LogPosition(
                log_id=LOG if after else "", sequence=after, running_hash=after
            ),
            to=trading_pb2.LogPosition(log_id=LOG, sequence=to, running_hash=to),
            effects=effects,
        )
    )


def trade(wallet: Served, symbol: str = "BTC-USDT") -> wallet_pb2.TradeEffect:
    """Alice takes half of what Bob offers, for 60,000.00."""
    return wallet_pb2.TradeEffect(
        trade_number=1,
        instrument_id=wallet.instruments[symbol].id,
        price_ticks=6_000_000,
        lots=50,
        taker_side="BUY",
        buy_order_id=1,
        buy_version=1,
        buy_account_id=ALICE,
        sell_order_id=2,
        sell_version=1,
        sell_account_id=BOB,
    )


@pytest.mark.spec("led-idempotent-txid", "led-duplicate-answer", "led-credit-fields")
async def test_a_payment_is_made_once_and_answered_alike(wallet: Served) -> None:
    first = payment("deposit 1", ALICE, "usdt", "100.5")
    assert await credit(wallet, first, payment("deposit 2", ALICE, "USDT", "0.5")) == [
        "100.5",
        "101",
    ]
    again = payment("deposit 1", ALICE, "USDT", "100.50")
    other = payment("deposit 1", ALICE, "USDT", "100.6")
    assert await credit(wallet, again, other) == ["100.5", "TRANSACTION_ID_REUSED"]
    assert await balances(wallet, ALICE) == {"USDT": ("101", "0", "101")}


@pytest.mark.parametrize(
    ("asset", "amount", "reason", "nearest"),
    [
        ("USDT", "0", "INVALID_AMOUNT", ""),
        ("USDT", "0.00000000015", "INVALID_AMOUNT", "0.0000000001 and 0.0000000002"),
        ("USDT", "1" + "0" * 27, "AMOUNT_TOO_LARGE", ""),
        ("DOGE", "1", "UNKNOWN_ASSET", ""),
    ],
)
async def test_a_payment_that_cannot_be_made_says_why(
    wallet: Served, asset: str, amount: str, reason: str, nearest: str
) -> None:
    request = wallet_pb2.CreditRequest(items=[payment("x", ALICE, asset, amount)])
    (result,) = (await wallet.mesh.Credit(request)).results
    assert result.refusal.reason == reason
    assert nearest in result.refusal.message
    assert await balances(wallet, ALICE) == {}


@pytest.mark.spec("led-balances-filter", "fail-wallet-lock")
async def test_each_order_of_a_list_gets_its_hold_or_its_reason(wallet: Served) -> None:
    await credit(wallet, payment("a", ALICE, "USDT", "100"), payment("b", BOB, "BTC", "0.001"))
    perpetual = item(wallet, 5, "BUY", ALICE, "BTCUSDT-PERP")
    margin = wallet_pb2.LockItem()
    margin.CopyFrom(item(wallet, 6, "BUY", ALICE, "BTCUSDT-PERP"))
    margin.perpetual.lots = 1
    nothing = item(wallet, 7, "BUY", ALICE)
    nothing.ClearField("spot")
    stranger = item(wallet, 8, "BUY", ALICE)
    stranger.instrument_id = 999
    found = await lock(
        wallet,
        item(wallet, 1, "BUY", ALICE),
        item(wallet, 2, "BUY", ALICE),
        item(wallet, 3, "SELL", BOB),
        item(wallet, 1, "BUY", ALICE),
        perpetual,
        margin,
        nothing,
        stranger,
    )
    assert found == [
        "611220000000",
        "INSUFFICIENT_BALANCE",
        "1000000000",
        "611220000000",
        "PERPETUAL_NOT_SETTLED",
        "PERPETUAL_NOT_SETTLED",
        "INVALID_HOLD",
        "UNKNOWN_INSTRUMENT",
    ]
    assert await balances(wallet, ALICE) == {"USDT": ("38.878", "61.122", "100")}


async def test_insufficient_balance_names_what_is_needed_and_what_there_is(wallet: Served) -> None:
    await credit(wallet, payment("a", ALICE, "USDT", "61"))
    request = wallet_pb2.LockFundsRequest(items=[item(wallet, 1, "BUY", ALICE)])
    (result,) = (await wallet.order.LockFunds(request)).results
    assert result.refusal.message == "The order needs 61.122 USDT; 61 USDT is available."
    assert dict(result.refusal.metadata) == {
        "asset": "USDT",
        "required": "61.122",
        "available": "61",
    }


async def test_a_trade_moves_both_assets_and_releases_what_was_held_too_much(
    wallet: Served, auditor: Auditor
) -> None:
    await credit(wallet, payment("a", ALICE, "USDT", "100"), payment("b", BOB, "BTC", "0.001"))
    await lock(wallet, item(wallet, 1, "BUY", ALICE), item(wallet, 2, "SELL", BOB))
    await settlement(wallet, 0, 3, wallet_pb2.Effect(sequence=2, spot_trade=trade(wallet)))
    # 30 at 20 basis points paid, 30.561 still held; 30 less 10 basis points got.
    assert await balances(wallet, ALICE) == {
        "BTC": ("0.0005", "0", "0.0005"),
        "USDT": ("39.379", "30.561", "69.94"),
    }
    assert await balances(wallet, BOB) == {
        "BTC": ("0", "0.0005", "0.0005"),
        "USDT": ("29.97", "0", "29.97"),
    }
    position = await wallet.order.GetSettlementPosition(
        wallet_pb2.GetSettlementPositionRequest(market=1)
    )
    assert position.position == trading_pb2.LogPosition(log_id=LOG, sequence=3, running_hash=3)
    release = wallet_pb2.ReleaseEffect(order_id=1, version=1, remaining_lots=0)
    await settlement(wallet, 3, 4, wallet_pb2.Effect(sequence=4, release=release))
    assert (await balances(wallet, ALICE))["USDT"] == ("69.94", "0", "69.94")
    listed = await wallet.order.ListHolds(
        wallet_pb2.ListHoldsRequest(before_unix_ns=1 << 62, limit=10)
    )
    assert [(hold.key.order_id, hold.amount) for hold in listed.holds] == [(2, "500000000")]
    assert await auditor.faults() == []


async def test_what_does_not_fit_the_ledger_is_told_with_its_event(wallet: Served) -> None:
    perpetual = wallet_pb2.Effect(sequence=1, perpetual_trade=trade(wallet, "BTCUSDT-PERP"))
    error = await refused(settlement(wallet, 0, 1, perpetual))
    assert (error.code, error.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "EFFECT_NOT_APPLICABLE",
    )
    assert error.metadata == {"market": "1", "sequence": "1"}
    gap = await refused(settlement(wallet, 7, 9))
    assert (gap.code, gap.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP")


async def test_an_unlocked_hold_stays_closed_also_when_it_was_never_born(wallet: Served) -> None:
    await credit(wallet, payment("a", ALICE, "USDT", "100"))
    await lock(wallet, item(wallet, 1, "BUY", ALICE))
    request = wallet_pb2.UnlockFundsRequest(
        holds=[wallet_pb2.HoldKey(order_id=number, version=1) for number in (1, 2)]
    )
    for _ in range(2):
        response = await wallet.order.UnlockFunds(request)
        assert [result.amount for result in response.results] == ["611220000000", "0"]
    late = await lock(wallet, item(wallet, 1, "BUY", ALICE), item(wallet, 2, "BUY", ALICE))
    assert late == ["HOLD_CLOSED", "HOLD_CLOSED"]
    assert await balances(wallet, ALICE) == {"USDT": ("100", "0", "100")}


async def test_a_balance_is_read_by_symbol_in_any_case(wallet: Served) -> None:
    await credit(wallet, payment("a", ALICE, "USDT", "0.1"))
    for symbol, total in (("usdt", "0.1"), ("BTC", "0")):
        request = wallet_pb2.GetBalanceRequest(asset=symbol)
        response = await wallet.edge.GetBalance(request, metadata=trader(ALICE))
        assert response.balance.asset == symbol.upper()
        assert response.balance.total == total
    request = wallet_pb2.GetBalanceRequest(asset="DOGE")
    error = await refused(wallet.edge.GetBalance(request, metadata=trader(ALICE)))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_ASSET")


async def test_what_is_listed_later_is_known_at_once(wallet: Served) -> None:
    coin = metadata_pb2.Asset(id=77, symbol="DOGE", name="Dogecoin", ledger_scale=12)
    shown = wallet.instruments["BTC-USDT"]
    pair = metadata_pb2.Instrument()
    pair.CopyFrom(shown)
    pair.id, pair.symbol, pair.base_asset = 777, "DOGE-USDT", "DOGE"
    await wallet.metadata.PutInstruments(
        metadata_pb2.PutInstrumentsRequest(assets=[coin], instruments=[pair])
    )
    assert await credit(wallet, payment("a", ALICE, "DOGE", "0.001")) == ["0.001"]
    order = item(wallet, 1, "SELL", ALICE)
    order.instrument_id = 777
    assert await lock(wallet, order) == ["1000000000"]


async def test_a_list_beyond_its_bound_is_refused_whole(wallet: Served) -> None:
    holds = [wallet_pb2.HoldKey(order_id=1, version=1)] * (MAX_ITEMS + 1)
    error = await refused(wallet.order.UnlockFunds(wallet_pb2.UnlockFundsRequest(holds=holds)))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_ITEMS")


async def test_figures_tell_what_was_held_refused_and_settled(wallet: Served) -> None:
    await credit(wallet, payment("a", ALICE, "USDT", "100"), payment("b", BOB, "BTC", "0.001"))
    await lock(
        wallet,
        item(wallet, 1, "BUY", ALICE),
        item(wallet, 2, "SELL", BOB),
        item(wallet, 3, "BUY", ALICE),
    )
    await settlement(wallet, 0, 3, wallet_pb2.Effect(sequence=2, spot_trade=trade(wallet)))
    async with httpx.AsyncClient() as client:
        page = await client.get(f"http://127.0.0.1:{wallet.http_port}/metrics")
    figures = dict(line.rsplit(" ", 1) for line in page.text.splitlines() if line[0] != "#")
    assert figures['wallet_items_total{operation="lock",refusal=""}'] == "2.0"
    assert figures['wallet_items_total{operation="lock",refusal="INSUFFICIENT_BALANCE"}'] == "1.0"
    assert figures['wallet_settled_trades_total{market="1"}'] == "1.0"
    assert figures['wallet_settled_sequence{market="1"}'] == "3.0"
    assert figures["wallet_leading"] == "1.0"
