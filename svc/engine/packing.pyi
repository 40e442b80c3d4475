from collections.abc import Sequence

from typing_extensions import Buffer

from svc.engine.journal import Batch, EventBatch

class Packer:
    def group(
        self, pairs: Sequence[tuple[Batch | None, EventBatch]], epoch: int, durable_bytes: int
    ) -> tuple[bytes, list[int]]: ...

def unpack(packed: Buffer, count: int, events: bool) -> bytes: ...
