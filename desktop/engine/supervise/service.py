"""The life of one service: started, proved ready, watched, ended, started again by its policy.

Everything here runs in the loop's thread.
"""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from desktop.engine.api import Kind, Light, Mark, MarkKind, ServiceEvent, State, StopHow
from desktop.engine.observe.proc import is_frozen
from desktop.engine.stack.model import Restart
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.loop import ExitWatch, Loop, Timer
from desktop.engine.supervise.outcome import Outcome, duration, plural
from desktop.engine.supervise.process import ManagedProcess

log = logging.getLogger(__name__)

FIRST_BACK_OFF = 0.5  # seconds, doubling
LONGEST_BACK_OFF = 30.0
SETTLED_AFTER = 10.0  # seconds ready, after which the back-off begins anew
CRASH_LOOP_RESTARTS = 5
CRASH_LOOP_SECONDS = 60.0
READY_LIMIT = 30.0  # seconds from start after which a service that does not answer is called silent
IDLE_STOP_LIMIT = 10.0  # a warm stop of an idle worker takes up to 5.3 s (gevent)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a service's process is started."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes | None = None
    output: Path | None = None  # where it writes, instead of into its log
    talks: bool = False  # standard input and output are pipes: `process_started` must read the latter


class Context(Protocol):
    """What a service needs of its supervisor."""

    loop: Loop
    guard: Guard
    logs_folder: Path

    def emit(self, event: ServiceEvent) -> None:
        """Tell everybody of a change of state."""

    def mark(self, mark: Mark) -> None:
        """Put a mark on the time line."""

    def changed(self) -> None:
        """The session file must be written again."""

    def log_tail(self, path: Path, lines: int) -> str:
        """The last lines of a log file."""


