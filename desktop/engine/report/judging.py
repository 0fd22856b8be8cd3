"""What was judged of a run: read where it was kept, worked out where it was not."""

from __future__ import annotations

from pathlib import Path

from desktop.engine.api import DeskError, FaultRecord, Record, Recovery, TaskDetail, Verdict
from desktop.engine.faults.kept import read_faults
from desktop.engine.verdict.account import account_of
from desktop.engine.verdict.kept import read_drill_text, read_verdict
from desktop.engine.verdict.outcome import outcomes_of
from desktop.engine.verdict.recovery import recovery_of

__all__ = ["account_of", "faults_of", "read_drill_text", "task_of", "verdict_of"]

_PATIENCE = 60.0  # seconds


def verdict_of(folder: Path) -> tuple[Verdict | None, str]:
    """The verdict of a drill, None for a run that was none; and why it cannot be read where it cannot."""
    try:
        return read_verdict(folder), ""
    except DeskError as error:
        return None, error.what


def faults_of(
    folder: Path, record: Record, verdict: Verdict | None
) -> tuple[tuple[FaultRecord, ...], tuple[Recovery, ...]]:
    """Every fault of a run with its outcome, and what came after those that landed.

    What the drill judged stays as it was said then; of faults that were done by hand it is worked out now.
    """
    found = {fault.id: fault for fault in read_faults(folder)}
    found |= {fault.id: fault for fault in (verdict.faults if verdict is not None else ())}
    faults = tuple(found[number] for number in sorted(found))
    if any(fault.landed and fault.outcome is None for fault in faults):
        judged = {fault.id: fault for fault in outcomes_of(record, faults)}
        faults = tuple(judged[fault.id] if fault.outcome is None else fault for fault in faults)
    recovery = {one.fault: one for one in (verdict.recovery if verdict is not None else ())}
    for fault in faults:
        if fault.landed and fault.id not in recovery:
            recovery[fault.id] = recovery_of(record, fault)
    return faults, tuple(recovery[number] for number in sorted(recovery))


def task_of(record: Record, task_id: str) -> TaskDetail | None:
    """A task's own page; None where the record does not know it."""
    try:
        return record.task(task_id).result(_PATIENCE)
    except DeskError:
        return None
