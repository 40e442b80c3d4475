"""Ids never repeat, and their UUIDs lead back to them and to nothing else."""

import random
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from svc.kit.clock import FakeClock
from svc.kit.ids import MAX_ID, IdGenerator, from_uuid, to_uuid

MS = 1_000_000
EPOCH_MS = 1_704_067_200_000

any_id = st.integers(1, MAX_ID)
SAMPLE = [1, 7, 1 << 40 | 1, MAX_ID, *random.Random(1).sample(range(1, MAX_ID), 6)]


def plain_uuid(value: int) -> str:
    """The bits of docs/ids.md, one after the other."""
    checksum = value * 0x9E37_79B9_7F4A_7C15 % (2**52 - 47)
    bits = (value >> 22) + EPOCH_MS << 80 | 7 << 76 | (value >> 10 & 0xFFF) << 64
    return str(UUID(int=bits | 2 << 62 | (value & 0x3FF) << 52 | checksum))


@given(any_id)
@example(1)
@example(MAX_ID)
def test_a_uuid_has_the_bits_that_are_written_down(value: int) -> None:
    assert to_uuid(value) == plain_uuid(value)


@settings(max_examples=500)
@given(any_id, st.lists(st.tuples(st.integers(0, 35), st.sampled_from("09afgAFG-\xe9 "))))
def test_a_text_is_an_id_only_where_it_is_that_ids_uuid(
    value: int, mistypes: list[tuple[int, str]]
) -> None:
    text = list(to_uuid(value))
    for at, wrong in mistypes:
        text[at] = wrong
    asked = "".join(text)
    if asked.lower() == plain_uuid(value):
        assert from_uuid(asked) == value
        return
    with pytest.raises(ValueError, match="must be a UUID"):
        from_uuid(asked)


@given(any_id)
@example(1)
@example(MAX_ID)
@example(1 << 40 | 7)
def test_a_uuid_leads_back_to_its_id(value: int) -> None:
    assert from_uuid(to_uuid(value)) == value


@pytest.mark.spec("tbl-order-id")
@given(any_id)
def test_every_uuid_is_a_valid_version_7(value: int) -> None:
    uuid = UUID(to_uuid(value))
    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
    assert str(uuid) == to_uuid(value)


@given(any_id, any_id)
def test_uuids_sort_as_their_ids_do(one: int, other: int) -> None:
    assert (to_uuid(one) < to_uuid(other)) == (one < other)


def test_the_time_of_an_order_id_is_the_time_of_its_uuid() -> None:
    clock = FakeClock(unix_ns=1_790_000_000_123 * MS)
    uuid = UUID(to_uuid(IdGenerator(3, clock).next()))
    assert uuid.int >> 80 == 1_790_000_000_123


@pytest.mark.parametrize("value", SAMPLE)
def test_every_mistyped_digit_is_refused(value: int) -> None:
    text = to_uuid(value)
    for position, right in enumerate(text):
        for wrong in set("0123456789abcdef-") - {right}:
            with pytest.raises(ValueError, match="is not an id of this exchange"):
                from_uuid(text[:position] + wrong + text[position + 1 :])


@pytest.mark.parametrize("value", SAMPLE)
def test_every_swap_of_two_neighbours_is_refused(value: int) -> None:
    text = to_uuid(value)
    for at, (one, other) in enumerate(pairwise(text)):
        if one != other:
            with pytest.raises(ValueError, match="is not an id of this exchange"):
                from_uuid(text[:at] + other + one + text[at + 2 :])


def test_another_exchanges_uuids_are_refused() -> None:
    for _ in range(1_000):
        with pytest.raises(ValueError, match="is not an id of this exchange"):
            from_uuid(str(uuid4()))


def test_upper_case_is_the_same_id() -> None:
    assert from_uuid(to_uuid(123_456_789).upper()) == 123_456_789


@pytest.mark.parametrize(
    "form",
    ["{}-", " {}", "{}\n", "urn:uuid:{}", "{{{}}}", "", "7", "null", "{}{}", "\u0661{}"],
)
def test_anything_but_the_36_characters_is_refused(form: str) -> None:
    uuid = to_uuid(7)
    with pytest.raises(ValueError, match="must be a UUID"):
        from_uuid(form.format(uuid, uuid))


def test_a_uuid_without_its_hyphens_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a UUID"):
        from_uuid(to_uuid(7).replace("-", ""))


def test_the_refusal_shows_no_more_than_a_uuids_worth_of_the_text() -> None:
    with pytest.raises(ValueError, match="must be a UUID") as refusal:
        from_uuid("x" * 10_000)
    assert len(str(refusal.value)) < 200


def test_an_id_holds_time_writer_and_counter() -> None:
    clock = FakeClock(unix_ns=(EPOCH_MS + 5) * MS)
    ids = IdGenerator(9, clock)
    assert [ids.next(), ids.next()] == [5 << 22 | 9 << 16 | 0, 5 << 22 | 9 << 16 | 1]


@given(st.lists(st.integers(-5_000, 5_000), max_size=200))
def test_ids_only_grow_whatever_the_wall_clock_does(steps_ms: list[int]) -> None:
    clock = FakeClock()
    ids = IdGenerator(1, clock)
    given_out = [ids.next()]
    for step in steps_ms:
        clock.set_unix_ns(clock.unix_ns() + step * MS)
        given_out += [ids.next(), ids.next()]
    assert given_out == sorted(set(given_out))


def test_a_full_millisecond_runs_into_the_next_without_repeating() -> None:
    ids = IdGenerator(63, FakeClock())
    given_out = [ids.next() for _ in range(3 * 65_536)]
    assert given_out == sorted(set(given_out))
    assert {value >> 16 & 63 for value in given_out} == {63}


def test_writers_in_the_same_millisecond_never_meet() -> None:
    clock = FakeClock()
    writers = [IdGenerator(writer, clock) for writer in range(64)]
    given_out = [ids.next() for ids in writers for _ in range(100)]
    assert len(set(given_out)) == len(given_out)


def test_a_restart_with_the_clock_set_back_goes_on_after_the_last_id() -> None:
    clock = FakeClock()
    before = IdGenerator(1, clock)
    last = [before.next() for _ in range(10)][-1]
    clock.set_unix_ns(clock.unix_ns() - 3_600_000 * MS)
    assert IdGenerator(1, clock, after=last).next() > last


@pytest.mark.parametrize(("writer", "after"), [(-1, 0), (64, 0), (0, -1), (0, MAX_ID + 1)])
def test_a_generator_outside_its_bits_is_refused(writer: int, after: int) -> None:
    with pytest.raises(ValueError, match="must be in"):
        IdGenerator(writer, FakeClock(), after)
