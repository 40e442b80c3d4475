"""Log lines: one JSON object each, with the trace, without a float, each exception once."""

import asyncio
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from svc.kit import log
from svc.kit.log import configure, get_logger, trace_id, watch_loop

Lines = list[dict[str, object]]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put back what configure() changes for the whole process."""
    handlers, level = logging.root.handlers[:], logging.root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    configure("test")
    logging.root.handlers[:], logging.root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


class Output:
    """What was written to standard output since the last look."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def lines(self) -> Lines:
        return [json.loads(line) for line in self._capture.readouterr().out.splitlines()]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    """Read the log lines of the test."""
    return Output(capsys)


@contextmanager
def traced(trace: str) -> Iterator[None]:
    token = trace_id.set(trace)
    yield
    trace_id.reset(token)


def fail() -> None:
    raise KeyError("missing")


@pytest.mark.spec("obs-json-logs", "obs-log-prices")
def test_a_line_has_time_level_service_event_trace_and_the_fields(output: Output) -> None:
    with traced("4bf92f3577b34da6a3ce929d0e0e4736"):
        get_logger("order").info("order_accepted", order_id=7, side="BUY", price="43210.57")
    (line,) = output.lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", str(line.pop("ts")))
    assert line == {
        "level": "info",
        "service": "order",
        "event": "order_accepted",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "order_id": 7,
        "side": "BUY",
        "price": "43210.57",
    }


@pytest.mark.spec("log-context")
def test_every_line_has_service_level_and_environment(output: Output) -> None:
    configure("core", environment="production")
    get_logger("wallet").warning("slow")
    (line,) = output.lines()
    assert (line["service"], line["level"], line["env"]) == ("wallet", "warning", "production")


def test_a_part_of_a_service_logs_as_the_service(output: Output) -> None:
    get_logger("order.relay").info("connected")
    (line,) = output.lines()
    assert (line["service"], line["logger"]) == ("order", "order.relay")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_what_is_below_the_level_is_not_written(output: Output, level: str) -> None:
    configure("core", level=level)
    logger = get_logger("order")
    for write in (logger.debug, logger.info, logger.warning, logger.error):
        write("something")
    levels = ["debug", "info", "warning", "error"]
    assert [line["level"] for line in output.lines()] == levels[levels.index(level) :]


def test_an_amount_above_64_bits_is_written_exactly(output: Output) -> None:
    get_logger("wallet").info("credited", amount=10**37 + 1, asset="USD")
    (line,) = output.lines()
    assert (line["amount"], line["asset"]) == (str(10**37 + 1), "USD")


def test_a_field_cannot_hide_what_every_line_has(output: Output) -> None:
    get_logger("order").info("replaced", level=3, service="me")
    (line,) = output.lines()
    assert (line["level"], line["service"]) == ("info", "order")
    assert (line["field_level"], line["field_service"]) == (3, "me")


def test_a_line_break_in_a_field_makes_no_second_line(output: Output) -> None:
    get_logger("order").info("text", note='a\n{"level":"error"}')
    (line,) = output.lines()
    assert line["note"] == 'a\n{"level":"error"}'


def test_what_json_does_not_know_is_written_as_text(output: Output) -> None:
    get_logger("order").info("odd", value=Decimal("0.10"))  # type: ignore[arg-type]
    assert output.lines()[0]["value"] == "0.10"


def test_an_exception_is_logged_once_with_its_traceback(output: Output) -> None:
    order = get_logger("order")
    try:
        fail()
    except KeyError as error:
        order.exception("failed", order_id=7)
        order.exception("failed_further_up", error)
    (line,) = output.lines()
    assert (line["level"], line["event"], line["order_id"]) == ("error", "failed", 7)
    assert line["error"] == "KeyError('missing')"
    assert "test_an_exception_is_logged_once_with_its_traceback" in str(line["traceback"])


def test_library_records_come_out_as_lines_from_warning_on(output: Output) -> None:
    configure("core")
    logging.getLogger("asyncio").info("not worth a line")
    logging.getLogger("asyncio").warning("took %d ms", 7)
    (line,) = output.lines()
    assert (line["service"], line["level"], line["message"]) == ("asyncio", "warning", "took 7 ms")


def test_a_library_that_logs_an_exception_of_ours_does_not_repeat_it(output: Output) -> None:
    configure("core")
    error = ValueError("once")
    get_logger("order").exception("failed", error)
    logging.getLogger("asyncio").error("again", exc_info=error)
    assert [line["event"] for line in output.lines()] == ["failed"]


def test_an_uncaught_exception_of_a_thread_is_logged(output: Output) -> None:
    configure("engine")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    (line,) = output.lines()
    assert (line["service"], line["event"]) == ("engine", "uncaught_exception")


def test_an_uncaught_exception_of_the_process_is_logged_once(output: Output) -> None:
    configure("engine")
    error = ValueError("fatal")
    sys.excepthook(ValueError, error, None)
    sys.excepthook(ValueError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [line["error"] for line in output.lines()] == ["ValueError('fatal')"]


async def test_what_a_forgotten_task_raised_is_logged(output: Output) -> None:
    async def forgotten() -> None:
        fail()

    watch_loop(asyncio.get_running_loop(), "order")
    task = asyncio.create_task(forgotten())
    await asyncio.wait([task])
    del task
    (line,) = output.lines()
    assert (line["service"], line["error"]) == ("order", "KeyError('missing')")


async def test_concurrent_calls_keep_their_own_traces(output: Output) -> None:
    async def call(trace: str) -> None:
        trace_id.set(trace)
        await asyncio.sleep(0)
        get_logger("order").info("served", expected=trace)

    await asyncio.gather(*(asyncio.create_task(call(f"t{n}")) for n in range(5)))
    lines = output.lines()
    assert [line["trace_id"] for line in lines] == [line["expected"] for line in lines]


def test_the_type_of_a_field_has_no_float() -> None:
    assert "float" not in str(log.Field)
