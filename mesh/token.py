"""`mesh token`: a token for a demo trader, until the identity service issues them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from mesh.demo import demo_trader
from mesh.installation import Installation
from mesh.options import home_option
from svc.kit import ids

_DAY_S = 24 * 3600

EXAMPLES = """
\b
Examples:
  mesh token trader-1
  TOKEN=$(mesh token trader-2 --days 1)
  mesh token trader-1 --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("trader")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Token, user, account and expiry as JSON.")
@home_option
def command(trader: str, days: int, as_json: bool, home: Path) -> None:  # noqa: FBT001
    """Print a token that lets its bearer trade as TRADER. Unknown names become new traders."""
    installation = Installation(home)
    if not installation.secrets.is_dir():
        raise click.ClickException(f"{installation.home} is empty; `make up` fills it")
    who = demo_trader(installation, trader)
    now_s = time.time_ns() // 1_000_000_000
    token = installation.issuer().issue(
        who.user_id, who.account_id, now_s=now_s, lifetime_s=days * _DAY_S
    )
    if not as_json:
        click.echo(token)
        return
    answer = {
        "token": token,
        "trader": trader,
        "userId": ids.to_uuid(who.user_id),
        "accountId": ids.to_uuid(who.account_id),
        "expiresAt": now_s + days * _DAY_S,
    }
    click.echo(json.dumps(answer, indent=2))
