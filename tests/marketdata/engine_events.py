"""What an engine that is run directly would send: its records as the batches of its stream."""

from engine.v1 import records_pb2

from svc.engine import wire
from svc.engine.book import Engine
from svc.engine.reference import ReferenceEngine

LOG_ID = "0123456789abcdef" * 2


class Tapped:
    """Applies commands to an engine and gives what it made as the batch of its stream."""

    def __init__(self, engine: Engine | ReferenceEngine) -> None:
        self.engine = engine
        self._hash = 0

    def apply(self, commands: bytes, time_ns: int) -> records_pb2.EventBatch:
        """The batch of the commands' events; empty when they made none."""
        batch = wire.unpack_events(self.engine.apply(commands, time_ns))
        batch.market, batch.log_id = 1, LOG_ID
        batch.previous_hash, self._hash = self._hash, self.engine.running_hash
        batch.running_hash = self._hash
        return batch
