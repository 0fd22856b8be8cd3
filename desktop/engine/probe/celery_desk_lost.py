"""Ends of tasks whose pool process could not write them: prefork only. Part of the probe."""

from __future__ import annotations

import functools
import json
import os
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Callable, Optional

if TYPE_CHECKING:
    from desktop.engine.probe.celery_desk_lines import LedgerFile, alive, described, last_run, shortened
else:  # the folder itself is on the worker's path
    from celery_desk_lines import LedgerFile, alive, described, last_run, shortened

RECENT_FILES = 64  # of pool processes, searched for a run that the main process was not told of
DYING_SECONDS = 15.0  # how long a pool process that was told to die may take


class Lost:
    """Prefork, main process: writes the end of tasks whose pool process could not."""

    def __init__(self, file: LedgerFile) -> None:
        self.file = file
        self._pending: dict[str, dict[str, Any]] = {}
        self.settled: dict[str, None] = {}  # the last ones, so that no end is written twice
        self._retried: set[str] = set()

    def watch(self) -> None:
        from celery.worker.request import Request

        _after(Request, "reject", self._rejected)
        _after(Request, "on_failure", self._failed)
        _after(Request, "on_timeout", self._timed_out)
        _after(Request, "_announce_revoked", self._revoked)
        _after(Request, "_announce_cancelled", self._cancelled)

    def received(self, task_id: str) -> None:
        """The task comes again: its next end is another one."""
        self.settled.pop(task_id, None)

    def retried(self, task_id: str) -> None:
        self._retried.add(task_id)

    def settle(self, force: bool = False) -> None:
        """Write the ends whose pool process is dead, unless it wrote them itself before it died."""
        for task_id in list(self._pending):
            end = self._pending.get(task_id)
            if end is None:
                continue
            if not force and perf_counter() < end["until"] and alive(end["pid"]):
                continue
            if self._pending.pop(task_id, None) is not None:
                self._write(task_id, end)

    def _rejected(self, request: Any, requeue: bool = False) -> None:
        request._desk_requeue = requeue

    def _failed(
        self, request: Any, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        if return_ok:
            return  # the pool process lived to report, and wrote the end itself
        exc = exc_info.exception
        exc = getattr(exc, "exc", None) or exc  # billiard's ExceptionWithTraceback
        state = "FAILURE"
        if request.id in self._retried:
            self._retried.discard(request.id)
            state = "RETRY"
        elif getattr(request, "_desk_requeue", False):
            state = "REJECTED"
        elif type(exc).__name__ == "Terminated" or request._already_revoked:
            state = "REVOKED"
        trace = shortened(exc_info.traceback) if state == "FAILURE" and not _only_gone(exc) else None
        self._lost(request, state, described(exc), over=True, trace=trace)

    def _timed_out(self, request: Any, soft: bool, timeout: Any) -> None:
        if not soft:
            state = "REJECTED" if getattr(request, "_desk_requeue", False) else "FAILURE"
            self._lost(request, state, "TimeLimitExceeded: %s" % (timeout,))

    def _revoked(self, request: Any, reason: Any, terminated: bool, signum: Any, expired: bool) -> None:
        if terminated:
            self._lost(request, "REVOKED", "terminated by signal %s" % (signum,))

    def _cancelled(self, request: Any, emit_retry: bool = True) -> None:
        # Celery calls it a retry, but sends none: the broker delivers the message again, or nobody does.
        if not emit_retry:
            request._desk_requeue = True
        self._lost(request, "RETRY" if emit_retry else "REJECTED", "cancelled by Celery")

    def _lost(
        self, request: Any, state: str, error: str, over: bool = False, trace: Optional[str] = None
    ) -> None:
        """`over`: the run has ended already; else its process may still write the end itself."""
        task_id = request.id
        if task_id in self._pending or task_id in self.settled:
            return
        self.settled[task_id] = None
        if len(self.settled) > 10000:
            self.settled.pop(next(iter(self.settled)), None)
        self._pending[task_id] = {
            "t": time(),
            "pid": request.worker_pid,
            "state": state,
            "error": error,
            "requeue": state == "REJECTED",
            "traceback": trace,
            "until": 0.0 if over else perf_counter() + DYING_SECONDS,
        }
        self.settle()

    def _write(self, task_id: str, end: dict[str, Any]) -> None:
        pid, started = end["pid"], None
        if pid:
            started, ended = last_run(self.file.last_path(pid), task_id)
            if ended:
                return
        else:  # it died before the main process had read that it took the task
            pid, started = self._open_run(task_id)
        fields = {
            "k": "ended",
            "t": round(end["t"], 6),
            "id": task_id,
            "state": end["state"],
            "run": 0 if started is None else round(end["t"] - started, 6),
            "cpu": None,
            "error": end["error"],
        }
        if started is not None:
            fields["pid"] = pid
        if end["requeue"]:
            fields["requeue"] = True
        if end["traceback"]:
            fields["traceback"] = end["traceback"]
        self.file.write(json.dumps(fields, separators=(",", ":")) + "\n")

    def _open_run(self, task_id: str) -> tuple[Optional[int], Optional[float]]:
        """(pid, when it started) of the run that no process has ended, among the latest pool processes."""
        for pid, path in self.file.latest(RECENT_FILES):
            if pid != os.getpid() and not alive(pid):
                started, ended = last_run(path, task_id)
                if started is not None and not ended:
                    return pid, started
        return None, None


def _only_gone(exc: Any) -> bool:
    """Whether Celery raised this itself for a process that is gone: its traceback tells of Celery only."""
    return type(exc).__name__ in ("WorkerLostError", "Terminated", "TimeLimitExceeded")


def _after(cls: Any, name: str, told: Callable[..., None]) -> None:
    """Call `told` after each call of a method, also one that raised; never in its way."""
    original = getattr(cls, name, None)
    if original is None:
        return

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            try:
                told(self, *args, **kwargs)
            except Exception:
                pass

    setattr(cls, name, wrapper)
