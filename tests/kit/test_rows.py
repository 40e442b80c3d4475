"""Lists of tuples as parameters: PostgreSQL reads the very values that were given."""

import string
from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.kit.database import Database
from svc.kit.rows import RowsEncoder

_INTEGERS = {"small": 2**15, "middle": 2**31, "large": 2**63}

_READABLE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))

ROWS = st.lists(
    st.tuples(
        *(st.none() | st.integers(-limit, limit - 1) for limit in _INTEGERS.values()),
        st.none() | st.booleans(),
        st.none() | _READABLE,
        st.none() | st.binary(),
    )
)


class Named(NamedTuple):
    """A row of fields with names."""

    id: int
    kept: str


@pytest.fixture
async def conn(alpha: Database) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection that has learnt of a list of rows with a field of every type."""
    async with alpha.transaction() as first:
        await first.execute(
            "CREATE TYPE sample_row AS (small smallint, middle int, large bigint, flag boolean,"
            " words text, raw bytea)"
        )
        await first.execute("CREATE DOMAIN sample_rows AS sample_row[]")
        await first.execute("CREATE TYPE gone_row AS (id bigint, gone text, kept text)")
        await first.execute("ALTER TYPE gone_row DROP ATTRIBUTE gone")
        await first.execute("CREATE DOMAIN gone_rows AS gone_row[]")
        await first.execute("CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100)")
    opened = await alpha.connect()
    yield opened
    await opened.close()


async def read(conn: asyncpg.Connection, rows: object, name: str = "sample") -> list[object]:
    """Rows as PostgreSQL understood them."""
    query = f"SELECT * FROM unnest($1::{name}_rows)"  # noqa: S608 (of this file alone)
    found = await conn.fetch(query, rows)
    return [tuple(row) for row in found]


@settings(max_examples=200)
@given(rows=ROWS)
async def test_the_database_reads_what_was_given(
    conn: asyncpg.Connection, rows: list[tuple[object, ...]]
) -> None:
    assert await read(conn, rows) == rows


@pytest.mark.parametrize("long", ["words", "raw"])
async def test_rows_of_any_size_fit(conn: asyncpg.Connection, long: str) -> None:
    rows: list[object] = []
    for length in (0, 1, 2**16 - 1, 2**16, 2**20):
        words = (string.ascii_letters * length)[:length]
        value = words if long == "words" else words.encode()
        rows.append((1, 2, 3, True, *((value, None) if long == "words" else (None, value))))
    rows += [(n % 2**15, n, -n, n % 2 == 0, str(n), b"") for n in range(5_000)]
    assert await read(conn, rows) == rows


async def test_rows_may_have_names(conn: asyncpg.Connection) -> None:
    assert await read(conn, [Named(1, "kept")], "gone") == [(1, "kept")]


async def test_a_field_that_was_dropped_is_not_written(conn: asyncpg.Connection) -> None:
    assert await read(conn, [(1, "kept")], "gone") == [(1, "kept")]


async def test_no_list_is_null(conn: asyncpg.Connection) -> None:
    assert await read(conn, None) == []


async def test_other_domains_are_what_they_were(conn: asyncpg.Connection) -> None:
    assert await conn.fetchval("SELECT $1::percent", 7) == 7
    with pytest.raises(asyncpg.CheckViolationError):
        await conn.fetchval("SELECT $1::percent", 101)


_GOOD = (1, 2, 3, True, "words", b"raw")
_BAD = [
    (0, 2**15, "row 1: small = 32768 is no smallint"),
    (0, -(2**15) - 1, "row 1: small = -32769 is no smallint"),
    (1, 2**31, "row 1: middle = 2147483648 is no integer"),
    (1, -(2**31) - 1, "row 1: middle = -2147483649 is no integer"),
    (2, 2**63, "row 1: large = 9223372036854775808 is no bigint"),
    (2, -(2**63) - 1, "row 1: large = -9223372036854775809 is no bigint"),
    (2, 1.0, "row 1: large = 1.0 is no bigint"),
    (2, "1", "row 1: large = '1' is no bigint"),
    (3, 1, "row 1: flag = 1 is no boolean"),
    (4, 7, "row 1: words = 7 is no text"),
    (4, "\ud800", r"row 1: words = '\ud800' is no text"),
    (5, "raw", "row 1: raw = 'raw' is no bytea"),
]


@pytest.mark.parametrize(("place", "value", "message"), _BAD, ids=[bad[2][7:40] for bad in _BAD])
async def test_a_value_that_does_not_fit_is_refused_and_named(
    conn: asyncpg.Connection, place: int, value: object, message: str
) -> None:
    bad = (*_GOOD[:place], value, *_GOOD[place + 1 :])
    with pytest.raises(asyncpg.DataError) as refused:
        await read(conn, [_GOOD, bad])
    assert message in str(refused.value)
    assert await read(conn, [_GOOD]) == [_GOOD]


@pytest.mark.parametrize("row", [_GOOD[:-1], (*_GOOD, 1), ()])
async def test_a_row_of_another_width_is_refused(
    conn: asyncpg.Connection, row: tuple[object, ...]
) -> None:
    with pytest.raises(asyncpg.DataError, match=f"row 0 has {len(row)} fields, its type has 6"):
        await read(conn, [row])


@pytest.mark.parametrize("rows", [[list(_GOOD)], [7], 7, [None]])
async def test_what_is_no_list_of_tuples_is_refused(conn: asyncpg.Connection, rows: object) -> None:
    with pytest.raises(asyncpg.DataError):
        await read(conn, rows)


def test_a_type_that_is_not_written_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="field at has type 1184, which rows do not carry"):
        RowsEncoder(1, (("id", 20), ("at", 1184)))
