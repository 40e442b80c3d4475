"""Options that several commands share."""

from pathlib import Path

import click

from svc.topology import MARKET, MOST_MARKETS

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".mesh"),
    show_default=True,
    help="Folder of the installation.",
)
market_option = click.option(
    "--market",
    type=click.IntRange(1, MOST_MARKETS),
    default=MARKET,
    show_default=True,
    help="The market whose engine is meant.",
)
