# cython: language_level=3, embedsignature=True, boundscheck=False, wraparound=False
"""What order intake sends, for every order that passes, straight as wire bytes.

The messages are those of the contracts (risk.v1, wallet.v1, engine.v1, order.v1), field by field as
protobuf would write them; a test compares. Building them as objects first costs ten times as much.
"""

from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
)
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from svc.kit.ids cimport UUID_CHARS, write_uuid
from svc.kit.wire cimport (
    LENGTH, Span, put_bytes, put_number, put_signed, take_inside, take_varint
)
from svc.order.admission cimport notional_units
from svc.order.asks cimport Answer, Create, Key, Terms

from svc.kit.errors import DomainError
from svc.order.terms import Side
from svc.order.wire import error_result

cdef enum:
    # Each of our messages is a dozen numbers at most, and a decimal of at most 38 digits or two.
    MOST_BYTES = 256
    ITEMS = 1  # field of the lists of every request and response here
    NEW_ORDER = 1
    CANCEL_ORDER = 2
    REPLACE_ORDER = 3
    COMMANDS = 4
    CANCEL_REPLACE_ORDER = 12
    DIGEST_BYTES = 16
    CLAIM_BYTES = 24

cdef int BUY = Side.BUY


cdef class _Growing:
    """Bytes that grow."""

    cdef uint8_t *start
    cdef uint8_t *out
    cdef size_t size

    def __cinit__(self, size_t size=4096):
        self.start = self.out = <uint8_t *>PyMem_Malloc(size)
        self.size = size
        if self.start == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.start)

    cdef int add(self, int field, const void *body, size_t length) except -1:
        """A message or a text in a list."""
        cdef size_t used = self.out - self.start
        cdef size_t wanted = used + length + 16
        cdef uint8_t *grown
        if wanted > self.size:
            grown = <uint8_t *>PyMem_Realloc(self.start, 2 * wanted)
            if grown == NULL:
                raise MemoryError
            self.start, self.out, self.size = grown, grown + used, 2 * wanted
        self.out = put_bytes(self.out, field, body, length)
        return 0

    cdef bytes whole(self):
        return PyBytes_FromStringAndSize(<const char *>self.start, self.out - self.start)


cdef inline bytes _digits(object number):
    """A whole number as text: it may be more than an int64 holds."""
    return str(number).encode()


def checks(list creates not None):
    """A risk.v1.PreTradeCheckRequest: what risk weighs of each order."""
    cdef _Growing request = _Growing.__new__(_Growing, 64 * len(creates) + 64)
    cdef uint8_t item[MOST_BYTES]
    cdef uint8_t *out
    cdef Create create
    cdef Terms terms
    cdef int64_t lots
    cdef bytes notional
    for create in creates:
        terms = create.terms
        lots = terms.lots
        if terms.by_amount:
            lots = create.budget_tick_lots // max(create.reference_ticks, 1)
        notional = _digits(notional_units(terms, create.cap_ticks, create.reference_ticks))
        out = put_number(item, 1, <uint64_t>create.account_id)
        out = put_number(out, 2, <uint64_t>terms.instrument.id)
        out = put_number(out, 3, terms.side)
        out = put_number(out, 4, terms.type)
        out = put_number(out, 5, <uint64_t>terms.price_ticks)
        out = put_number(out, 6, <uint64_t>lots)
        out = put_number(out, 7, <uint64_t>create.reference_ticks)
        out = put_bytes(out, 8, PyBytes_AS_STRING(notional), PyBytes_GET_SIZE(notional))
        out = put_number(out, 9, terms.leverage)
        request.add(ITEMS, item, out - item)
    return request.whole()


