from typing_extensions import Buffer

from svc.engine.book import Engine

class Diverged(Exception):
    offset: int
    events: bytes
    first_sequence: int
    hash_before: int

class Replay:
    engine: Engine
    def __init__(self, engine: Engine, last_batch: int, last_digest: Buffer) -> None: ...
    @property
    def last_batch(self) -> int: ...
    @property
    def last_digest(self) -> bytes: ...
    def note(self, last_batch: int, last_digest: Buffer) -> None: ...
    def forward(self, segment: Buffer, offset: int, end: int) -> int: ...
