"""What happens to the tasks that this process receives and runs. Part of the probe."""

from __future__ import annotations

import sys
from datetime import datetime
from time import perf_counter, thread_time, time
from typing import TYPE_CHECKING, Any, Callable, Optional

from celery.worker import state as _worker_state

if TYPE_CHECKING:
    from desktop.engine.probe.celery_desk_lines import (
        LedgerFile,
        described,
        formatted,
        payload,
        quote,
        quoted,
        shortened,
    )
    from desktop.engine.probe.celery_desk_lost import Lost
    from desktop.engine.probe.celery_desk_values import shown
else:  # the folder itself is on the worker's path
    from celery_desk_lines import LedgerFile, described, formatted, payload, quote, quoted, shortened
    from celery_desk_lost import Lost
    from celery_desk_values import shown


class GreenClock:
    """CPU seconds of each greenlet that runs a task, however they interleave.

    greenlet calls a tracer at every switch, after it: what the thread's CPU clock gained since the last
    switch belongs to the greenlet that was left. The tracer is there only while some task runs: most
    switches of a busy worker lie between its tasks.
    """

    def __init__(self, greenlet: Any) -> None:
        self._greenlet = greenlet
        self._running: dict[Any, list[float]] = {}
        self._previous: Any = None
        self._tracer = self._make_tracer()

    def _make_tracer(self) -> Callable[[str, Any], None]:
        running = self._running

        def switched(event: str, args: Any) -> None:
            if event == "switch" or event == "throw":
                left, came = args
                clock = running.get(left)
                if clock is not None:
                    clock[0] += thread_time() - clock[1]
                clock = running.get(came)
                if clock is not None:
                    clock[1] = thread_time()
            if self._previous is not None:
                self._previous(event, args)

        return switched

    def begin(self) -> list[float]:
        if not self._running:
            previous = self._greenlet.settrace(self._tracer)
            if previous is not self._tracer:
                self._previous = previous
        clock = [0.0, thread_time()]
        self._running[self._greenlet.getcurrent()] = clock
        return clock

    def end(self, clock: list[float]) -> Optional[float]:
        now = thread_time()
        self._running.pop(self._greenlet.getcurrent(), None)
        if self._greenlet.gettrace() is not self._tracer:
            return None  # another tracer took over: switches were missed
        if not self._running:
            self._greenlet.settrace(self._previous)
        return clock[0] + now - clock[1]


