"""The probe: writes down what happens to every task of the worker that includes it.

Loaded with `celery worker --include celery_desk_probe`, whatever the app; needs the standard library
and Celery 5.2+ only. It reads CELERY_DESK_LEDGER (a folder), CELERY_DESK_SERVICE and CELERY_DESK_START
and does nothing without them. Lines are those of `ledger/FORMAT.md`; each is one write to a file opened
with O_APPEND. It never raises into the worker: what cannot be written is left out, and counted.

Where each end of a task is seen (read in Celery 5.2 to 5.7, `app/trace.py` and `worker/request.py`):
`task_prerun` and `task_postrun` bracket the run in the process that runs it, and postrun carries the
state and the exception. A prefork pool process that dies or is killed sends no postrun; there the main
process learns of it in `Request.on_failure`, `on_timeout`, `_announce_revoked` and `_announce_cancelled`.
They are wrapped, on prefork only, because no signal tells of a lost task whose message is requeued.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Callable, Optional

from celery import signals
from celery.worker import state as _worker_state

if TYPE_CHECKING:
    from desktop.engine.probe import celery_desk_direct
    from desktop.engine.probe.celery_desk_lines import LedgerFile, described, quote, quoted
    from desktop.engine.probe.celery_desk_lost import Lost
    from desktop.engine.probe.celery_desk_tasks import GreenClock, Tasks
else:  # the folder itself is on the worker's path
    import celery_desk_direct
    from celery_desk_lines import LedgerFile, described, quote, quoted
    from celery_desk_lost import Lost
    from celery_desk_tasks import GreenClock, Tasks

SAMPLE_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0
_POOLS = {"thread": "threads", "processes": "prefork"}


class _Sampler:
    """The pool's figures, from a native thread: also while greenlets or a solo task hold the main one."""

    def __init__(self, file: LedgerFile, lost: Lost, worker: Any) -> None:
        self.file, self.lost, self.worker = file, lost, worker
        self.closing = False
        self._figures: Optional[str] = None
        self._wrote_at = 0.0

    def begin(self) -> None:
        start, sleep = _native_thread()

        def run() -> None:
            while True:
                try:
                    self.sample()
                except Exception:
                    pass
                sleep(SAMPLE_SECONDS)

        start(run)

    def sample(self) -> None:
        self.lost.settle()
        if self.worker.blueprint.state not in (None, 0, 1):  # neither starting nor running
            self.close("")
        self.file.look(time())
        self.file.tell()
        figures = self._measure()
        now = perf_counter()
        if figures != self._figures or now - self._wrote_at >= HEARTBEAT_SECONDS:
            self._figures, self._wrote_at = figures, now
            self.file.write('{"k":"pool","t":%.6f,%s}\n' % (time(), figures))

    def close(self, how: str) -> None:
        if not self.closing:
            self.closing = True
            self.file.write('{"k":"closing","t":%.6f,"how":%s}\n' % (time(), quote(how.lower())))

    def _measure(self) -> str:
        pool, consumer = self.worker.pool, self.worker.consumer
        scaler = getattr(self.worker, "autoscaler", None)
        processes = list(getattr(getattr(pool, "_pool", None), "_pool", None) or ()) if self._forks() else []
        active = len(_worker_state.active_requests)
        held = sum(len(b.contents) for b in list(consumer.task_buckets.values()) if b)  # by a rate limit
        qos = getattr(consumer, "qos", None)
        return (
            '"size":%d,"busy":%d,"reserved":%d,"scheduled":%d,"min":%s,"max":%s,"prefetch":%s,"pids":%s'
            % (
                len(processes) if self._forks() else pool.limit or 1,
                active,
                max(len(_worker_state.reserved_requests) - active, 0) + held,
                _scheduled(consumer),
                "null" if scaler is None else scaler.min_concurrency,
                "null" if scaler is None else scaler.max_concurrency,
                "null" if qos is None else qos.value or 0,
                [process.pid for process in processes if process.pid],
            )
        )

    def _forks(self) -> bool:
        return self.file.pool == "prefork"


def _scheduled(consumer: Any) -> int:
    """Requests that wait for their ETA."""
    known = getattr(_worker_state, "scheduled_requests", None)
    if known is not None:  # Celery 5.7 and later
        return len(known)
    entries = [getattr(item, "entry", item) for item in list(consumer.timer.queue)]
    arguments = (getattr(entry, "args", None) for entry in entries)
    return sum(1 for args in arguments if args and hasattr(args[0], "request_dict"))


def _native_thread() -> tuple[Callable[[Callable[[], None]], Any], Callable[[float], None]]:
    """How to start a thread of the system, and to sleep in it, also where both are patched green."""
    if "gevent.monkey" in sys.modules:
        from gevent.monkey import get_original

        start_new = get_original("_thread", "start_new_thread")
        return (lambda run: start_new(run, ())), get_original("time", "sleep")
    threads: Any = threading
    clock = sys.modules["time"]
    if "eventlet.patcher" in sys.modules:
        from eventlet.patcher import original

        threads, clock = original("threading"), original("time")
    thread = functools.partial(threads.Thread, daemon=True, name="celery-desk-probe")
    return (lambda run: thread(target=run).start()), clock.sleep


