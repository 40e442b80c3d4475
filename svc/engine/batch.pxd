"""A batch: time first, then its commands in order, each closed before the next begins."""

from libc.stdint cimport int64_t, uint64_t

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
from svc.engine.emit cimport close_command, emit_command_rejected
from svc.engine.lookahead cimport COMMAND_STAGE, SMALL_BOOKS, look_ahead, take_guess
from svc.engine.records cimport *
from svc.engine.state cimport ABREAST, State

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
        emit_command_rejected(s, INVALID_COMMAND, c)


cdef inline void apply_batch(State *s, const Command *commands, uint64_t count) noexcept nogil:
    cdef uint64_t first, i
    cdef int64_t group = -COMMAND_STAGE
    cdef bint looks_ahead = count >= ABREAST and s.live_orders >= SMALL_BOOKS
    s.event_count = 0
    expire_due(s)
    while looks_ahead and group < 0:
        look_ahead(s, commands, count, group)
        group += ABREAST
    for i in range(count):
        if looks_ahead:
            if i % ABREAST == 0:
                look_ahead(s, commands, count, i)
            take_guess(s, i)
        first = s.event_count
        dispatch(s, &commands[i], count)
        indicate(s, first)
        close_command(s, first)
    s.commands += count
