# cython: language_level=3, embedsignature=True, boundscheck=False, wraparound=False
"""Plain orders and cancels, from their wire bytes straight to asks in ticks and lots.

Keeps: what is read here is exactly what `reading` makes of the same bytes, at a tenth of the cost;
a test compares them. Whatever is out of the ordinary (a field that few use, a wrong value, an
unknown symbol, bytes in another form) is not read here at all, so every rule that refuses is in
`reading` and `terms`, and every error is worded there.
"""

from hashlib import blake2b

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from svc.kit.ids cimport read_uuid
from svc.kit.wire cimport LENGTH, VARINT, Span, put_bytes, put_number, take_inside, take_varint
from svc.order.asks cimport Caller, Cancel, Create, Key, Terms

from svc.kit.decimals import MAX_INT64
from svc.order.terms import OrderType, SelfTradeMode, Side, TimeInForce
from svc.order.wire import DIGEST_BYTES

cdef enum:
    MOST_ITEMS = 256
    LONGEST_SYMBOL = 32
    LONGEST_DECIMAL = 38
    LONGEST_CLIENT_ID = 64
    LONGEST_KEY = 128
    HIGHEST_LEVERAGE = 100
    # Fields of CreateOrderRequest; the others are not plain.
    SYMBOL = 1
    SIDE = 2
    TYPE = 3
    TIME_IN_FORCE = 4
    QUANTITY = 5
    PRICE = 6
    CLIENT_ORDER_ID = 10
    IDEMPOTENCY_KEY = 11
    LEVERAGE = 12
    POST_ONLY = 13
    REDUCE_ONLY = 14
    SELF_TRADE_MODE = 16
    LAST_FIELD = 16
    # Fields of CancelOrderRequest.
    ORDER_ID = 1
    CANCEL_KEY = 2
    # A request without its key: its texts, and a head and a number for each other field.
    MOST_DIGESTED = 512

cdef int64_t MOST = MAX_INT64
cdef int BUY = Side.BUY, SELL = Side.SELL
cdef int LIMIT = OrderType.LIMIT, MARKET = OrderType.MARKET
cdef int GTC = TimeInForce.GTC, IOC = TimeInForce.IOC, FOK = TimeInForce.FOK
cdef int NO_SELF_TRADE_MODE = SelfTradeMode.NONE, LAST_SELF_TRADE_MODE = max(SelfTradeMode)
cdef bytes CREATE_NAME = b"CreateOrderRequest\0", CANCEL_NAME = b"CancelOrderRequest\0"


cdef struct Fields:
    Span texts[LAST_FIELD + 1]
    uint64_t numbers[LAST_FIELD + 1]
    int seen


cdef inline Py_ssize_t _length(const Span *text) noexcept nogil:
    return text.end - text.at


cdef inline bint _is_text(int field) noexcept nogil:
    return (
        field == SYMBOL or field == QUANTITY or field == PRICE or field == CLIENT_ORDER_ID
        or field == IDEMPOTENCY_KEY
    )


cdef inline bint _is_number(int field) noexcept nogil:
    return (
        field == SIDE or field == TYPE or field == TIME_IN_FORCE or field == LEVERAGE
        or field == POST_ONLY or field == REDUCE_ONLY or field == SELF_TRADE_MODE
    )


cdef bint _scan_create(Span request, Fields *fields) noexcept nogil:
    """Whether a CreateOrderRequest has plain fields alone, each at most once."""
    cdef uint64_t tag, field
    memset(fields, 0, sizeof(Fields))
    while request.at < request.end:
        if not take_varint(&request, &tag):
            return False
        field = tag >> 3
        if field > LAST_FIELD or fields.seen >> field & 1:
            return False
        fields.seen |= 1 << field
        if tag & 7 == LENGTH and _is_text(<int>field):
            if not take_inside(&request, &fields.texts[field]):
                return False
        elif tag & 7 == VARINT and _is_number(<int>field):
            if not take_varint(&request, &fields.numbers[field]):
                return False
        else:
            return False
    return True


