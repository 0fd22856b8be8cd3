"""What happens to tasks: run by this process, or lost with a pool process. Part of the probe."""

from __future__ import annotations

import functools
import json
import os
import sys
from time import perf_counter, thread_time, time
from typing import TYPE_CHECKING, Any, Callable, Optional

if TYPE_CHECKING:
    from desktop.engine.probe.celery_desk_lines import (
        LedgerFile,
        alive,
        described,
        last_run,
        payload,
        quote,
        quoted,
    )
else:  # the folder itself is on the worker's path
    from celery_desk_lines import LedgerFile, alive, described, last_run, payload, quote, quoted

RECENT_FILES = 64  # of pool processes, searched for a run that the main process was not told of
DYING_SECONDS = 15.0  # how long a pool process that was told to die may take


class GreenClock:
    """CPU seconds of each greenlet that runs a task, however they interleave.

    greenlet calls the tracer at every switch, after it: what the thread's CPU clock gained since the
    last switch belongs to the greenlet that was left.
    """

    def __init__(self, greenlet: Any) -> None:
        self._greenlet = greenlet
        self._running: dict[Any, list[float]] = {}
        self._tracer = self._make_tracer(greenlet.gettrace())
        greenlet.settrace(self._tracer)

    def _make_tracer(self, previous: Any) -> Callable[[str, Any], None]:
        running = self._running

        def switched(event: str, args: Any) -> None:
            if running:
                left, came = args
                clock = running.get(left)
                if clock is not None:
                    clock[0] += thread_time() - clock[1]
                clock = running.get(came)
                if clock is not None:
                    clock[1] = thread_time()

        def chained(event: str, args: Any) -> None:
            if event in ("switch", "throw"):
                switched(event, args)
            previous(event, args)

        # Events other than these two do not exist yet; a tracer before ours may be told of them one day.
        return switched if previous is None else chained

    def begin(self) -> list[float]:
        clock = [0.0, thread_time()]
        self._running[self._greenlet.getcurrent()] = clock
        return clock

    def end(self, clock: list[float]) -> Optional[float]:
        now = thread_time()
        self._running.pop(self._greenlet.getcurrent(), None)
        if self._greenlet.gettrace() is not self._tracer:
            return None  # another tracer took over: switches were missed
        return clock[0] + now - clock[1]


