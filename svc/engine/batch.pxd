"""A batch: time first, then its commands in order, each closed before the next begins.

A command touches half a dozen cache lines that depend on each other: the id's place in the map, its
order, the order's neighbours and level. Those of commands further down are fetched meanwhile.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from svc.engine.admin cimport (
    begin_version,
    expire_due,
    mass_cancel,
    set_group,
    set_instrument,
    set_state,
)
from svc.engine.auction cimport indicate
from svc.engine.commands cimport (
    cancel_order,
    cancel_replace_order,
    move_order,
    new_order,
    reduce_order,
    replace_order,
)
from svc.engine.emit cimport close_command, emit_order_rejected
from svc.engine.orders cimport glance_order, prefetch_entry
from svc.engine.records cimport *
from svc.engine.levels cimport leaf_of, prefetch_node
from svc.engine.queue cimport side_of
from svc.engine.state cimport ASKS, BIDS, Book, Order, State, prefetch

cdef enum:
    COMMAND_AHEAD = 16
    ENTRY_AHEAD = 8
    ORDER_AHEAD = 5
    LEVEL_AHEAD = 2


cdef inline void dispatch(State *s, const Command *c, uint64_t count) noexcept nogil:
    # `count` is that of the batch.
    if c.kind == MOVE:
        move_order(s, c)
    elif c.kind == NEW:
        new_order(s, c)
    elif c.kind == CANCEL:
        cancel_order(s, c)
    elif c.kind == REDUCE:
        reduce_order(s, c)
    elif c.kind == REPLACE:
        replace_order(s, c)
    elif c.kind == CANCEL_REPLACE:
        cancel_replace_order(s, c)
    elif c.kind == MASS_CANCEL:
        mass_cancel(s, c)
    elif c.kind == INSTRUMENT:
        set_instrument(s, <const InstrumentCommand *>c)
    elif c.kind == STATE:
        set_state(s, c)
    elif c.kind == GROUP:
        set_group(s, c)
    elif c.kind == VERSION:
        begin_version(s, c, count == 1)
    elif c.kind != ADVANCE_TIME:
        emit_order_rejected(s, INVALID_COMMAND, c)


cdef inline void prefetch_leaf(
    const State *s, uint32_t book_index, uint32_t side, int64_t price
) noexcept nogil:
    # Where a level of this price is or would be; the tree of a small book is at hand anyway.
    cdef const Book *book = &s.books[book_index]
    cdef uint32_t which = BIDS if side == BUY else ASKS
    if book.sides[which].height > 2:
        prefetch_node(
            &s.nodes[leaf_of(s, &book.sides[which], price if side == BUY else -price)]
        )


cdef inline void look_ahead(State *s, const Command *c, uint64_t left) noexcept nogil:
    # Only hints: what is found here may have changed when the command comes.
    cdef const Order *order
    cdef const Command *near
    if left <= COMMAND_AHEAD:
        return
    prefetch(&c[COMMAND_AHEAD])
    prefetch(&c[COMMAND_AHEAD].display)
    prefetch_entry(s, c[ENTRY_AHEAD].order_id)
    prefetch(&s.orders[glance_order(s, c[ORDER_AHEAD].order_id)])
    near = &c[LEVEL_AHEAD]
    order = &s.orders[glance_order(s, near.order_id)]
    prefetch(&s.levels[order.level])
    prefetch(&s.orders[order.prev])
    prefetch(&s.orders[order.next])
    if near.kind == NEW and near.instrument_id <= MAX_INSTRUMENT_ID:
        prefetch_leaf(s, s.book_of[near.instrument_id], near.side, near.price)
    elif near.kind == MOVE:
        prefetch_leaf(s, s.levels[order.level].book, side_of(order), near.price)


cdef inline void apply_batch(State *s, const Command *commands, uint64_t count) noexcept nogil:
    cdef uint64_t first, i
    s.event_count = 0
    expire_due(s)
    for i in range(count):
        look_ahead(s, &commands[i], count - i)
        first = s.event_count
        dispatch(s, &commands[i], count)
        indicate(s, first)
        close_command(s, first)
    s.commands += count
