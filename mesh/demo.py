"""Demo traders: accounts with names and play money, until the identity service exists."""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import click
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from mesh.installation import Installation
from svc.kit.clock import SystemClock
from svc.kit.ids import IdGenerator

TRADERS = ("trader-1", "trader-2")
CREDITS = {
    "USD": "1000000",
    "USDT": "1000000",
    "BRL": "5000000",
    "BTC": "20",
    "ETH": "400",
    "SOL": "5000",
    "QTRA": "1000000",
}
OPERATOR_WRITER = 63
"""Writer number of ids that the operator's program makes; the order service has the others."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Trader:
    """Ids of a demo trader."""

    user_id: int
    account_id: int


def new_traders(installation: Installation, count: int) -> list[Trader]:
    """Traders nobody knows yet: no id is given twice, whoever asks and how fast."""
    with installation.last_id.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        generator = IdGenerator(OPERATOR_WRITER, SystemClock(), after=int(file.read() or 0))
        traders = [Trader(generator.next(), generator.next()) for _ in range(count)]
        if traders:
            file.truncate(0)
            file.write(f"{traders[-1].account_id}\n")
    return traders


def demo_trader(installation: Installation, name: str) -> Trader:
    """The trader of that name, made when there is none. Raises click.BadParameter."""
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            f"{name!r}: a name is 1 to 32 small letters, digits and hyphens, a letter first"
        )
    with installation.demo.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        if name not in known:
            known[name] = asdict(new_traders(installation, 1)[0])
            file.truncate(0)
            file.write(json.dumps(known, indent=2) + "\n")
    return Trader(**known[name])


async def credit(
    installation: Installation,
    reference: str,
    account_ids: Sequence[int],
    amounts: Mapping[str, str],
) -> None:
    """Pay each amount (decimals by asset) into each account, once for a reference and account.

    Raises RuntimeError with the first refusal.
    """
    items = [
        wallet_pb2.CreditItem(
            transaction_id=f"{reference}:{account_id}:{asset}",
            account_id=account_id,
            asset=asset,
            amount=amount,
            reference=reference,
        )
        for account_id in account_ids
        for asset, amount in amounts.items()
    ]
    async with installation.operator_channel("wallet") as channel:
        stub = wallet_pb2_grpc.WalletServiceStub(channel)
        for first in range(0, len(items), 1000):
            part = items[first : first + 1000]
            answer = await stub.Credit(wallet_pb2.CreditRequest(items=part))
            for item, result in zip(part, answer.results, strict=True):
                if result.HasField("refusal"):
                    raise RuntimeError(f"{item.transaction_id}: {result.refusal.message}")
