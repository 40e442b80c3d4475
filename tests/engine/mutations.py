"""Seeded damage to bytes: what a fuzzer does, made repeatable by its seed.

Invariant: a mutation is a function of the generator it draws from; it never returns the input.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_EDGES = (0, 1, 0x7F, 0x80, 0xFF)
_LONGEST_PIECE = 300


def mutated(
    draw: random.Random, content: bytes, others: Sequence[bytes], most_steps: int = 4
) -> bytes:
    """The content after one or more steps of damage; `others` are inputs to splice from."""
    steps = [_flip, _set, _cut, _drop, _repeat, _insert, _zero, _swap]
    while True:
        changed = bytearray(content)
        for _ in range(draw.randint(1, most_steps)):
            if draw.random() < 0.1:
                _splice(draw, changed, draw.choice(others))
            else:
                draw.choice(steps)(draw, changed)
        if changed != content:
            return bytes(changed)


_Step = Callable[[random.Random, bytearray], None]


def _place(draw: random.Random, content: bytearray) -> int:
    return draw.randrange(len(content) + 1)


def _piece(draw: random.Random, content: bytearray) -> slice:
    start = _place(draw, content)
    return slice(start, start + draw.randint(1, draw.choice((4, 16, _LONGEST_PIECE))))


def _flip(draw: random.Random, content: bytearray) -> None:
    if content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _set(draw: random.Random, content: bytearray) -> None:
    if content:
        content[draw.randrange(len(content))] = draw.choice((*_EDGES, draw.randrange(256)))


def _cut(draw: random.Random, content: bytearray) -> None:
    del content[_place(draw, content) :]


def _drop(draw: random.Random, content: bytearray) -> None:
    del content[_piece(draw, content)]


def _repeat(draw: random.Random, content: bytearray) -> None:
    piece = content[_piece(draw, content)]
    at = _place(draw, content)
    content[at:at] = piece


def _insert(draw: random.Random, content: bytearray) -> None:
    at = _place(draw, content)
    content[at:at] = draw.randbytes(draw.randint(1, 16))


def _zero(draw: random.Random, content: bytearray) -> None:
    piece = _piece(draw, content)
    content[piece] = bytes(len(content[piece]))


def _swap(draw: random.Random, content: bytearray) -> None:
    first, second = _piece(draw, content), _piece(draw, content)
    content[first], content[second] = content[second], content[first]


def _splice(draw: random.Random, content: bytearray, other: bytes) -> None:
    start = draw.randrange(len(other) + 1)
    content[_place(draw, content) :] = other[start:]
