"""What the faults of a panel that crashed left behind in a run that is taken over."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from desktop.engine.api import FaultKind, FaultRecord
from desktop.engine.observe.proc import is_frozen
from desktop.engine.supervise import guardian

_STAY = frozenset({FaultKind.FILL_BROKER, FaultKind.SHRINK, FaultKind.DISK_FULL})


def mend(record: FaultRecord, session: str) -> str:
    """Undo what can be undone of a fault that was under way; what was done, for its record.

    Only processes that carry the session's marker are touched: the others are not its own any more.
    """
    ours = set(record.pids) & set(guardian.marked(session))
    if frozen := [pid for pid in ours if is_frozen(pid)]:
        _signal(frozen, signal.SIGCONT)
        return "the panel that did it crashed, and what was frozen goes on"
    if record.spec.kind is FaultKind.NODE_NAME and ours:
        _signal(ours, signal.SIGTERM)
        return "the panel that did it crashed, and the second worker is stopped warm"
    if record.spec.kind in _STAY:
        return "the panel that did it crashed: it stays so until the stack is stopped"
    return "the panel that did it crashed"


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)
