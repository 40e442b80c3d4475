"""What a command on an order does: new, cancel, cancel and replace, reduce, move, replace.

What makes no sense becomes a reject event (acceptance.pxd says what does).

Invariant: a refused command changes nothing but the sequence.
"""

from libc.stdint cimport int64_t, uint32_t

from svc.engine.acceptance cimport MAX_TICKS, find_book, is_open, is_stop, refusal_of_new
from svc.engine.deadlines cimport add_deadline, remove_deadline
from svc.engine.emit cimport (
    emit_accepted,
    emit_order_rejected,
    emit_replaced,
    emit_request_rejected,
    traits_of,
)
from svc.engine.matching cimport enter, reduce_resting, would_take
from svc.engine.orders cimport find_order, map_order
from svc.engine.queue cimport (
    end_resting,
    flags_of,
    is_beyond,
    is_market,
    is_waiting,
    limit_of,
    shrink_resting,
    side_of,
    tif_of,
    type_of,
    unlink_order,
)
from svc.engine.records cimport *
from svc.engine.stops cimport await_trigger, is_through, sleeps, trigger_stops
from svc.engine.state cimport (
    ASKS,
    Book,
    Order,
    Side,
    State,
    Stop,
    expiry_of,
    price_of,
    stop_of,
    take_extension,
    take_order,
    take_stop,
    unlikely,
)

from svc.engine.trailing cimport followed, is_trailing


cdef inline void set_trail(
    const Book *book, const Command *c, Stop *stop
) noexcept nogil:
    stop.trail_offset = c.trail_offset
    if sleeps(book, c.side, c.activation):
        stop.activation = c.activation
    elif book.last_price != 0:
        stop.trigger = followed(c.side, c.trail_offset, c.trigger, book.last_price)


