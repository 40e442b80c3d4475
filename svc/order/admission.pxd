"""What risk weighs, for the C of who writes to it: admission.pyx."""

from libc.stdint cimport int64_t

from svc.order.asks cimport Terms

cpdef check(Terms terms, condition, int64_t now_unix_ns)
cpdef int64_t reference_ticks(instrument, condition) except? -1
cpdef cap_ticks(Terms terms, reference)
cpdef budget_tick_lots(Terms terms)
cpdef notional_units(Terms terms, cap, reference)
