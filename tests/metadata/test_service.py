"""Metadata as a service: what it serves, and how it comes to agree with the market."""

import asyncio
from pathlib import Path

import grpc
import pytest
from metadata.v1 import metadata_pb2
from trading.v1 import trading_pb2

from svc.kit.ids import from_uuid
from svc.metadata.config import SHIPPED_FILE
from svc.metadata.instruments_file import InstrumentsFileError
from svc.metadata.store import Store
from tests.metadata.asking import refused, states, until_state
from tests.metadata.conftest import Serve
from tests.metadata.market import LOG_ID, WAIT_S, Market

STATE = trading_pb2.MarketState


async def test_shipped_file_is_listed_and_trades_once_the_engine_says_so(serve: Serve) -> None:
    market = Market()
    market.engine_deaf = True
    async with serve(SHIPPED_FILE, market) as client:
        assert set((await states(client)).values()) == {STATE.UNSPECIFIED}
        await market.until(lambda: len(market.commands) == 13)
        market.hear()
        await until_state(client, "QTRA-BTC", STATE.TRADING)
        await until_state(client, "BTCUSDT-PERP", STATE.HALTED)
        assert set((await states(client)).values()) == {STATE.TRADING, STATE.HALTED}


async def test_instruments_are_served_with_ids_and_units(serve: Serve) -> None:
    async with serve(SHIPPED_FILE, Market()) as client:
        listed = await client.ListInstruments(metadata_pb2.ListInstrumentsRequest())
    assert [asset.symbol for asset in listed.assets] == [
        "USD", "USDT", "BRL", "BTC", "ETH", "SOL", "QTRA",
    ]  # fmt: skip
    row = next(row for row in listed.instruments if row.symbol == "BTC-USDT")
    assert (row.id, row.base_asset_id, row.quote_asset_id, row.version) == (4, 4, 2, 1)
    assert (row.base_units_per_lot, row.quote_units_per_tick_lot) == ("10000000", "1000")
    assert row.max_price_ticks == 2**62 // 100_000_000


async def test_traders_see_decimals_and_halted_until_the_engine_is_known(serve: Serve) -> None:
    market = Market()
    market.engine_deaf = True
    async with serve(SHIPPED_FILE, market, "edge") as client:
        found = (await client.ListMarkets(metadata_pb2.ListMarketsRequest())).markets
        assert [row.symbol for row in found] == sorted(row.symbol for row in found)
        assert {row.status for row in found} == {STATE.HALTED}
        await market.until(lambda: len(market.commands) == 13)
        market.hear()
        request = metadata_pb2.GetMarketRequest(symbol="btcusdt")
        async with asyncio.timeout(WAIT_S):
            while (row := (await client.GetMarket(request)).market).status != STATE.TRADING:
                pass
        assert (row.symbol, row.tick_size, row.lot_size) == ("BTC-USDT", "0.01", "0.00001")
        assert (row.maker_fee_bps, row.taker_fee_bps, row.max_quantity) == ("15", "25", "1000")
        assert from_uuid(row.instrument_id) == 4


async def test_order_away_leaves_metadata_serving_and_wishes_go_out_when_it_is_back(
    serve: Serve,
) -> None:
    market = Market()
    market.order_away = True
    async with serve(SHIPPED_FILE, market) as client:
        await market.until(lambda: market.calls > 0)
        assert (await states(client))["BTC-USDT"] == STATE.UNSPECIFIED
        market.order_away = False
        await until_state(client, "BTC-USDT", STATE.TRADING)


async def test_engine_away_leaves_the_last_state_and_is_followed_from_there_on(
    serve: Serve,
) -> None:
    market = Market()
    async with serve(SHIPPED_FILE, market) as client:
        await until_state(client, "BTCUSDT-PERP", STATE.HALTED)
        market.engine_away = True
        market.wake()
        market.halt(4)
        assert (await states(client))["BTC-USDT"] == STATE.TRADING
        market.engine_away = False
        await until_state(client, "BTC-USDT", STATE.HALTED)
    assert market.follows[0] == trading_pb2.LogPosition()
    last = market.follows[-1]
    assert last.log_id in ("", LOG_ID)


async def test_position_of_the_last_heartbeat_is_presented_after_a_restart(
    serve: Serve, store: Store
) -> None:
    market = Market()
    async with serve(SHIPPED_FILE, market), asyncio.timeout(WAIT_S):
        while (await store.position(1)).sequence != 13:
            pass
        end = market.position()
    async with serve(SHIPPED_FILE, market) as client:
        assert (await states(client))["BTC-USDT"] == STATE.TRADING
        await market.until(lambda: market.follows[-1] == end)
        calls = market.calls
        market.halt(4)
        await until_state(client, "BTC-USDT", STATE.HALTED)
        assert market.calls == calls


async def test_wishes_the_engine_has_not_confirmed_are_sent_again_after_a_restart(
    serve: Serve,
) -> None:
    market = Market()
    market.engine_deaf = True
    async with serve(SHIPPED_FILE, market):
        await market.until(lambda: market.calls > 0)
    sent = list(market.commands)
    calls = market.calls
    async with serve(SHIPPED_FILE, market) as client:
        await market.until(lambda: market.calls > calls)
        assert market.commands == sent
        market.hear()
        await until_state(client, "BTC-USDT", STATE.TRADING)


