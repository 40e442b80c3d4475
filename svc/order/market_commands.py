"""Commands of the market itself: definitions, states, versions of its rules; each once in the log.

Keeps: a command is known by kind, id and version, and stands in the outbox exactly once, however
often it is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import asyncpg
from engine.v1 import records_pb2
from order.v1 import order_pb2

from svc.kit import outbox
from svc.kit.database import Database
from svc.kit.errors import invalid
from svc.order import store, wire
from svc.order.market import Market
from svc.order.store import CommandKey

_INSTRUMENT, _STATE, _VERSION = "instrument", "state", "version"


class MarketCommands:
    """Puts commands of markets into their outboxes."""

    def __init__(self, database: Callable[[], Awaitable[Database]]) -> None:
        """`database` gives the same one at every call."""
        self._database = database

    async def submit(self, market: Market, sent: Sequence[order_pb2.MarketCommand]) -> int:
        """Commits those that are new, in order; how many they are. Raises INVALID_COMMAND."""
        commands = dict(map(_read, sent))
        database = await self._database()
        async with database.transaction() as conn:
            new = await store.add_commands(conn, market.id, commands)
            if not new:
                return 0
            batch = [command for key, command in commands.items() if key in new]
            number = await _append(conn, market, batch)
        market.committed(number, 0)
        return len(new)

    async def begin_version(self, market: Market, version: int) -> bool:
        """Commits the command that begins a semantic version, alone in its batch.

        Whether it was new. Raises VERSION_BELOW when a later one was begun already: the engine
        would refuse it, as an order that nobody placed.
        """
        database = await self._database()
        async with database.transaction() as conn:
            if not await store.add_commands(conn, market.id, [CommandKey(_VERSION, 0, version)]):
                return False
            highest = await store.highest_command(conn, market.id, _VERSION)
            if highest > version:
                raise invalid(
                    "VERSION_BELOW",
                    f"Version {version} lies below {highest}, which was begun already.",
                    version=str(highest),
                )
            begin = records_pb2.BeginVersion(semantic_version=version)
            number = await _append(conn, market, [records_pb2.Command(begin_version=begin)])
        market.committed(number, 0)
        return True


async def _append(
    conn: asyncpg.Connection, market: Market, commands: Sequence[records_pb2.Command]
) -> int:
    payload = records_pb2.CommandBatch(commands=commands).SerializeToString()
    return await outbox.append(conn, market.id, payload, wire.digest(payload), len(commands))


def _read(sent: order_pb2.MarketCommand) -> tuple[CommandKey, records_pb2.Command]:
    kind = sent.WhichOneof("kind")
    if kind == _INSTRUMENT:
        instrument = sent.instrument
        key = CommandKey(_INSTRUMENT, instrument.instrument_id, instrument.version)
        return key, records_pb2.Command(
            set_instrument=records_pb2.SetInstrument(
                instrument_id=instrument.instrument_id,
                version=instrument.version,
                kind=instrument.kind,
                min_price_ticks=instrument.min_price_ticks,
                max_price_ticks=instrument.max_price_ticks,
                max_quantity_lots=instrument.max_quantity_lots,
                collar_bps=instrument.collar_bps,
                band_bps=instrument.band_bps,
                band_auction=instrument.band_auction,
                reference_price_ticks=instrument.reference_price_ticks,
                state=instrument.state,
            )
        )
    if kind == _STATE:
        state = sent.state
        key = CommandKey(_STATE, state.instrument_id, state.version)
        return key, records_pb2.Command(
            set_market_state=records_pb2.SetMarketState(
                instrument_id=state.instrument_id, version=state.version, state=state.state
            )
        )
    raise invalid("INVALID_COMMAND", "A command of the market has a kind.", field="kind")
