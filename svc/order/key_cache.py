"""Idempotency keys of the last 24 hours in Redis or Valkey, in front of the table that decides.

Keeps: losing the cache loses nothing. It gives two calls with one key the same order id before
either has an answer; when it is away every call gets an id of its own, and the unique key of the
table picks the winner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from svc.kit.clock import Clock
from svc.kit.log import get_logger

LIFE_S = 24 * 60 * 60
TIMEOUT_S = 0.25
"""A cache that takes longer than this for a batch is taken for away."""
PAUSE_NS = 1_000_000_000
"""How long it is not asked again after it was away."""

# One round trip for a batch; the answer of a key is what it held before, or nothing.
_CLAIM = """
local known = {}
for i, key in ipairs(KEYS) do
    known[i] = redis.call('SET', key, ARGV[i], 'NX', 'GET', 'EX', ARGV[#KEYS + 1])
end
return known
"""
_FORGET = """
for i, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[i] then redis.call('DEL', key) end
end
"""

_AWAY = (RedisError, OSError, TimeoutError)

_log = get_logger("order.keys")


@dataclass(frozen=True, slots=True)
class Claim:
    """A key of an account, with the order id and digest of the call that wants it."""

    account_id: int
    key: str
    order_id: int
    digest: bytes

    @property
    def name(self) -> str:
        """The key in the cache."""
        return f"order:idem:{self.account_id}:{self.key}"

    @property
    def value(self) -> str:
        """What the cache holds under it."""
        return f"{self.order_id}:{self.digest.hex()}"


class _Script(Protocol):
    """A registered script: sent whole only when the server does not know it."""

    async def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> list[object]: ...


class KeyCache:
    """Claims keys."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._claim: _Script = redis.register_script(_CLAIM)
        self._forget: _Script = redis.register_script(_FORGET)
        self._clock = clock
        self._away_until_ns = 0

    async def claim(self, claims: Sequence[Claim]) -> list[tuple[int, bytes] | None] | None:
        """For each claim None if it is the first, else (order id, digest) of the first.

        None for all of them while the cache is away.
        """
        values: list[str | int] = [*(claim.value for claim in claims), LIFE_S]
        known = await self._call(self._claim, [claim.name for claim in claims], values)
        return None if known is None else [_parse(value) for value in known]

    async def forget(self, claims: Sequence[Claim]) -> None:
        """Leaves the keys free again where they are still these calls'."""
        names = [claim.name for claim in claims]
        await self._call(self._forget, names, [claim.value for claim in claims])

    async def _call(
        self, script: _Script, names: Sequence[str], values: Sequence[str | int]
    ) -> list[object] | None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._away_until_ns:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await script(names, values)
        except _AWAY as error:
            self._away_until_ns = now_ns + PAUSE_NS
            _log.warning("cache_away", error=repr(error))
            return None


def _parse(value: object) -> tuple[int, bytes] | None:
    if value is None:
        return None
    text = value.decode() if isinstance(value, bytes) else str(value)
    order_id, _, digest = text.partition(":")
    return int(order_id), bytes.fromhex(digest)
