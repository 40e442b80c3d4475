"""Calls of the operator to a running installation, and how their failures are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
import grpc
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from mesh.installation import Installation, NotRunningError
from svc.kit.errors import from_rpc

T = TypeVar("T")


def ask(home: Path, service: str, work: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
    """What `work` makes of a channel to a service. Raises click.ClickException for a refusal."""

    async def run() -> T:
        async with Installation(home).operator_channel(service) as channel:
            return await work(channel)

    try:
        return asyncio.run(run())
    except NotRunningError as error:
        raise click.ClickException(str(error)) from error
    except grpc.aio.AioRpcError as error:
        raise tell(error) from error


def tell(error: grpc.aio.AioRpcError) -> click.ClickException:
    """What a person is told of a refusal."""
    refusal = from_rpc(error)
    return click.ClickException(f"{refusal.reason or refusal.code.name}: {refusal.message}")


def show_json(message: Message) -> None:
    """Print a message as the edge would render it."""
    click.echo(MessageToJson(message, always_print_fields_with_no_presence=True))
