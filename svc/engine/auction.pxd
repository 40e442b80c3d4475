"""Auctions: the price at which most trades, and the trades at that price.

Invariant: outside AUCTION and HALTED no book is crossed and no market order rests; in AUCTION the
last INDICATIVE_PRICE says what the book would print.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from svc.engine.acceptance cimport find_book
from svc.engine.collected cimport Walk, is_crossed, is_limit, step, walk_of
from svc.engine.emit cimport emit_indicative, emit_trade
from svc.engine.matching cimport (
    MAX_LEVEL_LOTS,
    note_positions,
    note_trade,
    reduce_resting,
    wide_t,
)
from svc.engine.orders cimport hash_of
from svc.engine.positions cimport position_at
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
    MARKET_BUYS,
    MARKET_SELLS,
    Book,
    Extension,
    Level,
    Order,
    Position,
    State,
    likely,
    slab_free,
    slab_grow,
)

cdef enum:
    ACCOUNT_WORDS = 64
    ACCOUNT_BITS = 12

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

# Lots of an order that an uncross leaves out.
cdef struct Excess:
    int64_t lots
    uint32_t order

# The accounts that have reduce-only orders, by hash: others may be among them.
cdef struct Accounts:
    uint64_t bits[ACCOUNT_WORDS]
    bint are_any

cdef struct Indication:
    int64_t price
    int64_t lots
    int64_t surplus


cdef inline void skip_empty(const State *s, Walk *walk) noexcept nogil:
    # What is left out whole stands in nobody's way.
    while walk.level != 0 and walk.lots == 0:
        step(s, walk)


cdef inline void advance(const State *s, Walk *walk) noexcept nogil:
    step(s, walk)
    skip_empty(s, walk)


cdef inline void note_account(Accounts *accounts, int64_t account_id) noexcept nogil:
    cdef uint64_t at = hash_of(account_id) >> (64 - ACCOUNT_BITS)
    if not accounts.are_any:
        memset(accounts.bits, 0, sizeof(accounts.bits))
        accounts.are_any = True
    accounts.bits[at >> 6] |= <uint64_t>1 << (at & 63)


cdef inline bint is_noted(const Accounts *accounts, int64_t account_id) noexcept nogil:
    cdef uint64_t at = hash_of(account_id) >> (64 - ACCOUNT_BITS)
    return accounts.bits[at >> 6] >> (at & 63) & 1


cdef inline void note_accounts(
    State *s, Book *book, uint32_t side, Walk walk, int64_t limit, Accounts *accounts
) noexcept nogil:
    # Of the reduce-only orders of a side that reach a price. Where there are none, it is known
    # until one comes.
    cdef int64_t *best = &book.reduce_only_keys[side - BUY]
    cdef bint is_found = False
    cdef uint32_t index
    if best[0] < walk.sign * limit:
        return
    while walk.level != 0 and walk.sign * walk.price >= walk.sign * limit:
        index = s.levels[walk.level].head
        while index != 0:
            if flags_of(&s.orders[index]) & FLAG_REDUCE_ONLY:
                is_found = True
                note_account(accounts, s.orders[index].account_id)
            index = s.orders[index].next
        step(s, &walk)
    if not is_found:
        best[0] = walk.sign * limit - 1


cdef inline int64_t excess_of(State *s, const Book *book, const Order *order) noexcept nogil:
    # How many lots of a collected order an uncross leaves out, while it is walked by rank: a
    # reduce-only order has what its account's position leaves behind the account's orders that
    # trade before it. Orders on the other side only add to that.
    cdef Position *position = position_at(s, order.account_id, book.instrument_id)
    cdef int64_t held = -position.lots if side_of(order) == BUY else position.lots
    cdef int64_t lots = max(<int64_t>0, min(order.remaining, held - position.promised))
    if held > 0:
        position.promised += lots
    return order.remaining - lots if flags_of(order) & FLAG_REDUCE_ONLY else 0


cdef inline uint32_t leave_out_to(
    State *s, const Book *book, Walk walk, int64_t limit, const Accounts *accounts, Excess *found
) noexcept nogil:
    # Of the orders of a side that reach a price. Returns how many; `found` is NULL or has room.
    cdef uint32_t count = 0
    cdef uint32_t index
    cdef int64_t lots
    while walk.level != 0 and walk.sign * walk.price >= walk.sign * limit:
        index = s.levels[walk.level].head
        while index != 0:
            lots = 0
            if is_noted(accounts, s.orders[index].account_id):
                lots = excess_of(s, book, &s.orders[index])
            if lots != 0:
                s.levels[walk.level].total -= lots
                if found != NULL:
                    found[count].order = index
                    found[count].lots = lots
                count += 1
            index = s.orders[index].next
        step(s, &walk)
    return count


cdef inline uint32_t leave_out_excess(
    State *s, Book *book, Accounts *accounts, Excess *found
) noexcept nogil:
    # Until it is taken back, levels count what could trade in the uncross. Nothing is to be taken
    # back where no account is noted.
    cdef Walk buys = walk_of(s, book, BUY)
    cdef Walk sells = walk_of(s, book, SELL)
    cdef uint32_t count
    accounts.are_any = False
    if not book.perpetual or not is_crossed(&buys, &sells):
        return 0
    note_accounts(s, book, BUY, buys, sells.price, accounts)
    note_accounts(s, book, SELL, sells, buys.price, accounts)
    if not accounts.are_any:
        return 0
    count = leave_out_to(s, book, buys, sells.price, accounts, found)
    if found != NULL:
        found += count
    return count + leave_out_to(s, book, sells, buys.price, accounts, found)


cdef inline void take_back_to(
    State *s, const Book *book, Walk walk, int64_t limit, const Accounts *accounts
) noexcept nogil:
    cdef uint32_t index
    while walk.level != 0 and walk.sign * walk.price >= walk.sign * limit:
        s.levels[walk.level].total = 0
        index = s.levels[walk.level].head
        while index != 0:
            s.levels[walk.level].total += s.orders[index].remaining
            if is_noted(accounts, s.orders[index].account_id):
                position_at(s, s.orders[index].account_id, book.instrument_id).promised = 0
            index = s.orders[index].next
        step(s, &walk)


cdef inline void take_back_excess(
    State *s, const Book *book, const Accounts *accounts
) noexcept nogil:
    cdef Walk buys = walk_of(s, book, BUY)
    cdef Walk sells = walk_of(s, book, SELL)
    if accounts.are_any:
        take_back_to(s, book, buys, sells.price, accounts)
        take_back_to(s, book, sells, buys.price, accounts)


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
            advance(s, buys)
        if sells.lots == 0:
            advance(s, sells)
    found.demand = found.volume
    found.supply = found.volume
    while found.volume != 0 and buys.level != 0 and buys.price >= found.high:
        found.demand += buys.lots
        note_high(&found, buys)
        advance(s, buys)
    while found.volume != 0 and sells.level != 0 and sells.price <= found.low:
        found.supply += sells.lots
        note_low(&found, sells)
        advance(s, sells)
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
        advance(s, &buys)
    if found.low_is_limit:
        consider(&choice, found.low, surplus)
    surplus = found.demand - found.supply
    while sells.level != 0 and sells.price <= found.high:
        surplus -= sells.lots
        if is_limit(&sells):
            consider(&choice, sells.price, surplus)
        advance(s, &sells)
    if found.high_is_limit:
        consider(&choice, found.high, surplus)
    return chosen_price(book, &choice, found.low, found.high)


cdef inline Indication indication_of(
    const State *s, const Book *book, Walk buys, Walk sells
) noexcept nogil:
    # Largest volume, smallest surplus, market pressure, nearest to the reference price; only limits
    # of limit orders come into question, as on Xetra.
    cdef Range found
    cdef wide_t surplus
    cdef Indication now
    memset(&now, 0, sizeof(Indication))
    skip_empty(s, &buys)
    skip_empty(s, &sells)
    found = fill_walks(s, &buys, &sells)
    surplus = found.demand - found.supply
    if found.volume == 0:
        return now
    now.price = best_price(s, book, &found, buys, sells)
    if now.price == 0:
        return now
    while buys.level != 0 and buys.price >= now.price:
        surplus += buys.lots
        advance(s, &buys)
    while sells.level != 0 and sells.price <= now.price:
        surplus -= sells.lots
        advance(s, &sells)
    now.lots = bounded(found.volume)
    now.surplus = bounded(surplus)
    return now


cdef inline Indication indication(State *s, Book *book) noexcept nogil:
    # What the uncross would print now.
    cdef Accounts accounts
    cdef Indication now
    leave_out_excess(s, book, &accounts, NULL)
    now = indication_of(s, book, walk_of(s, book, BUY), walk_of(s, book, SELL))
    take_back_excess(s, book, &accounts)
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


cdef inline void trim_reduce_only(State *s, Book *book) noexcept nogil:
    # By rank, buys first: what would be left out goes for good.
    cdef Accounts accounts
    cdef uint32_t count = leave_out_excess(s, book, &accounts, NULL)
    cdef size_t bytes = count * sizeof(Excess)
    cdef Excess *found
    cdef Order *order
    cdef uint32_t i
    take_back_excess(s, book, &accounts)
    if count == 0:
        return
    found = <Excess *>slab_grow(NULL, 0, bytes)
    leave_out_excess(s, book, &accounts, found)
    take_back_excess(s, book, &accounts)
    for i in range(count):
        order = &s.orders[found[i].order]
        if found[i].lots == order.remaining:
            end_resting(s, REDUCE_ONLY, ORDER_CANCELED, found[i].order)
        else:
            reduce_resting(s, REDUCE_ONLY, found[i].order, found[i].lots)
    slab_free(found, bytes)


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
