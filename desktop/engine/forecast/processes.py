"""Forecasts of what is done to one pool process of a prefork worker."""

from __future__ import annotations

from desktop.engine.api import Count, FaultSpec
from desktop.engine.faults.catalog import seconds_of
from desktop.engine.forecast import rules
from desktop.engine.forecast.draft import Draft, exactly
from desktop.engine.forecast.rules import Fate
from desktop.engine.forecast.situation import RETRY_DELAY, SWEEPING, Settings, WorkerSituation


def kill_process(draft: Draft, worker: WorkerSituation, pid: int | None) -> None:
    """SIGKILL to one pool process of a prefork worker."""
    settings = draft.situation.settings
    draft.rule(rules.REPLACED)
    if not _runs_in(draft, worker, pid):
        draft.first("It runs no task: nothing is lost. Celery replaces it, at the latest with the next task.")
        return
    law = rules.worker_lost(settings.late, settings.reject_lost, settings.retry_lost)
    draft.first(f"{_task_in(worker, pid)} {_ended(law[0], settings)}. The process is replaced.")
    draft.quietly(law, "running", Count(0, 1) if draft.situation.moves(worker) else exactly(1))
    if draft.situation.moves(worker):
        draft.because("Its task may end before the signal, and another may have begun.")


def _ended(fate: Fate, settings: Settings) -> str:
    """What becomes of it, in the order of Request.on_failure."""
    if fate is Fate.RETRIED:
        return f"is cut off and retried after its retry delay ({RETRY_DELAY:g} s by default)"
    if fate is Fate.AGAIN:
        return "is cut off and runs again, from the back of its queue (acks late, reject)"
    why = "acks late, but task_reject_on_worker_lost is off" if settings.late else "acks early"
    return f"will be lost: it fails with WorkerLostError ({why})"


def freeze_process(draft: Draft, worker: WorkerSituation, pid: int | None, spec: FaultSpec) -> None:
    """SIGSTOP to one pool process, SIGCONT after the fault's seconds."""
    seconds, settings = seconds_of(spec), draft.situation.settings
    draft.rule(rules.FREEZE_CHILD)
    if not _runs_in(draft, worker, pid):
        draft.first(
            "It starts nothing until SIGCONT, and a task that is handed to it waits as long. Nothing is lost."
        )
        return
    limit = worker.time_limit
    draft.first(f"{_task_in(worker, pid)} stands still until SIGCONT; a warm stop waits for it.")
    if limit is not None:
        draft.first(f"Its time limit goes on: after {limit:g} s the task fails.")
        if seconds is None or seconds > limit:
            draft.quietly((Fate.FAILS, rules.FREEZE_CHILD), "running", exactly(1))
            return
    others = any(one.consumes and one.pool in SWEEPING for one in draft.situation.workers)
    if settings.late and others and (seconds is None or seconds > settings.timeout):
        certain = seconds is not None and seconds > settings.timeout + settings.sweep + 1.0
        draft.becomes((Fate.TWICE if certain else Fate.MAYBE_AGAIN, rules.FREEZE_LONG), "running", exactly(1))
        draft.back_after = settings.timeout


def _task_in(worker: WorkerSituation, pid: int | None) -> str:
    names = [task.name for task in worker.running if task.pid == pid]
    names += [process.task_name or "" for process in worker.processes if process.pid == pid]
    return next(filter(None, names), "Its task")


def _runs_in(draft: Draft, worker: WorkerSituation, pid: int | None) -> bool:
    busy = any(task.pid == pid for task in worker.running) or any(
        process.pid == pid and process.task_id for process in worker.processes
    )
    draft.running += busy
    return busy
