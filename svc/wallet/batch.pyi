from svc.wallet.memory import Memory
from svc.wallet.rows import Rows

class Batch:
    settled: Rows
    made: Rows
    opened: Rows
    changed: Rows
    closed: Rows
    added: Rows
    moved: Rows
    unlocked: Rows
    def __init__(self, memory: Memory, now_unix_ns: int) -> None: ...
