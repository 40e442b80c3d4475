"""Symbols as people type them: any case, and spot without its hyphens where that is unambiguous.

Keeps: a text names at most one market. Pure.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from svc.kit.errors import DomainError, not_found

MAX_CLOSE_MATCHES = 3


class SymbolIndex:
    """Finds the symbol that a text means."""

    def __init__(self, spot: Iterable[str], other: Iterable[str] = ()) -> None:
        """`spot` symbols have aliases without hyphens; `other` ones have none."""
        spot = tuple(spot)
        self._symbols = frozenset(spot) | frozenset(other)
        self._aliases: dict[str, list[str]] = {}
        for symbol in spot:
            self._aliases.setdefault(symbol.replace("-", ""), []).append(symbol)

    def resolve(self, text: str) -> str:
        """The symbol that `text` means; NOT_FOUND, UNKNOWN_SYMBOL with close matches if none."""
        wanted = text.upper()
        if wanted in self._symbols:
            return wanted
        meant = self._aliases.get(wanted, [])
        if len(meant) == 1:
            return meant[0]
        raise self._unknown(text, sorted(meant) or self._close(wanted))

    def _close(self, wanted: str) -> list[str]:
        matches = get_close_matches(wanted, sorted(self._symbols), MAX_CLOSE_MATCHES)
        if matches:
            return matches
        aliases = get_close_matches(wanted.replace("-", ""), sorted(self._aliases), 1)
        return sorted(self._aliases[aliases[0]]) if aliases else []

    @staticmethod
    def _unknown(text: str, close: list[str]) -> DomainError:
        if close:
            message = f"there is no market {text!r}; close matches: {', '.join(close)}"
        else:
            message = f"there is no market {text!r}; ListMarkets (GET /v1/markets) names them all"
        return not_found("UNKNOWN_SYMBOL", message, value=text, close_matches=",".join(close))
