"""Idempotency keys of the last 24 hours in Redis or Valkey, in front of the table that decides.

Keeps: losing the cache loses nothing. It gives two calls with one key the same order id before
either has an answer; when it is away every call gets an id of its own, and the unique key of the
table picks the winner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from struct import Struct
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from svc.kit.clock import Clock
from svc.kit.log import get_logger
from svc.order import encoding
from svc.order.asks import Ask

LIFE_S = 24 * 60 * 60
TIMEOUT_S = 0.25
"""A cache that takes longer than this for a batch is taken for away."""
PAUSE_NS = 1_000_000_000
"""How long it is not asked again after it was away."""

# One round trip for a batch, whose values are one argument: the client pays by the argument. The
# answer names the keys that were known, by place, each followed by what it held; a value of another
# size is an earlier release's, and as good as lost.
_VALUE = Struct(">q16s")
_CLAIM = f"""
local known, size = {{}}, {_VALUE.size}
for i, key in ipairs(KEYS) do
    local value = string.sub(ARGV[1], (i - 1) * size + 1, i * size)
    local held = redis.call('SET', key, value, 'NX', 'GET', 'EX', ARGV[2])
    if held and #held == size then
        known[#known + 1] = i
        known[#known + 1] = held
    end
end
return known
"""
_FORGET = f"""
local size = {_VALUE.size}
for i, key in ipairs(KEYS) do
    if redis.call('GET', key) == string.sub(ARGV[1], (i - 1) * size + 1, i * size) then
        redis.call('DEL', key)
    end
end
"""

_AWAY = (RedisError, OSError, TimeoutError)

_log = get_logger("order.keys")


class _Script(Protocol):
    """A registered script: sent whole only when the server does not know it."""

    async def __call__(self, keys: Sequence[str], args: Sequence[bytes | int]) -> list[object]: ...


class KeyCache:
    """Claims keys."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._claim: _Script = redis.register_script(_CLAIM)
        self._forget: _Script = redis.register_script(_FORGET)
        self._clock = clock
        self._away_until_ns = 0

    async def claim(self, asks: list[Ask]) -> list[tuple[int, bytes] | None] | None:
        """For each ask None if its key is new, else (order id, digest) of whose it is.

        Each has a key. None for all of them while the cache is away.
        """
        answer = await self._call(self._claim, asks, LIFE_S)
        if answer is None:
            return None
        known: list[tuple[int, bytes] | None] = [None] * len(asks)
        for place, held in zip(answer[::2], answer[1::2], strict=True):
            assert isinstance(place, int), "the script names keys by place"
            assert isinstance(held, bytes), "the script gives values as they were set"
            order_id, digest = _VALUE.unpack(held)
            known[place - 1] = (order_id, digest)
        return known

    async def forget(self, asks: list[Ask]) -> None:
        """Leaves the keys free again where they are still these asks'."""
        await self._call(self._forget, asks)

    async def _call(self, script: _Script, asks: list[Ask], *more: int) -> list[object] | None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._away_until_ns:
            return None
        names, values = encoding.claims(asks)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await script(names, (values, *more))
        except _AWAY as error:
            self._away_until_ns = now_ns + PAUSE_NS
            _log.warning("cache_away", error=repr(error))
            return None
