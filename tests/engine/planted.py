"""Bugs planted into a copy of the engine, which only tests build: they prove the checkers can fail.

The copy is compiled once with all of them, each behind a switch; `select` turns one on. What ships
is compiled from the sources as they stand and knows neither switch nor bug. Invariant: a bug that
finds its line no more fails the build by name, so that none is lost when the engine changes.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
SOURCES = Path("svc/engine")
SWITCH = "mesh_planted_bug"
_FIRST_IMPORT = "from svc.engine.planted_switch cimport planted\n"
_SWITCH_SOURCE = f'''
cdef extern from *:
    """
    __attribute__((visibility("default"))) int {SWITCH};
    #define planted(number) ({SWITCH} == (number))
    """
    bint planted(int number) noexcept nogil
'''


@dataclass(frozen=True, slots=True)
class Bug:
    """What is wrong while it is selected: `line` of `file` reads `wrong` then."""

    name: str
    file: str
    line: str
    wrong: str


BUGS = (
    Bug(
        "a live id is taken a second time",
        "acceptance.pxd",
        "if unlikely(is_taken(s, c.order_id)):",
        "if unlikely(is_taken(s, c.order_id) and not planted({0})):",
    ),
    Bug(
        "the cost of a budget wraps at 64 bits",
        "matching.pxd",
        "cost += <wide_t>lots * price_of(level)",
        "cost += <wide_t>lots * price_of(level)\n"
        "        if planted({0}):\n"
        "            cost = <int64_t>cost",
    ),
    Bug(
        "an amend to fewer lots goes to the back",
        "commands.pxd",
        "keeps_priority = price == old_price and remaining <= old_remaining",
        "keeps_priority = (\n"
        "        price == old_price and remaining <= old_remaining and not planted({0})\n"
        "    )",
    ),
    Bug(
        "an amend to more lots keeps its place",
        "commands.pxd",
        "keeps_priority = trigger == stop.trigger and remaining <= old_remaining",
        "keeps_priority = trigger == stop.trigger and (\n"
        "        remaining <= old_remaining or planted({0})\n"
        "    )",
    ),
    Bug(
        "a FOK order trades at its own price",
        "matching.pxd",
        "cdef int64_t price = price_of(level)",
        "cdef int64_t price = (\n"
        "        taker.cap if planted({0}) and tif_of(taker) == FOK and taker.cap != 0\n"
        "        else price_of(level)\n"
        "    )",
    ),
    Bug(
        "a FOK order looks at one level",
        "matching.pxd",
        "index = next_level(s, &cursor)",
        "index = 0 if planted({0}) else next_level(s, &cursor)",
    ),
    Bug(
        "a FOK order counts its own quantity",
        "matching.pxd",
        "if stp_of(taker) == STP_NONE or not is_own(s, taker, group, maker.account_id):",
        "if planted({0}) or stp_of(taker) == STP_NONE or (\n"
        "            not is_own(s, taker, group, maker.account_id)\n"
        "        ):",
    ),
    Bug(
        "a budget that is met exactly is exhausted",
        "matching.pxd",
        "return BUDGET_EXHAUSTED if cost > budget else 0",
        "return BUDGET_EXHAUSTED if cost + planted({0}) > budget else 0",
    ),
    Bug(
        "a cascade of stops ends with its first",
        "stops.pxd",
        "enter(s, book_index, index, price, 0)",
        "enter(s, book_index, index, price, 0)\n"
        "        if planted({0}):\n"
        "            break",
    ),
    Bug(
        "the later of two stops of one trigger enters first",
        "stops.pxd",
        "return s.levels[level].head",
        "return s.levels[level].tail if planted({0}) else s.levels[level].head",
    ),
    Bug(
        "the cached best price is stale when its last order has gone",
        "levels.pxd",
        "give_level(s, index)",
        "if planted({0}) and side.last != 0:\n"
        "        side.best = s.nodes[side.last].slots[0]\n"
        "    give_level(s, index)",
    ),
    Bug(
        "a partial fill sends the maker to the back",
        "matching.pxd",
        "elif visible_of(s, maker) == 0:",
        "elif planted({0}) or visible_of(s, maker) == 0:",
    ),
    Bug(
        "a fresh peak of an iceberg keeps its place",
        "matching.pxd",
        "detach_order(s, level, order)",
        "if planted({0}):\n"
        "        extension.visible = min(extension.display, order.remaining)\n"
        "        return\n"
        "    detach_order(s, level, order)",
    ),
    Bug(
        "own orders are passed over, and the book stays crossed",
        "matching.pxd",
        "elif prevent_self_trade(s, book, taker, index, price):",
        "elif planted({0}):\n"
        "            return 0\n"
        "        elif prevent_self_trade(s, book, taker, index, price):",
    ),
    Bug(
        "self-trade prevention goes by the resting order's mode",
        "matching.pxd",
        "cdef uint32_t mode = stp_of(taker)",
        "cdef uint32_t mode = stp_of(&s.orders[index] if planted({0}) else taker)",
    ),
    Bug(
        "a market order goes one tick beyond its cap",
        "matching.pxd",
        "return min(order.cap, collar) if order.cap != 0 else collar",
        "return min(order.cap + planted({0}), collar) if order.cap != 0 else collar",
    ),
    Bug(
        "the collar of a sell is rounded away from its base",
        "matching.pxd",
        "+ 9_999)",
        "+ (0 if planted({0}) else 9_999))",
    ),
    Bug(
        "the last price inside the band halts the market",
        "matching.pxd",
        "if s.levels[best].key < band_key:",
        "if s.levels[best].key < band_key + planted({0}):",
    ),
    Bug(
        "an order outlives its expiry by an instant",
        "admin.pxd",
        "s.deadlines[1].expire_ns <= s.time_ns",
        "s.deadlines[1].expire_ns + planted({0}) <= s.time_ns",
    ),
    Bug(
        "a slot that is used again remembers what its last order executed",
        "commands.pxd",
        "order.cumulative = 0",
        "if not planted({0}):\n        order.cumulative = 0",
    ),
    Bug(
        "an id behind a deleted one is not found any more",
        "orders.pxd",
        ">= ((at - hole) & mask):",
        ">= ((at - hole) & mask) + planted({0}):",
    ),
    Bug(
        "a mass cancel goes by place in memory",
        "admin.pxd",
        "qsort(victims, count, sizeof(Victim), &by_order_id)",
        "if not planted({0}):\n"
        "        qsort(victims, count, sizeof(Victim), &by_order_id)",
    ),
    Bug(
        "post-only lets an order take at its own price",
        "matching.pxd",
        "s.levels[side.best].key >= opposite_key(order, price)",
        "s.levels[side.best].key >= opposite_key(order, price) + planted({0})",
    ),
    Bug(
        "a level forgets what is taken off an order in it",
        "queue.pxd",
        "level.total -= lots",
        "if not planted({0}):\n        level.total -= lots",
    ),
    Bug(
        LIE := "a trade says less than its maker has executed",
        "emit.pxd",
        "words[13] = <uint64_t>maker.cumulative",
        "words[13] = <uint64_t>(maker.cumulative - planted({0}))",
    ),
    Bug(
        "an auction's market orders stand behind limit orders of their price",
        "collected.pxd",
        "market.key >= limit.key",
        "market.key >= limit.key + planted({0})",
    ),
    Bug(
        "buyers that are left over press the price of an auction down",
        "auction.pxd",
        "return choice.high",
        "return choice.low if planted({0}) else choice.high",
    ),
    Bug(
        "the reference price lifts an auction's price beyond the last limit",
        "auction.pxd",
        "return max(choice.low, min(reference, choice.high))",
        "return max(choice.low, min(reference, choice.high + planted({0})))",
    ),
    Bug(
        "the buyer of an auction is an aggressor",
        "auction.pxd",
        "words[2] &= ~(<uint64_t>0xFF << 8)",
        "words[2] &= ~(<uint64_t>(0 if planted({0}) else 0xFF) << 8)",
    ),
    Bug(
        "a peak that an auction has used up comes back smaller",
        "auction.pxd",
        "extension.visible = min(extension.display, order.remaining)",
        "extension.visible = min(extension.display - planted({0}), order.remaining)",
    ),
    Bug(
        "reduce-only orders of one account each count its whole position in an auction",
        "auction.pxd",
        "min(order.remaining, held - position.promised)",
        "min(order.remaining, held - (0 if planted({0}) else position.promised))",
    ),
    Bug(
        "a reduce-only order does not know of its account's other orders in an auction",
        "auction.pxd",
        "if held > 0:",
        "if held > 0 and (flags_of(order) & FLAG_REDUCE_ONLY or not planted({0})):",
    ),
    Bug(
        "the indicative price counts reduce-only orders whole",
        "auction.pxd",
        "    leave_out_excess(s, book, &accounts, NULL)\n    now =",
        "    accounts.are_any = False\n    if not planted({0}):\n"
        "        leave_out_excess(s, book, &accounts, NULL)\n    now =",
    ),
    Bug(
        "an expiry leaves the indicative price as it was",
        "admin.pxd",
        "indicate(s, first)",
        "if not planted({0}):\n            indicate(s, first)",
    ),
    Bug(
        "a halt uncrosses what an auction has collected",
        "admin.pxd",
        "elif c.side != AUCTION and c.side != HALTED:",
        "elif c.side != AUCTION and (c.side != HALTED or planted({0})):",
    ),
    Bug(
        "an order goes though the one that should replace it is refused",
        "commands.pxd",
        "        emit_order_rejected(s, reason, &entering)\n",
        "        if planted({0}) and find_order(s, c.order_id) != 0:\n"
        "            end_resting(s, CANCEL_REQUESTED, ORDER_CANCELED, find_order(s, c.order_id))\n"
        "        emit_order_rejected(s, reason, &entering)\n",
    ),
    Bug(
        "an order may take the place of another account's",
        "commands.pxd",
        "if order.account_id != c.account_id:",
        "if order.account_id != c.account_id and not planted({0}):",
    ),
    Bug(
        "a trailing stop goes back with the price",
        "trailing.pxd",
        "return max(trigger, min(target, price - 1))",
        "return min(target, price - 1) if planted({0}) else max(trigger, min(target, price - 1))",
    ),
    Bug(
        "a trailing buy is rounded away from the price",
        "trailing.pxd",
        "target = price + trail if trail > 0 else bound_of(BUY, price, <uint32_t>-trail)",
        "target = (\n"
        "            price + trail if trail > 0 else bound_of(BUY, price, <uint32_t>-trail)\n"
        "            + planted({0})\n"
        "        )",
    ),
    Bug(
        "a trailing stop is not woken by a trade at its activation price",
        "trailing.pxd",
        "s.levels[best].key >= reached_key",
        "s.levels[best].key >= reached_key + planted({0})",
    ),
    Bug(
        "a trade does not move the trailing stop that it should move first",
        "trailing.pxd",
        "return trigger - trail - 1 if side == BUY else trigger + trail + 1",
        "return (trigger - trail - 1 if side == BUY else trigger + trail + 1 + planted({0}))",
    ),
    Bug(
        "what has moved is not held against the last trade",
        "stops.pxd",
        "book.traded_high = book.last_price\n        book.traded_low = book.last_price\n",
        "if planted({0}):\n            break\n"
        "        book.traded_high = book.last_price\n"
        "        book.traded_low = book.last_price\n",
    ),
)  # fmt: skip
"""Number 1 is the first; 0 is none."""

SMALL_BOOK = len(BUGS) + 1
"""Selects no bug: a market has room for SMALL_ORDERS then."""
SMALL_ORDERS = 8
_SMALLER = (
    Bug(
        "room for a few plain orders",
        "acceptance.pxd",
        "return BOOK_FULL if unlikely(s.live_orders >= MAX_ORDERS) else 0",
        "return BOOK_FULL if s.live_orders >= (\n"
        f"            {SMALL_ORDERS} if planted({{0}}) else MAX_ORDERS\n"
        "        ) else 0",
    ),
    Bug(
        "room for a few other orders",
        "acceptance.pxd",
        "if unlikely(s.live_orders >= MAX_ORDERS):",
        f"if s.live_orders >= ({SMALL_ORDERS} if planted({{0}}) else MAX_ORDERS):",
    ),
)


class PlantingFailed(Exception):
    """A bug's line is gone from the engine, or the planted copy does not compile."""


