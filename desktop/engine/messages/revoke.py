"""Telling workers not to run a task, and saying what that will do.

What the pools do was measured on Celery 5.7.0: `revoke` of a task that a worker holds and has not started,
and `revoke(terminate=True)` of one that it runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from desktop.engine.api import DeskError, TaskState, WorkerSnapshot
from desktop.engine.stack.model import Pool
from desktop.engine.supervise.outcome import plural

ANSWER_TIME = 2.0  # seconds that workers get to confirm; idle ones do within 30 ms

# celery.worker.request.Request.terminate: prefork signals the pool process, gevent and eventlet kill the
# greenlet; the pool of threads raises NotImplementedError; solo hears nothing while it runs a task.
_TERMINATED: Mapping[Pool, str] = {
    Pool.PREFORK: "{worker} ends the pool process that runs it (SIGTERM); it counts as REVOKED.",
    Pool.GEVENT: "{worker} kills its greenlet; it counts as REVOKED.",
    Pool.EVENTLET: "{worker} kills its greenlet; it counts as REVOKED.",
    Pool.THREADS: "{worker} runs it in a thread, which Celery cannot end: it runs on to its end.",
    Pool.SOLO: "{worker} runs it in its only thread and hears nothing meanwhile: it runs on to its end.",
}

# Reserved, and not started. Threads and greenlets have been handed their tasks already; solo may take up the
# next task before it hears (1 of 1 runs; another, with more of them reserved, was not run).
_RESERVED: Mapping[Pool, str] = {
    Pool.PREFORK: "{worker} holds it and will not run it; it counts as REVOKED.",
    Pool.SOLO: "{worker} holds it, and hears of this only between two tasks: it may run all the same.",
    Pool.THREADS: "{worker} has handed it to its threads already: it will run, though it is marked REVOKED.",
    Pool.GEVENT: "{worker} has handed it to its greenlets already: it will run all the same.",
    Pool.EVENTLET: "{worker} has handed it to its greenlets already: it will run all the same.",
}
_LATER = (
    "The worker that takes it next will drop it as REVOKED, unless it was started after this: workers forget."
)


class Asks(Protocol):
    """What is needed of `supervise.control.ControlClient`."""

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any],
        nodes: list[str] | None,
        heard: Callable[[str, Any], None],
        timeout: float = 2.0,
    ) -> str:
        """Ask; `heard` is called for each reply."""


def revoke(control: Asks, task_id: str, terminate: bool, nodes: Sequence[str]) -> dict[str, Any]:
    """Tell these workers, and wait for their answers, 2 s at most; the answers by node.

    Raises DeskError where there is no worker to tell.
    """
    if not nodes:
        raise DeskError("No worker runs that could be told.", "Start one; or purge the queue it waits in.")
    replies: dict[str, Any] = {}
    all_heard = threading.Event()

    def heard(node: str, reply: Any) -> None:
        replies[node] = reply
        if len(replies) >= len(nodes):
            all_heard.set()

    arguments: dict[str, Any] = {"task_id": task_id}
    if terminate:
        arguments |= {"terminate": True, "signal": "SIGTERM"}
    control.ask("revoke", arguments, list(nodes), heard, ANSWER_TIME)
    all_heard.wait(ANSWER_TIME)
    return dict(replies)


def forecast(state: TaskState | None, holder: WorkerSnapshot | None, terminate: bool) -> str:
    """What it does to a task in this state, held by that worker, as a sentence."""
    if holder is None or state in (None, TaskState.WAITING, TaskState.STRANDED):
        return _LATER
    pool, name = holder.spec.pool, holder.name
    if state is TaskState.SCHEDULED:
        return f"{name} holds it until it is due, and will not run it then; it counts as REVOKED."
    if state is TaskState.RESERVED:
        return _RESERVED[pool].format(worker=name)
    if terminate:
        return _TERMINATED[pool].format(worker=name)
    text = f"{name} runs it already, and runs it to its end: only terminating it would stop it"
    return text + (
        "." if pool not in (Pool.THREADS, Pool.SOLO) else f", and {pool.value} cannot even do that."
    )


def confirmed(replies: Mapping[str, Any], nodes: Sequence[str]) -> str:
    """Who confirmed it, and who did not, as sentences."""
    refused = {
        node: reply["error"]
        for node, reply in replies.items()
        if isinstance(reply, Mapping) and "error" in reply
    }
    silent = [node for node in nodes if node not in replies]
    agreed = len(replies) - len(refused)
    said = (
        [f"{agreed} of {plural(len(nodes), 'worker')} confirmed."]
        if len(nodes) > 1 and (silent or refused)
        else []
    )
    said += [f"{node} could not do it ({_error(error)})." for node, error in sorted(refused.items())]
    if silent:
        said.append(f"{', '.join(silent)} did not answer; it may obey later, when it is not busy or frozen.")
    return " ".join(said)


def _error(error: Any) -> str:
    text = str(error)
    return "Celery has not built that for its pool" if text.startswith("NotImplementedError") else text
