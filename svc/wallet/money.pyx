# cython: language_level=3
"""The arithmetic of holds and fees: one function each, exact, in ledger units of an asset.

Invariant: a hold covers its fills. For every sequence of fills at or below the cap, each fee
rounded towards zero for itself, what a fill releases is at least what it costs.

    H(r) = ceil(v(r) * (1 + rate)), v(r) = cap * r * units, so for a fill of l lots
    H(r) - H(r - l) = v(l) + ceil(x) - ceil(x - d) with x = v(r) * rate, d = v(l) * rate, and
    ceil(x) - ceil(x - d) >= floor(d) >= the fee of the fill.

Units are the instrument's: ledger units of base in a lot, or of quote in a tick * lot.

Numbers are Python's integers, which have no largest. What fits the machine's is computed in them,
128 bits wide and with every overflow seen; the rest by the same formulas in Python's.
"""

from libc.stdint cimport int64_t

from svc.wallet.words cimport fits

cdef extern from *:
    """
    typedef __int128 wide_t;
    static inline wide_t product(int64_t a, int64_t b) { return (wide_t)a * b; }
    static inline int times(wide_t a, int64_t b, wide_t *result) {
        return !__builtin_mul_overflow(a, (wide_t)b, result);
    }
    static inline int plus(wide_t a, wide_t b, wide_t *result) {
        return !__builtin_add_overflow(a, b, result);
    }
    static inline wide_t millionth(wide_t a) { return a / 1000000; }
    static inline wide_t millionth_up(wide_t a) { return a / 1000000 + (a % 1000000 > 0); }
    static inline PyObject *integer(wide_t value) {
        int64_t narrow = (int64_t)value;
        if (narrow == value) return PyLong_FromLongLong(narrow);
        return _PyLong_FromByteArray((unsigned char *)&value, 16, PY_LITTLE_ENDIAN, 1);
    }
    """
    ctypedef long long wide_t  # 128 bits
    wide_t product(int64_t a, int64_t b) noexcept
    bint times(wide_t a, int64_t b, wide_t* result) noexcept
    bint plus(wide_t a, wide_t b, wide_t* result) noexcept
    wide_t millionth(wide_t a) noexcept
    wide_t millionth_up(wide_t a) noexcept
    object integer(wide_t value)

PPM = 1_000_000
"""Fee rates are parts per million: 15 basis points are 1,500."""


def hold_rate(maker_ppm, taker_ppm):
    """The rate a hold must cover: the larger of both, and never a rebate."""
    return max(maker_ppm, taker_ppm, 0)


def buy_hold(cap_ticks, lots, quote_units, rate_ppm):
    """Quote that covers every way to buy ``lots`` at or below ``cap_ticks``, fees included.

    ``rate_ppm`` is the order's ``hold_rate``.
    """
    cdef int64_t cap, quantity, rate
    if fits(cap_ticks, &cap) and fits(lots, &quantity) and fits(rate_ppm, &rate):
        return hold_of_buy(cap, quantity, quote_units, rate)
    return _hold_beyond_words(cap_ticks, lots, quote_units, rate_ppm)


cdef object hold_of_buy(int64_t cap_ticks, int64_t lots, object quote_units, int64_t rate_ppm):
    """``buy_hold`` for those who have ticks and lots as the machine's integers."""
    cdef int64_t units
    cdef wide_t value, surcharge, hold
    if (
        fits(quote_units, &units)
        and times(product(cap_ticks, lots), units, &value)
        and times(value, rate_ppm, &surcharge)
        and plus(value, millionth_up(surcharge), &hold)
    ):
        return integer(hold)
    return _hold_beyond_words(cap_ticks, lots, quote_units, rate_ppm)


cdef object _hold_beyond_words(object cap_ticks, object lots, object quote_units, object rate_ppm):
    value = cap_ticks * lots * quote_units
    return value - (-value * rate_ppm) // PPM


def sell_hold(lots, base_units):
    """Base that covers selling ``lots``; a seller's fee is paid out of the proceeds."""
    return lots * base_units


cdef object hold_of_sell(int64_t lots, object base_units):
    """``sell_hold`` for those who have lots as the machine's integer."""
    cdef int64_t units
    if fits(base_units, &units):
        return integer(product(lots, units))
    return lots * base_units


cdef object value_of(int64_t price_ticks, int64_t lots, object quote_units):
    """Quote that ``lots`` cost at a price, before fees."""
    cdef int64_t units
    cdef wide_t value
    if fits(quote_units, &units) and times(product(price_ticks, lots), units, &value):
        return integer(value)
    return <object>price_ticks * lots * quote_units


cpdef object fee(object quote_amount, int64_t rate_ppm):
    """Fee of one side of one trade, rounded towards zero; negative when it is a rebate.

    ``quote_amount`` is price * lots * units and never negative.
    """
    cdef int64_t amount
    if fits(quote_amount, &amount):
        return integer(millionth(product(amount, rate_ppm)))
    if rate_ppm >= 0:
        return quote_amount * rate_ppm // PPM
    return -(quote_amount * -rate_ppm // PPM)


def budget(quote_amount, rate_ppm, quote_units):
    """Tick * lots that may be bought when ``quote_amount`` is all there is, fees included.

    ``rate_ppm`` is the order's ``hold_rate``: counting on a rebate could overdraw the hold, for
    each rebate is rounded down.
    """
    return quote_amount * PPM // ((PPM + rate_ppm) * quote_units)


def added_buy_hold(*, old_cap_ticks, old_lots, cap_ticks, lots, quote_units, rate_ppm):
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


def added_sell_hold(*, old_lots, lots, base_units):
    """Base to lock beside a sell's hold before it is replaced: what the quantity grows by."""
    return sell_hold(max(0, lots - old_lots), base_units)