async def test_refusals_of_the_engine_are_logged_and_survived(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    market = Market()
    async with serve(SHIPPED_FILE, market) as client:
        await until_state(client, "BTCUSDT-PERP", STATE.HALTED)
        market.refuse(4)
        market.halt(5)
        await until_state(client, "ETH-USDT", STATE.HALTED)
        assert (await states(client))["BTC-USDT"] == STATE.TRADING
    said = capsys.readouterr().out
    assert "instrument 4: version 99: INVALID_COMMAND" in said
    assert "instrument 4: state wish 2: UNKNOWN_INSTRUMENT" in said


async def test_halt_and_resume_are_wishes_that_the_engine_makes_true(serve: Serve) -> None:
    async with serve(SHIPPED_FILE, Market()) as client:
        await until_state(client, "BTC-USDT", STATE.TRADING)
        halt = metadata_pb2.SetMarketStateRequest(symbol="btcusdt", state=STATE.HALTED)
        assert (await client.SetMarketState(halt)).version == 2
        assert (await client.SetMarketState(halt)).version == 2
        await until_state(client, "BTC-USDT", STATE.HALTED)
        resume = metadata_pb2.SetMarketStateRequest(symbol="BTC-USDT", state=STATE.TRADING)
        assert (await client.SetMarketState(resume)).version == 3
        await until_state(client, "BTC-USDT", STATE.TRADING)


async def test_restart_does_not_undo_a_halt(serve: Serve) -> None:
    market = Market()
    async with serve(SHIPPED_FILE, market) as client:
        halt = metadata_pb2.SetMarketStateRequest(symbol="BTC-USDT", state=STATE.HALTED)
        await client.SetMarketState(halt)
        await until_state(client, "BTC-USDT", STATE.HALTED)
    async with serve(SHIPPED_FILE, market) as client:
        assert (await states(client))["BTC-USDT"] == STATE.HALTED


async def test_replay_lists_an_instrument_of_its_own(serve: Serve) -> None:
    own = metadata_pb2.Instrument(
        id=100,
        symbol="BTC-USDT-REPLAY",
        kind="SPOT",
        market=1,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size="0.01",
        lot_size="0.00001",
        min_notional="0",
        max_quantity="9000",
        max_leverage=1,
        collar_bps=500,
        taker_fee_ppm=2_500,
    )
    async with serve(SHIPPED_FILE, Market()) as client:
        put = metadata_pb2.PutInstrumentsRequest(instruments=[own])
        (stands,) = (await client.PutInstruments(put)).instruments
        assert (stands.version, stands.min_notional) == (1, "0")
        await until_state(client, "BTC-USDT-REPLAY", STATE.TRADING)
        own.max_quantity = "8000"
        (stands,) = (await client.PutInstruments(put_of(own))).instruments
        assert stands.version == 2
        own.tick_size, own.collar_bps = "0.1", 0
        error = await refused(client.PutInstruments(put_of(own)))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IMMUTABLE")
    assert error.metadata["field"] == "tick_size"
    assert error.metadata["problems"] == "2"
    assert "collar_bps" in error.message


def put_of(instrument: metadata_pb2.Instrument) -> metadata_pb2.PutInstrumentsRequest:
    """A request with one instrument."""
    return metadata_pb2.PutInstrumentsRequest(instruments=[instrument])


async def test_unknown_symbol_and_a_perpetual_that_should_trade_are_refused(serve: Serve) -> None:
    async with serve(SHIPPED_FILE, Market()) as client:
        unknown = metadata_pb2.SetMarketStateRequest(symbol="BTC-USTD", state=STATE.HALTED)
        error = await refused(client.SetMarketState(unknown))
        assert error.reason == "UNKNOWN_SYMBOL"
        assert error.metadata["close_matches"].startswith("BTC-USD,BTC-USDT,")
        perpetual = metadata_pb2.SetMarketStateRequest(symbol="BTCUSDT-PERP", state=STATE.TRADING)
        assert (await refused(client.SetMarketState(perpetual))).reason == "PERPETUAL_NOT_TRADABLE"


async def test_wrong_file_stops_the_start_with_every_mistake_and_nothing_applied(
    serve: Serve, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "instruments.toml"
    text = SHIPPED_FILE.read_text()
    file.write_text(text.replace('"341600"', '"341600.5"').replace('"0.0000041"', '"-1"'))
    with pytest.raises(InstrumentsFileError) as stopped:
        async with serve(file, Market()):
            pass
    assert len(stopped.value.mistakes) == 2
    assert (await store.load()).instruments == {}


async def test_change_of_the_file_is_a_new_version_and_an_immutable_one_is_refused(
    serve: Serve, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "instruments.toml"
    file.write_text(SHIPPED_FILE.read_text())
    async with serve(file, Market()):
        pass
    file.write_text(SHIPPED_FILE.read_text().replace('"61000"', '"62000"'))
    async with serve(file, Market()):
        pass
    listed = (await store.load()).instruments
    assert {row.version for row in listed.values() if row.definition.base_asset == "BTC"} == {1, 2}
    file.write_text(SHIPPED_FILE.read_text().replace("ledger_scale = 18", "ledger_scale = 17"))
    with pytest.raises(InstrumentsFileError, match="ledger_scale never changes"):
        async with serve(file, Market()):
            pass
