"""The rules of Celery that decide what a fault does to tasks. Each is written once, with its source.

"Truth table": 20 tasks of 1.5 s on each pool with two slots, prefetch 8, acks early and late, one fault after
2 s and a new worker at once; Celery 5.7.0, kombu 5.7.0, Valkey 9.1.2, Linux. "Measured" names its own runs.
`REMAP_SIGTERM` is taken as unset.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from desktop.engine.api import Rule
from desktop.engine.stack.model import Pool

TABLE = "truth table, Celery 5.7.0"


class Fate(Enum):
    """What becomes of a task that a worker ran or held."""

    FINISHES = auto()  # nothing happens to it
    LOST = auto()  # it never ends, and does not run again
    MAYBE_LOST = auto()  # the moment decides whether it is lost or finishes
    FAILS = auto()  # it ends as a failure, and does not run again
    MAYBE_FAILS = auto()  # the moment decides whether it ends as a failure
    ACKED = auto()  # cut off, yet acknowledged as if it had ended: lost
    AGAIN = auto()  # runs again at once
    MAYBE_AGAIN = auto()  # the moment decides whether it runs again
    TWICE = auto()  # goes on, and is delivered again at once: runs twice
    TWICE_LATER = auto()  # goes on, and is delivered again after the visibility timeout
    LATER = auto()  # runs again after the visibility timeout
    RETRIED = auto()  # runs again after its retry delay
    BACK = auto()  # not started; in its queue again at once
    MAYBE_BACK = auto()  # not started; the moment decides whether it is delivered again
    BACK_LATER = auto()  # not started; delivered again after the visibility timeout
    GONE = auto()  # not started; its message is gone
    MAYBE_GONE = auto()  # not started; the moment decides whether its message is gone


GREENLETS = (Pool.GEVENT, Pool.EVENTLET)
Law = tuple[Fate, str]  # what becomes of a task, and the rule that says so

RULES: dict[str, Rule] = {}
"""Every rule, by its name."""


def new_rule(rule: str, text: str, source: str) -> str:
    """Put a rule down; gives its name."""
    assert rule not in RULES, rule
    RULES[rule] = Rule(rule, text, source)
    return rule


# A worker is killed.

_LOST = (
    Fate.LOST,
    new_rule(
        "kill-worker/early",
        "A task that was acknowledged when it began is lost with its process: nobody has it any more.",
        f"{TABLE}: 2 of 2 lost on prefork, threads, gevent and eventlet; Request.on_accepted",
    ),
)
_LATER = (
    Fate.LATER,
    new_rule(
        "kill-worker/late",
        "A task that is acknowledged when it ends stays in `unacked` with a killed worker, and runs again.",
        f"{TABLE}: 2 of 2 on every pool; again after 8.5 s with a timeout of 6 s, 3 of 3",
    ),
)
_SOLO_LATER = (
    Fate.LATER,
    new_rule(
        "kill-worker/solo/early",
        "Solo sends even an early acknowledgement only after the task: it stays in `unacked` and runs again.",
        f"{TABLE}: 0 lost, 1 of 1 stuck",
    ),
)
KILLED: Mapping[Pool, tuple[Law, Law]] = {
    Pool.PREFORK: (_LOST, _LATER),
    Pool.THREADS: (_LOST, _LATER),
    Pool.GEVENT: (_LOST, _LATER),
    Pool.EVENTLET: (_LOST, _LATER),
    Pool.SOLO: (_SOLO_LATER, _LATER),
}
KILLED_HELD: Law = (
    Fate.BACK_LATER,
    new_rule(
        "kill-worker/held",
        "What a killed worker had reserved or scheduled stays in `unacked` until the visibility timeout.",
        f"{TABLE}: 8 of 8 (prefork, threads), 1 of 1 (gevent, eventlet); kombu QoS.restore_visible",
    ),
)
CHILDREN_DIE = new_rule(
    "kill-worker/prefork/children",
    "Pool processes die with their main process.",
    "PR_SET_PDEATHSIG, measured 10 of 10 within 63 ms (Linux); elsewhere the whole group is killed",
)
BRPOP = new_rule(
    "kill-worker/brpop",
    "A message that left its queue and is not in `unacked` yet exists nowhere: killed then, it is lost.",
    "measured: 1 of 3,000 in 3 of 6 runs of a flood, 1 in 2 of 5 kills of the audit under load; kombu#305, "
    "celery#7950",
)
FROZEN_KILL = new_rule(
    "kill-worker/frozen",
    "Of a frozen prefork worker the pool processes go on: what has ended there is not acknowledged yet.",
    f"{TABLE}, SIGSTOP 3 s then SIGKILL: early 0 lost; late 2 of 2 ran twice",
)
RESTORE_SWEEP = new_rule(
    "visibility/sweep",
    "Only a living prefork, threads or solo worker looks for what is past the visibility timeout, "
    "every unacked_restore_interval × unacked_restore_throttle seconds.",
    "measured: back 91-96 s after a SIGKILL with a timeout of 10 s, 10-13 s with interval and throttle 1",
)
RESTORE_LOCK = new_rule(
    "visibility/lock",
    "A worker that is killed while it looks leaves its lock behind: nobody else looks before "
    "unacked_mutex_expire, 300 s.",
    "measured: 5 messages stranded for over 40 s beside three workers that polled, in 2 of 24 kills of three "
    "that looked every second; kombu QoS.restore_visible, Mutex",
)
RESTORE_START = new_rule(
    "visibility/start",
    "Any worker looks once when it starts; a gevent or eventlet worker never again.",
    "measured: back at a start; an idle gevent worker gave nothing back in 165 s (celery#4976)",
)

# A worker is asked to stop.

WARM_RUNNING: Law = (
    Fate.FINISHES,
    new_rule(
        "warm/running",
        "A worker that stops warm finishes what runs.",
        f"{TABLE}: clean on every pool, acks early and late",
    ),
)
STOP_HELD: Law = (
    Fate.BACK,
    new_rule(
        "stop/held",
        "A worker that stops by itself puts what it had not started back into its queue at once.",
        f"{TABLE}: all of them, warm, cold and soft; kombu Channel.close, QoS.restore_unacked_once",
    ),
)
_COLD_EARLY = (
    Fate.LOST,
    new_rule(
        "cold/prefork/early",
        "A cold stop cancels what prefork runs; acknowledged already, it is RETRY for ever and lost.",
        f"{TABLE}: 2 of 2; again 10 of 10, queue and `unacked` empty",
    ),
)
_COLD_LATE = (
    Fate.AGAIN,
    new_rule(
        "cold/prefork/late",
        "A cold stop cancels what prefork runs; not acknowledged yet, it runs again at once.",
        f"{TABLE}: 2 of 2 by the next worker",
    ),
)
_COLD_THREADS = (
    Fate.FINISHES,
    new_rule(
        "cold/threads",
        "A cold stop cannot cancel threads (NotImplementedError): what runs finishes.",
        f"{TABLE}: 0 lost, early and late",
    ),
)
COLD_THREADS_HELD: Law = (
    Fate.MAYBE_BACK,
    new_rule(
        "cold/threads/held",
        "While a cold stop waits for threads they may run what was reserved; the rest goes back.",
        "measured: 0 of 2 given back in a run of the audit, all ended once; 8 of 8 and 6 of 6 ended once",
    ),
)
_COLD_GREEN_EARLY = (
    Fate.LOST,
    new_rule(
        "cold/greenlets/early",
        "A cold stop kills the greenlets; what they ran was acknowledged, and is lost.",
        f"{TABLE}; measured: 2 of 2 in 3 of 3 runs, on gevent and on eventlet",
    ),
)
_COLD_GREEN_LATE = (
    Fate.ACKED,
    new_rule(
        "cold/greenlets/late",
        "A greenlet that a cold stop kills returns as if it had ended, so its task is acknowledged and lost.",
        f"{TABLE}; measured: 2 of 2 in 3 of 3 runs on gevent",
    ),
)
_COLD_EVENTLET_LATE = (
    Fate.MAYBE_LOST,
    new_rule(
        "cold/eventlet/late",
        "On eventlet some of what is cut off so still ends, and the rest is acknowledged and lost.",
        f"{TABLE}: 1 or 2 of 2 lost; measured: 1 of 2 in 3 of 3 runs",
    ),
)
COLD_EVENTLET_NEXT = new_rule(
    "cold/eventlet/next",
    "On eventlet the task that waits for a free greenlet starts when the others are killed, and dies too.",
    "measured, acks early: 1 of 1 in 3 of 3 runs; acks late: 0 of 1 in 3 of 3 runs",
)
_COLD_SOLO = (
    Fate.FAILS,
    new_rule(
        "cold/solo",
        "Solo cannot cancel: the NotImplementedError becomes the failure of the task itself.",
        f"{TABLE}: 2 of 2 runs, early and late",
    ),
)
COLD: Mapping[Pool, tuple[Law, Law]] = {
    Pool.PREFORK: (_COLD_EARLY, _COLD_LATE),
    Pool.THREADS: (_COLD_THREADS, _COLD_THREADS),
    Pool.GEVENT: (_COLD_GREEN_EARLY, _COLD_GREEN_LATE),
    Pool.EVENTLET: (_COLD_GREEN_EARLY, _COLD_EVENTLET_LATE),
    Pool.SOLO: (_COLD_SOLO, _COLD_SOLO),
}
_SOFT_WAITS = (
    Fate.FINISHES,
    new_rule(
        "soft/waits",
        "A soft shutdown waits up to worker_soft_shutdown_timeout for what runs, then stops cold.",
        f"{TABLE}: clean on prefork, threads, gevent and eventlet; apps/worker.py, on_cold_shutdown",
    ),
)
SOFT_GREENLETS = new_rule(
    "soft/greenlets",
    "With a soft timeout greenlets finish, also those that take longer than it.",
    "measured: 2 of 2 tasks of 6 s ended once with a timeout of 2 s, gevent and eventlet, early and late",
)
_SOFT_SOLO = (
    Fate.FAILS,
    new_rule(
        "soft/solo",
        "On solo the soft shutdown sleeps in the task's own thread, and then fails it.",
        f"{TABLE}: 1 of 1, early and late",
    ),
)
SOFT: Mapping[Pool, Law] = {
    Pool.PREFORK: _SOFT_WAITS,
    Pool.THREADS: _SOFT_WAITS,
    Pool.GEVENT: _SOFT_WAITS,
    Pool.EVENTLET: _SOFT_WAITS,
    Pool.SOLO: _SOFT_SOLO,
}
TERM_GROUP_ONE = new_rule(
    "term-group/one-process",
    "A worker that is one process gets one SIGTERM, as a warm stop would send it.",
    "every pool but prefork runs in the main process",
)

# A pool process dies while its worker lives: by a kill, a poison task, or a SIGTERM to the group.

_CHILD_EARLY = (
    Fate.FAILS,
    new_rule(
        "worker-lost/early",
        "The task of a pool process that died fails with WorkerLostError.",
        f"{TABLE}: 1 of 1; group SIGTERM: 10 of 10, and 2 of 2 in 2 runs; Request.on_failure",
    ),
)
_CHILD_LATE = (
    Fate.FAILS,
    new_rule(
        "worker-lost/late",
        "With late acks too: it is acknowledged as failed while task_reject_on_worker_lost is off.",
        f"{TABLE}: 1 of 1, and 3 of 3 rounds; group SIGTERM: 2 of 2 in 2 runs",
    ),
)
_CHILD_REJECT = (
    Fate.AGAIN,
    new_rule(
        "worker-lost/late/reject",
        "With late acks and task_reject_on_worker_lost it runs again, from the back of its queue.",
        f"{TABLE}: again after 12-14 s behind 10 others; group SIGTERM: 2 of 2 in 2 runs; Request.on_failure",
    ),
)
_CHILD_RETRY = (
    Fate.RETRIED,
    new_rule(
        "worker-lost/retry",
        "With task_retry_on_worker_lost it is retried after its default_retry_delay, 180 s by default.",
        f"{TABLE}: again after 182.9 s; Request._retry_worker_lost",
    ),
)
REPLACED = new_rule(
    "worker-lost/replaced",
    "A pool process that died is replaced.",
    "measured: 80-107 ms for an idle one, 84 ms to 5 s for a busy one",
)


def worker_lost(late: bool, reject: bool, retry: bool) -> Law:
    """What becomes of the task of a pool process that died, in the order of Request.on_failure."""
    if retry:
        return _CHILD_RETRY
    if late:
        return _CHILD_REJECT if reject else _CHILD_LATE
    return _CHILD_EARLY


# Something stands still for a while.

FREEZE_SHORT = new_rule(
    "freeze/short",
    "A worker that stands still for less than the visibility timeout goes on as if nothing had been.",
    f"{TABLE}, SIGSTOP 15 s: nothing lost, nothing twice, on every pool",
)
FREEZE_LONG = new_rule(
    "freeze/long",
    "Longer than the visibility timeout: what it holds is delivered to another worker, and runs here too.",
    f"{TABLE}: 8 of 8 ran twice; measured, 12 s with a timeout of 8 s: all that was held, on every pool, "
    "and what ran with acks late or on solo",
)
FREEZE_CHILD = new_rule(
    "freeze/process",
    "A task stands still with its pool process; its hard time limit goes on in the main process.",
    "billiard's TimeoutHandler runs in the main process",
)
