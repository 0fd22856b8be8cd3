"""The engine: `LocalDesk` does what `api.Desk` promises, on this machine."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from desktop.engine import paths, snapshots
from desktop.engine.api import (
    DeskError,
    LogLine,
    MarkKind,
    Series,
    ServiceEvent,
    SignalOffer,
    StackSnapshot,
    StopHow,
    TaskInfo,
    Workload,
)
from desktop.engine.attach.run import AttachedRun
from desktop.engine.catalog import read_catalog
from desktop.engine.desk.attach_verbs import AttachVerbs
from desktop.engine.desk.drill_verbs import DrillVerbs
from desktop.engine.desk.fault_verbs import FaultVerbs
from desktop.engine.desk.leftover_verbs import LeftoverVerbs
from desktop.engine.desk.message_verbs import MessageVerbs
from desktop.engine.desk.relay_verbs import RelayVerbs
from desktop.engine.desk.report_verbs import ReportVerbs
from desktop.engine.desk.run_verbs import RunVerbs
from desktop.engine.desk.verdict_verbs import VerdictVerbs
from desktop.engine.run import Run
from desktop.engine.signals import process_offers, worker_offers
from desktop.engine.stack.command import live_change, live_steps, shown_command
from desktop.engine.stack.document import Document
from desktop.engine.stack.model import StackSpec, WorkerSpec
from desktop.engine.stack.parse import read_stack
from desktop.engine.stack.rules import check_worker
from desktop.engine.stack.shipped import shipped_stacks
from desktop.engine.supervise import broker as brokers
from desktop.engine.supervise import session as sessions
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.live import LiveStack
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.services import app_env
from desktop.engine.watch import Watch

log = logging.getLogger(__name__)
T = TypeVar("T")

SNAPSHOT_AGE = 0.05  # seconds for which a snapshot is handed out again
CLOSE_LIMIT = 5.0
SIGNALS = ("TERM", "INT", "QUIT", "KILL", "STOP", "CONT")


class LocalDesk(
    MessageVerbs,
    RunVerbs,
    AttachVerbs,
    LeftoverVerbs,
    FaultVerbs,
    RelayVerbs,
    DrillVerbs,
    VerdictVerbs,
    ReportVerbs,
):
    """Starts and supervises one stack at a time on this machine. Call `close` at the end."""

    def __init__(self, stack: StackSpec) -> None:
        self._document = Document(stack)
        self._loop = Loop()
        self._session = sessions.Session()
        self._guard: Guard | None = None
        self._run: Run | AttachedRun | None = None
        self._heard: list[Callable[[ServiceEvent], None]] = []
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="desk")
        self._snapshot: StackSnapshot | None = None
        self._changes = 0  # counted at each change that the very next snapshot must show
        self._drawn_at = -1
        self._lock = threading.Lock()
        self._closed = False
        self._loop.start()
        self._loop.call(self._look_for_leftovers)

    # what there is

    def snapshot(self) -> StackSnapshot:
        with self._lock:
            known, changes = self._snapshot, self._changes
            if known is None or self._drawn_at != changes or time.time() - known.t > SNAPSHOT_AGE:
                known = self._snapshot = self._with_drill(self._draw())
                self._drawn_at = changes
            return known

    def _draw(self) -> StackSnapshot:
        run = self._run
        opened = self._draw_opened(self._leftovers)
        if opened is not None:
            return opened
        if run is None:
            return snapshots.of_stopped(self.spec(), self._document.dirty, self._leftovers)
        return run.snapshot(self._leftovers)

    def _changed(self) -> None:
        self._changes += 1

    def spec(self) -> StackSpec:
        """The live stack."""
        return self._document.spec

    def subscribe(self, heard: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        self._heard.append(heard)

        def end() -> None:
            if heard in self._heard:
                self._heard.remove(heard)

        return end

    def series(self, name: str, seconds: float = 300.0) -> Series:
        opened, run = self._opened_series(name, seconds), self._run
        if opened is not None:
            return opened
        return run.watch.history.read(name, seconds) if run is not None else Watch.empty()

    def log_lines(self, after: int = -1, limit: int = 5000) -> Sequence[LogLine]:
        opened, run = self._opened_lines(after, limit), self._run
        if opened is not None:
            return opened
        return run.watch.logs.lines(after, limit) if run is not None else ()

    def catalog(self) -> Future[tuple[TaskInfo, ...]]:
        return self._workers.submit(self._read_catalog)

    def _read_catalog(self) -> tuple[TaskInfo, ...]:
        if (attached := self.attached) is not None:
            return self._foreign_catalog(attached)
        spec = self.spec()
        env = app_env(spec, WorkerSpec(name="catalog"), self._session.id)
        python = spec.app.python or Path(sys.executable)
        return read_catalog(python, spec.app.target, spec.app.directory, env)

    def signal_offers(self, worker: str, pid: int | None = None) -> tuple[SignalOffer, ...]:
        stack = self.snapshot()
        shown = stack.worker(worker)
        if shown is None or self.attached is not None:
            return ()
        celery = self.spec().celery
        if pid is None:
            return worker_offers(shown, celery, stack)
        process = next((p for p in shown.processes if p.pid == pid), None)
        return process_offers(shown, process, celery, stack) if process is not None else ()

    @property
    def broker_url(self) -> str:
        """What a client connects to; empty before a start. It holds the password."""
        run = self._run
        return run.live.endpoint.url if run is not None and run.live.endpoint is not None else ""

    # which stack

    def open_stack(self, path_or_name: str | Path) -> Future[str]:
        def take() -> str:
            self._must_be_stopped("take another stack")
            self._let_go_of_opened()
            self._take_document(Document(read_stack(path_or_name)))
            return f"The stack '{self.spec().name}' is open."

        return self._loop.ask(take)

    def _take_document(self, document: Document) -> None:
        self._document = document
        run, self._run = self._run, None
        if run is not None:
            run.let_go()
        self._changed()

    def save_stack(self, path: Path | None = None) -> Future[str]:
        def save() -> str:
            self._must_be_live()
            self._refuse_foreign("save")
            where = self._document.save(path)
            self._changed()
            return f"Saved {where.name}."

        return self._workers.submit(save)

    def shipped_stacks(self) -> tuple[tuple[str, str], ...]:
        return shipped_stacks()

    # the stack

    def start(self, port: int | None = None) -> Future[str]:
        return self._in_loop(lambda done: self._start(port, done))

    def _in_loop(self, begin: Callable[[Future[T]], None]) -> Future[T]:
        """Run a verb in the loop that ends its future later; what it raises ends it at once."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                begin(done)
            except Exception as error:
                done.set_exception(error)

        self._loop.call(run)
        return done

    def _must_be_stopped(self, to_do: str) -> None:
        self._must_not_drill(to_do)
        if (attached := self.attached) is not None:
            address = attached.live.endpoint.address
            raise DeskError(f"This desk is attached to {address}.", f"Detach to {to_do}.")
        if self._run is not None and not self._run.over:
            raise DeskError(f"The stack '{self.spec().name}' still runs.", f"Stop it to {to_do}.")

    def _living(self) -> Run | AttachedRun:
        """Ours, or one that we are attached to. Raises DeskError where neither lives."""
        self._must_be_live()
        if self._run is None or self._run.over:
            raise DeskError("The stack is not running.", "Start it first.")
        return self._run

    def _running(self, to_do: str = "change in this way") -> Run:
        """One that we started. Raises DeskError."""
        run = self._living()
        if not isinstance(run, Run):
            self._refuse_foreign(to_do)
            raise DeskError("The stack is not running.", "Start it first.")
        return run

    def _start(self, port: int | None, done: Future[str]) -> None:
        self._must_be_live("Close it to start the stack.")
        self._refuse_foreign("start")
        if isinstance(self._run, Run) and not self._run.over:
            self._run.start_what_is_down(done)
            return
        spec = self.spec()
        brokers.choose_server(spec.broker)
        endpoint = brokers.new_endpoint(spec.broker, port)
        self._new_run(paths.new_run_folder(spec.name), endpoint).start(done)

    def _new_run(self, folder: Path, endpoint: brokers.Endpoint) -> Run:
        guard = self._open_guard()
        if self._run is not None:
            self._run.let_go()
        live = LiveStack(
            self._loop,
            guard,
            self._session.id,
            self._document,
            folder,
            endpoint,
            heard=self._tell,
            changed=self._write_session,
        )
        self._run = run = Run(live, guard, self._document, foresee=self._foresee, changed=self._changed)
        self._write_session()
        return run

    def _open_guard(self) -> Guard:
        """What ends our processes with us."""
        if self._guard is None:
            self._session.open()
            self._guard = Guard(self._loop, self._session.id, (self._session.file,))
            self._guard.open()
        return self._guard

    def _tell(self, event: ServiceEvent) -> None:
        self._changed()
        for heard in tuple(self._heard):
            try:
                heard(event)
            except Exception:
                log.exception("a subscriber failed")

    def _write_session(self) -> None:
        """What the next start, `load` and an adopting panel need; at every start and exit of a process."""
        self._changed()
        if not isinstance(self._run, Run) or self._run.live.endpoint is None:
            return
        live, spec = self._run.live, self.spec()
        endpoint = self._run.live.endpoint
        record = sessions.Record(
            id=self._session.id,
            panel_pid=os.getpid(),
            stack=spec.name,
            stack_file=str(spec.path.absolute()) if spec.path else "",
            stack_text=self._document.text(),
            run_folder=str(live.run_folder),
            started_at=live.started_at,
            port=endpoint.port,
            password=endpoint.password,
            services=tuple(live.registered()),
            relay_ports=live.relay.ports if live.relay is not None else {},
        )
        try:
            self._session.write(record)
        except OSError as error:  # the disk is full: the stack goes on, and its next change is written again
            log.error("the session file cannot be written: %s", error.strerror or error)

    def stop(self, how: StopHow = StopHow.WARM) -> Future[str]:
        def begin(done: Future[str]) -> None:
            if self._run is None or self._run.over:
                done.set_result("The stack is stopped.")
            elif isinstance(self._run, AttachedRun):
                self._run.stop(how, done, then=self._detached)
            else:
                self._run.stop(how, done, then=self._session.clear)

        return self._in_loop(begin)

    def stopped(self) -> bool:
        """Whether nothing of the stack runs."""
        return self._run is None or self._run.over

    def stuck(self) -> tuple[str, ...]:
        """Names of services that run nothing, were asked to stop, and have not ended in time."""
        run = self._run
        return tuple(s.name for s in run.live.services() if s.stuck()) if isinstance(run, Run) else ()

    # one service

    def start_service(self, name: str) -> Future[str]:
        def start() -> str:
            self._running("start").live.service(name).start()
            return f"{name} is starting."

        return self._loop.ask(start)

    def stop_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        if (attached := self.attached) is not None:
            return self._workers.submit(self._stop_foreign, attached, name, how)
        return self._in_loop(lambda done: self._running().stop_service(name, how, done))

    def restart_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._in_loop(lambda done: self._running("restart").restart_service(name, how, done))

    def send_signal(self, worker: str, signal_name: str, pid: int | None = None) -> Future[str]:
        def send() -> str:
            if signal_name not in SIGNALS:
                raise DeskError(f"There is no signal '{signal_name}' here.", f"Choose {', '.join(SIGNALS)}.")
            number = int(getattr(signal, f"SIG{signal_name}"))
            return self._running("signal").send_signal(worker, number, signal_name, pid)

        return self._loop.ask(send)

    # shape it while it runs

    def command_line(self, spec: WorkerSpec) -> str:
        check_worker(spec)
        return shown_command(self.spec(), spec)

    def live_change(self, name: str, spec: WorkerSpec) -> tuple[bool, str]:
        try:
            attached = self.attached
            old = self._document.worker(name) if attached is None else self._member(attached, name)
            return live_change(old, spec)
        except DeskError as error:
            return (False, str(error))

    def add_worker(self, spec: WorkerSpec) -> Future[str]:
        def add() -> str:
            self._must_be_live()
            self._refuse_foreign("add workers to")
            if self.stopped():
                self._document.add_worker(spec)
                self._changed()
                return f"{spec.name} was added; it starts with the stack."
            run = self._running()
            run.live.add_worker(spec)
            run.mark(MarkKind.SETTINGS, spec.name, f"{spec.name} was added")
            return f"{spec.name} was added and is starting."

        return self._loop.ask(add)

    def edit_worker(self, name: str, spec: WorkerSpec) -> Future[str]:
        return self._workers.submit(self._edit_worker, name, spec)

    def _edit_worker(self, name: str, spec: WorkerSpec) -> str:
        """In a thread that may wait for the worker's answers."""
        self._must_be_live()
        if (attached := self.attached) is not None:
            return self._edit_foreign(attached, name, lambda _old: spec)
        check_worker(spec)
        old = self._document.worker(name)
        if spec.name != name:
            raise DeskError("A worker keeps its name.", "Add another worker and remove this one.")
        if self.stopped():
            self._document.replace_worker(spec)
            self._changed()
            return f"{name} was changed."
        run = self._running()
        worker = run.live.workers[name]
        running = worker.process is not None
        possible, text = live_change(old, spec)
        if running and possible:
            for step in live_steps(old, spec):
                run.live.control().request(step.command, step.arguments, worker.node)
        self._loop.ask(lambda: run.live.take_worker(spec)).result()
        run.mark(MarkKind.SETTINGS, name, f"{name}: {text}")
        if running and not possible:
            return self.restart_service(name).result()
        return f"{name}: {text}"

    def remove_worker(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._workers.submit(self._remove_worker, name, how)

    def _remove_worker(self, name: str, how: StopHow) -> str:
        self._must_be_live()
        if (attached := self.attached) is not None:
            return self._forget_foreign(attached, name)
        self._document.worker(name)
        if self.stopped():
            self._document.remove_worker(name)
            self._changed()
        else:
            run = self._running()
            self.stop_service(name, how).result()
            self._loop.ask(lambda: run.live.forget_worker(name)).result()
            run.mark(MarkKind.SETTINGS, name, f"{name} was removed")
            run.watch.forget(name)
        return f"{name} was removed."

    def add_queue(self, worker: str, queue: str) -> Future[str]:
        return self._workers.submit(
            self._change_queues, worker, lambda queues: tuple(dict.fromkeys((*queues, queue)))
        )

    def cancel_queue(self, worker: str, queue: str) -> Future[str]:
        return self._workers.submit(
            self._change_queues, worker, lambda queues: tuple(q for q in queues if q != queue)
        )

    def _change_queues(self, worker: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> str:
        if (attached := self.attached) is not None:
            return self._queues_of_foreign(attached, worker, change)
        spec = self._document.worker(worker)
        return self._edit_worker(worker, dataclasses.replace(spec, queues=change(spec.queues)))

    # load it

    def submit(self, workload: Workload) -> Future[int]:
        def begin() -> int:
            number = self._living().loads.submit(workload)
            self._changed()
            return number

        return self._loop.ask(begin)

    def pause_load(self, load: int) -> None:
        if self._run is not None:
            self._run.loads.pause(load)

    def resume_load(self, load: int) -> None:
        if self._run is not None:
            self._run.loads.resume(load)

    def cancel_load(self, load: int) -> None:
        if self._run is not None:
            self._run.loads.cancel(load)

    # the end

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._end_drill()
        try:
            self.stop(StopHow.KILL).result(timeout=CLOSE_LIMIT)
        except Exception:
            log.exception("the stack did not end in time; the guardian ends it")
        if self._run is not None:
            self._run.close()
        self._close_opened()
        self._loop.ask(self._close_session).result(timeout=CLOSE_LIMIT)
        self._loop.end()
        self._loop.join(timeout=CLOSE_LIMIT)
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _close_session(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._session.close()