def locks(list creates not None):
    """A wallet.v1.LockFundsRequest: what each order can cost at most."""
    cdef _Growing request = _Growing.__new__(_Growing, 64 * len(creates) + 64)
    cdef uint8_t item[MOST_BYTES]
    cdef uint8_t hold[MOST_BYTES]
    cdef uint8_t *out
    cdef uint8_t *end
    cdef Create create
    cdef Terms terms
    for create in creates:
        terms = create.terms
        instrument = terms.instrument
        out = put_number(item, 1, <uint64_t>create.order_id)
        out = put_number(out, 2, 1)
        out = put_number(out, 3, <uint64_t>create.account_id)
        out = put_number(out, 4, <uint64_t>instrument.id)
        out = put_number(out, 5, terms.side)
        out = put_signed(out, 6, instrument.maker_fee_ppm)
        out = put_signed(out, 7, instrument.taker_fee_ppm)
        if instrument.perpetual:
            end = put_number(hold, 1, <uint64_t>create.cap_ticks)
            end = put_number(end, 2, <uint64_t>terms.lots)
            end = put_number(end, 3, terms.leverage)
            end = put_number(end, 4, terms.reduce_only)
            out = put_bytes(out, 9, hold, end - hold)
        else:
            end = _write_spot(hold, create)
            out = put_bytes(out, 8, hold, end - hold)
        request.add(ITEMS, item, out - item)
    return request.whole()


cdef uint8_t *_write_spot(uint8_t *out, Create create) except NULL:
    cdef Terms terms = create.terms
    cdef bytes amount
    if terms.side == BUY:
        out = put_number(out, 1, <uint64_t>create.cap_ticks)
    out = put_number(out, 2, <uint64_t>terms.lots)
    if terms.side == BUY and terms.quote_units:
        amount = _digits(terms.quote_units)
        out = put_bytes(out, 3, PyBytes_AS_STRING(amount), PyBytes_GET_SIZE(amount))
    return out


def all_held(bytes reply not None, Py_ssize_t count):
    """Whether a wallet.v1.LockFundsResponse holds an amount for each of `count` items, and no more.

    False decides nothing: then the message says what it is.
    """
    cdef Span rest, result, amount
    cdef uint64_t tag
    rest.at = <const uint8_t *>PyBytes_AS_STRING(reply)
    rest.end = rest.at + PyBytes_GET_SIZE(reply)
    while rest.at < rest.end:
        if not take_varint(&rest, &tag) or tag != (ITEMS << 3 | LENGTH):
            return False
        if not take_inside(&rest, &result):
            return False
        if not take_varint(&result, &tag) or tag != (1 << 3 | LENGTH):
            return False
        if not take_inside(&result, &amount) or result.at != result.end:
            return False
        count -= 1
    return count == 0


cdef class CommandBatch:
    """An engine.v1.CommandBatch, its commands alone, in the order in which they are added."""

    cdef _Growing _commands
    cdef readonly int count
    cdef readonly int orders  # of the commands, those that bring one

    def __cinit__(self):
        self._commands = _Growing.__new__(_Growing)

    def add_new_order(self, Create create not None):
        """The command that brings an order to its market."""
        self._add_order(NEW_ORDER, create, create.order_id, 0)
        self.orders += 1

    def add_cancel_replace(self, int64_t order_id, Create create not None):
        """The command that cancels an order and brings another in its place."""
        self._add_order(CANCEL_REPLACE_ORDER, create, order_id, create.order_id)

    cdef int _add_order(
        self, int kind, Create create, int64_t order_id, int64_t new_order_id
    ) except -1:
        cdef uint8_t order[MOST_BYTES]
        cdef uint8_t *out = order
        cdef Terms terms = create.terms
        out = put_number(out, 1, <uint64_t>order_id)
        out = put_number(out, 2, 1)
        out = put_number(out, 3, <uint64_t>create.account_id)
        out = put_number(out, 4, <uint64_t>terms.instrument.id)
        out = put_number(out, 5, terms.side)
        out = put_number(out, 6, terms.type)
        out = put_number(out, 7, terms.time_in_force)
        out = put_number(out, 8, terms.self_trade_mode)
        if terms.price_ticks:
            out = put_number(out, 10, terms.post_only)
        out = put_number(out, 11, terms.reduce_only)
        out = put_number(out, 12, <uint64_t>terms.price_ticks)
        if not terms.price_ticks:
            out = put_number(out, 13, <uint64_t>create.cap_ticks)
        out = put_number(out, 14, <uint64_t>terms.stop_ticks)
        out = put_number(out, 15, <uint64_t>terms.trail)
        out = put_number(out, 16, <uint64_t>terms.lots)
        out = put_number(out, 17, <uint64_t>terms.display_lots)
        out = put_number(out, 18, <uint64_t>create.budget_tick_lots)
        if terms.price_ticks:
            out = put_number(out, 19, <uint64_t>terms.expires_at_unix_ns)
        out = put_number(out, 20, <uint64_t>new_order_id)
        out = put_number(out, 21, <uint64_t>terms.activation_ticks)
        return self._add(kind, order, out - order)

    def add_cancel(self, int64_t order_id, int64_t account_id, int64_t instrument_id):
        """The command that cancels an order."""
        cdef uint8_t order[MOST_BYTES]
        cdef uint8_t *out = order
        out = put_number(out, 1, <uint64_t>order_id)
        out = put_number(out, 2, <uint64_t>account_id)
        out = put_number(out, 3, <uint64_t>instrument_id)
        self._add(CANCEL_ORDER, order, out - order)

    def add_replace(
        self, int64_t order_id, int64_t account_id, int64_t instrument_id, int version,
        int64_t price_ticks, int64_t cap_ticks, int64_t stop_ticks, int64_t lots,
    ):
        """The command that replaces an order under a higher version; 0 keeps what it has."""
        cdef uint8_t order[MOST_BYTES]
        cdef uint8_t *out = order
        out = put_number(out, 1, <uint64_t>order_id)
        out = put_number(out, 2, <uint64_t>version)
        out = put_number(out, 3, <uint64_t>account_id)
        out = put_number(out, 4, <uint64_t>instrument_id)
        out = put_number(out, 5, <uint64_t>price_ticks)
        out = put_number(out, 6, <uint64_t>cap_ticks)
        out = put_number(out, 7, <uint64_t>stop_ticks)
        out = put_number(out, 8, <uint64_t>lots)
        self._add(REPLACE_ORDER, order, out - order)

    def payload(self):
        """The batch as the outbox carries it."""
        return self._commands.whole()

    cdef int _add(self, int kind, const uint8_t *order, size_t length) except -1:
        cdef uint8_t command[MOST_BYTES + 8]
        cdef uint8_t *end = put_bytes(command, kind, order, length)
        self._commands.add(COMMANDS, command, end - command)
        self.count += 1
        return 0


