"""`mesh instruments` against a running metadata."""

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner, Result

from mesh.instruments import command
from svc.metadata.config import SHIPPED_FILE
from tests.metadata.conftest import Serve
from tests.metadata.market import Market


async def mesh(home: Path, *arguments: str) -> Result:
    """Runs `mesh instruments` with arguments."""
    words = [*arguments, "--home", str(home)]
    return await asyncio.to_thread(CliRunner().invoke, command, words)


async def test_list_shows_every_instrument_as_a_table_and_as_json(
    serve: Serve, tmp_path: Path
) -> None:
    async with serve(SHIPPED_FILE, Market()):
        table = await mesh(tmp_path, "list")
        listed = json.loads((await mesh(tmp_path, "list", "--json")).output)
    assert "BTCUSDT-PERP" in table.output
    assert len(listed["instruments"]) == 13
    assert listed["instruments"][3]["quoteUnitsPerTickLot"] == "1000"


async def test_put_says_the_versions_and_refuses_a_wrong_file_with_its_lines(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    async with serve(SHIPPED_FILE, Market()):
        file.write_text(SHIPPED_FILE.read_text().replace('"0.25"', '"0.5"'))
        put = await mesh(tmp_path, "put", str(file))
        file.write_text(SHIPPED_FILE.read_text().replace("collar_bps", "collar"))
        misspelt = await mesh(tmp_path, "put", str(file))
        file.write_text(SHIPPED_FILE.read_text().replace('"0.25"', '"0.25001"'))
        off_tick = await mesh(tmp_path, "put", str(file))
    assert "QTRA-USDT: version 2" in put.output
    assert "BTC-USDT: version 1" in put.output
    assert misspelt.exit_code == 1
    assert "did you mean collar_bps?" in misspelt.output
    assert off_tick.exit_code == 1
    assert "NOT_ON_STEP: instrument QTRA-USDT: reference_price is '0.25001'" in off_tick.output


async def test_halt_resume_and_delist_are_wishes(serve: Serve, tmp_path: Path) -> None:
    async with serve(SHIPPED_FILE, Market()):
        halted = await mesh(tmp_path, "halt", "btcusdt")
        resumed = await mesh(tmp_path, "resume", "BTC-USDT")
        asked = await mesh(tmp_path, "delist", "BTC-USDT")
        delisted = await mesh(tmp_path, "delist", "BTC-USDT", "--yes")
        again = await mesh(tmp_path, "resume", "BTC-USDT")
    assert "HALTED is wished (version 2)" in halted.output
    assert "TRADING is wished (version 3)" in resumed.output
    assert asked.exit_code == 1
    assert "DELISTED is wished (version 4)" in delisted.output
    assert "MARKET_DELISTED" in again.output


async def test_without_an_exchange_the_answer_says_how_to_start_one(tmp_path: Path) -> None:
    answer = await mesh(tmp_path, "list")
    assert answer.exit_code == 1
    assert "make up" in answer.output
