"""A Celery app whose tasks write down themselves that they began and ended.

One line to one file, opened with O_APPEND, by one `os.write` each: `b` began, `e` ended, `f` ended by the
task's own exception. Nothing of Celery Desk takes part in it.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery

app = Celery("witness")
app.conf.task_ignore_result = True
_file: list[int] = []


def _say(word: str, task: Any) -> None:
    if not _file:
        _file.append(os.open(os.environ["WITNESS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    os.write(_file[0], f"{word} {task.request.id} {os.getpid()} {time.time():.6f}\n".encode())


@app.task(name="witness.wait", bind=True)
def wait(self: Any, seconds: float = 0.3) -> None:
    """Sleep."""
    _say("b", self)
    time.sleep(seconds)
    _say("e", self)


@app.task(name="witness.compute", bind=True)
def compute(self: Any, seconds: float = 0.2) -> None:
    """Keep a core busy, by the clock of this thread."""
    _say("b", self)
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))
    _say("e", self)


@app.task(name="witness.fail", bind=True)
def fail(self: Any, seconds: float = 0.1) -> None:
    """Sleep, and end as a failure of its own."""
    _say("b", self)
    time.sleep(seconds)
    _say("f", self)
    raise ValueError("as it was asked to")


@app.task(name="tasks.crash", bind=True)
def crash(self: Any, how: str = "exit", after: float = 0.1) -> None:
    """The poison of the sample app, under its name: it takes its process with it."""
    _say("b", self)
    time.sleep(after)
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), 9)


@app.task(name="tasks.leak", bind=True)
def leak(self: Any, megabytes: int = 20, cap: int = 500, hold: float = 0.3) -> None:
    """The memory hog of the sample app, under its name; the memory goes back when it ends."""
    _say("b", self)
    taken = bytearray(megabytes << 20)
    taken[::4096] = b"\1" * len(taken[::4096])
    time.sleep(hold)
    _say("e", self)
