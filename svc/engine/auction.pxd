"""Auctions: the price at which most trades, and the trades at that price.

Invariant: outside AUCTION and HALTED no book is crossed and no market order rests; in AUCTION the
last INDICATIVE_PRICE says what the book would print.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from svc.engine.acceptance cimport find_book
from svc.engine.emit cimport emit_indicative, emit_trade
from svc.engine.levels cimport Cursor, first_level, next_level
from svc.engine.matching cimport (
    MAX_LEVEL_LOTS,
    note_positions,
    note_trade,
    reduce_resting,
    wide_t,
)
from svc.engine.positions cimport add_position, allowed_lots
from svc.engine.queue cimport (
    end_resting,
    flags_of,
    is_iceberg,
    retire_order,
    side_of,
    unlink_order,
)
from svc.engine.records cimport (
    AUCTION,
    BUY,
    FLAG_REDUCE_ONLY,
    NO_LIQUIDITY,
    ORDER_CANCELED,
    PRICE_COLLAR,
    REDUCE_ONLY,
    SELL,
)
from svc.engine.state cimport (
    ANY_PRICE,
    ASKS,
    BIDS,
    MARKET_BUYS,
    MARKET_SELLS,
    Book,
    Extension,
    Level,
    Order,
    State,
    likely,
    slab_free,
    slab_grow,
)

# The collected orders of one side, level by level from the best price on, the market orders of a
# price before its limit orders. `price` is the level's; `lots` are what is left to count of it.
cdef struct Walk:
    Cursor limit_cursor
    Cursor market_cursor
    uint32_t limit_level
    uint32_t market_level
    uint32_t level
    int64_t sign
    int64_t price
    int64_t lots

# The candidates of least surplus so far.
cdef struct Choice:
    wide_t least
    int64_t low
    int64_t high
    bint positive
    bint negative

# What trades at the prices of largest volume: their range, demand at its high and supply at its
# low end.
cdef struct Range:
    int64_t low
    int64_t high
    bint low_is_limit
    bint high_is_limit
    wide_t volume
    wide_t demand
    wide_t supply

cdef struct Indication:
    int64_t price
    int64_t lots
    int64_t surplus


cdef inline void take_better_level(const State *s, Walk *walk) noexcept nogil:
    cdef const Level *market = &s.levels[walk.market_level]
    cdef const Level *limit = &s.levels[walk.limit_level]
    walk.level = walk.limit_level
    if walk.market_level != 0 and (walk.limit_level == 0 or market.key >= limit.key):
        walk.level = walk.market_level
    walk.price = walk.sign * s.levels[walk.level].key
    walk.lots = s.levels[walk.level].total


cdef inline Walk walk_of(const State *s, const Book *book, uint32_t side) noexcept nogil:
    cdef Walk walk
    cdef uint32_t limits = BIDS if side == BUY else ASKS
    cdef uint32_t markets = MARKET_BUYS if side == BUY else MARKET_SELLS
    walk.limit_level = first_level(s, &book.sides[limits], &walk.limit_cursor)
    walk.market_level = first_level(s, &book.sides[markets], &walk.market_cursor)
    walk.sign = 1 if side == BUY else -1
    take_better_level(s, &walk)
    return walk


cdef inline void step(const State *s, Walk *walk) noexcept nogil:
    if walk.level == walk.market_level:
        walk.market_level = next_level(s, &walk.market_cursor)
    else:
        walk.limit_level = next_level(s, &walk.limit_cursor)
    take_better_level(s, walk)


cdef inline bint is_limit(const Walk *walk) noexcept nogil:
    return walk.level == walk.limit_level


cdef inline bint is_crossed(const Walk *buys, const Walk *sells) noexcept nogil:
    return buys.level != 0 and sells.level != 0 and buys.price >= sells.price


cdef inline void consider(Choice *choice, int64_t price, wide_t surplus) noexcept nogil:
    cdef wide_t size = surplus if surplus >= 0 else -surplus
    if choice.low != 0 and size > choice.least:
        return
    if choice.low == 0 or size < choice.least:
        choice.least = size
        choice.low = price
        choice.high = price
        choice.positive = False
        choice.negative = False
    choice.low = min(choice.low, price)
    choice.high = max(choice.high, price)
    choice.positive |= surplus > 0
    choice.negative |= surplus < 0


cdef inline int64_t chosen_price(
    const Book *book, const Choice *choice, int64_t low, int64_t high
) noexcept nogil:
    # Between `low` and `high` all prices have the largest volume. 0 when market orders alone meet
    # and nothing says at which price.
    cdef int64_t reference = book.last_price if book.last_price != 0 else book.reference_price
    if choice.low != 0:
        if choice.positive and not choice.negative:
            return choice.high
        if choice.negative and not choice.positive:
            return choice.low
        return max(choice.low, min(reference, choice.high))
    if reference == 0:
        reference = low if low != 0 else high
    return 0 if reference == ANY_PRICE else max(low, min(reference, high))


cdef inline void note_low(Range *found, const Walk *sells) noexcept nogil:
    found.low_is_limit = is_limit(sells) or (found.low_is_limit and found.low == sells.price)
    found.low = sells.price


cdef inline void note_high(Range *found, const Walk *buys) noexcept nogil:
    found.high_is_limit = is_limit(buys) or (found.high_is_limit and found.high == buys.price)
    found.high = buys.price


cdef inline Range fill_walks(const State *s, Walk *buys, Walk *sells) noexcept nogil:
    # Fills the best with the best while they cross: the last pair bounds the prices at which all
    # of it could trade. The walks end behind everything that reaches its own end of that range.
    cdef Range found
    cdef int64_t lots
    memset(&found, 0, sizeof(Range))
    while is_crossed(buys, sells):
        lots = min(buys.lots, sells.lots)
        found.volume += lots
        note_high(&found, buys)
        note_low(&found, sells)
        buys.lots -= lots
        sells.lots -= lots
        if buys.lots == 0:
            step(s, buys)
        if sells.lots == 0:
            step(s, sells)
    found.demand = found.volume
    found.supply = found.volume
    while found.volume != 0 and buys.level != 0 and buys.price >= found.high:
        found.demand += buys.lots
        note_high(&found, buys)
        step(s, buys)
    while found.volume != 0 and sells.level != 0 and sells.price <= found.low:
        found.supply += sells.lots
        note_low(&found, sells)
        step(s, sells)
    return found


cdef inline int64_t bounded(wide_t lots) noexcept nogil:
    if lots > MAX_LEVEL_LOTS:
        return MAX_LEVEL_LOTS
    return -MAX_LEVEL_LOTS if lots < -MAX_LEVEL_LOTS else <int64_t>lots


cdef inline int64_t best_price(
    const State *s, const Book *book, const Range *found, Walk buys, Walk sells
) noexcept nogil:
    # The walks go on through what stands inside the range: there buys lie below sells, else more
    # would trade between them, so demand is known at every buy and supply at every sell.
    cdef Choice choice
    cdef wide_t surplus = found.demand - found.supply
    memset(&choice, 0, sizeof(Choice))
    while buys.level != 0 and buys.price >= found.low:
        surplus += buys.lots
        if is_limit(&buys):
            consider(&choice, buys.price, surplus)
        step(s, &buys)
    if found.low_is_limit:
        consider(&choice, found.low, surplus)
    surplus = found.demand - found.supply
    while sells.level != 0 and sells.price <= found.high:
        surplus -= sells.lots
        if is_limit(&sells):
            consider(&choice, sells.price, surplus)
        step(s, &sells)
    if found.high_is_limit:
        consider(&choice, found.high, surplus)
    return chosen_price(book, &choice, found.low, found.high)


cdef inline Indication indication(const State *s, const Book *book) noexcept nogil:
    # Largest volume, smallest surplus, market pressure, nearest to the reference price; only limits
    # of limit orders come into question, as on Xetra.
    cdef Walk buys = walk_of(s, book, BUY)
    cdef Walk sells = walk_of(s, book, SELL)
    cdef Range found = fill_walks(s, &buys, &sells)
    cdef wide_t surplus = found.demand - found.supply
    cdef Indication now
    memset(&now, 0, sizeof(Indication))
    if found.volume == 0:
        return now
    now.price = best_price(s, book, &found, buys, sells)
    if now.price == 0:
        return now
    while buys.level != 0 and buys.price >= now.price:
        surplus += buys.lots
        step(s, &buys)
    while sells.level != 0 and sells.price <= now.price:
        surplus -= sells.lots
        step(s, &sells)
    now.lots = bounded(found.volume)
    now.surplus = bounded(surplus)
    return now


cdef inline void indicate(State *s, uint64_t first) noexcept nogil:
    # Behind the events of a command, from `first` on: what each auction it touched would print.
    cdef uint64_t end = s.event_count
    cdef uint64_t sequence = s.sequence
    cdef uint64_t i
    cdef Book *book
    cdef Indication now
    if likely(s.auctions == 0):
        return
    for i in range(first, end):
        book = find_book(s, s.events[i].instrument_id)
        if book == NULL or book.state != AUCTION or book.indicated_at == sequence:
            continue
        book.indicated_at = sequence
        now = indication(s, book)
        if (
            now.price != book.indicated_price
            or now.lots != book.indicated_lots
            or now.surplus != book.indicated_surplus
        ):
            book.indicated_price = now.price
            book.indicated_lots = now.lots
            book.indicated_surplus = now.surplus
            emit_indicative(s, book)


cdef inline void fill_collected(State *s, Order *order, int64_t lots) noexcept nogil:
    # What an iceberg hides trades too; a peak that is used up is refreshed where it stands.
    cdef Level *level = &s.levels[order.level]
    cdef Extension *extension = &s.extensions[order.extension]
    order.remaining -= lots
    order.cumulative += lots
    if is_iceberg(s, order) and extension.visible > lots:
        extension.visible -= lots
    elif is_iceberg(s, order):
        extension.visible = min(extension.display, order.remaining)
    level.total -= lots


cdef inline void trade_collected(
    State *s, Book *book, int64_t price, uint32_t buyer, uint32_t seller
) noexcept nogil:
    # The buyer stands where the taker does elsewhere, but nobody is the aggressor.
    cdef Order *buy = &s.orders[buyer]
    cdef Order *sell = &s.orders[seller]
    cdef int64_t lots = min(buy.remaining, sell.remaining)
    cdef uint64_t *words
    fill_collected(s, buy, lots)
    fill_collected(s, sell, lots)
    note_trade(book, price)
    if book.perpetual:
        note_positions(s, book, buy, sell, lots)
    words = emit_trade(s, book.instrument_id, buy, sell, price, lots)
    words[2] &= ~(<uint64_t>0xFF << 8)
    if buy.remaining == 0:
        unlink_order(s, buyer)
        retire_order(s, buyer)
    if sell.remaining == 0:
        unlink_order(s, seller)
        retire_order(s, seller)


cdef inline uint32_t note_reduce_only(
    const State *s, Walk walk, int64_t limit, uint32_t *orders
) noexcept nogil:
    # The reduce-only orders that reach a price, by rank. Returns how many; `orders` has room.
    cdef uint32_t count = 0
    cdef uint32_t index
    while walk.level != 0 and walk.sign * walk.price >= walk.sign * limit:
        index = s.levels[walk.level].head
        while index != 0:
            if flags_of(&s.orders[index]) & FLAG_REDUCE_ONLY:
                orders[count] = index
                count += 1
            index = s.orders[index].next
        step(s, &walk)
    return count


cdef inline void trim_orders(
    State *s, const Book *book, uint32_t *orders, uint32_t count
) noexcept nogil:
    # An account's are no more than its position together: while they are looked at, what earlier
    # ones may trade counts as traded.
    cdef int64_t allowed
    cdef uint32_t i
    cdef Order *order
    for i in range(count):
        order = &s.orders[orders[i]]
        allowed = allowed_lots(s, book, side_of(order), order, order.remaining)
        if allowed == 0:
            end_resting(s, REDUCE_ONLY, ORDER_CANCELED, orders[i])
            orders[i] = 0
            continue
        if allowed < order.remaining:
            reduce_resting(s, REDUCE_ONLY, orders[i], order.remaining - allowed)
        add_position(
            s, order.account_id, book.instrument_id, allowed if side_of(order) == BUY else -allowed
        )
    for i in range(count):
        if orders[i] != 0:
            order = &s.orders[orders[i]]
            allowed = order.remaining
            add_position(
                s, order.account_id, book.instrument_id,
                -allowed if side_of(order) == BUY else allowed,
            )


cdef inline void trim_reduce_only(State *s, const Book *book) noexcept nogil:
    # Those that could trade in the uncross.
    cdef Walk buys = walk_of(s, book, BUY)
    cdef Walk sells = walk_of(s, book, SELL)
    cdef size_t bytes = (s.live_orders + 1) * sizeof(uint32_t)
    cdef uint32_t *orders
    cdef uint32_t count
    if not is_crossed(&buys, &sells):
        return
    orders = <uint32_t *>slab_grow(NULL, 0, bytes)
    count = note_reduce_only(s, buys, sells.price, orders)
    count += note_reduce_only(s, sells, buys.price, orders + count)
    trim_orders(s, book, orders, count)
    slab_free(orders, bytes)


cdef inline void cancel_collected(
    State *s, Book *book, uint32_t side, int64_t price
) noexcept nogil:
    # Market orders may not rest: what the uncross at `price`, 0 for none, has left of them goes.
    cdef const Level *level
    cdef int64_t key
    while book.sides[side].best != 0:
        level = &s.levels[book.sides[side].best]
        key = price if side == MARKET_BUYS else -price
        end_resting(
            s, NO_LIQUIDITY if price == 0 or level.key >= key else PRICE_COLLAR, ORDER_CANCELED,
            level.head,
        )


cdef inline void uncross(State *s, uint32_t book_index) noexcept nogil:
    # Trades what is collected at one price, best with best, then cancels what may not rest.
    cdef Book *book = &s.books[book_index]
    cdef Walk buys, sells
    cdef int64_t price
    if book.perpetual:
        trim_reduce_only(s, book)
    price = indication(s, book).price
    while price != 0:
        buys = walk_of(s, book, BUY)
        sells = walk_of(s, book, SELL)
        if buys.level == 0 or sells.level == 0 or buys.price < price or sells.price > price:
            break
        trade_collected(s, book, price, s.levels[buys.level].head, s.levels[sells.level].head)
    cancel_collected(s, book, MARKET_BUYS, price)
    cancel_collected(s, book, MARKET_SELLS, price)
