"""Opens a market: recovery of its log, and a segment of its own for whoever writes from here on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from svc.engine.folder import Folder
from svc.engine.frame_index import FrameIndex
from svc.engine.frames import SegmentHeader
from svc.engine.journal import SEGMENT_BYTES, Journal
from svc.engine.journal_reader import JournalError
from svc.engine.market import Market
from svc.engine.recovery import Recovered, recover
from svc.kit.clock import Clock


def open_market(
    folder: Folder,
    *,
    market: int,
    epoch: int,
    new_log_id: bytes,
    clock: Clock,
    report: Callable[[str], None],
    segment_bytes: int = SEGMENT_BYTES,
) -> Market:
    """Recovers the market whose journal is in `folder`, or begins one with `new_log_id`.

    The folder is locked by the caller and stays so. `epoch` is that of the writer's lease; one
    below the journal's is refused. `report` gets a sentence about an unfinished end that was
    dropped. Raises JournalError when the journal is damaged, foreign, of another semantic version,
    or makes other events than it holds.
    """
    # What a writer appended before it was killed is read, and may not be on the disk: all of it is
    # synced before it counts. Segments before the last were synced when the next one was begun.
    # Also their names, or one might be missing that a later segment goes on from.
    for number in folder.numbers()[-2:]:
        folder.sync(number)
    folder.sync_names()
    recovered = recover(folder, report)
    head = _next_head(recovered, market, epoch, new_log_id)
    if recovered.unfinished:
        folder.remove(recovered.unfinished)
    index = FrameIndex(folder, recovered.headers, recovered.end)
    journal = Journal(folder, head, index, segment_bytes)
    opened = Market(recovered, journal, folder, clock, market)
    opened.end_version()
    return opened


def _next_head(recovered: Recovered, market: int, epoch: int, new_log_id: bytes) -> SegmentHeader:
    engine = recovered.engine
    last = recovered.headers[-1] if recovered.headers else None
    head = SegmentHeader(
        new_log_id, market, epoch, 1, 0, recovered.last_batch, recovered.last_digest,
        engine.sequence, engine.running_hash, engine.time_ns,
    )  # fmt: skip
    if last is None:
        return head
    if last.market != market:
        raise JournalError(
            "JOURNAL_FOREIGN", f"the journal is of market {last.market}, not of {market}"
        )
    if epoch < last.epoch:
        raise JournalError(
            "JOURNAL_EPOCH", f"epoch {epoch} is below {last.epoch}, which has written already"
        )
    return replace(head, log_id=last.log_id, number=last.number + 1, previous_bytes=recovered.end)
