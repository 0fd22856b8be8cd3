"""The engine: `LocalDesk` does what `api.Desk` promises, on this machine."""

from __future__ import annotations

import dataclasses
import json
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
    Leftover,
    LogLine,
    Mark,
    MarkKind,
    Series,
    ServiceEvent,
    SignalOffer,
    StackSnapshot,
    StackState,
    State,
    StopHow,
    TaskInfo,
    Workload,
)
from desktop.engine.catalog import read_catalog
from desktop.engine.loads import Loads
from desktop.engine.signals import process_offers, worker_offers
from desktop.engine.stack.command import live_change, live_steps, shown_command, worker_env
from desktop.engine.stack.edit import edit_stack, write_stack
from desktop.engine.stack.model import StackSpec, WorkerSpec
from desktop.engine.stack.parse import parse_stack, read_stack
from desktop.engine.stack.rules import check_worker
from desktop.engine.stack.shipped import is_shipped, shipped_stacks
from desktop.engine.supervise import broker as brokers
from desktop.engine.supervise import session as sessions
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.live import LiveStack
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.outcome import duration, plural
from desktop.engine.supervise.service import Service
from desktop.engine.supervise.services import app_env
from desktop.engine.watch import Watch

log = logging.getLogger(__name__)
T = TypeVar("T")

SNAPSHOT_AGE = 0.05  # seconds for which a snapshot is handed out again
CLOSE_LIMIT = 5.0