cdef inline int64_t most_lots(State *s, const Command *c) noexcept nogil:
    # Of a buy by amount alone: what it pays for at the best price, for there it never gets more.
    cdef Book *book = find_book(s, c.instrument_id)
    cdef const Side *asks = &book.sides[ASKS]
    cdef int64_t best = price_of(&s.levels[asks.best]) if asks.best != 0 else MAX_TICKS
    return max(<int64_t>1, min(book.max_quantity, c.budget // best))


cdef inline uint32_t make_order(State *s, const Command *c) noexcept nogil:
    # The live order of an accepted command, in no level yet.
    cdef uint32_t index = take_order(s)
    cdef Order *order = &s.orders[index]
    cdef Stop *stop
    order.id = c.order_id
    order.account_id = c.account_id
    order.remaining = c.quantity if c.quantity != 0 else most_lots(s, c)
    order.cumulative = 0
    order.cap = c.cap if c.cap != 0 else c.price
    order.prev = 0
    order.next = 0
    order.level = 0
    order.version = c.version
    order.extension = 0
    order.traits = traits_of(c)
    map_order(s, index)
    if c.expire_ns != 0 or c.display != 0 or c.trigger != 0:
        order.extension = take_extension(s)
        s.extensions[order.extension].display = c.display
        if c.trigger != 0:
            stop = take_stop(s, &s.extensions[order.extension])
            stop.trigger = c.trigger
            stop.price = c.price
            if c.trail_offset != 0:
                set_trail(find_book(s, c.instrument_id), c, stop)
        if c.expire_ns != 0:
            add_deadline(s, index, c.expire_ns)
    return index


cdef inline void new_order(State *s, const Command *c) noexcept nogil:
    cdef uint32_t reason = refusal_of_new(s, c)
    cdef uint32_t book_index = s.book_of[c.instrument_id] if reason == 0 else 0
    cdef uint32_t index
    if reason != 0:
        emit_order_rejected(s, reason, c)
        return
    index = make_order(s, c)
    emit_accepted(s, c, &s.orders[index])
    if is_stop(c):
        await_trigger(s, book_index, index)
        return
    enter(s, book_index, index, c.price, c.budget)
    if s.books[book_index].traded_high != 0:
        trigger_stops(s, book_index)


cdef inline bint is_elsewhere(const State *s, const Command *c, const Order *order) noexcept nogil:
    # Whether the command names another instrument than the order's; 0 is any.
    cdef uint32_t named = c.instrument_id
    return s.books[s.levels[order.level].book].instrument_id != named and named != 0


cdef inline uint32_t owned_order(State *s, const Command *c) noexcept nogil:
    # The live order a command names, of the account that names it; 0 when it may not have it.
    cdef uint32_t index = find_order(s, c.order_id)
    if c.account_id != 0 and c.account_id != s.orders[index].account_id:
        return 0
    return index


cdef inline uint32_t named_order(State *s, const Command *c) noexcept nogil:
    # The same, if it is in the instrument that the command names.
    cdef uint32_t index = owned_order(s, c)
    return 0 if index == 0 or is_elsewhere(s, c, &s.orders[index]) else index


cdef inline void refuse_named(State *s, uint32_t rejected_kind, const Command *c) noexcept nogil:
    # Says why a command may not have the order that it names.
    cdef uint32_t index = find_order(s, c.order_id)
    cdef bint is_unknown = index == 0 or is_elsewhere(s, c, &s.orders[index])
    emit_request_rejected(s, rejected_kind, UNKNOWN_ORDER if is_unknown else NOT_OWNER, c)


cdef inline void cancel_order(State *s, const Command *c) noexcept nogil:
    cdef uint32_t index = named_order(s, c)
    if unlikely(index == 0):
        refuse_named(s, CANCEL_REJECTED, c)
        return
    end_resting(s, CANCEL_REQUESTED, ORDER_CANCELED, index)


cdef inline uint32_t refusal_of_swap(
    State *s, const Command *c, const Command *entering
) noexcept nogil:
    # Why an order may not take the place of another. Of one side and instrument, neither is in the
    # way of the other.
    cdef uint32_t index = find_order(s, c.order_id)
    cdef const Order *order = &s.orders[index]
    if index == 0:
        return UNKNOWN_ORDER
    if order.account_id != c.account_id:
        return NOT_OWNER
    if side_of(order) != c.side:
        return INVALID_COMMAND
    if s.books[s.levels[order.level].book].instrument_id != c.instrument_id:
        return INVALID_COMMAND
    return refusal_of_new(s, entering)


cdef inline void cancel_replace_order(State *s, const Command *c) noexcept nogil:
    # All or nothing: one order goes and another comes, or both are refused for one reason.
    cdef Command leaving = c[0]
    cdef Command entering = c[0]
    cdef uint32_t reason
    leaving.version = 0
    entering.order_id = c.new_order_id
    entering.new_order_id = 0
    reason = refusal_of_swap(s, c, &entering)
    if reason != 0:
        emit_request_rejected(s, CANCEL_REJECTED, reason, &leaving)
        emit_order_rejected(s, reason, &entering)
        return
    end_resting(s, CANCEL_REQUESTED, ORDER_CANCELED, find_order(s, c.order_id))
    new_order(s, &entering)


cdef inline void reduce_order(State *s, const Command *c) noexcept nogil:
    cdef uint32_t index
    if c.quantity <= 0:
        emit_request_rejected(s, CANCEL_REJECTED, INVALID_COMMAND, c)
        return
    index = named_order(s, c)
    if unlikely(index == 0):
        refuse_named(s, CANCEL_REJECTED, c)
        return
    if c.quantity >= s.orders[index].remaining:
        end_resting(s, REDUCE_REQUESTED, ORDER_CANCELED, index)
    else:
        reduce_resting(s, REDUCE_REQUESTED, index, c.quantity)


cdef inline bint is_out_of_bounds(const Book *book, int64_t price, int64_t before) noexcept nogil:
    # What stays as it was is not judged anew when the instrument's bounds have become narrower.
    return unlikely(price < book.min_ticks or price > book.max_ticks) and price != before


cdef inline uint32_t reprice_refusal(
    State *s, Book *book, const Order *order, int64_t price, int64_t before, int64_t cap
) noexcept nogil:
    # Why an order that rests at the price `before` may not go to this one.
    if unlikely(is_market(order)):
        return INVALID_COMMAND
    if not is_open(book.state):
        return MARKET_STATE
    if is_out_of_bounds(book, price, before):
        return PRICE_OUT_OF_RANGE
    if cap != 0 and is_beyond(side_of(order), price, cap):
        return PRICE_COLLAR
    if (book.state == POST_ONLY or flags_of(order) & FLAG_POST_ONLY) and would_take(
        s, book, order, price
    ):
        # In an auction nobody takes.
        return POST_ONLY_WOULD_TAKE if book.state != AUCTION else 0
    return 0


cdef inline void move_order(State *s, const Command *c) noexcept nogil:
    cdef uint32_t index = owned_order(s, c)
    cdef uint32_t book_index, reason
    cdef int64_t old_price
    cdef Order *order
    if unlikely(index == 0 or is_elsewhere(s, c, &s.orders[index])):
        refuse_named(s, REPLACE_REJECTED, c)
        return
    order = &s.orders[index]
    book_index = s.levels[order.level].book
    old_price = limit_of(s, order)
    if is_waiting(s, order):
        reason = INVALID_COMMAND
    else:
        reason = reprice_refusal(
            s, &s.books[book_index], order, c.price, old_price, order.cap
        )
    if reason != 0:
        emit_request_rejected(s, REPLACE_REJECTED, reason, c)
        return
    unlink_order(s, index)
    emit_replaced(
        s, s.books[book_index].instrument_id, order, 0, c.price, old_price, order.remaining,
        expiry_of(s, order), 0,
    )
    enter(s, book_index, index, c.price, 0)
    if s.books[book_index].traded_high != 0:
        trigger_stops(s, book_index)


cdef inline uint32_t retrigger_refusal(
    State *s, Book *book, const Order *order, const Command *c, int64_t price
) noexcept nogil:
    # Why a stop that waits may not be changed.
    cdef const Stop *stop = stop_of(s, order)
    if not is_open(book.state):
        return MARKET_STATE
    if is_out_of_bounds(book, price, stop.price):
        return PRICE_OUT_OF_RANGE
    if c.trigger == 0:
        return 0
    if is_out_of_bounds(book, c.trigger, stop.trigger):
        return PRICE_OUT_OF_RANGE
    return STOP_WOULD_TRIGGER if is_through(book, side_of(order), c.trigger) else 0


cdef inline uint32_t replace_refusal(
    State *s, Book *book, const Order *order, const Command *c, int64_t price, int64_t cap,
    int64_t total,
) noexcept nogil:
    cdef bint waits = is_waiting(s, order)
    if (c.price | c.cap | c.quantity | c.expire_ns | c.trigger) < 0:
        return INVALID_COMMAND
    if c.trigger != 0 and (not waits or is_trailing(s, order)):
        return INVALID_COMMAND
    if c.price != 0 and type_of(order) == STOP_MARKET:
        return INVALID_COMMAND
    if c.expire_ns != 0 and tif_of(order) != GTD:
        return INVALID_COMMAND
    if c.version <= order.version:
        return STALE_VERSION
    if total > book.max_quantity and total > order.cumulative + order.remaining:
        return QUANTITY_OUT_OF_RANGE
    if c.expire_ns != 0 and c.expire_ns <= s.time_ns:
        return EXPIRED
    if c.cap != 0 and price != 0 and is_beyond(side_of(order), price, cap):
        return INVALID_COMMAND
    if waits:
        return retrigger_refusal(s, book, order, c, price)
    return reprice_refusal(s, book, order, price, limit_of(s, order), cap)


cdef inline void put_expiry(State *s, uint32_t index, int64_t expire_ns) noexcept nogil:
    if expire_ns != 0:
        remove_deadline(s, index)
        add_deadline(s, index, expire_ns)


cdef inline void amend_order(
    State *s, uint32_t book_index, uint32_t index, int64_t price, int64_t remaining
) noexcept nogil:
    # Same price and no more lots: the order keeps its place; else it enters anew.
    cdef Order *order = &s.orders[index]
    cdef int64_t old_price = limit_of(s, order)
    cdef int64_t old_remaining = order.remaining
    cdef bint keeps_priority = price == old_price and remaining <= old_remaining
    if keeps_priority:
        shrink_resting(s, index, old_remaining - remaining)
    else:
        unlink_order(s, index)
        order.remaining = remaining
    emit_replaced(
        s, s.books[book_index].instrument_id, order,
        FLAG_KEPT_PRIORITY if keeps_priority else 0, price, old_price, old_remaining,
        expiry_of(s, order), 0,
    )
    if not keeps_priority:
        enter(s, book_index, index, price, 0)
        trigger_stops(s, book_index)


cdef inline void amend_waiting(
    State *s, uint32_t book_index, uint32_t index, int64_t price, int64_t remaining,
    int64_t trigger,
) noexcept nogil:
    # Same trigger and no more lots: the stop keeps its place.
    cdef Order *order = &s.orders[index]
    cdef Stop *stop = stop_of(s, order)
    cdef int64_t old_price = stop.price
    cdef int64_t old_remaining = order.remaining
    cdef bint keeps_priority = trigger == stop.trigger and remaining <= old_remaining
    if keeps_priority:
        shrink_resting(s, index, old_remaining - remaining)
    else:
        unlink_order(s, index)
        order.remaining = remaining
    stop.price = price
    stop.trigger = trigger
    emit_replaced(
        s, s.books[book_index].instrument_id, order,
        FLAG_KEPT_PRIORITY if keeps_priority else 0, price, old_price, old_remaining,
        expiry_of(s, order), trigger,
    )
    if not keeps_priority:
        await_trigger(s, book_index, index)


cdef inline void replace_order(State *s, const Command *c) noexcept nogil:
    cdef uint32_t index = named_order(s, c)
    cdef uint32_t book_index, reason
    cdef int64_t price, old_price, total, trigger
    cdef Order *order
    if unlikely(index == 0):
        refuse_named(s, REPLACE_REJECTED, c)
        return
    order = &s.orders[index]
    book_index = s.levels[order.level].book
    old_price = limit_of(s, order)
    price = c.price if c.price != 0 else old_price
    total = c.quantity if c.quantity != 0 else order.cumulative + order.remaining
    reason = replace_refusal(
        s, &s.books[book_index], order, c, price, c.cap if c.cap != 0 else price, total
    )
    if reason != 0:
        emit_request_rejected(s, REPLACE_REJECTED, reason, c)
        return
    order.version = c.version
    if c.cap != 0 or price != 0:
        order.cap = c.cap if c.cap != 0 else price
    put_expiry(s, index, c.expire_ns)
    if total <= order.cumulative:
        end_resting(s, BELOW_EXECUTED, ORDER_CANCELED, index)
    elif is_waiting(s, order):
        trigger = c.trigger if c.trigger != 0 else stop_of(s, order).trigger
        amend_waiting(s, book_index, index, price, total - order.cumulative, trigger)
    else:
        amend_order(s, book_index, index, price, total - order.cumulative)