cdef int64_t _steps(
    const Span *text, int scale, int64_t unscaled, int64_t limit
) noexcept nogil:
    """How many steps a canonical decimal is; 0 where it is none, no whole number, or too large."""
    cdef const uint8_t *at = text.at
    cdef int64_t value = 0
    cdef int decimals = -1  # digits after the point that count; -1 before it
    cdef int missing
    if at == text.end or _length(text) > LONGEST_DECIMAL or text.end[-1] == c".":
        return 0
    if at[0] == c"." or (at[0] == c"0" and at + 1 < text.end and at[1] != c"."):
        return 0
    while at < text.end:
        if at[0] == c"." and decimals < 0:
            decimals = 0
        elif at[0] < c"0" or at[0] > c"9":
            return 0
        elif decimals == scale:
            if at[0] != c"0":
                return 0
        else:
            if value > (MOST - 9) // 10:
                return 0
            value = value * 10 + (at[0] - c"0")
            decimals += decimals >= 0
        at += 1
    for missing in range(scale - max(decimals, 0)):
        if value > MOST // 10:
            return 0
        value *= 10
    if value % unscaled or value // unscaled > limit:
        return 0
    return value // unscaled

cdef bint _is_client_id(const Span *text) noexcept nogil:
    cdef const uint8_t *at = text.at
    if _length(text) > LONGEST_CLIENT_ID:
        return False
    while at < text.end:
        if not (
            c"a" <= at[0] <= c"z" or c"A" <= at[0] <= c"Z" or c"-" <= at[0] <= c":"
            or at[0] == c"_"
        ):  # from "-" to ":" are also ".", "/" and the digits
            return False
        at += 1
    return True


cdef bint _is_key(const Span *text) noexcept nogil:
    cdef const uint8_t *at = text.at
    if _length(text) > LONGEST_KEY:
        return False
    while at < text.end:
        if not c" " <= at[0] <= c"~":
            return False
        at += 1
    return True


cdef str _text(const Span *text):
    return PyUnicode_DecodeASCII(<const char *>text.at, _length(text), NULL)


cdef class Grid:
    """What plain orders of an instrument are measured by, as C integers."""

    cdef object instrument
    cdef int tick_scale, lot_scale
    cdef int64_t tick_unscaled, lot_unscaled, most_ticks, most_lots, least_tick_lots
    cdef uint64_t max_leverage
    cdef bint perpetual

    def __init__(self, instrument):
        """Raises OverflowError for an instrument that C integers cannot hold."""
        self.instrument = instrument
        self.tick_scale, self.tick_unscaled = instrument.tick.scale, instrument.tick.unscaled
        self.lot_scale, self.lot_unscaled = instrument.lot.scale, instrument.lot.unscaled
        self.most_ticks = instrument.tick.limit
        self.most_lots = min(instrument.max_quantity_lots, instrument.lot.limit)
        self.least_tick_lots = instrument.min_notional_tick_lots
        self.max_leverage = min(instrument.max_leverage, HIGHEST_LEVERAGE)
        self.perpetual = instrument.perpetual