def claims(list asks not None):
    """What the cache is asked for asks with keys: their names, and an order id and digest each.

    The digest of a key has 16 bytes, the order id before it 8, the highest first.
    """
    cdef list names = []
    cdef bytearray values = bytearray(len(asks) * CLAIM_BYTES)
    cdef uint8_t *out = <uint8_t *><char *>values
    cdef Key key
    cdef int64_t account_id, order_id
    cdef int byte
    for ask in asks:
        if isinstance(ask, Create):
            key = (<Create>ask).key
            account_id, order_id = (<Create>ask).account_id, (<Create>ask).order_id
        else:
            key, account_id, order_id = ask.key, ask.account_id, ask.order_id
        assert key is not None and len(key.digest) == DIGEST_BYTES, "only keys are claimed"
        names.append(f"order:idem:{account_id}:{key.text}")
        for byte in range(8):
            out[byte] = <uint8_t>(<uint64_t>order_id >> (56 - 8 * byte))
        memcpy(out + 8, PyBytes_AS_STRING(key.digest), DIGEST_BYTES)
        out += CLAIM_BYTES
    return names, bytes(values)


def results(list decided not None):
    """An order.v1.SubmitOrdersResponse with the result of each item."""
    cdef _Growing response = _Growing.__new__(_Growing, 48 * len(decided) + 64)
    for result in decided:
        _add_result(response, result)
    return response.whole()


def stream_result(result not None):
    """An order.v1.StreamOrdersResponse."""
    cdef _Growing response = _Growing.__new__(_Growing, 64)
    _add_result(response, result)
    return response.whole()


cdef int _add_result(_Growing response, object result) except -1:
    cdef uint8_t item[MOST_BYTES]
    cdef char text[UUID_CHARS]
    cdef uint8_t *out
    cdef bytes refused
    cdef Answer answer
    if isinstance(result, DomainError):
        refused = error_result(result).SerializeToString()
        return response.add(ITEMS, PyBytes_AS_STRING(refused), PyBytes_GET_SIZE(refused))
    answer = <Answer?>result
    assert answer.order_id > 0, "an answer names an order"
    write_uuid(answer.order_id, text)
    out = put_bytes(item, 1, text, UUID_CHARS)
    out = put_number(out, 2, answer.status)
    return response.add(ITEMS, item, out - item)