class Tasks:
    """What happens to tasks, as the process that receives or runs them sees it."""

    def __init__(self, file: LedgerFile, lost: Lost) -> None:
        self.file, self.lost = file, lost
        self.green: Optional[GreenClock] = None
        self.queue_of: Callable[[Any, Any], Any] = lambda exchange, key: key
        self._marks: dict[Any, tuple[float, Any, Any]] = {}
        self._doubled = 0  # marks that are kept by request: their task runs twice at once in this process
        self._names: dict[str, str] = {}
        self._payloads: dict[bytes, str] = {}  # by message body: most workloads repeat a few
        self._kinds: dict[tuple[Any, Any, Any], str] = {}

    def forked(self) -> None:
        self._marks.clear()
        self._doubled = 0

    # The three on every task's way keep their own mistakes to themselves, in as few calls as can be.
    def on_received(self, request: Any = None, **_: Any) -> None:
        try:
            self._received(request)
        except Exception:
            pass

    def on_prerun(self, task_id: Any = None, task: Any = None, **_: Any) -> None:
        try:
            self._started(task_id, task)
        except Exception:
            pass

    def on_postrun(
        self, task_id: Any = None, task: Any = None, retval: Any = None, state: Any = None, **_: Any
    ) -> None:
        try:
            self._ended(task_id, task, state, retval)
        except Exception:
            pass

    def _received(self, request: Any) -> None:
        if self.lost.settled:
            self.lost.received(request.id)
        info = request.request_dict
        where = request.delivery_info
        task_id, root, eta = request.id, info.get("root_id"), request.eta
        own = quote(task_id)
        kind = (request.name, where.get("exchange"), where.get("routing_key"))
        self.file.write(
            '{"k":"received","t":%.6f,"id":%s,%s,%s,"retries":%d,"eta":%s,"root":%s,"parent":%s,"redelivered":%s}\n'
            % (
                time(),
                own,
                self._kinds.get(kind) or self._kind(kind),
                self._payload(request),
                info.get("retries") or 0,
                "null" if eta is None else "%.6f" % eta.timestamp(),
                own if root == task_id else quoted(root),
                quoted(info.get("parent_id")),
                "true" if where.get("redelivered") else "false",
            )
        )

    def _payload(self, request: Any) -> str:
        body = request.body
        if not isinstance(body, bytes) or len(body) > 1024:
            return payload(request)
        known = self._payloads.get(body)
        if known is None:
            if len(self._payloads) > 500:
                self._payloads.clear()
            known = self._payloads[body] = payload(request)
        return known

    def _kind(self, kind: tuple[Any, Any, Any]) -> str:
        """The members `name` and `queue` of a received line, kept for the next of that kind."""
        name, exchange, key = kind
        members = '"name":%s,"queue":%s' % (quoted(name), quoted(self.queue_of(exchange, key)))
        if len(self._kinds) > 1000:
            self._kinds.clear()
        self._kinds[kind] = members
        return members

    def _started(self, task_id: str, task: Any) -> None:
        request = task.request_stack.top
        if request is None or request.is_eager:
            return
        now = time()
        if now >= self.file.look_at:
            self.file.look(now)
        name = task.name
        self.file.write(
            '{"k":"started","t":%.6f,"id":%s,"name":%s,"retries":%d}\n'
            % (now, quote(task_id), self._names.get(name) or self._name(name), request.retries or 0)
        )
        key: Any = task_id
        if key in self._marks:
            key = id(request)
            self._doubled += 1
        clock = thread_time() if self.green is None else self.green.begin()
        self._marks[key] = (perf_counter(), clock, sys.exc_info()[1])

    def _ended(self, task_id: str, task: Any, state: Optional[str], retval: Any) -> None:
        mark = self._mark(task_id, task)
        if mark is None:
            return
        began, clock, handled = mark
        run = perf_counter() - began
        cpu = thread_time() - clock if self.green is None else self.green.end(clock)
        raised = sys.exc_info()[1]
        error, requeue = "null", ""
        if raised is not None and raised is not handled:
            if self.file.role == "pool" and not isinstance(raised, Exception):
                return  # the process ends; the main process knows as what it counts
            state, error = _escaped(state, raised)
        elif state != "SUCCESS":
            error = quote(described(retval))
            if state == "REJECTED":
                requeue = ',"requeue":true' if getattr(retval, "requeue", False) else ',"requeue":false'
        self.file.write(
            '{"k":"ended","t":%.6f,"id":%s,"state":"%s","run":%.6f,"cpu":%s,"error":%s%s}\n'
            % (time(), quote(task_id), state, run, "null" if cpu is None else "%.6f" % cpu, error, requeue)
        )

    def _mark(self, task_id: str, task: Any) -> Optional[tuple[float, Any, Any]]:
        """What `started` noted for this run; None for one that it left out."""
        key: Any = task_id
        if self._doubled and id(task.request_stack.top) in self._marks:
            key = id(task.request_stack.top)
            self._doubled -= 1
        return self._marks.pop(key, None)

    def ended_unrun(self, task_id: Any, name: Any, message: Any, state: str, error: str) -> None:
        """A message that no task could be made of: received and ended, never started."""
        where = message.delivery_info or {}
        now = time()
        self.file.write(
            '{"k":"received","t":%.6f,"id":%s,%s,"args":null,"kwargs":null,"retries":0,'
            '"eta":null,"root":null,"parent":null,"redelivered":%s}\n'
            % (
                now,
                quoted(task_id),
                self._kind((name, where.get("exchange"), where.get("routing_key"))),
                "true" if where.get("redelivered") else "false",
            )
        )
        self.file.write(
            '{"k":"ended","t":%.6f,"id":%s,"state":"%s","run":0,"cpu":null,"error":%s}\n'
            % (now, quoted(task_id), state, quote(error))
        )

    def _name(self, name: str) -> str:
        if len(self._names) > 1000:
            self._names.clear()
        known = self._names[name] = quote(name)
        return known


def _escaped(state: Optional[str], raised: BaseException) -> tuple[str, str]:
    """State and error of a run that an exception left, past Celery's own handling."""
    error = described(raised)
    if type(raised).__name__ == "GreenletExit":
        return "REVOKED", quote("terminated: " + error)
    if state == "SUCCESS":
        # Celery reports these as failed: the result could not be stored, or a callback not be sent.
        error = "after the task had returned: " + error
    return "FAILURE", quote(error)


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
        self._lost(request, state, described(exc), over=True)

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

    def _lost(self, request: Any, state: str, error: str, over: bool = False) -> None:
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
        self.file.write(json.dumps(fields, separators=(",", ":")) + "\n")

    def _open_run(self, task_id: str) -> tuple[Optional[int], Optional[float]]:
        """(pid, when it started) of the run that no process has ended, among the latest pool processes."""
        for pid, path in self.file.latest(RECENT_FILES):
            if pid != os.getpid() and not alive(pid):
                started, ended = last_run(path, task_id)
                if started is not None and not ended:
                    return pid, started
        return None, None


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
