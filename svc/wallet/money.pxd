from libc.stdint cimport int64_t

cdef object hold_of_buy(int64_t cap_ticks, int64_t lots, object quote_units, int64_t rate_ppm)
cdef object hold_of_sell(int64_t lots, object base_units)
cdef object value_of(int64_t price_ticks, int64_t lots, object quote_units)
cpdef object fee(object quote_amount, int64_t rate_ppm)
