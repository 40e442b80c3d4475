"""`mesh engine`: the matching engine by itself, without any server."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from svc.engine.book import Engine
from svc.engine.command_file import (
    JSON_SUFFIX,
    BadCommandFile,
    batches,
    event_lines,
    read_commands,
)


@click.group()
def command() -> None:
    """The matching engine by itself."""


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--events",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the events here: JSON lines if the name ends in .jsonl, else records.",
)
@click.option(
    "--batch", "size", type=click.IntRange(1, 4096), default=1024, show_default=True,
    help="Commands a batch.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
def run(file: Path, events: Path | None, size: int, *, as_json: bool) -> None:
    """Run a command FILE through the engine; its formats are in docs/engine.md."""
    try:
        commands = read_commands(file)
    except BadCommandFile as error:
        raise click.ClickException(str(error)) from None
    engine = Engine()
    parts: list[bytes] = []
    started = time.perf_counter()
    for part, time_ns in batches(commands, size):
        made = engine.apply(part, time_ns)
        if events is not None:
            parts.append(bytes(made))
    seconds = time.perf_counter() - started
    if events is not None:
        _write(events, parts)
    told = {
        "commands": engine.commands,
        "events": engine.sequence,
        "trades": engine.trades,
        "live_orders": engine.live_orders,
        "running_hash": f"{engine.running_hash:016x}",
        "state_hash": f"{engine.state_hash():016x}",
        "commands_per_s": round(engine.commands / seconds) if seconds else 0,
    }
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told.items():
        click.echo(f"{name:>15} {value:,}" if isinstance(value, int) else f"{name:>15} {value}")


def _write(path: Path, parts: list[bytes]) -> None:
    if path.suffix != JSON_SUFFIX:
        path.write_bytes(b"".join(parts))
        return
    with path.open("w", encoding="utf-8") as out:
        for part in parts:
            out.writelines(event_lines(part))
