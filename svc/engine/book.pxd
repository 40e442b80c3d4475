"""The engine for other modules' C: book.pyx."""

from libc.stdint cimport int64_t, uint64_t

from svc.engine.export cimport Sink
from svc.engine.records cimport Command, Event
from svc.engine.state cimport State


cdef class _Events:
    # Memory of one batch's events. The engine writes the next batch into the same one only when
    # nobody holds a view of it.
    cdef Event *events
    cdef uint64_t capacity
    cdef uint64_t count


cdef class Engine:
    cdef State *_state
    cdef _Events _events
    cdef bint _busy

    cdef State *_idle(self) except NULL
    cdef int _begin(self, int64_t time_ns) except -1
    cdef void _apply(self, const Command *commands, uint64_t count) noexcept nogil
    cdef void _export(self, Sink *sink)
