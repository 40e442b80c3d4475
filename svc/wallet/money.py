"""The arithmetic of holds and fees: one function each, exact, in ledger units of an asset.

Invariant: a hold covers its fills. For every sequence of fills at or below the cap, each fee
rounded towards zero for itself, what a fill releases is at least what it costs.

    H(r) = ceil(v(r) * (1 + rate)), v(r) = cap * r * units, so for a fill of l lots
    H(r) - H(r - l) = v(l) + ceil(x) - ceil(x - d) with x = v(r) * rate, d = v(l) * rate, and
    ceil(x) - ceil(x - d) >= floor(d) >= the fee of the fill.

Units are the instrument's: ledger units of base in a lot, or of quote in a tick * lot.
"""

from __future__ import annotations

PPM = 1_000_000
"""Fee rates are parts per million: 15 basis points are 1,500."""


def hold_rate(maker_ppm: int, taker_ppm: int) -> int:
    """The rate a hold must cover: the larger of both, and never a rebate."""
    return max(maker_ppm, taker_ppm, 0)


def buy_hold(cap_ticks: int, lots: int, quote_units: int, rate_ppm: int) -> int:
    """Quote that covers every way to buy ``lots`` at or below ``cap_ticks``, fees included.

    ``rate_ppm`` is the order's ``hold_rate``.
    """
    value = cap_ticks * lots * quote_units
    return value - (-value * rate_ppm) // PPM


def sell_hold(lots: int, base_units: int) -> int:
    """Base that covers selling ``lots``; a seller's fee is paid out of the proceeds."""
    return lots * base_units


def fee(quote_amount: int, rate_ppm: int) -> int:
    """Fee of one side of one trade, rounded towards zero; negative when it is a rebate.

    ``quote_amount`` is price * lots * units and never negative.
    """
    if rate_ppm >= 0:
        return quote_amount * rate_ppm // PPM
    return -(quote_amount * -rate_ppm // PPM)


def budget(quote_amount: int, rate_ppm: int, quote_units: int) -> int:
    """Tick * lots that may be bought when ``quote_amount`` is all there is, fees included.

    ``rate_ppm`` is the order's ``hold_rate``: counting on a rebate could overdraw the hold, for
    each rebate is rounded down.
    """
    return quote_amount * PPM // ((PPM + rate_ppm) * quote_units)


def added_buy_hold(
    *,
    old_cap_ticks: int,
    old_lots: int,
    cap_ticks: int,
    lots: int,
    quote_units: int,
    rate_ppm: int,
) -> int:
    """Quote to lock beside a buy's hold before it is replaced.

    ``old_lots`` and ``lots`` are what remains before and after, both as of now: f lots may still
    fill at the old cap, and then the hold H(old cap, old_lots - f) with what is added must cover
    H(cap, lots - f). In f both ends of the range are the worst cases, and a unit more pays for
    the rounding in between. Nothing is added when neither the cap nor the quantity rises.
    """
    if cap_ticks <= old_cap_ticks and lots <= old_lots:
        return 0
    old = buy_hold(old_cap_ticks, old_lots, quote_units, rate_ppm)
    asked = buy_hold(cap_ticks, lots, quote_units, rate_ppm)
    beyond = buy_hold(cap_ticks, max(0, lots - old_lots), quote_units, rate_ppm)
    return max(0, asked - old, beyond) + 1


def added_sell_hold(*, old_lots: int, lots: int, base_units: int) -> int:
    """Base to lock beside a sell's hold before it is replaced: what the quantity grows by."""
    return sell_hold(max(0, lots - old_lots), base_units)
