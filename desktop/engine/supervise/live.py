"""A stack that runs: its services in their order, their health, and changes while it lives.

Everything here runs in the loop's thread, but for what is said to be callable from anywhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from desktop.engine.api import (
    DeskError,
    Mark,
    MarkKind,
    ServiceEvent,
    StackState,
    State,
    StopHow,
)
from desktop.engine.observe.logfiles import last_lines
from desktop.engine.record.client import Recorder
from desktop.engine.record.told import WorkerTold
from desktop.engine.relay.service import NAME as RELAY
from desktop.engine.relay.service import RelayService
from desktop.engine.stack.document import Document
from desktop.engine.stack.model import StackSpec, WorkerSpec
from desktop.engine.supervise import broker as brokers
from desktop.engine.supervise.control import ControlClient, Heard
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.guardian import LAST
from desktop.engine.supervise.health import Health
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.network import Network
from desktop.engine.supervise.pool_processes import PoolProcesses
from desktop.engine.supervise.ports import free_port
from desktop.engine.supervise.process import ManagedProcess
from desktop.engine.supervise.service import Service
from desktop.engine.supervise.services import (
    BrokerService,
    WebService,
    WorkerService,
    base_env,
)
from desktop.engine.supervise.session import Record, Registered

log = logging.getLogger(__name__)

MARKS_KEPT = 1000
_DOWN = frozenset({State.EXITED, State.CRASH_LOOP, State.SILENT, State.BACKING_OFF})


class LiveStack:
    """Implements what services need of their surroundings (`StackContext`)."""

    def __init__(
        self,
        loop: Loop,
        guard: Guard,
        session_id: str,
        document: Document,
        run_folder: Path,
        endpoint: brokers.Endpoint,
        *,
        heard: Callable[[ServiceEvent], None],
        changed: Callable[[], None],
    ) -> None:
        self.loop = loop
        self.guard = guard
        self.session_id = session_id
        self.run_folder = run_folder
        self.logs_folder = run_folder / "logs"
        self.endpoint: brokers.Endpoint | None = endpoint
        self.server: brokers.Server | None = None
        self.started_at = time.time()
        self.marks: deque[Mark] = deque(maxlen=MARKS_KEPT)
        self._document = document
        self.feed = self._recorder()
        self._heard = heard
        self._changed = changed
        self._control: ControlClient | None = None
        self._ending = False
        self._waiters: list[tuple[Callable[[], bool], Callable[[], None]]] = []
        self._health = Health(self)
        self._pool_processes = PoolProcesses(
            loop, self._pool_process_wanted, self._task_of, self._pool_process_ended
        )
        spec = document.spec
        self.broker = BrokerService(self, spec.broker)
        self.web = WebService(self, spec.web) if spec.web is not None else None
        if self.web is not None and not self.web.port:
            self.web.port = free_port()
        self.network = Network(self, self.broker, spec.broker.relay)
        self.workers: dict[str, WorkerService] = {w.name: WorkerService(self, w) for w in spec.workers}
        self._to_start = [s for s in self.services() if s not in (self.broker, self.relay)]

    def _recorder(self) -> Recorder:
        texts = [[self.started_at, self._document.kept_text()]]
        facts = {"stack": self._document.spec.name, "began": self.started_at, "texts": texts}
        return Recorder(
            {"source": "ledger", "folder": str(self.run_folder), "facts": facts},
            log_file=self.logs_folder / "recorder.001.log",
            env={**base_env(self.session_id), LAST: "1"},
        )

    @property
    def relay(self) -> RelayService | None:
        """Between the workers and the broker, where there is one; from any thread."""
        return self.network.relay

    # what the services ask for

    def spec(self) -> StackSpec:
        """The live stack; from any thread."""
        return self._document.spec

    def services(self) -> tuple[Service, ...]:
        """Broker first, and what leads to it."""
        between = [service for service in (self.relay, self.web) if service is not None]
        return (self.broker, *between, *self.workers.values())

    def service(self, name: str) -> Service:
        """By name. Raises DeskError."""
        for service in self.services():
            if service.name == name:
                return service
        known = ", ".join(service.name for service in self.services())
        raise DeskError(f"This stack has no service named '{name}'.", f"It has: {known}.")

    def emit(self, event: ServiceEvent) -> None:
        self._heard(event)
        if event.service in ("broker", RELAY) and event.state is State.READY:
            self._broker_is_ready()
        for done, then in list(self._waiters):
            if done():
                self._waiters.remove((done, then))
                self.loop.call(then)

    def mark(self, mark: Mark) -> None:
        self.marks.append(mark)
        self.feed.mark(mark)

    def changed(self) -> None:
        self._changed()

    def log_tail(self, path: Path, lines: int) -> str:
        return "\n".join(last_lines(path, lines))

    def held(self, service: str, start: int) -> WorkerTold:
        return self.feed.held(service, start)

    def cut(self, service: str, start: int, gave_back: bool) -> None:
        self.feed.cut(service, start, gave_back)

    def ping(self, nodes: list[str], heard: Heard) -> None:
        if self._control is not None:
            self._control.ask("ping", {}, nodes, heard)

    def slow_http_url(self) -> str:
        return self.web.url if self.web is not None else ""

    def broker_ready_since(self) -> float | None:
        return self.network.open_since()

    def way_to_broker(self, worker: str) -> brokers.Endpoint | None:
        return self.network.way(worker)

    def network_of(self, worker: str) -> str:
        return self.network.text_of(worker)

    # start and stop

    def start(self) -> None:
        """Start the broker; everything else follows when it answers."""
        self.feed.start()
        self._health.begin()
        if self.web is not None:
            self._to_start.remove(self.web)
            self.web.start()
        self.network.start(self.workers)
        self.broker.start()

    def adopt(self, record: Record) -> None:
        """Take over what a crashed panel left; what did not survive is shown as exited."""
        self.feed.start()
        self._health.begin()
        self._to_start.clear()
        living = {service.name: service for service in record.services if service.alive}
        self.network.adopt(record)
        for service in self.services():
            found = living.get(service.name)
            if found is not None and service is not self.relay:
                process = ManagedProcess.adopt(found.pid, found.started_at)
                service.adopt(process, found.starts, Path(found.log_file))

    def _broker_is_ready(self) -> None:
        if self.broker_ready_since() is None:
            return
        while self._to_start:
            self._to_start[0].start()
            self._to_start.pop(0)
        if self._control is None:
            threading.Thread(target=self._open_control, name="control-open", daemon=True).start()

    def _open_control(self) -> None:
        """In a thread of its own: the first import of kombu takes a moment."""
        assert self.endpoint is not None
        celery = self.spec().celery
        options = celery.get("broker_transport_options", {})
        exchange = str(celery.get("control_exchange", "celery"))
        control = ControlClient(self.endpoint.url, options if isinstance(options, Mapping) else {}, exchange)

        def take() -> None:
            if self._ending or self._control is not None:
                threading.Thread(target=control.close, daemon=True).start()
            else:
                self._control = control

        self.loop.call(take)

    def waiting_to_start(self) -> frozenset[str]:
        """Services that wait for the broker; from any thread."""
        return frozenset(service.name for service in self._to_start)

    def when(self, done: Callable[[], bool], then: Callable[[], None]) -> None:
        """Call `then` in the loop once `done` is true; looked at after each change of a state."""
        if done():
            self.loop.call(then)
        else:
            self._waiters.append((done, then))

    def stop(self, how: StopHow) -> None:
        """Workers first, then what their tasks need. A harder way may follow a softer one."""
        self._ending = True
        self._to_start.clear()
        workers = tuple(self.workers.values())
        for worker in workers:
            worker.stop(how)
        self.when(lambda: all(worker.process is None for worker in workers), self._stop_rest)

    def _stop_rest(self) -> None:
        for service in (self.web, self.relay):
            if service is not None:
                service.stop(StopHow.WARM)
        if self.broker.process is not None and self.broker.state is not State.STOPPING:
            self.broker.stop(StopHow.WARM)
            self.loop.later(5.0, self._kill_broker)
        elif self.broker.process is None:
            self.broker.stop(StopHow.WARM)

    def _kill_broker(self) -> None:
        if self._ending and self.broker.process is not None:
            self.broker.stop(StopHow.KILL)

    def kill_everything(self) -> None:
        """SIGKILL to every group at once."""
        self._ending = True
        self._to_start.clear()
        for service in self.services():
            if service.process is not None or service.state is not State.STOPPED:
                service.stop(StopHow.KILL)

    @property
    def ended(self) -> bool:
        """Nothing of it runs any more, and nothing will start by itself."""
        return self._ending and all(
            service.process is None and service.state is State.STOPPED for service in self.services()
        )

    def close(self) -> None:
        """Let go of threads; the processes have ended. From any thread but the loop's."""
        self.feed.stop()
        self.network.close()
        if self._control is not None:
            self._control.close()
            self._control = None

    # pool processes

    def watch_pool(self, worker: WorkerService) -> None:
        """Tell when one of its pool processes ends by itself."""
        self._pool_processes.watch(worker.name, self.feed.pool_pids(worker.name, worker.starts))

    def signal_pool_process(self, worker: str, pid: int, number: int) -> None:
        """Signal one pool process. Raises DeskError when it is none of that worker's."""
        if pid not in self.feed.pool_pids(worker, self.workers[worker].starts):
            raise DeskError(f"{worker} has no pool process {pid} any more.", "Choose another one.")
        self._pool_processes.watch(worker, (pid,))  # it may be younger than the last look at the pool
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _pool_process_wanted(self, name: str) -> bool:
        """Not while the worker ends: that is told already."""
        worker = self.workers.get(name)
        return worker is not None and worker.process is not None and worker.state is not State.STOPPING

    def _task_of(self, name: str, pid: int) -> str | None:
        return self.feed.task_of(name, self.workers[name].starts, pid)

    def _pool_process_ended(self, t: float, name: str, text: str) -> None:
        self.mark(Mark(t, MarkKind.KILLED, name, text))

    # changes while it runs

    def control(self) -> ControlClient:
        """For questions to workers; from any thread. Raises DeskError while the broker is not there."""
        if self._control is None:
            raise DeskError(
                "The workers cannot be asked: the broker does not answer yet.", "Try again in a moment."
            )
        return self._control

    def take_worker(self, spec: WorkerSpec) -> None:
        """Another spec for a worker, for its next start."""
        self._document.replace_worker(spec)
        worker = self.workers[spec.name]
        worker.spec, worker.restart_policy = spec, spec.restart
        self._new_text()
        self.changed()

    def add_worker(self, spec: WorkerSpec) -> None:
        """One more worker; it is started."""
        self._document.add_worker(spec)
        worker = self.workers[spec.name] = WorkerService(self, spec)
        self._new_text()
        worker.start()

    def forget_worker(self, name: str) -> None:
        """A worker that is stopped leaves the stack."""
        self._document.remove_worker(name)
        del self.workers[name]
        self.network.forget(name)
        self._new_text()
        self.changed()

    def lead(self, through_relay: bool) -> None:
        """Workers that start from now on reach the broker through the relay, or directly."""
        self.network.lead(through_relay)
        self._document.use_relay(through_relay)
        self._new_text()
        self.changed()

    def _new_text(self) -> None:
        """The settings were changed: the record keeps each text of the stack file with its time."""
        self.feed.text(self._document.kept_text())

    # for snapshots and the session file

    def state(self) -> StackState:
        """The stack as a whole; from any thread."""
        if self._ending:
            return StackState.STOPPED if self.ended else StackState.STOPPING
        states = [service.state for service in self.services()]
        if all(state is State.READY for state in states):
            return StackState.RUNNING
        if any(state in _DOWN for state in states) or any(service.recovers for service in self.services()):
            return StackState.TROUBLED
        if State.STARTING in states or self._to_start:
            return StackState.STARTING
        if self.broker.state is State.STOPPED:  # by hand, or by a fault: nothing works without it
            return StackState.TROUBLED
        return StackState.RUNNING if State.READY in states else StackState.TROUBLED

    def registered(self) -> Iterator[Registered]:
        """What runs now, for the session file."""
        for service in self.services():
            process = service.process
            if process is not None:
                yield Registered(
                    name=service.name,
                    kind=service.kind.value,
                    pid=process.pid,
                    start=self.guard.start_of(process.pid),
                    started_at=process.started_at,
                    starts=service.starts,
                    log_file=str(service.log_file or ""),
                )
