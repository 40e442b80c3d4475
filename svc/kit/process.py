"""The life of a process: configuration, services, signals, exit status.

SIGTERM and SIGINT drain; a second one ends the process at once. Exit status 0: asked to stop.
1: a service could not start or gave up. 2: the configuration cannot be used. Of the last two,
standard error says why in one message.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop

from svc.kit import log
from svc.kit.access import AccessOptionError
from svc.kit.host import Host
from svc.kit.identity import IdentityFilesError
from svc.kit.pipeline import HandlerShapeError
from svc.kit.settings import Endpoint, Settings, SettingsError, load_endpoints

STOPPED, FAILED, MISCONFIGURED = 0, 1, 2
"""Exit statuses."""

_UNUSABLE = (SettingsError, IdentityFilesError, AccessOptionError, HandlerShapeError)


def run(process: str, services: Sequence[str]) -> int:
    """Runs services in this process until a signal or a failure; returns the exit status.

    ``process`` is its name in logs, ``services`` are started in that order.
    """
    try:
        settings = Settings.load()
        endpoints = load_endpoints(os.environ)
        log.configure(process, settings.log_level, settings.environment)
        return uvloop.run(_serve(process, services, settings, endpoints))
    except _UNUSABLE as error:
        sys.stderr.write(f"{process}: {error}\n")
        return MISCONFIGURED


async def _serve(
    process: str, services: Sequence[str], settings: Settings, endpoints: Mapping[str, Endpoint]
) -> int:
    loop = asyncio.get_running_loop()
    log.watch_loop(loop, process)
    asked: asyncio.Future[None] = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask, asked)
    host = Host(services, settings, endpoints)
    starting = asyncio.create_task(host.start())
    try:
        await _first(starting, asked, host.failed)
        if starting.done():
            await starting
            _settle()
            await _first(asked, host.failed)
    except Exception as error:  # noqa: BLE001 (whatever keeps a service from starting)
        log.get_logger(process).exception("start_failed", error)
        if not host.failed.done():
            host.failed.set_result(error)
    finally:
        await _cancel(starting)
        await host.stop()
    if not host.failed.done():
        return STOPPED
    failure = host.failed.result()
    sys.stderr.write(f"{process}: {failure}\n")
    return MISCONFIGURED if isinstance(failure, SettingsError) else FAILED


def _settle() -> None:
    # What was made up to here stays for good. Looking through it for garbage would stop the
    # process for 70 ms each time; frozen it is never looked at again.
    gc.collect()
    gc.freeze()
    # A batch makes thousands of objects that die with it, hardly any in a circle.
    gc.set_threshold(20_000)


def _ask(asked: asyncio.Future[None]) -> None:
    if asked.done():
        os._exit(FAILED)
    asked.set_result(None)


async def _first(*awaited: asyncio.Future[Any]) -> None:
    await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
