# cython: language_level=3, embedsignature=True
"""Rows of orders and of answers: order_row and answer_row of the migrations, field by field."""

import json

from svc.order.asks cimport Create, Key, Terms

from svc.kit.errors import DomainError
from svc.order.changes import Replace
from svc.order.lifecycle import Status

cdef int NEW = Status.NEW, REJECTED = Status.REJECTED


def order_rows(list creates not None):
    """An order_row for each new order."""
    return [_order_row(create) for create in creates]


def answer_rows(list answered not None):
    """An answer_row for each pair of an ask that has a key and its result."""
    return [_answer_row(ask, result) for ask, result in answered]


cdef tuple _order_row(Create create):
    cdef Terms terms = create.terms
    instrument, refusal = terms.instrument, create.refusal
    return (
        create.order_id,
        create.account_id,
        create.user_id,
        instrument.id,
        terms.side,
        terms.type,
        terms.time_in_force,
        REJECTED if refusal is not None else NEW,
        terms.price_ticks,
        create.cap_ticks,
        terms.lots,
        create.budget_tick_lots,
        str(terms.quote_units) if terms.quote_units else "0",
        instrument.maker_fee_ppm,
        instrument.taker_fee_ppm,
        terms.leverage,
        terms.self_trade_mode,
        terms.post_only,
        terms.reduce_only,
        create.client_order_id or None,
        None if create.key is None else create.key.text,
        create.source,
        None if refusal is None else refusal.reason,
        terms.expires_at_unix_ns // 1_000,
        create.trace_id or None,
        terms.stop_ticks or None,
        terms.display_lots or None,
        terms.trail or None,
        terms.activation_ticks or None,
    )


cdef tuple _answer_row(ask, result):
    cdef Key key = ask.key
    assert key is not None, "only asks with a key have an answer to store"
    order_id = (<Create>ask).order_id if isinstance(ask, Create) else ask.order_id
    if isinstance(result, DomainError):
        code, metadata = result.code.value[0], json.dumps(result.metadata)
        return (
            ask.account_id, key.text, key.digest, order_id, code, result.reason, result.message,
            metadata,
        )
    if isinstance(ask, Replace):
        metadata = json.dumps({"version": ask.version})
        return ask.account_id, key.text, key.digest, order_id, 0, "", "", metadata
    return ask.account_id, key.text, key.digest, order_id, 0, "", "", "{}"
