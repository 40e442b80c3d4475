"""`mesh risk` against running services."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mesh.risk import command
from svc.kit.ids import to_uuid
from tests.risk.conftest import Serve


async def mesh(home: Path, *arguments: str) -> Result:
    """Runs `mesh risk` with arguments."""
    words = [*arguments, "--home", str(home)]
    return await asyncio.to_thread(CliRunner().invoke, command, words)


@pytest.mark.spec("adm-risk-limits")
async def test_limits_that_are_not_named_stay(serve: Serve, tmp_path: Path) -> None:
    account = to_uuid(42)
    async with serve():
        before = await mesh(tmp_path, "limits", "get", account)
        await mesh(tmp_path, "limits", "set", account, "--max-quantity", "2.5")
        await mesh(tmp_path, "limits", "set", "42", "--fat-finger-bps", "500")
        after = json.loads((await mesh(tmp_path, "limits", "get", "42", "--json")).output)
    assert "the defaults" in before.output
    assert after == {
        "limits": {
            "maxNotional": "10000000",
            "maxQuantity": "2.5",
            "fatFingerBps": 500,
        },
        "defaults": False,
    }


async def test_wrong_limits_and_accounts_are_refused(serve: Serve, tmp_path: Path) -> None:
    async with serve():
        wrong = await mesh(tmp_path, "limits", "set", "42", "--max-quantity", "-1")
        nobody = await mesh(tmp_path, "limits", "get", "somebody")
    assert (wrong.exit_code, "INVALID_FIELD" in wrong.output) == (1, True)
    assert (nobody.exit_code, "is not an id" in nobody.output) == (2, True)


async def test_kill_switches_are_thrown_listed_and_released(serve: Serve, tmp_path: Path) -> None:
    async with serve():
        await mesh(tmp_path, "kill", "throw", "--symbol", "btc-usdt", "--note", "bad feed")
        await mesh(tmp_path, "kill", "throw", "--all")
        await mesh(tmp_path, "kill", "throw", "--account", "42")
        listed = json.loads((await mesh(tmp_path, "kill", "list", "--json")).output)
        for scope in (["--all"], ["--account", "42"], ["--symbol", "BTC-USDT"]):
            released = await mesh(tmp_path, "kill", "release", *scope)
            assert released.exit_code == 0, released.output
        empty = await mesh(tmp_path, "kill", "list")
    assert [(row["scope"], row["id"], row["note"]) for row in listed["killSwitches"]] == [
        ("ACCOUNT", "42", ""),
        ("GLOBAL", "0", ""),
        ("INSTRUMENT", "4", "bad feed"),
    ]
    assert "no kill switch is thrown" in empty.output


async def test_exactly_one_scope_is_named(serve: Serve, tmp_path: Path) -> None:
    async with serve():
        none = await mesh(tmp_path, "kill", "throw")
        two = await mesh(tmp_path, "kill", "throw", "--all", "--account", "42")
        unknown = await mesh(tmp_path, "kill", "throw", "--symbol", "BTC-USTD")
    assert "name one of" in none.output
    assert "name one of" in two.output
    assert "there is no market" in unknown.output
