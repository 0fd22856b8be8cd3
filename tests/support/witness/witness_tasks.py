"""Tasks that write down themselves that they began and ended, for workers that get `--include witness_tasks`.

One line to one file, opened with O_APPEND, by one `os.write` each: `b` began, `e` ended, `f` ended by the
task's own exception. Nothing of Celery Desk takes part in it.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import shared_task

_file: list[int] = []


def _say(word: str, task: Any) -> None:
    if not _file:
        _file.append(os.open(os.environ["WITNESS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    os.write(_file[0], f"{word} {task.request.id} {os.getpid()} {time.time():.6f}\n".encode())


@shared_task(name="witness.wait", bind=True)
def wait(self: Any, seconds: float = 0.3) -> None:
    """Sleep."""
    _say("b", self)
    time.sleep(seconds)
    _say("e", self)


@shared_task(name="witness.compute", bind=True)
def compute(self: Any, seconds: float = 0.2) -> None:
    """Keep a core busy, by the clock of this thread."""
    _say("b", self)
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))
    _say("e", self)


@shared_task(name="witness.fail", bind=True)
def fail(self: Any, seconds: float = 0.1) -> None:
    """Sleep, and end as a failure of its own."""
    _say("b", self)
    time.sleep(seconds)
    _say("f", self)
    raise ValueError("as it was asked to")
