from collections.abc import Sequence

from typing_extensions import Buffer

from svc.engine.journal import EventBatch, Stamped

class Packer:
    def __init__(self, may_be_wide: bool = True) -> None: ...
    def commands(
        self, stamped: Sequence[Stamped], epoch: int, durable_bytes: int
    ) -> tuple[memoryview, list[int]]: ...
    def events(
        self, made: Sequence[EventBatch], epoch: int, durable_bytes: int
    ) -> tuple[memoryview, list[int]]: ...

def unpack(packed: Buffer, count: int, events: bool) -> bytes: ...
