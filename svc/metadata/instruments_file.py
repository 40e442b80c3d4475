"""The operator's file of assets and instruments (TOML): text in, values out.

Keeps: a file is taken whole or not at all, and every mistake in it is told at once with its
line. Pure: reading the file from disk is the caller's.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from svc.metadata.catalog import Asset, CatalogError, Definition, Kind, State, Terms

_HEADER = re.compile(r"\s*\[\[?\s*(\w+)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"\s*(\w+)\s*=")


class InstrumentsFileError(Exception):
    """The file is wrong; `mistakes` has a line for each thing to correct."""

    def __init__(self, name: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        listed = "".join(f"\n  {mistake}" for mistake in mistakes)
        super().__init__(f"{name}: {count}, nothing was applied:{listed}")


class _TomlFloat(str):
    """The text of a TOML float: never turned into one, for it may stand for a price."""

    __slots__ = ()


def _decimal_text(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, _TomlFloat):
        return value
    raise ValueError(f'decimals are written as strings; "{value}" in quotes is right')


_DecimalText = Annotated[str, BeforeValidator(_decimal_text)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _AssetRow(_Row):
    id: int
    symbol: str
    name: str = ""
    ledger_scale: int

    def value(self) -> Asset:
        return Asset(self.id, self.symbol, self.name, self.ledger_scale)


class _InstrumentRow(_Row):
    id: int
    symbol: str
    kind: Kind = Field(default=Kind.SPOT, strict=False)
    market: int = 1
    base_asset: str
    quote_asset: str
    tick_size: _DecimalText
    lot_size: _DecimalText
    min_notional: _DecimalText
    max_quantity: _DecimalText
    max_leverage: int = 1
    collar_bps: int
    reference_price: _DecimalText = ""
    maker_fee_ppm: int
    taker_fee_ppm: int
    band_bps: int = 0
    band_auction: bool = False
    state: State = Field(default=State.TRADING, strict=False)

    def value(self) -> Definition:
        row = self.model_dump()
        terms = Terms(**{key: row.pop(key) for key in Terms.__slots__})
        return Definition(initial_state=row.pop("state"), terms=terms, **row)


class _Content(_Row):
    assets: list[_AssetRow] = []
    instruments: list[_InstrumentRow] = []


class Lines:
    """Where each row and key of a TOML text stands; for messages, not for parsing."""

    def __init__(self, text: str) -> None:
        self._rows: dict[str, list[dict[str, int]]] = {}
        keys: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.fullmatch(line):
                keys = {"": number}
                self._rows.setdefault(header[1], []).append(keys)
            elif key := _KEY.match(line):
                keys.setdefault(key[1], number)

        self._defaults = self._rows.get("defaults", [{}])[0]

    def of(self, table: str, index: int, key: str) -> int:
        """The line of a key: in its row, else in the defaults, else that of the row, else 1."""
        rows = self._rows.get(table, [])
        keys = rows[index] if index < len(rows) else {}
        defaults = self._defaults if table == "instruments" and key else {}
        return keys.get(key, defaults.get(key, keys.get("", 1)))

    def numbered(self, mistakes: Iterable[tuple[int, str]]) -> list[str]:
        """The mistakes with their lines; one in the defaults once, not for each instrument."""
        shared = set(self._defaults.values())
        told: dict[tuple[int, str], str] = {}
        for line, mistake in mistakes:
            told.setdefault((line, "" if line in shared else mistake), f"line {line}: {mistake}")
        return list(told.values())


@dataclass(frozen=True, slots=True)
class InstrumentsFile:
    """What a file says, and the lines it says it in."""

    name: str
    assets: tuple[Asset, ...]
    instruments: tuple[Definition, ...]
    lines: Lines

    def refused(self, refusal: CatalogError) -> InstrumentsFileError:
        """A refusal of these values, with the lines to correct."""
        mistakes = (
            (self.lines.of(problem.table, problem.index, problem.field), str(problem))
            for problem in refusal.problems
        )
        return InstrumentsFileError(self.name, self.lines.numbered(mistakes))


def parse(text: str, name: str) -> InstrumentsFile:
    """The values of a file's text; InstrumentsFileError with all its mistakes of form.

    Instruments take what they do not name from the `[defaults]` table. The rules of the catalog
    come later, when the values meet what is listed (`InstrumentsFile.refused`).
    """
    try:
        content = tomllib.loads(text, parse_float=_TomlFloat)
    except tomllib.TOMLDecodeError as error:
        raise InstrumentsFileError(name, [f"not TOML: {error}"]) from error
    lines = Lines(text)
    try:
        rows = _Content.model_validate(_with_defaults(content))
    except ValidationError as error:
        mistakes = (_mistake(found, content, lines) for found in error.errors())
        raise InstrumentsFileError(name, lines.numbered(mistakes)) from error
    return InstrumentsFile(
        name=name,
        assets=tuple(row.value() for row in rows.assets),
        instruments=tuple(row.value() for row in rows.instruments),
        lines=lines,
    )


def _with_defaults(content: dict[str, object]) -> dict[str, object]:
    """The same content with `[defaults]` written out in each instrument."""
    defaults, instruments = content.get("defaults"), content.get("instruments")
    if not isinstance(defaults, dict) or not isinstance(instruments, list):
        return content
    merged = [defaults | row if isinstance(row, dict) else row for row in instruments]
    rest = {key: value for key, value in content.items() if key != "defaults"}
    return rest | {"instruments": merged}


def _mistake(found: ErrorDetails, content: dict[str, object], lines: Lines) -> tuple[int, str]:
    """Line and text of one mistake of form."""
    table, index, key = (*(str(part) for part in found["loc"]), "0", "")[:3]
    line = lines.of(table, int(index), key)
    if len(found["loc"]) == 1:
        return line, f"{table}: {_advice(found, ('assets', 'instruments', 'defaults'))}"
    model = _AssetRow if table == "assets" else _InstrumentRow
    rows = content[table]
    row = rows[int(index)] if isinstance(rows, list) else rows
    symbol = row.get("symbol") if isinstance(row, dict) else None
    subject = f"{table.removesuffix('s')} {symbol or f'number {int(index) + 1}'}"
    return line, f"{subject}: {key} {_advice(found, tuple(model.model_fields))}"


def _advice(found: ErrorDetails, keys: Sequence[str]) -> str:
    match found["type"]:
        case "extra_forbidden":
            close = get_close_matches(str(found["loc"][-1]), keys, 1) or [", ".join(keys)]
            return f"is no key; did you mean {close[0]}?"
        case "missing":
            return "is missing"
        case _:
            return f"is {found['input']!r}; {found['msg'].removeprefix('Value error, ')}"