cdef class PlainReader:
    """Reads what is plain; see the module. For each method None means: not plain."""

    cdef object _catalog
    cdef dict _grids

    def __init__(self, catalog):
        """`catalog` names the instruments."""
        self._catalog = catalog
        self._grids = {}

    def items(self, bytes request not None, Caller caller not None):
        """The asks of a SubmitOrdersRequest, None for each that is not plain."""
        cdef Span rest = _span(request)
        cdef Span item
        cdef list asks = []
        while rest.at < rest.end:
            if len(asks) == MOST_ITEMS or not _one_inside(&rest, 1, &item):
                return None
            asks.append(self._item(item, caller))
        return asks or None

    def stream_item(self, bytes request not None, Caller caller not None):
        """The ask of a StreamOrdersRequest."""
        cdef Span rest = _span(request)
        cdef Span item
        if not _one_inside(&rest, 1, &item) or rest.at != rest.end:
            return None
        return self._item(item, caller)

    def create(self, bytes request not None, Caller caller not None, str header_key not None):
        """The ask of a CreateOrderRequest."""
        return self._create(_span(request), caller, header_key)

    def cancel(self, bytes request not None, Caller caller not None, str header_key not None):
        """The ask of a CancelOrderRequest."""
        return self._cancel(_span(request), caller, header_key)

    cdef object _item(self, Span item, Caller caller):
        cdef Span inside
        cdef int kind
        for kind in (1, 2):
            if item.at < item.end and item.at[0] == (kind << 3 | LENGTH):
                if not _one_inside(&item, kind, &inside) or item.at != item.end:
                    return None
                if kind == 1:
                    return self._create(inside, caller, "")
                return self._cancel(inside, caller, "")
        return None

    cdef object _create(self, Span request, Caller caller, str header_key):
        cdef Fields fields
        cdef Terms terms
        cdef Create create
        cdef str text
        if not (
            _scan_create(request, &fields)
            and _is_client_id(&fields.texts[CLIENT_ORDER_ID])
            and _is_key(&fields.texts[IDEMPOTENCY_KEY])
        ):
            return None
        text = _key_text(&fields.texts[IDEMPOTENCY_KEY], header_key)
        if text is None:
            return None
        terms = self._terms(&fields)
        if terms is None:
            return None
        create = Create.__new__(Create)
        create.account_id = caller.account_id
        create.user_id = caller.user_id
        create.source = caller.source
        create.trace_id = caller.trace_id
        create.deadline_s = caller.deadline_s
        create.terms = terms
        create.client_order_id = _text(&fields.texts[CLIENT_ORDER_ID])
        if text:
            create.key = Key.__new__(Key)
            create.key.text = text
            create.key.digest = _create_digest(&fields)
        return create

    cdef Terms _terms(self, Fields *fields):
        cdef Grid grid = self._grid(&fields.texts[SYMBOL])
        cdef Terms terms
        cdef int side, order_type, time_in_force
        cdef int64_t ticks = 0, lots
        if grid is None or not _plain_numbers(fields, grid):
            return None
        side, order_type = <int>fields.numbers[SIDE], <int>fields.numbers[TYPE]
        time_in_force = <int>fields.numbers[TIME_IN_FORCE]
        if time_in_force == 0:
            time_in_force = GTC if order_type == LIMIT else IOC
        lots = _steps(
            &fields.texts[QUANTITY], grid.lot_scale, grid.lot_unscaled, grid.most_lots
        )
        if order_type == LIMIT:
            ticks = _steps(
                &fields.texts[PRICE], grid.tick_scale, grid.tick_unscaled, grid.most_ticks
            )
            if ticks == 0 or lots == 0 or lots > MOST // ticks:
                return None
            if ticks * lots < grid.least_tick_lots:
                return None
        elif lots == 0 or fields.seen >> PRICE & 1:
            return None
        terms = Terms.__new__(Terms)
        terms.instrument = grid.instrument
        terms.side, terms.type, terms.time_in_force = side, order_type, time_in_force
        terms.self_trade_mode = <int>fields.numbers[SELF_TRADE_MODE] or NO_SELF_TRADE_MODE
        terms.price_ticks, terms.lots, terms.quote_units = ticks, lots, 0
        terms.leverage = <int>fields.numbers[LEVERAGE] or 1
        terms.post_only = fields.numbers[POST_ONLY] != 0
        terms.reduce_only = fields.numbers[REDUCE_ONLY] != 0
        return terms

    cdef Grid _grid(self, const Span *symbol):
        """Of a symbol written as it is listed."""
        cdef Grid grid
        if not 0 < _length(symbol) <= LONGEST_SYMBOL or not _is_key(symbol):
            return None
        instrument = self._catalog.listed.get(_text(symbol))
        if instrument is None:
            return None
        grid = self._grids.get(instrument.id)
        if grid is None or grid.instrument is not instrument:
            try:
                grid = Grid(instrument)
            except OverflowError:
                return None
            self._grids[instrument.id] = grid
        return grid

    cdef object _cancel(self, Span request, Caller caller, str header_key):
        cdef Span name, key
        cdef Cancel cancel
        cdef str text
        cdef int64_t order_id
        memset(&key, 0, sizeof(Span))
        if not _one_inside(&request, ORDER_ID, &name):
            return None
        if request.at < request.end and not _one_inside(&request, CANCEL_KEY, &key):
            return None
        if request.at != request.end or not _is_key(&key):
            return None
        order_id = read_uuid(<const char *>name.at, _length(&name))
        text = _key_text(&key, header_key)
        if order_id == 0 or text is None:
            return None
        cancel = Cancel.__new__(Cancel)
        cancel.account_id = caller.account_id
        cancel.trace_id = caller.trace_id
        cancel.deadline_s = caller.deadline_s
        cancel.order_id = order_id
        cancel.name = _text(&name)
        if text:
            cancel.key = Key.__new__(Key)
            cancel.key.text = text
            cancel.key.digest = _cancel_digest(&name)
        return cancel


