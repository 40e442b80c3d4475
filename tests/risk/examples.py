"""Instruments and limits to check orders against."""

from dataclasses import dataclass

from svc.kit.decimals import Step
from svc.risk.checks import LIMIT, Instrument, Limits
from svc.risk.rulebook import Rulebook

BTC_USDT = Instrument(
    id=4,
    symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    tick=Step.parse("0.01"),
    lot=Step.parse("0.00001"),
    quote_scale=10,
)
ACCOUNT = 7
REFERENCE = 6_100_000  # 61,000 USDT
UNITS_PER_TICK_LOT = 1_000  # 0.01 x 0.00001 USDT at 10 decimals
DEFAULTS = Limits(max_notional="10000000", max_quantity="0", fat_finger_bps=2_000)


@dataclass(frozen=True, slots=True)
class Checked:
    """An order of one BTC at the reference, unless told otherwise."""

    type: int = LIMIT
    price_ticks: int = REFERENCE
    lots: int = 100_000
    reference_ticks: int = REFERENCE
    instrument_id: int = BTC_USDT.id
    account_id: int = ACCOUNT

    @property
    def notional(self) -> str:
        """At the limit price."""
        return str(self.price_ticks * self.lots * UNITS_PER_TICK_LOT)


def rulebook(limits: Limits = DEFAULTS) -> Rulebook:
    """A rulebook that knows BTC-USDT."""
    book = Rulebook(limits)
    book.learn_instruments([BTC_USDT])
    return book
