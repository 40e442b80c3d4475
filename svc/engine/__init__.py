"""The matching engine: books, journal and the market that ties them together.

Owns the order of commands and events of a market. Invariant: events and state are a pure function
of the command log.

What backtests and research need is here by name (docs/engine.md), and is loaded when it is asked
for, so that whoever imports one module of the package gets that one alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from svc.engine.book import Engine
    from svc.engine.records import (
        Command,
        CommandKind,
        Event,
        EventKind,
        Flag,
        InstrumentCommand,
        MarketState,
        OrderType,
        Reason,
        SelfTradeMode,
        Side,
        TimeInForce,
        pack_commands,
        unpack_events,
    )

__all__ = [
    "Command",
    "CommandKind",
    "Engine",
    "Event",
    "EventKind",
    "Flag",
    "InstrumentCommand",
    "MarketState",
    "OrderType",
    "Reason",
    "SelfTradeMode",
    "Side",
    "TimeInForce",
    "pack_commands",
    "unpack_events",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'book' if name == 'Engine' else 'records'}"), name)