cdef Span _span(bytes payload):
    cdef Span span
    span.at = <const uint8_t *>PyBytes_AS_STRING(payload)
    span.end = span.at + PyBytes_GET_SIZE(payload)
    return span


cdef bint _one_inside(Span *span, int field, Span *inside) noexcept nogil:
    """Whether a text or message of this field came next."""
    if span.at == span.end or span.at[0] != (field << 3 | LENGTH):
        return False
    span.at += 1
    return take_inside(span, inside)


cdef bint _plain_numbers(Fields *fields, Grid grid) noexcept:
    """Whether sides, types and flags are in range and go together."""
    cdef uint64_t side = fields.numbers[SIDE], order_type = fields.numbers[TYPE]
    cdef uint64_t time_in_force = fields.numbers[TIME_IN_FORCE]
    cdef bint limit = order_type == <uint64_t>LIMIT
    if side != <uint64_t>BUY and side != <uint64_t>SELL:
        return False
    if not limit and order_type != <uint64_t>MARKET:
        return False
    if time_in_force > <uint64_t>FOK or (not limit and time_in_force == <uint64_t>GTC):
        return False
    if fields.numbers[SELF_TRADE_MODE] > <uint64_t>LAST_SELF_TRADE_MODE:
        return False
    if fields.numbers[LEVERAGE] > grid.max_leverage:
        return False
    if fields.numbers[POST_ONLY] and (not limit or time_in_force > <uint64_t>GTC):
        return False
    if fields.numbers[REDUCE_ONLY] and time_in_force == <uint64_t>FOK:
        return False
    return (
        fields.numbers[POST_ONLY] <= 1 and fields.numbers[REDUCE_ONLY] <= <uint64_t>grid.perpetual
    )


cdef str _key_text(const Span *field, str header):
    """The key from field or header, empty without one; None where it is not plain."""
    cdef str text = _text(field)
    if not header:
        return text
    if (text and text != header) or len(header) > LONGEST_KEY or not header.isascii():
        return None
    return header if header.isprintable() else None


cdef bytes _create_digest(Fields *fields):
    """The digest of `wire.request_digest`: all fields but the key, in order, without defaults."""
    cdef uint8_t payload[MOST_DIGESTED]
    cdef uint8_t *out = payload
    cdef Span *text
    cdef int field
    memcpy(out, <const char *>CREATE_NAME, len(CREATE_NAME))
    out += len(CREATE_NAME)
    for field in range(1, LAST_FIELD + 1):
        if fields.numbers[field]:
            out = put_number(out, field, fields.numbers[field])
        elif field != IDEMPOTENCY_KEY and _length(&fields.texts[field]):
            text = &fields.texts[field]
            out = put_bytes(out, field, text.at, _length(text))
    return _digest(payload, out - payload)


cdef bytes _cancel_digest(const Span *name):
    cdef uint8_t payload[MOST_DIGESTED]
    cdef uint8_t *out = payload
    memcpy(out, <const char *>CANCEL_NAME, len(CANCEL_NAME))
    out = put_bytes(out + len(CANCEL_NAME), ORDER_ID, name.at, _length(name))
    return _digest(payload, out - payload)


cdef bytes _digest(const uint8_t *payload, Py_ssize_t length):
    body = PyBytes_FromStringAndSize(<const char *>payload, length)
    return blake2b(body, digest_size=DIGEST_BYTES).digest()