class Service:
    """One supervised program. Subclasses say how it is launched and proved ready."""

    kind: Kind
    ready_poll = 0.25  # seconds between two proofs that are tried while it starts

    def __init__(self, context: Context, name: str, restart: Restart) -> None:
        self.context = context
        self.name = name
        self.restart_policy = restart
        self.state = State.STOPPED
        self.detail = ""
        self.since = time.time()
        self.process: ManagedProcess | None = None
        self.log_file: Path | None = None
        self.starts = 0
        self.restarts = 0
        self.frozen = False
        self._watch: ExitWatch | None = None
        self._timer: Timer | None = None  # the back-off, or the next proof of readiness
        self._stopping: StopHow | None = None
        self._stop_asked_at = 0.0
        self._by_itself = False  # the present process was started by the policy
        self._after_stop: Callable[[], None] | None = None
        self._back_off = FIRST_BACK_OFF
        self._restart_times: deque[float] = deque(maxlen=CRASH_LOOP_RESTARTS)

    # what a subclass says

    def launch(self) -> Launch:
        """The command of the next start. May raise DeskError."""
        raise AssertionError("a service says how it is launched")

    def prove_ready(self) -> None:
        """Try to prove that it answers; call `answered` when it does."""
        raise AssertionError("a service says how it is proved ready")

    def running_tasks(self) -> int:
        """How many tasks its process runs now."""
        return 0

    def process_started(self) -> None:
        """Called once for each start of its process."""

    def process_ended(self, outcome: Outcome) -> None:
        """Called once for each end of its process."""

    def stop_signal(self, how: StopHow) -> int:
        """The signal that the main process gets for a stop."""
        return signal.SIGQUIT if how is StopHow.COLD else signal.SIGTERM

    @property
    def stopping(self) -> StopHow | None:
        """How it is being stopped, while it is."""
        return self._stopping

    @property
    def starts_again(self) -> bool:
        """Whether it is started at once when it has stopped."""
        return self._after_stop is not None

    @property
    def recovers(self) -> bool:
        """Whether it ended, was started again by its policy, and does not answer yet."""
        return self._by_itself and self.state is State.STARTING

    # lights

    @property
    def pid(self) -> int | None:
        """Of the main process."""
        return self.process.pid if self.process else None

    def process_light(self) -> Light:
        """Whether its process runs."""
        if self.process is None:
            return Light.WAIT if self.state is State.BACKING_OFF else Light.OFF
        return Light.FROZEN if self.frozen else Light.ON

    def answer_light(self) -> Light:
        """Whether it answers."""
        if self.process is None:
            return Light.OFF
        return {State.READY: Light.ON, State.STOPPING: Light.ON, State.SILENT: Light.NO}.get(
            self.state, Light.WAIT
        )

    # verbs

    def start(self) -> None:
        """Start it, unless it runs. A person's start forgets earlier crashes."""
        if self.process is not None:
            return
        self._restart_times.clear()
        self._back_off = FIRST_BACK_OFF
        self._by_itself = False
        self._start_process()

    def adopt(self, process: ManagedProcess, starts: int, log_file: Path) -> None:
        """Take over a process that a crashed panel started."""
        self.process, self.starts, self.log_file = process, starts, log_file
        self._watch_process()
        self._set(State.STARTING, f"{self.name} was taken over from a panel that crashed")
        self._poll_ready()

    def stop(self, how: StopHow, *, group: bool = False, then: Callable[[], None] | None = None) -> None:
        """Stop it; what a person stopped stays stopped. A harder way may follow a softer one.

        `group`: SIGTERM to the whole group, as a fault. `then` is called when it has stopped, unless another
        stop follows.
        """
        self._cancel_timer()
        self._after_stop = then
        if self.process is None:
            if self.state is not State.STOPPED:
                self._set(State.STOPPED, f"{self.name} stays stopped")
            self._stopped()
            return
        self._stopping = how
        self._stop_asked_at = time.time()
        if how is StopHow.KILL:
            self._set(State.STOPPING, f"{self.name} is being killed")
            self.process.kill_group()
        else:
            running = self.running_tasks()
            wait = f"waiting for {plural(running, 'task')}" if running and how is StopHow.WARM else "stopping"
            self._set(State.STOPPING, wait)
            self.thaw()
            if group:
                self.process.term_group()
            else:
                self.process.signal(self.stop_signal(how))

    def restart(self, how: StopHow, *, group: bool = False) -> None:
        """Stop it, then start it; a stop that comes meanwhile wins."""
        self.stop(how, group=group, then=self.start)

    def send(self, number: int) -> None:
        """Send a signal as a fault: the restart policy applies to what follows."""
        if self.process is None:
            return
        if number == signal.SIGKILL:
            self.process.kill_group()
        else:
            self.process.signal(number)
        if number in (signal.SIGSTOP, signal.SIGCONT):
            self.look_at_freeze()

    def thaw(self) -> None:
        """A frozen process would never see the signal that ends it."""
        if self.process is not None and is_frozen(self.process.pid):
            self.process.signal(signal.SIGCONT)

    # its life

    def _start_process(self) -> None:
        self._cancel_timer()
        self.starts += 1
        self.log_file = self.context.logs_folder / f"{self.name}.{self.starts:03d}.log"
        self._set(State.STARTING, f"{self.name} is starting" + self._nth())
        try:
            launch = self.launch()
            self.process = ManagedProcess.start(
                launch.argv,
                env=launch.env,
                cwd=launch.cwd,
                log_file=launch.output or self.log_file,
                stdin=launch.stdin,
                talks=launch.talks,
            )
        except Exception as error:  # OSError, DeskError: told, and then the policy decides
            self.process = None
            self._set(State.EXITED, f"{self.name} could not be started: {error}")
            self._by_policy(clean=False)
            return
        self.process_started()
        self._watch_process()
        self.restate()
        self.context.mark(Mark(time.time(), MarkKind.STARTED, self.name, f"{self.name} started{self._nth()}"))
        self._poll_ready()

    def _nth(self) -> str:
        return f" (restart {self.restarts})" if self._by_itself else ""

    def _watch_process(self) -> None:
        assert self.process is not None
        self.frozen = False
        self.context.guard.add(self.process.pid)
        try:
            self._watch = self.context.loop.watch_exit(self.process.pid, self._gone)
        except ProcessLookupError:
            self.context.loop.call(self._gone)
        self.context.changed()

    def _poll_ready(self) -> None:
        if self.process is None or self.state not in (State.STARTING, State.SILENT):
            return
        if self.state is State.STARTING and time.time() - self.process.started_at > READY_LIMIT:
            self._set(State.SILENT, f"{self.name} runs, but has not answered for {duration(READY_LIMIT)}")
        self._timer = self.context.loop.later(self.ready_poll, self._poll_ready)
        self.prove_ready()

    def answered(self) -> None:
        """It answered: it is ready, or no longer silent."""
        if self.process is None or self.frozen or self.state not in (State.STARTING, State.SILENT):
            return
        first = self.state is State.STARTING
        took = time.time() - self.process.started_at
        self._cancel_timer()
        self._set(State.READY, f"answers, {duration(took)} after its start" if first else "answers again")
        if first:
            kind = MarkKind.RECOVERED if self._by_itself else MarkKind.READY
            text = f"{self.name} answers again" if self._by_itself else f"{self.name} is ready"
            self.context.mark(Mark(time.time(), kind, self.name, f"{text}, {duration(took)} after its start"))

    def fell_silent(self, why: str) -> None:
        """It is alive and does not answer."""
        if self.state is State.READY:
            self._set(State.SILENT, why)

    def look_at_freeze(self) -> None:
        """See whether somebody froze or thawed its process."""
        if self.process is None:
            return
        frozen = is_frozen(self.process.pid)
        if frozen and not self.frozen:
            self.frozen = True
            self.fell_silent(f"{self.name} is frozen (SIGSTOP): it holds its tasks and does nothing")
            self.context.mark(Mark(time.time(), MarkKind.SIGNAL, self.name, f"{self.name} was frozen"))
        elif self.frozen and not frozen:
            self.frozen = False
            self.context.mark(Mark(time.time(), MarkKind.SIGNAL, self.name, f"{self.name} was thawed"))
            self.prove_ready()

    def look_at_stop(self) -> None:
        """While it stops: keep the sentence true, and say so when it hangs."""
        if self._stopping is None or self._stopping is StopHow.KILL or self.process is None:
            return
        running = self.running_tasks()
        waited = time.time() - self._stop_asked_at
        if running:
            self.detail = f"waiting for {plural(running, 'task')}, {duration(waited)} so far"
        elif waited > IDLE_STOP_LIMIT:
            self.detail = f"runs nothing, yet has not ended for {duration(waited)}: stop it cold or kill it"

    def stuck(self) -> bool:
        """It runs nothing, was asked to stop, and has not ended in time."""
        return (
            self._stopping is not None
            and self.process is not None
            and not self.running_tasks()
            and time.time() - self._stop_asked_at > IDLE_STOP_LIMIT
        )

    def _gone(self) -> None:
        assert self.process is not None
        running = self.running_tasks()
        status = self._watch.status if self._watch is not None else None
        outcome = self.process.reap(status)
        self._cancel_timer()
        self.context.guard.remove(self.process.pid)
        pid, self.process, self._watch = self.process.pid, None, None
        self.frozen = False
        sentence = outcome.sentence(self.name, running)
        self._set(State.EXITED, sentence, pid)
        self.process_ended(outcome)
        self._mark_end(outcome, sentence)
        self.context.changed()
        if self._stopping is not None:
            self._stopping = None
            self._set(State.STOPPED, sentence)
            self._stopped()
        else:
            if outcome.ran > SETTLED_AFTER:
                self._back_off = FIRST_BACK_OFF
            self._by_policy(outcome.clean)

    def _mark_end(self, outcome: Outcome, sentence: str) -> None:
        asked = self._stopping in (StopHow.WARM, StopHow.COLD)
        kind = MarkKind.KILLED if outcome.signal is not None and not asked else MarkKind.EXITED
        self.context.mark(Mark(time.time(), kind, self.name, sentence))

    def _stopped(self) -> None:
        then, self._after_stop = self._after_stop, None
        if then is not None:
            then()

    def _by_policy(self, clean: bool) -> None:
        if self.restart_policy is Restart.NEVER or (clean and self.restart_policy is Restart.ON_FAILURE):
            return
        now = time.monotonic()
        times = self._restart_times
        if len(times) == CRASH_LOOP_RESTARTS and now - times[0] < CRASH_LOOP_SECONDS:
            self._crash_loop()
            return
        delay, self._back_off = self._back_off, min(LONGEST_BACK_OFF, self._back_off * 2)
        self._set(State.BACKING_OFF, f"{self.detail}; starts again in {duration(delay)}")
        self._timer = self.context.loop.later(delay, self._restart_by_policy)

    def _restart_by_policy(self) -> None:
        self._restart_times.append(time.monotonic())
        self.restarts += 1
        self._by_itself = True
        self._start_process()

    def _crash_loop(self) -> None:
        last = self.context.log_tail(self.log_file, 20) if self.log_file else ""
        text = f"{self.name} exited {CRASH_LOOP_RESTARTS + 1} times within a minute and is left stopped"
        text += f"; at last: {self.detail}. Mend the cause, then start it"
        self._set(State.CRASH_LOOP, f"{text}. Its last log lines:\n{last}" if last else text)
        self.context.mark(Mark(time.time(), MarkKind.EXITED, self.name, text))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def restate(self) -> None:
        """Tell the present state again, now that the process has an id."""
        self.context.emit(ServiceEvent(time.time(), self.name, self.kind, self.state, self.pid, self.detail))

    def _set(self, state: State, detail: str, pid: int | None = None) -> None:
        self.state, self.detail, self.since = state, detail, time.time()
        if state is State.STARTING and self.process is None:
            return  # told by `restate`, with the process id
        self.context.emit(ServiceEvent(self.since, self.name, self.kind, state, pid or self.pid, detail))
