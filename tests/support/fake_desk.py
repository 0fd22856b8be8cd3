"""A fake engine for the window's tests and pictures: a stack that moves, of which nothing is real.

Every value is a function of the clock, so two fakes with the same clock show the same. Verbs are
recorded in `calls`; their futures end at once, or, with `hold=True`, when `settle` is called.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from desktop.engine.api import (
    DeskError,
    Kind,
    Leftover,
    Light,
    LoadSnapshot,
    LogLine,
    Series,
    ServiceEvent,
    ServiceSnapshot,
    SignalOffer,
    StackSnapshot,
    StackState,
    State,
    StopHow,
    TaskInfo,
    Workload,
)
from desktop.engine.stack.model import StackSpec, WorkerSpec
from tests.support.fake_data import CATALOG, LOG_TEXTS, MEGA, SPECS, broker_of, loads_of, marks_of, worker_of
from tests.support.fake_drill_verbs import FakeDrillVerbs
from tests.support.fake_fault_verbs import FakeFaultVerbs
from tests.support.fake_message_verbs import FakeMessageVerbs
from tests.support.fake_queues import balance_of
from tests.support.fake_run_verbs import FakeRunVerbs, made_runs

STEP = 0.5  # seconds between two samples of a series


@dataclass(frozen=True, slots=True)
class Call:
    """One verb as it was called."""

    verb: str
    args: tuple[Any, ...]


class FakeDesk(FakeMessageVerbs, FakeRunVerbs, FakeFaultVerbs, FakeDrillVerbs):
    """Implements `desktop.engine.api.Desk` without an engine.

    `state`: of the stack at first. `workers`: 0 to 4. `hold`: verbs wait for `settle`.
    """

    def __init__(
        self,
        state: StackState = StackState.RUNNING,
        workers: int = 3,
        hold: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.calls: list[Call] = []
        self.pending: list[tuple[Call, Future[Any]]] = []
        self.hold = hold
        self.clock = clock
        self.born = clock()
        self.state = state
        self.loads: list[LoadSnapshot] = list(loads_of(self.born)) if state is StackState.RUNNING else []
        self.leftovers: tuple[Leftover, ...] = ()
        self.kept_runs = made_runs(self.born)
        self.outcomes = {}
        self.foreseen = {}
        self.fail_next: DeskError | None = None
        self.spec = StackSpec(
            name="laptop",
            workers=SPECS[:workers],
            path=Path("laptop.toml"),
            about="A prefork worker that scales from 1 to 4, and a threads worker.",
        )
        self.states: dict[str, tuple[State, str]] = {}
        self.extra_lines: list[LogLine] = []
        self._heard: list[Callable[[ServiceEvent], None]] = []

    # -- for the test

    def called(self, verb: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of a verb."""
        return [call.args for call in self.calls if call.verb == verb]

    def settle(self, verb: str, result: Any = None) -> None:
        """End the oldest held future of a verb: with a result, or with an exception."""
        held = next(pair for pair in self.pending if pair[0].verb == verb)
        self.pending.remove(held)
        if isinstance(result, Exception):
            held[1].set_exception(result)
        else:
            held[1].set_result(result)

    def push(self, service: str, state: State, detail: str = "", pid: int | None = None) -> None:
        """A service changes its state: the snapshot shows it and every listener hears it."""
        self.states[service] = (state, detail)
        kind = Kind.BROKER if service == "broker" else Kind.WORKER
        event = ServiceEvent(self.clock(), service, kind, state, pid, detail)
        for heard in tuple(self._heard):
            heard(event)

    # -- what there is

    def snapshot(self) -> StackSnapshot:
        now = self.clock()
        up = self.state is not StackState.STOPPED
        workers = tuple(self._worker(index, spec, now) for index, spec in enumerate(self.spec.workers))
        broker, queues, totals = broker_of(now, self.born, up, workers)
        return StackSnapshot(
            t=now,
            spec=self.spec,
            state=self.state,
            started_at=self.born - 312 if up else None,
            broker=replace(broker, service=self._dressed(broker.service)),
            workers=workers,
            queues=queues,
            totals=totals,
            loads=tuple(self.loads),
            marks=marks_of(self.born) if up else (),
            run_folder=Path("runs/20261122-101500-laptop") if up else None,
            balance=balance_of(queues, totals) if up else None,
            leftovers=self.leftovers,
            recorded=self.recorded,
            faults=self.faults,
            drill=self.the_drill,
        )

    def _worker(self, index: int, spec: WorkerSpec, now: float) -> Any:
        made = worker_of(index, spec, now, self.born, self.state is not StackState.STOPPED)
        made = replace(made, service=self._dressed(made.service))
        if self.state is StackState.STOPPING:
            stopping = replace(made.service, state=State.STOPPING)
            return replace(made, service=stopping, waiting_for=2 if index == 0 else 0)
        return made

    def _dressed(self, service: ServiceSnapshot) -> ServiceSnapshot:
        if service.name not in self.states:
            return service
        state, detail = self.states[service.name]
        light = Light.ON if state.alive else Light.OFF
        answers = {State.READY: Light.ON, State.SILENT: Light.NO, State.STARTING: Light.WAIT}
        return replace(
            service, state=state, detail=detail, process=light, answers=answers.get(state, Light.OFF)
        )

    def subscribe(self, heard: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        self._heard.append(heard)
        return lambda: self._heard.remove(heard) if heard in self._heard else None

    def series(self, name: str, seconds: float = 300.0) -> Series:
        now = self.clock()
        last = math.floor(now / STEP) * STEP
        times = array("d", (last - STEP * k for k in range(int(seconds / STEP), -1, -1)))
        if self.state is StackState.STOPPED:
            return Series(array("d"), array("d"))
        return Series(times, array("d", (self._value(name, t) for t in times)))

    def _value(self, name: str, t: float) -> float:
        kind, _, service = name.partition(":")
        names = [w.name for w in self.spec.workers]
        index = names.index(service) if service in names else 7
        wave = 0.5 + 0.5 * math.sin(t / (23 + 5 * index) + index)
        noise = 0.5 + 0.5 * math.sin(t * 7.3 + index * 1.7) * math.cos(t * 3.1)
        busy = round(wave * 4)
        values = {
            "cpu": max(2.0, busy * 92 + 14 * noise),
            "memory": (180 + 60 * wave + 8 * index) * MEGA,
            "threads": 12.0 + busy,
            "size": float(max(1, min(4, busy + 1))),
            "busy": float(busy),
            "reserved": float(busy * 4),
            "min": 1.0,
            "max": 4.0,
            "depth": max(0.0, 900 * math.sin(t / 61 + index) ** 2 + 20 * noise),
            "unacked": busy * 5.0,
            "ended": 42 * wave + 6 * noise,
            "failed": 1.4 * noise if noise > 0.8 else 0.0,
            **{f"wait{p}": 0.02 * p**0.7 * (wave + 0.2 * noise) for p in (50, 95)},
            **{f"run{p}": 0.01 * p**0.9 * (wave + 0.2 * noise) for p in (50, 95, 99)},
            "in": 24 * wave + 4 * noise,
            "out": 22 * wave + 5 * noise,
        }
        return values.get(kind, 0.0)

    def log_lines(self, after: int = -1, limit: int = 5000) -> Sequence[LogLine]:
        up = self.state is not StackState.STOPPED
        count = 240 + int((self.clock() - self.born) * 5) if up else 0
        first = max(after + 1, count - limit, 0)
        lines = [self._line(seq) for seq in range(first, count)]
        return [*lines, *(line for line in self.extra_lines if line.seq > after)]

    def _line(self, seq: int) -> LogLine:
        services = [w.name for w in self.spec.workers] or ["broker"]
        level, text = LOG_TEXTS[(seq * 7) % len(LOG_TEXTS)]
        service = "broker" if seq % 17 == 0 else services[seq % len(services)]
        return LogLine(seq, service, self.born - 48 + seq * 0.2, level, text.format(n=seq))

    def catalog(self) -> Future[tuple[TaskInfo, ...]]:
        return self._future("catalog", (), CATALOG)

    def signal_offers(self, worker: str, pid: int | None = None) -> tuple[SignalOffer, ...]:
        return (
            SignalOffer("TERM", "Warm stop (SIGTERM)", "2 running tasks finish, 6 reserved go back."),
            SignalOffer("INT", "Interrupt (SIGINT)", "As a warm stop; a second one is a cold stop."),
            SignalOffer("QUIT", "Cold stop (SIGQUIT)", "2 running tasks are cut and run again.", True),
            SignalOffer("KILL", "Kill (SIGKILL)", "2 running tasks are lost, 6 come back in 1 h.", True),
            SignalOffer("STOP", "Freeze (SIGSTOP)", "Nothing runs until it is continued."),
            SignalOffer("CONT", "Continue (SIGCONT)", "It goes on where it was frozen."),
        )

    # -- which stack

    def open_stack(self, path_or_name: str | Path) -> Future[str]:
        return self._future("open_stack", (path_or_name,), f"Opened {path_or_name}.")

    def save_stack(self, path: Path | None = None) -> Future[str]:
        return self._future("save_stack", (path,), f"Saved {path or 'laptop.toml'}.")

    def shipped_stacks(self) -> tuple[tuple[str, str], ...]:
        return (
            ("default", "A prefork worker that scales from 1 to 4, and a threads worker."),
            ("prefork", "One prefork worker."),
            ("gevent", "One gevent worker with 100 greenlets."),
        )

    # -- verbs

    def start(self, port: int | None = None) -> Future[str]:
        return self._future("start", (port,), "laptop is up: broker and 3 workers ready.", StackState.RUNNING)

    def stop(self, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._future("stop", (how,), "laptop is stopped.", StackState.STOPPED)

    def start_service(self, name: str) -> Future[str]:
        return self._future("start_service", (name,), f"{name} is starting.")

    def stop_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._future("stop_service", (name, how), f"{name} has stopped.")

    def restart_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        return self._future("restart_service", (name, how), f"{name} answers again.")

    def send_signal(self, worker: str, signal: str, pid: int | None = None) -> Future[str]:
        return self._future("send_signal", (worker, signal, pid), f"SIG{signal} sent to {worker}.")

    def add_worker(self, spec: WorkerSpec) -> Future[str]:
        self.spec = replace(self.spec, workers=(*self.spec.workers, spec))
        return self._future("add_worker", (spec,), f"{spec.name} added.")

    def edit_worker(self, name: str, spec: WorkerSpec) -> Future[str]:
        workers = tuple(spec if w.name == name else w for w in self.spec.workers)
        self.spec = replace(self.spec, workers=workers)
        return self._future("edit_worker", (name, spec), f"{name} changed.")

    def live_change(self, name: str, spec: WorkerSpec) -> tuple[bool, str]:
        if spec.pool is not (self.spec.worker(name) or spec).pool:
            return False, "A pool is chosen when a worker starts."
        return True, "Celery's autoscaler takes the new bounds at once."

    def remove_worker(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]:
        self.spec = replace(self.spec, workers=tuple(w for w in self.spec.workers if w.name != name))
        return self._future("remove_worker", (name, how), f"{name} removed.")

    def add_queue(self, worker: str, queue: str) -> Future[str]:
        return self._future("add_queue", (worker, queue), f"{worker} consumes {queue}.")

    def cancel_queue(self, worker: str, queue: str) -> Future[str]:
        return self._future("cancel_queue", (worker, queue), f"{worker} no longer consumes {queue}.")

    def command_line(self, spec: WorkerSpec) -> str:
        if spec.autoscale and spec.pool.value in ("threads", "solo"):
            raise DeskError(f"The {spec.pool.value} pool cannot autoscale.", "Set a concurrency instead.")
        size = f"--autoscale={spec.autoscale.max},{spec.autoscale.min}" if spec.autoscale else ""
        size = size or (f"--concurrency={spec.concurrency}" if spec.concurrency else "")
        words = ["celery -A tasks.app worker", f"-n {spec.name}@%h", f"--pool={spec.pool.value}", size]
        return " ".join([*(w for w in words if w), f"-Q {','.join(spec.queues)}"])

    def submit(self, workload: Workload) -> Future[int]:
        return self._future("submit", (workload,), len(self.loads) + 1)

    def pause_load(self, load: int) -> None:
        self.calls.append(Call("pause_load", (load,)))

    def resume_load(self, load: int) -> None:
        self.calls.append(Call("resume_load", (load,)))

    def cancel_load(self, load: int) -> None:
        self.calls.append(Call("cancel_load", (load,)))

    def resolve_leftover(self, session: str, how: str) -> Future[str]:
        self.leftovers = tuple(left for left in self.leftovers if left.session != session)
        return self._future("resolve_leftover", (session, how), f"Done: {how}.")

    def close(self) -> None:
        self.calls.append(Call("close", ()))

    def _future(
        self, verb: str, args: tuple[Any, ...], result: Any, then: StackState | None = None
    ) -> Future[Any]:
        call, future = Call(verb, args), Future[Any]()
        self.calls.append(call)
        failure, self.fail_next = self.fail_next, None
        if failure is not None:
            future.set_exception(failure)
        elif self.hold:
            self.pending.append((call, future))
        else:
            self.state = then or self.state
            future.set_result(result)
        return future