class Tasks:
    """What happens to tasks, as the process that receives or runs them sees it."""

    def __init__(self, file: LedgerFile, lost: Lost) -> None:
        self.file, self.lost = file, lost
        self.green: Optional[GreenClock] = None
        self.queue_of: Callable[[Any, Any], Any] = lambda exchange, key: key
        self._marks: dict[Any, tuple[float, Any, Any]] = {}
        self._doubled = 0  # marks that are kept by request: their task runs twice at once in this process
        self._tracebacks: dict[Any, str] = {}  # of runs whose `on_postrun` follows
        self._names: dict[str, str] = {}
        self._payloads: dict[bytes, str] = {}  # by message body: most workloads repeat a few
        self._kinds: dict[tuple[Any, Any, Any], str] = {}

    def forked(self) -> None:
        self._marks.clear()
        self._tracebacks.clear()
        self._doubled = 0

    # The three hooks on every task's way keep their own mistakes to themselves, and make few calls: in a
    # worker each costs several times what it costs in a loop.
    def on_received(self, request: Any = None, **_: Any) -> None:
        try:
            task_id, info, body = request.id, request.request_dict, request.body
            if self.lost.settled:
                self.lost.received(task_id)
            where = info["delivery_info"]
            root, parent = info.get("root_id"), info.get("parent_id")
            kind = (request.name, where.get("exchange"), where.get("routing_key"))
            own = quote(task_id)
            members = self._payloads.get(body) if type(body) is bytes else None
            self.file.write(
                '{"k":"received","t":%.6f,"id":%s,%s,%s,"retries":%d,"eta":%s,"root":%s,"parent":%s,'
                '"redelivered":%s}\n'
                % (
                    time(),
                    own,
                    self._kinds.get(kind) or self._kind(kind),
                    members or self._payload(request, body),
                    info.get("retries") or 0,
                    "%.6f" % request.eta.timestamp() if info.get("eta") else "null",
                    own if root == task_id else quoted(root),
                    "null" if parent is None else quoted(parent),
                    "true" if where.get("redelivered") else "false",
                )
            )
        except Exception:
            pass

    def on_prerun(self, task_id: Any = None, task: Any = None, **_: Any) -> None:
        try:
            request = task.request_stack.top
            if request is None or request.is_eager:
                return
            file, name, now = self.file, task.name, time()
            if now >= file.look_at:
                file.look(now)
            file.write(
                '{"k":"started","t":%.6f,"id":%s,"name":%s,"retries":%d}\n'
                % (now, quote(task_id), self._names.get(name) or self._name(name), request.retries or 0)
            )
            key: Any = task_id
            if key in self._marks:
                key = id(request)
                self._doubled += 1
            clock = thread_time() if self.green is None else self.green.begin()
            self._marks[key] = (perf_counter(), clock, sys.exc_info()[1])
        except Exception:
            pass

    def on_postrun(
        self, task_id: Any = None, task: Any = None, retval: Any = None, state: Any = None, **_: Any
    ) -> None:
        try:
            mark = self._mark(task_id, task) if self._doubled else self._marks.pop(task_id, None)
            if mark is None:
                return
            began, clock, handled = mark
            run = perf_counter() - began
            cpu = thread_time() - clock if self.green is None else self.green.end(clock)
            raised = sys.exc_info()[1]
            if raised is handled:
                raised = None
            error = "null"
            if state != "SUCCESS" or raised is not None:
                state, error = self._unwell(task_id, state, retval, raised)
                if not error:
                    return
            elif retval is not None:
                error = _with_result(retval)
            self.file.write(
                '{"k":"ended","t":%.6f,"id":%s,"state":"%s","run":%.6f,"cpu":%s,"error":%s}\n'
                % (time(), quote(task_id), state, run, "null" if cpu is None else "%.6f" % cpu, error)
            )
        except Exception:
            pass

    def failed(self, task_id: Any, einfo: Any) -> None:
        """Keep the traceback that Celery has just written of a run that failed or asks for a retry."""
        if task_id in self._marks:
            traceback = shortened(getattr(einfo, "traceback", None))
            if traceback:
                self._tracebacks[task_id] = traceback

    def _unwell(
        self, task_id: Any, state: Any, retval: Any, raised: Optional[BaseException]
    ) -> tuple[Any, str]:
        """State of a run that did not end well, and the members of its line from its error on.

        No members where its end is for others to tell.
        """
        traceback = self._tracebacks.pop(task_id, None) if self._tracebacks else None
        if raised is not None:
            if self.file.role == "pool" and not isinstance(raised, Exception):
                return state, ""  # the process ends; the main process knows as what it counts
            state, error = _escaped(task_id, state, raised)
            if state == "FAILURE":
                traceback = traceback or formatted(raised)
        else:
            error = quote(described(retval))
        if state == "REJECTED":
            error += ',"requeue":true' if getattr(retval, "requeue", False) else ',"requeue":false'
        elif state == "RETRY":
            error += _with_eta(getattr(retval, "when", None))
        if traceback:
            error += ',"traceback":' + quote(traceback)
        return state, error

    def _mark(self, task_id: str, task: Any) -> Optional[tuple[float, Any, Any]]:
        """What `on_prerun` noted for this run, where some task runs twice at once."""
        key: Any = id(task.request_stack.top)
        if key in self._marks:
            self._doubled -= 1
        else:
            key = task_id
        return self._marks.pop(key, None)

    def _payload(self, request: Any, body: Any) -> str:
        """The members `args` and `kwargs` of a received line, kept for the next of that body."""
        members = payload(request)
        if type(body) is bytes and len(body) <= 1024:
            if len(self._payloads) > 500:
                self._payloads.clear()
            self._payloads[body] = members
        return members

    def _kind(self, kind: tuple[Any, Any, Any]) -> str:
        """The members `name` and `queue` of a received line, kept for the next of that kind."""
        name, exchange, key = kind
        members = '"name":%s,"queue":%s' % (quoted(name), quoted(self.queue_of(exchange, key)))
        if len(self._kinds) > 1000:
            self._kinds.clear()
        self._kinds[kind] = members
        return members

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


def _with_result(retval: Any) -> str:
    """The members from `error` on of a run that returned something."""
    text = shown(retval)
    return "null" if text is None else 'null,"result":' + quote(text)


def _with_eta(when: Any) -> str:
    """The member that tells when the next try is due: `Retry.when` is seconds from now, or a datetime."""
    if isinstance(when, datetime) and when.tzinfo is not None:
        return ',"eta":%.6f' % when.timestamp()
    if isinstance(when, (int, float)):
        return ',"eta":%.6f' % (time() + when)
    return ""


def _escaped(task_id: Any, state: Optional[str], raised: BaseException) -> tuple[str, str]:
    """State and error of a run that an exception left, past Celery's own handling."""
    error = described(raised)
    if type(raised).__name__ == "GreenletExit":
        if task_id in _worker_state.revoked or getattr(_worker_state, "revoked_stamps", None):
            return "REVOKED", quote("terminated: " + error)
        # Its worker cut it off: at a cold stop, or as the broker was gone. Celery calls it a retry on every
        # pool (Request.cancel), but sends none: the broker delivers the message again, or nobody does.
        return "RETRY", quote("cancelled by Celery")
    if state == "SUCCESS":
        # Celery reports these as failed: the result could not be stored, or a callback not be sent.
        error = "after the task had returned: " + error
    return "FAILURE", quote(error)
