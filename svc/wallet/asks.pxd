from svc.wallet.memory cimport Hold, HoldAsk

cdef object broken_rule(HoldAsk ask, object instrument)
cdef object broken_replace_rule(HoldAsk ask, Hold current)
cdef object added_amount(HoldAsk ask, Hold current)
cdef object answer_again(object known, HoldAsk ask)
