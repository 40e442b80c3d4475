"""Structured logs: one JSON object a line on standard output, each with the trace it belongs to.

Every line has ts (RFC 3339, UTC, nanoseconds), level, service, event, and trace_id where one is
known; the rest are the fields of the call. Prices and quantities are logged as they are elsewhere,
integers or decimal text: the type of a field has no float. Library logs go through the same writer.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

import orjson

Field = str | int | bool | None | Sequence["Field"] | Mapping[str, "Field"]

trace_id: ContextVar[str] = ContextVar("trace_id", default="")
"""The trace of the call being served; the server sets it, every line carries it."""

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
_LEVELS = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}
_NAMES = {number: name for name, number in _LEVELS.items()}
_NANOSECONDS = 1_000_000_000
_LOGGED = "_logged_by_kit"


class _Output:
    """What a process decides once: the lowest level written and the environment's name."""

    level = INFO
    environment = ""


class Logger:
    """Writes events of one service, `name` being "service" or "service.part"."""

    __slots__ = ("_name", "_service")

    def __init__(self, name: str) -> None:
        self._name = name
        self._service = name.partition(".")[0]

    def debug(self, event: str, **fields: Field) -> None:
        """Something only whoever looks for a fault wants to see."""
        if _Output.level <= DEBUG:
            self._write(DEBUG, event, fields)

    def info(self, event: str, **fields: Field) -> None:
        """Something an operator may want to see."""
        if _Output.level <= INFO:
            self._write(INFO, event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Something that went wrong and that the service gets over by itself."""
        if _Output.level <= WARNING:
            self._write(WARNING, event, fields)

    def error(self, event: str, **fields: Field) -> None:
        """Something that somebody has to look at."""
        self._write(ERROR, event, fields)

    def exception(self, event: str, error: BaseException | None = None, **fields: Field) -> None:
        """Log an unexpected exception with its traceback, once however often it is reported.

        Without `error` it is the one being handled.
        """
        error = error or sys.exception()
        assert error is not None, "there is no exception to log"
        if getattr(error, _LOGGED, False):
            return
        setattr(error, _LOGGED, True)
        text = "".join(traceback.format_exception(error))
        self._write(ERROR, event, {**fields, "error": repr(error), "traceback": text})

    def _write(self, level: int, event: str, fields: Mapping[str, Field]) -> None:
        line: dict[str, Field] = {
            "ts": _rfc3339(time.time_ns()),
            "level": _NAMES.get(level, "info"),
            "service": self._service,
            "event": event,
        }
        if self._name != self._service:
            line["logger"] = self._name
        if _Output.environment:
            line["env"] = _Output.environment
        if trace := trace_id.get():
            line["trace_id"] = trace
        for key, value in fields.items():
            line[key if key not in line else f"field_{key}"] = value
        sys.stdout.write(_json(line))
        sys.stdout.flush()


def get_logger(name: str) -> Logger:
    """A logger for `name`, "order" or "order.relay"; costs nothing, may be made at import."""
    return Logger(name)


def configure(service: str, level: str = "info", environment: str = "") -> None:
    """Send everything of this process through this module; called once by the composition root.

    Levels are debug, info, warning and error. Libraries' records are written from warning on.
    Uncaught exceptions of threads and of the main thread are logged once, as `service`.
    """
    _Output.level = _LEVELS[level]
    _Output.environment = environment
    logging.root.handlers[:] = [_Bridge()]
    logging.root.setLevel(max(_Output.level, logging.WARNING))
    process = get_logger(service)

    def uncaught(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        if not isinstance(error, KeyboardInterrupt):
            process.exception("uncaught_exception", error)

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            process.exception("uncaught_exception", args.exc_value)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread


def watch_loop(loop: asyncio.AbstractEventLoop, service: str) -> None:
    """Log once what a task or callback of `loop` raised and nobody awaited."""
    process = get_logger(service)

    def uncaught(_: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            process.exception("uncaught_exception", error, where=str(context.get("message", "")))
        else:
            process.error("event_loop_error", where=str(context.get("message", "")))

    loop.set_exception_handler(uncaught)


class _Bridge(logging.Handler):
    """Writes records of libraries that log with the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        library = Logger(record.name)
        message = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            library.exception("library_error", error, message=message)
            return
        level = min(max(record.levelno // 10 * 10, DEBUG), ERROR)
        if level >= _Output.level:
            library._write(level, "library_message", {"message": message})  # noqa: SLF001


def _rfc3339(unix_ns: int) -> str:
    seconds, nanoseconds = divmod(unix_ns, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{nanoseconds:09}Z"


def _json(line: Mapping[str, Field]) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE).decode()
    except TypeError:  # a ledger amount may need more than 64 bits; as text it is exact
        plain = {
            key: value if isinstance(value, str) else repr(value) for key, value in line.items()
        }
        return orjson.dumps(plain, option=orjson.OPT_APPEND_NEWLINE).decode()
