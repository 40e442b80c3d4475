"""Matching: what an order that enters the book takes, and what becomes of its rest.

Price-time priority at the maker's price. Invariant: no fill lies beyond the entering order's limit,
cap or collar, and an order that must fill whole touches nothing unless it does.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from svc.engine.emit cimport emit_order, emit_state, emit_trade
from svc.engine.groups cimport group_of, is_own
from svc.engine.levels cimport Cursor, first_level, next_level
from svc.engine.positions cimport add_position, allowed_lots
from svc.engine.queue cimport (
    append_order,
    collect_market_order,
    detach_order,
    end_entering,
    end_resting,
    flags_of,
    is_iceberg,
    is_market,
    limit_of,
    rest_order,
    retire_order,
    shrink_resting,
    side_of,
    stp_of,
    tif_of,
    type_of,
    unlink_order,
    visible_of,
)
from svc.engine.records cimport (
    AUCTION,
    BOOK_FULL,
    BUDGET_EXHAUSTED,
    BUY,
    CANCEL_RESTING,
    CANCEL_INCOMING,
    CANCEL_BOTH,
    DECREMENT_AND_CANCEL,
    FOK,
    FLAG_REDUCE_ONLY,
    FOK_BUDGET,
    FOK_NOT_FILLABLE,
    GTC,
    GTD,
    HALTED,
    IOC_REMAINDER,
    LIMIT,
    NO_LIQUIDITY,
    ORDER_CANCELED,
    ORDER_REDUCED,
    PRICE_BAND,
    PRICE_COLLAR,
    REDUCE_ONLY,
    SELF_TRADE,
    SELF_TRADE_DECREMENT,
    STOP_MARKET,
    STP_NONE,
)
from svc.engine.state cimport (
    ASKS,
    BIDS,
    Book,
    Extension,
    Level,
    Order,
    Side,
    State,
    likely,
    price_of,
    stop_of,
    unlikely,
)

cdef extern from *:
    """
    #define MAX_LEVEL_LOTS ((int64_t)1 << 62)
    #define NO_LIMIT INT64_MAX
    typedef __int128 wide_t;
    """
    const int64_t MAX_LEVEL_LOTS
    const int64_t NO_LIMIT
    ctypedef long long wide_t


cdef inline Side *opposite_of(Book *book, const Order *order) noexcept nogil:
    return &book.sides[ASKS if side_of(order) == BUY else BIDS]


cdef inline int64_t opposite_key(const Order *order, int64_t price) noexcept nogil:
    # Levels of the opposite side with at least this key are at `price` or better for the order.
    cdef int64_t sign = <int64_t>side_of(order) - BUY - 1
    return (price ^ sign) - sign


cdef inline bint would_take(
    const State *s, Book *book, const Order *order, int64_t price
) noexcept nogil:
    cdef const Side *side = opposite_of(book, order)
    return side.best != 0 and s.levels[side.best].key >= opposite_key(order, price)


cdef inline bint is_out_of_reach(
    const State *s, const Side *side, int64_t limit_key
) noexcept nogil:
    return side.best == 0 or s.levels[side.best].key < limit_key


cdef inline int64_t bound_of(uint32_t side, int64_t base, uint32_t bps) noexcept nogil:
    # How far from `base` an order of this side may trade, rounded towards it; bps 0: anywhere.
    if bps == 0:
        return NO_LIMIT if side == BUY else 1
    if side == BUY:
        return <int64_t>(<wide_t>base * (10_000 + bps) // 10_000)
    return <int64_t>((<wide_t>base * (10_000 - <int32_t>bps) + 9_999) // 10_000)


cdef inline int64_t market_limit(
    const State *s, Book *book, const Order *order
) noexcept nogil:
    # The worst price a market order may take: its cap or floor, and the collar from the best
    # opposite price, of a stop from its trigger. The opposite side is not empty.
    cdef int64_t base
    if type_of(order) == STOP_MARKET:
        base = stop_of(s, order).trigger
    else:
        base = price_of(&s.levels[opposite_of(book, order).best])
    cdef int64_t collar = bound_of(side_of(order), base, book.collar_bps)
    if side_of(order) == BUY:
        return min(order.cap, collar) if order.cap != 0 else collar
    return max(order.cap, collar)


cdef inline int64_t band_limit(const Book *book, const Order *order) noexcept nogil:
    # The last price inside the band: around the last trade before this command, before the first
    # trade around the reference price.
    cdef int64_t base = book.price_before if book.traded_high != 0 else book.last_price
    if base == 0:
        base = book.reference_price
    return bound_of(side_of(order), base, book.band_bps if base != 0 else 0)


cdef inline int64_t entry_limit(
    const State *s, Book *book, const Order *order, int64_t price
) noexcept nogil:
    # The worst price the order may take: one without a limit, also of FOK_BUDGET, as a market order
    # where there is anything to take.
    if price != 0:
        return price
    return market_limit(s, book, order) if opposite_of(book, order).best != 0 else 0


cdef inline int64_t lots_for(
    const State *s, const Level *level, const Order *taker, bint *blocked
) noexcept nogil:
    # What of a level others than the taker would fill, without reduce-only orders, which may have
    # nothing to reduce. Up to its own order the taker meets the peaks alone: what is hidden comes
    # behind it.
    cdef uint32_t index = level.head
    cdef int64_t total = 0
    cdef int64_t peaks = 0
    cdef int64_t group = group_of(s, taker.account_id)
    cdef const Order *maker
    while index != 0:
        maker = &s.orders[index]
        if stp_of(taker) == STP_NONE or not is_own(s, taker, group, maker.account_id):
            if flags_of(maker) & FLAG_REDUCE_ONLY:
                index = maker.next
                continue
            total += maker.remaining
            peaks += visible_of(s, maker)
        elif stp_of(taker) != CANCEL_RESTING:
            blocked[0] = True
            return peaks
        index = maker.next
    return total


cdef inline uint32_t whole_fill_refusal(
    const State *s, Book *book, const Order *taker, int64_t limit_key, int64_t budget
) noexcept nogil:
    # Why the order cannot fill whole at once; NO_REASON when it can. Looks at every level.
    cdef Cursor cursor
    cdef int64_t missing = taker.remaining
    cdef int64_t lots
    cdef wide_t cost = 0
    cdef bint blocked = False
    cdef uint32_t index = first_level(s, opposite_of(book, taker), &cursor)
    cdef const Level *level
    while index != 0 and missing > 0 and not blocked:
        level = &s.levels[index]
        if level.key < limit_key:
            break
        lots = level.total
        if stp_of(taker) != STP_NONE or book.perpetual:
            lots = lots_for(s, level, taker, &blocked)
        lots = min(lots, missing)
        missing -= lots
        cost += <wide_t>lots * price_of(level)
        index = next_level(s, &cursor)
    if missing > 0:
        return FOK_NOT_FILLABLE
    if tif_of(taker) != FOK_BUDGET:
        return 0
    if side_of(taker) == BUY:
        return BUDGET_EXHAUSTED if cost > budget else 0
    return BUDGET_EXHAUSTED if cost < budget else 0


cdef inline void refresh_peak(
    State *s, Level *level, uint32_t level_index, uint32_t index
) noexcept nogil:
    # The peak at the front is used up: the next one goes to the back.
    cdef Order *order = &s.orders[index]
    cdef Extension *extension = &s.extensions[order.extension]
    detach_order(s, level, order)
    extension.visible = min(extension.display, order.remaining)
    append_order(s, level_index, index)


cdef inline void note_trade(Book *book, int64_t price) noexcept nogil:
    if book.traded_high == 0:
        book.price_before = book.last_price
        book.traded_high = price
        book.traded_low = price
    book.traded_high = max(book.traded_high, price)
    book.traded_low = min(book.traded_low, price)
    book.last_price = price


cdef inline void note_positions(
    State *s, const Book *book, const Order *taker, const Order *maker, int64_t lots
) noexcept nogil:
    cdef int64_t signed_lots = lots if side_of(taker) == BUY else -lots
    add_position(s, taker.account_id, book.instrument_id, signed_lots)
    add_position(s, maker.account_id, book.instrument_id, -signed_lots)


cdef inline void trade(
    State *s, Book *book, uint32_t level_index, Order *taker, uint32_t index, int64_t lots
) noexcept nogil:
    # With the order at the front of the best level.
    cdef Level *level = &s.levels[level_index]
    cdef Order *maker = &s.orders[index]
    cdef int64_t price = price_of(level)
    taker.remaining -= lots
    taker.cumulative += lots
    maker.remaining -= lots
    maker.cumulative += lots
    level.total -= lots
    note_trade(book, price)
    if book.perpetual:
        note_positions(s, book, taker, maker, lots)
    emit_trade(s, book.instrument_id, taker, maker, price, lots)
    if is_iceberg(s, maker):
        s.extensions[maker.extension].visible -= lots
    if maker.remaining == 0:
        unlink_order(s, index)
        retire_order(s, index)
    elif visible_of(s, maker) == 0:
        refresh_peak(s, level, level_index, index)


cdef inline void shrink_entering(
    State *s, uint32_t instrument_id, Order *order, int64_t price, int64_t lots
) noexcept nogil:
    order.remaining -= lots
    emit_order(
        s, ORDER_REDUCED, SELF_TRADE_DECREMENT, instrument_id, order, price, lots, order.remaining
    )


cdef inline void reduce_resting(
    State *s, uint32_t reason, uint32_t index, int64_t lots
) noexcept nogil:
    cdef Order *order = &s.orders[index]
    cdef Level *level = &s.levels[order.level]
    shrink_resting(s, index, lots)
    emit_order(
        s, ORDER_REDUCED, reason, s.books[level.book].instrument_id, order, limit_of(s, order),
        lots, order.remaining,
    )


cdef inline bint prevent_self_trade(
    State *s, Book *book, Order *taker, uint32_t index, int64_t price
) noexcept nogil:
    # Before the taker would trade with an order of its own account. True: the taker is canceled.
    cdef uint32_t mode = stp_of(taker)
    cdef int64_t resting = s.orders[index].remaining
    if mode == CANCEL_INCOMING:
        return True
    if mode == CANCEL_RESTING or mode == CANCEL_BOTH:
        end_resting(s, SELF_TRADE, ORDER_CANCELED, index)
        return mode == CANCEL_BOTH
    if resting > taker.remaining:
        reduce_resting(s, SELF_TRADE_DECREMENT, index, taker.remaining)
        return True
    end_resting(s, SELF_TRADE, ORDER_CANCELED, index)
    if resting == taker.remaining:
        return True
    shrink_entering(s, book.instrument_id, taker, price, resting)
    return False


cdef inline uint32_t prevent_within(
    State *s, Book *book, Order *taker, uint32_t index, int64_t price, int64_t *left
) noexcept nogil:
    # The same of an order with an amount: by decrement, own lots come off that as if they were
    # bought. Anything but NO_REASON: what remains of the taker is canceled for it.
    cdef int64_t at = price_of(&s.levels[s.orders[index].level])
    cdef int64_t resting = s.orders[index].remaining
    if stp_of(taker) != DECREMENT_AND_CANCEL:
        return SELF_TRADE if prevent_self_trade(s, book, taker, index, price) else 0
    if left[0] < at:
        return BUDGET_EXHAUSTED
    if min(resting, taker.remaining) <= left[0] // at:
        left[0] -= min(resting, taker.remaining) * at
        return SELF_TRADE if prevent_self_trade(s, book, taker, index, price) else 0
    reduce_resting(s, SELF_TRADE_DECREMENT, index, left[0] // at)
    return SELF_TRADE


cdef inline uint32_t sweep(
    State *s, Book *book, Order *taker, int64_t limit_key, int64_t price, int64_t budget
) noexcept nogil:
    # Trades until the order is filled or nothing is left within its limit. Anything but NO_REASON:
    # what remains is canceled for it. `budget` is what a market order may cost, 0: no bound.
    cdef Side *side = opposite_of(book, taker)
    cdef bint may_self_trade = stp_of(taker) == STP_NONE
    cdef int64_t group = 0 if may_self_trade else group_of(s, taker.account_id)
    cdef int64_t band_key = opposite_key(taker, band_limit(book, taker))
    cdef int64_t left = budget
    cdef int64_t lots
    cdef uint32_t best, index, reason
    while taker.remaining > 0:
        best = side.best
        if best == 0 or s.levels[best].key < limit_key:
            return 0
        index = s.levels[best].head
        if may_self_trade or not is_own(s, taker, group, s.orders[index].account_id):
            lots = min(taker.remaining, visible_of(s, &s.orders[index]))
            if book.perpetual:
                lots = allowed_lots(s, book, side_of(taker), taker, lots)
                if lots == 0:
                    return REDUCE_ONLY
                lots = allowed_lots(s, book, 3 - side_of(taker), &s.orders[index], lots)
                if lots == 0:
                    end_resting(s, REDUCE_ONLY, ORDER_CANCELED, index)
                    continue
            if budget != 0:
                lots = min(lots, left // price_of(&s.levels[best]))
                left -= lots * price_of(&s.levels[best])
                if lots == 0:
                    return BUDGET_EXHAUSTED
            if s.levels[best].key < band_key:
                return PRICE_BAND
            trade(s, book, best, taker, index, lots)
        elif unlikely(budget != 0):
            reason = prevent_within(s, book, taker, index, price, &left)
            if reason != 0:
                return reason
        elif prevent_self_trade(s, book, taker, index, price):
            return SELF_TRADE
    return 0


cdef inline bint may_rest(const Order *order) noexcept nogil:
    return tif_of(order) == GTC or tif_of(order) == GTD


cdef inline void bound_level(State *s, uint32_t index) noexcept nogil:
    # The order that has just joined a level leaves it again when that holds too much.
    if unlikely(s.levels[s.orders[index].level].total > MAX_LEVEL_LOTS):
        end_resting(s, BOOK_FULL, ORDER_CANCELED, index)


cdef inline void settle_rest(
    State *s, uint32_t book_index, uint32_t index, int64_t price
) noexcept nogil:
    # What the sweep left of the order rests or is canceled.
    cdef Book *book = &s.books[book_index]
    cdef Order *order = &s.orders[index]
    cdef uint32_t reason = IOC_REMAINDER
    if order.remaining == 0:
        retire_order(s, index)
        return
    if may_rest(order):
        rest_order(s, book_index, index, price)
        bound_level(s, index)
        return
    if is_market(order):
        reason = PRICE_COLLAR if opposite_of(book, order).best != 0 else NO_LIQUIDITY
    end_entering(s, reason, ORDER_CANCELED, book.instrument_id, index, price)


cdef inline void put_state(State *s, Book *book, uint32_t state) noexcept nogil:
    s.auctions += (state == AUCTION) - (book.state == AUCTION)
    book.state = state
    book.indicated_price = 0
    book.indicated_lots = 0
    book.indicated_surplus = 0


cdef inline void leave_band(
    State *s, uint32_t book_index, uint32_t index, int64_t price
) noexcept nogil:
    # The trade that would lie outside the band does not happen: the market halts, or opens an
    # auction, in which the order takes part if it may rest.
    cdef Book *book = &s.books[book_index]
    cdef uint32_t previous = book.state
    cdef uint32_t state = AUCTION if book.band_auction else HALTED
    cdef bint collected = state == AUCTION and may_rest(&s.orders[index])
    if not collected:
        end_entering(s, PRICE_BAND, ORDER_CANCELED, book.instrument_id, index, price)
    put_state(s, book, state)
    emit_state(s, PRICE_BAND, book.instrument_id, 0, previous, state)
    if collected:
        rest_order(s, book_index, index, price)
        bound_level(s, index)


cdef inline void meet_book(
    State *s, uint32_t book_index, uint32_t index, int64_t price, int64_t budget
) noexcept nogil:
    # What `enter` does with any order.
    cdef Book *book = &s.books[book_index]
    cdef Order *order = &s.orders[index]
    cdef int64_t limit_key, band_key
    cdef uint32_t reason
    if book.perpetual and allowed_lots(s, book, side_of(order), order, 1) == 0:
        end_entering(s, REDUCE_ONLY, ORDER_CANCELED, book.instrument_id, index, price)
        return
    if unlikely(book.state == AUCTION):
        if is_market(order):
            collect_market_order(s, book_index, index)
        else:
            rest_order(s, book_index, index, price)
        bound_level(s, index)
        return
    if is_market(order) and opposite_of(book, order).best == 0:
        end_entering(s, NO_LIQUIDITY, ORDER_CANCELED, book.instrument_id, index, price)
        return
    limit_key = opposite_key(order, entry_limit(s, book, order, price))
    if tif_of(order) == FOK or tif_of(order) == FOK_BUDGET:
        band_key = opposite_key(order, band_limit(book, order))
        reason = whole_fill_refusal(s, book, order, max(limit_key, band_key), budget)
        budget = 0
        if reason != 0:
            end_entering(s, reason, ORDER_CANCELED, book.instrument_id, index, price)
            return
    if is_out_of_reach(s, opposite_of(book, order), limit_key):
        settle_rest(s, book_index, index, price)
        return
    reason = sweep(s, book, order, limit_key, price, budget)
    if reason == 0:
        settle_rest(s, book_index, index, price)
    elif reason == PRICE_BAND:
        leave_band(s, book_index, index, price)
    else:
        end_entering(s, reason, ORDER_CANCELED, book.instrument_id, index, price)


cdef inline bint stands_at_once(
    const State *s, Book *book, const Order *order, int64_t price
) noexcept nogil:
    # Whether it is a GTC limit order that meets nobody: what most orders are.
    return (
        (order.traits >> 8 & 0xFFFF) == (LIMIT | GTC << 8)
        and book.state != AUCTION
        and not book.perpetual
        and is_out_of_reach(s, opposite_of(book, order), opposite_key(order, price))
    )


cdef inline void note_reduce_only(State *s, Book *book, uint32_t index) noexcept nogil:
    # How far reduce-only orders reach, for auctions.
    cdef const Order *order = &s.orders[index]
    cdef int64_t *best = &book.reduce_only_keys[side_of(order) - BUY]
    if order.level != 0 and flags_of(order) & FLAG_REDUCE_ONLY:
        best[0] = max(best[0], s.levels[order.level].key)


cdef inline void enter(
    State *s, uint32_t book_index, uint32_t index, int64_t price, int64_t budget
) noexcept nogil:
    # An accepted order meets the book. `price` is its limit, 0 for none.
    if likely(stands_at_once(s, &s.books[book_index], &s.orders[index], price)):
        rest_order(s, book_index, index, price)
        bound_level(s, index)
    else:
        meet_book(s, book_index, index, price, budget)
        if unlikely(s.books[book_index].perpetual):
            note_reduce_only(s, &s.books[book_index], index)