def _pool_name(pool_cls: Any) -> str:
    """prefork, threads, gevent, eventlet or solo, from what `worker.pool_cls` holds."""
    if isinstance(pool_cls, str):
        name = pool_cls.partition(":")[0].rpartition(".")[2]
        return _POOLS.get(name, name)
    for base in pool_cls.__mro__:
        if base.__module__.startswith("celery.concurrency."):
            name = base.__module__.rpartition(".")[2]
            return str(_POOLS.get(name, name))
    return str(pool_cls.__name__)


def _queue_finder(app: Any) -> Callable[[Any, Any], Any]:
    """The queue that a message came from; Celery's request knows exchange and routing key only."""

    def find(exchange: Any, key: Any) -> Any:
        for queue in list(app.amqp.queues.values()) if exchange else ():
            if queue.routing_key == key and queue.exchange and queue.exchange.name == exchange:
                return queue.name
        return key

    return find


class _Probe:
    """The hooks. Each keeps its own mistakes to itself: a worker must not notice that it is watched."""

    def __init__(self, file: LedgerFile) -> None:
        self.file = file
        self.lost = Lost(file)
        self.tasks = Tasks(file, self.lost)
        self.sampler: Optional[_Sampler] = None

    def connect(self) -> None:
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)
        for signal, hook in (
            (signals.worker_init, self._init),
            (signals.worker_process_init, self._process_init),
            (signals.worker_process_shutdown, self._process_shutdown),
            (signals.worker_ready, self._ready),
            (signals.worker_shutting_down, self._shutting_down),
            (signals.worker_shutdown, self._shutdown),
            (signals.task_failure, self._failure),
            (signals.task_retry, self._retry),
            (signals.task_revoked, self._revoked),
            (signals.task_unknown, self._unknown),
            (signals.task_rejected, self._rejected),
        ):
            signal.connect(_guarded(hook), weak=False)
        celery_desk_direct.connect(self.tasks.on_received, self.tasks.on_prerun, self.tasks.on_postrun)

    def _forked(self) -> None:
        self.file.forked()
        self.tasks.forked()

    def _init(self, sender: Any, **_: Any) -> None:
        file = self.file
        file.role, file.node, file.pool = "main", sender.hostname, _pool_name(sender.pool_cls)
        self.tasks.queue_of = _queue_finder(sender.app)
        if file.pool in ("gevent", "eventlet"):
            import greenlet

            self.tasks.green = GreenClock(greenlet)
        self.sampler = _Sampler(file, self.lost, sender)
        file.open()
        if file.pool == "prefork":
            self.lost.watch()

    def _process_init(self, sender: Any = None, **_: Any) -> None:
        if self.file.role is None:  # a fresh interpreter: start method spawn
            self.file.role, self.file.node, self.file.pool = "pool", str(sender or ""), "prefork"
        self.file.open()

    def _process_shutdown(self, **_: Any) -> None:
        self.file.tell(at_once=True)

    def _ready(self, **_: Any) -> None:
        self.file.write('{"k":"ready","t":%.6f}\n' % time())
        if self.sampler is not None:
            self.sampler.begin()

    def _shutting_down(self, how: str = "", **_: Any) -> None:
        if self.sampler is not None:
            self.sampler.close(how)

    def _shutdown(self, **_: Any) -> None:
        self.lost.settle(force=True)
        self.file.tell(at_once=True)

    def _failure(self, task_id: Any, einfo: Any = None, **_: Any) -> None:
        self.tasks.failed(task_id, einfo)

    def _retry(self, request: Any, einfo: Any = None, **_: Any) -> None:
        if self.file.role == "main" and self.file.pool == "prefork":
            self.lost.retried(request.id)
        else:
            self.tasks.failed(request.id, einfo)

    def _revoked(self, sender: Any, request: Any, terminated: Any, expired: Any, **_: Any) -> None:
        self.file.write(
            '{"k":"revoked","t":%.6f,"id":%s,"name":%s,"terminated":%s,"expired":%s}\n'
            % (
                time(),
                quoted(request.id),
                quoted(getattr(sender, "name", None)),
                "true" if terminated else "false",
                "true" if expired else "false",
            )
        )

    def _unknown(self, message: Any, name: Any = None, id: Any = None, **_: Any) -> None:
        self.tasks.ended_unrun(id, name, message, "FAILURE", "NotRegistered: %s" % (name,))

    def _rejected(self, message: Any, exc: Any = None, **_: Any) -> None:
        headers = message.headers or {}
        if headers.get("id"):
            error = "not a task message" if exc is None else described(exc)
            self.tasks.ended_unrun(headers["id"], headers.get("task"), message, "REJECTED", error)


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    def guarded(signal: Any = None, **kwargs: Any) -> None:
        try:
            hook(**kwargs)
        except Exception:
            pass

    return guarded


def _install() -> Optional[_Probe]:
    folder, service = os.environ.get("CELERY_DESK_LEDGER"), os.environ.get("CELERY_DESK_SERVICE")
    start = os.environ.get("CELERY_DESK_START", "")
    if not folder or not service or not start.isdigit():
        return None
    probe = _Probe(LedgerFile(folder, service, int(start)))
    probe.connect()
    return probe


_probe = _install()
