"""The lines of captured Binance Spot sessions, checked one by one and against each other.

A capture is text, plain or gzip: `<receive time, unix ns> <JSON as received>` a line, with the
streams `@depth…`, `@trade` and `@bookTicker` and, in the first file, the REST depth snapshot.
What leaves this module keeps one invariant: one symbol, contiguous trade ids, and diffs in an
unbroken chain from the snapshot (binance-spot-api-docs, "How to manage a local order book
correctly"). Numbers stay the strings they were.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple, cast

import orjson

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_DIFFS_BEFORE_SNAPSHOT = 10_000
MAX_INTEGER = 2**63 - 1

# A price and a quantity, as captured.
Levels = list[list[str]]

_RECEIVED = re.compile(rb"[0-9]{1,19}")
_GZIP_MAGIC = b"\x1f\x8b"
_LEVEL_FIELDS = 2
_DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9]{2,32}", re.ASCII)


class CaptureError(Exception):
    """A capture cannot be re-enacted: where, what is wrong, and what would be right.

    `line` counts from 1; 0 means the file as a whole.
    """

    def __init__(self, path: Path, line: int, wrong: str, right: str) -> None:
        where = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{where}: {wrong}; {right}")
        self.path = path
        self.line = line
        self.wrong = wrong
        self.right = right


class Place(NamedTuple):
    """A line of a file and when it was received."""

    path: Path
    line: int
    received_unix_ns: int

    def error(self, wrong: str, right: str) -> CaptureError:
        """Return the error that this line is."""
        return CaptureError(self.path, self.line, wrong, right)


class RawSnapshot(NamedTuple):
    """The book at `update`; quantities above zero."""

    place: Place
    update: int
    bids: Levels
    asks: Levels


class RawDiff(NamedTuple):
    """Levels that changed with the updates `first_update` to `last_update`; zero removes one."""

    place: Place
    symbol: str
    first_update: int
    last_update: int
    bids: Levels
    asks: Levels


class RawTrade(NamedTuple):
    """A trade; price and quantity above zero."""

    place: Place
    symbol: str
    id: int
    price: str
    quantity: str
    buyer_is_maker: bool
    time_ms: int


Raw = RawSnapshot | RawDiff | RawTrade


def session(paths: Sequence[Path]) -> Iterator[Raw]:
    """Yield what the files hold, in the order it was received.

    Diffs that came before the snapshot and reach beyond it follow it; those it contains are left
    out. Raises CaptureError at the first line that breaks a rule, ValueError without a file.
    """
    if not paths:
        raise ValueError("a session is at least one file")
    chain = _Chain()
    for path in paths:
        line = 0
        for line, text in _lines(path):
            yield from chain.take(path, line, text)
        chain.close(path, line)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    # By content and not by name: a capture that was unpacked may have kept its name.
    with path.open("rb") as plain:
        if plain.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC:
            plain.seek(0)
            with gzip.open(plain) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            plain.seek(0)
            yield plain


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with _open(path) as stream:
            while text := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(text) > MAX_LINE_BYTES:
                    raise CaptureError(
                        path, number, "the line does not end", f"at most {MAX_LINE_BYTES} bytes"
                    )
                yield number, text
    except EOFError:
        raise CaptureError(
            path, number + 1, "the gzip stream breaks off", "fetch the whole file again"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CaptureError(
            path, number + 1, f"the gzip stream is corrupt ({error})", "fetch the file again"
        ) from None
    except OSError as error:
        raise CaptureError(
            path, 0, f"cannot be read ({error.strerror})", "name a file that can be read"
        ) from None


@dataclass(slots=True)
class _Chain:
    """Checks lines in their order: one symbol, contiguous trades, an unbroken chain of diffs."""

    symbol: str = ""
    last_trade: int = 0
    last_update: int = 0
    snapshot: int = 0
    bridged: bool = False
    waiting: list[RawDiff] = field(default_factory=list)

    def take(self, path: Path, line: int, text: bytes) -> Iterator[Raw]:
        place, message = _parse(path, line, text)
        if "lastUpdateId" in message:
            yield from self._take_snapshot(_snapshot(place, message))
            return
        payload = _payload(place, message)
        kind = str(message.get("stream", "")).partition("@")[2].partition("@")[0]
        if kind == "depth":
            yield from self._take_diff(_diff(place, payload, self._symbol(place, payload)))
        elif kind == "trade":
            yield self._take_trade(_trade(place, payload, self._symbol(place, payload)))
        elif kind != "bookTicker":
            raise place.error(
                f"stream {message.get('stream')!r} is unknown",
                "a capture holds depth, trade and bookTicker",
            )

    def close(self, path: Path, lines: int) -> None:
        if not lines:
            raise CaptureError(path, 0, "the file is empty", "a capture has at least a snapshot")
        if not self.snapshot:
            raise CaptureError(
                path,
                0,
                f"none of its {lines} lines is a depth snapshot",
                "give the file that holds it, with lastUpdateId, bids and asks, first",
            )

    def _symbol(self, place: Place, payload: dict[str, object]) -> str:
        symbol = payload.get("s")
        if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
            raise place.error(f"the symbol is {symbol!r}", "'s' is one such as BTCUSDT")
        if self.symbol and symbol != self.symbol:
            raise place.error(
                f"a line of {symbol} in a session of {self.symbol}", "one symbol a session"
            )
        self.symbol = symbol
        return symbol

    def _take_trade(self, trade: RawTrade) -> RawTrade:
        if self.last_trade and trade.id != self.last_trade + 1:
            raise trade.place.error(
                f"trade {trade.id} follows trade {self.last_trade}",
                f"trade {self.last_trade + 1} must come next; is a file missing or out of order?",
            )
        self.last_trade = trade.id
        return trade

    def _take_snapshot(self, snapshot: RawSnapshot) -> Iterator[Raw]:
        if self.snapshot:
            raise snapshot.place.error(
                "a second snapshot", "a session has one; re-enact this file by itself"
            )
        self.snapshot = snapshot.update
        yield snapshot
        for diff in self.waiting:
            yield from self._bridge(diff)
        self.waiting.clear()

    def _take_diff(self, diff: RawDiff) -> Iterator[Raw]:
        if self.last_update and diff.first_update != self.last_update + 1:
            raise diff.place.error(
                f"the diff begins at update {diff.first_update}, the one before it ended at "
                f"{self.last_update}",
                f"it must begin at {self.last_update + 1}; is a file missing or out of order?",
            )
        self.last_update = diff.last_update
        if self.snapshot:
            yield from self._bridge(diff)
        elif len(self.waiting) < MAX_DIFFS_BEFORE_SNAPSHOT:
            self.waiting.append(diff)
        else:
            raise diff.place.error(
                f"{MAX_DIFFS_BEFORE_SNAPSHOT} diffs and no snapshot yet",
                "give the file with the snapshot first",
            )

    def _bridge(self, diff: RawDiff) -> Iterator[Raw]:
        if self.bridged:
            yield diff
        elif diff.last_update > self.snapshot:
            if diff.first_update > self.snapshot + 1:
                raise diff.place.error(
                    f"the first diff after snapshot {self.snapshot} begins at update "
                    f"{diff.first_update}",
                    f"a diff that covers update {self.snapshot + 1} must come first",
                )
            self.bridged = True
            yield diff


def _parse(path: Path, line: int, text: bytes) -> tuple[Place, dict[str, object]]:
    whole = text.endswith(b"\n")
    received, _, body = text.partition(b" ")
    if not _RECEIVED.fullmatch(received) or not body:
        raise CaptureError(
            path,
            line,
            "the line does not begin with a receive time" if whole else "the file breaks off here",
            "a line is '<unix ns> <JSON>'" if whole else "fetch the whole file again",
        )
    place = Place(path, line, int(received))
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not whole:
            raise place.error("the file breaks off here", "fetch the whole file again") from None
        raise place.error(
            f"not JSON: {error.msg} at column {len(received) + 1 + error.colno}",
            "the message exactly as it was received",
        ) from None
    if not isinstance(message, dict):
        raise place.error(f"a JSON {type(message).__name__}", "a JSON object")
    return place, message


def _payload(place: Place, message: dict[str, object]) -> dict[str, object]:
    payload = message.get("data")
    if not isinstance(message.get("stream"), str) or not isinstance(payload, dict):
        raise place.error(
            "neither a snapshot nor a stream message",
            'the message is wrapped as {"stream":…,"data":{…}}',
        )
    return payload


def _snapshot(place: Place, message: dict[str, object]) -> RawSnapshot:
    bids, asks = _levels(place, message, "bids"), _levels(place, message, "asks")
    for _, quantity in (*bids, *asks):
        if not quantity.strip("0."):
            raise place.error("an empty level in a snapshot", "quantities above zero")
    return RawSnapshot(place, _integer(place, message, "lastUpdateId"), bids, asks)


def _diff(place: Place, payload: dict[str, object], symbol: str) -> RawDiff:
    if "pu" in payload:
        raise place.error(
            "a futures capture: its diffs chain by 'pu'", "only Spot captures can be re-enacted"
        )
    first, last = _integer(place, payload, "U"), _integer(place, payload, "u")
    if first > last:
        raise place.error(f"a diff from update {first} back to {last}", "U at or below u")
    return RawDiff(
        place, symbol, first, last, _levels(place, payload, "b"), _levels(place, payload, "a")
    )


def _trade(place: Place, payload: dict[str, object], symbol: str) -> RawTrade:
    price, quantity = payload.get("p"), payload.get("q")
    _check_positive(place, "price", price)
    _check_positive(place, "quantity", quantity)
    buyer_is_maker = payload.get("m")
    if not isinstance(buyer_is_maker, bool):
        raise place.error(f"'m' is {buyer_is_maker!r}", "true (the buyer was the maker) or false")
    return RawTrade(
        place,
        symbol,
        _integer(place, payload, "t"),
        str(price),
        str(quantity),
        buyer_is_maker,
        _integer(place, payload, "T"),
    )


def _integer(place: Place, fields: dict[str, object], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_INTEGER:
        raise place.error(f"{name!r} is {value!r}", "a whole number above zero")
    return value


def _check_positive(place: Place, name: str, value: object) -> None:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or not value.strip("0."):
        raise place.error(f"the {name} is {value!r}", "a decimal string above zero")


def _levels(place: Place, fields: dict[str, object], name: str) -> Levels:
    levels = fields.get(name)
    if not isinstance(levels, list):
        raise place.error(f"{name!r} is not a list", f"{name!r} lists [price, quantity] pairs")
    decimal = _DECIMAL.fullmatch
    for level in levels:
        if not isinstance(level, list) or len(level) != _LEVEL_FIELDS:
            raise place.error(f"{level!r} is no level", "[price, quantity]")
        price, quantity = level
        if not isinstance(price, str) or not decimal(price) or not price.strip("0."):
            raise place.error(f"the price of a level is {price!r}", "a decimal string above zero")
        if not isinstance(quantity, str) or not decimal(quantity):
            raise place.error(f"the quantity of a level is {quantity!r}", "a decimal string")
    return levels
