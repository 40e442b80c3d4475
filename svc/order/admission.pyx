# cython: language_level=3, embedsignature=True
"""Whether an order may enter at this moment, and within which bounds it may trade.

Owns the rules that depend on the state of the market, the reference price and the time. Keeps:
every order that passes carries a cap (buy) or floor (sell) fixed here, and every budget leaves
room for the fee: a hold covers the fill. Pure.
"""

from libc.stdint cimport int64_t

from svc.order.asks cimport Create, Terms

from svc.kit import decimals
from svc.kit.errors import failed_precondition, invalid
from svc.order.instrument import MarketState
from svc.order.terms import OrderType, Side, TimeInForce, notional_too_small
from svc.wallet import money

_BPS = 10_000

cdef int BUY = Side.BUY, TRADING = MarketState.TRADING
_RESTING = (TimeInForce.GTC, TimeInForce.GTD)
_NOTHING_NEW = {
    MarketState.UNKNOWN: ("MARKET_NOT_OPEN", "is not open yet"),
    MarketState.CANCEL_ONLY: ("MARKET_CANCEL_ONLY", "takes cancels only"),
    MarketState.HALTED: ("MARKET_HALTED", "is halted"),
    MarketState.DELISTED: ("MARKET_DELISTED", "is delisted"),
}


def admit(Create create not None, condition, int64_t now_unix_ns):
    """Fixes within which bounds an order trades. Raises what `check` and `cap_ticks` raise."""
    cdef Terms terms = create.terms
    check(terms, condition, now_unix_ns)
    create.reference_ticks = reference_ticks(terms.instrument, condition)
    create.cap_ticks = cap_ticks(terms, create.reference_ticks)
    create.budget_tick_lots = budget_tick_lots(terms)


cpdef check(Terms terms, condition, int64_t now_unix_ns):
    """Raises where the order may not enter now.

    FAILED_PRECONDITION with `symbol` and `state` for what the market's state does not let through,
    INVALID_ARGUMENT for a price out of its range or an expiry that has passed.
    """
    cdef int state = condition.state
    if state != TRADING:
        _check_state(terms, condition.state)
    if terms.price_ticks:
        _check_price("price", terms.price_ticks, terms.instrument, condition)
    if terms.stop_ticks:
        _check_price("stop_price", terms.stop_ticks, terms.instrument, condition)
    if terms.activation_ticks:
        _check_price("activation_price", terms.activation_ticks, terms.instrument, condition)
    if terms.expires_at_unix_ns and terms.expires_at_unix_ns <= now_unix_ns:
        raise invalid(
            "EXPIRES_AT_NOT_IN_FUTURE",
            "expires_at must be in the future; at that moment the order is expired already.",
            field="expires_at",
            value=str(terms.expires_at_unix_ns),
            rule="in the future",
        )


def check_change(instrument, condition, int64_t price_ticks, int64_t stop_ticks):
    """Raises where a live order may not be changed now to these prices; 0 is one that stays.

    As of `check`; a state that takes nothing new takes no change either, the others take all.
    """
    if condition.state in _NOTHING_NEW:
        reason, is_so = _NOTHING_NEW[condition.state]
        raise _refused(reason, instrument, condition.state, f"{is_so}.")
    if price_ticks:
        _check_price("price", price_ticks, instrument, condition)
    if stop_ticks:
        _check_price("stop_price", stop_ticks, instrument, condition)


cpdef int64_t reference_ticks(instrument, condition) except? -1:
    """The last applied trade, else what operators have set, else 0: none."""
    return condition.last_price_ticks or instrument.reference_price_ticks


cpdef cap_ticks(Terms terms, reference):
    """The price that no fill is worse than.

    A limit order's own; of a market order the reference, of a stop its trigger, moved by the collar
    and rounded towards it; 0 for a market order without a reference, which risk refuses. Raises
    NOTIONAL_TOO_SMALL for a market order or stop that is, at the reference or trigger.
    """
    if terms.price_ticks:
        return terms.price_ticks
    instrument, base = terms.instrument, terms.stop_ticks or reference
    if not base:
        return 0
    if not terms.by_amount and base * terms.lots < instrument.min_notional_tick_lots:
        raise notional_too_small(terms, base)
    if terms.side == BUY:
        return base * (_BPS + instrument.collar_bps) // _BPS
    return max(1, -(-base * (_BPS - instrument.collar_bps) // _BPS))


cpdef budget_tick_lots(Terms terms):
    """What a buy by or within an amount may spend before fees, in tick x lots; else 0.

    Cost and fee together never exceed the amount that is held.
    """
    if not terms.quote_units:
        return 0
    instrument = terms.instrument
    rate_ppm = money.hold_rate(instrument.maker_fee_ppm, instrument.taker_fee_ppm)
    return money.budget(terms.quote_units, rate_ppm, instrument.quote_units_per_tick_lot)


cpdef notional_units(Terms terms, cap, reference):
    """What risk weighs, in ledger units of the quote asset.

    The amount of a buy that has one, else quantity x price: a market buy's at its cap, a market
    sell's at the reference or its trigger, for its floor would understate it.
    """
    if terms.quote_units:
        return terms.quote_units
    price = cap
    if terms.side != BUY and not terms.price_ticks:
        price = terms.stop_ticks or reference
    return price * terms.lots * terms.instrument.quote_units_per_tick_lot


def _check_state(Terms terms, state):
    """What docs/matching.md says of states; a test compares it with the engine's own rules."""
    if state in _NOTHING_NEW:
        reason, is_so = _NOTHING_NEW[state]
        raise _refused(reason, terms.instrument, state, f"{is_so}.")
    if state == MarketState.POST_ONLY and not terms.post_only:
        raise _refused("MARKET_POST_ONLY", terms.instrument, state, "takes post-only orders only.")
    if state == MarketState.LIMIT_ONLY and terms.type != OrderType.LIMIT:
        raise _refused("MARKET_LIMIT_ONLY", terms.instrument, state, "takes limit orders only.")
    if state == MarketState.AUCTION and not _is_collected(terms):
        message = (
            "is in an auction, which takes limit orders that are GTC or GTD and not post-only, "
            "market orders that are IOC and by quantity, and stops."
        )
        raise _refused("MARKET_AUCTION", terms.instrument, state, message)


def _is_collected(Terms terms):
    """Whether an auction takes it: what can stand there until the uncross, and stops."""
    if terms.type == OrderType.LIMIT:
        return terms.time_in_force in _RESTING and not terms.post_only
    if terms.type == OrderType.MARKET:
        return terms.time_in_force == TimeInForce.IOC and not terms.by_amount
    return True


def _refused(reason, instrument, state, text):
    message = f"{instrument.symbol} {text}"
    return failed_precondition(reason, message, symbol=instrument.symbol, state=state.name)


cdef int _check_price(str field, int64_t ticks, instrument, condition) except -1:
    cdef int64_t low = condition.min_price_ticks, high = condition.max_price_ticks
    if low <= ticks <= high:
        return 0
    tick = instrument.tick
    lowest, highest = decimals.format_steps(low, tick), decimals.format_steps(high, tick)
    price = decimals.format_steps(ticks, tick)
    nearest = {"nearestBelow": highest} if ticks > high else {"nearestAbove": lowest}
    raise invalid(
        "PRICE_OUT_OF_RANGE",
        f"Field {field} must be from {lowest} to {highest}; got {price}.",
        field=field,
        value=price,
        rule=f"{lowest} to {highest}",
        **nearest,
    )