class LocalDesk:
    """Starts and supervises one stack at a time on this machine. Call `close` at the end."""

    def __init__(self, stack: StackSpec) -> None:
        self._spec = stack  # as its file says, with the changes made in the window
        self._file_spec = stack
        self._text = _text_of(stack)
        self._loop = Loop()
        self._session = sessions.Session()
        self._guard: Guard | None = None
        self._live: LiveStack | None = None
        self._watch: Watch | None = None
        self._loads: Loads | None = None
        self._leftovers: tuple[sessions.Record, ...] = ()
        self._shown_leftovers: tuple[Leftover, ...] = ()
        self._heard: list[Callable[[ServiceEvent], None]] = []
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="desk")
        self._snapshot: StackSnapshot | None = None
        self._live_file: tuple[StackSpec, str] | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._loop.start()
        self._loop.call(self._look_for_leftovers)

    # what there is

    def snapshot(self) -> StackSnapshot:
        with self._lock:
            known = self._snapshot
            if known is None or time.time() - known.t > SNAPSHOT_AGE:
                known = self._snapshot = self._draw()
            return known

    def _draw(self) -> StackSnapshot:
        live, watch = self._live, self._watch
        if live is None or watch is None:
            return snapshots.of_stopped(self._spec, self._dirty(), self._shown_leftovers)
        loads = self._loads.snapshots() if self._loads is not None else ()
        queues = snapshots.queue_names(live.spec(), self._loads.queues() if self._loads else ())
        return snapshots.of_living(live, watch.sampler, queues, loads, self._dirty(), self._shown_leftovers)

    def _dirty(self) -> bool:
        return self.spec() != self._file_spec

    def spec(self) -> StackSpec:
        """The live stack."""
        return self._live.spec() if self._live is not None else self._spec

    def subscribe(self, heard: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        self._heard.append(heard)

        def end() -> None:
            if heard in self._heard:
                self._heard.remove(heard)

        return end

    def series(self, name: str, seconds: float = 300.0) -> Series:
        return self._watch.history.read(name, seconds) if self._watch is not None else Watch.empty()

    def log_lines(self, after: int = -1, limit: int = 5000) -> Sequence[LogLine]:
        return self._watch.logs.lines(after, limit) if self._watch is not None else ()

    def catalog(self) -> Future[tuple[TaskInfo, ...]]:
        return self._workers.submit(self._read_catalog)

    def _read_catalog(self) -> tuple[TaskInfo, ...]:
        spec = self.spec()
        env = {**app_env(spec, self._session.id), **worker_env(spec, WorkerSpec(name="catalog"))}
        python = spec.app.python or Path(sys.executable)
        return read_catalog(python, spec.app.target, spec.app.directory, env)

    def signal_offers(self, worker: str, pid: int | None = None) -> tuple[SignalOffer, ...]:
        shown = self.snapshot().worker(worker)
        if shown is None:
            return ()
        celery = self.spec().celery
        if pid is None:
            return worker_offers(shown, celery)
        process = next((p for p in shown.processes if p.pid == pid), None)
        return process_offers(shown, process, celery) if process is not None else ()

    # which stack

    def open_stack(self, path_or_name: str | Path) -> Future[str]:
        def take() -> str:
            self._must_be_stopped("take another stack")
            self._take_spec(read_stack(path_or_name))
            return f"The stack '{self._spec.name}' is open."

        return self._loop.ask(take)

    def _take_spec(self, spec: StackSpec, text: str | None = None) -> None:
        self._spec = self._file_spec = spec
        self._text = _text_of(spec) if text is None else text
        self._live = None
        self._end_watch()
        self._snapshot = None

    def save_stack(self, path: Path | None = None) -> Future[str]:
        def save() -> str:
            spec = self.spec()
            where = path or spec.path
            if where is None or (path is None and is_shipped(where)):
                raise DeskError("This stack came with the program.", "Save it under a name of your own.")
            text = edit_stack(self._text, self._file_spec, spec)
            write_stack(where, text)
            saved = dataclasses.replace(spec, path=where)
            self._text, self._file_spec = text, saved
            self._put_spec(saved)
            return f"Saved {where.name}."

        return self._workers.submit(save)

    def _put_spec(self, spec: StackSpec) -> None:
        self._spec = spec
        if self._live is not None:
            live = self._live
            self._loop.call(lambda: live.set_spec(spec))

    def shipped_stacks(self) -> tuple[tuple[str, str], ...]:
        return shipped_stacks()

    # the stack

    def start(self, port: int | None = None) -> Future[str]:
        done: Future[str] = Future()
        self._run_in_loop(done, lambda: self._start(port, done))
        return done

    def _run_in_loop(self, done: Future[T], function: Callable[[], None]) -> None:
        """Run a verb that ends `done` later; what it raises ends it at once."""

        def run() -> None:
            try:
                function()
            except Exception as error:
                if not done.done():
                    done.set_exception(error)

        self._loop.call(run)

    def _must_be_stopped(self, to_do: str) -> None:
        if self._live is not None and not self._live.ended:
            raise DeskError(f"The stack '{self.spec().name}' still runs.", f"Stop it to {to_do}.")

    def _start(self, port: int | None, done: Future[str]) -> None:
        if self._live is not None and not self._live.ended:
            self._start_what_is_down(done)
            return
        spec = self.spec()
        brokers.choose_server(spec.broker)
        endpoint = brokers.new_endpoint(spec.broker, port)
        live = self._new_live(spec, paths.new_run_folder(spec.name), endpoint)
        (live.run_folder / "stack.toml").write_text(self._live_text(spec), encoding="utf-8")
        live.start()
        self._when_up(live, done)

    def _start_what_is_down(self, done: Future[str]) -> None:
        live = self._live
        assert live is not None
        if live.state() is StackState.STOPPING:
            raise DeskError("The stack is being stopped.", "Start it when it has stopped.")
        for service in live.services():
            service.start()
        self._when_up(live, done)

    def _when_up(self, live: LiveStack, done: Future[str]) -> None:
        failed = (State.EXITED, State.BACKING_OFF, State.CRASH_LOOP, State.STOPPED)

        def broken() -> list[Service]:
            waiting = live.waiting_to_start()
            return [s for s in live.services() if s.state in failed and s.name not in waiting]

        def settled() -> bool:
            return bool(broken()) or live.state() is StackState.RUNNING

        def tell() -> None:
            if bad := broken():
                done.set_exception(DeskError(f"{bad[0].detail}.", f"Its log: {bad[0].log_file}"))
            else:
                took = duration(time.time() - live.started_at)
                workers = plural(len(live.workers), "worker")
                done.set_result(f"'{live.spec().name}' runs: the broker and {workers} answer, after {took}.")

        live.when(settled, tell)

    def _new_live(self, spec: StackSpec, run_folder: Path, endpoint: brokers.Endpoint) -> LiveStack:
        if self._guard is None:
            self._session.open()
            self._guard = Guard(self._loop, self._session.id, (self._session.file,))
            self._guard.open()
        self._end_watch()
        live = LiveStack(
            self._loop,
            self._guard,
            self._session.id,
            spec,
            run_folder,
            endpoint,
            heard=self._tell,
            changed=self._write_session,
        )
        self._loads = Loads(live, self._guard)
        self._watch = Watch(live, self._loads)
        self._live = live
        self._snapshot = None
        self._write_session()
        self._watch.start()
        return live

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            threading.Thread(target=watch.stop, name="watch-end", daemon=True).start()

    def _tell(self, event: ServiceEvent) -> None:
        self._snapshot = None
        for heard in tuple(self._heard):
            try:
                heard(event)
            except Exception:
                log.exception("a subscriber failed")

    def _write_session(self) -> None:
        self._snapshot = None
        live = self._live
        if live is None or live.endpoint is None:
            return
        spec = live.spec()
        record = sessions.Record(
            id=self._session.id,
            panel_pid=os.getpid(),
            stack=spec.name,
            stack_file=str(spec.path.absolute()) if spec.path else "",
            stack_text=self._live_text(spec),
            run_folder=str(live.run_folder),
            started_at=live.started_at,
            port=live.endpoint.port,
            password=live.endpoint.password,
            services=tuple(live.registered()),
        )
        self._session.write(record)

    def _live_text(self, spec: StackSpec) -> str:
        """The stack as a file, made once for each change of it: the session file is written often."""
        if self._live_file is None or self._live_file[0] is not spec:
            self._live_file = (spec, edit_stack(self._text, self._file_spec, spec))
        return self._live_file[1]

    @property
    def broker_url(self) -> str:
        """What a client connects to; empty before a start. It holds the password."""
        live = self._live
        return live.endpoint.url if live is not None and live.endpoint is not None else ""

    def stop(self, how: StopHow = StopHow.WARM) -> Future[str]:
        done: Future[str] = Future()

        def stop() -> None:
            live = self._live
            if live is None or live.ended:
                done.set_result("The stack is stopped.")
                return
            if self._loads is not None:
                self._loads.cancel_all()
            began = time.time()
            if how is StopHow.KILL:
                live.kill_everything()
            else:
                live.stop(how)
            live.when(lambda: live.ended, lambda: self._stopped(live, began, done))

        self._run_in_loop(done, stop)
        return done

    def _stopped(self, live: LiveStack, began: float, done: Future[str]) -> None:
        self._session.clear()
        self._spec = live.spec()
        threading.Thread(target=live.close, name="live-close", daemon=True).start()
        if not done.done():
            done.set_result(f"'{self._spec.name}' stopped, after {duration(time.time() - began)}.")

    def stopped(self) -> bool:
        """Whether nothing of the stack runs."""
        live = self._live
        return live is None or live.ended

    def stuck(self) -> tuple[str, ...]:
        """Names of services that run nothing, were asked to stop, and have not ended in time."""
        live = self._live
        return tuple(s.name for s in live.services() if s.stuck()) if live is not None else ()

    # one service

    def start_service(self, name: str) -> Future[str]:
        def start() -> str:
            self._running().service(name).start()
            return f"{name} is starting."

        return self._loop.ask(start)

    def stop_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._until_stopped(name, how, restart=False)

    def restart_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._until_stopped(name, how, restart=True)

    def _until_stopped(self, name: str, how: StopHow, restart: bool) -> Future[str]:
        done: Future[str] = Future()

        def begin() -> None:
            live = self._running()
            service = live.service(name)
            starts = service.starts
            if restart:
                service.restart(how)
                live.when(
                    lambda: service.starts > starts and service.state is not State.STARTING,
                    lambda: done.set_result(f"{name} was restarted: it {service.detail}."),
                )
            else:
                service.stop(how)
                live.when(
                    lambda: service.process is None and service.state is State.STOPPED,
                    lambda: done.set_result(f"{service.detail}."),
                )

        self._run_in_loop(done, begin)
        return done

    def _running(self) -> LiveStack:
        if self._live is None or self._live.ended:
            raise DeskError("The stack is not running.", "Start it first.")
        return self._live

    def send_signal(self, worker: str, signal_name: str, pid: int | None = None) -> Future[str]:
        def send() -> str:
            live = self._running()
            service = live.service(worker)
            number = getattr(signal, f"SIG{signal_name}", None)
            if number is None:
                raise DeskError(f"There is no signal '{signal_name}'.")
            if service.process is None:
                raise DeskError(f"{worker} has no process to signal.", "Start it first.")
            whom = worker if pid is None or pid == service.pid else f"pool process {pid} of {worker}"
            live.mark(Mark(time.time(), MarkKind.SIGNAL, worker, f"SIG{signal_name} sent to {whom}"))
            if pid is None or pid == service.pid:
                service.send(number)
            else:
                live.signal_pool_process(service.name, pid, number)
            return f"SIG{signal_name} was sent to {whom}."

        return self._loop.ask(send)

    # shape it while it runs

    def command_line(self, spec: WorkerSpec) -> str:
        check_worker(spec)
        return shown_command(self.spec(), spec)

    def live_change(self, name: str, spec: WorkerSpec) -> tuple[bool, str]:
        old = self.spec().worker(name)
        if old is None:
            return (False, f"There is no worker named '{name}'.")
        return live_change(old, spec)

    def add_worker(self, spec: WorkerSpec) -> Future[str]:
        def add() -> str:
            check_worker(spec)
            if self.spec().worker(spec.name) is not None:
                raise DeskError(f"There is a worker named '{spec.name}' already.", "Choose another name.")
            live = self._live
            if live is None or live.ended:
                self._put_spec(dataclasses.replace(self._spec, workers=(*self._spec.workers, spec)))
                self._snapshot = None
                return f"{spec.name} was added; it starts with the stack."
            live.add_worker(spec)
            self._settings_mark(live, spec.name, f"{spec.name} was added")
            return f"{spec.name} was added and is starting."

        return self._loop.ask(add)

    def edit_worker(self, name: str, spec: WorkerSpec) -> Future[str]:
        return self._workers.submit(self._edit_worker, name, spec)

    def _edit_worker(self, name: str, spec: WorkerSpec) -> str:
        check_worker(spec)
        old = self.spec().worker(name)
        if old is None:
            raise DeskError(f"There is no worker named '{name}'.")
        if spec.name != name:
            raise DeskError("A worker keeps its name.", "Add another worker and remove this one.")
        live = self._live
        worker = live.workers.get(name) if live is not None and not live.ended else None
        if live is None or worker is None:
            workers = tuple(spec if w.name == name else w for w in self._spec.workers)
            self._put_spec(dataclasses.replace(self._spec, workers=workers))
            self._snapshot = None
            return f"{name} was changed."
        possible, text = live_change(old, spec)
        if worker.process is not None and possible:
            for step in live_steps(old, spec):
                live.control().request(step.command, step.arguments, worker.node)
        self._loop.ask(lambda: live.replace_worker(name, spec)).result()
        self._settings_mark(live, name, f"{name}: {text}")
        if worker.process is not None and not possible:
            return self.restart_service(name).result()
        return f"{name}: {text}"

    def _settings_mark(self, live: LiveStack, name: str, text: str) -> None:
        live.mark(Mark(time.time(), MarkKind.SETTINGS, name, text))

    def remove_worker(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._workers.submit(self._remove_worker, name, how)

    def _remove_worker(self, name: str, how: StopHow) -> str:
        live = self._live
        if self.spec().worker(name) is None:
            raise DeskError(f"There is no worker named '{name}'.")
        if live is None or live.ended:
            workers = tuple(w for w in self._spec.workers if w.name != name)
            self._put_spec(dataclasses.replace(self._spec, workers=workers))
        else:
            self.stop_service(name, how).result()
            self._loop.ask(lambda: live.forget_worker(name)).result()
            self._settings_mark(live, name, f"{name} was removed")
            if self._watch is not None:
                self._watch.forget(name)
        self._snapshot = None
        return f"{name} was removed."

    def add_queue(self, worker: str, queue: str) -> Future[str]:
        return self._change_queues(worker, lambda queues: (*queues, queue) if queue not in queues else queues)

    def cancel_queue(self, worker: str, queue: str) -> Future[str]:
        return self._change_queues(worker, lambda queues: tuple(q for q in queues if q != queue))

    def _change_queues(
        self, worker: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> Future[str]:
        def run() -> str:
            spec = self.spec().worker(worker)
            if spec is None:
                raise DeskError(f"There is no worker named '{worker}'.")
            return self._edit_worker(worker, dataclasses.replace(spec, queues=change(spec.queues)))

        return self._workers.submit(run)

    # load it

    def submit(self, workload: Workload) -> Future[int]:
        def begin() -> int:
            self._running()
            assert self._loads is not None
            self._snapshot = None
            return self._loads.submit(workload)

        return self._loop.ask(begin)

    def pause_load(self, load: int) -> None:
        if self._loads is not None:
            self._loads.pause(load)

    def resume_load(self, load: int) -> None:
        if self._loads is not None:
            self._loads.resume(load)

    def cancel_load(self, load: int) -> None:
        if self._loads is not None:
            self._loads.cancel(load)

    # what a crashed panel left

    def _look_for_leftovers(self) -> None:
        self._leftovers = sessions.crashed()
        self._shown_leftovers = tuple(sessions.leftover_of(record) for record in self._leftovers)
        self._snapshot = None

    def leftovers(self) -> Future[tuple[Leftover, ...]]:
        """What crashed panels left, as found at the start."""
        return self._loop.ask(lambda: self._shown_leftovers)

    def resolve_leftover(self, session: str, how: str) -> Future[str]:
        def resolve() -> str:
            record = next((r for r in self._leftovers if r.id == session), None)
            if record is None:
                raise DeskError("That is gone already.")
            said = {"adopt": self._adopt, "stop": self._end_leftover, "leave": self._leave}[how](record)
            self._look_for_leftovers()
            return said

        return self._loop.ask(resolve)

    def _end_leftover(self, record: sessions.Record) -> str:
        count = sessions.end_leftover(record)
        return f"{plural(count, 'process')} of '{record.stack}' {'was' if count == 1 else 'were'} ended."

    def _leave(self, record: sessions.Record) -> str:
        sessions.forget(record)
        return f"What is left of '{record.stack}' runs on; Celery Desk no longer knows of it."

    def _adopt(self, record: sessions.Record) -> str:
        self._must_be_stopped("take over another one")
        spec = parse_stack(record.stack_text, Path(record.stack_file) if record.stack_file else None)
        if self._guard is not None:
            self._guard.close()
            self._guard = None
            self._session.close()
        self._session = sessions.Session(record.id)
        self._take_spec(spec, record.stack_text)
        endpoint = brokers.Endpoint(record.port, record.password)
        live = self._new_live(spec, Path(record.run_folder), endpoint)
        live.started_at = record.started_at
        live.adopt(record)
        return f"'{record.stack}' was taken over: {plural(len(record.services), 'service')}."

    # the end

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self.stop(StopHow.KILL).result(timeout=CLOSE_LIMIT)
        except Exception:
            log.exception("the stack did not end in time; the guardian ends it")
        live, loads, watch = self._live, self._loads, self._watch
        if loads is not None:
            loads.close()
        if watch is not None:
            watch.stop()
        if live is not None:
            live.close()
        self._loop.ask(self._close_session).result(timeout=CLOSE_LIMIT)
        self._loop.end()
        self._loop.join(timeout=CLOSE_LIMIT)
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _close_session(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._session.close()


def _text_of(spec: StackSpec) -> str:
    """The text of a stack's file; a minimal one for a stack that has none."""
    if spec.path is None:
        return f"name = {json.dumps(spec.name)}\n"
    try:
        return spec.path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DeskError(f"{spec.path} cannot be read again: {error.strerror}.", "Open it anew.") from error
