"""Tasks that behave in a certain way: nothing, failing, leaking, crashing."""

import os
import signal
import threading
import time
from typing import Any, Literal, get_args

from tasks import checks
from tasks.app import task

Crash = Literal["exit", "segv", "kill"]

_MIB = 1024 * 1024
_PAGE = 4096
_leaked: list[bytearray] = []
_leaked_lock = threading.Lock()


class NotYet(RuntimeError):
    """An attempt of `tasks.flaky` that was meant to fail."""


@task("tasks.noop")
def noop() -> None:
    """Do nothing: shows what Celery itself costs."""


@task(
    "tasks.flaky",
    bind=True,
    autoretry_for=(NotYet,),
    max_retries=10,
    retry_backoff=1,
    retry_backoff_max=60,
    retry_jitter=False,
)
def flaky(self: Any, failures: int = 2) -> int:  # noqa: D417 (self is Celery's)
    """Fail the first attempts, then succeed. Celery retries after 1, 2, 4, 8 … seconds.

    Args:
        failures: how many attempts fail; 0 to 10 end well, 11 is one more than is retried.

    Returns:
        The number of the attempt that succeeded.

    """
    checks.whole("failures", failures, 0, 11)
    attempt = int(self.request.retries) + 1
    if attempt <= failures:
        raise NotYet(f"Attempt {attempt} fails on purpose; {failures} are meant to.")
    return attempt


@task("tasks.leak")
def leak(megabytes: int = 20, cap: int = 500, hold: float = 0.3) -> int:
    """Take memory and never give it back: it adds up over the tasks of one process.

    With `max_memory_per_child`, a prefork worker replaces a pool process that has grown too large;
    on the other pools only a restart of the worker gives the memory back.

    Args:
        megabytes: how much to take, in MiB.
        cap: the process holds no more than this in all, in MiB; beyond it, the task takes less or nothing.
        hold: how long the task stays afterwards, in seconds, so that the growth can be watched.

    Returns:
        How much this process holds now, in MiB.

    """
    checks.whole("megabytes", megabytes, 1, 10_000, "MiB")
    checks.whole("cap", cap, 1, 100_000, "MiB")
    checks.number("hold", hold, 0, 3_600, "seconds")
    with _leaked_lock:
        held = sum(map(len, _leaked)) // _MIB
        size = max(0, min(megabytes, cap - held)) * _MIB
        if size:
            _leaked.append(_touched(size))
    time.sleep(hold)
    return held + size // _MIB


def _touched(size: int) -> bytearray:
    block = bytearray(size)
    # Fresh zeros cost no memory before somebody writes to each page.
    block[::_PAGE] = b"\x01" * len(range(0, size, _PAGE))
    return block


@task("tasks.crash")
def crash(how: Crash = "exit", after: float = 0.1) -> None:
    """End the process that runs it, as a broken C library would.

    On prefork it is a pool process: the worker notes WorkerLostError, starts another one, and lives on;
    with late acks and `task_reject_on_worker_lost` the task comes back and kills the next one, for ever.
    On threads, gevent, eventlet and solo it is the worker itself: every task that it runs is lost with it
    (early acks), and what it had reserved waits for the visibility timeout.

    Args:
        how: "exit" ends with exit code 7, "segv" is a segmentation fault, "kill" is SIGKILL.
        after: how long it runs before, in seconds.

    """
    checks.choice("how", how, get_args(Crash))
    time.sleep(checks.number("after", after, 0, 3_600, "seconds"))
    if how == "exit":
        os._exit(7)
    if how == "segv":
        _no_core_file()
    os.kill(os.getpid(), signal.SIGSEGV if how == "segv" else signal.SIGKILL)


def _no_core_file() -> None:
    try:
        import resource
    except ImportError:  # Windows has neither
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
