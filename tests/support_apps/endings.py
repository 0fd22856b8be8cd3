"""A Celery app whose tasks end in every way that a task can end. Its broker is CELERY_BROKER_URL."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from itertools import pairwise

from celery import Celery, Task
from celery.exceptions import Ignore, Reject
from kombu import Exchange, Queue

app = Celery("endings", set_as_current=False)
app.conf.update(
    broker_url=os.environ.get("CELERY_BROKER_URL", "memory://"),
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    task_default_queue="main",
    task_queues=[Queue("main"), Queue("named", Exchange("letters"), routing_key="letters.a")],
)
if os.environ.get("ENDINGS_START_METHOD"):
    app.conf.worker_pool_start_method = os.environ["ENDINGS_START_METHOD"]


@app.task
def ok(x: int = 1, note: str = "") -> int:
    """Ends well."""
    return x


@app.task
def fail(text: str = "no such letter") -> None:
    """Raises."""
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def again(self: Task, times: int = 1) -> int:
    """Retries itself `times` times, then ends well."""
    if self.request.retries < times:
        raise self.retry(countdown=0.05, exc=OSError("busy"))
    return times


@app.task
def ignore() -> None:
    """Asks to be forgotten."""
    raise Ignore("nothing to do")


@app.task
def reject(requeue: bool = False) -> None:
    """Sends its message away."""
    raise Reject("not mine", requeue=requeue)


@app.task(acks_late=True)
def reject_once(path: str) -> None:
    """Sends its message back to the queue the first time, and ends well the second."""
    if not os.path.exists(path):
        open(path, "w").close()
        raise Reject("later", requeue=True)


@app.task
def wait(seconds: float, path: str = "") -> None:
    """Sleeps; creates the file `path` first, to tell that it has begun."""
    if path:
        open(path, "w").close()
    time.sleep(seconds)


@app.task
def burn(seconds: float) -> int:
    """Computes until it has had `seconds` of this thread's CPU time."""
    rounds = 0
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        hashlib.sha256(b"x" * 1000).digest()
        rounds += 1
    return rounds


@app.task
def burn_in_slices(slices: int, slice_seconds: float, pause: float) -> None:
    """Computes in slices of CPU time with pauses between them: under greenlets, others run there."""
    for _ in range(slices):
        until = time.thread_time() + slice_seconds
        while time.thread_time() < until:
            hashlib.sha256(b"x" * 1000).digest()
        time.sleep(pause)


@app.task
def leave(code: int = 3) -> None:
    """Calls sys.exit."""
    sys.exit(code)


@app.task
def vanish() -> None:
    """Its process ends without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(acks_late=True, reject_on_worker_lost=True)
def vanish_once(path: str) -> None:
    """Its process is killed the first time; the message comes again, and then it ends well."""
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(soft_time_limit=1)
def soft_limited(seconds: float) -> None:
    """Sleeps longer than its soft limit."""
    time.sleep(seconds)


@app.task(time_limit=1)
def hard_limited(seconds: float) -> None:
    """Sleeps longer than its hard limit."""
    time.sleep(seconds)


@app.task
def give(value: object = None) -> object:
    """Returns what it was given."""
    return value


@app.task
def dig(depth: int) -> None:
    """Fails far down, with a long traceback."""
    names = [f"step_{i}" for i in range(depth)]
    lines = [f"def {name}():\n    {after}()\n" for name, after in pairwise(names)]
    scope: dict[str, object] = {}
    exec("".join(lines) + f"def {names[-1]}():\n    raise KeyError('at the bottom')\n", scope)
    scope[names[0]]()  # type: ignore[operator]


@app.task
def eager(times: int = 2) -> None:
    """Runs another task inside itself: no run of its own in the ledger."""
    for _ in range(times):
        ok.apply()


@app.task(rate_limit="1/m")
def seldom() -> None:
    """At most one a minute: the rest is held by the worker."""
