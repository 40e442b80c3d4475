"""Demo traders: names for accounts of an installation."""

from pathlib import Path

from mesh.demo import demo_trader, new_traders
from mesh.installation import Installation


def test_traders_made_in_one_millisecond_are_different_people(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    traders = [demo_trader(installation, f"trader-{number}") for number in range(50)]
    traders += [trader for _ in range(50) for trader in new_traders(installation, 2)]
    ids = [each for trader in traders for each in (trader.user_id, trader.account_id)]
    assert len(set(ids)) == len(ids)


def test_a_name_stays_with_its_trader(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    trader = demo_trader(installation, "trader-1")
    assert demo_trader(Installation(tmp_path), "trader-1") == trader