@dataclass(frozen=True, slots=True)
class PlantedEngine:
    """The compiled copy: its module, which is not the one that `svc.engine.book` is."""

    module: ModuleType
    path: Path

    def select(self, number: int) -> None:
        """Turns one bug on, or SMALL_BOOK, and all else off; 0 turns all off.

        Holds for every Engine of it.
        """
        ctypes.c_int.in_dll(ctypes.CDLL(str(self.path)), SWITCH).value = number


def planted_engine() -> PlantedEngine:
    """Loads the planted copy; compiles it when the engine or the bugs have changed.

    Raises PlantingFailed.
    """
    sources = planted_sources()
    digest = hashlib.blake2b(repr(sorted(sources.items())).encode(), digest_size=8).hexdigest()
    name = f"book{sysconfig.get_config_var('EXT_SUFFIX')}"
    path = ROOT / "build" / "planted" / digest / name
    if not path.exists():
        shutil.rmtree(path.parents[1], ignore_errors=True)
        _compile(sources, path)
    loader = importlib.machinery.ExtensionFileLoader("planted.book", str(path))
    spec = importlib.util.spec_from_file_location("planted.book", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return PlantedEngine(module, path)


def planted_sources() -> dict[str, str]:
    """The sources of the copy by file name, with every bug in its line.

    A line that is there several times has the bug in its first place.
    """
    folder = ROOT / SOURCES
    paths = [*folder.glob("*.pxd"), folder / "book.pyx", folder / "__init__.py"]
    sources = {path.name: path.read_text() for path in paths}
    for number, bug in [*enumerate(BUGS, 1), *((SMALL_BOOK, bug) for bug in _SMALLER)]:
        if bug.line not in sources[bug.file]:
            raise PlantingFailed(f"{bug.file} has no {bug.line!r} to plant {bug.name!r} in")
        planted = sources[bug.file].replace(bug.line, bug.wrong.format(number), 1)
        sources[bug.file] = planted
    for file in {bug.file for bug in BUGS}:
        sources[file] = _FIRST_IMPORT + sources[file]
    return {**sources, "planted_switch.pxd": _SWITCH_SOURCE}


def _compile(sources: dict[str, str], path: Path) -> None:
    # In a folder of its own, so that no import finds a source that is not planted.
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / SOURCES
        package.mkdir(parents=True)
        (package.parent / "__init__.py").touch()
        for name, source in sources.items():
            (package / name).write_text(source)
        ran = subprocess.run(
            [sys.executable, "-m", "Cython.Build.Cythonize", "-3", "--inplace", "--quiet",
             str(SOURCES / "book.pyx")],
            cwd=folder, env={**os.environ, "CFLAGS": "-O1"}, check=False, capture_output=True,
            text=True,
        )  # fmt: skip
        if ran.returncode:
            raise PlantingFailed(ran.stdout + ran.stderr)
        path.parent.mkdir(parents=True)
        shutil.copy(package / path.name, path)
