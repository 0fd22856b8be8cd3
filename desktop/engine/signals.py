"""What a signal will do to the tasks of this moment: the kill menus of workers and pool processes.

The tables below were measured on Celery 5.7.0 with Redis, 20 tasks of 1.5 s on each pool, with acks early and
late, one fault at a time; what Celery's source says is named beside them. `REMAP_SIGTERM` is taken as unset.

Whether a task is acknowledged early or late is known from the stack's [celery] table; an app may say
otherwise for single tasks, or in a configuration of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from desktop.engine.api import Light, PoolProcess, SignalOffer, State, WorkerSnapshot
from desktop.engine.stack.model import Pool

# kombu/transport/redis.py: Channel.visibility_timeout
_VISIBILITY_TIMEOUT = 3600.0
# app/task.py: Task.default_retry_delay
_RETRY_DELAY = 180

_TITLES = {
    "TERM": "Warm stop (SIGTERM)",
    "INT": "Interrupt (SIGINT)",
    "QUIT": "Cold stop (SIGQUIT)",
    "KILL": "Kill (SIGKILL)",
    "STOP": "Freeze (SIGSTOP)",
    "CONT": "Go on (SIGCONT)",
}
_PROCESS_TITLES = {**_TITLES, "TERM": "End (SIGTERM)", "QUIT": "End (SIGQUIT)"}


class Fate(Enum):
    """What becomes of a running task."""

    FINISHES = auto()
    LOST = auto()  # it never ends, and does not run again
    FAILS = auto()  # it ends as a failure, and does not run again
    ACKED = auto()  # cut off, yet acknowledged as if it had ended
    AGAIN = auto()  # runs again at once
    LATER = auto()  # runs again after the visibility timeout


# SIGQUIT: (acks early, acks late).
# - prefork: the main process cancels the running requests; the result of an early one stays RETRY for ever.
# - threads: cancelling raises NotImplementedError, so the tasks finish.
# - gevent, eventlet: the killed greenlet returns normally and is acknowledged (2 of 2 runs, acks late).
# - solo: NotImplementedError becomes the failure of the task (2 of 2 runs).
COLD: Mapping[Pool, tuple[Fate, Fate]] = {
    Pool.PREFORK: (Fate.LOST, Fate.AGAIN),
    Pool.THREADS: (Fate.FINISHES, Fate.FINISHES),
    Pool.GEVENT: (Fate.LOST, Fate.ACKED),
    Pool.EVENTLET: (Fate.LOST, Fate.ACKED),
    Pool.SOLO: (Fate.FAILS, Fate.FAILS),
}

# SIGQUIT with worker_soft_shutdown_timeout, for tasks that end within it.
# - gevent, eventlet: the wait is cut short after about 1.8 s, and no task was lost.
# - solo: the handler sleeps in the task's own thread, then fails it.
SOFT: Mapping[Pool, Fate] = {
    Pool.PREFORK: Fate.FINISHES,
    Pool.THREADS: Fate.FINISHES,
    Pool.GEVENT: Fate.FINISHES,
    Pool.EVENTLET: Fate.FINISHES,
    Pool.SOLO: Fate.FAILS,
}

_LONGER = {
    Fate.FINISHES: "",
    Fate.LOST: " One that takes longer will be lost (acks early).",
    Fate.ACKED: " One that takes longer will be cut off and lost, though acks are late.",
    Fate.AGAIN: " One that takes longer will be cut off and run again (acks late).",
}

# SIGKILL of the main process: (acks early, acks late). Children of prefork die with it (PR_SET_PDEATHSIG).
# - solo, early: the acknowledgement is only sent after the task, so even an early one comes back.
KILLED: Mapping[Pool, tuple[Fate, Fate]] = {
    Pool.PREFORK: (Fate.LOST, Fate.LATER),
    Pool.THREADS: (Fate.LOST, Fate.LATER),
    Pool.GEVENT: (Fate.LOST, Fate.LATER),
    Pool.EVENTLET: (Fate.LOST, Fate.LATER),
    Pool.SOLO: (Fate.LATER, Fate.LATER),
}

# Redis only looks for what a dead worker held when another worker polls; gevent and eventlet never do so
# while they run (celery#4976): an idle survivor gave nothing back in 165 s, and did so at its own start.
_WHO_RESTORES = "once a prefork, threads or solo worker polls the broker or any worker starts"


@dataclass(frozen=True, slots=True)
class _Held:
    """What a worker holds at this moment, and the settings that decide its fate."""

    pool: Pool
    running: int
    reserved: int
    scheduled: int
    late: bool
    soft: float  # worker_soft_shutdown_timeout
    timeout: float  # of visibility

    @classmethod
    def by(cls, worker: WorkerSnapshot, celery: Mapping[str, Any]) -> _Held:
        options = celery.get("broker_transport_options") or {}
        return cls(
            pool=worker.spec.pool,
            running=max(len(worker.running), worker.busy),
            reserved=worker.reserved,
            scheduled=worker.scheduled,
            late=bool(celery.get("task_acks_late", False)),
            soft=float(celery.get("worker_soft_shutdown_timeout", 0) or 0),
            timeout=float(options.get("visibility_timeout", _VISIBILITY_TIMEOUT)),
        )

    @property
    def acks(self) -> str:
        return "acks late" if self.late else "acks early"

    @property
    def waiting(self) -> str:
        """The tasks that it holds and does not run: "6 reserved and 1 scheduled"; "" for none."""
        parts = [f"{count:,} {word}" for count, word in self._unstarted() if count]
        return " and ".join(parts)

    def _unstarted(self) -> tuple[tuple[int, str], ...]:
        return (self.reserved, "reserved"), (self.scheduled, "scheduled")

    @property
    def timeout_text(self) -> str:
        return f"{self.timeout:,.0f} s" if self.timeout >= 10 else f"{self.timeout:g} s"

    @property
    def _one_waits(self) -> bool:
        return self.reserved + self.scheduled == 1

    def come_back(self) -> str:
        """Where the unstarted ones of a killed worker are, as a sentence without its subject."""
        verb = "comes" if self._one_waits and not (self.running and self.killed() is Fate.LATER) else "come"
        return f"{verb} back {self.after()}"

    def after(self) -> str:
        return f"after the visibility timeout, {self.timeout_text}, at the earliest, {_WHO_RESTORES}"

    def give_back(self) -> str:
        """What a stop does with the unstarted ones, as a sentence of its own; "" for none."""
        verb = "goes" if self._one_waits else "go"
        return f" {self.waiting} {verb} back to the queue at once." if self.waiting else ""

    def cold(self) -> Fate:
        return COLD[self.pool][self.late]

    def killed(self) -> Fate:
        return KILLED[self.pool][self.late]


def worker_offers(worker: WorkerSnapshot, celery: Mapping[str, Any]) -> tuple[SignalOffer, ...]:
    """The kill menu of a worker: signals to its main process (KILL: to its whole group).

    `celery` is the stack's table of settings. Empty while the worker has no process.
    """
    if worker.service.pid is None:
        return ()
    held = _Held.by(worker, celery)
    frozen = worker.service.process is Light.FROZEN
    stopping = worker.service.state is State.STOPPING
    return (
        _offer("TERM", _later(_warm(held, stopping), frozen)),
        _offer("INT", _later(_interrupt(held, stopping), frozen), stopping and _hurts(held.cold(), held)),
        _offer("QUIT", _later(_cold(held), frozen), _hurts(held.cold(), held)),
        _offer("KILL", _kill(held), _hurts(held.killed(), held) or bool(held.waiting)),
        _offer("STOP", "It is frozen already." if frozen else _freeze(held)),
        _offer("CONT", _go_on(frozen)),
    )


def _offer(signal: str, effect: str, destructive: bool = False) -> SignalOffer:
    return SignalOffer(signal, _TITLES[signal], effect, destructive)


def _hurts(fate: Fate, held: _Held) -> bool:
    return held.running > 0 and fate is not Fate.FINISHES


def _later(effect: str, frozen: bool) -> str:
    """A stopped process gets every signal but KILL and CONT only when it goes on (signal(7))."""
    return f"Nothing while it is frozen; after Go on (SIGCONT): {effect}" if frozen else effect


def _tasks(count: int) -> str:
    return f"{count:,} running task{'' if count == 1 else 's'}"


def _warm(held: _Held, stopping: bool) -> str:
    """Every pool finished what ran and gave the rest back at once, acks early and late (exit code 0)."""
    if stopping:
        # apps/worker.py, on_cold_shutdown: "Additional SIGTERM signals will be ignored."
        return f"It is stopping already{_for_running(held)}; another SIGTERM changes nothing."
    first = f"Waits for {_tasks(held.running)}." if held.running else "No task runs: it ends at once."
    return f"{first}{held.give_back()} Nothing is lost."


def _for_running(held: _Held) -> str:
    return f" and waits for {_tasks(held.running)}" if held.running else ""


def _interrupt(held: _Held, stopping: bool) -> str:
    """The first SIGINT is a warm stop (exit code 1) and turns the next into a cold one (apps/worker.py)."""
    if stopping:
        return f"The first SIGINT changes nothing while it stops; a second one is a cold stop. {_cold(held)}"
    return f"As a warm stop, and a second SIGINT is a cold one. {_warm(held, stopping)}"


def _cold(held: _Held) -> str:
    if not held.running:
        return f"No task runs: it ends at once.{held.give_back()} Nothing is lost."
    if held.soft > 0 and SOFT[held.pool] is Fate.FINISHES:
        first = f"Waits up to {held.soft:g} s for {_tasks(held.running)} (soft shutdown)."
        return f"{first}{_LONGER[held.cold()]}{held.give_back()}"
    return f"{_told(held.cold(), held)}{held.give_back()}"


def _told(fate: Fate, held: _Held) -> str:
    """The fate of the running tasks as a sentence."""
    running = _tasks(held.running)
    match fate:
        case Fate.FINISHES:
            return f"{running} cannot be cancelled on {held.pool.value}, so it waits for them."
        case Fate.LOST:
            return f"{running} will be lost ({held.acks}): never ended, never run again."
        case Fate.FAILS:
            return f"{running} will end as a failure and not run again."
        case Fate.ACKED:
            return f"{running} will be cut off and lost, though acks are late: Celery acknowledges them."
        case Fate.AGAIN:
            return f"{running} will be cut off and run again at once, on any worker ({held.acks})."
        case Fate.LATER:
            return f"{running} will be cut off and run again, {held.after()}."


def _kill(held: _Held) -> str:
    """What was reserved stays in `unacked` until the visibility timeout, on every pool."""
    fate = held.killed()
    if not held.running and not held.waiting:
        return "It holds no task: nothing is lost."
    if held.running and fate is Fate.LATER and held.waiting:
        return f"{_tasks(held.running)} will be cut off; they and {held.waiting} {held.come_back()}."
    lost = _told(fate, held) if held.running else "No task runs."
    return f"{lost} {held.waiting} {held.come_back()}." if held.waiting else lost


def _freeze(held: _Held) -> str:
    """15 s frozen: nothing lost, nothing twice; with a visibility timeout below that, 8 of 8 ran twice."""
    if not held.running:
        first = "It takes and starts nothing until SIGCONT."
    elif held.pool is Pool.PREFORK:
        goes = "goes" if held.running == 1 else "go"
        first = f"The main process stands still; {_tasks(held.running)} {goes} on in the pool processes."
    else:
        first = f"{_tasks(held.running)} {'stands' if held.running == 1 else 'stand'} still until SIGCONT."
    again = " and ".join(
        part for part in (_tasks(held.running) if held.late and held.running else "", held.waiting) if part
    )
    if not again:
        return f"{first} Nothing is lost."
    return (
        f"{first} Nothing is lost; but after {held.timeout_text} (visibility timeout) {again} may run twice."
    )


def _go_on(frozen: bool) -> str:
    return (
        "Goes on where it stood still; signals sent meanwhile take effect."
        if frozen
        else "It is not frozen: nothing."
    )


def process_offers(
    worker: WorkerSnapshot, process: PoolProcess, celery: Mapping[str, Any]
) -> tuple[SignalOffer, ...]:
    """The kill menu of one pool process of a prefork worker; its main process and siblings go on.

    Tried on a busy and an idle process: SIGTERM, SIGQUIT and SIGKILL all end it and come to the same for its
    task; SIGINT is ignored (concurrency/prefork.py, WORKER_SIGIGNORE).
    """
    busy = process.task_id is not None
    ended, hurts = _process_ended(process, celery)
    later = "Nothing while it is frozen; after SIGCONT: " if process.frozen else ""
    effects = {
        "TERM": f"{later}{ended}",
        "INT": "Pool processes ignore it: nothing.",
        "QUIT": f"{later}{ended}",
        "KILL": ended,
        "STOP": "It is frozen already." if process.frozen else _process_frozen(worker, process),
        "CONT": _go_on(process.frozen),
    }
    return tuple(
        SignalOffer(name, _PROCESS_TITLES[name], effect, busy and hurts and name in ("TERM", "QUIT", "KILL"))
        for name, effect in effects.items()
    )


def _process_ended(process: PoolProcess, celery: Mapping[str, Any]) -> tuple[str, bool]:
    """What becomes of its task, in the order of worker/request.py, on_failure; whether that hurts."""
    if process.task_id is None:
        return (
            "It runs no task: nothing is lost. Celery replaces it, at the latest with the next task.",
            False,
        )
    task = process.task_name or "Its task"
    replaced = "The process is replaced."
    if celery.get("task_retry_on_worker_lost"):
        return (
            f"{task} is cut off and retried after its retry delay ({_RETRY_DELAY} s by default). {replaced}",
            True,
        )
    if celery.get("task_acks_late") and celery.get("task_reject_on_worker_lost"):
        return (
            f"{task} is cut off and runs again, from the back of its queue (acks late, reject). {replaced}",
            True,
        )
    why = "acks late, but task_reject_on_worker_lost is off" if celery.get("task_acks_late") else "acks early"
    return f"{task} will be lost: it fails with WorkerLostError ({why}). {replaced}", True


def _process_frozen(worker: WorkerSnapshot, process: PoolProcess) -> str:
    if process.task_id is None:
        return (
            "It starts nothing until SIGCONT, and a task that is handed to it waits as long. Nothing is lost."
        )
    limit = worker.spec.time_limit
    after = f" Its time limit goes on: after {limit:g} s the task fails." if limit else ""
    return f"{process.task_name or 'Its task'} stands still until SIGCONT; a warm stop waits for it.{after}"
