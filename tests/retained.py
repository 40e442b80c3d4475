"""Makes a log begin behind its events, as that of an engine does that runs longer than it keeps."""

from pathlib import Path

from svc.engine.folder import Folder
from svc.engine.opening import open_market
from svc.engine.recovery import recover
from svc.engine.retention import NEWEST_KEPT
from svc.kit.clock import SystemClock
from svc.topology import MARKET


def forget_events(journal_dir: Path) -> int:
    """Lets every event of the market's log go, whose engine has stopped; the sequence of the last.

    Whoever asks for one is refused from here on.
    """
    folder = Folder(journal_dir / f"market-{MARKET}")
    folder.lock()
    last = recover(folder, print).headers[-1]
    market = open_market(
        folder,
        market=MARKET,
        epoch=last.epoch,
        new_log_id=last.log_id,
        clock=SystemClock(),
        report=print,
    )
    end = market.status().position.sequence
    market.release(end)
    for _ in range(NEWEST_KEPT):
        market.take_snapshot()
    market.close()
    folder.unlock()
    return end
