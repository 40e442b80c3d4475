"""The engine's event records as the messages of its stream, for tests that run engines directly."""

from collections.abc import Iterable

from engine.v1 import records_pb2

from svc.engine.book import Engine
from svc.engine.records import Event, EventKind, Flag, unpack_events
from svc.engine.reference import ReferenceEngine

LOG_ID = "0123456789abcdef" * 2

_ENDED = {
    EventKind.ORDER_CANCELED: "order_canceled",
    EventKind.ORDER_REJECTED: "order_rejected",
    EventKind.ORDER_EXPIRED: "order_expired",
}
_REFUSED = {
    EventKind.CANCEL_REJECTED: "cancel_rejected",
    EventKind.REPLACE_REJECTED: "replace_rejected",
}
_COMMON = {
    name: name
    for name in (
        "order_id", "version", "account_id", "side", "price_ticks", "quantity_lots",
        "remaining_lots", "cumulative_lots", "reason", "state",
    )
}  # fmt: skip
_ENDING = {"remaining_lots": "quantity_lots"}
_OF_KIND = {
    "order_accepted": {
        "type": "order_type",
        "time_in_force": "tif",
        "display_lots": "display_lots",
        "trigger_ticks": "trigger_ticks",
    },
    "order_canceled": _ENDING,
    "order_rejected": _ENDING,
    "order_expired": _ENDING,
    "order_replaced": {
        "old_price_ticks": "old_price_ticks",
        "old_remaining_lots": "old_remaining_lots",
    },
    "trade": {
        "trade_number": "trade_number",
        "taker_order_id": "order_id",
        "taker_account_id": "account_id",
        "taker_remaining_lots": "remaining_lots",
        "maker_order_id": "maker_order_id",
        "maker_account_id": "maker_account_id",
        "maker_remaining_lots": "maker_remaining_lots",
    },
}


def message_of(event: Event) -> records_pb2.Event:
    """The message of one record."""
    made = records_pb2.Event(
        sequence=event.sequence, time_unix_ns=event.time_ns, instrument_id=event.instrument_id
    )
    kind = EventKind(event.kind)
    name = _ENDED.get(kind) or _REFUSED.get(kind) or kind.name.lower()
    message = getattr(made, name)
    message.SetInParent()
    fields = {**_COMMON, **_OF_KIND.get(name, {})}
    for field, source in fields.items():
        if field in message.DESCRIPTOR.fields_by_name:
            setattr(message, field, getattr(event, source))
    if kind == EventKind.ORDER_REPLACED:
        made.order_replaced.kept_priority = bool(event.flags & Flag.KEPT_PRIORITY)
    return made


def batch_of(
    events: Iterable[Event], previous_hash: int, running_hash: int, log_id: str = LOG_ID
) -> records_pb2.EventBatch:
    """The message of a batch's records."""
    return records_pb2.EventBatch(
        market=1,
        log_id=log_id,
        previous_hash=previous_hash,
        running_hash=running_hash,
        events=[message_of(event) for event in events],
    )


class Tapped:
    """Applies commands to an engine and gives what it made as the batch of its stream."""

    def __init__(self, engine: Engine | ReferenceEngine) -> None:
        self.engine = engine
        self._hash = 0

    def apply(self, commands: bytes, time_ns: int) -> records_pb2.EventBatch:
        """The batch of the commands' events; empty when they made none."""
        records = bytes(self.engine.apply(commands, time_ns))
        previous, self._hash = self._hash, self.engine.running_hash
        return batch_of(unpack_events(records), previous, self._hash)
